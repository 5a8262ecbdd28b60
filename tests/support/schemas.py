"""JSON Schemas, and what forges' own say of a file, in the test's own process.

jsonschema imports forty grammars of addresses (RFC 3987) that take two seconds to prepare. Hardly a schema
asks for one, so each is prepared when it is first asked.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lark
from click.testing import CliRunner


class _Late:
    """What reads by a grammar, and is made when it is first to read."""

    def __init__(self, *words: Any, **options: Any) -> None:
        self._words, self._options = words, options

    @cached_property
    def _made(self) -> lark.Lark:
        return lark.Lark(*self._words, **self._options)

    def parse(self, *words: Any, **options: Any) -> lark.ParseTree:
        return self._made.parse(*words, **options)


with patch("lark.Lark", _Late):
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from check_jsonschema import main  # type: ignore[import-untyped]  # noqa: E402

__all__ = ["Draft202012Validator", "refusal"]


def refusal(file: Path, schema: str, *more: str) -> str | None:
    """Why check-jsonschema refuses that file by a schema that it brings; None: it does not."""
    done = CliRunner().invoke(main, ["--builtin-schema", schema, *more, str(file)])
    assert done.exit_code in (0, 1), done.output
    return done.output if done.exit_code else None
