"""What Nix answers about paths, in both of its forms."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.nix.entry import Entry, read

ONE = {"narHash": "sha256-DkWjIJS8IIYx3Z0RYIWE1I45yYz90I8eS1KvWLUvXeg=", "references": ["b", "a", "/p"]}
HASH = NarHash("0e45a32094bc208631dd9d11608584d48e39c98cfdd08f1e4b52af58b52f5de8")


@pytest.mark.parametrize("value", [[{"path": "/p", **ONE}], {"/p": ONE}])
def test_a_list_or_an_object(value: Any) -> None:
    assert read(json.dumps(value)) == {"/p": Entry("/p", HASH, ("a", "b"), None)}


@pytest.mark.parametrize("value", [[{"path": "/p", "valid": False}], {"/p": None}, [], {}])
def test_what_is_not_valid_is_left_out(value: Any) -> None:
    assert read(json.dumps(value)) == {}


def test_a_hash_in_another_form_of_nix() -> None:
    assert read(json.dumps({"/p": {**ONE, "narHash": f"sha256:{HASH.hex}"}}))["/p"].nar_hash == HASH


@pytest.mark.parametrize(
    "said", ["", "null", "3", '["x"]', '{"/p": {}}', '{"/p": {"narHash": "x", "references": []}}', "[{}]"]
)
def test_what_is_neither_is_refused(said: str) -> None:
    with pytest.raises(TallyError, match="not understood"):
        read(said)
