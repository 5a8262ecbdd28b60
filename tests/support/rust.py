"""A Rust project of the tests, and a cargo configuration that knows its registries on loopback."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crates import CargoRegistry, crates_of, packed

PROJECTS = Path(__file__).parents[1] / "projects"
_SMALL = """\
fn main() {
    let lines = std::io::stdin().lines().count();
    println!("lines {}", itoa::Buffer::new().format(lines));
}
"""
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
    """A small project that has no recipe yet, committed; the lock's sets lie there, which needs no index."""
    folder.mkdir()
    lock = (PROJECTS / "rust/Cargo.lock").read_text().split("\n\n")
    itoa = next(each for each in lock if 'name = "itoa"' in each)
    own = '[[package]]\nname = "stick"\nversion = "0.1.0"\ndependencies = ["itoa"]'
    for name, text in {
        "Cargo.toml": '[package]\nname = "stick"\nversion = "0.1.0"\n[dependencies]\nitoa = "1"\n',
        "Cargo.lock": f"version = 3\n\n{itoa}\n\n{own}\n",
        "src/main.rs": _SMALL,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    commit(folder)
    shutil.copyfile(PROJECTS / "rust/tally.lock", folder / "tally.lock")
    return folder


def commit(folder: Path) -> None:
    git = ("git", "-C", str(folder))
    if not (folder / ".git/HEAD").exists():
        subprocess.run([*git, "init", "--quiet"], check=True)
    for key, value in (("user.name", "Reader"), ("user.email", "reader@example.org")):
        subprocess.run([*git, "config", key, value], check=True)
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "As it is"], check=True)
