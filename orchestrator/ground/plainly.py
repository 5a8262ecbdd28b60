"""What an error of Python's says, in words that its user would use. Pure."""

from __future__ import annotations

import binascii
import re
from json import JSONDecodeError

_JSON = {
    "Expecting value": "a value is missing, or what is there is none",
    "Expecting property name enclosed in double quotes": "a name in double quotes is missing",
    "Expecting ':' delimiter": "a `:` is missing",
    "Expecting ',' delimiter": "a `,` is missing",
    "Extra data": "more follows after its end",
    "Unterminated string starting at": "a text begins there, and does not end",
    "Invalid control character at": "a text has a control character in it, such as the end of the line",
    "Invalid \\escape": "a backslash has none of the letters behind it that JSON knows",
    "Invalid \\uXXXX escape": "`\\u` has no four hexadecimal digits behind it",
    "Illegal trailing comma before end of object": "a `,` stands before the end",
    "Illegal trailing comma before end of array": "a `,` stands before the end",
}
"""By what Python's parser of JSON says."""
_OTHERS = (
    (r"invalid literal for int\(\).*: b?('.*?')$", r"\1 is no whole number"),
    (r"non-hexadecimal number found .*", "it is not in hexadecimal"),
    (r"Port could not be cast to integer value as ('.*')", r"its port \1 is no number"),
    (r"Port out of range.*", "its port is not between 0 and 65535"),
    (r"Invalid IPv6 URL", "a bracket of its host is missing"),
    (r"Invalid isoformat string: (.*)", r"\1 is no date or time"),
)
"""By what other ValueErrors of Python's library say."""
TYPES = {
    bool: "true or false",
    bytes: "bytes",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "a text",
    type(None): "null",
}
"""What JSON's kinds of values are called in sentences, by Python's."""


def why(error: BaseException) -> str:
    """The reason, to stand behind a colon: no error number, codec or type of Python's."""
    match error:
        case UnicodeDecodeError(object=data, start=start):
            return f"line {data.count(10, 0, start) + 1} is not in UTF-8"
        case JSONDecodeError(msg=said, lineno=line, colno=column, doc=text):
            return _not_json(said, line, column, text)
        case KeyError(args=[name]):
            return f"it has no {name!r}"
        case binascii.Error():
            return "it is not in base64"
        case RecursionError():
            return "it is nested too deeply"
        case TypeError() | AttributeError():
            return "a value is of another kind than it has to be"
        case OSError(args=[[(_, _, str(said)), *_]]):  # of shutil: one for each file that it could not copy
            return _translated(said)
        case OSError() if error.strerror:
            return error.strerror
        case _:
            pass
    seconds = getattr(error, "timeout", None)
    if isinstance(seconds, int | float):  # of a process that was waited for
        return f"no answer within {round(seconds, 2):g} seconds"
    return _translated(" ".join(str(error).split()))


def _not_json(said: str, line: int, column: int, text: str) -> str:
    if not text.strip():
        return "it is empty"
    if not text[_offset(text, line, column) :].strip() and said != "Extra data":
        return "it ends too early"
    plain = _JSON.get(said, said[:1].lower() + said[1:])
    return f"line {line}, column {column}: {plain}"


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.index("\n", start) + 1
    return start + column - 1


def _translated(said: str) -> str:
    said = re.sub(r"^\[Errno -?\d+\] ", "", said)
    for pattern, plain in _OTHERS:
        if re.fullmatch(pattern, said):
            return re.sub(pattern, plain, said)
    return said or "no reason was given"
