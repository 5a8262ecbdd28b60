"""One request, realised in one store: what Nix is told, and what came of each derivation."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.builders.build import Build, BuiltPath, Failure, SecondResult
from orchestrator.builders.recording import Record, Recording
from orchestrator.ground.nar import nar_hash
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import DerivationGraph, name_of
from orchestrator.nix.events import Event, EventParser, Expected, Message, Notice
from orchestrator.nix.store import PathInfo, Store

_BUILDS_FAILED = range(100, 108)
"""What nix-store's status is when builds failed or differed; any other but 0 says that Nix itself did."""
_TOGETHER = 100
"""Derivations that are checked in one invocation of Nix, which tells what came of them when it ends: no more
is lost when a run is killed."""
_KEEPING = re.compile(r"keeping build directory '([^']+)'")
_BUILD_FOLDER = re.compile(r"-\d+$")
"""What Nix puts behind the name of a derivation in the name of its build's folder: nix-build-NAME.drv-0."""
_NO_SPACE = "No space left on device"
_ALL_THAT_FAILED = "build of '"
_BUILD_ERROR = re.compile(
    r"^note: keeping build directory"
    r"|(?:derivation|builder for|build of|log of|output of|Cannot build) '/nix/store/[^']+\.drv"
)
"""How Nix speaks of a build that failed or differed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How a builder may use its machine."""

    flags: tuple[str, ...] = ()
    """Of nix-store, e.g. `--cores 2`."""
    silence: float | None = None
    """Seconds without a word from Nix after which its host counts as hanging."""
    around: tuple[str, ...] = ()
    """Words before those of nix-store, which they run in other surroundings."""
    when_full: str | None = None
    """What to do when a build finds no space left, where its disk is not what is full."""
    keep: bool = False
    """Whether the folder of a build that fails is kept, in `failed` beside its log."""


