"""What kind of difference two contents show, told from the bytes around it. Pure.

Each answer needs positive evidence on both sides; where there is none the answer is `UNKNOWN`. A cause is a
hint for the reader and decides nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum

from orchestrator.ground.values import dataclass


class Cause(StrEnum):
    """Why two builds may have differed, in words that complete `looks like …`."""

    TIMESTAMP = "a timestamp"
    ORDERING = "the same parts in another order"
    RANDOM = "a random name or value"
    IDENTIFIER = "a random value, or a digest of something else that differs"
    BUILD_PATH = "the path of a build directory"
    HOST_NAME = "a host name"
    CPU_COUNT = "the number of CPUs"
    CPU_MODEL = "the model of the CPU"
    KERNEL = "the release of the kernel"
    USER = "the name or number of a user"
    PROCESS = "the number of a process"
    UPTIME = "the time since the machine started"
    DURATION = "how long something took"
    LOAD = "the load of the machine"
    MEMORY = "the amount of memory"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Window:
    """Bytes of one side around the first difference. Both sides share what stands before it."""

    data: bytes
    position: int
    """Where in `data` the sides first differ."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the sides first differ, and what the file around it is."""

    name: str
    """The file's name, e.g. `main.pyc`."""
    head: bytes
    """The file's first bytes, equal on both sides as far as they stand before `offset`."""
    offset: int
    first: Window
    second: Window


_TIMES = tuple(
    re.compile(pattern)
    for pattern in (
        rb"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?([.,]\d+)?(Z| ?[+-]\d\d:?\d\d)?)?",
        rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?=[\w ,]{0,16}\d\d:\d\d)[\w :,+-]+",
        rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* [ \d]\d,? \d{4}",
        rb"(?<!\d)\d{1,2}[- ](Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*[- ,]+\d{4}(?!\d)",
        rb"(?<![\d./])\d{1,2}([./])\d{1,2}\1(19|20)\d\d(?!\d)",
        rb"(?<![\d:])\d\d:\d\d:\d\d(?![\d:])",
        rb"(?<!\d)(19|20)\d\d[01]\d[0-3]\d(T?\d{4,6}Z?)?(?!\d)",
    )
)
_EPOCH = re.compile(rb"(?<![\w.])(\d{10})(\.\d+|\d{3}|\d{6}|\d{9})?(?![\w])")
_EPOCHS = range(946_684_800, 4_102_444_800)  # the years 2000 to 2099, in seconds
_RANDOM = (
    re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),  # a UUID
    re.compile(rb"\btmp[._-]?[A-Za-z0-9_]{6,}"),  # mktemp, and Python's tempfile
)
_LOAD = re.compile(rb"(?<![\w.])\d+\.\d\d \d+\.\d\d \d+\.\d\d(?![\w.])")  # as /proc/loadavg has it
_DURATION = re.compile(rb"(?<![\w.:-])\d+(\.\d+)?\s?(ns|us|\xc2\xb5s|ms|s|secs?|seconds?)(?!\w)")
_PROCESS = re.compile(  # as `work.$$.tmp` is
    rb"[\w-]*tmp[\w-]*[.-]\d{2,7}(?!\w)|[\w-]+[.-]\d{2,7}\.te?mp(?!\w)"
)
_IDENTIFIER = re.compile(rb"(?<![0-9a-zA-Z])([0-9a-f]{16,}|[0-9A-F]{16,})(?![0-9a-zA-Z])")
_TOKEN = re.compile(rb"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")  # base64, RFC 4648
_COMPRESSED = (
    b"\x1f\x8b",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"BZh",
    b"PK\x03\x04",
    b"7z\xbc\xaf",
    b"\x89PNG",
    b"LZIP",
)
_SHORTEST, _LONGEST = 12, 128
"""Bytes of a random value that has no other form; most of them differ, and few are there twice."""
_QUIET = 8
"""Equal bytes after which a difference is over."""
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r"
_PATH = re.compile(rb"/(build|tmp|var/tmp|root|home|private/tmp)(/[\w.+@%~-]+)+")
_WORD = re.compile(rb"[^\s\"'=:,;()<>\[\]{}|\x00]+")

_SAID = tuple(
    (re.compile(words, re.IGNORECASE), re.compile(value), cause)
    for words, value, cause in (
        (rb"\b(host ?name|nodename|build[ _-]?host|uname -n)\b", rb"[a-z0-9][\w.-]*", Cause.HOST_NAME),
        (
            rb"\b(n?cpus?|cores|n?proc(essor)?s?|jobs|threads)\b|_(CORES|CPUS|JOBS)\b",
            rb"\d{1,4}",
            Cause.CPU_COUNT,
        ),
        (rb"model name|\bcpu[ _]model\b", rb".+", Cause.CPU_MODEL),
        (rb"\b(kernel|linux|uname|osrelease)\b", rb"\d+\.\d+(\.\d+)?[\w.+-]*", Cause.KERNEL),
        (rb"\b(user(name)?|uid|gid|owner|login|logname|whoami)\b", rb"[a-z0-9_][\w.-]*", Cause.USER),
        (rb"\bp?pid\b", rb"\d{1,10}", Cause.PROCESS),
        (rb"\b(took|elapsed|duration|seconds)\b", rb"\d+(\.\d+)?", Cause.DURATION),
        (rb"\bload ?(avg|averages?)\b", rb"\d+(\.\d+)?", Cause.LOAD),
        (rb"\b(uptime|btime|boot ?time)\b", rb"\d+(\.\d+)?", Cause.UPTIME),
        (rb"\b(mem(ory|total|free|available)?|ram)\b", rb"\d+(kb|mb|gb|k|m|g)?", Cause.MEMORY),
    )
)
"""What a line says before the differing value, what the value must be on both sides, and what it then is."""


