"""What signed releases say of builds, written into a ledger: how a damaged one is made anew.

A link counts where a key that is trusted for it has signed it, and the record of its builder where that link
has its digest. All else in a release folder is anybody's word, and nothing of it is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.agreement.independence import SAME_HOST
from orchestrator.builders.build import Build, BuiltPath, Identity, Report, SandboxProof
from orchestrator.evidence import links
from orchestrator.evidence.canonical import MalformedError, member, moment, read
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.keys import dsse
from orchestrator.keys.key import PublicKey
from orchestrator.ledger.entries import Depth, How, Result, Verdict, made_of
from orchestrator.ledger.file import Damaged, opened, set_aside
from orchestrator.ledger.judging import judge
from orchestrator.ledger.reading import read as reading
from orchestrator.ledger.writing import Pen, Row
from orchestrator.nix.derivation import Derivation, DerivationGraph, name_of

_LARGEST = 64 << 20  # bytes of a link or a record: 100,000 inputs have some 20 MB
_TOLD = "learned from its signed release"


@dataclass(frozen=True, slots=True)
class Learned:
    """What a release's links say, each signed by a key that is trusted for it."""

    name: str
    version: str | None
    system: str
    artifact: str
    """The `.drv` of the artifact, as the links have it."""
    finished: datetime
    reports: tuple[Report, ...]
    digest: Sha256
    """Of the links together."""


def repair(state: State, folders: Sequence[Path], say: Callable[[str], None]) -> tuple[str, ...]:
    """Move a damaged ledger aside and begin a new one with what these releases say; gives their names.

    Trusted are the keys of builders that this state folder holds. Raises TallyError for a whole ledger.
    """
    try:
        with opened(state.ledger, write=True, check=True):
            pass
        with reading(state) as ledger:
            ledger.check()
    except Damaged as error:
        aside = set_aside(state.ledger)
        say(f"{error.message}; it is now {aside}")
        with opened(state.ledger, write=True):
            pass  # an empty one, whatever is learned
    else:
        raise TallyError(
            f"the ledger {state.ledger} is whole, and stays as it is",
            hint="`tally history` shows what it has",
        )
    return relearn(state, folders, say)


def relearn(state: State, folders: Sequence[Path], say: Callable[[str], None]) -> tuple[str, ...]:
    """Write what signed releases say into the ledger, each once; gives their names. The others are told."""
    keys = [PublicKey.load(path) for path in sorted(state.keys.glob("builder-*.pub"))]
    found = []
    for folder in folders:
        try:
            learned = learn(folder, keys)
        except (TallyError, MalformedError) as error:
            say(f"nothing is learned of {folder}: {error}")
            continue
        if write(state, learned):
            found.append(learned.name)
    return tuple(found)


def learn(folder: Path, keys: Sequence[PublicKey]) -> Learned:
    """What a release says that these keys have signed. Raises TallyError or MalformedError."""
    index = _object(_bytes(folder / "release.json"), f"{folder / 'release.json'}")
    every = [_link(path, keys) for path in sorted((folder / "links").glob("*.link"))]
    signed = [each for each in every if each is not None]
    if len({each.builder for each in signed}) < 2:
        raise TallyError("fewer than two of its links are signed by keys of builders that are known here")
    artifacts = {links.artifact_derivation(each) for each in signed}
    finished = [each.finished for each in signed if each.finished is not None]
    if len(artifacts) != 1 or not finished:
        raise TallyError("its links are of different derivations")
    return Learned(
        name=member(index, "name", str, "release.json"),
        version=index["version"] if isinstance(index.get("version"), str) else None,
        system=member(index, "system", str, "release.json"),
        artifact=artifacts.pop(),
        finished=max(finished),
        reports=tuple(_report(folder, each) for each in signed),
        digest=Sha256.of(b"".join(sorted(each.payload for each in signed))),
    )


def write(state: State, learned: Learned) -> bool:
    """Write it as a run of its own; False where the ledger has it already."""
    run = f"{learned.finished:%Y%m%dT%H%M%S}-signed-{learned.digest.hex[:16]}"
    if state.ledger.exists():
        with reading(state) as ledger:
            if run in ledger.runs():
                return False
    graph = _graph(learned)
    pen = Pen(state, run)
    pen.begin(2, SAME_HOST)
    pen.graph(graph)
    for report in learned.reports:
        pen.builder(report.identity, report.sandbox, report.surroundings)
        pen.builds(report.identity.name, map(_row, report.builds.values()))
        pen.looked(report.identity.name)  # it was signed after that
    judgement = judge(graph, learned.reports, 2, SAME_HOST)
    pen.verdicts(judgement.verdicts, judgement.culprits)
    package = next((path for path in graph.derivations if path != learned.artifact), learned.artifact)
    pen.result(
        Result(
            run=run,
            target=learned.name,
            package=package,
            artifact=learned.artifact,
            name=learned.name,
            version=learned.version,
            system=learned.system,
            verdict=judgement.verdicts.get(learned.artifact, Verdict.UNDECIDED),
            time=learned.finished,
            depth=Depth(len(graph.derivations), len(graph.derivations)),
            told=_TOLD,
        )
    )
    pen.end()
    return True


