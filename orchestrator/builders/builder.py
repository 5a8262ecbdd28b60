"""One builder, of whatever kind: a store to build in, and who its host is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

from orchestrator.builders.build import (
    Build,
    BuiltPath,
    Failure,
    Identity,
    Report,
    SandboxProof,
    Surroundings,
)
from orchestrator.builders.host import HostFacts, machine_id, runs_natively
from orchestrator.builders.probe import Probe, holes, read_proof, read_surroundings
from orchestrator.builders.realising import Limits, Realisation, built_path
from orchestrator.builders.variation import NO_VARIATION, Variation
from orchestrator.builders.vouching import Vouching
from orchestrator.caches.believed import NOTHING, Beliefs
from orchestrator.caches.taking import refuse_others
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.events import Event
from orchestrator.nix.store import Store

_IN_PLACE = ("local", "daemon")
"""Stores whose builds this machine's kernel runs."""
_PATIENCE = 20  # tries, a second apart
_LARGEST_PROOF = 1 << 20  # bytes of what a builder's probe saw, which takes some kilobytes


@dataclass(frozen=True)
class Probed:
    """What a builder has shown of itself in this run."""

    identity: Identity
    sandbox: SandboxProof
    surroundings: Surroundings


@dataclass(frozen=True)
class Attesting:
    """A host that signs its own links."""

    public: Path
    """The file of the key that it signs with: the public half."""
    ask: Callable[[bytes], bytes]
    """Takes a link, and gives the signed envelope. Raises TallyError."""


class Watch(Protocol):
    """Who hears of what a builder has shown or done before its report. Called from builders' threads."""

    def proven(self, name: str, probed: Probed) -> None:
        """A builder's sandbox holds."""

    def checked(self, name: str, builds: Sequence[Build]) -> None:
        """A builder has built these again, of many."""


class Unwatched:
    """For nobody."""

    def proven(self, name: str, probed: Probed) -> None:
        pass

    def checked(self, name: str, builds: Sequence[Build]) -> None:
        pass


class Power(Protocol):
    """Turns a builder's host on and off, where that is ours to do."""

    @property
    def emulated(self) -> bool:
        """Whether its processor is known to be a program."""

    def check(self) -> None:
        """Whether it could be turned on, before anything else is begun. Raises TallyError."""

    def start(self, notify: Callable[[str], None]) -> None:
        """A host that answers, made anew; `notify` takes what its user should know. Raises TallyError."""

    def interrupt(self) -> None:
        """Let a `start` in another thread end."""


UNWATCHED: Final = Unwatched()
NONE_KNOWN: Final[Mapping[str, BuiltPath]] = {}


class AlwaysOn:
    """For a host that is somebody else's to turn on."""

    emulated = False

    def check(self) -> None:
        pass

    def start(self, notify: Callable[[str], None]) -> None:
        pass

    def interrupt(self) -> None:
        pass


