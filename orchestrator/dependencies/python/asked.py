"""What a recipe asks of a Python project's lock. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.dependencies.python.interpreter import Interpreter
from orchestrator.ground.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a lock that a build is to have."""

    interpreter: Interpreter
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """Besides what is shipped: groups that serve building or testing."""
    package: str | None = None
    """Of a workspace: whose dependencies; None: those of the project at its top."""
    venv: bool = False
    """Whether all of it is to be installed into a virtual environment, too."""
    names: Mapping[str, str] = field(default_factory=dict)
    """By sha256, what the files that requirements.txt pins are called."""
