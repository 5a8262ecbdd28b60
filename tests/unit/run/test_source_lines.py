"""The lines of a source that are shown: of what writes values, and not of what pins or describes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from synthetic import derivation

from orchestrator.diagnosis.names import Name
from orchestrator.run.source_lines import lines_for

RECIPE = """\
name = "app"
[build]
script = '''
gzip -9 "date"
'''
"""


def files_with_lines(folder: Path) -> list[str]:
    source = f"/nix/store/{'a' * 32}-source"
    lib = derivation("lib")
    built = replace(lib, env={**lib.env, "tallySources": f"{source} {source}"})
    store = SimpleNamespace(physical=lambda path: folder if path == source else Path("/nowhere"))
    found = lines_for(cast("Any", store), built, [Name.TIMESTAMP])
    return [f"{hint.file}:{hint.line}" for hint in found]


@pytest.mark.parametrize(
    "name",
    [
        "tally.lock",
        "tally.toml",
        "web/pnpm-lock.yaml",
        "package-lock.json",
        "yarn.lock",
        "go.sum",
        "requirements-dev.txt",
        "pylock.dev.toml",
        "node_modules/gzip/index.js",
        "vendor/example.org/gzip/gzip.go",
    ],
)
def test_what_pins_or_is_of_others_writes_nothing(tmp_path: Path, name: str) -> None:
    for file in (name, "make.sh", "vendor.sh", "lock.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("gzip it\n")
    assert files_with_lines(tmp_path) == ["lock.py:1", "make.sh:1", "vendor.sh:1"]


def test_recipes_are_no_source(tmp_path: Path) -> None:
    for file, text in {"recipes/app.toml": RECIPE, "tasks.toml": "run = 'gzip it'\n"}.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    assert files_with_lines(tmp_path) == ["tasks.toml:1"]
