"""JSON as bytes, and base64 in it: one way to write it, one strict way to read it. Pure.

orjson is quick, and not strict: it takes the last of two members of one name, and rounds large integers. What
it reads counts only where it writes the very same bytes again. All else is read by the strict reader.
"""

from __future__ import annotations

import binascii
import json
import marshal
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

import orjson

from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import TYPES, why

T = TypeVar("T")
_MARKS = b"{[,:"
MOST_MARKS: Final = 1_500_000
"""How many of JSON's marks a document may hold, since each costs up to some 100 bytes once it is parsed.
An SBOM of 20,000 packages has 1.0 million."""
LARGEST_ENVELOPE: Final = 1 << 25
"""Bytes of a document whose content is one text in base64: a bundle, an envelope. Of an SBOM of 20,000
packages it has 27 million."""
LARGEST_PAYLOAD: Final = (LARGEST_ENVELOPE - (1 << 20)) // 4 * 3
"""Bytes of what can be signed, so that a bundle with its certificates and proofs is read again."""
ENVELOPE_MARKS: Final = 10_000
"""How many marks such a document may hold. Most have some 30."""
_FAR = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")  # how letters outside of the basic plane begin in UTF-8
_MOST_FAR = 100_000
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How escapes of surrogates begin, which are letters only in pairs."""
_LONG = 1 << 20  # bytes of a text
_LONGEST = 2000  # characters of a sentence
DEEPEST: Final = 256
"""Lists and objects within each other: what reads a document later may take some calls for each. Sigstore's
documents and ours have some ten, and `orjson` writes no more than 254."""
_QUICK = 1 << 21
"""Bytes of a document that orjson reads: it keeps a copy of it, and room for eight times its longest text.
And of base64 that pybase64 reads, since the same text is made of it again."""
_SHORT: Final = 1 << 14
"""Characters of base64 up to which it is not worth importing pybase64."""
_IN_LINES: Final = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_ALIKE: Final = frozenset({str, int, bool, type(None)})
"""The types of which orjson and `json` write each value alike; a float is not among them."""
_WITHIN: Final = frozenset({list, dict})
_PLAIN = 2  # the format's last version without references, so that equal values give equal bytes


class MalformedError(ValueError):
    """Bytes that are not the document they should be. The message says where and why, not at any length."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


def shortened(sentence: str) -> str:
    """A sentence, or the beginning of one that quotes a text of somebody's that does not end."""
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}…"


def render(value: object) -> bytes:
    """The one compact form: sorted keys, no spaces, UTF-8. What gets signed is these bytes."""
    return _rendered(value, orjson.OPT_SORT_KEYS) or _encode(_compact(value))


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def render_document(value: object) -> bytes:
    """The one form for files that people read: sorted keys, two spaces, a newline at the end."""
    return _rendered(value, orjson.OPT_SORT_KEYS | _IN_LINES) or _encode(
        json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    )


def _rendered(value: object, option: int) -> bytes | None:
    """What `json` would write, by orjson; None where that might be something else."""
    try:
        return orjson.dumps(value, option=option) if _alike(value) else None
    except TypeError:  # beyond 64 bits, half a letter, nested deeper than it goes
        return None


