"""Trees of commits in tally.lock: the NAR hash of what a lock file pins by a commit alone.

git checks a commit's tree by the commit's own name; Nix wants to know the tree's hash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestrator.dependencies.dependency import BadLock, CommitTree, Dependency
from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write
from orchestrator.ground.nar import nar_hash
from orchestrator.pinning.depended import extras_of
from orchestrator.recipe.names import store_name
from orchestrator.repositories.gitremote import export_remote
from orchestrator.repositories.gittree import empty_folders
from orchestrator.sources.folder import Sources

_HINT = "check the address and the commit, or have the lock written again"
_ELSEWHERE = "have the lock name it where others can fetch it, too: https:// or ssh://"


def fetched(
    each: Dependency, tree: CommitTree, sources: Sources, place: str, say: Callable[[str], None]
) -> str:
    """The NAR hash of a commit's tree. `place` is what messages call the lock file.

    Raises TallyError for what cannot be had.
    """
    say(f"fetching {each.name} {each.version} from {without_credentials(tree.address)}")
    try:
        sources.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".tree-", dir=sources.folder) as name:
            folder = Path(name) / "tree"
            folder.mkdir(mode=0o755)
            extras = extras_of(tree)
            export_remote(tree.address, tree.rev, folder, extras)
            if not extras.submodules and empty_folders(folder):
                raise TallyError(
                    "it is from a repository of this machine, and has submodules", hint=_ELSEWHERE
                )
            if each.part and (folder / each.part).resolve() != folder.resolve() / each.part:
                raise TallyError(f"in the commit {tree.rev[:12]} the folder {each.part} is behind a link")
            if each.part and not (folder / each.part).is_dir():
                raise TallyError(f"the commit {tree.rev[:12]} has no folder {each.part}")
            digest = nar_hash(folder).hex
            there = sources.folder / digest / store_name(each.file)
            if not there.exists():
                there.parent.mkdir(exist_ok=True)
                folder.rename(there)
            return digest
    except TallyError as error:
        problem = f"{each.name} {each.version}: {error.message}"
        raise BadLock(place, each.line, problem, hint=error.hint or _HINT) from error
    except OSError as error:
        raise cannot_write(sources.folder, error) from error
