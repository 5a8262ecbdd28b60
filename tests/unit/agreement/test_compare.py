"""Agreement: what makes one, and everything that must not."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agreement.agreement import Agreed, Agreement, Disagreed, Incomplete
from orchestrator.agreement.compare import compare
from orchestrator.agreement.independence import Level
from orchestrator.builders.build import (
    Build,
    BuiltPath,
    Failure,
    Identity,
    Report,
    SandboxProof,
    SecondResult,
)
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SANDBOX = SandboxProof(("lo",), 1000, "/build", "localhost", ("build", "nix"), (), host_file_visible=False)


def store_path(name: str) -> str:
    return f"/nix/store/{hashlib.sha256(name.encode()).hexdigest()[:32]}-{name}"


def drv_path(name: str) -> str:
    return store_path(f"{name}.drv")


def derivation(
    name: str,
    inputs: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] = ("out",),
    fixed: bool = False,
) -> Derivation:
    made = {output: store_path(name if output == "out" else f"{name}-{output}") for output in outputs}
    return Derivation(
        path=drv_path(name),
        system="x86_64-linux",
        builder_executable="/bin/sh",
        args=(),
        env={},
        outputs=made,
        fixed=FixedOutput(made["out"], NarHash.of(name.encode())) if fixed else None,
        input_derivations={drv_path(below): tuple(names) for below, names in (inputs or {}).items()},
        input_sources=(),
    )


def graph_of(*derivations: Derivation, roots: Sequence[str]) -> DerivationGraph:
    return DerivationGraph({drv.path: drv for drv in derivations}, tuple(map(drv_path, roots)))


def built(path: str, content: str = "same", references: tuple[str, ...] = ()) -> BuiltPath:
    return BuiltPath(path, NarHash.of(f"{path} {content}".encode()), 120, references)


def build_of(drv: Derivation, **content: str) -> Build:
    outputs = {name: built(path, content.get(name, "same")) for name, path in drv.outputs.items()}
    return Build(drv.path, outputs, NOON, NOON, Path("log"), {})


def report(
    name: str,
    builds: Sequence[Build] = (),
    inputs: Sequence[BuiltPath] = (),
    failures: Sequence[Failure] = (),
) -> Report:
    identity = Identity(name, "local", machine_id="00" * 32)
    return Report(
        identity, SANDBOX, {b.derivation: b for b in builds}, {p.path: p for p in inputs}, tuple(failures)
    )


# zlib -> pigz -> pack, and a source that nobody compares
SOURCE = derivation("src", fixed=True)
ZLIB = derivation("zlib", {"src": ["out"]}, outputs=["out", "dev"])
PIGZ = derivation("pigz", {"zlib": ["dev", "out"]})
PACK = derivation("pack", {"pigz": ["out"]})
GRAPH = graph_of(SOURCE, ZLIB, PIGZ, PACK, roots=["pack"])
ASKED = [PIGZ.path, PACK.path]
ZLIB_BUILT = (built(ZLIB.outputs["out"]), built(ZLIB.outputs["dev"]))
FAILED = Failure(PACK.path, "exit code 1", ("boom",), Path("log"))


def complete(name: str, *, pigz: str = "same", pack: str = "same", zlib: str = "same") -> Report:
    inputs = (built(ZLIB.outputs["out"], zlib), ZLIB_BUILT[1])
    return report(name, [build_of(PIGZ, out=pigz), build_of(PACK, out=pack)], inputs)


def test_builders_that_made_the_same_agree() -> None:
    result = compare(GRAPH, ASKED, [complete("b"), complete("a")], 2)
    assert isinstance(result, Agreed)
    assert [r.identity.name for r in result.reports] == ["a", "b"]
    assert result.outputs == {
        PIGZ.path: {"out": built(PIGZ.outputs["out"])},
        PACK.path: {"out": built(PACK.outputs["out"])},
    }
    assert result.inputs == {path.path: path for path in ZLIB_BUILT}


def test_a_differing_output_is_named_with_each_builders_hash() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), complete("b", pack="other"), complete("c")], 2)
    assert isinstance(result, Disagreed), "two of three never outvote the third"
    (output,) = result.differing
    assert (output.derivation, output.output, output.path) == (PACK.path, "out", PACK.outputs["out"])
    assert output.hashes["a"] == output.hashes["c"] != output.hashes["b"]
    assert not output.inherited
    assert result.root_causes == (PACK.path,)


def test_the_root_cause_is_the_derivation_whose_inputs_agree() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), complete("b", zlib="x", pigz="x", pack="x")], 2)
    assert isinstance(result, Disagreed)
    assert [(d.derivation, d.inherited) for d in result.differing] == [
        (ZLIB.path, False),
        (PIGZ.path, True),
        (PACK.path, True),
    ]
    assert result.root_causes == (ZLIB.path,)


def test_an_input_that_differs_below_equal_outputs_is_told() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), complete("b", zlib="x")], 2)
    assert isinstance(result, Agreed)
    (output,) = result.converged
    assert (output.path, output.inherited) == (ZLIB.outputs["out"], False)
    assert set(result.inputs) == {ZLIB.outputs["dev"]}, "what differs is nothing that they agree on"


def test_an_input_that_differs_disagrees_where_what_was_asked_for_refers_to_it() -> None:
    """At any remove: pack refers to pigz, and that to zlib."""

    def answer(name: str, zlib: str) -> Report:
        found = complete(name, zlib=zlib)
        for drv, below in ((PIGZ, ZLIB), (PACK, PIGZ)):
            tied = {"out": built(drv.outputs["out"], "same", (below.outputs["out"],))}
            found = replace(found, builds={**found.builds, drv.path: replace(build_of(drv), outputs=tied)})
        return found

    result = compare(GRAPH, ASKED, [answer("a", "1"), answer("b", "2")], 2)
    assert isinstance(result, Disagreed)
    assert [output.path for output in result.differing] == [ZLIB.outputs["out"]]
    assert result.root_causes == (ZLIB.path,)


@pytest.mark.parametrize("refers", [True, False])
def test_an_input_that_agrees_passes_blame_on_only_with_what_it_refers_to(refers: bool) -> None:
    """A build sees its inputs with all that they refer to: without a reference the difference ends there."""
    references = (ZLIB.outputs["out"],) if refers else ()
    pigz = {"out": built(PIGZ.outputs["out"], "same", references)}

    def answer(name: str, content: str) -> Report:
        whole = complete(name, zlib=content, pack=content)
        return replace(whole, builds={**whole.builds, PIGZ.path: replace(build_of(PIGZ), outputs=pigz)})

    result = compare(GRAPH, ASKED, [answer("a", "1"), answer("b", "2")], 2)
    assert isinstance(result, Disagreed)
    assert [(d.derivation, d.inherited) for d in result.differing] == [
        (ZLIB.path, False),
        (PACK.path, refers),
    ]


def test_an_unused_output_of_an_input_passes_no_blame_on() -> None:
    library = derivation("library", outputs=["out", "doc"])
    user = derivation("user", {"library": ["out"]})
    graph = graph_of(library, user, roots=["user"])

    def answer(name: str, content: str) -> Report:
        inputs = [built(library.outputs["out"]), built(library.outputs["doc"], content)]
        return report(name, [build_of(user, out=content)], inputs)

    result = compare(graph, [user.path], [answer("a", "1"), answer("b", "2")], 2)
    assert isinstance(result, Disagreed)
    assert set(result.root_causes) == {library.path, user.path}


def test_runtime_references_must_agree_too() -> None:
    other = build_of(PACK)
    tied = replace(other.outputs["out"], references=(PIGZ.outputs["out"],))
    b = report("b", [build_of(PIGZ), replace(other, outputs={"out": tied})], ZLIB_BUILT)
    result = compare(GRAPH, ASKED, [complete("a"), b], 2)
    assert isinstance(result, Disagreed)
    assert result.root_causes == (PACK.path,)


def test_a_builder_that_differs_from_itself_disagrees() -> None:
    second = SecondResult(Path("second"), NarHash.of(b"second"))
    itself = replace(build_of(PACK), unstable={"out": second})
    b = report("b", [build_of(PIGZ), itself], ZLIB_BUILT)
    result = compare(GRAPH, ASKED, [complete("a"), b], 2)
    assert isinstance(result, Disagreed)
    (output,) = result.differing
    first = built(PACK.outputs["out"]).nar_hash
    assert output.hashes == {"a": first, "b": second.nar_hash, "b (earlier)": first}


@pytest.mark.parametrize("quorum", [0, 1, 2])
def test_one_builder_is_never_enough(quorum: int) -> None:
    result = compare(GRAPH, ASKED, [complete("a")], quorum)
    assert isinstance(result, Incomplete)
    assert "2 builders must agree and only 1" in result.failures["a"][0].reason


def test_a_quorum_of_more_builders_than_there_are_is_never_met() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), complete("b")], 3)
    assert isinstance(result, Incomplete)
    assert sorted(result.failures) == ["a", "b"]


def on(host: str, report: Report) -> Report:
    """In a container of its own, with a machine id of its own, under a host's kernel."""
    name = report.identity.name
    where = replace(report.identity, store=f"ssh-ng://{name}", machine_id=name, boot_id=host)
    return replace(report, identity=where)


