"""JSON as bytes, and base64 in it: one way to write it, one strict way to read it. Pure."""

from __future__ import annotations

import binascii
import json
import marshal
import math
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

from orchestrator.ground.errors import TallyError

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
_LONG = 1 << 20  # bytes of a text
_LONGEST = 2000  # characters of a sentence
_CHUNK = 3 << 16  # bytes, which base64 takes by threes
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
    return _encode(_compact(value))


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def render_document(value: object) -> bytes:
    """The one form for files that people read: sorted keys, two spaces, a newline at the end."""
    return _encode(json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read(data: bytes, what: str, marks: int = MOST_MARKS) -> Any:
    """Parse JSON once and strictly (RFC 8259, section 4: names unique). `what` names it in the error.

    `marks` bounds the memory that it takes before anybody has looked at a signature. Raises MalformedError.
    """
    if len(data) > marks and marks_in(data) > marks:
        raise MalformedError(f"{what} has more values than we read: beyond {marks:,} of the marks {{ [ , :")
    if not data.isascii() and sum(map(data.count, _FAR)) > _MOST_FAR:
        raise MalformedError(f"{what} has more than {_MOST_FAR:,} letters outside Unicode's basic plane")
    quick = sys.modules.get("pydantic_core")  # loaded for a policy or a long list; for one file it costs more
    if quick is not None:
        try:
            value = quick.from_json(data, allow_inf_nan=False)
            if _is_written(data, value, quick):  # so no name is there twice, and no number has another form
                return value
        except ValueError:  # what follows says what is wrong with it
            pass
    try:
        return json.loads(
            _text(data),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise MalformedError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"{what} is not JSON as we accept it: {error}") from None


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


def holds(data: bytes, value: Any, what: str, marks: int = MOST_MARKS) -> bool:
    """Whether a file that people read holds this document. Raises MalformedError when it holds none.

    `marks` is how many the document has at most, elsewhere than in this file.
    """
    quick = sys.modules.get("pydantic_core")
    if quick is not None:
        try:
            if _is_written(data, value, quick):
                return True
        except ValueError:  # it is nested too deeply, or holds what is no text
            pass
    return same(read(data, what, marks), value)


def _is_written(data: bytes, value: Any, quick: Any) -> bool:
    """Whether these bytes are this value, written without a choice: compactly, or as files for people are."""
    if data[1:2] == b"\n":
        return bool(quick.to_json(value, indent=2) + b"\n" == data)
    return bool(quick.to_json(value) == data)


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
        raise MalformedError(f"{what} has no {name!r} of type {kind.__name__}")
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


def only(value: object, names: frozenset[str], what: str) -> None:
    """Raises MalformedError when an object has members beyond `names`."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not an object")
    if unknown := sorted(set(value) - names):
        raise MalformedError(f"{what} has an unknown member {unknown[0]!r}")


def encoded(data: bytes) -> str:
    """Bytes in base64 (RFC 4648, section 4)."""
    return b64encode(data).decode("ascii")


def decoded(text: str, what: str) -> bytes:
    """Base64 in its one canonical form, so that no two texts stand for the same bytes.

    Raises MalformedError.
    """
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise MalformedError(f"{what} is not in base64: {error}") from None
    last = len(data) - (len(data) % 3 or 3)  # only there can one text differ from another for the same bytes
    if encoded(data[max(0, last) :]) != text[-4:]:
        raise MalformedError(f"{what} is not in canonical base64")
    return data


def is_around(data: bytes, before: bytes, content: bytes, after: bytes) -> bool:
    """Whether `data` is a text in base64 between these two, without a second copy of that text."""
    size = len(before) + (len(content) + 2) // 3 * 4 + len(after)
    if len(data) != size or not data.startswith(before) or not data.endswith(after):
        return False
    written, meant = memoryview(data)[len(before) : size - len(after)], memoryview(content)
    return all(
        written[at // 3 * 4 : (at + _CHUNK) // 3 * 4] == b64encode(meant[at : at + _CHUNK])
        for at in range(0, len(content), _CHUNK)
    )


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
