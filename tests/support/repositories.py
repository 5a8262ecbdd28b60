"""Git repositories of the tests, and recipes that take their source from them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.wanted import Extras
from orchestrator.repositories.gitremote import export_remote


def run_git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "T", "GIT_AUTHOR_EMAIL": "t@example.org", "GIT_CONFIG_GLOBAL": "/dev/null"}
    identity |= {
        "GIT_COMMITTER_NAME": "T",
        "GIT_COMMITTER_EMAIL": "t@example.org",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **identity},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    """Commit all there is; the commit's id."""
    run_git(folder, "add", "--all", "--force")
    run_git(folder, "commit", "--quiet", "--message", "x")
    return run_git(folder, "rev-parse", "HEAD")


def path_recipe(path: str = "lib", **keys: bool) -> Recipe:
    """The recipe `own` with a path source."""
    return Recipe.model_validate(
        {
            "name": "own",
            "version": "1",
            "summary": "A test",
            "homepage": "https://example.org/",
            "license": "MIT",
            "source": {"path": path, **keys},
            "toolchain": {"from": "debian"},
            "build": {"script": "true"},
        }
    )


def content(folder: Path) -> dict[str, str | None]:
    """Every file and (None) empty folder of a tree."""
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.is_file() or not any(path.iterdir())
    }


def exported(address: Path | str, rev: str, folder: Path, **extras: bool) -> dict[str, str | None]:
    """What a git source's tree holds."""
    folder.mkdir()
    export_remote(str(address), rev, folder, Extras(**extras))
    return content(folder)
