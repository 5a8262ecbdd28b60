"""From the ledger, kept disagreements and release folders to a report: what is shown, and of which files."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.bisecting import since_which
from orchestrator.ledger.change import sentence
from orchestrator.ledger.course import Course as Runs
from orchestrator.ledger.entries import Depth as Reached
from orchestrator.ledger.entries import Entry, How, Result, Verdict
from orchestrator.ledger.reading import Ledger
from orchestrator.nix.derivation import called
from orchestrator.policy.verdict import Refused
from orchestrator.publishing.contents import read_index
from orchestrator.publishing.folder import Folder, TooLargeError, UnsafeNameError
from orchestrator.publishing.index import INDEX
from orchestrator.report.course import Course, Event, Key, courses, history, moment
from orchestrator.report.document import Builder, Culprit, Depth, File, Package, Report
from orchestrator.report.graph import FEW, Closure
from orchestrator.report.kept import Found, Output, culprits_of, diffs_of, evidence_in, found_in
from orchestrator.report.plain import slug, slugs
from orchestrator.report.site import Details, counts_of

_LARGEST: Final = 1 << 26
"""Bytes of a file that is put into the site."""
_TAIL_LINES, _TAIL_BYTES = 20, 16_384
_VARYING: Final = ("kernel", "cpu_model", "cpu_flags", "cpu_count", "build_cores", "file_system", "memory")
"""What a builder's machine may be made to differ in, as the ledger has it, and that stays so for a run."""
_STORE: Final = "/nix/store/"


@dataclass(frozen=True, slots=True)
class Copied:
    """A file that is put into the site."""

    path: str
    source: Path


@dataclass(frozen=True, slots=True)
class _Latest:
    """A package's latest run, and the latest that differed where the verdict is about that."""

    key: Key
    course: Course
    result: Result
    differed: Result | None
    runs: Runs


