"""Two Debian packages beside each other: what was made, and what is served. Pure.

Names, types, owners and bytes of files are contents, and so are the bits that lend a program another's
rights.
All else is the container's, and told by name.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from orchestrator.ground.wording import counted
from orchestrator.served import diagnosis
from orchestrator.served.arfiles import Entry, Member, OddPackageError, entries, members, tars, unpacked
from orchestrator.served.elf_comparison import alike_but_for_debug_data, compilers
from orchestrator.served.grade import (
    Aspect,
    Class,
    Different,
    FileDifference,
    Grade,
    Identical,
    Remark,
    SameContents,
)

NOTHING = "nothing"
DEBUG_DATA = "differs in the build id and debug data alone"
FOLLOWS = "sums of the files that differ"
_SHOWN_OF = 8 << 20
_LENT = 0o7000  # set-user-id, set-group-id, sticky


def compare_tarballs(made: bytes, served: bytes) -> Grade:
    """The same for two tar archives in gzip, as npm packs them."""
    return compare(made, served, lambda data: (Member("package.tar.gz", 0, (0, 0), 0, data),))


def compare(made: bytes, served: bytes, read: Callable[[bytes], tuple[Member, ...]] = members) -> Grade:
    """The grade. Raises OddPackageError only for a served file; what was made and cannot be read differs."""
    if made == served:
        return Identical()
    theirs = read(served)
    served_tars = {each.stem: _Tar(each) for each in tars(theirs)}
    try:
        ours = read(made)
        made_tars = {each.stem: _Tar(each) for each in tars(ours)}
    except OddPackageError as error:
        return Different((FileDifference("the package", f"unreadable ({error})", "readable"),))
    files = tuple(_files(ours, theirs, made_tars, served_tars))
    remarks = tuple(_remarks(ours, theirs, made_tars, served_tars))
    if files:
        return Different(files, remarks, _class(files))
    if not remarks:
        return Different((FileDifference("the package", "another file", "bytes that no rule here explains"),))
    return SameContents(remarks)


class _Tar:
    """A member's archive, its files by name."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.data = unpacked(member)
        self.entries: Mapping[str, Entry] = {each.name: each for each in entries(self.data, member.name)}


def _files(
    ours: tuple[Member, ...],
    theirs: tuple[Member, ...],
    made: Mapping[str, _Tar],
    served: Mapping[str, _Tar],
) -> Iterator[FileDifference]:
    """Everything inside that is not the same, in the order of names."""
    one_by_stem, other_by_stem = ({each.stem: each for each in side} for side in (ours, theirs))
    for stem in sorted(one_by_stem.keys() | other_by_stem.keys()):
        one, other = one_by_stem.get(stem), other_by_stem.get(stem)
        if one is None or other is None:
            yield FileDifference(stem, _member(one), _member(other))
        elif one.owner != other.owner:
            yield FileDifference(stem, f"owned by {one.owner}", f"owned by {other.owner}")
        elif stem in made and stem in served:
            yield from _inside(stem.removesuffix(".tar"), made[stem].entries, served[stem].entries)
        elif one.data != other.data:
            yield FileDifference(stem, _told(one.data), _told(other.data))


def _inside(archive: str, made: Mapping[str, Entry], served: Mapping[str, Entry]) -> Iterator[FileDifference]:
    for name in sorted(made.keys() | served.keys()):
        one, other = made.get(name), served.get(name)
        called = f"{archive}/{shown(name)}"
        if one is None or other is None:
            yield FileDifference(called, _what(one), _what(other))
        elif one.kind != other.kind:
            yield FileDifference(called, shown(one.kind), shown(other.kind))
        elif one.owner != other.owner:
            yield FileDifference(called, _owned(one), _owned(other))
        elif (one.mode ^ other.mode) & _LENT:
            yield FileDifference(called, f"mode {one.mode:o}", f"mode {other.mode:o}")
        elif one.extended != other.extended:
            yield FileDifference(called, _attributes(one), _attributes(other))
        elif one.content != other.content:
            note = _note(called, one.content, other.content)
            yield FileDifference(called, _told(one.content), _told(other.content), note)


def _note(called: str, one: memoryview, other: memoryview) -> str | None:
    """What is known of a difference between two files."""
    if called == "control/md5sums" and _sums_alone(bytes(one), bytes(other)):
        return FOLLOWS
    if alike_but_for_debug_data(one, other):
        return DEBUG_DATA
    if (named := compilers(one, other)) is not None:
        made, served = map(shown, named)
        return (
            f"all that is loaded is the same; the compiler is {made} in what was made, {served} in the other"
        )
    ours, theirs = _inflated(one), _inflated(other)
    if ours is not None and theirs is not None:
        return "the same once unpacked" if ours == theirs else diagnosis.note(ours, theirs)
    return diagnosis.note(bytes(one), bytes(other))


