"""Why something that is needed could not be had, in words. Pure."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from typing import Final

from orchestrator.ground.errors import TallyError

SHOWN: Final = 5
_LONGEST_LINE: Final = 80
_PACKAGE: Final = re.compile(r"\.deb\b")


def looks(kinds: Sequence[str], beginning: bytes) -> str:
    """What came, where a look at it says more than a digest: a page or a message in an archive's place."""
    if not beginning:
        return "; it is empty"
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(beginning)
    except UnicodeDecodeError:
        return ""
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    if not line.isprintable() or not line:
        return ""
    kind = f" {kinds[0]}" if kinds else " text"
    return f"; it is{kind} and begins: {line[:_LONGEST_LINE]}"


def is_package(url: str) -> bool:
    """Whether an address is that of a binary package, as the lock names them; a recipe's source is none."""
    archives = ("mirror://debian/", "mirror://debian-security/", "mirror://debian-snapshot/")
    return url.startswith(archives) and _PACKAGE.search(url.rpartition("/")[2]) is not None


class LeftTheArchive(TallyError):
    """Every address answers that a Debian package is not there: a point release replaced it."""

    def __init__(self, message: str, users: Iterable[str]) -> None:
        self.users = tuple(sorted(set(users)))
        names = " ".join(f"--update {name}" for name in self.users[:SHOWN]) or "--update NAME"
        more = " and so on" if len(self.users) > SHOWN else ""
        super().__init__(
            message,
            hint="Debian's archive drops a package when a point release replaces it. There are two ways out. "
            f"Pin the new one: `tally lock {names}`{more}. Or keep the old one: add a dated snapshot of the "
            'archive to tally.toml, under [mirrors], as debian = ["https://HOST/archive/debian/'
            '20240210T000000Z/"], HOST as `debsnap` of the package devscripts uses it',
        )


def together(failures: list[TallyError], most: int) -> TallyError:
    """One error for several, of which the first ones are told."""
    shown = [failure.message for failure in failures[:most]]
    if len(failures) > most:
        shown.append(f"… and {len(failures) - most} more")
    gone = [failure for failure in failures if isinstance(failure, LeftTheArchive)]
    if gone:
        return LeftTheArchive("\n".join(shown), [name for failure in gone for name in failure.users])
    return TallyError("\n".join(shown), hint=failures[0].hint)
