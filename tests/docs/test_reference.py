"""The reference pages say what the program says: help, schemas, exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator.agreement.independence import LEVELS
from orchestrator.builders.configuration import Configuration
from orchestrator.evidence.shown import Shown, ShownBundle
from orchestrator.ground import key_address
from orchestrator.ground.errors import ExitCode
from orchestrator.policy.document import PolicyDocument
from orchestrator.policy.verdict import Code
from orchestrator.recipe.recipe import Recipe


def test_the_command_line_is_the_programs_own_help(repository: Path) -> None:
    tool = [sys.executable, str(repository / "tools/command_line_reference.py"), "--print"]
    done = subprocess.run(tool, capture_output=True, text=True, check=True)
    assert (repository / "docs/reference/command-line.md").read_text() == done.stdout, "run `make docs`"


def keys(schema: dict[str, Any]) -> Iterator[str]:
    """Every key that a JSON Schema knows."""
    for part in (schema, *schema.get("$defs", {}).values()):
        yield from part.get("properties", {})


@pytest.mark.parametrize(
    ("page", "model"),
    [("recipe.md", Recipe), ("tally-toml.md", Configuration), ("policy.md", PolicyDocument)],
    ids=["recipe", "tally.toml", "policy.toml"],
)
def test_every_key_is_explained_and_none_is_made_up(
    repository: Path, page: str, model: type[BaseModel]
) -> None:
    text = (repository / "docs/reference" / page).read_text()
    explained = set(re.findall(r"^\| `([a-z0-9_-]+)` \|", text, re.MULTILINE))
    if model is PolicyDocument:  # the words that `independence` takes have a table of their own
        explained -= set(LEVELS)
    assert explained == set(keys(model.model_json_schema()))


@pytest.mark.parametrize("model", [Shown, ShownBundle])
def test_every_field_of_what_show_prints_is_explained(repository: Path, model: type[BaseModel]) -> None:
    text = (repository / "docs/reference/show.md").read_text()
    assert not [key for key in keys(model.model_json_schema(by_alias=True)) if f"`{key}`" not in text]


def test_every_way_to_say_where_a_key_is_is_explained(repository: Path) -> None:
    text = (repository / "docs/reference/tally-toml.md").read_text().partition("## Where a key is")[2]
    words = [*key_address.SCHEMES, *key_address.TOKEN_ATTRIBUTES, *key_address.QUERY_ATTRIBUTES]
    assert len(words) > 12
    assert not [word for word in words if not re.search(rf"`[?&]?{word}\b", text)]


def test_every_exit_code_is_explained(repository: Path) -> None:
    text = (repository / "docs/reference/exit-codes.md").read_text()
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(ExitCode)


def test_every_reason_is_explained(repository: Path) -> None:
    text = (repository / "docs/reference/reasons.md").read_text()
    assert not [code for code in Code if f"`{code}`" not in text]
