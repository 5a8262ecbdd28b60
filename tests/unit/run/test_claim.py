"""What a release says of itself, when nobody has verified it: no name in it leads anywhere."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
import releases
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.canonical import render_document
from orchestrator.evidence.source import REQUEST, SCRIPTS
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.keys.key import SigningKey
from orchestrator.publishing.index import INDEX
from orchestrator.run.claim import Claim, claim_of

DIGITS = "a" * 32


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("claim")
    made = releases.observed(folder / "in")
    return releases.published(folder / "out", made, SigningKey.generate(), releases.builder_keys(made)).path


@pytest.fixture(scope="module")
def claim(release: Path) -> Claim:
    return claim_of(release)


def named(claim: Claim, *names: str) -> Claim:
    return replace(claim, files={name: (Sha256.of(b""), 0) for name in names})


def test_scripts_are_called_as_their_store_paths_are(claim: Claim) -> None:
    name = f"{SCRIPTS}{DIGITS}-build.sh"
    assert list(named(claim, name).scripts()) == [(name, "build.sh")]


@given(st.text(alphabet="a./-\\\0 ", max_size=12))
def test_no_script_leads_out_of_its_folder(claim: Claim, rest: str) -> None:
    with suppress(TallyError):
        for _, script in named(claim, f"{SCRIPTS}{DIGITS}-{rest}").scripts():
            assert Path("/f", script).resolve() == Path("/f") / script != Path("/f")


@pytest.mark.parametrize(
    "script", [f"{DIGITS}-/etc/passwd", f"{DIGITS}-../default.nix", f"{DIGITS}-..", "x/y", DIGITS]
)
def test_scripts_that_would(claim: Claim, script: str) -> None:
    with pytest.raises(TallyError, match="is not called as a store path is"):
        list(named(claim, f"{SCRIPTS}{script}").scripts())


@pytest.mark.parametrize("name", ["../../x", "a/b", "\x1b[31m"])
def test_no_name_of_a_release_leads_out_of_a_folder(release: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "release"
    shutil.copytree(release, folder)
    document = json.loads((folder / INDEX).read_bytes()) | {"name": name}
    (folder / INDEX).write_bytes(render_document(document))
    with pytest.raises(TallyError, match=r"cannot be made again: release\.json"):
        claim_of(folder)


PACKING: dict[str, object] = {
    "system": "x86_64-linux",
    "targets": [],
    "busybox": None,
    "packages": {},
    "recipes": {},
}
INPUT = {"name": "x.deb", "mode": "flat", "sha256": "0" * 64, "urls": ["mirror://debian/x.deb"]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipes": {"x": {}}}, "has recipes"),
        ({"recipes": []}, "recipes"),
        ({"recipes": None}, "recipes"),
        ({"packages": []}, "is not one that packs"),
        ({"packages": {"x": {**INPUT, "urls": []}}}, "no address"),
        ({"packages": {"x": {**INPUT, "sha256": "no"}}}, "packs"),
        ({"packages": {"x": {"name": "x"}}}, "packs"),
        ({"busybox": "x"}, "packs"),
    ],
)
def test_a_request_that_packs_nothing(
    release: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    folder = tmp_path / release.name
    shutil.copytree(release, folder)
    for document, refused in ((PACKING | {"packages": {"x": INPUT}}, None), (PACKING | change, said)):
        (folder / REQUEST).write_bytes(render_document(document))
        releases.reindex(folder)
        if refused is None:
            assert claim_of(folder).packing() == document
        else:
            with pytest.raises(TallyError, match=refused):
                claim_of(folder).packing()
