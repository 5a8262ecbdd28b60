"""Records of vulnerabilities: which versions of which packages they are of, and of which nobody can say."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL
from packaging.version import Version

from orchestrator.evidence.advisories.matching import Looked, Looking, Part
from orchestrator.evidence.advisories.osv import Advisory, NotOsv, read

CARGO = "crates" + ".io"


def record(
    ecosystem: str = "PyPI",
    name: str = "six",
    events: Sequence[Any] = ({"introduced": "0"}, {"fixed": "1.17.0"}),
    kind: str = "ECOSYSTEM",
    id_: str = "OSV-1",
    **more: Any,
) -> bytes:
    affected = {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": kind, "events": list(events)}] if events else [],
        "versions": more.pop("versions", []),
    }
    return json.dumps(
        {"id": id_, "modified": "2026-01-01T00:00:00Z", "affected": [affected], **more}
    ).encode()


def looked(purls: Sequence[str], *records: bytes) -> Looked:
    looking = Looking(Part("x", PackageURL.from_string(purl).version, purl) for purl in purls)
    for each in records:
        advisory = read(each)
        if advisory is not None:
            looking.look(advisory)
    return looking.done()


def looked_up(purl: str) -> Mapping[str, int]:
    return Looking([Part("x", "1", purl)]).done().uncompared


def found(purl: str, *records: bytes) -> bool:
    told = looked([purl], *records)
    assert told.undecided == ()
    return bool(told.found)


@pytest.mark.parametrize(
    ("events", "affected", "others"),
    [
        ([{"introduced": "0"}, {"fixed": "1.2"}], ["0", "0.9", "1.2rc1"], ["1.2", "1.2.0", "1.10"]),
        (
            [{"introduced": "1.2"}, {"last_affected": "1.9"}],
            ["1.2", "1.2.0", "1.9"],
            ["1.1", "1.10", "1.9.1"],
        ),
        ([{"introduced": "1.2"}], ["1.2", "99"], ["1.1"]),
        ([{"fixed": "2"}, {"introduced": "1"}], ["1", "1.5"], ["2", "0.5"]),
        (
            [{"introduced": "0"}, {"fixed": "1.3"}, {"introduced": "2.0"}, {"fixed": "2.1"}],
            ["1.2", "2.0.5"],
            ["1.3", "1.9", "2.1"],
        ),
        ([{"introduced": "0"}, {"limit": "3"}], ["2.9"], ["3", "4"]),
        ([{"introduced": "0"}, {"limit": "*"}], ["2.9", "4"], []),
        ([], [], ["1"]),
    ],
)
def test_ranges(events: list[dict[str, str]], affected: list[str], others: list[str]) -> None:
    more: dict[str, Any] = {} if events else {"versions": ["7"]}
    for version in affected:
        assert found(f"pkg:pypi/six@{version}", record(events=events, **more)), version
    for version in others:
        assert not found(f"pkg:pypi/six@{version}", record(events=events, **more)), version


releases = st.lists(st.integers(0, 4), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@given(releases, releases, releases)
def test_a_range_is_what_a_stranger_takes_it_for(start: str, end: str, version: str) -> None:
    inside = (start == "0" or Version(version) >= Version(start)) and Version(version) < Version(end)
    if start == "0" or Version(start) < Version(end):
        made = record(events=[{"introduced": start}, {"fixed": end}])
        assert found(f"pkg:pypi/six@{version}", made) is inside


@pytest.mark.parametrize(
    ("purl", "ecosystem", "name", "fixed"),
    [
        ("pkg:cargo/serde@1.0.219", CARGO, "serde", "1.0.220"),
        ("pkg:npm/%40babel/core@7.26.0", "npm", "@babel/core", "7.26.1"),
        ("pkg:golang/github.com/burntsushi/toml@v1.4.0", "Go", "github.com/BurntSushi/toml", "1.4.1"),
        ("pkg:golang/x.org/y@v1.0.0%2Bincompatible", "Go", "x.org/y", "1.0.1"),
        ("pkg:golang/stdlib@1.22.3", "Go", "stdlib", "1.22.10"),
        ("pkg:pypi/ruamel-yaml@0.16", "PyPI", "ruamel.yaml", "0.17"),
        ("pkg:maven/org.example/x@1.0", "Maven", "org.example:x", "1.1"),
        ("pkg:gem/rails@7.0", "RubyGems", "rails", "7.0.1"),
        ("pkg:composer/a/b@1.0", "Packagist", "a/b", "1.0.1"),
        ("pkg:nuget/x@1.0.0", "NuGet", "X", "1.0.1"),
        ("pkg:hex/x@1.0.0", "Hex", "x", "1.0.1"),
    ],
)
def test_each_ecosystem_by_its_names(purl: str, ecosystem: str, name: str, fixed: str) -> None:
    made = record(ecosystem, name, [{"introduced": "0"}, {"fixed": fixed}])
    assert found(purl, made)
    for spelt in (ecosystem.lower(), ecosystem.upper()):  # as who writes his own records may
        assert found(purl, record(spelt, name, [{"introduced": "0"}, {"fixed": fixed}]))
    assert looked([purl], made).found[0].fixed == (fixed,)
    assert not found(purl, record(ecosystem, f"{name}x", [{"introduced": "0"}]))
    at = [{"introduced": "0"}, {"fixed": purl.rpartition("@")[2].removeprefix("v").partition("%")[0]}]
    assert not found(purl, record(ecosystem, name, at))
    assert not looked([purl], record("Debian:12", name)).compared, "its names are source packages"


@pytest.mark.parametrize(
    ("purl", "made", "said"),
    [
        ("pkg:pub/x@1.0", record("Pub", "x"), "univers has no order for versions of pub"),
        ("pkg:pypi/six@odd!", record(), "its version 'odd!' cannot be compared"),
        ("pkg:pypi/six@1", record(events=[{"introduced": "odd!"}]), "its version 'odd!' cannot be compared"),
        ("pkg:pypi/six@1", record(kind="GIT"), "by commits of a repository alone"),
        ("pkg:pypi/six@1", record(events=[]), "it names no versions"),
    ],
)
def test_of_what_cannot_be_compared_nobody_says_no(purl: str, made: bytes, said: str) -> None:
    told = looked([purl], made)
    assert told.found == ()
    (sentence,) = told.undecided
    assert sentence.startswith(f"{purl}, OSV-1: ")
    assert said in sentence


def test_a_version_that_is_listed_needs_no_order() -> None:
    assert found("pkg:pub/x@1.0", record("Pub", "x", [], versions=["1.0"]))
    assert not found("pkg:pub/x@1.1", record("Pub", "x", [], versions=["1.0"]))
    assert found("pkg:pypi/six@1.0.0", record(events=[], versions=["odd!", "1.0"])), "as another spelling"
    assert found("pkg:pypi/six@1", record(kind="GIT", versions=["1"]))


def test_what_was_compared_with_nothing_is_counted() -> None:
    purls = [
        "pkg:nix/glibc@2.38", "pkg:deb/debian/gcc-12@12.2", "pkg:pypi/six@1", "pkg:cargo/a@1",
        "pkg:cargo/private@1?repository_url=https://crates.example.org/index/",
    ]  # fmt: skip
    assert looked(["pkg:pypi/six"], record()).uncompared == {"without a version": 1}
    assert looked_up("no purl") == {"with no package URL": 1}
    told = looked(purls, record(), record(CARGO, "private"))
    assert told.compared == 2
    assert told.uncompared == {"deb": 1, "nix": 1, "from other registries": 1}
    assert {each.purl for each in told.found} == {"pkg:pypi/six@1"}


def test_a_record_that_was_withdrawn_says_nothing() -> None:
    assert read(record(withdrawn="2026-01-02T00:00:00Z")) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_records_changes_nothing(seed: int) -> None:
    records = [record(id_=f"OSV-{n}") for n in range(5)] + [
        record(kind="GIT", id_=f"GIT-{n}") for n in range(5)
    ]
    mixed = random.Random(seed).sample(records, len(records))
    assert looked(["pkg:pypi/six@1"], *mixed) == looked(["pkg:pypi/six@1"], *records)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"{}", b'{"id": "x"}', b"\xff", b"[" * 5_000,
        record(aliases="CVE"), record(affected=3), record(affected=[3]), record(id_="a\nb"),
        record(affected=[{"package": {"name": "x"}}]),
        record(events=[{"introduced": 3}]),
        record(events=[3]), record(events=[{"fixed": "1"}]),
        record(affected=[{"package": {"name": "x", "ecosystem": "npm"}, "versions": ["1", {}]}]),
        record(affected=[{"package": {"name": "x", "ecosystem": "npm"}, "ranges": [{}]}]),
        record(affected=[{"package": {"name": "x", "ecosystem": "npm"}, "ranges": [{"events": []}]}]),
    ],
)  # fmt: skip
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(NotOsv):
        read(data)


def test_fields_nobody_here_knows_are_passed_over() -> None:
    made = json.loads(record(aliases=["CVE-1"], details="One.\nTwo.", schema_version="9.9"))
    made["affected"][0]["ranges"][0]["events"].append({"later": "1"})
    made["affected"].append({"ranges": [{"type": "GIT", "events": []}]})
    advisory = read(json.dumps(made).encode())
    assert isinstance(advisory, Advisory)
    assert (advisory.aliases, advisory.summary, len(advisory.affected)) == (("CVE-1",), "One.", 1)
