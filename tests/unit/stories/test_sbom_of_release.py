"""`tally sbom` of a release folder gives its own documents, as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import releases

from orchestrator.evidence.sbom.bill import Closure
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.keys.key import SigningKey
from orchestrator.stories.sbom import Asked, sbom


def asked(folder: Path, **more: Any) -> Asked:
    return Asked((str(folder),), more.get("closures"), more.get("store"))


def test_each_form_is_the_releases_own(tmp_path: Path) -> None:
    folder = releases.signed(tmp_path).folder
    found = sbom(State(tmp_path / "state"), asked(folder, closures=frozenset(Closure)), list(Form))
    assert found.name == folder.name
    for form, data in found.data.items():
        assert data == (folder / "sbom" / f"pigz{form.suffix}").read_bytes()
    artifact = next(each for each in folder.iterdir() if each.name.startswith("pigz"))
    assert sbom(State(tmp_path / "state"), asked(artifact), list(Form)) == found
    assert not (tmp_path / "state").exists()


def test_an_earlier_release_has_one_form(tmp_path: Path) -> None:
    made, key = releases.observed(tmp_path / "in"), SigningKey.generate()
    forms = [Form.SPDX_2_3]
    folder = releases.published(tmp_path / "out", made, key, releases.builder_keys(made), forms=forms).path
    assert sbom(State(tmp_path), asked(folder), forms).data
    with pytest.raises(TallyError, match="has no SBOM in the form cyclonedx") as refused:
        sbom(State(tmp_path), asked(folder), [Form.CYCLONEDX])
    assert "spdx-2.3 is there" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"store": "daemon"}, "--store is for targets in a store"),
        ({"closures": frozenset({Closure.BUILD})}, "cover both closures"),
    ],
)
def test_what_a_release_cannot_give(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    (tmp_path / "release.json").write_text("{}")
    with pytest.raises(TallyError, match=said):
        sbom(State(tmp_path), asked(tmp_path, **more), [Form.SPDX_2_3])


def test_targets_of_several_kinds(tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text("{}")
    two = Asked((str(tmp_path), "/nix/store/00000000000000000000000000000000-x"), None, None)
    with pytest.raises(TallyError, match="does not go into one SBOM"):
        sbom(State(tmp_path), two, [Form.SPDX_2_3])
