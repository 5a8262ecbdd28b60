"""How crates are laid out, in plain bash: folders by registry, and nothing of one crate in another's."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "orchestrator/nix/dependencies-cargo.sh"
DEFAULT = "mirror://cargo/a/a-1.0.0.crate"


def crate(folder: Path, *members: tuple[str, bytes | str]) -> Path:
    """A packed crate of these members; a text is where a link leads."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, held in members:
            member = tarfile.TarInfo(name)
            if isinstance(held, str):
                member.type, member.linkname = tarfile.SYMTYPE, held
                tar.addfile(member)
            else:
                member.size = len(held)
                tar.addfile(member, io.BytesIO(held))
    data = gzip.compress(plain.getvalue())
    path = folder / f"{hashlib.sha256(data).hexdigest()[:8]}.crate"
    path.write_bytes(data)
    return path


def lay_out(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    (folder / "list").write_text("".join(f"{line}\n" for line in lines))
    (folder / "out").mkdir()
    steps = '. "$1"; tally_lay_out_cargo "$2"; tally_enter_cargo "$out"'
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", steps, "-", str(SCRIPT), str(folder / "list")],
        env={"PATH": "/usr/bin:/bin", "out": str(folder / "out"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_for_each_registry(tmp_path: Path) -> None:
    one = crate(
        tmp_path, ("a-1.0.0/Cargo.toml", b"[package]"), ("a-1.0.0/.cargo-checksum.json", "../../list")
    )
    two = crate(tmp_path, ("b-0.1.0/Cargo.toml", b""))
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "Cargo.toml").write_text("[workspace]\n")
    (tree / "sub/Cargo.toml").write_text('[dependencies]\nname = "d"\n[package]\nname = "c"\n')
    done = lay_out(
        tmp_path,
        f"{one} a-1.0.0.crate a 1.0.0 sha256:11 - {DEFAULT} -",
        f"{two} b-0.1.0.crate b 0.1.0 sha256:22 - sparse+https://crates.example.org/#b/b-0.1.0.crate -",
        f"{tree} c-0.2.0-33 c 0.2.0 sha256:33 33 git+https://git.example.org/c@33 "
        "git+https://git.example.org/c?branch=main#33",
    )
    assert done.returncode == 0, done.stderr
    vendor = tmp_path / "out/vendor"
    found = {path.relative_to(vendor).as_posix() for path in vendor.rglob("*") if path.is_file()}
    crates = ("0/a-1.0.0", "1/b-0.1.0", "2/c-0.2.0")
    assert found == {
        "2/Cargo.toml",
        *(f"{each}/{name}" for each in crates for name in (".cargo-checksum.json", "Cargo.toml")),
    }
    sums = [json.loads((vendor / each / ".cargo-checksum.json").read_text())["package"] for each in crates]
    assert sums == ["11", "22", None]
    assert (tmp_path / "list").read_text().startswith(str(tmp_path)), "nothing is written through a link"
    source = tomllib.loads((tmp_path / ".cargo/config.toml").read_text())["source"]
    assert source["crates-io"] == {"replace-with": "tally-vendor/0"}
    assert source["vendor/1"]["registry"] == "sparse+https://crates.example.org/"
    assert source["vendor/2"] == {
        "git": "https://git.example.org/c",
        "branch": "main",
        "replace-with": "tally-vendor/2",
    }
    assert source["tally-vendor/2"] == {"directory": f"{tmp_path}/.cargo/vendor/2"}


@pytest.mark.parametrize(
    "members",
    [
        (("a-1.0.0/Cargo.toml", b""), ("b-0.1.0/Cargo.toml", b"")),
        (("b-0.1.0/Cargo.toml", b""),),
        (("a-1.0.0", "/etc"),),
        (("Cargo.toml", b""),),
    ],
    ids=["another crate beside it", "another crate", "a link", "no folder"],
)
def test_a_crate_that_holds_another_folder(
    members: tuple[tuple[str, bytes | str], ...], tmp_path: Path
) -> None:
    done = lay_out(tmp_path, f"{crate(tmp_path, *members)} a-1.0.0.crate a 1.0.0 sha256:11 - {DEFAULT} -")
    assert done.returncode != 0
    assert "tally: the crate a-1.0.0 does not hold one folder of that name" in done.stderr


def test_a_repository_without_the_package(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    line = f"{tmp_path}/tree c-0.2.0-33 c 0.2.0 sha256:33 33 git+https://g.example.org/c@33 git+https://g.example.org/c#33"
    done = lay_out(tmp_path, line)
    assert done.returncode != 0
    assert "tally: the repository holds no package c" in done.stderr
