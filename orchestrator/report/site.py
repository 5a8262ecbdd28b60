"""The site's pages, one after another: one at a time is in memory. Pure but for templates.

jinja2 is imported here alone, by whoever makes a site.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from orchestrator.diagnosis.names import SENTENCES
from orchestrator.evidence.canonical import seconds
from orchestrator.ground.wording import counted
from orchestrator.ledger.entries import Verdict
from orchestrator.report.course import Event
from orchestrator.report.document import Package, Report
from orchestrator.report.drawing import badge_of, badge_of_share, chart
from orchestrator.report.feed import FEED, feed
from orchestrator.report.graph import Closure, draw
from orchestrator.report.plain import plain, slug
from orchestrator.report.sides import Row
from orchestrator.report.verdicts import DECIDED, MEANING, word

LARGEST: Final = 1_000_000
"""Bytes of a page."""
ROWS: Final = 300
"""Packages in a table of one page."""
_LATEST: Final = 20
_PART: Final = 4000  # packages in a part of what is searched
_EVENTS: Final = 50
_TEMPLATES: Final = Path(__file__).with_name("templates")
_AS_THEY_ARE: Final = ("style.css", "script.js", "icon.svg")


@dataclass(frozen=True, slots=True)
class Diff:
    """Two results of one file."""

    name: str
    sides: tuple[str, str]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Details:
    """What a package's page has beyond the document: read when the page is made, and dropped after it."""

    closure: Closure | None = None
    diffs: tuple[Diff, ...] = ()
    more_diffs: int = 0
    """Files that differ and are not among the diffs."""
    tails: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A log's name and its last lines."""
    events: tuple[Event, ...] = ()
    """The oldest first."""


Detailed = Callable[[Package], Details]


@dataclass(frozen=True, slots=True)
class _List:
    stem: str
    said: str
    packages: Sequence[Package]
    caption: str
    meaning: str = ""


def pages(report: Report, details: Detailed) -> Iterator[tuple[str, bytes]]:
    """Each file's name and what it holds; what links to others comes after them."""
    maker = _Maker(report)
    for name in _AS_THEY_ARE:
        yield name, (_TEMPLATES / name).read_bytes()
    for package in report.packages:
        yield f"badge/{_stem(package)}.svg", badge_of(package.verdict)
        yield package.page, maker.package(package, details(package))
    yield "badge/share.svg", badge_of_share(report.share)
    yield from maker.causes()
    yield from maker.lists()
    yield from _searched(report)
    yield FEED, feed(report)
    yield "report.json", document(report)
    yield "index.html", maker.index()


def document(report: Report) -> bytes:
    """The bytes of report.json."""
    return report.model_dump_json(by_alias=True, exclude_none=False, indent=1).encode() + b"\n"


def shown_name(package: Package) -> str:
    """What a package is called where many are listed: with what was asked for, where that tells more."""
    own = package.target in (package.name, f"#{package.name}", "#default")
    return package.name if own else f"{package.name} ({package.target})"


def cause_of(package: Package) -> str:
    """The likeliest cause's name; nothing where none is told."""
    return next((each.causes[0].name for each in package.culprits if each.causes), "")


def cause_page(name: str, number: int = 1) -> str:
    """Where packages with a cause are listed."""
    return f"cause-{slug(name)}-{number}.html"


def _stem(package: Package) -> str:
    return package.page.removeprefix("p/").removesuffix(".html")


def _searched(report: Report) -> Iterator[tuple[str, bytes]]:
    """What the script looks through, as scripts: a page that was opened as a file may fetch no JSON."""
    rows = [
        [
            plain(shown_name(each), 120),
            plain(each.system, 40),
            each.page,
            each.verdict.value,
            seconds(each.since),
            len(each.builders),
            plain(cause_of(each), 60),
        ]
        for each in report.packages
    ]
    parts = [rows[start : start + _PART] for start in range(0, len(rows), _PART)] or [[]]
    for number, part in enumerate(parts):
        text = json.dumps(part, separators=(",", ":")).replace("<", "\\u003c")
        count = f"window.tallyParts={len(parts)};" if number == 0 else ""
        yield f"search-{number}.js", f"{count}tallyRows({text});\n".encode()


