"""What builds need from outside: fetched where it is missing, checked, and put into our own store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.nix.evaluation import FixedPath
from orchestrator.recipe.wanted import fixed_outputs
from orchestrator.repositories.lfs import refuse_pointers
from orchestrator.run.workshop import Workshop
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.supply import Located, Supply


def gather(
    workshop: Workshop,
    request: Mapping[str, Any],
    fixed: Iterable[FixedPath],
    folder: Path,
    say: Callable[[str], None],
    supplies: Sequence[Supply] = (),
) -> tuple[Located, ...]:
    """See to it that the orchestrator's store holds every one of `fixed`, which `request` says how to get.

    `folder` is in the repository of path sources; `supplies` are asked first. Gives what was fetched, and
    where it was found. Raises TallyError when one cannot be had as pinned.
    """
    store = workshop.store
    expected = {(each.name, each.digest): each for each in fixed}
    absent = store.invalid(each.path for each in expected.values())
    lacking = [
        (each, expected[each.name, each.digest])
        for each in fixed_outputs(request)
        if (each.name, each.digest) in expected and expected[each.name, each.digest].path in absent
    ]
    mirrors = Mirrors(workshop.configuration.mirrors)
    sources = Sources(workshop.state.folder("sources"), mirrors, folder, supplies)
    if missing := sources.missing(each for each, _ in lacking):
        say(f"fetching {counted(len(missing), 'source or package', 'sources and toolchain packages')}")
        sources.fetch_all(missing)
    files: dict[tuple[bool, str], list[Path]] = {}
    for each, _ in lacking:
        files.setdefault((each.is_folder, each.algorithm), []).append(sources.path(each))
    for (recursive, algorithm), paths in files.items():
        store.add_fixed(paths, recursive=recursive, algorithm=algorithm)
    if unexpected := sorted(store.invalid(each.path for each in expected.values())):
        raise TallyError(
            f"what was fetched for {unexpected[0]} is not what tally.lock pins",
            hint=f"remove the folder {sources.folder} and run the command again",
        )
    for each in fixed_outputs(request):
        if each.is_tree and each.extras.lfs is None and (place := expected.get((each.name, each.digest))):
            refuse_pointers(store.physical(place.path), f"{', '.join(each.users)}: source {each.name}")
    return sources.located
