"""JSON as bytes, and base64 in it: one way to write it, one strict way to read it. Pure."""

from __future__ import annotations

import binascii
import json
import marshal
import math
import sys
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, TypeVar

from orchestrator.errors import TallyError

T = TypeVar("T")
_MARKS = b"{[,:"
MOST_MARKS: Final = 2_500_000
"""How many of JSON's marks a document may hold, since each costs up to some 100 bytes once it is parsed.
An SBOM of 20,000 packages has 1.1 million."""
ENVELOPE_MARKS: Final = 10_000
"""The same of a document whose content is one text in base64: a bundle, an envelope. They have some 30."""
_PLAIN = 2  # the format's last version without references, so that equal values give equal bytes


class MalformedError(ValueError):
    """Bytes that are not the document they should be. The message says where and why."""


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
    if len(data) > marks and sum(map(data.count, _MARKS)) > marks:
        raise MalformedError(f"{what} has more values than we read: beyond {marks:,} of the marks {{ [ , :")
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
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise MalformedError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise MalformedError(f"{what} is not JSON as we accept it: {error}") from None


def holds(data: bytes, value: Any, what: str) -> bool:
    """Whether a file that people read holds this document. Raises MalformedError when it holds none."""
    quick = sys.modules.get("pydantic_core")
    if quick is not None:
        try:
            if _is_written(data, value, quick):
                return True
        except ValueError:  # it is nested too deeply, or holds what is no text
            pass
    return same(read(data, what), value)


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
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as error:
        raise MalformedError(f"{what} is not in base64: {error}") from None
    last = len(data) - (len(data) % 3 or 3)  # only there can one text differ from another for the same bytes
    if encoded(data[max(0, last) :]) != text[-4:]:
        raise MalformedError(f"{what} is not in canonical base64")
    return data


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
