"""What a served wheel shows of how it was made: its writer, modes, times. Pure.

The binary distribution format: https://packaging.python.org/en/latest/specifications/binary-distribution-format/.
"""

from __future__ import annotations

import re
import stat
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from typing import Final

from orchestrator.served.zipfiles import Archive, Entry, OddZipError, shown
from orchestrator.served.zones import zone_of

_LARGEST: Final = 8 << 20
_DOS, _UNIX = 0, 3  # APPNOTE.TXT 4.4.2: the upper byte of what made an entry
_GENERATOR: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)[ (]+v?([0-9][A-Za-z0-9.!+_-]*)\)?")
_BACKENDS: Final = {
    "bdist-wheel": "wheel",
    "flit": "flit-core",
    "poetry": "poetry-core",
    "uv": "uv-build",
    "pdm-pep517": "pdm-pep517",
}
"""Names in `Generator:` that are not those of the projects that they are."""
_EARLIEST: Final = datetime(2020, 2, 2, 0, 0, 0, tzinfo=UTC)
"""What hatchling and others write where nothing says a time: later ones were set."""


@dataclass(frozen=True, slots=True)
class Generator:
    """Who wrote the wheel."""

    said: str
    project: str
    """As an index has it."""
    version: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What can be read off a wheel."""

    generator: Generator | None
    tags: tuple[str, ...]
    metadata: Message
    epoch: int | None
    """Seconds, where all entries share one time that somebody set."""
    umask: int
    """When it was built."""
    unpacked: int
    """And when its source was unpacked: files that are copied as they are show it."""
    on_windows: bool
    """Whether it says that it was written there, where no umask is and text has other line ends."""
    in_parentheses: bool
    """Whether METADATA has versions of requirements so, as older programs wrote them."""
    zone: str | None
    """A time zone, as POSIX has it, by which its entries' times are those in its sdist; None: UTC."""


def show(archive: Archive, sdist_times: Mapping[str, int], shared: Collection[str] = ()) -> Shown:
    """Read what a wheel shows.

    `sdist_times`: path to seconds, for each file of its sdist; `shared`: those that their group may write.
    Raises OddZipError for one without the files that every wheel has.
    """
    folder = _folder(archive)
    wheel = _headers(archive, f"{folder}/WHEEL")
    found = _GENERATOR.match(str(wheel.get("Generator", "")))
    metadata = _headers(archive, f"{folder}/METADATA")
    return Shown(
        generator=_generator(found) if found else None,
        tags=tuple(str(each) for each in wheel.get_all("Tag", [])),
        metadata=metadata,
        epoch=_epoch(archive),
        umask=_umask(archive),
        unpacked=_unpacked(archive, sdist_times, shared),
        on_windows=any(entry.made_by >> 8 == _DOS for entry in archive.entries),
        in_parentheses=any(
            " (" in str(each).partition(";")[0] for each in metadata.get_all("Requires-Dist", [])
        ),
        zone=zone_of(_pairs(archive, sdist_times)),
    )


def seconds(entry: Entry) -> int:
    """An entry's time, taken for UTC."""
    try:
        return int(datetime.strptime(entry.time, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0  # month 0, or a second 60


def _generator(found: re.Match[str]) -> Generator:
    name = re.sub(r"[-_.]+", "-", found[1]).lower()
    return Generator(found[0], _BACKENDS.get(name, name), found[2])


def _folder(archive: Archive) -> str:
    inside = [entry.name.split(b"/") for entry in archive.entries]
    found = {p[0] for p in inside if len(p) == 2 and p[0].endswith(b".dist-info") and p[1] == b"WHEEL"}
    if len(found) != 1:
        raise OddZipError("it has no .dist-info/WHEEL, or several, so that it is no wheel")
    return found.pop().decode("utf-8", "replace")


def _headers(archive: Archive, name: str) -> Message:
    for entry in archive.entries:
        if shown(entry.name) == name:
            if entry.size > _LARGEST:
                raise OddZipError(f"its {name} is too large")
            return BytesParser(policy=compat32).parsebytes(b"".join(archive.contents(entry)))
    raise OddZipError(f"it has no {name}")


def _epoch(archive: Archive) -> int | None:
    moments = {seconds(entry) for entry in archive.entries}
    (only, *others) = moments
    return only if not others and only > _EARLIEST.timestamp() else None


def _umask(archive: Archive) -> int:
    """What files that others, or their group, can write say of it; else 022, as nearly everybody has it.

    setuptools gives RECORD such a mode whatever the umask is.
    """
    entries = (entry for entry in archive.entries if not entry.name.endswith(b".dist-info/RECORD"))
    modes = [e.mode for e in entries if e.made_by >> 8 == _UNIX and stat.S_ISREG(e.mode)]
    if any(mode & 0o002 for mode in modes):
        return 0o000
    return 0o002 if any(mode & 0o020 for mode in modes) else 0o022


def _unpacked(archive: Archive, sdist_times: Mapping[str, int], shared: Collection[str]) -> int:
    """002 where a file that is no module, and that its group may write in the sdist, is so here, too."""
    ends = Counter(path.rpartition("/")[2] for path in sdist_times)
    copied = {end for path in shared if ends[end := path.rpartition("/")[2]] == 1 and not end.endswith(".py")}
    return (
        0o002
        if any(
            entry.mode & 0o020 and shown(entry.name).rpartition("/")[2] in copied
            for entry in archive.entries
            if b".dist-info/" not in entry.name
        )
        else 0o022
    )


def _pairs(archive: Archive, sdist_times: Mapping[str, int]) -> list[tuple[int, int]]:
    """The time of each file that the sdist has once by that name, there and in the wheel."""
    by_end: dict[str, list[int]] = {}
    for path, moment in sdist_times.items():
        by_end.setdefault(path.rpartition("/")[2], []).append(moment)
    pairs = []
    for entry in archive.entries:
        times = by_end.get(shown(entry.name).rpartition("/")[2], [])
        if len(times) == 1:
            pairs.append((times[0] - times[0] % 2, seconds(entry)))
    return pairs


def written(moment: int) -> str:
    """A time for a reader."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)).strftime("%Y-%m-%d %H:%M:%S UTC")