class Gathering:
    """A report in the making. What only one page needs is read when that page is made."""

    def __init__(
        self,
        ledger: Ledger,
        state: State,
        title: str,
        *,
        files: bool = True,
        only: Collection[str] | None = None,
    ) -> None:
        """`only`: the targets that are told of, as the ledger has them; None: all."""
        self._ledger, self._state, self._title, self._files = ledger, state, title, files
        self._only = only
        self._found: dict[str, tuple[Found, ...]] = {}
        self._by_page: dict[str, _Latest] = {}
        self.copied: list[Copied] = []
        """What is to be put into the site, once `report` was asked for."""

    @cached_property
    def report(self) -> Report:
        """Every package with its verdict, and the history."""
        latest = list(self._latest())
        names = slugs([_parts(each.key) for each in latest])
        packages = tuple(self._package(each, names[_parts(each.key)]) for each in latest)
        counts = counts_of(packages)
        return Report(
            title=self._title,
            updated=max((each.last for each in packages), default=None),
            counts=counts,
            share=moment("", counts).share,
            packages=packages,
            history=history(each.course for each in latest),
        )

    def details(self, package: Package) -> Details:
        """What only the page of a package shows."""
        latest = self._by_page[package.page]
        found = self._found.get(package.page, ())
        diffs = tuple(diffs_of(found))
        return Details(
            closure=self._closure(package, latest),
            diffs=diffs,
            more_diffs=max(len({place.file for each in found for place in each.places}) - len(diffs), 0),
            tails=tuple(self._tails(latest.differed or latest.result)),
            events=latest.course.events,
        )

    def _latest(self) -> Iterator[_Latest]:
        seen = self._ledger.machines()
        results: dict[Key, list[Result]] = {}
        events = []
        for result in self._ledger.results(whole=False):
            if self._only is not None and result.target not in self._only:
                continue
            key = _key(result)
            results.setdefault(key, []).append(result)
            where = _surroundings(seen.get(result.run, ()))
            events.append(Event(key, result.time, result.verdict, result.run, result.package, where))
        for key, course in courses(events).items():
            some = sorted(results[key], key=lambda each: each.time)
            differed = None
            if course.verdict in (Verdict.DIFFERS, Verdict.FLAKY):
                bad = [each for each in some if each.verdict in (Verdict.DIFFERS, Verdict.FLAKY)]
                differed = bad[-1] if bad else None
            runs = Runs(key[2], tuple(some))
            yield _Latest(key, course, some[-1], differed, runs)

    def _package(self, latest: _Latest, stem: str) -> Package:
        result, course, page = latest.result, latest.course, f"p/{stem}.html"
        self._by_page[page] = latest
        shown = latest.differed or result
        entries = [
            each for each in self._ledger.entries([shown.package, shown.artifact]) if each.run == shown.run
        ]
        first, culprits = self._culprits(latest, page)
        logs = self._copies(stem, "logs", self._logs(shown, entries)) if self._files else ()
        sbom, evidence, verify = self._evidence(latest, stem) if self._files else ((), (), None)
        return Package(
            name=result.name,
            version=result.version,
            system=result.system,
            target=result.target,
            page=page,
            verdict=course.verdict,
            since=course.since,
            last=course.events[-1].time,
            runs=len(course.events),
            before=course.before,
            because=self._because(latest),
            builders=tuple(_builders(entries, shown.package)),
            depth=_depth(result.depth),
            derivation=shown.package,
            first_diverging=first,
            culprits=culprits,
            failure=_failure(result, entries),
            logs=logs,
            sbom=sbom,
            evidence=evidence,
            verify=verify,
        )

    def _culprits(self, latest: _Latest, page: str) -> tuple[tuple[str, ...], tuple[Culprit, ...]]:
        result = latest.differed
        if result is None:
            return (), ()
        first = self._ledger.culprits(result.run, result.artifact)
        if result.kept is None or not (folder := Path(result.kept)).is_dir():
            return first, ()
        entries = [each for each in self._ledger.entries(first) if each.run == result.run]
        found = found_in(folder, tuple(_outputs(entries)))
        self._found[page] = found
        return first, culprits_of(folder, found)

    def _because(self, latest: _Latest) -> str | None:
        """Which inputs changed when it did: for the worse as `tally history` has it, or for the better."""
        course = latest.course
        if not course.verdict.agrees:
            return sentence(since_which(self._ledger, latest.runs))
        before, since = course.before, course.since
        if before is None:
            return None
        old = next(each for each in reversed(course.events) if each.time <= before.until)
        new = next(each for each in course.events if each.time == since)
        if old.derivation == new.derivation or old.verdict.agrees:
            return None
        return sentence(self._ledger.changed_inputs(old.derivation, new.derivation))

    def _closure(self, package: Package, latest: _Latest) -> Closure | None:
        shown = latest.differed or latest.result
        inputs = self._ledger.inputs(shown.artifact, -1 if package.first_diverging else FEW)
        if len(inputs) < 2:
            return None
        whole = len(inputs) if package.first_diverging else max(len(inputs), shown.depth.derivations)
        inherited: list[str] = []
        if package.first_diverging:
            judged = self._ledger.latest_verdicts(list(inputs))
            differing = (Verdict.DIFFERS, Verdict.FLAKY)
            inherited = [
                path for path, each in judged.items() if each.run == shown.run and each.verdict in differing
            ]
        return Closure(shown.artifact, inputs, package.first_diverging, inherited, whole=whole)

    def _logs(self, result: Result, entries: Sequence[Entry]) -> Iterator[tuple[str, Path]]:
        """The package's and the artifact's log of each builder, with a name for it."""
        for each in entries:
            if each.log is None or not (path := self._state.root / each.log).is_file():
                continue
            if path.stat().st_size:
                yield f"{each.builder.name}-{called(each.derivation)}.log", path

    def _tails(self, result: Result) -> Iterator[tuple[str, tuple[str, ...]]]:
        entries = [each for each in self._ledger.entries([result.package]) if each.run == result.run]
        for name, path in self._logs(result, entries):
            with suppress(OSError), path.open("rb") as stream:
                stream.seek(max(path.stat().st_size - _TAIL_BYTES, 0))
                lines = stream.read(_TAIL_BYTES).decode("utf-8", "backslashreplace").rstrip("\n").split("\n")
                if lines != [""]:
                    yield name, tuple(lines[-_TAIL_LINES:])

    def _copies(self, stem: str, kind: str, some: Iterator[tuple[str, Path]]) -> tuple[File, ...]:
        """Files for the site, told of with their digests; what cannot be read is left out."""
        found = []
        for name, source in some:
            measured = _measured(source)
            if measured is None:
                continue
            path = f"files/{stem}/{kind}/{'/'.join(_file_name(part) for part in name.split('/'))}"
            self.copied.append(Copied(path, source))
            found.append(File(path=path, name=name, size=measured[0], sha256=measured[1]))
        return tuple(found)

    def _evidence(self, latest: _Latest, stem: str) -> tuple[tuple[File, ...], tuple[File, ...], str | None]:
        """SBOMs, what is signed, and the command that verifies it: of a release, or of a disagreement."""
        if latest.differed is not None and latest.differed.kept is not None:
            paths = evidence_in(Path(latest.differed.kept))
            files = self._copies(stem, "evidence", ((each.name, each) for each in paths))
            return (), files, _disagreement_command([each.name for each in files])
        if not latest.course.verdict.agrees or latest.result.release is None:
            return (), (), None
        folder = Path(latest.result.release)
        try:
            index = read_index(Folder(folder), None)
        except (OSError, MalformedError, Refused, TallyError, TooLargeError, UnsafeNameError):
            return (), (), None  # it was moved, or is no longer what it was
        names = [name for name in index.files if name != index.artifact]
        if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in names):
            return (), (), None
        release = f"release/{folder.name}"
        sbom = self._copies(
            stem, release, ((name, folder / name) for name in names if name.startswith("sbom/"))
        )
        more = [INDEX, *(name for name in names if not name.startswith("sbom/"))]
        evidence = self._copies(stem, release, ((name, folder / name) for name in more))
        sha256 = index.files[index.artifact][0].hex
        return sbom, evidence, f"tally verify {folder.name} --policy policy.toml --digest sha256:{sha256}"


