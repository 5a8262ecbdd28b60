"""What a published Debian package shows of how it was built. Pure."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from orchestrator.served.arfiles import entries, members, tars, unpacked

_LARGEST: Final = 64 << 20
_TRIMMED: Final = b"# Older entries have been removed from this changelog."
_SIGNED: Final = re.compile(rb"^ -- .*? <[^>]*> +(.*)$", re.MULTILINE)
_ENTRY: Final = re.compile(
    rb"^[a-z0-9][a-z0-9+.-]* \((?P<version>[0-9][A-Za-z0-9.+~:-]*)\) [^\n;]*;[^\n]*\n"
    rb"(?:(?:  [^\n]*)?\n)*? -- [^\n]*$",
    re.MULTILINE,
)
_OLDEST_KEPT: Final = datetime(2019, 7, 6, tzinfo=UTC)
_ALWAYS_KEPT: Final = 4
"""dh_installchangelogs of bookworm's debhelper drops entries before this day, the newest so many aside."""


def options_of(deb: bytes, package: str) -> tuple[str, ...]:
    """The DEB_BUILD_OPTIONS that a published package shows. Raises OddPackageError."""
    changelog = _changelog(deb, package)
    return ("notrimdch",) if changelog is not None and _is_whole(changelog) else ()


def entry_of(deb: bytes, package: str, architecture: str, version: str) -> str | None:
    """The changelog's entry for a version, as the published package has it; None: it has none.

    A version like 1.0-2+b1 is the source 1.0-2 built again: its entry is the build's own, and in no source.
    Raises OddPackageError.
    """
    changelog = _changelog(deb, package, f"changelog.Debian.{architecture}.gz", "changelog.Debian.gz")
    for found in _ENTRY.finditer(changelog or b""):
        if found["version"].decode("ascii", "replace") == version:
            try:
                return found[0].decode() + "\n"
            except UnicodeDecodeError:
                return None
    return None


def _changelog(deb: bytes, package: str, *names: str) -> bytes | None:
    """Debian's changelog in the package; the maker's own where it is a native package."""
    folder = f"usr/share/doc/{package}"
    for member in tars(members(deb)):
        if member.stem != "data.tar":
            continue
        found = {each.name: each for each in entries(unpacked(member), member.name)}
        for name in (f"{folder}/{each}" for each in names or ("changelog.Debian.gz", "changelog.gz")):
            if name in found and found[name].kind == "a file":
                try:
                    return zlib.decompressobj(wbits=31).decompress(found[name].content, _LARGEST)
                except zlib.error:
                    return None
    return None


def _is_whole(changelog: bytes) -> bool:
    """Whether bookworm's debhelper would have dropped entries that are there."""
    if _TRIMMED in changelog:
        return False
    moments = []
    for found in _SIGNED.findall(changelog):
        try:
            moment = parsedate_to_datetime(found.decode("ascii", "replace").strip())
        except (ValueError, TypeError):
            return False  # debhelper trims none of which it cannot read a time
        moments.append(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return any(moment < _OLDEST_KEPT for moment in moments[_ALWAYS_KEPT:])
