"""Writes the tables of codes in docs/reference from orchestrator/cli/codes.toml; a test compares the two."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.codes import TABLES, tables_in

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"

if __name__ == "__main__":
    for name in sorted({page for page, _ in TABLES.values()}):
        page = REFERENCE / name
        text = page.read_text()
        if (wanted := tables_in(name, text)) != text:
            page.write_text(wanted)
