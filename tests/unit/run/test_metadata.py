"""What a package's own file says of it, against what a lock file says."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from identify.vendor.licenses import LICENSES

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


def _tar(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def _zip(path: Path, **files: str) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return path


MIT = dict(LICENSES)["MIT"]


@pytest.mark.parametrize(
    ("ecosystem", "pack", "files"),
    [
        pytest.param(
            Ecosystem.GO, _zip, {"example.org/a@v1.0.0/LICENSE": MIT}, id="a module of before go.mod"
        ),
        pytest.param(
            Ecosystem.GO,
            _zip,
            {
                "example.org/a@v1.0.0/go.mod": "module example.org/a\n",
                "example.org/a@v1.0.0/COPYING": MIT,
                "example.org/a@v1.0.0/vendored/LICENSE": "another",
            },
            id="a module",
        ),
        pytest.param(
            Ecosystem.NPM,
            _tar,
            {"package/LICENSE.md": MIT, "package/package.json": '{"license": "SEE LICENSE IN LICENSE.md"}'},
            id="npm",
        ),
        pytest.param(
            Ecosystem.CARGO,
            _tar,
            {"a-1.0.0/Cargo.toml": '[package]\nlicense-file = "LICENSE"\n', "a-1.0.0/LICENSE": MIT},
            id="cargo",
        ),
        pytest.param(
            Ecosystem.PYTHON,
            _zip,
            {
                "a/LICENSE": "another",
                "a-1.0.0.dist-info/METADATA": "Name: a\nLicense: BSD-like\n",
                "a-1.0.0.dist-info/licenses/LICENSE": MIT,
            },
            id="a wheel",
        ),
        pytest.param(
            Ecosystem.PYTHON, _tar, {"a-1.0.0/PKG-INFO": "Name: a\n", "a-1.0.0/LICENSE": MIT}, id="an sdist"
        ),
    ],
)
def test_where_it_tells_no_licence_a_licences_text_does(
    ecosystem: Ecosystem, pack: Callable[..., Path], files: dict[str, str], tmp_path: Path
) -> None:
    found = metadata_of(pack(tmp_path / "a", **files), _depended(ecosystem))
    assert found is not None
    assert found.license == "MIT"
    changed = {name: text.replace("free of charge", "for a fee") for name, text in files.items()}
    other = metadata_of(pack(tmp_path / "b", **changed), _depended(ecosystem))
    assert other is None or other.license is None


@pytest.mark.parametrize("license_", [["GPL-3.0-only", "Commercial"], ["MIT", 1], {"type": ["MIT"]}])
def test_several_licences_of_npm_are_not_the_text_alone(license_: Any, tmp_path: Path) -> None:
    told = json.dumps({"license": license_})
    files = {"package/LICENSE": MIT + "\nAnd no more than ten users.\n", "package/package.json": told}
    found = metadata_of(_tar(tmp_path / "a.tgz", **files), _depended())
    assert found is not None
    assert found.license is None


def test_a_folded_licence_is_read_whole(tmp_path: Path) -> None:
    told = "Name: a\nLicense: MIT\n        with the Commons Clause\nVersion: 1.0.0\n"
    found = metadata_of(
        _zip(tmp_path / "a.whl", **{"a-1.0.0.dist-info/METADATA": told}), _depended(Ecosystem.PYTHON)
    )
    assert found is not None
    assert found.license is None


def test_what_its_metadata_declares_stands(tmp_path: Path) -> None:
    files = {"package/LICENSE": MIT, "package/package.json": '{"license": "ISC"}'}
    found = metadata_of(_tar(tmp_path / "a.tgz", **files), _depended())
    assert found is not None
    assert found.license == "ISC"


def test_a_tree_of_a_repository_for_npm(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "a", "version": "1.0.0"}')
    (tmp_path / "LICENSE").write_text(MIT)
    found = metadata_of(tmp_path, _depended())
    assert found is not None
    assert found.license == "MIT"


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


EULA = "Nobody may use this."


@pytest.mark.parametrize(
    ("ecosystem", "pack", "files"),
    [
        pytest.param(
            Ecosystem.NPM,
            _tar,
            {**{f"package/LICENSE-{number:02}": MIT for number in range(20)}, "package/LICENSE-x": EULA},
            id="more than are read",
        ),
        pytest.param(
            Ecosystem.NPM, _tar, {"package/LICENSE": MIT, "package/./LICENSE": EULA}, id="two of a name"
        ),
        pytest.param(
            Ecosystem.NPM,
            _tar,
            {"package/package.json": '{"license": "UNLICENSED"}', "package/LICENSE": MIT},
            id="no licence for anybody",
        ),
        pytest.param(
            Ecosystem.NPM,
            _tar,
            {
                "package/package.json": '{"license": "SEE LICENSE IN EULA.txt"}',
                "package/EULA.txt": EULA,
                "package/LICENSE": MIT,
            },
            id="npm's is another file",
        ),
        pytest.param(
            Ecosystem.CARGO,
            _tar,
            {
                "a-1.0.0/Cargo.toml": '[package]\nlicense-file = "docs/EULA.txt"\n',
                "a-1.0.0/docs/EULA.txt": EULA,
                "a-1.0.0/LICENSE": MIT,
            },
            id="cargo's is another file",
        ),
        pytest.param(
            Ecosystem.PYTHON,
            _zip,
            {
                "a-1.0.0.dist-info/METADATA": "Name: a\nLicense-File: EULA.txt\nLicense-File: LICENSE\n",
                "a-1.0.0.dist-info/licenses/EULA.txt": EULA,
                "a-1.0.0.dist-info/licenses/LICENSE": MIT,
            },
            id="a wheel's is another file, too",
        ),
        pytest.param(
            Ecosystem.PYTHON,
            _zip,
            {
                "a-1.0.0.dist-info/METADATA": "Name: a\n",
                "a-1.0.0.dist-info/licenses/LICENSE": MIT,
                "a-1.0.0.dist-info/licenses/vendored/LICENSE": EULA,
            },
            id="a wheel's folder",
        ),
        pytest.param(
            Ecosystem.PYTHON,
            _zip,
            {
                "a-1.0.0.dist-info/METADATA": "Name: a\nClassifier: License :: Other/Proprietary License\n",
                "a-1.0.0.dist-info/LICENSE": MIT,
            },
            id="a classifier",
        ),
    ],
)
def test_no_text_that_is_not_the_whole_licence(
    ecosystem: Ecosystem, pack: Callable[..., Path], files: dict[str, str], tmp_path: Path
) -> None:
    found = metadata_of(pack(tmp_path / "a", **files), _depended(ecosystem))
    assert found is None or found.license is None


def test_a_link_is_no_text(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        member = tarfile.TarInfo("package/COPYING")
        member.size = len(MIT.encode())
        tar.addfile(member, io.BytesIO(MIT.encode()))
        link = tarfile.TarInfo("package/LICENSE")
        link.type, link.linkname = tarfile.SYMTYPE, "EULA.txt"
        tar.addfile(link)
    assert metadata_of(tmp_path / "a.tgz", _depended()) is None


def test_a_tree_does_not_lead_out_of_itself(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text(MIT)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/package.json").write_text('{"name": "a", "version": "1.0.0"}')
    (tmp_path / "tree/LICENSE").symlink_to(tmp_path / "elsewhere")
    found = metadata_of(tmp_path / "tree", _depended())
    assert found is not None
    assert found.license is None


def test_a_tar_with_a_zip_behind_it_is_a_tar(tmp_path: Path) -> None:
    tar = _tar(tmp_path / "a", **{"a-1.0.0/Cargo.toml": '[package]\nlicense = "GPL-3.0-only"\n'})
    other = _zip(tmp_path / "b", **{"a-1.0.0/Cargo.toml": '[package]\nlicense = "MIT"\n'})
    (tmp_path / "c").write_bytes(tar.read_bytes() + other.read_bytes())
    found = metadata_of(tmp_path / "c", _depended(Ecosystem.CARGO))
    assert found is not None
    assert found.license == "GPL-3.0-only"


def test_a_version_that_is_no_number(tmp_path: Path) -> None:
    wheel = _zip(
        tmp_path / f"{'0' * 32}-a.whl", **{"a-1.dist-info/METADATA": f"Name: a\nVersion: {'1' * 5000}\n"}
    )
    with pytest.raises(TallyError, match="it says of itself that it is a 111"):
        metadata_of(wheel, _depended(Ecosystem.PYTHON))