class TestVotes:
    def test_two_builders_on_one_host_have_one_vote(self) -> None:
        reports = [on("1", complete("a")), on("1", complete("b"))]
        assert isinstance(compare(GRAPH, ASKED, reports, 2), Agreed)
        result = compare(GRAPH, ASKED, reports, 2, vote="separate-hosts")
        assert isinstance(result, Incomplete)
        assert "builders on one host have one vote" in result.failures["a"][0].reason

    def test_a_third_host_makes_the_second_vote(self) -> None:
        reports = [on("1", complete("a")), on("1", complete("b")), on("2", complete("c"))]
        result = compare(GRAPH, ASKED, reports, 2, vote="separate-hosts")
        assert isinstance(result, Agreed)
        assert result.vote == "separate-hosts"
        assert len(result.reports) == 3

    @pytest.mark.parametrize("vote", ["same-host", "separate-hosts"])
    def test_a_builder_that_differs_has_no_fewer_rights_for_sharing_a_host(self, vote: Level) -> None:
        reports = [on("1", complete("a")), on("1", complete("b", pack="x")), on("2", complete("c"))]
        assert isinstance(compare(GRAPH, ASKED, reports, 2, vote=vote), Disagreed)


class TestDissent:
    def dissenting(
        self, *packs: str, quorum: int = 2, vote: Level = "same-host", hosts: str = "123456"
    ) -> Agreement:
        reports = [
            on(host, complete(name, pack=pack))
            for name, host, pack in zip("abcdef", hosts, packs, strict=False)
        ]
        return compare(GRAPH, ASKED, reports, quorum, vote=vote, record_dissent=True)

    def test_it_is_recorded_by_name_where_the_others_have_the_quorum(self) -> None:
        result = self.dissenting("same", "other", "same")
        assert isinstance(result, Agreed)
        assert [r.identity.name for r in result.reports] == ["a", "c"]
        assert [r.identity.name for r in result.dissent] == ["b"]
        assert result.outputs[PACK.path]["out"] == built(PACK.outputs["out"])

    def test_without_a_quorum_nothing_is_agreed(self) -> None:
        assert isinstance(self.dissenting("same", "other"), Disagreed)
        assert isinstance(self.dissenting("same", "other", "same", quorum=3), Disagreed)

    def test_two_quorums_of_different_minds_agree_on_nothing(self) -> None:
        assert isinstance(self.dissenting("x", "y", "x", "y"), Disagreed)

    def test_a_crowd_on_one_host_is_no_quorum(self) -> None:
        crowd = self.dissenting("x", "x", "x", "y", hosts="1112", vote="separate-hosts")
        assert isinstance(crowd, Disagreed)
        spread = self.dissenting("x", "x", "y", hosts="121", vote="separate-hosts")
        assert isinstance(spread, Agreed)

    def test_a_builder_that_differs_from_itself_is_never_agreed_with(self) -> None:
        whole = complete("a")
        first = whole.builds[PACK.path]
        second = SecondResult(Path("kept"), NarHash.of(b"another"))
        unstable = replace(
            whole, builds={**whole.builds, PACK.path: replace(first, unstable={"out": second})}
        )
        result = compare(GRAPH, ASKED, [unstable, complete("b"), complete("c")], 2, record_dissent=True)
        assert isinstance(result, Agreed)
        assert [r.identity.name for r in result.dissent] == ["a"]
        result = compare(GRAPH, ASKED, [unstable, complete("b")], 2, record_dissent=True)
        assert isinstance(result, Disagreed)


