"""flake.lock as it is read before Nix is given it: each odd form is told by its node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.pinning import flakelock

NAR = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
REV = "0123456789" * 4
REFERENCE = {"type": "github", "owner": "o", "repo": "r", "rev": REV, "narHash": NAR, "lastModified": 1}


def lock(**changed: Any) -> dict[str, Any]:
    node = {"locked": REFERENCE, "original": {"type": "github", "owner": "o", "repo": "r"}, "inputs": {}}
    nodes = {"root": {"inputs": {"lib": "lib", "same": ["lib"]}}, "lib": {**node, **changed}}
    return {"version": 7, "root": "root", "nodes": nodes}


def test_what_nix_writes_is_read_and_its_pins_are_told() -> None:
    assert flakelock.pins(flakelock.parse(json.dumps(lock()).encode())) == {"lib": (NAR, REV)}
    empty = {"version": 7, "root": "root", "nodes": {"root": {}}}
    assert flakelock.pins(flakelock.parse(json.dumps(empty).encode())) == {}


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        ([], "is not an object"),
        ({**lock(), "version": 99}, "its version is 99; known are 5, 6, 7"),
        ({**lock(), "version": True}, "its version is true"),
        ({**lock(), "root": "nowhere"}, 'its root, "nowhere", is no node'),
        ({**lock(), "root": None}, "its root, null"),
        ({**lock(), "nodes": {"root": []}}, "its nodes are not objects"),
        (lock(inputs={"a": "gone"}), 'the node lib has an input a that is no node: "gone"'),
        (lock(inputs={"a": [1]}), "the node lib has an input a"),
        (lock(inputs=[]), "the node lib has inputs that are no object"),
        (lock(locked=None), "the node lib has no `locked` with a type"),
        (lock(locked={}), "the node lib has no `locked` with a type"),
        (lock(original=7), "the node lib has no `original` with a type"),
        (lock(locked={**REFERENCE, "owner": ["o"]}), "the node lib has a `locked.owner`"),
        (lock(locked={**REFERENCE, "narHash": "sha256-short"}), "the node lib has a `locked.narHash`"),
        (lock(locked={**REFERENCE, "rev": "main"}), "the node lib has a `locked.rev` that is not a commit's"),
    ],
)
def test_an_odd_form_is_told_by_its_place(odd: Any, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        flakelock.parse(json.dumps(odd).encode())
    assert told in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe{", b"[" * 100_000, b'{"version": 1e999}'])
def test_what_is_no_json_is_told_in_a_line(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        flakelock.parse(data)
    assert len(str(caught.value).splitlines()) == 1