def _alike(value: object) -> bool:
    """Whether a value is made of nothing but what both write alike."""
    kind = type(value)
    if kind is dict:
        for key, each in value.items():  # type: ignore[attr-defined]
            if type(key) is not str or (type(each) not in _ALIKE and not _alike(each)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(type(each) in _ALIKE or _alike(each) for each in value)  # type: ignore[attr-defined]
    return kind in _ALIKE


def read(data: bytes, what: str, marks: int = MOST_MARKS) -> Any:
    """Parse JSON once and strictly (RFC 8259, section 4: names unique). `what` names it in the error.

    `marks` bounds the memory that it takes before anybody has looked at a signature. Raises MalformedError.
    """
    if len(data) > marks and marks_in(data) > marks:
        raise MalformedError(f"{what} has more values than we read: beyond {marks:,} of the marks {{ [ , :")
    if not data.isascii() and sum(map(data.count, _FAR)) > _MOST_FAR:
        raise MalformedError(f"{what} has more than {_MOST_FAR:,} letters outside Unicode's basic plane")
    try:
        return _quickly(data)
    except ValueError:  # what follows reads it, or says what is wrong with it
        return _strictly(data, what)


def _quickly(data: bytes) -> Any:
    """The value of bytes that are written without a choice but for the order of names.

    So no name is there twice, and no number has another form. Raises ValueError for all others.
    """
    if len(data) > _QUICK:
        raise ValueError("too large")
    value = orjson.loads(data)
    if not _is_written(data, value):
        raise ValueError("not as it would be written")
    return value


def _strictly(data: bytes, what: str) -> Any:
    try:
        value = json.loads(
            _text(data),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise MalformedError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"{what} is not JSON as we accept it: {why(error)}") from None
    if _depth_exceeds(value, DEEPEST):
        raise MalformedError(f"{what} is nested too deeply")
    if _HALF.search(data) and (half := _half_a_letter(value)) is not None:
        raise MalformedError(f"{what} has a text with half a letter, {half!r} alone: that is no text")
    return value


def _half_a_letter(value: Any) -> str | None:
    """A surrogate alone, which `json` reads (RFC 8259, section 8.2) and UTF-8 cannot hold."""
    try:
        _compact(value).encode("utf-8")
    except UnicodeEncodeError as error:
        return str(error.object[error.start])
    return None


def _depth_exceeds(value: Any, most: int) -> bool:
    """Whether more lists and objects than that are within each other, found without a call for each."""
    level = [value] if type(value) in _WITHIN else []
    for _ in range(most):
        if not level:
            return False
        level = [
            each
            for one in level
            for each in (one.values() if type(one) is dict else one)
            if type(each) in _WITHIN
        ]
    return bool(level)


def read_envelope(data: bytes, what: str) -> Any:
    """Like `read`, of a bundle or an envelope, which is small but for one text. Raises MalformedError."""
    if len(data) > LARGEST_ENVELOPE:
        raise MalformedError(f"{what} is larger than {LARGEST_ENVELOPE >> 20} MiB")
    if data.count(b'"') > 4 * ENVELOPE_MARKS:
        raise MalformedError(f"{what} has more texts than we read")
    if any(len(each) > _LONG and (not each.isascii() or b"\\" in each) for each in data.split(b'"')):
        # base64 is neither, and one letter in it would make each of the others four bytes wide
        raise MalformedError(f"{what} has a long text that is not in base64")
    return read(data, what, ENVELOPE_MARKS)


def hollowed(data: bytes, before: bytes) -> tuple[bytes, bytes | None]:
    """A document that begins with `before`, up to the quote of a text: without that text, and the text.

    So a long text in base64 is neither searched for what JSON marks nor copied. Where the document begins
    otherwise, or an escape is in that text, or it is too large for an envelope: as it is, and None.
    """
    end = data.find(b'"', len(before)) if data.startswith(before) and len(data) <= LARGEST_ENVELOPE else -1
    text = data[len(before) : max(end, 0)]
    if end < 0 or b"\\" in text:
        return data, None
    return before + data[end:], text


def marks_in(data: bytes) -> int:
    """How many marks there are, which bounds how many values: those in texts count, too."""
    return sum(map(data.count, _MARKS))


def _text(data: bytes) -> str:
    """JSON as text of at most two bytes a character. Raises ValueError.

    One letter outside Unicode's basic plane would have Python take four for each of the others. In JSON's
    strings an escape means the same (RFC 8259, section 7), and elsewhere neither is allowed.
    """
    if data.isascii() or not any(lead in data for lead in _FAR):
        return data.decode("utf-8")
    whole = memoryview(data)
    parts: list[memoryview | bytes] = []
    done = 0
    for place in sorted(place for lead in _FAR for place in _places(data, lead)):
        if _backslashes_before(data, place) % 2:  # it would escape the escape
            raise ValueError("there is a letter after a backslash that is no escape")
        letter = data[place : place + 4].decode("utf-8")
        parts += [whole[done:place], json.dumps(letter)[1:-1].encode("ascii")]
        done = place + 4
    return b"".join([*parts, whole[done:]]).decode("utf-8")


def _backslashes_before(data: bytes, place: int) -> int:
    size = 64
    while True:
        before = data[max(0, place - size) : place]
        found = len(before) - len(before.rstrip(b"\\"))
        if found < size:
            return found
        size *= 4  # so that a long row takes no time in the square


def _places(data: bytes, byte: bytes) -> Iterator[int]:
    place = data.find(byte)
    while place >= 0:
        yield place
        place = data.find(byte, place + 1)


def holds(data: bytes, value: Any, what: str, whole: bytes | None = None) -> bool:
    """Whether a file that people read holds this document. Raises MalformedError when it holds none.

    The document was read from `whole`, if that is known, so that the file can have no more values.
    """
    try:
        if _is_written(data, value):
            return True
    except ValueError:  # it is nested too deeply, or holds what is no text
        pass
    return same(read(data, what, MOST_MARKS if whole is None else marks_in(whole)), value)


def _is_written(data: bytes, value: Any) -> bool:
    """Whether these bytes are this value, written without a choice: compactly, or as files for people are.

    Raises ValueError for what orjson cannot write.
    """
    try:
        return orjson.dumps(value, option=_IN_LINES if data[1:2] == b"\n" else None) == data
    except TypeError as error:
        raise ValueError(str(error)) from None


def in_one_form(data: bytes, ours: Callable[[], bytes], what: str) -> None:
    """A document of a release has one form, so that no two files say the same.

    `ours` writes what was read of `data`. Raises MalformedError where that gives other bytes.
    """
    try:
        written = ours()
    except TallyError as error:  # half a letter, which JSON can have and no text
        raise MalformedError(f"{what}: {error.message}") from None
    if written != data:
        raise MalformedError(f"{what} is not written as releases are: something was added or laid out anew")


def same(one: Any, other: Any) -> bool:
    """Whether two parsed documents are one, number by number of one type, which `==` does not tell."""
    try:
        # a tenth of what rendering takes; names in another order come out unequal, and are looked at again
        if marshal.dumps(one, _PLAIN) == marshal.dumps(other, _PLAIN):
            return True
    except ValueError:  # it is nested too deeply for that
        pass
    try:
        return _compact(one) == _compact(
            other
        )  # which may hold half a letter, and then is no evidence of ours
    except RecursionError:
        return False


def member(value: object, name: str, kind: type[T], what: str) -> T:
    """A member of an object, of one type. Raises MalformedError when it is not there or of another type."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not an object")
    found = value.get(name)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise MalformedError(f"{what} has no {name!r} that is {TYPES[kind]}")
    return found


def moment(text: str, what: str) -> datetime:
    """A time (RFC 3339) as evidence has it, in UTC. Raises MalformedError, for one without its offset too."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError("it does not say in which time zone")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedError(f"{what} has no time where one should be: {text!r}") from None


def seconds(moment: datetime) -> str:
    """RFC 3339 in UTC to the second, e.g. `2026-11-22T09:30:00Z`: what SPDX, SLSA and in-toto all accept."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def only(value: object, names: frozenset[str], what: str) -> None:
    """Raises MalformedError when an object has members beyond `names`."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not an object")
    if unknown := sorted(set(value) - names):
        raise MalformedError(f"{what} has an unknown member {unknown[0]!r}")