@dataclass(frozen=True)
class Builder:
    """A store that derivations are realised in. `logs` is this run's folder for its logs."""

    name: str
    kind: str
    """The store as configured: `local`, `daemon`, `ssh-ng://…`, `vm`. It goes into evidence."""
    store: Store
    logs: Path
    facts: Callable[[], HostFacts]
    """Reads what no build can see of its host."""
    vouching: Vouching
    """Looks at what its store says of where paths came from, and whose signatures they bear."""
    operator: str | None = None
    """Who runs the host, as configured."""
    limits: Limits = field(default_factory=Limits)
    attempts: int = 1
    """How often it is tried before it counts as unreachable."""
    variation: Variation = NO_VARIATION
    """What makes its builds' surroundings differ from those of this machine's first builder."""
    attesting: Attesting | None = None
    """How its host signs its link; None: a key of ours speaks for it."""
    spare: bool = False
    """Used only when another one could not do its work."""
    power: Power = field(default_factory=AlwaysOn)
    """Of its host; turned on at every attempt."""

    @property
    def unknown(self) -> Identity:
        """Its identity before anything was observed."""
        return Identity(self.name, self.kind, self.operator)

    def interrupt(self) -> None:
        """End what other threads of ours have running for it, and let no more start."""
        self.power.interrupt()
        self.store.nix.stop_all()

    def receive(
        self,
        orchestrator: ChrootStore,
        derivations: Sequence[str],
        fixed: Sequence[str],
        beliefs: Beliefs = NOTHING,
    ) -> None:
        """Take derivations, sources and what is believed from the orchestrator; no outputs under test.

        Raises TallyError where its store holds something else than what is believed.
        """
        if missing := sorted(self.store.invalid(beliefs.paths)):
            self.store.copy_from(orchestrator, missing)
        refuse_others(self.store, beliefs.paths.values(), f"the store of {self.name}")
        if missing := sorted(self.store.invalid(fixed)):
            self.store.copy_from(orchestrator, missing)
        if missing := sorted(self.store.invalid(derivations)):
            self.store.copy_from(orchestrator, missing)
        if isinstance(self.store, ChrootStore):
            for path in derivations:
                # the orchestrator's own were judged when they were read; Nix builds what it finds here
                if not self.store.holds_the_same(path, orchestrator):
                    self.store.derivation(path)  # says what is wrong with it

    def forget(self, graph: DerivationGraph, requested: Sequence[str], beliefs: Beliefs) -> int:
        """See to it that no input passes for built here that an earlier run believed; gives how many went.

        That is where this run is to build it. What was made with it goes, too. A store that is not ours keeps
        what it has: `vouching` says so then. Raises TallyError.
        """
        if not isinstance(self.store, ChrootStore):
            return 0
        inputs = self._inputs_of(graph, requested, beliefs)
        foreign = self.store.foreign(set(inputs) - self.store.invalid(inputs))
        if not foreign:
            return 0
        try:
            return len(self.store.forget(foreign))
        except NixFailed as error:
            raise TallyError(
                f"an earlier run believed {min(foreign)}, and it cannot be deleted from the store "
                f"of {self.name}, so that it is built: {error.message}",
                hint="wait for other runs that use this store to end",
            ) from error

    def forget_abandoned(self, graph: DerivationGraph, derivations: Iterable[str]) -> int:
        """Delete what runs made that ended before they looked for alterations, and what was made with it.

        Gives how many paths went. A store that is not ours keeps what it has. Raises TallyError.
        """
        if not isinstance(self.store, ChrootStore):
            return 0
        outputs = {path for drv in derivations for path in graph[drv].outputs.values()}
        left = _PATIENCE
        while there := outputs - self.store.invalid(outputs):
            left -= 1
            try:
                return len(self.store.forget(there))
            except NixFailed as error:  # the Nix of a run that was killed just now ends a moment later
                if not left:
                    raise TallyError(
                        f"a run that was killed made {min(there)}, and it cannot be deleted from the store "
                        f"of {self.name}, so that it is built anew: {error.message}",
                        hint="wait for other runs that use this store to end",
                    ) from error
            time.sleep(1)
        return 0

    def prove(self, probe: Probe) -> Probed:
        """Build the probe, which no store has yet, and judge what it saw.

        Raises TallyError when the sandbox has holes or cannot be shown to have none.
        """
        realisation = Realisation.begin(self.store, probe.graph, self.logs, lambda _: None, self.limits)
        [outcome] = realisation.outcomes([probe.derivation])
        if isinstance(outcome, Failure):
            raise self._cannot_prove(outcome.reason)
        try:
            text = contents(self.store.bring(probe.output), _LARGEST_PROOF).decode()
            proof, surroundings = read_proof(text), read_surroundings(text)
        except (OSError, ValueError) as error:
            raise self._cannot_prove(why(error)) from error
        if found := holes(proof, frozenset(probe.graph[probe.derivation].env)):
            raise self._cannot_prove("\n".join(found))
        return Probed(self._identity(surroundings), proof, surroundings)

    def build(
        self,
        graph: DerivationGraph,
        requested: Sequence[str],
        probe: Probe,
        on_event: Callable[[Event], None],
        turn: Callable[[], None],
        beliefs: Beliefs = NOTHING,
        watch: Watch = UNWATCHED,
        known: Mapping[str, BuiltPath] = NONE_KNOWN,
        repeat: int = 0,
    ) -> Report:
        """Build every requested derivation in this run, and say what came of it.

        `turn` is called before anything is built that its store does not hold. What it holds is built again
        at once, and compared with what was made at another time.

        All of them are built `repeat` times more. `known` are inputs that it made in an earlier run and that
        need not be there, by store path.

        The probe is built meanwhile, so that it sees what the builds see. Raises TallyError where it shows no
        sandbox that holds, and ends the builds then.
        """
        with ThreadPoolExecutor(1, thread_name_prefix=f"probe-{self.name}") as beside:
            proving = beside.submit(self._prove_or_end, probe, watch)
            realisation = Realisation.begin(self.store, graph, self.logs, on_event, self.limits, turn)
            try:
                outcomes = realisation.outcomes(
                    requested, lambda some: watch.checked(self.name, some), repeat
                )
            except TallyError:
                proving.result()  # what it says is why the builds ended, if it is
                raise
            probed = proving.result()
        failures = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
        builds = {outcome.derivation: outcome for outcome in outcomes if isinstance(outcome, Build)}
        inputs = self._built_inputs(graph, requested, beliefs)
        made = {built.path: built for build in builds.values() for built in build.outputs.values()}
        vouched = self.vouching(made, inputs)
        failures += [_otherwise(each) for path, each in inputs.items() if known.get(path, each) != each]
        told = {failure.reason for failure in failures}
        if tampered := [failure for failure in realisation.tampered() if failure.reason not in told]:
            failures += tampered
            self._forget_made(realisation)
        return Report(
            identity=probed.identity,
            sandbox=probed.sandbox,
            builds=builds,
            inputs={**known, **inputs},
            failures=(*failures, *vouched.failures),
            signatures=vouched.signatures,
            surroundings=replace(probed.surroundings, started=realisation.recording.started),
        )

    def _forget_made(self, realisation: Realisation) -> None:
        """What was built from something altered must not be there still once that is as it was."""
        if isinstance(self.store, ChrootStore):
            made = realisation.first_made()
            with suppress(NixFailed):  # another run uses one of them: it is told of the alteration itself
                self.store.forget(set(made) - self.store.invalid(made))

    def _prove_or_end(self, probe: Probe, watch: Watch) -> Probed:
        try:
            probed = self.prove(probe)
        except TallyError:
            self.store.nix.end_running()
            raise
        watch.proven(self.name, probed)
        return probed

    def _identity(self, seen: Surroundings) -> Identity:
        facts = self.facts()
        return Identity(
            name=self.name,
            store=self.kind,
            operator=self.operator,
            nix_version=facts.nix_version,
            machine_id=facts.machine_id,
            boot_id=seen.boot_id,
            kernel=seen.kernel,
            cpu_model=seen.cpu_model,
            system=seen.system,
            emulated=self.power.emulated or (self.kind in _IN_PLACE and not runs_natively(seen.system)),
            host_id=machine_id() if self.kind == "vm" else None,
        )

    def _built_inputs(
        self, graph: DerivationGraph, requested: Sequence[str], beliefs: Beliefs
    ) -> Mapping[str, BuiltPath]:
        paths = self._inputs_of(graph, requested, beliefs)
        invalid = self.store.invalid(paths)
        infos = self.store.information([path for path in paths if path not in invalid])
        return {path: built_path(info) for path, info in infos.items()}

    def _inputs_of(self, graph: DerivationGraph, requested: Sequence[str], beliefs: Beliefs) -> Sequence[str]:
        """The outputs of all that is built for what is requested, and is neither that nor believed."""
        asked = set(requested)
        return [
            path
            for drv in graph.derivations.values()
            if drv.fixed is None and drv.path not in asked and (not beliefs or drv.path in beliefs.rebuilt)
            for path in drv.outputs.values()
        ]

    def _cannot_prove(self, why: str) -> TallyError:
        return TallyError(
            f"builder {self.name} cannot prove its sandbox:\n{why}",
            hint="run `tally doctor`; nothing is signed without a sandbox",
        )


def _otherwise(built: BuiltPath) -> Failure:
    """An input that it made in an earlier run, and that was gone."""
    reason = (
        f"{built.path} was gone from its store, and built again it is not what it was in an earlier run\n"
        "hint: `--deep --again` builds everything anew, and tells what differs"
    )
    return Failure(derivation=None, reason=reason, last_lines=(), log=None)
