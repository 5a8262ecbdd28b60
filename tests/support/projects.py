"""A project of the tests: recipes of its own, the repository's lock, a release key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smallest import with_smallest

HEAD = """\
name = "{name}"
version = "1.0"
summary = "A recipe of the tests"
homepage = "https://example.org/"
license = "MIT"
{more}
[toolchain]
from = "debian"
packages = []

[build]
script = '''
{script}
'''
"""


class Project:
    """A folder with recipes of its own, the repository's lock with the smallest set beside, and a key."""

    def __init__(self, folder: Path, tally: Any, repository: Path) -> None:
        self.folder, self.tally = folder, tally
        (folder / "recipes").mkdir()
        (folder / "tally.lock").write_text(with_smallest(repository / "tally.lock"))
        tally("keys", "generate", "release").succeeded()

    def recipe(self, name: str, script: str, more: str = "", tail: str = "") -> Path:
        path = self.folder / "recipes" / f"{name}.toml"
        path.write_text(HEAD.format(name=name, script=script, more=more) + tail)
        return path

    def build(self, *recipes: Path, key: bool = True, more: tuple[str, ...] = ()) -> Any:
        return self.tally("build", *recipes, *(("--key", "release.key") if key else ()), *more)

    @property
    def releases(self) -> list[str]:
        folder = self.folder / "releases"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
