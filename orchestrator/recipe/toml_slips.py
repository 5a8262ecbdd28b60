"""What people write when they mean TOML: the usual slips, each with the line to write in its place. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

_LONGEST = 100
_KEY = r"""(?P<key>[A-Za-z0-9_.-]+|"[^"\n]*"|'[^'\n]*')"""
_BARE = re.compile(rf"\s*{_KEY}\s*=\s*(?P<value>[^\s\"'\[{{#][^#\"'\[\]{{}}]*?)\s*(?:#.*)?")
_COLON = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s*:\s*(?P<value>\S.*?)\s*,?\s*")
_ALONE = re.compile(r"\s*(?P<key>[A-Za-z0-9_-]+)\s+(?P<value>[^\s=].*?)\s*")
_ODD_KEY = re.compile(r"\s*(?P<key>[^=\"'\[\]{}#]*[^\s=\"'\[\]{}#])\s*=\s*(?P<value>\S.*)")
_HEADER = re.compile(r"\s*\[{1,2}[^\[\]]*\]?\s*")
_SMART = re.compile("[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]")
_WORD = re.compile(r"[A-Za-z0-9._+:/-]*[A-Za-z][A-Za-z0-9._+:/-]*|-[\w-]*")
_NOTHING = {"null", "none", "nil", "~"}
_YES_NO = {"true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false"}


def slip(text: str, line: int, said: str) -> str | None:
    """The way out of what a TOML parser `said` of a line, counted from 1; None where it is no usual slip."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return None
    written = lines[line - 1].removesuffix("\r")
    for look in _LOOKS:
        if len(written) <= _LONGEST * 10 and (found := look(written, said)):
            return found
    return _of_what_was_opened(lines, line) if line == len(lines) or "nclosed" in said else None


def _smart_quotes(line: str, said: str) -> str | None:
    if "nvalid" not in said or not (found := _SMART.search(line)):
        return None
    return f"{found[0]} is no quote that TOML knows: write \" or '"


def _twice(line: str, said: str) -> str | None:
    if "overwrite" not in said and "twice" not in said and "Duplicate" not in said:
        return None
    what = "table" if line.lstrip().startswith("[") else "key"
    return f"this {what} is there already, further up: keep one of the two"


def _backslash(line: str, said: str) -> str | None:
    if "scape" not in said and "backslash" not in said:
        return None
    return "in \"…\" a backslash begins an escape: write it twice, or put the text in '…'"


def _slashes(line: str, said: str) -> str | None:
    return "a comment begins with #" if line.lstrip().startswith(("//", "/*", ";", "--")) else None


def _header(line: str, said: str) -> str | None:
    if not _HEADER.fullmatch(line):
        return None
    opened, closed = line.count("["), line.count("]")
    name = line.strip().strip("[]").strip()
    right = f"{'[' * opened}{name}{']' * opened}"
    return None if opened == closed or not name else f"write {_short(right)}"


def _colon(line: str, said: str) -> str | None:
    found = _COLON.fullmatch(line)
    return None if found is None else f"TOML writes = where YAML writes a colon: {_line(found)}"


def _bare(line: str, said: str) -> str | None:
    found = _BARE.fullmatch(line)
    if found is None:
        return None
    value = found["value"]
    if value.lower() in _NOTHING:
        return f"TOML has no {value}: leave the line out"
    if value.lower() in _YES_NO:
        return f"a boolean is true or false: {_short(found['key'])} = {_YES_NO[value.lower()]}"
    return f"quotes are missing: {_line(found)}"


def _bare_items(line: str, said: str) -> str | None:
    """A list or a table on one line with a bare word in it, or an item on a line of its own."""
    value = line.partition("=")[2].strip() or line.strip()
    items = value.strip("[]{} ,").split(",")
    words = [item.rpartition("=")[2].strip() for item in items]
    bare = next((word for word in words if _WORD.fullmatch(word) and not _is_value(word)), None)
    if "nvalid value" not in said or bare is None or (value == line.strip() and "=" in line):
        return None
    return f"quotes are missing: {_short(json.dumps(bare))}"


def _no_value(line: str, said: str) -> str | None:
    key, equals, value = line.partition("=")
    if equals and value.startswith("="):
        return f"TOML has a single =: {_short(f'{key.strip()} = {value[1:].strip()}')}"
    return "a value is missing behind the =" if equals and key.strip() and not value.strip() else None


def _more_on_one_line(line: str, said: str) -> str | None:
    if "xpected newline" not in said:
        return None
    if re.search(r"""["'\w\]}]\s+[A-Za-z0-9_-]+\s*=""", line.partition("=")[2]):
        return "each key stands on a line of its own"
    return "a quote within the text ends it: choose the other kind of quote around it"


def _no_equals(line: str, said: str) -> str | None:
    found = _ALONE.fullmatch(line)
    return None if found is None or "=" in line else f"an = is missing: {_line(found)}"


def _odd_key(line: str, said: str) -> str | None:
    found = _ODD_KEY.fullmatch(line)
    if found is None or re.fullmatch(r"[A-Za-z0-9_.\s-]*", found["key"].replace(" . ", ".")) is None:
        key = found["key"].strip() if found else ""
        return f"such a key needs quotes: {_short(json.dumps(key, ensure_ascii=False))} = …" if key else None
    if re.search(r"\S\s+[^\s.]", found["key"]):
        return f"a key with a space in it needs quotes: {_short(json.dumps(found['key'].strip()))} = …"
    return None


def _unclosed_text(line: str, said: str) -> str | None:
    """A quote that is opened and not closed on its line; text over several lines has three."""
    if not re.search("llegal character|xpected|nterminated|Unescaped", said):
        return None
    value = line.partition("=")[2].strip()
    quote = value[:1]
    if quote not in ('"', "'") or value.startswith(quote * 3) or value.count(quote) != 1:
        return None
    return (
        f"the closing {quote} is missing; text over several lines stands between {quote * 3} and {quote * 3}"
    )


_LOOKS: tuple[Callable[[str, str], str | None], ...] = (
    _smart_quotes,
    _twice,
    _backslash,
    _slashes,
    _header,
    _colon,
    _unclosed_text,
    _no_value,
    _bare,
    _bare_items,
    _more_on_one_line,
    _no_equals,
    _odd_key,
)


def _of_what_was_opened(lines: list[str], line: int) -> str | None:
    """A list, a table or a text that nothing closes before the file ends, or before the next key."""
    for number in range(line, 0, -1):
        value = lines[number - 1].partition("=")[2].strip()
        for opening, closing, what in (
            ('"""', '"""', "text"),
            ("'''", "'''", "text"),
            ("[", "]", "list"),
            ("{", "}", "table"),
        ):
            if value.startswith(opening):
                after = "\n".join([value[len(opening) :], *lines[number:line]])
                if closing in after and what == "text":
                    break
                if what == "text":
                    return f"the {what} that begins on line {number} is not closed: {closing} is missing"
                return f"the {what} that begins on line {number}: a comma or its {closing} is missing"
    return None


def _line(found: re.Match[str]) -> str:
    value = found["value"].rstrip(",")
    quoted = (
        value
        if value[:1] in ('"', "'", "[", "{") or _is_value(value)
        else json.dumps(value, ensure_ascii=False)
    )
    return _short(f"{found['key']} = {quoted}")


def _is_value(text: str) -> bool:
    return text in ("true", "false") or re.fullmatch(r"[+-]?(0|[1-9]\d*)", text) is not None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
