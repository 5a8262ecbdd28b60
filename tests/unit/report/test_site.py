"""The pages: every link leads to a file, nothing of strangers is markup, and no page is too large."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import fromstring

import pytest
import reports
from schemas import Draft202012Validator

from orchestrator.ground.digest import NarHash
from orchestrator.ground.state import State
from orchestrator.ledger.entries import Verdict
from orchestrator.ledger.reading import read
from orchestrator.report import site as site_module
from orchestrator.report.document import Cause, Proof, Report
from orchestrator.report.gathering import Gathering
from orchestrator.report.site import LARGEST, pages


class Seen(HTMLParser):
    """What of a page a browser would follow or run, and what it would show."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts: list[str | None] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.attributes |= set(given)
        self.links += [value for name in ("href", "src") if (value := given.get(name))]
        if tag == "script":
            self.scripts.append(given.get("src"))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return reports.some(State(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="module")
def gathering(state: State) -> Gathering:
    with read(state) as ledger:
        found = Gathering(ledger, state, f"Builds {reports.HOSTILE}")
        assert found.report
        return found


@pytest.fixture(scope="module")
def site(state: State) -> Mapping[str, bytes]:
    with read(state) as ledger:
        found = Gathering(ledger, state, f"Builds {reports.HOSTILE}")
        made = dict(pages(found.report, found.details))
        return made | {each.path: each.source.read_bytes() for each in found.copied}


def html(site: Mapping[str, bytes]) -> dict[str, Seen]:
    return {name: Seen(data.decode()) for name, data in site.items() if name.endswith(".html")}


def test_who_built_it_made_what_it_made_in_that_run_and_not_what_was_held(tmp_path: Path) -> None:
    state = State(tmp_path / "state")
    base = reports.simple("flaky", Verdict.FLAKY)
    reports.write_run(state, 0, [replace(base, content="now", held="before")])
    with read(state) as ledger:
        found = Gathering(ledger, state, "Builds")
        made = {name: Seen(data.decode()).text for name, data in pages(found.report, found.details)}
    now, before = (NarHash.of(each).hex for each in (b"now", b"before"))
    for each in found.report.packages[0].builders:
        assert (each.result, each.nar_sha256, each.earlier_sha256) == (
            "checked",
            {"out": now},
            {"out": before},
        )
    (page,) = (text for text in made.values() if "Who built it in the latest run" in text)
    assert f"out {now}, earlier {before}" in page


def test_verdicts(gathering: Gathering) -> None:
    found = {each.name: each.verdict for each in gathering.report.packages}
    assert found == {
        reports.HOSTILE: Verdict.AGREED,
        "broken": Verdict.FAILED,
        "coin": Verdict.FLAKY,
        "hello": Verdict.AGREED,
        "lost": Verdict.UNDECIDED,
        "pigz": Verdict.DIFFERS,
        "pngcrush": Verdict.DIFFERS,
        "steady": Verdict.VARIED,
        "zlib": Verdict.DIFFERS,
    }
    assert gathering.report.share == pytest.approx(3 / 7, abs=1e-4)


def test_a_package_that_differs_says_what_when_and_why(gathering: Gathering) -> None:
    (pigz,) = (each for each in gathering.report.packages if each.name == "pigz")
    assert pigz.before is not None
    assert pigz.before.verdict is Verdict.AGREED
    assert pigz.because is not None
    assert "libpigz 2.1" in pigz.because
    assert [path.partition("-")[2] for path in pigz.first_diverging] == ["libpigz-2.1.drv"]
    (culprit,) = pigz.culprits
    assert (culprit.file, [cause.name for cause in culprit.causes]) == ("share/date", ["timestamp"])
    assert culprit.causes[0].proof is None, "bytes prove nothing"


def test_every_link_leads_to_a_file(site: Mapping[str, bytes]) -> None:
    for name, seen in html(site).items():
        for link in seen.links:
            assert "//" not in link, f"{name} asks another address: {link}"
            if link.startswith("#"):
                continue
            path = unquote(link)
            parent = name.rpartition("/")[0]
            while path.startswith("../"):
                path, parent = path[3:], parent.rpartition("/")[0]
            assert f"{parent}/{path}".lstrip("/") in site, f"{name} links to {link}"


def test_nothing_of_strangers_is_markup(site: Mapping[str, bytes]) -> None:
    for name, seen in html(site).items():
        assert seen.scripts == [f"{'../' if '/' in name else ''}script.js"], name
        assert not [each for each in seen.attributes if each.startswith("on") or each == "style"], name
        assert "\x1b" not in seen.text
        assert "\u202e" not in seen.text
        assert "Content-Security-Policy" in site[name].decode()
    shown = html(site)["packages-1.html"].text
    assert "<script>alert(1)</script>\\x1b[31mred\\u202egnp.exe'\"&" in shown
    assert "<script>alert(2)</script> \\x1b[2J \\u202e " in html(site)["p/pngcrush-x86_64-linux.html"].text
    for name, data in site.items():
        if name.endswith(".svg"):
            fromstring(data)
        if name.startswith("search-"):
            assert b"<" not in data, name
            assert data.isascii()


def test_no_page_is_too_large(site: Mapping[str, bytes]) -> None:
    assert max(len(data) for name, data in site.items() if not name.startswith("files/")) < LARGEST


def test_the_document_is_as_its_schema_says(site: Mapping[str, bytes]) -> None:
    schema = Report.model_json_schema(by_alias=True, mode="serialization")
    document: Any = json.loads(site["report.json"])
    Draft202012Validator(schema).validate(document)
    assert Report.model_validate_json(site["report.json"]).counts[Verdict.DIFFERS] == 3


def test_the_feed_is_atom_with_an_entry_a_package(site: Mapping[str, bytes]) -> None:
    root = fromstring(site["feed.atom"])
    entries = root.findall("{http://www.w3.org/2005/Atom}entry")
    titles = [each.findtext("{http://www.w3.org/2005/Atom}title") for each in entries]
    assert titles[0] == "coin: flaky"
    assert len({each.findtext("{http://www.w3.org/2005/Atom}id") for each in entries}) == 9


def test_the_same_ledger_gives_the_same_bytes(site: Mapping[str, bytes], state: State) -> None:
    with read(state) as ledger:
        found = Gathering(ledger, state, f"Builds {reports.HOSTILE}")
        for name, data in pages(found.report, found.details):
            assert data == site[name], name


def test_many_packages_are_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "ROWS", 10)
    state = State(tmp_path)
    reports.write_run(state, 0, [reports.simple(f"package{number}") for number in range(25)])
    with read(state) as ledger:
        found = Gathering(ledger, state, "Many")
        made = dict(pages(found.report, found.details))
    assert {name for name in made if name.startswith("packages-")} == {
        f"packages-{n}.html" for n in (1, 2, 3)
    }
    rows = re.findall(r"<tr><th scope=\"row\">", made["packages-3.html"].decode())
    assert len(rows) == 5
    assert 'rel="prev" href="packages-2.html"' in made["packages-3.html"].decode()