def test_a_failure_is_incomplete_whatever_the_others_made() -> None:
    failed = report("b", [build_of(PIGZ, out="other")], ZLIB_BUILT, [FAILED])
    result = compare(GRAPH, ASKED, [complete("a"), failed], 2)
    assert isinstance(result, Incomplete)
    assert result.failures == {"b": (FAILED,)}


def test_one_failed_input_is_one_failure() -> None:
    failed = report("b", failures=[FAILED, FAILED])
    result = compare(GRAPH, ASKED, [complete("a"), failed], 2)
    assert isinstance(result, Incomplete)
    assert result.failures == {"b": (FAILED,)}


def test_a_builder_that_could_not_be_reached_says_so_once() -> None:
    unreachable = Failure(None, "no route to host", (), None)
    b = replace(report("b", failures=[unreachable]), sandbox=None)
    result = compare(GRAPH, ASKED, [complete("a"), b], 2)
    assert isinstance(result, Incomplete)
    assert result.failures == {"b": (unreachable,)}


def test_a_failed_builder_beyond_the_quorum_has_no_vote() -> None:
    failed = report("c", [build_of(PIGZ, out="other")], ZLIB_BUILT, [FAILED])
    result = compare(GRAPH, ASKED, [complete("a"), complete("b"), failed], 2)
    assert isinstance(result, Agreed)
    assert [r.identity.name for r in result.reports] == ["a", "b"]


