"""What a package's own file says of it, against what a lock file says."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.ground.errors import TallyError
from orchestrator.pinning.depended import Depended
from orchestrator.run.metadata import metadata_of, of_registry


def _npm(path: Path, **told: str) -> Path:
    data = json.dumps(told).encode()
    with tarfile.open(path, "w:gz") as tar:
        for name in ("package/node_modules/inner/package.json", "package/package.json"):
            member = tarfile.TarInfo(name)
            content = b"{}" if "inner" in name else data
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _depended(ecosystem: Ecosystem = Ecosystem.NPM) -> Depended:
    return Depended("/nix/store/x", ecosystem, "a", "1.0.0", True, True, ())


def test_its_licence_where_it_is_an_expression(tmp_path: Path) -> None:
    file = _npm(tmp_path / "a.tgz", name="a", version="1.0.0", license="mit")
    found = metadata_of(file, _depended())
    assert found is not None
    assert found.license == "MIT"
    file = _npm(tmp_path / "b.tgz", name="a", version="1.0.0", license="SEE LICENSE IN x")
    found = metadata_of(file, _depended())
    assert found is not None
    assert found.license is None


def test_a_wheel(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as packed:
        packed.writestr("a-1.0.0.dist-info/METADATA", "Name: A\nVersion: 1.0.0\nLicense: ISC\n")
    found = metadata_of(tmp_path / "a.whl", _depended(Ecosystem.PYTHON))
    assert found is not None
    assert found.license == "ISC"


def test_another_package_than_the_lock_says(tmp_path: Path) -> None:
    file = _npm(tmp_path / f"{'0' * 32}-a.tgz", name="evil", version="1.0.0")
    with pytest.raises(
        TallyError, match=r"says that a\.tgz is a 1\.0\.0; it says of itself that it is evil 1\.0\.0"
    ):
        metadata_of(file, _depended())


def test_what_has_none(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz"):
        pass
    assert metadata_of(tmp_path / "a.tgz", _depended()) is None
    (tmp_path / "b.tgz").write_bytes(b"no archive")
    with pytest.raises(TallyError, match=r"the file of a 1\.0\.0 cannot be read"):
        metadata_of(tmp_path / "b.tgz", _depended())


@pytest.mark.parametrize(
    ("purl", "right", "wrong"),
    [
        ("pkg:npm/a@1.0.0", {"name": "a", "version": "1.0.0"}, {"name": "a", "version": "1.0.1"}),
        ("pkg:npm/%40s/a@1.0.0", {"name": "@s/a", "version": "1.0.0"}, {"name": "a", "version": "1.0.0"}),
    ],
)
def test_another_package_than_the_recipe_says(
    tmp_path: Path, purl: str, right: dict[str, str], wrong: dict[str, str]
) -> None:
    named = of_registry(purl)
    assert named is not None
    assert metadata_of(_npm(tmp_path / f"{'0' * 32}-a.tgz", **right), named, "the recipe") is not None
    with pytest.raises(TallyError, match=r"the recipe says that a\.tgz is .*a 1\.0\.0; it says of itself"):
        metadata_of(_npm(tmp_path / f"{'0' * 32}-a.tgz", **wrong), named, "the recipe")


def test_a_projects_file_of_a_version_in_another_spelling(tmp_path: Path) -> None:
    named = of_registry("pkg:pypi/typing-extensions@1.0rc1")
    assert named is not None
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as packed:
        packed.writestr("a-1.0.0.dist-info/METADATA", "Name: Typing_Extensions\nVersion: 1.0.0RC1\n")
    assert metadata_of(tmp_path / "a.whl", named) is not None


@pytest.mark.parametrize("purl", ["pkg:deb/debian/tree@2.1.0", "pkg:generic/tree@2.1.0", "pkg:npm/a"])
def test_what_no_file_says_of_itself(purl: str) -> None:
    assert of_registry(purl) is None
