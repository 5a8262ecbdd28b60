"""Two zip archives beside each other: what was made, and what is served. Pure.

Names, types and bytes of files are contents. All else is the container's, and told by name.
"""

from __future__ import annotations

import hashlib
import stat
import struct
from collections.abc import Iterator, Mapping

from orchestrator.ground.wording import counted
from orchestrator.served.diagnosis import MOST, note
from orchestrator.served.grade import (
    Aspect,
    Different,
    FileDifference,
    Grade,
    Identical,
    Remark,
    SameContents,
)
from orchestrator.served.zipfiles import DEFLATED, STORED, Archive, Entry, OddZipError, read, shown

NOTHING = "nothing"
_METHODS = {STORED: "stored", DEFLATED: "deflated"}
_TIME_IN_LOCAL, _TIME_IN_CENTRAL = 10, 12  # APPNOTE.TXT 4.3.7 and 4.3.12
_ZIP64, _EXTENDED_TIME, _UNIX_IDS = (
    0x0001,
    0x5455,
    0x7875,
)  # Info-ZIP's extra fields: container alone, where others may rename


def compare(made: bytes, served: bytes) -> Grade:
    """The grade. Raises OddZipError only for a served file; what was made and cannot be read is different."""
    if made == served:
        return Identical()
    theirs = read(served)
    digests = {entry.name: _digest(theirs, entry) for entry in theirs.entries}
    try:
        ours = read(made)
        files = tuple(_files(ours, theirs, digests))
    except OddZipError as error:
        return Different((FileDifference("the archive", f"unreadable ({error})", "readable"),))
    remarks = tuple(_remarks(ours, theirs))
    if files:
        return Different(files, remarks)
    if not remarks:
        return Different((FileDifference("the archive", "another file", "bytes that no rule here explains"),))
    return SameContents(remarks, _with_times(ours, theirs))


def _files(ours: Archive, theirs: Archive, digests: Mapping[bytes, str]) -> Iterator[FileDifference]:
    """Every file that is not the same, in the order of names; `digests` of theirs. Raises OddZipError."""
    made, served = ({entry.name: entry for entry in each.entries} for each in (ours, theirs))
    for name in sorted(made.keys() | served.keys()):
        one, other = made.get(name), served.get(name)
        if one is None or other is None:
            yield FileDifference(shown(name), _size(one), _size(other))
        elif _kind(one) != _kind(other):
            yield FileDifference(shown(name), _kind(one), _kind(other))
        elif _meaning(one) != _meaning(other):
            fields = [f"extra fields {_meaning(each)}" for each in (one, other)]
            yield FileDifference(shown(name), fields[0], fields[1])
        elif (digest := _digest(ours, one)) != digests[name]:
            known = None
            if max(one.size, other.size) <= MOST:
                known = note(b"".join(ours.contents(one)), b"".join(theirs.contents(other)))
            yield FileDifference(shown(name), _told(one, digest), _told(other, digests[name]), known)


def _told(entry: Entry, digest: str) -> str:
    return f"{counted(entry.size, 'byte')} with sha256 {digest[:12]}…"


def _digest(archive: Archive, entry: Entry) -> str:
    seen = hashlib.sha256()
    for chunk in archive.contents(entry):
        seen.update(chunk)
    return seen.hexdigest()


def _remarks(ours: Archive, theirs: Archive) -> Iterator[Remark]:
    """How two containers of the same files differ."""
    made, served = ({entry.name: entry for entry in each.entries} for each in (ours, theirs))
    both = [entry.name for entry in ours.entries if entry.name in served]
    order = [entry.name for entry in theirs.entries if entry.name in made]
    if both != order:
        first = next(number for number, name in enumerate(both) if name != order[number])
        yield Remark(Aspect.ORDER, None, f"{shown(both[first])} as {first + 1}.", f"{shown(order[first])}")
    for name in both:
        yield from _of_entry(shown(name), ours, made[name], theirs, served[name])
    if ours.comment != theirs.comment:
        yield Remark(Aspect.LAYOUT, None, f"comment {ours.comment!r}", f"comment {theirs.comment!r}")


def _of_entry(name: str, ours: Archive, one: Entry, theirs: Archive, other: Entry) -> Iterator[Remark]:
    if one.moment != other.moment:
        yield Remark(Aspect.TIME, name, one.time, other.time)
    if one.external != other.external:
        yield Remark(Aspect.MODE, name, _mode(one), _mode(other))
    if one.method != other.method:
        yield Remark(Aspect.COMPRESSION, name, _method(one), _method(other))
    elif ours.raw(one) != theirs.raw(other) and one.crc == other.crc:
        yield Remark(Aspect.COMPRESSION, name, f"{one.compressed} bytes packed", f"{other.compressed}")
    if (one.made_by, one.needed) != (other.made_by, other.needed):
        yield Remark(
            Aspect.WRITER, name, f"{one.made_by:#06x}/{one.needed}", f"{other.made_by:#06x}/{other.needed}"
        )
    for what in ("flags", "extra", "comment", "internal", "descriptor"):
        if getattr(one, what) != getattr(other, what):
            yield Remark(
                Aspect.LAYOUT, name, f"{what} {_shown(getattr(one, what))}", f"{_shown(getattr(other, what))}"
            )


def _with_times(ours: Archive, theirs: Archive) -> tuple[str, ...]:
    """The entries that need the published times for the whole file to be identical, if it then is."""
    served = {entry.name: entry for entry in theirs.entries}
    patched, changed = bytearray(ours.data), []
    for entry in ours.entries:
        if entry.moment != (moment := served[entry.name].moment):
            changed.append(shown(entry.name))
            written = struct.pack("<HH", moment & 0xFFFF, moment >> 16)
            for place in (entry.header + _TIME_IN_LOCAL, entry.central + _TIME_IN_CENTRAL):
                patched[place : place + 4] = written
    return tuple(changed) if patched == theirs.data else ()


def _kind(entry: Entry) -> str:
    if entry.name.endswith(b"/"):
        return "a folder"
    kind = stat.S_IFMT(entry.mode)
    return "a file" if kind in (0, stat.S_IFREG) else f"something else (type {kind:o})"


def _meaning(entry: Entry) -> str:
    """Extra fields that a reader may take for the file's name or content; times and owners are none."""
    found = set()
    for extra in entry.extra:
        at = 0
        while at + 4 <= len(extra):
            kind, length = struct.unpack_from("<HH", extra, at)
            if kind not in (_ZIP64, _EXTENDED_TIME, _UNIX_IDS):
                found.add(extra[at : at + 4 + length].hex())
            at += 4 + length
        if at != len(extra):
            found.add(extra.hex())
    return ", ".join(sorted(found)) or "none"


def _size(entry: Entry | None) -> str:
    return NOTHING if entry is None else counted(entry.size, "byte")


def _mode(entry: Entry) -> str:
    below = entry.external & 0xFFFF
    return f"{entry.mode:o}" + (f" with {below:#x}" if below else "")


def _method(entry: Entry) -> str:
    return _METHODS.get(entry.method, f"method {entry.method}")


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(_shown(each) for each in value)
    return value.hex() or "none" if isinstance(value, bytes) else str(value)