def test_no_sandbox_no_agreement() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), replace(complete("b"), sandbox=None)], 2)
    assert isinstance(result, Incomplete)
    assert "sandbox" in result.failures["b"][0].reason


def test_a_build_that_is_not_there_is_incomplete() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), report("b", [build_of(PIGZ)], ZLIB_BUILT)], 2)
    assert isinstance(result, Incomplete)
    assert result.failures["b"] == (Failure(PACK.path, "it did not build pack", (), None),)


def test_an_output_that_is_not_there_is_incomplete() -> None:
    graph, asked = graph_of(SOURCE, ZLIB, roots=["zlib"]), [ZLIB.path]
    half = build_of(ZLIB)
    half = replace(half, outputs={"out": half.outputs["out"]})
    result = compare(graph, asked, [report("a", [build_of(ZLIB)]), report("b", [half])], 2)
    assert isinstance(result, Incomplete)
    assert "output dev of zlib" in result.failures["b"][0].reason


def test_an_input_that_only_one_built_is_incomplete() -> None:
    result = compare(GRAPH, ASKED, [complete("a"), replace(complete("b"), inputs={})], 2)
    assert isinstance(result, Incomplete)
    assert "a" not in result.failures
    assert [failure.derivation for failure in result.failures["b"]] == [ZLIB.path, ZLIB.path]


