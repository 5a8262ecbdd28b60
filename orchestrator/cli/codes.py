"""Every code that `tally` prints, with one text each, for `tally explain` and for the reference pages. Pure.

The texts are in codes.toml, but what to do about a cause, which diagnoses print, too.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from orchestrator.diagnosis.cures import CURES
from orchestrator.diagnosis.names import Name
from orchestrator.ground.values import dataclass

_LINK: Final = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_NEAR: Final = 5


class Kind(StrEnum):
    """What a code is told of."""

    EXIT = "exit"
    ERROR = "error"
    REASON = "reason"
    RULE = "rule"
    CAUSE = "cause"
    VERDICT = "verdict"
    REBUILD = "rebuild"
    LEVEL = "level"


TITLES: Final = {
    Kind.EXIT: "exit code of every command",
    Kind.ERROR: "kind of error, in `--json`",
    Kind.REASON: "why a release or a bundle is refused, whatever the policy",
    Kind.RULE: "why a policy refuses a release",
    Kind.CAUSE: "why builds differ",
    Kind.VERDICT: "what became of a target, in `tally history` and the report",
    Kind.REBUILD: "what a rebuild came to",
    Kind.LEVEL: "how independent builders are",
}
TABLES: Final = {
    Kind.EXIT: ("exit-codes.md", ("code", "means", "examples", "what to do")),
    Kind.ERROR: ("exit-codes.md", ("error", "means", "what to do")),
    Kind.REBUILD: ("exit-codes.md", ("rebuild", "means", "what to do")),
    Kind.REASON: ("reasons.md", ("reason", "means", "what to do")),
    Kind.RULE: ("reasons.md", ("rule", "means", "what to do")),
    Kind.LEVEL: ("policy.md", ("level", "means", "what to do for more")),
    Kind.CAUSE: ("causes.md", ("cause", "what differs for it", "proven by", "usual cure")),
    Kind.VERDICT: ("report.md", ("verdict", "means", "what to do")),
}
"""The page in docs/reference that a kind's table is on, and the table's columns."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A code. The texts are Markdown."""

    name: str
    kind: Kind
    means: str
    way_out: str
    more: str = ""
    """Examples of an exit code; what proves a cause."""

    @property
    def row(self) -> str:
        """Its line in the table of a reference page."""
        name = self.name if self.kind is Kind.EXIT else f"`{self.name}`"
        cells = [name, self.means, *([self.more] if self.more else []), self.way_out]
        return f"| {' | '.join(cells)} |"


@cache
def codes() -> tuple[Explained, ...]:
    """All of them, in the order of the tables."""
    text = files("orchestrator.cli").joinpath("codes.toml").read_text("utf-8")
    return tuple(map(_explained, tomllib.loads(text)["code"]))


def _explained(said: dict[str, Any]) -> Explained:
    kind = Kind(said["kind"])
    way_out = CURES[Name(said["name"])] if kind is Kind.CAUSE else said["do"]
    return Explained(said["name"], kind, said["means"], way_out, said.get("more", ""))


def named(word: str) -> list[Explained]:
    """Those of that name, however it is written: `DIGEST_MISMATCH`, `agreed under variation`."""
    wanted = _plain(word)
    return [each for each in codes() if _plain(each.name) == wanted]


def near(word: str) -> list[str]:
    """Names that are spelt alike, or have that word in them; the nearest first."""
    wanted = _plain(word)
    names = {_plain(each.name): each.name for each in codes()}
    found = dict.fromkeys(get_close_matches(wanted, names, n=_NEAR, cutoff=0.6))
    found |= dict.fromkeys(each for each in names if len(wanted) > 2 and wanted in each)
    return [names[each] for each in found][:_NEAR]


def plain(markdown: str) -> str:
    """A text without its links."""
    return _LINK.sub(r"\1", markdown)


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "-", word.strip().strip("`[]:").lower())


def tables_in(page: str, text: str) -> str:
    """A reference page's text with the rows of its tables of codes as they are here."""
    lines = text.split("\n")
    for kind, (of, columns) in TABLES.items():
        if of == page:
            lines = list(_with_rows(lines, columns, [each.row for each in codes() if each.kind is kind]))
    return "\n".join(lines)


def _with_rows(lines: Sequence[str], columns: Sequence[str], rows: Sequence[str]) -> Iterator[str]:
    head = [f"| {' | '.join(columns)} |", f"| {' | '.join('---' for _ in columns)} |"]
    place = lines.index(head[0])
    end = place + len(head)
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    yield from (*lines[:place], *head, *rows, *lines[end:])