def _link(path: Path, keys: Sequence[PublicKey]) -> Link | None:
    """A link that one of these keys has signed; None: none has."""
    envelope = dsse.read(_bytes(path), str(path), ours=True)
    if not any(dsse.signed_by(envelope, key) for key in keys):
        return None
    return links.parse(envelope.payload, str(path))


def _report(folder: Path, link: Link) -> Report:
    return report_of(link, _bytes(folder / record_of(link)))


def record_of(link: Link) -> str:
    """Where the record of a link's builder is, below the folder that has `links/`."""
    return f"builds/{link.builder}/build.json"


def report_of(link: Link, record: bytes) -> Report:
    """A builder's link and its record as the report that they were made of, without inputs.

    Raises MalformedError, TallyError where the record is not the one of which the link has the digest.
    """
    what = record_of(link)
    files = member(member(_object(link.payload, what), "byproducts", dict, what), "files", dict, what)
    if files.get(what) != {"sha256": Sha256.of(record).hex}:
        raise TallyError(f"{what} is not the one of which its builder's link has the digest")
    document = _object(record, what)
    if document.get("builder") != link.identity:
        raise TallyError(f"{what} is of another builder than its link")
    builds = [_build(each, what) for each in member(document, "builds", list, what)]
    for built in (output for build in builds for output in build.outputs.values()):
        if link.products.get(built.path) != {NAR_SHA256: built.nar_hash.hex}:
            raise TallyError(f"{what} has another {built.path} than its builder's link")
    return Report(
        _identity(link.identity), _sandbox(link.sandbox), {each.derivation: each for each in builds}, {}, ()
    )


def _build(said: object, what: str) -> Build:
    if not isinstance(said, dict):
        raise MalformedError(f"{what} has a build that is none")
    outputs = {name: _built(output, what) for name, output in member(said, "outputs", dict, what).items()}
    started, finished = (moment(member(said, name, str, what), what) for name in ("started", "finished"))
    return Build(member(said, "derivation", str, what), outputs, started, finished, Path(), {})


def _built(said: object, what: str) -> BuiltPath:
    if not isinstance(said, dict):
        raise MalformedError(f"{what} has an output that is none")
    try:
        digest = NarHash(member(said, NAR_SHA256, str, what))
    except ValueError as error:
        raise MalformedError(f"{what} has an output without a hash: {error}") from None
    references = tuple(str(each) for each in member(said, "references", list, what))
    return BuiltPath(member(said, "path", str, what), digest, member(said, "narSize", int, what), references)


def _identity(said: Mapping[str, Any]) -> Identity:
    def text(name: str) -> str | None:
        found = said.get(name)
        return found if isinstance(found, str) else None

    return Identity(
        name=text("name") or "",
        store=text("store") or "",
        operator=text("operator"),
        nix_version=text("nixVersion"),
        machine_id=text("machineIdSha256"),
        boot_id=text("bootIdSha256"),
        kernel=text("kernel"),
        cpu_model=text("cpuModel"),
        system=text("system"),
        emulated=said.get("emulated") is True,
        host_id=text("hostMachineIdSha256"),
    )


def _sandbox(said: Mapping[str, Any]) -> SandboxProof | None:
    what = "a link's sandbox"
    if not said:
        return None
    of = dict(said)
    return SandboxProof(
        network_interfaces=tuple(member(of, "networkInterfaces", list, what)),
        uid=member(of, "uid", int, what),
        build_directory=member(of, "buildDirectory", str, what),
        host_name=member(of, "hostName", str, what),
        root_entries=tuple(member(of, "rootEntries", list, what)),
        environment=tuple(member(of, "environment", list, what)),
        host_file_visible=member(of, "hostFileVisible", bool, what),
    )


def _graph(learned: Learned) -> DerivationGraph:
    """The derivations that the links name: the artifact's, and those that it packs."""
    made = {
        path: {name: built.path for name, built in build.outputs.items()}
        for report in learned.reports
        for path, build in report.builds.items()
    }
    below = {path: tuple(sorted(outputs)) for path, outputs in made.items() if path != learned.artifact}
    empty = Derivation("", learned.system, "", (), {}, {}, None, {}, ())
    every = {path: replace(empty, path=path, outputs=outputs) for path, outputs in made.items()}
    if learned.artifact not in every or not all(len(name_of(path)) > 4 for path in every):
        raise TallyError("its links name derivations that they did not build")
    every[learned.artifact] = replace(every[learned.artifact], input_derivations=below)
    return DerivationGraph(every, (learned.artifact,))


def _row(build: Build) -> Row:
    return Row(build.derivation, How.BUILT, made_of(build.outputs), build.started, build.finished)


def _object(data: bytes, what: str) -> dict[str, Any]:
    found = read(data, what)
    if not isinstance(found, dict):
        raise MalformedError(f"{what} is no JSON object")
    return found


def _bytes(path: Path) -> bytes:
    try:
        return contents(path, _LARGEST)
    except (OSError, ValueError) as error:
        raise TallyError(f"{path} cannot be read: {why(error)}") from error


def releases_in(folder: Path) -> Iterator[Path]:
    """The release folders in one, sorted."""
    if folder.is_dir():
        yield from (each.parent for each in sorted(folder.glob("*/release.json")))
