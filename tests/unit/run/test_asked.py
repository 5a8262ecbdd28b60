"""How targets are written on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.run.asked import (
    Asked,
    DerivationPath,
    FileAttribute,
    FlakeAttribute,
    RecipeFile,
    StorePath,
    parse,
)

HELLO = "/nix/store/00000000000000000000000000000000-hello-1.0"


def flake(place: str, attribute: str, output: str | None = None) -> FlakeAttribute:
    return FlakeAttribute(place, attribute, "", output)


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("recipes/hello.toml", RecipeFile(Path("recipes/hello.toml"))),
        ("hello", RecipeFile(Path("hello"))),
        (f"{HELLO}.drv", DerivationPath(f"{HELLO}.drv")),
        (f"{HELLO}.drv^doc", DerivationPath(f"{HELLO}.drv", "doc")),
        (f"{HELLO}.drv!doc", DerivationPath(f"{HELLO}.drv", "doc")),
        (HELLO, StorePath(HELLO)),
        ("github:NixOS/nixpkgs/0123#hello", flake("github:NixOS/nixpkgs/0123", "hello")),
        ("git+https://git.example.org/a?dir=b#x.y", flake("git+https://git.example.org/a?dir=b", "x.y")),
        ("path:/a#b", flake("path:/a", "b")),
        ("https://example.org/a.tar.gz", flake("https://example.org/a.tar.gz", "")),
        ("/a/b#c", flake("/a/b", "c")),
        ("/a/b?dir=c#d", flake("/a/b?dir=c", "d")),
        ("/a/b#c.d^doc", flake("/a/b", "c.d", "doc")),
        ("github:o/r^doc", flake("github:o/r", "", "doc")),
        ('/a/b#"c^d"', flake("/a/b", '"c^d"')),
    ],
)
def test_a_word_is_one_kind_of_target(word: str, asked: Asked) -> None:
    assert parse(word) == asked


@pytest.mark.parametrize(
    ("output", "hint"),
    [("out,doc", f"{HELLO}.drv^out {HELLO}.drv^doc"), ("*", f"{HELLO}.drv^OUTPUT"), ("", "^OUTPUT")],
)
def test_a_target_is_one_output(output: str, hint: str) -> None:
    with pytest.raises(TallyError, match="names no one output") as caught:
        parse(f"{HELLO}.drv^{output}")
    assert hint in str(caught.value.hint)
    with pytest.raises(TallyError, match="names no one output"):
        parse(f".#hello^{output}")


def test_a_folder_is_a_flake_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse(".#hello") == parse("#hello") == parse("./#hello") == flake(str(tmp_path), "hello")
    assert parse(".") == RecipeFile(Path()), "a folder without flake.nix is none"
    (tmp_path / "flake.nix").touch()
    assert parse(".") == flake(str(tmp_path), "")


def test_with_a_file_a_word_is_an_attribute_unless_it_is_another_target_for_sure() -> None:
    file = Path("default.nix")
    assert parse("a.b", file) == FileAttribute(file, "a.b")
    for word in ("recipes/hello.toml", f"{HELLO}.drv", HELLO, "path:/a#b"):
        assert parse(word, file) == parse(word)


@pytest.mark.parametrize(
    "word",
    [
        "/gnu/store/00000000000000000000000000000000-hello.drv",
        "hello.drv",
        "/nix/store/hello.drv",
    ],
)
def test_a_derivation_elsewhere_is_refused(word: str) -> None:
    with pytest.raises(TallyError, match="no derivation in /nix/store"):
        parse(word)


@pytest.mark.parametrize(
    ("word", "told", "hint"),
    [
        ("./flake.nix", "is a Nix file", ".#NAME"),
        ("flake.nix", "is a Nix file", ".#NAME"),
        ("default.nix", "is a Nix file", "-f default.nix NAME"),
        ("/nix/store/x", "is no store path", "32 digits"),
        (f"{HELLO}^doc", "is no store path", "X.drv^OUTPUT"),
    ],
)
def test_what_is_nearly_a_target(
    word: str, told: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("flake.nix", "default.nix"):
        Path(name).touch()
    with pytest.raises(TallyError, match=told) as refused:
        parse(word)
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize("word", ["nixpkgs#hello", "flake:nixpkgs#hello", "flake:nixpkgs"])
def test_a_registrys_name_is_refused(word: str) -> None:
    with pytest.raises(TallyError, match="nixpkgs is a name for a registry") as refused:
        parse(word)
    assert refused.value.hint is not None
    assert "github:NixOS/nixpkgs/" in refused.value.hint
