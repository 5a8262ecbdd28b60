"""Text on its way to a terminal."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Collection, Iterable
from typing import Any

from orchestrator.ground.errors import ErrorKind, TallyError
from orchestrator.ground.wording import counted, some

_BELIEVED = 20  # names in a line; `--json` has all


def harmless(text: str) -> str:
    """Text as one line, whose control characters can do nothing to a terminal: a line end is escaped too.

    Names and sentences of others stand in it, and none of them begins a line of its own.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def in_lines(lines: Iterable[str]) -> str:
    """Lines one below another, each of which stays one."""
    return "\n".join(map(harmless, lines))


def paragraph(text: str, indent: int = 2) -> str:
    """A message that may span lines: all but the first are indented, so that none looks like another one."""
    margin = " " * indent
    first, *more = text.split("\n")
    return in_lines([first, *(each if each.startswith(margin) else margin + each for each in more)])


def believed(paths: Collection[str]) -> str:
    """Store paths that are taken from caches, by their names, as a line holds them."""
    names = sorted(path.rsplit("/", 1)[-1].partition("-")[2] for path in paths)
    return f"{counted(len(names), 'store path')}: {some(names, _BELIEVED)}"


def say(text: str) -> None:
    """A line for the person at the terminal: on standard error, so that data on stdout stays data."""
    print(harmless(text), file=sys.stderr)


def given(largest: int, what: str) -> bytes:
    """What standard input has, to one byte past `largest`; nothing where it is closed. Raises OSError.

    Somebody at a terminal is told for `what` it waits.
    """
    if not sys.stdin:
        return b""
    if sys.stdin.isatty():
        say(f"waiting for {what}, on standard input; Ctrl-D ends it")
    return sys.stdin.buffer.read(largest + 1)


def tell(text: str, indent: int = 2) -> None:
    """Like `say`, a message that may span lines."""
    print(paragraph(text, indent), file=sys.stderr)


def print_error(error: TallyError) -> None:
    """An error as its user sees it: the message, then the way out."""
    tell(f"tally: error: {error.message}")
    if error.hint:
        tell(f"hint: {error.hint}")


def print_warning(sentence: str, hint: str) -> None:
    """Something that changes no exit code: what it is, then the way out."""
    say(f"tally: warning: {sentence}")
    say(f"hint: {hint}")


def print_json(document: Any) -> None:
    """The one document that `--json` puts on standard output; in ASCII where that is not UTF-8.

    JSON is UTF-8 (RFC 8259, section 8.1), and has escapes of its own for what an encoding cannot write.
    """
    print(as_json(document))


def as_json(document: Any) -> str:
    """A document as `print_json` prints it."""
    plain = codecs.lookup(getattr(sys.stdout, "encoding", None) or "ascii").name != "utf-8"
    return json.dumps(document, indent=2, ensure_ascii=plain)


def print_failure(kind: ErrorKind, error: TallyError, code: int) -> None:
    """The document of `--json` after an error; docs/reference/exit-codes.md has its fields."""
    print_json(failure(kind, error, code))


def failure(kind: ErrorKind, error: TallyError, code: int) -> dict[str, Any]:
    """What any document of `--json` says of an error."""
    return {"error": str(kind), "message": error.message, "hint": error.hint, "code": int(code)}


def size(octets: int) -> str:
    """A size as people read it: `512 B`, `1.4 MB`."""
    value, unit = float(octets), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{octets} B" if unit == "B" else f"{value:.1f} {unit}"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
