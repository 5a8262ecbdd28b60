"""Harm to a policy's text: bytes, and what only a reader of TOML is fooled by. Each mutant is from a seed.

No mutant names a key that its policy did not name: a release by anybody else is refused by all of them.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mutants import BYTES

_HEADER = re.compile(r"^\[\[?([A-Za-z-]+)\]?\]$")
_ENTRY = re.compile(r"^([A-Za-z-]+) = (.*)$")
_VALUES = (
    "true", "1", "-1", "0", "2", "1.5", "nan", "inf", '""', '"x"', "[]", "{}", '["x"]', "[[]]", "{ x = 1 }",
    "2027-01-01", "12:00:00", "2027-01-01T00:00:00", "9999-12-31", "0001-01-01T00:00:00+14:00",
    "1e400", "-1e400", "9" * 4000, "0x" + "f" * 5000, '"' + "x" * 1_000_000 + '"', '"/dev/zero"', '"."',
    '"~nobody-of-that-name/x"', '"~/x"', '"\\u0000"', '"a\\u0000b"', '"**"', '"*"', '"vers:deb/"', "'''\n'''",
    '"https://"', '"pkg:"', '"' + "(" * 3000 + '"', '"' + "MIT OR " * 3000 + 'MIT"', '"' + "*a" * 200 + '"',
)  # fmt: skip
_ALIKE = str.maketrans("aeiopcxs", "аеіорсхѕ")  # noqa: RUF001  Cyrillic, on purpose
_NINE = "[1,2,3,4,5,6,7,8,9]"
_CEL = (
    "true", "false || true", "!!!!true", "1", "'x'", "[]", "{}", "now", "artifact", "artifact.absent",
    "1 / 0 == 1", "provenance == provenance", "size(links) > 1 ||", "type(now) == bool",
    "has(artifact.sha256)",
    "(" * 500 + "true" + ")" * 500, "[" * 300 + "]" * 300, "!" * 3000 + "true", "'" + "x" * 3000 + "' == ''",
    "'a'.matches('(a+)+$')", f"'{'a' * 30}!'.matches('(a|a)*$')",
    "".join(f"{_NINE}.all({name}, " for name in "abcdefg") + "true" + ")" * 7,
    "".join(f"sbom.packages.all({name}, " for name in "abcde") + "true" + ")" * 5,
    "9223372036854775807 + 1 > 0", "duration('99999999999s') > duration('0s')", "timestamp('x') < now",
    "\\u0000", "\\u202etrue", "__import__('os')", "google.protobuf.Any{}",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A policy's bytes, changed."""

    policy: str
    how: str
    data: bytes
    never: bool
    """Whether it cannot be a policy, so that reading it has to say so."""


Harm = Callable[[list[str], random.Random], "str | bytes"]


def mutants(policies: Mapping[str, str], seed: int, count: int) -> Iterator[Mutant]:
    """`count` mutants of these policies, which have an entry or a header a line; for one seed the same."""
    chance = random.Random(seed)
    files = {name: text.encode() for name, text in policies.items()}
    while count:
        name = chance.choice(sorted(files))
        kind, how = chance.random(), ""
        if kind < 0.35:
            how, harm = chance.choice(BYTES)
            data, never = harm(files[name], chance, files), False
        else:
            how, changed, never = chance.choice(_HARMS)
            try:
                found = changed(policies[name].split("\n"), chance)
            except IndexError:
                continue  # this policy has no such place
            data = found if isinstance(found, bytes) else found.encode("utf-8", "surrogatepass")
        if data != files[name]:
            count -= 1
            yield Mutant(name, how, data, never)


def _places(lines: Sequence[str], kind: re.Pattern[str]) -> list[int]:
    """Lines with an entry or a header; none inside a text of several lines."""
    found, inside = [], False
    for number, line in enumerate(lines):
        if not inside and kind.match(line):
            found.append(number)
        inside ^= line.count('"""') % 2 == 1
    return found


def _entry(lines: Sequence[str], chance: random.Random) -> tuple[int, str, str]:
    """A line with an entry whose value ends on it, its key and its value."""
    number = chance.choice([n for n in _places(lines, _ENTRY) if '"""' not in lines[n]])
    found = _ENTRY.match(lines[number])
    assert found is not None
    return number, found[1], found[2]


def _with(lines: Sequence[str], number: int, *instead: str) -> str:
    return "\n".join([*lines[:number], *instead, *lines[number + 1 :]])


def _other_value(lines: list[str], chance: random.Random) -> str:
    number, key, _ = _entry(lines, chance)
    return _with(lines, number, f"{key} = {chance.choice(_VALUES)}")


def _other_type(lines: list[str], chance: random.Random) -> str:
    """Of a value that is a text, a list, a number or a date: one that it can never be."""
    number, key, value = _entry(lines, chance)
    others = ["{ x = 1 }", "12:00:00", "1.5", "nan"]
    if not value.startswith('"'):
        others.append('"2"')
    if value not in ("true", "false"):
        others.append("true")
    if not re.fullmatch(r"\d+", value):
        others += ["2", "1", "0"]
    return _with(lines, number, f"{key} = {chance.choice(others)}")


def _key_twice(lines: list[str], chance: random.Random) -> str:
    number, key, value = _entry(lines, chance)
    return _with(lines, number, lines[number], f"{key} = {chance.choice([value, *_VALUES])}")


def _key_twice_written_otherwise(lines: list[str], chance: random.Random) -> str:
    number, key, value = _entry(lines, chance)
    other = chance.choice([f'"{key}"', f"'{key}'", f'"\\u{ord(key[0]):04x}{key[1:]}"', f'"{key}" . "x"'])
    return _with(lines, number, lines[number], f"{other} = {value}")


