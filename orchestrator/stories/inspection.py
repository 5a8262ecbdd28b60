"""What builders show of themselves: reached, sandbox proven, hosts told apart; nothing else is built."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.agreement.independence import Level, Party, level_of, votes
from orchestrator.builders.build import Identity, SandboxProof, Surroundings
from orchestrator.builders.builder import Builder
from orchestrator.builders.probe import Probe
from orchestrator.builders.running import tried, way_out
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.pinning.request import request_for
from orchestrator.recipe import lock as locks
from orchestrator.run.gathering import gather
from orchestrator.run.recipes import find_lock
from orchestrator.run.workshop import Workshop


@dataclass(frozen=True, slots=True)
class Shown:
    """One builder, looked at. Either `sandbox` or `error` is there."""

    identity: Identity
    sandbox: SandboxProof | None
    error: TallyError | None
    surroundings: Surroundings | None = None
    not_varied: Mapping[str, str] = field(default_factory=dict)
    """What was to make it differ from the others, and why its machine cannot do that."""


def inspect(
    workshop: Workshop, names: Sequence[str], folder: Path, say: Callable[[str], None]
) -> tuple[Shown, ...]:
    """The builders of these names, or all, in their order. `folder` is where tally.lock is looked for.

    Raises TallyError for an unknown name, or when there is no lock to take the probe's busybox from.
    """
    lock = locks.read(find_lock([folder / "recipe.toml"]))
    builders = workshop.named(names, lock)
    systems = workshop.systems(builders)
    probes: dict[str, Probe] = {}
    for system in sorted(set(systems.values())):
        request = request_for([], {}, lock, system)
        probes[system] = Probe.of(workshop.store, request)
        gather(workshop, request, probes[system].fixed, folder, say)
    by_name = {name: probes[system] for name, system in systems.items()}
    return looked_at(workshop.store, builders, by_name, say)


def looked_at(
    orchestrator: ChrootStore,
    builders: Sequence[Builder],
    probes: Mapping[str, Probe],
    say: Callable[[str], None],
) -> tuple[Shown, ...]:
    """What each builder shows by the probe for it; tried again while its host cannot do its work."""
    stopping = threading.Event()

    def look(builder: Builder) -> Shown:
        def tell(text: str) -> None:
            say(f"{builder.name}: {text}")

        return tried(
            builder, lambda: _look(orchestrator, builder, probes[builder.name], tell), _lost, tell, stopping
        )

    with ThreadPoolExecutor(len(builders)) as threads:
        try:
            return tuple(threads.map(look, builders))
        except BaseException:
            stopping.set()
            for builder in builders:
                builder.interrupt()
            raise


def independence(shown: Sequence[Shown], quorum: int) -> tuple[Level, dict[Level, int]]:
    """The highest level at which builders that work have a quorum, and the votes that they have at each."""
    parties = [Party.of(each.identity) for each in shown if each.sandbox is not None]
    counted: dict[Level, int] = {
        "same-host": votes(parties, "same-host"),
        "separate-hosts": votes(parties, "separate-hosts"),
        "separate-operators": votes(parties, "separate-operators"),
    }
    return level_of(parties, quorum), counted


def _lost(shown: Shown) -> str | None:
    return None if shown.error is None else shown.error.message


def _look(orchestrator: ChrootStore, builder: Builder, probe: Probe, tell: Callable[[str], None]) -> Shown:
    try:
        builder.power.start(tell)
        fixed = [each.path for each in probe.fixed]
        builder.receive(orchestrator, list(probe.graph.derivations), fixed)
        probed = builder.prove(probe)
    except TallyError as error:
        return Shown(builder.unknown, None, TallyError(error.message, hint=way_out(builder, error)))
    return Shown(probed.identity, probed.sandbox, None, probed.surroundings, builder.variation.missing)