def encoded(data: bytes) -> str:
    """Bytes in base64 (RFC 4648, section 4)."""
    return b64encode(data).decode("ascii")


def decoded(text: str | bytes, what: str) -> bytes:
    """Base64 in its one canonical form, so that no two texts stand for the same bytes.

    Raises MalformedError.
    """
    if _SHORT < len(text) <= _QUICK and (quickly := _decoded_quickly(text)) is not None:
        return quickly
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise MalformedError(f"{what} is not in base64") from None
    last = b64encode(data[max(0, len(data) - (len(data) % 3 or 3)) :])  # only there can two texts differ
    if text[-4:] != (last if isinstance(text, bytes) else last.decode("ascii")):
        raise MalformedError(f"{what} is not in canonical base64")
    return data


def _decoded_quickly(text: str | bytes) -> bytes | None:
    """The bytes that pybase64 writes as this very text; None where it finds none."""
    import pybase64

    try:
        data = pybase64.b64decode(text, validate=True)
        again = pybase64.b64encode(data)
        return data if again == (text if isinstance(text, bytes) else text.encode("ascii")) else None
    except ValueError:  # what `binascii` says of it is more exact
        return None


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TallyError(
            f"evidence cannot hold {error.object[error.start : error.end]!r}: it is not text",
            hint="find the input with bytes that are not UTF-8 in its name, version or address",
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the name {name!r} is there twice")
            seen.add(name)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:80]} is larger than any number we read")
    return number


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")
