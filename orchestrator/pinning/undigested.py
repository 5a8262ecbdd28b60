"""What lock files pin by something that Nix has no name for: its digest, as tally.lock has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orchestrator.dependencies.dependency import CommitTree, Dependency, GoHash, Unhashed, YarnHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import in_parallel
from orchestrator.ground.wording import counted
from orchestrator.pinning import hashpins, treepins
from orchestrator.sources.folder import Sources


def pinned(
    wanted: Iterable[Dependency],
    known: Mapping[str, str],
    sources: Sources,
    place: str,
    say: Callable[[str], None],
) -> dict[str, str]:
    """By the text that a lock file pins each by, its digest. What is known is taken as it is, else fetched.

    `place` is what messages call the lock file. Raises TallyError for what cannot be had, or is something
    else than the lock file says.
    """
    found: dict[str, str] = {}
    files: dict[str, tuple[Dependency, hashpins.Hash]] = {}
    for each in wanted:
        match each.digest:
            case GoHash() | YarnHash() | Unhashed() | CommitTree() if each.digest.text in known:
                found[each.digest.text] = known[each.digest.text]
            case Unhashed():
                say(f"{place}, line {each.line}: no checksum of {each.key}; pinning what the registry has")
                files[each.digest.text] = each, each.digest
            case YarnHash():
                hashpins.refuse_unready(each.digest, place)
                files[each.digest.text] = each, each.digest
            case GoHash():
                files[each.digest.text] = each, each.digest
            case CommitTree() if each.digest.text not in found:
                found[each.digest.text] = treepins.fetched(each, each.digest, sources, place, say)
    if files:
        say(f"fetching {counted(len(files), 'file')} of which {place} has no digest of its own")

    def fetch(text: str) -> None:
        found[text] = hashpins.fetched(*files[text], sources, place)

    failures = [
        failure
        for _, failure in in_parallel(list(files), fetch, sources.downloader.stop, threads=8)
        if failure is not None
    ]
    if failures:
        more = f"\nand {len(failures) - 1} more" if len(failures) > 1 else ""
        if isinstance(failures[0], TallyError):
            raise TallyError(f"{failures[0].message}{more}", hint=failures[0].hint)
        raise failures[0]
    return found
