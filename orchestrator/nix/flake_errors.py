"""Nix's words for a flake that cannot be had or evaluated: it or which of its inputs, and the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.nix.command import NixFailed
from orchestrator.nix.trace import explained
from orchestrator.pinning import flakelock
from orchestrator.pinning.flakeref import url_of

_NEEDS_LOCK = "requires lock file changes"
_ANSWERS = "see whether its address, and that of each of its inputs, is right and answers"
_UPDATED = re.compile(r"while updating the (?:flake )?input '([^']+)'")
_NO_FLAKE = ("could not find a flake.nix", "is not part of a flake")
_AT = re.compile(r"^\S+:\d+:\d+: ")
_UNANSWERED = ("unable to download", "' failed with exit code", "getting status of", "does not exist")
_UNKNOWN_TO_GIT = re.compile(
    r"(getting status of|path) '[^']*flake\.nix'.*(No such file|does not exist|not tracked)",
    re.IGNORECASE | re.DOTALL,
)


def not_as_locked(error: NixFailed, lock: Mapping[str, Any] | None, shown: str) -> TallyError | None:
    """The error for an input that flake.nix has in another way than flake.lock; None: it is none of that.

    Of what the lock has, Nix fetches nothing before it is evaluated.
    """
    if (found := _UPDATED.search(error.said)) is None:
        return None
    name = found[1]
    how = "has no flake.lock" if lock is None else f"has a flake.lock that does not fit its input {name}"
    told = unlocked(shown, how)
    if "flake.nix'" in (why_not := _last_words(error) or ""):
        return TallyError(
            f"the flake {shown} {how}, and that input has no flake.nix",
            hint=f"say so where it is none: inputs.{name}.flake = false; then {told.hint}",
        )
    if not why_not:
        return told
    address = re.search(r"while fetching the input '([^']+)'", error.said)
    return TallyError(
        f"the flake {shown} {how}, and its input {name} cannot be fetched"
        f"{f' from {address[1]}' if address else ''}: {why_not}",
        hint=f"see whether its address is right and answers; then {told.hint}",
    )


def _last_words(error: NixFailed) -> str | None:
    """Why something was not fetched, as git or Nix says; None: that is not what is wrong."""
    if git := re.search(r"^\s*fatal: (.+)$", error.said, re.MULTILINE):
        return f"git says: {git[1]}"
    message = _AT.sub("", explained(error, of_flake=True).message.splitlines()[0])
    return message if any(each in message for each in _UNANSWERED) else None


def unevaluated(error: NixFailed, lock: Mapping[str, Any], shown: str) -> TallyError:
    """The error for a flake that is there, and fits its lock as far as anybody looked before."""
    if found := re.search(r"cannot update (?:unlocked )?flake input '([^']+)'", error.said):
        return unlocked(shown, f"has a flake.lock that does not fit its input {found[1]}")
    fetched = re.search(r"while fetching the input '([^']+)'", error.said)
    if fetched is None or (why_not := _last_words(error)) is None:
        return explained(error, of_flake=True)
    return TallyError(
        f"{_input_at(fetched[1], lock)} of {shown} cannot be fetched from {fetched[1]}: {why_not}",
        hint="flake.lock has it so: see whether that address is right and answers, or lock another with "
        f"`{flakelock.WRITE}`",
    )


def _input_at(address: str, lock: Mapping[str, Any]) -> str:
    """The node of flake.lock that an address is of, as Nix writes it."""
    for name, node in sorted(lock.get("nodes", {}).items()):
        try:
            place = url_of(node["locked"]).partition("?")[0]
        except (KeyError, TypeError, ValueError):
            continue
        if address.startswith(place) and str(node["locked"].get("rev", "")) in address:
            return f"the input {name}"
    return "an input"


def unlocked(shown: str, how: str) -> TallyError:
    return TallyError(
        f"the flake {shown} {how}, and evaluation writes none",
        hint=f"lock it with `{flakelock.WRITE}`, and commit flake.lock",
    )


def unusable(error: NixFailed, shown: str) -> TallyError:
    folder = Path(shown.removeprefix("path:").removeprefix("git+file://").split("?")[0])
    if "lacks attribute 'outputs'" in error.said:
        return TallyError(
            f"the flake.nix of {shown} has no `outputs`",
            hint="as in `outputs = { self }: { packages.x86_64-linux.hello = …; };`",
        )
    if any(each in error.said for each in _NO_FLAKE):
        return TallyError(
            f"there is no flake.nix in {folder}, nor above it in its repository",
            hint="go to the folder that has one, or name it, as in FOLDER#ATTRIBUTE",
        )
    if _UNKNOWN_TO_GIT.search(error.said) and (folder / "flake.nix").is_file():
        return TallyError(
            f"git does not know the flake.nix in {folder}",
            hint="git add flake.nix: a flake in a repository is made of the files that git knows",
        )
    if re.search(r"flake\.nix:\d+:\d+", error.said):  # what is wrong stands in it
        return explained(error, of_flake=True)
    local = folder if (folder / "flake.nix").is_file() else None
    lacks = local is not None and not (local / "flake.lock").exists()
    if _NEEDS_LOCK in error.said or lacks:
        return unlocked(
            shown, "has no flake.lock" if lacks else "has a flake.lock that does not fit its inputs"
        )
    told = explained(error, of_flake=True)
    if git := re.search(r"^\s*fatal: (.+)$", error.said, re.MULTILINE):
        return TallyError(f"{shown}: git says: {git[1]}", hint=_ANSWERS)
    if any(each in error.said for each in _UNANSWERED):
        return TallyError(f"{shown}: {told.message}", hint=_ANSWERS)
    return told