def test_only_the_likeliest_cause_of_a_place_is_counted(state: State) -> None:
    with read(state) as ledger:
        report, made = _with_candidates(Gathering(ledger, state, "Builds"))
    (package,) = report.packages
    rows = re.findall(r">([\w-]+)</a></th><td>(\d+)</td><td>(\d+)</td>", made["causes.html"].decode())
    assert rows == [("randomness", "1", "0"), ("timestamp", "1", "1")]
    likely = made["index.html"].decode().partition('id="causes"')[2].partition("</ul>")[0]
    assert re.findall(r">([\w-]+)</a>", likely) == ["randomness", "timestamp"]
    shown = html(made)[package.page]
    assert "race" in shown.text, "what else it may be is told of the package"
    links = {link.removeprefix("../") for link in shown.links if "cause-" in link}
    assert links == {name for name in made if name.startswith("cause-")}


def _with_candidates(gathering: Gathering) -> tuple[Report, dict[str, bytes]]:
    """A report of one package with two places, each with a likeliest cause and others; and its pages."""
    report = gathering.report
    (pigz,) = (each for each in report.packages if each.name == "pigz")
    proof = Proof(knob="clock", came="later", went="at once")
    candidates = [("randomness", 0.9, None), ("race", 0.06, proof), ("derived", 0.02, None)]
    causes = tuple(Cause(name=name, confidence=sure, proof=shown) for name, sure, shown in candidates)
    place = pigz.culprits[0].model_copy(update={"causes": causes})
    other = place.model_copy(update={"causes": (Cause(name="timestamp", proof=proof), *causes)})
    package = pigz.model_copy(update={"culprits": (place, other, place)})
    report = report.model_copy(update={"packages": (package,)})
    return report, dict(pages(report, gathering.details))
