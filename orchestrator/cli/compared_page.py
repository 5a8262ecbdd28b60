"""What `tally compare` found as one page: no address outside, no script, every text escaped."""

from __future__ import annotations

from html import escape
from typing import Final

from orchestrator.cli.text import harmless
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted
from orchestrator.places.place import Place

_MOST: Final = 10_000
"""Places that a page has: more are counted, and nobody reads them."""
_STYLE: Final = """\
:root { color-scheme: light dark; --line: #8886; --a: #b3261e; --b: #146c2e; }
@media (prefers-color-scheme: dark) { :root { --a: #ff8a80; --b: #7bd88f; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: .4rem; border-top: 1px solid var(--line); }
td { overflow-wrap: anywhere; }
code { font: .875rem/1.4 ui-monospace, monospace; white-space: pre-wrap; }
.a code { color: var(--a); } .b code { color: var(--b); } .follows { opacity: .75; }
"""


class Page:
    """A page that places are added to as they come."""

    def __init__(self, words: tuple[str, str]) -> None:
        self._words = words
        self._rows: list[str] = []
        self._file: str | None = None
        self._places = self._files = 0

    def add(self, place: Place) -> None:
        """One more place."""
        self._places += 1
        self._files += place.file != self._file
        if self._places <= _MOST:
            if place.file != self._file:
                self._rows.append(f"{'</table>' if self._rows else ''}{_title(place.file)}{_HEAD}")
            self._rows.append(_row(place))
        self._file = place.file

    def whole(self, result: str, unfinished: TallyError | None) -> bytes:
        """The page, in UTF-8."""
        said = [f"<strong>{escape(result)}</strong>"]
        if self._places:
            said.append(f"{counted(self._files, 'file')}, {counted(self._places, 'place')}")
        if unfinished is not None:
            said.append(_text(unfinished.message))
        if self._places > _MOST:
            said.append(f"the first {_MOST} are shown")
        one, other = (f"<code>{_text(word)}</code>" for word in self._words)
        body = "".join(self._rows) + ("</table>" if self._rows else "")
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>tally compare: {escape(result)}</title><style>{_STYLE}</style></head>\n"
            f"<body><main><h1>Compared</h1><p>A is {one}<br>B is {other}</p><p>{'; '.join(said)}</p>\n"
            f"{body}</main></body></html>\n"
        ).encode("utf-8", "backslashreplace")


_HEAD: Final = (
    '<table><thead><tr><th scope="col">where</th><th scope="col">in A</th><th scope="col">in B</th>'
    '<th scope="col">looks like</th></tr></thead>\n'
)


def _title(file: str) -> str:
    return "<h2>A and B themselves</h2>" if file == "." else f"<h2><code>{_text(file)}</code></h2>"


def _row(place: Place) -> str:
    from orchestrator.cli.places import head_of

    one, other = (f"<code>{_text(value)}</code>" for value in place.values)
    more = ["it follows from what else differs"] if place.mirrors else []
    more += [place.note] if place.note else []
    hint = "; ".join([str(place.cause), *more])
    kind = ' class="follows"' if place.mirrors else ""
    where = _text(head_of(place) or str(place.aspect))
    cells = f'<td>{where}</td><td class="a">{one}</td><td class="b">{other}</td><td>{_text(hint)}</td>'
    return f"<tr{kind}>{cells}</tr>\n"


def _text(said: str) -> str:
    return escape(harmless(said))
