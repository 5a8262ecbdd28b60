"""A Rust project of the tests, and a cargo configuration that knows its registries on loopback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crates import CargoRegistry, crates_of, packed

PROJECTS = Path(__file__).parents[1] / "projects"
TOKEN = "a token of the tests"


@contextmanager
def registries(state: Path, home: Path) -> Iterator[Path]:
    """Both registries on loopback, and the CARGO_HOME that has them stand in for the real ones.

    The second one, with a crate of the project's owner's, wants a token.
    """
    home.mkdir(parents=True)
    with (
        CargoRegistry(crates_of(state)).running() as first,
        CargoRegistry([packed(PROJECTS / "notch")], token=TOKEN).running() as second,
    ):
        (home / "config.toml").write_text(
            '[source.crates-io]\nreplace-with = "near"\n'
            f'[source.near]\nregistry = "{first.index}"\n'
            '[source.own]\nregistry = "https://crates.example.org/index"\nreplace-with = "ours"\n'
            f'[registries.ours]\nindex = "{second.index}"\n'
        )
        (home / "credentials.toml").write_text(f'[registries.ours]\ntoken = "{TOKEN}"\n')
        yield home


def repository(folder: Path) -> Path:
    """The project with its recipe and lock, committed."""
    shutil.copytree(PROJECTS / "rust", folder, ignore=lambda *_: {"crates.txt"})
    commit(folder)
    return folder


def before(folder: Path) -> Path:
    """The project before it has a recipe, committed; the lock's sets lie there, which needs no index."""
    shutil.copytree(PROJECTS / "rust", folder, ignore=lambda *_: {"crates.txt", "recipes", "tally.lock"})
    commit(folder)
    shutil.copyfile(PROJECTS / "rust/tally.lock", folder / "tally.lock")
    return folder


def commit(folder: Path) -> None:
    git = ("git", "-C", str(folder))
    if not (folder / ".git").exists():
        subprocess.run([*git, "init", "--quiet"], check=True)
    for key, value in (("user.name", "Reader"), ("user.email", "reader@example.org")):
        subprocess.run([*git, "config", key, value], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "As it is"], check=True)
