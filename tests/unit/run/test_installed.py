"""What lies installed in an output, in folders and in zip archives."""

from __future__ import annotations

import json
from pathlib import Path

from zip_making import Member, zip_of

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.pinning.depended import Depended
from orchestrator.run.installed import for_development

OUTPUT = "/nix/store/00000000000000000000000000000000-app-1"


def pinned(ecosystem: Ecosystem, name: str, version: str, *, shipped: bool = False) -> Depended:
    return Depended(f"/nix/store/{name}", ecosystem, name, version, True, shipped, ())


def npm(name: str, version: str = "1.0.0", *, shipped: bool = False) -> Depended:
    return pinned(Ecosystem.NPM, name, version, shipped=shipped)


def python(name: str, version: str, *, shipped: bool = False) -> Depended:
    return pinned(Ecosystem.PYTHON, name, version, shipped=shipped)


def put(root: Path, path: str, data: bytes | str = b"") -> None:
    file = root / OUTPUT.lstrip("/") / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.encode())


def manifest(name: str, version: str = "1.0.0") -> str:
    return json.dumps({"name": name, "version": version})


def found(root: Path, *pins: Depended) -> set[str]:
    told = for_development(root, [OUTPUT], pins)
    return {path.removeprefix("/nix/store/") for path in told.get(OUTPUT, ())}


def test_node_packages_by_their_package_json(tmp_path: Path) -> None:
    put(tmp_path, "lib/app/node_modules/@s/a/package.json", manifest("@s/a"))
    put(tmp_path, "lib/node_modules/.pnpm/b@1.0.0/node_modules/b/package.json", manifest("b"))
    put(tmp_path, "lib/node_modules/alias/package.json", manifest("real"))
    put(tmp_path, "lib/node_modules/other/package.json", manifest("other", "2.0.0"))
    put(tmp_path, "lib/node_modules/bad/package.json", '{"name": "bad')
    put(tmp_path, "lib/node_modules/list/package.json", "[]")
    put(tmp_path, "lib/own/package.json", manifest("own"))  # installed by nobody
    names = ("@s/a", "b", "real", "other", "bad", "list", "own")
    assert found(tmp_path, *map(npm, names)) == {"@s/a", "b", "real"}
    assert found(tmp_path, npm("b", shipped=True)) == set()
    assert found(tmp_path, python("b", "1.0.0")) == set()


def test_python_projects_by_their_dist_info(tmp_path: Path) -> None:
    put(tmp_path, "lib/Py_Test-8.0.dist-info/METADATA")
    put(tmp_path, "lib/other-2.dist-info/METADATA")
    assert found(tmp_path, python("py-test", "8"), python("other", "3")) == {"py-test"}


def test_zip_archives_are_looked_into_and_scripts_are_none(tmp_path: Path) -> None:
    data = zip_of(
        [
            Member("program/pytest-8.0.dist-info/METADATA", b""),
            Member("node_modules/a/package.json", manifest("a").encode()),
        ]
    )
    put(tmp_path, "bin/program", b"#!/usr/bin/env python3\n" + data)
    put(tmp_path, "bin/script", "#!/bin/sh\n")
    put(tmp_path, "bin/broken", data[:40])
    assert found(tmp_path, python("pytest", "8.0"), npm("a"), npm("b")) == {"pytest", "a"}


def test_an_artifact_of_one_file_and_links(tmp_path: Path) -> None:
    file = tmp_path / OUTPUT.lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(zip_of([Member("pytest-8.0.dist-info/METADATA", b"")]))
    assert found(tmp_path, python("pytest", "8.0")) == {"pytest"}
    file.rename(file.with_name("elsewhere"))
    file.mkdir()
    (file / "link").symlink_to("../elsewhere")
    assert found(tmp_path, python("pytest", "8.0")) == set()