@pytest.mark.parametrize(
    "build",
    [
        build_of(PIGZ),
        replace(build_of(PACK), outputs={"out": built(PIGZ.outputs["out"])}),
        replace(build_of(PACK), outputs={**build_of(PACK).outputs, "more": built(store_path("more"))}),
    ],
    ids=["of another derivation", "at another path", "with one output more"],
)
def test_a_build_of_something_else_is_incomplete(build: Build) -> None:
    b = complete("b")
    result = compare(GRAPH, ASKED, [complete("a"), replace(b, builds={**b.builds, PACK.path: build})], 2)
    assert isinstance(result, Incomplete)


@pytest.mark.parametrize("path", [store_path("unheard-of"), ZLIB.outputs["out"]])
def test_an_input_that_is_not_what_it_says_is_incomplete(path: str) -> None:
    strange = {**complete("b").inputs, path: built(store_path("unheard-of"))}
    result = compare(GRAPH, ASKED, [complete("a"), replace(complete("b"), inputs=strange)], 2)
    assert isinstance(result, Incomplete)
    assert "not below what was asked for" in result.failures["b"][0].reason


def test_one_builder_twice_refuses() -> None:
    with pytest.raises(TallyError, match="a answered twice"):
        compare(GRAPH, ASKED, [complete("a"), complete("a")], 2)


@pytest.mark.parametrize("store", ["local", "vm"])
def test_an_address_by_which_each_has_a_store_of_its_own_is_no_store(store: str) -> None:
    reports = [complete("a"), complete("b")]
    own = [replace(r, identity=replace(r.identity, store=store)) for r in reports]
    assert isinstance(compare(GRAPH, ASKED, own, 2), Agreed)


def test_one_store_twice_refuses() -> None:
    reports = [complete("a"), complete("b")]
    shared = [replace(r, identity=replace(r.identity, store="ssh-ng://one")) for r in reports]
    with pytest.raises(TallyError, match="a and b are one store"):
        compare(GRAPH, ASKED, shared, 2)


@pytest.mark.parametrize("machine", ["one", None])
@pytest.mark.parametrize(
    "stores", [("ssh-ng://127.0.0.1", "ssh-ng://localhost"), ("daemon", "ssh-ng://root@here")]
)
def test_one_store_under_two_addresses_refuses(stores: tuple[str, str], machine: str | None) -> None:
    """However builders are counted: what is told of the hosts is that they are one."""
    reports = [
        replace(each, identity=replace(each.identity, store=store, machine_id=machine, boot_id="one"))
        for each, store in zip((complete("a"), complete("b")), stores, strict=True)
    ]
    with pytest.raises(TallyError, match="a and b are one store"):
        compare(GRAPH, ASKED, reports, 2)


def test_nothing_to_compare_refuses() -> None:
    with pytest.raises(TallyError, match="no builder"):
        compare(GRAPH, ASKED, [], 2)
    with pytest.raises(TallyError, match="no derivation"):
        compare(GRAPH, [], [complete("a"), complete("b")], 2)


@st.composite
def cases(draw: st.DrawFn) -> tuple[DerivationGraph, list[str], list[Report]]:
    """A random graph, some of it asked for, and two to four builders that made all of it alike."""
    derivations: list[Derivation] = []
    for number in range(draw(st.integers(1, 6))):
        outputs = draw(st.sampled_from([["out"], ["out", "dev"]]))
        chosen = (
            draw(st.lists(st.sampled_from(derivations), unique_by=lambda d: d.path)) if derivations else []
        )
        inputs = {below.name: draw(st.sampled_from([[o] for o in below.outputs])) for below in chosen}
        derivations.append(derivation(f"d{number}", inputs, outputs))
    graph = DerivationGraph({d.path: d for d in derivations}, tuple(d.path for d in derivations))
    asked = draw(st.lists(st.sampled_from(derivations), min_size=1, unique_by=lambda d: d.path))
    others = [d for d in derivations if d not in asked]
    built_inputs = [built(path) for d in others for path in d.outputs.values()]
    names = draw(st.sampled_from(["ab", "abc", "abcd"]))
    reports = [report(name, [build_of(d) for d in asked], built_inputs) for name in names]
    return graph, [d.path for d in asked], reports


