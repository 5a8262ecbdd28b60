"""What a release says of itself, and what is no release that says anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from releases import believing, builder_keys, observed, published

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
    made = observed(tmp_path / "two")
    plain = published(tmp_path / "plain", made, SigningKey.generate(), builder_keys(made)).path
    assert shown(plain).reached is None


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
    with pytest.raises(TallyError, match="cannot be shown: ") as error:
        shown(release)
    assert str(release) in error.value.message


def test_what_is_no_release_has_nothing_to_show(release: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "absent", tmp_path):
        with pytest.raises(TallyError, match=r"nothing at|not a release"):
            shown(target)
    with pytest.raises(TallyError, match=r"no evidence is about release\.json"):
        shown(release / "release.json")
