"""Targets built together are judged apart, yet nothing stands unnoticed on what did not reproduce."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, Disagreed, Incomplete
from orchestrator.agreement.compare import compare
from orchestrator.builders.build import (
    Build,
    BuiltPath,
    Failure,
    Identity,
    Report,
    SandboxProof,
    SecondResult,
)
from orchestrator.builders.share import shares_of
from orchestrator.ground.digest import NarHash
from orchestrator.nix.derivation import Derivation, DerivationGraph

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def path(name: str) -> str:
    return f"/nix/store/{'0' * 32}-{name}"


def derivation(name: str, *inputs: str) -> Derivation:
    return Derivation(
        path=path(f"{name}.drv"), system="x86_64-linux", builder_executable="/bin/sh", args=(), env={},
        outputs={"out": path(name)}, fixed=None,
        input_derivations={path(f"{below}.drv"): ("out",) for below in inputs}, input_sources=(),
    )  # fmt: skip


GRAPH = DerivationGraph(
    {d.path: d for d in (derivation("zlib"), derivation("pigz", "zlib"), derivation("lua"))},
    (path("pigz.drv"), path("lua.drv"), path("zlib.drv")),
)
PIGZ = GRAPH.below(path("pigz.drv"))


def built(name: str, content: str = "same") -> BuiltPath:
    return BuiltPath(path(name), NarHash.of(f"{name} {content}".encode()), 1, ())


def build(name: str, content: str = "same", *, unstable: bool = False) -> Build:
    second = {"out": SecondResult(Path("x"), NarHash.of(b"other"))} if unstable else {}
    return Build(path(f"{name}.drv"), {"out": built(name, content)}, NOW, NOW, Path("log"), second)


def report(builder: str, *builds: Build, failures: tuple[Failure, ...] = ()) -> Report:
    identity = Identity(builder, "local")
    proof = SandboxProof(("lo",), 1000, "/build", "localhost", (), (), False)
    return Report(identity, proof, {b.derivation: b for b in builds}, {}, failures)


def judge(*reports: Report) -> Agreed | Disagreed | Incomplete:
    requested = [path("pigz.drv")]
    return compare(PIGZ, requested, shares_of(reports, PIGZ, requested), 2)


def test_another_target_that_is_used_becomes_an_input() -> None:
    agreed = judge(*(report(n, build("zlib"), build("pigz"), build("lua")) for n in "ab"))
    assert isinstance(agreed, Agreed)
    assert set(agreed.outputs) == {path("pigz.drv")}
    assert set(agreed.inputs) == {path("zlib")}


def test_an_unrelated_failure_does_not_matter() -> None:
    failure = Failure(path("lua.drv"), "boom", (), None)
    assert isinstance(judge(*(report(n, build("pigz"), failures=(failure,)) for n in "ab")), Agreed)


def test_a_failure_below_does() -> None:
    failure = Failure(path("zlib.drv"), "boom", (), None)
    assert isinstance(judge(*(report(n, build("pigz"), failures=(failure,)) for n in "ab")), Incomplete)


def test_a_used_target_that_differs_is_the_root_cause() -> None:
    result = judge(
        report("a", build("zlib"), build("pigz")), report("b", build("zlib", "other"), build("pigz", "other"))
    )
    assert isinstance(result, Disagreed)
    assert result.root_causes == (path("zlib.drv"),)


def test_a_used_target_that_its_builder_did_not_reproduce_is_noticed() -> None:
    itself = report("a", build("zlib", unstable=True), build("pigz"))
    result = judge(itself, report("b", build("zlib"), build("pigz")))
    assert isinstance(result, Disagreed), "pigz was never built with what zlib came to the second time"
    assert result.root_causes == (path("zlib.drv"),)
    agreed = judge(itself, report("b", build("zlib", "other"), build("pigz")))
    assert isinstance(agreed, Agreed), "and here it was built with two"
    assert [each.derivation for each in agreed.converged] == [path("zlib.drv")]
    assert agreed.inputs == {}
    result = judge(itself, report("b", build("zlib"), build("pigz", "other")))
    assert isinstance(result, Disagreed)
    assert result.root_causes == (path("zlib.drv"),)
