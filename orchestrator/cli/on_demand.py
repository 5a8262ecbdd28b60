"""Commands that are imported, and their options read, when they are asked for: each costs its own start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup, TyperOption

from orchestrator.cli.completion import HELP

COMMANDS: Final[Mapping[str, str | None]] = {
    "init": None,
    "build": None,
    "plan": None,
    "lock": None,
    "sbom": None,
    "publish": None,
    "fetch": None,
    "verify": None,
    "rebuild": None,
    "diagnose": None,
    "history": None,
    "logs": None,
    "shell": None,
    "show": None,
    "explain": None,
    "compare": None,
    "report": None,
    "schema": None,
    "clean": None,
    "doctor": None,
    "attest": None,
    "builder": "List builders, add one, see whether they work.",
    "policy": "Check a policy, and see what it finds in a release.",
    "keys": "Make, replace and show signing keys.",
    "ledger": "The ledger of what was built here.",
    "log": "Show and check the transparency log of what was signed here.",
}
"""Each is a function, or a group of commands with this help, of its own name in a module of that name."""


class OnDemand(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()  # type: ignore[assignment]  # nothing is ever added

    def get_params(self, context: Any) -> Any:
        """Those of Typer's own, too, in our words."""
        found = super().get_params(context)
        for each in found:
            if each.name in HELP and isinstance(each, TyperOption):
                each.help = HELP[each.name]
        return found


class _Commands(Mapping[str, Any]):
    """Name to command, in the order of the help."""

    def __getitem__(self, name: str) -> Any:
        return command(name)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def command(name: str) -> Any:
    """The command or group of that name, with its options. Raises KeyError."""
    told = COMMANDS[name]
    found = getattr(import_module(f"orchestrator.cli.{name}"), name)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name, help=told)
        return typer.main.get_group(alone).commands[name]
    alone.command()(found)
    return typer.main.get_command(alone)