def _table_twice(lines: list[str], chance: random.Random) -> str:
    header = lines[chance.choice([n for n in _places(lines, _HEADER) if not lines[n].startswith("[[")])]
    return "\n".join([*lines, header])


def _other_table(lines: list[str], chance: random.Random) -> str:
    number = chance.choice(_places(lines, _HEADER))
    name = lines[number].strip("[]")
    return _with(lines, number, f"[{name}]" if lines[number].startswith("[[") else f"[[{name}]]")


def _unknown_key(lines: list[str], chance: random.Random) -> str:
    number, key, value = _entry(lines, chance)
    other = chance.choice(
        [
            f'"{key.translate(_ALIKE)}é"', f'"{key}\\u200b"', f'"{key} "', key.upper(), f"{key}_", f"x-{key}",
            f'"{unicodedata.normalize("NFKD", "ﬁ" + key)}"', f'"\\u202e{key}"', f'"{key}\\u0000"', '""',
            '"__proto__"',
        ]
    )  # fmt: skip
    return _with(lines, number, lines[number], f"{other} = {value}")


def _unknown_table(lines: list[str], chance: random.Random) -> str:
    alike = '"' + "signer".translate(_ALIKE) + '"'
    name = chance.choice(
        ["signers", "Signer", '"signer "', "x", alike, "builders.x", "require.builder", "tool.x"]
    )
    return "\n".join([*lines, f"[{name}]", "x = 1"])


def _deep(lines: list[str], chance: random.Random) -> str:
    number, key, _ = _entry(lines, chance)
    depth = chance.choice([500, 5_000, 50_000])
    how = chance.choice(
        [
            f"{key} = " + "[" * depth + "]" * depth,
            f"{key} = " + "{ x = " * depth + "1" + " }" * depth,
            ".".join(["x"] * depth) + " = 1",
        ]
    )
    return _with(lines, number, how)


def _other_encoding(lines: list[str], chance: random.Random) -> bytes:
    text = "\n".join(lines)
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp500"])
    return (text.replace("\n", "\n# é\n", 1) if encoding == "latin-1" else text).encode(encoding)


def _byte_order_mark(lines: list[str], chance: random.Random) -> bytes:
    return "\n".join(lines).encode("utf-8-sig")


def _no_text(lines: list[str], chance: random.Random) -> bytes:
    number = chance.randrange(len(lines))
    odd = chance.choice(
        [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\0", b"\x1b[2J", b"\x7f"]
    )
    data = [line.encode() for line in lines]
    return b"\n".join([*data[:number], b"# " + odd, *data[number:]])


def _other_lines(lines: list[str], chance: random.Random) -> str:
    return chance.choice(["\r\n", "\r", "\n\n", "\n \t", "\u2028", "\x0b", "\x85"]).join(lines)


def _line_gone(lines: list[str], chance: random.Random) -> str:
    return _with(lines, chance.randrange(len(lines)))


def _lines_swapped(lines: list[str], chance: random.Random) -> str:
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def _values_swapped(lines: list[str], chance: random.Random) -> str:
    (one, key, value), (other, its_key, its_value) = _entry(lines, chance), _entry(lines, chance)
    lines[one], lines[other] = f"{key} = {its_value}", f"{its_key} = {value}"
    return "\n".join(lines)


def _tables_reordered(lines: list[str], chance: random.Random) -> str:
    starts = [0, *_places(lines, _HEADER), len(lines)]
    first, *tables = [lines[a:b] for a, b in pairwise(starts)]
    chance.shuffle(tables)
    return "\n".join([*first, *(line for table in tables for line in table)])


def _table_repeated(lines: list[str], chance: random.Random) -> str:
    starts = [*_places(lines, _HEADER), len(lines)]
    number = chance.randrange(len(starts) - 1)
    table = lines[starts[number] : starts[number + 1]]
    return "\n".join([*lines, *table * chance.choice([1, 1, 200])])


def _other_cel(lines: list[str], chance: random.Random) -> str:
    number = chance.choice([n for n in _places(lines, _ENTRY) if lines[n].startswith("cel = ")])
    said = lines[number].removeprefix("cel = ").strip('"')
    place, end = sorted((chance.randrange(len(said)), chance.randrange(len(said))))
    expression = chance.choice(
        [
            *_CEL, said[:place], said[place:], said[:place] + said[end:], f"{said} && {chance.choice(_CEL)}",
            f"{said} || {chance.choice(_CEL)}", f"!({said})", said.replace("links", "attestations"),
            said.replace("==", "="), said.replace("size", "sizе"), said[::-1].replace("\\", ""),  # noqa: RUF001
        ]
    )  # fmt: skip
    return _with(lines, number, f'cel = "{expression}"')


_HARMS: list[tuple[str, Harm, bool]] = [
    ("another value", _other_value, False),
    ("another value", _other_value, False),
    ("another type", _other_type, True),
    ("a key twice", _key_twice, True),
    ("a key twice, written otherwise", _key_twice_written_otherwise, True),
    ("a table twice", _table_twice, True),
    ("a table for a list of them", _other_table, True),
    ("an unknown key", _unknown_key, True),
    ("an unknown table", _unknown_table, True),
    ("nested without end", _deep, True),
    ("another encoding", _other_encoding, True),
    ("bytes that are no text", _no_text, True),
    ("a byte order mark", _byte_order_mark, False),
    ("other ends of lines", _other_lines, False),
    ("a line gone", _line_gone, False),
    ("two lines swapped", _lines_swapped, False),
    ("two values swapped", _values_swapped, False),
    ("tables in another order", _tables_reordered, False),
    ("a table repeated", _table_repeated, False),
    ("another expression", _other_cel, False),
    ("another expression", _other_cel, False),
]
