"""`tally schema`: the JSON Schema of a file that people write or review, or that a program reads."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel


class Document(StrEnum):
    """What has a schema."""

    RECIPE = "recipe"
    LOCK = "lock"
    CONFIG = "config"
    POLICY = "policy"
    REPORT = "report"
    SHOW = "show"


def schema(
    document: Annotated[
        Document, typer.Argument(metavar="recipe|lock|config|policy|report|show", help="Which file's schema.")
    ],
) -> None:
    """Print the JSON Schema (2020-12) of a recipe, tally.lock, tally.toml, a policy, report.json, or of show.

    `show`: what `tally show --json` prints.
    """
    from orchestrator.cli.text import print_json

    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    print_json(dialect | _model(document).model_json_schema(by_alias=True))


def _model(document: Document) -> type[BaseModel]:
    match document:
        case Document.RECIPE:
            from orchestrator.recipe.recipe import Recipe

            return Recipe
        case Document.LOCK:
            from orchestrator.recipe.lock import Lock

            return Lock
        case Document.CONFIG:
            from orchestrator.builders.configuration import Configuration

            return Configuration
        case Document.POLICY:
            from orchestrator.policy.document import PolicyDocument

            return PolicyDocument
        case Document.REPORT:
            from orchestrator.report.document import Report

            return Report
        case Document.SHOW:
            from orchestrator.evidence.shown import Shown

            return Shown