class _Maker:
    """Renders templates with what every page knows."""

    def __init__(self, report: Report) -> None:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        self._report = report
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {
            "plain": plain,
            "block": _block,
            "seconds": seconds,
            "urlpath": quote,
            "counted": counted,
            "cause": cause_of,
            "causepage": cause_page,
            "drvname": _drv_name,
            "word": word,
            "shown": shown_name,
        }
        self._environment.globals |= {
            "title": plain(report.title, 120),
            "updated": seconds(report.updated) if report.updated else "",
            "meaning": MEANING,
        }
        self._templates = {
            name: self._environment.get_template(f"{name}.html")
            for name in ("index", "list", "causes", "package")
        }
        self._causes = _causes(report)

    def index(self) -> bytes:
        report = self._report
        latest = sorted(report.packages, key=lambda each: each.since, reverse=True)[:_LATEST]
        return self._render(
            "index",
            here="index",
            share=report.share,
            decided=sum(report.counts.get(one, 0) for one in DECIDED),
            counts=[(one, report.counts.get(one, 0)) for one in Verdict],
            chart=chart(report.history),
            history=report.history,
            causes=[(name, cause_page(name), len(some)) for name, some in self._causes[:40]],
            latest=latest,
        )

    def package(self, package: Package, details: Details) -> bytes:
        made = self._package(package, details)
        if len(made) <= LARGEST:
            return made
        less = replace(details, diffs=(), more_diffs=details.more_diffs + len(details.diffs), tails=())
        shorter = package.model_copy(update={"culprits": package.culprits[:3]})
        return self._package(shorter, less)

    def causes(self) -> Iterator[tuple[str, bytes]]:
        for name, some in self._causes:
            caption = "Packages with a place of which it is the likeliest cause"
            shown = _List(f"cause-{slug(name)}", plain(name, 60), some, caption, _meaning(name))
            for number, page in self._paged(shown, "causes"):
                yield cause_page(name, number), page
        rows = [
            (name, cause_page(name), len(some), sum(_proven(each, name) for each in some))
            for name, some in self._causes
        ]
        yield "causes.html", self._render("causes", here="causes", causes=rows[:2000])

    def lists(self) -> Iterator[tuple[str, bytes]]:
        every = self._report.packages
        by_time = sorted(every, key=lambda each: each.since, reverse=True)
        found = [
            _List("packages", "All packages, by name", every, "Every package, by name"),
            _List(
                "latest",
                "All packages, the latest change first",
                by_time,
                "Every package, the latest change first",
            ),
            *(
                _List(
                    word(one),
                    one.value,
                    [each for each in every if each.verdict is one],
                    f"Packages: {one.value}, by name",
                    MEANING[one],
                )
                for one in Verdict
            ),
        ]
        lists = [(each.stem, each.said, len(each.packages)) for each in found]
        for each in found:
            for number, page in self._paged(each, "packages", lists):
                yield f"{each.stem}-{number}.html", page

    def _paged(
        self, one: _List, here: str, lists: Sequence[tuple[str, str, int]] = ()
    ) -> Iterator[tuple[int, bytes]]:
        count = max(1, -(-len(one.packages) // ROWS))
        for number in range(1, count + 1):
            some = one.packages[(number - 1) * ROWS : number * ROWS]
            caption = one.caption if count == 1 else f"{one.caption}; page {number} of {count}"
            yield (
                number,
                self._render(
                    "list",
                    here=here,
                    heading=one.said[0].upper() + one.said[1:],
                    meaning=one.meaning,
                    lists=lists,
                    stem=one.stem,
                    packages=some,
                    caption=caption,
                    number=number,
                    count=count,
                ),
            )

    def _package(self, package: Package, details: Details) -> bytes:
        drawn = None if details.closure is None else draw(details.closure)
        return self._render(
            "package",
            root="../",
            here="package",
            package=package,
            badge=f"badge/{_stem(package)}.svg",
            drawn=drawn,
            diffs=details.diffs,
            more_diffs=details.more_diffs,
            tails=details.tails,
            verify_in="/".join(package.evidence[0].path.split("/")[:3]) if package.evidence else "",
            events=list(reversed(details.events[-_EVENTS:])),
        )

    def _render(self, template: str, *, root: str = "", **values: Any) -> bytes:
        return self._templates[template].render(root=root, **values).encode("utf-8", "backslashreplace")


def _causes(report: Report) -> list[tuple[str, list[Package]]]:
    """Every likeliest cause of a place, with the packages that have such a place, the most frequent first."""
    found: dict[str, list[Package]] = {}
    for package in report.packages:
        for name in dict.fromkeys(each.causes[0].name for each in package.culprits if each.causes):
            found.setdefault(name, []).append(package)
    return sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))


def _meaning(name: str) -> str:
    """What a cause is, where it is one of ours."""
    told = next((said for one, said in SENTENCES.items() if one.value == name), None)
    return "" if told is None else f"{told[0].upper()}{told[1:]}."


def _proven(package: Package, name: str) -> bool:
    firsts = (each.causes[0] for each in package.culprits if each.causes)
    return any(cause.name == name and cause.proof is not None for cause in firsts)


def _block(lines: str | Sequence[str]) -> str:
    some = lines.split("\n") if isinstance(lines, str) else lines
    return "\n".join(plain(line) for line in some[:200])


def _drv_name(path: str) -> str:
    return path.rpartition("/")[2].partition("-")[2].removesuffix(".drv") or path


def counts_of(packages: Sequence[Package]) -> dict[Verdict, int]:
    """How many packages have which verdict."""
    told = Counter(each.verdict for each in packages)
    return {one: told[one] for one in Verdict}