def changed(path: BuiltPath, content: str) -> BuiltPath:
    return replace(path, nar_hash=NarHash.of(content.encode()))


def with_change(data: st.DataObject, answer: Report) -> tuple[Report, str]:
    """The report with one hash changed, and the store path it belongs to."""
    places = [(drv, name) for drv, build in answer.builds.items() for name in build.outputs]
    where = data.draw(st.sampled_from([*places, *answer.inputs]))
    if isinstance(where, str):
        return replace(answer, inputs={**answer.inputs, where: changed(answer.inputs[where], "x")}), where
    drv, name = where
    build = answer.builds[drv]
    outputs = {**build.outputs, name: changed(build.outputs[name], "x")}
    return replace(answer, builds={**answer.builds, drv: replace(build, outputs=outputs)}), outputs[name].path


@given(cases(), st.data())
def test_the_order_of_builders_does_not_matter(
    case: tuple[DerivationGraph, list[str], list[Report]], data: st.DataObject
) -> None:
    graph, asked, reports = case
    if data.draw(st.booleans()):
        reports[0], _ = with_change(data, reports[0])
    if data.draw(st.booleans()):
        reports[-1] = replace(reports[-1], failures=(FAILED,))
    quorum = data.draw(st.integers(0, 5))
    shuffled = data.draw(st.permutations(reports))
    assert compare(graph, asked, reports, quorum) == compare(graph, asked, shuffled, quorum)


@given(cases(), st.data())
def test_any_single_changed_hash_disagrees(
    case: tuple[DerivationGraph, list[str], list[Report]], data: st.DataObject
) -> None:
    graph, asked, reports = case
    assert isinstance(compare(graph, asked, reports, len(reports)), Agreed)
    which = data.draw(st.integers(0, len(reports) - 1))
    reports[which], path = with_change(data, reports[which])
    result = compare(graph, asked, reports, 2)
    if path in reports[0].inputs:  # nothing that was asked for differs, or refers to it
        assert isinstance(result, Agreed)
        assert [output.path for output in result.converged] == [path]
        assert path not in result.inputs
        return
    assert isinstance(result, Disagreed)
    assert [output.path for output in result.differing] == [path]
    assert result.root_causes == (graph.by_output[path].path,)


@given(cases(), st.data())
def test_any_failure_is_incomplete_and_never_disagreed(
    case: tuple[DerivationGraph, list[str], list[Report]], data: st.DataObject
) -> None:
    graph, asked, reports = case
    if data.draw(st.booleans()):
        reports[0], _ = with_change(data, reports[0])
    which = data.draw(st.integers(0, len(reports) - 1))
    reports[which] = replace(reports[which], failures=(Failure(None, "unreachable", (), None),))
    result = compare(graph, asked, reports, len(reports))
    assert isinstance(result, Incomplete)
    assert set(result.failures) == {reports[which].identity.name}


@given(cases(), st.data())
def test_every_disagreement_has_a_root_cause(
    case: tuple[DerivationGraph, list[str], list[Report]], data: st.DataObject
) -> None:
    graph, asked, reports = case
    for _ in range(data.draw(st.integers(1, 5))):
        which = data.draw(st.integers(0, len(reports) - 1))
        reports[which], _ = with_change(data, reports[which])
    result = compare(graph, asked, reports, 2)
    if isinstance(result, Disagreed):
        assert result.root_causes
        assert {d.derivation for d in result.differing} >= set(result.root_causes)
        assert all(d.inherited == (d.derivation not in result.root_causes) for d in result.differing)
    else:
        assert isinstance(result, Agreed)
        assert len({str(r.builds) for r in reports}) == 1
        unlike = {output.path for output in result.converged}
        same = [{path: made for path, made in r.inputs.items() if path not in unlike} for r in reports]
        assert all(each == same[0] == result.inputs for each in same)