def _sums_alone(one: bytes, other: bytes) -> bool:
    """Whether two lists of sums name the same files: their sums follow from the files."""
    return [line[32:] for line in one.splitlines()] == [line[32:] for line in other.splitlines()]


def _inflated(content: memoryview) -> bytes | None:
    try:
        return zlib.decompressobj(wbits=31).decompress(content, _SHOWN_OF)
    except zlib.error:
        return None


def _class(files: tuple[FileDifference, ...]) -> Class | None:
    """What is known of all of them together."""
    notes = {each.note for each in files}
    return Class.BUILD_ID if DEBUG_DATA in notes and notes <= {DEBUG_DATA, FOLLOWS} else None


def _remarks(
    ours: tuple[Member, ...],
    theirs: tuple[Member, ...],
    made: Mapping[str, _Tar],
    served: Mapping[str, _Tar],
) -> Iterator[Remark]:
    """How two containers differ, whatever is in them."""
    by_stem = {each.stem: each for each in theirs}
    both = [each.stem for each in ours if each.stem in by_stem]
    order = [each.stem for each in theirs if each.stem in both]
    if both != order:
        yield Remark(Aspect.ORDER, None, ", ".join(both), ", ".join(order))
    for one in ours:
        other = by_stem.get(one.stem)
        if other is None:
            continue
        if one.time != other.time:
            yield Remark(Aspect.TIME, one.stem, _time(one.time), _time(other.time))
        if one.mode != other.mode:
            yield Remark(Aspect.MODE, one.stem, f"{one.mode:o}", f"{other.mode:o}")
        if one.stem not in made or one.stem not in served:
            continue
        left, right = made[one.stem], served[one.stem]
        if one.name != other.name:
            yield Remark(Aspect.COMPRESSION, one.stem, f"as {one.name}", f"as {other.name}")
        elif one.data != other.data and left.data == right.data:
            yield Remark(
                Aspect.COMPRESSION,
                one.stem,
                f"packed into {len(one.data)}",
                f"packed into {counted(len(other.data), 'byte')}",
            )
        yield from _of_tar(one.stem, left, right)


def _of_tar(stem: str, left: _Tar, right: _Tar) -> Iterator[Remark]:
    both = [name for name in left.entries if name in right.entries]
    order = [name for name in right.entries if name in left.entries]
    archive = stem.removesuffix(".tar")
    if both != order:
        first = next(number for number, name in enumerate(both) if name != order[number])
        yield Remark(Aspect.ORDER, stem, f"{shown(both[first])} as {first + 1}.", f"{shown(order[first])}")
    for name in both:
        one, other = left.entries[name], right.entries[name]
        called = f"{archive}/{shown(name)}"
        if one.time != other.time:
            yield Remark(Aspect.TIME, called, _time(one.time), _time(other.time))
        if one.mode != other.mode and not (one.mode ^ other.mode) & _LENT:
            yield Remark(Aspect.MODE, called, f"{one.mode:o}", f"{other.mode:o}")
        alike = (one.kind, one.owner, one.extended, len(one.content)) == (
            other.kind,
            other.owner,
            other.extended,
            len(other.content),
        )
        if alike and one.header != other.header:
            yield Remark(
                Aspect.LAYOUT,
                called,
                f"a header of {len(one.header)}",
                f"one of {counted(len(other.header), 'byte')}",
            )
    if (
        left.entries.keys() == right.entries.keys()
        and left.data != right.data
        and len(left.data) != len(right.data)
    ):
        yield Remark(Aspect.LAYOUT, stem, counted(len(left.data), "byte"), counted(len(right.data), "byte"))


def shown(text: str) -> str:
    """A name out of an archive as a terminal may have it."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def _what(entry: Entry | None) -> str:
    if entry is None:
        return NOTHING
    return counted(len(entry.content), "byte") if entry.kind == "a file" else shown(entry.kind)


def _member(member: Member | None) -> str:
    return NOTHING if member is None else counted(len(member.data), "byte")


def _told(content: bytes | memoryview) -> str:
    return f"{counted(len(content), 'byte')} with sha256 {hashlib.sha256(content).hexdigest()[:12]}…"


def _owned(entry: Entry) -> str:
    user, group, user_name, group_name = entry.owner
    return f"owned by {shown(user_name)} ({user}) and {shown(group_name)} ({group})"


def _attributes(entry: Entry) -> str:
    return "attributes " + (shown(", ".join(f"{k}={v}" for k, v in entry.extended)) or NOTHING)


def _time(seconds: float) -> str:
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return str(seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}"
