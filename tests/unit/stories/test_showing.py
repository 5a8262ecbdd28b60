"""What a release says of itself, and what is no release that says anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from releases import believing, builder_keys, observed, published

from orchestrator.cli.show import show
from orchestrator.cli.text import believed
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.stories.showing import shown


@pytest.fixture
def release(tmp_path: Path) -> Path:
    made = believing(observed(tmp_path / "in"))
    return published(tmp_path / "out", made, SigningKey.generate(), builder_keys(made)).path


def test_a_release_tells_of_itself(release: Path, tmp_path: Path) -> None:
    found = shown(release)
    assert (found.name, found.version, found.builders) == ("pigz", "2.8", ("a", "b"))
    assert str(found.reached) == "rebuilt 3 of 4 derivations; 1 believed from cache-1"
    assert shown(release / found.artifact) == found
    assert {each["storePath"][44:] for each in found.believed} == {"zlib-1.3", "zlib-1.3-dev"}
    assert {(each["key"], each["cache"]) for each in found.believed} == {("cache-1", "https://cache")}
    made = observed(tmp_path / "two")
    plain = published(tmp_path / "plain", made, SigningKey.generate(), builder_keys(made)).path
    assert shown(plain).reached is None


def test_what_is_believed_is_told_by_name(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(release)
    assert "  believed    2 store paths: zlib-1.3, zlib-1.3-dev\n" in capsys.readouterr().out
    show(release, json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["believed"] == list(shown(release).believed)
    paths = [f"/nix/store/{number:032}-input-{number:02}" for number in range(22)]
    assert believed(paths).startswith("22 store paths: input-00, input-01, ")
    assert believed(paths).endswith("input-19 and 2 more")


def test_a_provenance_that_cannot_be_read_is_an_error(release: Path) -> None:
    provenance = release / "attestations/provenance.sigstore.json"
    for text in ("{}", '{"dsseEnvelope": {"payload": "%"}}', '{"dsseEnvelope": {"payload": "e30="}}'):
        provenance.write_text(text)
        with pytest.raises(TallyError, match="cannot be shown: ") as error:
            shown(release)
        assert "attestations/provenance.sigstore.json" in error.value.message
    provenance.unlink()
    with pytest.raises(TallyError, match="its provenance cannot be read"):
        shown(release)


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a format of later": lambda document: document.update(releaseFormat=2),
    "numbers that do not add up": lambda document: document["agreement"]["inputs"].update(rebuilt=9),
    "no agreement": lambda document: document.pop("agreement"),
    "builders that are none": lambda document: document["agreement"].update(builders=[1]),
    "no artifact": lambda document: document["artifact"].update(path="elsewhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_cannot_be_read_is_an_error(release: Path, change: str) -> None:
    index = release / "release.json"
    document = json.loads(index.read_bytes())
    CHANGES[change](document)
    index.write_text(json.dumps(document))
    with pytest.raises(TallyError, match=r"cannot be shown: |which a newer Tallystick wrote") as error:
        shown(release)
    assert str(release) in error.value.message


def test_what_is_no_release_has_nothing_to_show(release: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "absent", tmp_path):
        with pytest.raises(TallyError, match=r"nothing at|not a release"):
            shown(target)
    with pytest.raises(TallyError, match=r"no evidence is about release\.json"):
        shown(release / "release.json")
