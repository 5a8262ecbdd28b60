"""Frozen dataclasses that cost next to nothing to define: for what a cold `tally verify` imports.

For a type checker they are the standard library's own, so that fields and their types are checked as ever.
At run time their methods are closures (defining.py), where the standard library compiles each one's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    from orchestrator.ground.defining import dataclass, field, replace

__all__ = ["dataclass", "field", "replace"]
