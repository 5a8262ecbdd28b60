"""Harm to a release's files, ten thousand ways: bytes, JSON, base64 and signatures, each from a seed.

A mutant is one file with other bytes than before. What reads JSON is told lies that are JSON, too: names
twice, other types and encodings, characters that look alike, numbers without end, nesting without end.
"""

from __future__ import annotations

import base64
import json
import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_DEEP = 20_000
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the group of P-256: a signature (r, s) holds where (r, order - s) does."""


@dataclass(frozen=True)
class Mutant:
    """One file, changed."""

    file: str
    how: str
    data: bytes


def mutants(files: dict[str, bytes], seed: int, count: int) -> Iterator[Mutant]:
    """`count` mutants of these files; the same ones for the same seed."""
    chance = random.Random(seed)
    names = sorted(files)
    while count:
        name = chance.choice(names)
        how, harm = chance.choice(_HARMS if _is_json(files[name]) else BYTES)
        try:
            data = harm(files[name], chance, files)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue  # that file has no such place
        if data != files[name]:
            count -= 1
            yield Mutant(name, how, data)


Harm = Callable[[bytes, random.Random, dict[str, bytes]], bytes]


def _flip(data: bytes, chance: random.Random, _: object) -> bytes:
    changed = bytearray(data)
    changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random, _: object) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] + data[start + chance.randrange(1, 200) :]


def _truncate(data: bytes, chance: random.Random, _: object) -> bytes:
    return data[: chance.randrange(len(data))]


def _repeat(data: bytes, chance: random.Random, _: object) -> bytes:
    start = chance.randrange(len(data))
    end = start + chance.randrange(1, 200)
    return data[:end] + data[start:]


def _reorder(data: bytes, chance: random.Random, _: object) -> bytes:
    one, two, three = sorted(chance.randrange(len(data)) for _ in range(3))
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def _append(data: bytes, chance: random.Random, _: object) -> bytes:
    return data + chance.choice([b"\n", b" ", b"\0", b"{}", b"\n\n", b"//", data])


def _insert(data: bytes, chance: random.Random, _: object) -> bytes:
    start = chance.randrange(len(data))
    return (
        data[:start]
        + chance.choice([b"\0", b"\xff", b'"', b"\\", b"\xe2\x80\xae", b"9" * 400])
        + data[start:]
    )


def _another_file(data: bytes, chance: random.Random, files: dict[str, bytes]) -> bytes:
    return files[chance.choice(sorted(files))]


def _other_encoding(data: bytes, chance: random.Random, _: object) -> bytes:
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"])
    return data.decode().encode(encoding)


def _other_layout(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    if chance.random() < 0.5:
        return json.dumps(value, indent=chance.choice([None, 1, 3]), sort_keys=chance.random() < 0.5).encode()
    return data.replace(b"/", b"\\/", 1) if chance.random() < 0.5 else _escaped(data, chance)


def _escaped(data: bytes, chance: random.Random) -> bytes:
    places = [number for number, byte in enumerate(data) if chr(byte).isalpha()]
    place = chance.choice(places)
    return data[:place] + b"\\u%04x" % data[place] + data[place + 1 :]


def _twice(data: bytes, chance: random.Random, _: object) -> bytes:
    """A name twice in one object: with its own value, or another before or after it."""
    value = json.loads(data)
    holder, name = chance.choice([each for each in _places(value) if isinstance(each[1], str)])
    marker = f"mutant-{chance.random()}"
    copy = holder[name]
    holder[marker] = chance.choice([copy, None, "", 0, [], {}])
    items = list(holder.items())
    chance.shuffle(items)
    holder.clear()
    holder.update(items)
    return json.dumps(value, indent=2).replace(json.dumps(marker), json.dumps(name)).encode()


def _other_value(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    holder, name = chance.choice(_places(value))
    holder[name] = _another(holder[name], chance)
    return _rendered(value)


def _other_name(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    holder, name = chance.choice([each for each in _places(value) if isinstance(each[1], str)])
    new = chance.choice(
        [name.upper(), name.title(), f" {name}", f"{name}\0", f"{name}\u200b", "", f"_{name}"]
    )
    holder[new] = holder.pop(name)
    return _rendered(value)


def _one_more(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    everything = [value, *(holder[name] for holder, name in _places(value))]
    holder = chance.choice([each for each in everything if isinstance(each, dict | list)])
    if isinstance(holder, dict):
        holder[chance.choice(["__proto__", "extra", "$ref", "\u202e", "signatures"])] = _another("x", chance)
    else:
        holder.insert(
            chance.randrange(len(holder) + 1), chance.choice([*holder, None, _another("x", chance)])
        )
    return _rendered(value)


def _one_less(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    holder, name = chance.choice(_places(value))
    del holder[name]
    return _rendered(value)


def _swapped(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    (one, a), (other, b) = chance.sample(_places(value), 2)
    one[a], other[b] = other[b], one[a]
    return _rendered(value)


def _from_elsewhere(data: bytes, chance: random.Random, files: dict[str, bytes]) -> bytes:
    """A value out of another file, where one of that name is."""
    value = json.loads(data)
    other = json.loads(files[chance.choice([name for name in sorted(files) if _is_json(files[name])])])
    holder, name = chance.choice(_places(value))
    there = [each for each in _places(other) if each[1] == name]
    source, key = chance.choice(there)
    holder[name] = source[key]
    return _rendered(value)


def _payload(data: bytes, chance: random.Random, files: dict[str, bytes]) -> bytes:
    """What was signed is changed, and the signature stays."""
    value = json.loads(data)
    envelope = value.get("dsseEnvelope", value)
    payload = base64.b64decode(envelope["payload"])
    _, harm = chance.choice(_HARMS[:-3])
    envelope["payload"] = base64.b64encode(harm(payload, chance, files)).decode()
    return _rendered(value)


def _base64(data: bytes, chance: random.Random, _: object) -> bytes:
    """The same bytes as other text, where a reader is lenient."""
    value = json.loads(data)
    holder, name = chance.choice(
        [
            each
            for each in _places(value)
            if each[1] in ("payload", "sig", "hint", "canonicalizedBody", "rawBytes")
        ]
    )
    text = holder[name]
    changes = [
        text.rstrip("="),
        f"{text}\n",
        f" {text}",
        f"{text}====",
        text.replace("+", "-").replace("/", "_"),
        _with_loose_bits(text),
        text[: len(text) // 2] + "\r\n" + text[len(text) // 2 :],
    ]
    holder[name] = chance.choice([each for each in changes if each != text])
    return _rendered(value)


def _with_loose_bits(text: str) -> str:
    """The last letter before the padding has bits that no byte uses."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    if bare == text:
        raise ValueError("no padding, no loose bits")
    return bare[:-1] + alphabet[alphabet.index(bare[-1]) ^ 1] + text[len(bare) :]


