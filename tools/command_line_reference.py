"""Writes docs/reference/command-line.md from the program's own `--help`; `--print` only shows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "command-line.md"
INTRODUCTION = """# The command line

Written by `make docs` from the program's own help; a test compares the two.

Data goes to standard output, everything else to standard error. [Exit codes](exit-codes.md) are the same
for all commands.
"""


def pages() -> Iterator[tuple[str, ...]]:
    """Every command, as the words after `tally`, in the order of its help."""
    import typer

    from orchestrator.cli.app import app

    yield ()
    yield from _below(typer.main.get_command(app), ())


def _below(group: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, command in getattr(group, "commands", {}).items():
        yield (*words, name)
        yield from _below(command, (*words, name))


def render() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for words in pages():
        done = subprocess.run(
            [Path(sys.prefix, "bin", "tally"), *words, "--help"],
            env={**os.environ, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=True,
        )
        text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        parts.append(f"## {' '.join(('tally', *words))}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.write(render())
    else:
        PAGE.write_text(render())
