"""A file that came and is not the one that was asked for, and which of the two to doubt. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.wording import counted
from orchestrator.recipe.wanted import Wanted

_TEXT = re.compile(
    r"\.(asc|c|cc|cpp|css|diff|el|go|h|html?|java|js|json|lua|md|patch|pem|pl|py|rb|rs|sh|tex|toml|ts|txt|xml|ya?ml)$",
    re.IGNORECASE,
)
"""How addresses end whose file is a text, so that a text is what was to come."""


class Mismatch(Unreachable):
    """An address gave other bytes than those with the digest."""

    def __init__(self, seen: str, expected: str, looks: str, algorithm: str = "sha256") -> None:
        super().__init__(f"its {algorithm} is {seen}, expected {expected}{looks}")
        self.seen = seen
        self.looks = looks
        """What came instead, where that is no such file at all, with a separator in front; else empty."""


def sentence(wanted: Wanted, failures: Sequence[tuple[str, Unreachable]]) -> str | None:
    """The one sentence, where every address that was tried gave the same wrong bytes; else None."""
    found = [(address, error) for address, error in failures if isinstance(error, Mismatch)]
    if not found or len(found) < len(failures) or len({error.seen for _, error in found}) > 1:
        return None
    (address, error), *others = found
    several = counted(len(others), "more address does", "more addresses do")
    more = f", as {several}" if others else ""
    return (
        f"the file that {without_credentials(address)} gives{more} does not match {_who(wanted)}: "
        f"its {wanted.algorithm} is {error.seen}, and {_who(wanted)} says {wanted.digest.hex}{error.looks}"
    )


def doubt(wanted: Wanted, failures: Sequence[tuple[str, Unreachable]]) -> str | None:
    """Which of file and digest to doubt; None where no other bytes came."""
    pairs = [(address, error) for address, error in failures if isinstance(error, Mismatch)]
    found = [error for _, error in pairs]
    if not found:
        return None
    if all(error.looks and not _TEXT.search(address) for address, error in pairs):
        return "doubt the address: what it gives is not such a file"
    if _is_locked_alone(wanted):
        return "doubt the address: the digest is from the signed index of the archive, by `tally lock`"
    if wanted.lock is not None:
        return "doubt the registry: whoever wrote the lock file got other bytes of this version"
    if len({error.seen for error in found}) > 1:
        return "doubt the addresses: they give different files"
    publisher = "compare with the sha256 that the publisher names"
    if len(found) > 1:
        return f"doubt the recipe's sha256: {len(found)} addresses give the same file; {publisher}"
    return (
        f"{publisher}: if it is the file's, mend the recipe; "
        "if it is the recipe's, doubt the address, whose file was changed or is another one"
    )


def unlike_the_lock(recipe: str, source: str, says: str, locked: str) -> tuple[str, str]:
    """Message and hint where a recipe was given another sha256 since its source was locked."""
    found = f"when `tally lock` last fetched it, the address gave {locked}"
    lock = "if the recipe now means another file, run `tally lock`, which fetches it and compares"
    return (
        f"the recipe {recipe} says sha256 {says} for its source {source}; {found}",
        f"{lock}; if not, its sha256 is mistyped: write {locked}",
    )


def _who(wanted: Wanted) -> str:
    if wanted.lock is not None:
        return wanted.lock
    return "tally.lock" if _is_locked_alone(wanted) else "the recipe"


def _is_locked_alone(wanted: Wanted) -> bool:
    """Whether no recipe names the digest: a package of the toolchain."""
    return wanted.name.endswith(".deb") and all(url.startswith("mirror://debian/") for url in wanted.urls)
