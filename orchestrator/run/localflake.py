"""A flake in a git repository of this machine: as its commit has it, or as it lies there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl, quote, unquote, urlencode

from orchestrator.ground.errors import TallyError
from orchestrator.nix.flakes import directory_of, flake_and_top
from orchestrator.nix.foreign import elsewhere
from orchestrator.repositories.git import NoCommitError, git, head
from orchestrator.repositories.lentcommit import lend
from orchestrator.repositories.tree import differing
from orchestrator.repositories.worktree import differs

_SCHEME = "git+file://"
_UNDERSTOOD = frozenset({"allRefs", "dir", "lastModified", "ref", "rev", "revCount", "shallow"})
_CHOSEN = ("dir", "ref", "rev")
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class LocalFlake:
    """Where it is, and its commit; None: it has uncommitted changes, or no commit yet."""

    top: Path
    directory: str
    """Of flake.nix, in the repository; empty: its top."""
    commit: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What else is in its address."""

    def copied(self, folder: Path) -> str:
        """Its address where its tree was copied to a folder."""
        return f"path:{quote(str(folder))}" + (f"?dir={quote(self.directory)}" if self.directory else "")

    @contextmanager
    def lent(self, scratch: Path) -> Iterator[str]:
        """Its address in a repository of our own, in `scratch` if may be, which has nothing but the commit.

        Errors name its own repository.
        """
        assert self.commit is not None
        query = {"rev": self.commit, **self.parameters}
        if self.directory:
            query["dir"] = self.directory
        with ExitStack() as ending:
            folder = scratch / "repository"
            if not _PLAIN.fullmatch(str(folder)):  # Nix 2.8 loses its way in `%20`
                new = TemporaryDirectory(prefix="tally-", dir=elsewhere(scratch))
                folder = Path(ending.enter_context(new)) / "repository"
            lend(self.top, self.commit, folder)
            try:
                yield f"{_SCHEME}{quote(str(folder))}?{urlencode(query)}"
            except TallyError as error:
                if str(folder) not in error.message:
                    raise
                told = error.message.replace(str(folder), str(self.top))
                raise TallyError(told, hint=error.hint) from error


def of(reference: str) -> LocalFlake | None:
    """The flake that an address names; None: it is in no repository here, or not a commit of one by itself.

    What is wrong with an address Nix says, and it takes submodules. Raises TallyError.
    """
    place, _, words = reference.partition("?")
    query = dict(parse_qsl(words, keep_blank_values=True))
    top = _top(place)
    if top is None or query.keys() - _UNDERSTOOD:
        return None
    try:
        found, commit = head(top)
    except NoCommitError as error:
        found, commit = error.top, ""
    if found != top.resolve():  # `core.worktree` is elsewhere
        return None
    clean = True
    if wanted := query.get("rev") or query.get("ref"):
        verify = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}")
        commit = git(found, *verify, missing="").strip()
        if not commit or ("rev" in query and commit != wanted):
            return None
    elif not commit or differs(found, commit):
        clean = False
    rest = {name: value for name, value in query.items() if name not in _CHOSEN}
    return LocalFlake(found, directory_of(reference), commit if clean else None, rest)


def _top(place: str) -> Path | None:
    """The repository's folder, as Nix finds it."""
    if place.startswith("/"):
        flake, top = flake_and_top(Path(place))
        return top if Path(place).is_dir() and (flake / "flake.nix").exists() else None
    if not place.startswith(f"{_SCHEME}/"):
        return None
    folder = Path(unquote(place.removeprefix(_SCHEME)))
    return folder if (folder / ".git").exists() else None


def refuse_differing(top: Path, commit: str, tree: Path, shown: str, *, submodules: bool = False) -> None:
    """Raises TallyError where what Nix fetched of a commit is not what the commit has, byte for byte."""
    names = differing(top, commit, tree, submodules=submodules)
    if names:
        some = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise TallyError(
            f"of {shown} Nix fetched {some} otherwise than the commit {commit[:12]} has it",
            hint="git leaves out or converts files by .gitattributes (as export-ignore, export-subst, eol): "
            "take that line out and commit, or use Nix 2.20 or later, which obeys none of them",
        )
