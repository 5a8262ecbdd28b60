"""Mutants of a bundle, from a seed: of its text, of the bytes in its base64, and of its JSON."""

from __future__ import annotations

import copy
import json
import random
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

ODD: tuple[object, ...] = (
    None, 0, -1, 2**63, 2**64, 1.5, True, "", [], {}, "\ud800", "é" * 3, [[[]]], "9" * 400, 10**400, "AAAA",
)  # fmt: skip
Path = tuple[str | int, ...]


def mutants(document: dict[str, Any], number: int, seed: int) -> Iterator[bytes]:
    """That many, none of them the original's text."""
    chance, original = random.Random(seed), json.dumps(document).encode()
    while number:
        kind = chance.random()
        found = _text(original, chance) if kind < 0.4 else _value(document, chance, octets=kind < 0.8)
        if found != original:
            yield found
            number -= 1


def unproven(data: bytes) -> dict[str, Any]:
    """A bundle without what nothing in it vouches for, and what may be left out: what remains was signed."""
    document: dict[str, Any] = json.loads(data)
    material = document["verificationMaterial"]
    material.get("publicKey", {}).pop("hint", None)
    for each in document.get("dsseEnvelope", {}).get("signatures", []):
        each.pop("keyid", None)
    for entry in material["tlogEntries"]:
        entry.pop("inclusionPromise", None)  # where it is there, it held
        for name in ("logIndex", "integratedTime"):
            entry.pop(name, None)
    if not material.get("timestampVerificationData"):
        material.pop("timestampVerificationData", None)
    return {name: value for name, value in document.items() if value is not None}


def _text(original: bytes, chance: random.Random) -> bytes:
    data = bytearray(original)
    for _ in range(chance.choice([1, 1, 2, 5])):
        place, what = chance.randrange(len(data)), chance.random()
        if what < 0.5:
            data[place] ^= 1 << chance.randrange(8)
        elif what < 0.7:
            del data[place : place + chance.randrange(1, 9)]
        elif what < 0.9:
            data[place:place] = bytes(chance.choice(b'"{}[],:0aA\\\x00\xff') for _ in range(3))
        else:
            data[place:place] = data[chance.randrange(len(data)) :][:20]
    return bytes(data)


def _value(document: dict[str, Any], chance: random.Random, *, octets: bool) -> bytes:
    document = copy.deepcopy(document)
    path, value = chance.choice(list(_leaves(document)))
    changed: object = chance.choice(ODD)
    if octets and isinstance(value, str):
        try:
            changed = b64encode(_octets(bytearray(b64decode(value, validate=True)), chance)).decode()
        except ValueError:
            changed = value[:-1] + "x"
    holder: Any = document
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = changed
    return json.dumps(document).encode()


def _octets(data: bytearray, chance: random.Random) -> bytes:
    if not data:
        return b"\0"
    place, what = chance.randrange(len(data)), chance.random()
    if what < 0.7:
        data[place] ^= 1 << chance.randrange(8)
    elif what < 0.85:
        del data[place : place + chance.randrange(1, 9)]
    else:
        data[place:place] = bytes([chance.randrange(256)])
    return bytes(data)


def _leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from _leaves(member, (*path, number))
    else:
        yield path, value
