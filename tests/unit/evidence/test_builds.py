"""An exported ledger: read back as it was written, and refused where it says what nobody writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.evidence.builds import parse, payload_of
from orchestrator.evidence.canonical import MalformedError, render
from orchestrator.evidence.terms import BUILDS_1
from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Entry, How, Known, Made

STORE = "/nix/store/00000000000000000000000000000000-"
TIME = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
A = Known("a", "signed", None, "2.8.0", "1" * 64, "2" * 64, "x86_64-linux", proven=True)


def entry(name: str, content: str, builder: Known = A, second: str | None = None) -> Entry:
    again = None if second is None else NarHash.of(second.encode())
    made = Made(f"{STORE}{name}", NarHash.of(content.encode()), 120, (f"{STORE}libc",), again)
    return Entry("", builder, f"{STORE}{name}.drv", How.BUILT, {"out": made}, finished=TIME)


def test_what_was_written_is_read_back() -> None:
    entries = [entry("lib", "1"), entry("lib", "1", replace(A, name="b")), entry("app", "2", second="3")]
    assert sorted(parse(payload_of(entries), "it"), key=str) == sorted(entries, key=str)


INPUTS = {f"{STORE}lib.drv": {"out": Made(f"{STORE}lib", NarHash.of(b"1"), 0, ())}}


def test_what_each_was_made_from_is_told() -> None:
    one = replace(entry("app", "2"), inputs=INPUTS)
    other = {f"{STORE}lib.drv": {"out": Made(f"{STORE}lib", NarHash.of(b"5"), 0, ())}}
    entries = [entry("lib", "1"), one, replace(one, inputs=other), replace(one, run="2")]
    found = parse(payload_of(entries), "it")
    assert sorted(found, key=str) == sorted([entry("lib", "1"), one, replace(one, inputs=other)], key=str)


def test_what_earlier_versions_exported_is_read() -> None:
    document = json.loads(payload_of([entry("lib", "1")]))
    assert document["predicateType"].endswith("/builds/v2")
    document["predicateType"] = BUILDS_1
    document["predicate"]["builds"][0]["inputs"] = "whatever a field of that name held there"
    assert parse(render(document), "it") == (entry("lib", "1"),)


def test_only_what_came_out_one_way_is_a_subject() -> None:
    entries = [entry("lib", "1"), entry("app", "2", second="3"), entry("doc", "4"), entry("doc", "5")]
    subjects = json.loads(payload_of(entries))["subject"]
    assert [each["name"] for each in subjects] == ["00000000000000000000000000000000-lib.nar"]
    assert subjects[0]["digest"] == {"sha256": NarHash.of(b"1").hex}


def test_a_result_that_came_out_twice_is_told_once_and_another_one_besides() -> None:
    runs = [replace(entry("doc", content), run=run) for run, content in [("1", "4"), ("2", "5"), ("3", "4")]]
    found = parse(payload_of([*runs, entry("lib", "1")]), "it")
    assert len([each for each in found if each.derivation.endswith("-doc.drv")]) == 2


def test_what_came_out_otherwise_once_is_told_whatever_came_later() -> None:
    """Else its operator would have a vote with others, and none by its own ledger."""
    entries = [entry("app", "2", second="3"), entry("app", "2"), entry("doc", "4")]
    for each in (entries, entries[::-1]):
        found = [one for one in parse(payload_of(each), "x") if one.derivation == entries[0].derivation]
        assert {made.second for one in found for made in one.outputs.values()} == {None, NarHash.of(b"3")}


def test_a_name_that_went_to_another_machine_is_two_builders() -> None:
    elsewhere = replace(A, machine_id="3" * 64)
    found = parse(payload_of([entry("lib", "1"), entry("lib", "1", elsewhere)]), "it")
    assert {(each.builder.name, each.builder.machine_id) for each in found} == {
        ("a", "1" * 64),
        ("a-2", "3" * 64),
    }


def test_nothing_is_no_statement() -> None:
    with pytest.raises(ValueError, match="nothing was built that came out one way"):
        payload_of([entry("app", "2", second="3")])


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(payload_of([replace(entry("lib", "1"), inputs=INPUTS)]))
    change(document)
    return render(document)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(predicateType="https://example.org/other"), "is no exported ledger"),
        (lambda d: d["predicate"].pop("builds"), "no 'builds'"),
        (lambda d: d["predicate"].update(builders=[]), "a build by 'a', and no such builder"),
        (
            lambda d: d["predicate"]["builders"][0].update(machineIdSha256=1),
            "that is no text",
        ),
        (lambda d: d["predicate"]["builds"][0].update(outcome="held"), "outcome 'held'"),
        (lambda d: d["predicate"]["builds"][0].update(derivation="/etc/passwd"), "no derivation"),
        (lambda d: d["predicate"]["builds"][0].update(outputs={}), "has no output"),
        (lambda d: d["predicate"]["builds"][0].update(finished="soon"), "no time where one should be"),
        (lambda d: d["predicate"]["builds"][0]["outputs"]["out"].update(path="../x"), "no store path"),
        (lambda d: d["predicate"]["builds"][0]["outputs"]["out"].update(narSha256="x"), "without a hash"),
        (lambda d: d["predicate"]["builds"][0]["outputs"]["out"].update(second={}), "'narSha256'"),
        (lambda d: d["predicate"]["builds"][0].update(inputs=[]), "'inputs'"),
        (lambda d: d["predicate"]["builds"][0].update(inputs={"/etc": {}}), "'/etc', which is no derivation"),
        (lambda d: d["predicate"]["builds"][0]["inputs"][f"{STORE}lib.drv"].update(out={}), "'path'"),
        (
            lambda d: d["predicate"]["builds"][0]["inputs"][f"{STORE}lib.drv"]["out"].update(path="x"),
            "no store",
        ),
    ],
)
def test_what_nobody_writes_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    with pytest.raises(MalformedError, match=said):
        parse(changed(change), "it")
