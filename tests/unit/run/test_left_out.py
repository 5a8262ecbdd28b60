"""What `tally publish --with-sources` says of what is not among the sources."""

from __future__ import annotations

from typing import Any

import pytest
import releases

from orchestrator.keys.key import SigningKey
from orchestrator.run.claim import Claim, claim_of
from orchestrator.run.left_out import believed_of, left_out


@pytest.fixture(scope="module")
def claim(tmp_path_factory: pytest.TempPathFactory) -> Claim:
    folder, key = tmp_path_factory.mktemp("release"), SigningKey.generate()
    made = releases.observed(folder / "in")
    return claim_of(releases.published(folder / "out", made, key, releases.builder_keys(made)).path)


def test_a_release_of_debians_packages_has_all(claim: Claim) -> None:
    assert list(left_out(claim, [])) == []


def test_the_tree_of_nixpkgs(claim: Claim) -> None:
    (line,) = left_out(claim, ["sha256-x="])
    assert line.startswith(f"not among the sources of {claim.name}: the tree of nixpkgs")
    assert "(sha256-x=)" in line


@pytest.mark.parametrize("odd", [None, [], {"storePath": "/nix/store/x", "kind": "source"}])
def test_what_was_believed(claim: Claim, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    believed = [
        {"annotations": {"storePath": f"/nix/store/{each}", "signature": "k:x", "cache": "c"}}
        for each in "ba"
    ]
    predicate = {"buildDefinition": {"resolvedDependencies": [*believed, {"annotations": odd}, {}]}}

    def parsed(*_: object) -> Any:
        return _Said(predicate)

    monkeypatch.setattr("orchestrator.run.left_out.statement.parse", parsed)
    assert list(left_out(claim, [])) == []
    first, second = left_out(claim, [], believed_of(claim), ["gcc.tar", "b.tar"])
    assert (
        "2 fixed inputs that believed inputs were made from, b.tar among them, which cannot be had" in second
    )
    line = first
    assert "2 inputs believed of a cache, /nix/store/a among them" in line


class _Said:
    def __init__(self, predicate: dict[str, Any]) -> None:
        self.predicate = predicate