def cause_of(spot: Spot) -> Cause:
    """The kind of difference at `spot`."""
    if _is_time_of_archive(spot):
        return Cause.TIMESTAMP
    for patterns, cause in ((_TIMES, Cause.TIMESTAMP), (_RANDOM, Cause.RANDOM)):
        if any(_on_both(pattern, spot) for pattern in patterns):
            return cause
    if _is_epoch(spot):
        return Cause.TIMESTAMP
    for pattern, cause in ((_LOAD, Cause.LOAD), (_DURATION, Cause.DURATION), (_PROCESS, Cause.PROCESS)):
        if _on_both(pattern, spot):
            return cause
    said = _line_before(spot.first)
    for words, value, cause in _SAID:
        if words.search(said) and all(_value(value, side) for side in (spot.first, spot.second)):
            return cause
    if _on_both(_PATH, spot):
        return Cause.BUILD_PATH
    if _on_both(_IDENTIFIER, spot) or _is_token(spot) or _is_random(spot):
        return Cause.IDENTIFIER
    return Cause.UNKNOWN


def _is_token(spot: Spot) -> bool:
    """Whether letters and digits without a sense differ in most places, as in base64."""
    one, other = (_at(_TOKEN, side) for side in (spot.first, spot.second))
    if one is None or other is None or one.start() != other.start() or len(one[0]) != len(other[0]):
        return False
    mixed = all(re.search(kind, each[0]) for kind in (rb"[a-z]", rb"[A-Z]", rb"\d") for each in (one, other))
    return mixed and _share(one[0], other[0]) >= 0.75


def _is_random(spot: Spot) -> bool:
    """Whether bytes of no text differ, nearly all of them, between parts that are the same."""
    if spot.head.startswith(_COMPRESSED):
        return False  # there a small difference changes all that follows
    one, other = (
        side.data[side.position : side.position + _LONGEST + _QUIET] for side in (spot.first, spot.second)
    )
    length, quiet = 0, 0
    for place, (left, right) in enumerate(zip(one, other, strict=False), 1):
        quiet = quiet + 1 if left == right else 0
        length = length if left == right else place
        if quiet == _QUIET:
            break
    if not _SHORTEST <= length <= _LONGEST or len(one) != len(other):
        return False
    values = one[:length], other[:length]
    return _share(*values) >= 0.9 and all(
        len(set(each[:64])) >= 0.7 * len(each[:64]) and len(each.translate(None, _PRINTABLE)) >= length / 4
        for each in values
    )


def _share(one: bytes, other: bytes) -> float:
    """The share of places in which two values of one length differ."""
    return sum(left != right for left, right in zip(one, other, strict=True)) / len(one)


def _is_time_of_archive(spot: Spot) -> bool:
    """Whether the difference lies in a field that a file format keeps a time in."""
    if spot.head.startswith(b"\x1f\x8b"):
        return 4 <= spot.offset < 8  # RFC 1952, 2.3: MTIME
    if spot.name.endswith(".pyc") and spot.head[4:8] == bytes(4):
        return 8 <= spot.offset < 12  # PEP 552: the source's time, where flags are 0
    data, position = spot.first.data, spot.first.position
    if spot.head[257:262] == b"ustar":
        start = position - spot.offset % 512
        # POSIX pax, "ustar Interchange Format": mtime at 136, chksum at 148 (which follows every other field)
        return data[start + 257 : start + 262] == b"ustar" and 136 <= spot.offset % 512 < 148
    if spot.head.startswith(b"!<arch>\n"):
        # ar(5): 16 bytes of name, 12 of time, 30 of others, then a backquote and a line feed
        return any(data[position - into + 58 : position - into + 60] == b"`\n" for into in range(16, 28))
    if spot.head.startswith(b"PK\x03\x04"):
        # APPNOTE 4.3.7: last modification time and date at 10 of a local file header
        return any(data[max(position - into, 0) :].startswith(b"PK\x03\x04") for into in range(10, 14))
    return False


def _at(pattern: re.Pattern[bytes], side: Window) -> re.Match[bytes] | None:
    """The match that the difference lies in, if one does."""
    ending = None
    for match in pattern.finditer(side.data):
        if match.start() <= side.position < match.end():
            return match
        if match.end() == side.position:
            ending = match  # the other side's goes on, as 16 does where this one says 1
        if match.start() > side.position:
            break
    return ending


def _on_both(pattern: re.Pattern[bytes], spot: Spot) -> bool:
    one, other = _at(pattern, spot.first), _at(pattern, spot.second)
    return one is not None and other is not None and one.start() == other.start() and one[0] != other[0]


def _is_epoch(spot: Spot) -> bool:
    matches = [_at(_EPOCH, side) for side in (spot.first, spot.second)]
    return all(match is not None and int(match[1]) in _EPOCHS for match in matches)


def _line_before(side: Window) -> bytes:
    """What stands on the line before the differing word."""
    start = max(side.data.rfind(end, 0, side.position) for end in (b"\n", b"\0")) + 1
    word = _at(_WORD, side)
    return side.data[start : side.position if word is None else max(word.start(), start)]


def _value(pattern: re.Pattern[bytes], side: Window) -> bool:
    word = _at(_WORD, side)
    return word is not None and pattern.fullmatch(word[0].lower()) is not None
