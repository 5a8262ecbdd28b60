"""What is linked into programs, as they say themselves: a real compiler's ELF files with real sections."""

from __future__ import annotations

import json
import subprocess
import zlib
from pathlib import Path

import pytest
from vendor_folders import H1

from orchestrator.evidence.vendored.package import Within
from orchestrator.run.linked import linked
from orchestrator.run.shapes import elf_files

MODINFO = (
    "path\texample.org/app\nmod\texample.org/app\t(devel)\t\n"
    f"dep\tgithub.com/BurntSushi/toml\tv1.4.0\t{H1}\n"
    "dep\tgolang.org/x/net\tv0.30.0\n=>\tgolang.org/x/net\tv0.31.0\t\n"
    "dep\texample.org/own\tv0.0.0\n=>\t./own\t(devel)\t\nbuild\t-trimpath=true\n"
)
CRATES = {
    "packages": [
        {"name": "app", "version": "1.0.0", "source": "local", "root": True, "dependencies": [1]},
        {"name": "serde", "version": "1.0.219", "source": "crates" + ".io"},
        {"name": "cc", "version": "1.2.0", "source": "crates" + ".io", "kind": "build"},
        {"name": "forked", "version": "0.3.0", "source": "git"},
    ]
}


def varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7) if number > 0x7F else bytes([number])


def go(version: str = "go1.22.3", told: str = MODINFO, flags: int = 2) -> bytes:
    """A section as Go's linker writes it."""
    texts = (version.encode(), b"<" * 16 + told.encode() + b">" * 16)
    head = b"\xff Go buildinf:" + bytes([8, flags]) + bytes(16)
    return head + b"".join(varint(len(text)) + text for text in texts) + bytes(7)


def auditable(told: object = CRATES) -> bytes:
    return zlib.compress(json.dumps(told).encode())


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ELF file of the compiler's, without sections of ours."""
    folder = tmp_path_factory.mktemp("elf")
    (folder / "a.c").write_text("int f(void) { return 1; }\n")
    subprocess.run(["cc", "-c", "a.c", "-o", "a.o"], cwd=folder, check=True)
    return folder / "a.o"


def program(path: Path, bare: Path, **sections: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    words = []
    for name, data in sections.items():
        file = path.with_name(f"{path.name}.{name}")
        file.write_bytes(data)
        words += ["--add-section", f"{'.dep-v0' if name == 'crates' else '.go.buildinfo'}={file}"]
    subprocess.run(["objcopy", *words, bare, path], check=True)
    for name in sections:
        path.with_name(f"{path.name}.{name}").unlink()


def read(path: Path) -> Within:
    return linked(path, list(elf_files(path)))


def test_modules_and_crates_are_told_with_the_files_that_they_are_in(tmp_path: Path, bare: Path) -> None:
    program(tmp_path / "bin/one", bare, go=go())
    program(tmp_path / "bin/two", bare, go=go("go1.23 X:boringcrypto", "path\tx\n"), crates=auditable())
    program(tmp_path / "lib/three.so", bare)
    (tmp_path / "bin/script").write_text("#!/bin/sh\n")
    (tmp_path / "bin/link").symlink_to("one")
    found = read(tmp_path)
    assert found.unread == ()
    notes = {each.purl: each.notes for each in found.packages}
    assert set(notes) == {
        "pkg:golang/github.com/burntsushi/toml@v1.4.0",
        "pkg:golang/golang.org/x/net@v0.31.0",
        "pkg:golang/stdlib@1.22.3",
        "pkg:golang/stdlib@1.23",
        "pkg:cargo/serde@1.0.219",
        "pkg:cargo/forked@0.3.0",
    }
    toml = notes["pkg:golang/github.com/burntsushi/toml@v1.4.0"]
    assert toml[0] == "Linked into bin/one, as that says itself."
    assert H1 in toml[1]
    assert "in place of golang.org/x/net v0.30.0" in notes["pkg:golang/golang.org/x/net@v0.31.0"][1]
    assert "from: git" in notes["pkg:cargo/forked@0.3.0"][1]


def test_one_package_in_many_files_is_one_component(tmp_path: Path, bare: Path) -> None:
    for number in range(5):
        program(tmp_path / f"bin/p{number}", bare, go=go(told=""))
    (found,) = read(tmp_path).packages
    assert found.notes[0] == "Linked into bin/p0, bin/p1, bin/p2 and 2 more, as that says itself."


@pytest.mark.parametrize(
    ("section", "data", "said"),
    [
        ("go", b"\xff Go build", "has not the form"),
        ("go", go(flags=0), "Go before 1.18"),
        ("go", go()[:60], "cut off"),
        ("go", go()[:32] + b"\xff" * 40, "cut off"),
        ("go", go("go\n1"), "Go's version is not one word"),
        ("go", go(told="dep\t\tv1\n"), "a module is not one word"),
        ("crates", b"no", ".dep-v0 is not JSON in zlib"),
        ("crates", zlib.compress(b"{}" + b" " * (9 << 20)), "has no list of packages"),
        ("crates", zlib.compress(b" " * (9 << 20) + b"{}"), ".dep-v0 is not JSON in zlib"),
        ("crates", auditable([]), "has no list of packages"),
        ("crates", auditable({"packages": [{"version": "1"}]}), "the name of package 1 is lacking"),
    ],
)
def test_what_is_not_what_it_seems_is_told_by_its_file(
    section: str, data: bytes, said: str, tmp_path: Path, bare: Path
) -> None:
    program(tmp_path / "bin/bad", bare, **{section: data})
    program(tmp_path / "bin/good", bare, crates=auditable())
    found = read(tmp_path)
    assert {each.name for each in found.packages} >= {"serde", "forked"}
    (sentence,) = found.unread
    assert sentence.startswith("What is linked into bin/bad was not read: ")
    assert said in sentence


@pytest.mark.parametrize("kept", [4, 20, 63, 64, 200])
def test_an_elf_file_that_was_cut_off(kept: int, tmp_path: Path, bare: Path) -> None:
    (tmp_path / "cut").write_bytes(bare.read_bytes()[:kept])
    (sentence,) = read(tmp_path).unread
    assert "it is no whole ELF file" in sentence


def test_a_compressed_section_is_told_and_not_unpacked(tmp_path: Path, bare: Path) -> None:
    (tmp_path / "section").write_bytes(bytes(100_000))
    made = tmp_path / "bin/bad"
    made.parent.mkdir()
    for words in (
        ("--add-section", f".debug_x={tmp_path / 'section'}", bare, made),
        ("--compress-debug-sections=zlib", made),
        ("--rename-section", ".debug_x=.dep-v0", made),
    ):
        subprocess.run(["objcopy", *words], check=True)
    assert made.stat().st_size < 50_000
    assert ".dep-v0 is compressed" in read(tmp_path).unread[0]