@dataclass(frozen=True)
class Realisation:
    """Made by `begin`; used once. The store holds the whole graph's derivations, as the graph has them."""

    store: Store
    graph: DerivationGraph
    recording: Recording
    limits: Limits
    turn: Callable[[], None]
    kept: dict[str, Path] = field(default_factory=dict)
    """`.drv` path of what failed to where its build's folder is kept."""

    @classmethod
    def begin(
        cls,
        store: Store,
        graph: DerivationGraph,
        logs: Path,
        on_event: Callable[[Event], None],
        limits: Limits,
        turn: Callable[[], None] = lambda: None,
    ) -> Realisation:
        """A realisation that keeps its logs in `logs`, and calls `turn` before it builds what is missing."""

        def is_over(record: Record) -> bool:
            # a first build moves its outputs into the store, which is the last thing it does
            derivation = graph.derivations.get(record.derivation)
            if record.checking or derivation is None:
                return False
            return all(store.holds(path) for path in derivation.outputs.values())

        return cls(store, graph, Recording(logs, on_event, is_over, store.log_closed), limits, turn)

    def outcomes(
        self,
        requested: Sequence[str],
        checked: Callable[[Sequence[Build]], None] = lambda _: None,
        repeat: int = 0,
    ) -> list[Build | Failure]:
        """Build each derivation in this run, and say what came of it, in their order.

        What the store holds already is built again with `--check`; Nix then keeps the first result, and we
        the second aside. A derivation that Nix did not build in this run is a Failure. Where many are built
        again, `checked` takes what came of some of them while others are still to come.

        All are built `repeat` times more, but for those that have differed by then.
        """
        settled: dict[str, Build | Failure] = {}

        def settle(some: Sequence[str]) -> None:
            found = self._settled(some)
            settled.update(zip(some, found, strict=True))
            checked([each for each in found if isinstance(each, Build)])

        trusted = self._realise(requested, settle)
        left = [drv for drv in requested if drv not in settled]
        made = trusted & set(self.recording.records) - self._lacking(left)
        ready = [drv for drv in left if drv in made]
        settled.update(zip(ready, self._settled(ready), strict=True))
        for _ in range(repeat):
            self._repeat(settled)
        culprits = self._culprits() if len(settled) < len(requested) else {}
        return [
            settled[drv]
            if drv in settled
            else self._failure(drv, culprits.get(drv), infrastructure=drv not in trusted)
            for drv in requested
        ]

    def _repeat(self, settled: dict[str, Build | Failure]) -> None:
        """Build once more what came out the same until now."""
        stable = {drv: one for drv, one in settled.items() if isinstance(one, Build) and not one.unstable}
        for some in _some(list(stable)):
            trusted = self._check_some(some)
            self.recording.close()
            built = [drv for drv in some if drv in trusted and drv in self.recording.records]
            for drv, found in zip(built, self._settled(built), strict=True):
                if isinstance(found, Failure):
                    settled[drv] = found
                elif found.unstable:
                    seconds = {of: replace(each, repeated=True) for of, each in found.unstable.items()}
                    settled[drv] = replace(stable[drv], unstable=seconds)
            for drv in set(some) - set(built):
                settled[drv] = self._failure(drv, infrastructure=drv not in trusted)

    def _settled(self, derivations: Sequence[str]) -> list[Build | Failure]:
        """What came of derivations that Nix built in this run, and whose outputs are there."""
        infos = self.store.information(
            path for drv in derivations for path in self.graph[drv].outputs.values()
        )
        return [self._outcome(drv, infos) for drv in derivations]

    def tampered(self) -> list[Failure]:
        """What builds of this run were made from, and is not what the store took in: evidence for nothing."""
        # a build's log can speak like Nix: what the request does not hold was not built
        used = self.graph.used_by(self.recording.records.keys() & self.graph.derivations.keys())
        return [self._altered(None, path) for path in self.store.modified(used)]

    def first_made(self) -> tuple[str, ...]:
        """The outputs that a first build of this run made, sorted: what the store did not hold before."""
        records = self.recording.records
        return tuple(
            sorted(
                path
                for drv, record in records.items()
                if drv in self.graph.derivations and not record.checking
                for path in self.graph[drv].outputs.values()
            )
        )

    def _realise(self, requested: Sequence[str], settle: Callable[[Sequence[str]], None]) -> set[str]:
        """Build what is missing and check what is there; those of which Nix's word can be trusted."""
        records = self.recording.records
        lacking = self._lacking(requested)
        self._foretell(requested, lacking)
        present = [drv for drv in requested if drv not in lacking]
        missing = [drv for drv in requested if drv in lacking]
        trusted: set[str] = set()
        try:
            if missing:
                self.turn()
                if self._invoke([], missing):
                    trusted.update(missing)
                # another run may have built one between our look and Nix's: then this store held it after all
                unseen = [drv for drv in missing if drv not in records]
                present += sorted(set(unseen) - self._lacking(unseen))
            for some in _some(present):
                trusted |= self._check_some(some)
                if len(present) > _TOGETHER:
                    settle([drv for drv in some if drv in trusted and drv in records])
        finally:
            self.recording.close()
        return trusted

    def _foretell(self, requested: Sequence[str], lacking: set[str]) -> None:
        """Tell who looks on what is going to be built. Another host is not asked for that alone."""
        every = set(requested)
        if lacking and isinstance(self.store, ChrootStore):
            below = self.graph.below(*sorted(lacking)).derivations.values()
            every |= self._lacking([each.path for each in below if each.fixed is None])
        inputs = {drv: tuple(sorted(every & self.graph[drv].input_derivations.keys())) for drv in every}
        self.recording.take(Expected(inputs))

    def _check_some(self, present: Sequence[str]) -> set[str]:
        """Check what is there; those of which Nix's word can be trusted."""
        records, trusted, left = self.recording.records, set[str](), list(present)
        self._clear_earlier_checks(present)
        for drv in present:  # what an earlier invocation built says nothing of this one
            records.pop(drv, None)
        while left:
            if self._check(left):
                trusted.update(left)
            else:
                trusted.difference_update(left)
            built = [drv for drv in left if drv in records]
            left = [drv for drv in left if drv not in records]
            # Nix does not go on to what stands on a derivation that it was to check and that differed
            if not any(self._second_results(drv) for drv in built):
                break
            self.recording.forget_errors_naming(left)
        return trusted

    def _check(self, derivations: Sequence[str]) -> bool:
        # --keep-failed makes Nix keep a differing second result, as PATH.check
        return self._invoke(["--check", "--keep-failed"], derivations)

    def _invoke(self, flags: Sequence[str], derivations: Sequence[str]) -> bool:
        """One invocation of Nix; whether it came to its own end, so that what it did not blame was built."""
        if self.limits.keep:
            flags = [*dict.fromkeys((*flags, "--keep-failed"))]
        command = [
            *self.limits.around,
            *self.store.command("nix-store", "--realise", "--keep-going", *flags),
            "--max-jobs",
            "auto",
            *self.limits.flags,
            "--log-format",
            "internal-json",
            "-v",
            *derivations,
        ]
        parser, before = EventParser(), len(self.recording.errors)
        left: list[Path] = []

        def take(line: str) -> None:
            event = parser.parse(line)
            if isinstance(event, Message) and (told := _KEEPING.search(event.text)):
                left.append(Path(told[1]))
            self.recording.take(event)

        status = self.store.nix.follow(command, take, self.limits.silence)
        if self.limits.keep:
            for folder in left:
                self._keep(folder)
        said = self.recording.errors[before:]
        if status == 0 or (status in _BUILDS_FAILED and self.recording.errors):
            return True
        # its own Nix says what failed, ours only that something did; what else went wrong names no build
        if status == 1 and self.store.ends_with_builds_error and said and all(map(_is_of_a_build, said)):
            return True
        self.recording.errors.append(f"nix-store ended with status {status}")
        return False

    def _keep(self, folder: Path) -> None:
        """Move the folder of a failed build, which Nix left, beside its log."""
        name = _BUILD_FOLDER.sub("", folder.name).removeprefix("nix-build-")
        for drv in [each for each in self.recording.records if name_of(each) == name]:
            place = self.recording.folder / "failed" / Path(drv).name
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists():
                    shutil.move(folder, place)
                    self.kept[drv] = place
            except OSError as error:  # as where it was made in memory, and is gone with that
                self.recording.take(Notice(f"keeps nothing of {name}: {error.strerror or error}"))

    def _outcome(self, path: str, infos: Mapping[str, PathInfo]) -> Build | Failure:
        derivation, record = self.graph[path], self.recording.records[path]
        if record.finished is None:
            return self._failure(path)
        unstable = self._second_results(path) if record.checking else {}
        # what was missing and is there now was built, whatever was said: a build can print errors, too
        if record.checking and self.recording.errors_naming(path) and not unstable:
            return self._failure(path)
        # a check compares with what the database says of the first result, so the bytes must be that
        for output in derivation.outputs.values():
            if self.store.nar_hash(output) != infos[output].nar_hash:
                return self._altered(path, output)
        return Build(
            derivation=path,
            outputs={name: built_path(infos[output]) for name, output in derivation.outputs.items()},
            started=record.started,
            finished=record.finished,
            log=record.log,
            unstable=unstable,
        )

    def _second_results(self, derivation: str) -> Mapping[str, SecondResult]:
        """What a check made of outputs that came out differently: Nix keeps it beside the first."""
        found: dict[str, SecondResult] = {}
        told = bool(self.recording.errors_naming(derivation))
        for name, path in self.graph[derivation].outputs.items():
            kept = self.store.second_result(path, told=told)
            if kept is not None:
                found[name] = SecondResult(kept, nar_hash(kept))
        return found

    def _clear_earlier_checks(self, derivations: Iterable[str]) -> None:
        for derivation in derivations:
            for path in self.graph[derivation].outputs.values():
                self.store.clear_second_result(path)

    def _altered(self, derivation: str | None, path: str) -> Failure:
        return Failure(
            derivation=derivation,
            reason=f"{path} was altered in its store after it was put there\nhint: {self.store.remedy}",
            last_lines=(),
            log=None,
        )

    def _failure(self, path: str, culprit: Record | None = None, *, infrastructure: bool = False) -> Failure:
        record = self.recording.records.get(path) or culprit
        named = record.derivation if record else path
        errors = self.recording.errors_naming(named) or self.recording.errors[-3:]
        # where Nix was asked for many, it lists in the end all that it did not get, whatever was the reason
        errors = [each for each in errors if not each.startswith(_ALL_THAT_FAILED)] or errors
        last_lines = tuple(record.last_lines) if record else ()
        if self.limits.when_full and any(_NO_SPACE in line for line in (*errors, *last_lines)):
            errors = [*errors, f"hint: {self.limits.when_full}"]
        return Failure(
            derivation=named,
            reason="\n".join(errors) or "Nix ended without building it",
            last_lines=last_lines,
            log=record.log if record else None,
            infrastructure=infrastructure,
            folder=self.kept.get(named),
        )

    def _culprits(self) -> Mapping[str, Record]:
        """The input whose failed build kept Nix from starting each of what stands on it.

        One look at the store and one at the graph for all of them: in a deep run, thousands may stand on one.
        """
        records = self.recording.records
        failed = self._lacking([drv for drv in records if drv in self.graph.derivations])
        order = {each.path: at for at, each in enumerate(self.graph.in_build_order())}
        first: dict[str, str] = {}
        for drv in order:
            known = [first[each] for each in self.graph[drv].input_derivations if each in first]
            if drv in failed:
                known.append(drv)
            if known:
                first[drv] = min(known, key=order.__getitem__)
        return {drv: records[culprit] for drv, culprit in first.items()}

    def _lacking(self, derivations: Sequence[str]) -> set[str]:
        """Those of the derivations that have an output which the store does not hold."""
        outputs = {drv: set(self.graph[drv].outputs.values()) for drv in derivations}
        invalid = self.store.invalid(path for paths in outputs.values() for path in paths)
        return {drv for drv, paths in outputs.items() if invalid & paths}


def _some(derivations: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(derivations), _TOGETHER):
        yield derivations[start : start + _TOGETHER]


def _is_of_a_build(error: str) -> bool:
    return _BUILD_ERROR.search(error) is not None


def built_path(info: PathInfo) -> BuiltPath:
    """What a store's database says of a path that was built there."""
    return BuiltPath(info.path, info.nar_hash, info.nar_size, info.references)