def _signature(data: bytes, chance: random.Random, _: object) -> bytes:
    """The signature as other bytes: DER that is none, numbers that are too large, its other half."""
    value = json.loads(data)
    envelope = value.get("dsseEnvelope", value)
    signature = envelope["signatures"][0]
    der = base64.b64decode(signature["sig"])
    r, s = _numbers(der)
    changes = [
        b"",
        der[:-1],
        der + b"\0",
        b"\x30\x81" + der[1:],
        _der(r, _ORDER - s),
        _der(r, s + _ORDER),
        _der(0, 0),
        _der(r, 0),
        _der(s, r),
        _der(_ORDER, _ORDER),
        der * 2,
        bytes(len(der)),
    ]
    signature["sig"] = base64.b64encode(chance.choice(changes)).decode()
    return _rendered(value)


def _numbers(der: bytes) -> tuple[int, int]:
    length = der[3]
    return int.from_bytes(der[4 : 4 + length]), int.from_bytes(der[6 + length :])


def _der(*numbers: int) -> bytes:
    body = b"".join(b"\x02" + bytes([len(each)]) + each for each in map(_integer, numbers))
    return b"\x30" + bytes([len(body)]) + body


def _integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1)


def _deep(data: bytes, chance: random.Random, _: object) -> bytes:
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    inner = chance.choice([b"1", data])
    return opening * _DEEP + inner + closing * _DEEP


def _huge_number(data: bytes, chance: random.Random, _: object) -> bytes:
    value = json.loads(data)
    holder, name = chance.choice(_places(value))
    holder[name] = "mutant-number"
    number = chance.choice(
        ["1e400", "-1e400", "9" * 5000, "1" + "0" * 100_000, "NaN", "-Infinity", "0x10", "1_0"]
    )
    return _rendered(value).replace(b'"mutant-number"', number.encode())


_SCALARS: list[Any] = [None, True, False, 0, -1, 1.5, 2**63, "", "x", [], {}, [None], {"": None}, "\ud800"]


def _another(value: Any, chance: random.Random) -> Any:
    """Something else than `value`, often like it."""
    choices = list(_SCALARS)
    if isinstance(value, str) and value:
        choices += (
            [
                value.upper(),
                value.swapcase(),
                unicodedata.normalize("NFKD", value),
                value.replace("a", "\u0430"),  # Cyrillic, and looks the same
                f"{value}\u200b",
                f"\u202e{value}",
                f"{value}\0",
                value[:-1],
                value[1:] + value[0],
                f"../{value}",
                f"{value}/",
                [value],
                {"value": value},
            ]
            * 2
        )
    elif isinstance(value, list):
        choices += [
            [*value, *value],
            value[1:],
            list(reversed(value)),
            {str(n): v for n, v in enumerate(value)},
        ] * 3
    elif isinstance(value, dict):
        choices += [[value], list(value.items()), {}] * 2
    elif isinstance(value, int):
        choices += [value + 1, -value, str(value), float(value), value + 2**64] * 2
    return chance.choice(choices)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every holder and name in a JSON value, from the outside in."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        names = (
            list(holder)
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        for name in names:
            found.append((holder, name))
            waiting.append(holder[name])
    return found


def _rendered(value: Any) -> bytes:
    """As we would write it, so that only what was changed is another."""
    return (json.dumps(value, sort_keys=True, indent=2) + "\n").encode()


def _is_json(data: bytes) -> bool:
    return data[:1] == b"{"


BYTES: list[tuple[str, Harm]] = [
    ("a bit flipped", _flip),
    ("a part cut out", _cut),
    ("truncated", _truncate),
    ("a part repeated", _repeat),
    ("parts in another order", _reorder),
    ("something appended", _append),
    ("something inserted", _insert),
    ("another file's bytes", _another_file),
]
_HARMS: list[tuple[str, Harm]] = [
    *BYTES,
    ("another encoding", _other_encoding),
    ("another layout", _other_layout),
    ("a name twice", _twice),
    ("another value", _other_value),
    ("another value", _other_value),
    ("another name", _other_name),
    ("one more", _one_more),
    ("one less", _one_less),
    ("two values swapped", _swapped),
    ("a value from elsewhere", _from_elsewhere),
    ("nested without end", _deep),
    ("a number without end", _huge_number),
    ("another payload", _payload),
    ("other base64", _base64),
    ("another signature", _signature),
]
