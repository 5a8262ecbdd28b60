"""State folders with a ledger of made-up runs, some of it as hostile as strangers may be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.builders.build import Identity, SandboxProof
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.state import State
from orchestrator.ledger.entries import Depth, How, Made, Result, Verdict
from orchestrator.ledger.writing import Pen, Row
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SANDBOX = SandboxProof(("lo",), 1000, "/build", "localhost", ("build", "nix"), (), host_file_visible=False)
HOSTILE = "<script>alert(1)</script>\x1b[31mred\u202egnp.exe'\"&"
_DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"


def store_path(name: str) -> str:
    digits = "".join(_DIGITS[byte % 32] for byte in hashlib.sha256(name.encode()).digest())
    return f"/nix/store/{digits}-{name}"


def derivation(name: str, *inputs: Derivation, fixed: bool = False) -> Derivation:
    """Its path follows from its name and from what it is built from."""
    path = store_path(f"{name}.drv")
    if inputs:
        mixed = hashlib.sha256("".join(each.path for each in inputs).encode()).hexdigest()[:8]
        path = store_path(f"{mixed}-{name}.drv").replace(f"{mixed}-", "")
    out = store_path(name)
    return Derivation(
        path=path,
        system="x86_64-linux",
        builder_executable="/bin/sh",
        args=(),
        env={},
        outputs={"out": out},
        fixed=FixedOutput(out, Sha256("a" * 64)) if fixed else None,
        input_derivations={each.path: ("out",) for each in inputs},
        input_sources=(),
    )


@dataclass(frozen=True)
class Built:
    """A package in one run: its graph is in the order of building, itself last."""

    name: str
    graph: Sequence[Derivation]
    verdict: Verdict = Verdict.AGREED
    culprit: Derivation | None = None
    log: str = "building\ndone\n"
    files: tuple[dict[str, bytes], dict[str, bytes]] | None = None
    """What the culprit made on either builder: kept, where there is some."""
    told: str | None = None
    release: Path | None = None
    target: str = ""
    content: str | None = None
    """What it made; None: something of its own for each derivation."""
    held: str | None = None
    """What both stores had of it before; None: nothing."""
    derivations: list[str] = field(default_factory=list)

    @property
    def package(self) -> Derivation:
        return self.graph[-1]


def simple(name: str, verdict: Verdict = Verdict.AGREED, version: str = "1.0") -> Built:
    """A package of a source and one derivation."""
    source = derivation(f"{name}-source.tar.gz", fixed=True)
    return Built(name, (source, derivation(f"{name}-{version}", source)), verdict)


def write_run(state: State, number: int, packages: Iterable[Built]) -> None:
    """A run, a day after the one before it, into the ledger of a state folder."""
    state.root.mkdir(parents=True, exist_ok=True)
    time = NOON + timedelta(days=number)
    run = f"{time:%Y%m%dT%H%M%S}-{number}"
    every = list(packages)
    pen = Pen(state, run)
    pen.begin(2, "same-host")
    derivations = {each.path: each for one in every for each in one.graph}
    pen.graph(DerivationGraph(derivations, tuple(one.package.path for one in every)))
    for builder in ("a", "b"):
        pen.builder(Identity(builder, "local", nix_version="2.8.0"), SANDBOX, None)
        pen.builds(builder, [row for one in every for row in _rows(state, run, builder, one, time)])
        pen.looked(builder)
    judged = {path: verdict for one in every for path, verdict in _verdicts(one).items()}
    pen.verdicts(judged, [one.culprit.path for one in every if one.culprit])
    for one in every:
        kept = None if one.files is None else str(_kept(state, one, time))
        depth = Depth(sum(each.fixed is None for each in one.graph), built=1)
        package, release = one.package, None if one.release is None else str(one.release)
        pen.result(
            Result(
                run,
                one.target or one.name,
                package.path,
                package.path,
                one.name,
                "1.0",
                "x86_64-linux",
                one.verdict,
                time,
                depth,
                release=release,
                kept=kept,
                told=one.told,
            )
        )
    pen.end()


def _rows(state: State, run: str, builder: str, one: Built, time: datetime) -> Iterable[Row]:
    for each in one.graph:
        if each.fixed is not None:
            continue
        log = None
        if each is one.package and one.log:
            log = state.logs(run, builder) / f"{each.path.rpartition('/')[2]}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(one.log, errors="surrogateescape")
        failed = one.verdict is Verdict.FAILED and each is one.package
        differs = each is one.culprit or (one.culprit is not None and each is one.package)
        made_of = one.content if one.content is not None and each is one.package else each.path
        content = f"{made_of}{builder if differs else ''}"
        now, path = NarHash.of(content.encode()), each.outputs["out"]
        made = {} if failed else {"out": Made(path, now, 120, ())}
        how = How.FAILED if failed else How.BUILT
        if one.held is not None and each is one.package:
            how, made = How.CHECKED, {"out": Made(path, NarHash.of(one.held.encode()), 120, (), now)}
        yield Row(
            each.path,
            how,
            made,
            time,
            time + timedelta(seconds=3),
            log,
            "failed with exit code 1" if failed else None,
        )


def _verdicts(one: Built) -> dict[str, Verdict]:
    found = {each.path: Verdict.AGREED for each in one.graph}
    found[one.package.path] = one.verdict
    if one.culprit is not None:
        found[one.culprit.path] = one.verdict
    return found


def _kept(state: State, one: Built, time: datetime) -> Path:
    assert one.files is not None
    assert one.culprit is not None
    folder = state.disagreements / f"{one.package.name.replace('/', '-')}-{time:%Y%m%dT%H%M%SZ}"
    for builder, files in zip(("a", "b"), one.files, strict=True):
        for name, data in files.items():
            path = folder / builder / one.culprit.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return folder


def chain(name: str, files: tuple[dict[str, bytes], dict[str, bytes]] | None = None) -> Built:
    """A package that differs since a library below it does: the library is to blame."""
    source = derivation(f"{name}-source.tar.gz", fixed=True)
    library = derivation(f"lib{name}-2.1", source)
    program = derivation(f"{name}-1.0", library, source)
    given = files or (
        {"share/date": b"built on 2026-11-01 12:00:00\n"},
        {"share/date": b"built on 2026-11-01 12:00:07\n"},
    )
    return Built(name, (source, library, program), Verdict.DIFFERS, library, files=given)


def some(state: State) -> State:
    """A state folder with a few days of every verdict, and with what strangers may try on a page."""
    hostile = chain(
        "pngcrush",
        (
            {
                "a": b"<script>alert(2)</script> \x1b[2J \xe2\x80\xae one\n",
                "long": b"x" * 1_000_000 + b"1" + b"y" * 1000,
            },
            {
                "a": b"<script>alert(2)</script> \x1b[2J \xe2\x80\xae two\n",
                "long": b"x" * 1_000_000 + b"2" + b"y" * 1000,
            },
        ),
    )
    named = Built(
        HOSTILE,
        simple("named").graph,
        log="\x1b[31m<b>" + "z" * 1_000_000 + "</b>\n\x1b[31m<script>alert(3)</script>\n",
    )
    failing = simple("broken", Verdict.FAILED)
    first, differs = simple("zlib"), chain("pigz")
    days: list[list[Built]] = [
        [first, simple("pigz"), named, simple("steady", Verdict.VARIED)],
        [first, simple("pigz"), failing],
        [Built("zlib", differs.graph, Verdict.DIFFERS, differs.culprit, files=differs.files), named],
        [differs, simple("lost", Verdict.UNDECIDED), hostile],
        [simple("coin"), simple("hello")],
        [Built("coin", simple("coin").graph, Verdict.DIFFERS, simple("coin").package)],
    ]
    for number, packages in enumerate(days):
        write_run(state, number, packages)
    return state