def _parts(key: Key) -> tuple[str, ...]:
    name, system, target = key
    return (name, system) if target in (name, "", f"#{name}", "#default") else (name, system, target)


def _key(result: Result) -> Key:
    """What stays the same from run to run: of a derivation its path does not."""
    return result.name, result.system, "" if result.target.startswith(_STORE) else result.target


def _surroundings(builders: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Who built, and in what their machines differed."""
    seen = [each for _, each in builders]
    varied = [name for name in _VARYING if len({each.get(name) for each in seen if name in each}) > 1]
    return json.dumps([[name for name, _ in builders], varied])


def _builders(entries: Sequence[Entry], package: str) -> Iterator[Builder]:
    for each in entries:
        if each.derivation != package:
            continue
        outputs = sorted(each.outputs.items())
        took = (each.finished - each.started).total_seconds() if each.finished and each.started else None
        yield Builder(
            name=each.builder.name,
            result=each.how.value,
            nar_sha256={name: (made.second or made.nar_hash).hex for name, made in outputs},
            earlier_sha256={name: made.nar_hash.hex for name, made in outputs if made.second is not None},
            store=each.builder.store,
            operator=each.builder.operator,
            nix=each.builder.nix_version,
            seconds=None if took is None or took < 0 else round(took, 3),
        )


def _outputs(entries: Sequence[Entry]) -> Iterator[Output]:
    """The outputs of which builders made different things."""
    hashes: dict[tuple[str, str, str], dict[str, str]] = {}
    for each in entries:
        for name, made in each.outputs.items():
            some = hashes.setdefault((each.derivation, name, made.path), {})
            some[each.builder.name] = (made.second or made.nar_hash).hex
            if made.second is not None:
                some[f"{each.builder.name} (earlier)"] = made.nar_hash.hex
    for (derivation, name, path), some in sorted(hashes.items()):
        if len(set(some.values())) > 1:
            yield Output(derivation, name, path, some)


def _depth(reached: Reached) -> Depth:
    return Depth(
        derivations=reached.derivations,
        built=reached.built,
        known=reached.known,
        believed=reached.believed,
        deep=reached.deep,
    )


def _failure(result: Result, entries: Sequence[Entry]) -> str | None:
    """Why there is no answer, in the words of the run."""
    if result.verdict not in (Verdict.FAILED, Verdict.UNDECIDED):
        return None
    reasons = [
        f"{each.builder.name}: {each.reason}" for each in entries if each.how is How.FAILED and each.reason
    ]
    return "\n".join(dict.fromkeys([*([result.told] if result.told else []), *reasons])) or None


def _disagreement_command(names: Sequence[str]) -> str | None:
    bundle = next((name for name in names if name.endswith(".sigstore.json")), None)
    derivation = next((name for name in names if name.endswith(".drv")), None)
    if bundle is None or derivation is None:
        return None
    root = " --trusted-root trusted_root.json" if "trusted_root.json" in names else ""
    kind = "https://in-toto.io/attestation/scai/v0.3"
    return f"tally verify {derivation} --bundle {bundle} --key release.pub{root} --type {kind}"


def _file_name(part: str) -> str:
    """A part of a path as it is where that is harmless, else one of ours."""
    return (
        part
        if part.isascii() and part.isprintable() and part not in ("", ".", "..") and "\\" not in part
        else slug(part, alone=False)
    )


def _measured(path: Path) -> tuple[int, str] | None:
    """A file's size and sha256; None: it is no file, cannot be read, or is too large for a site."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
                return None
            return status.st_size, hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
