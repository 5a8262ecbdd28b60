"""The site in a browser: the search finds, axe has nothing to say, and strangers' text stays text."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import clients
import pytest
import reports
from browser import Browser, started
from projects import Project

from orchestrator.ground.state import State

if TYPE_CHECKING:
    from tests.conftest import TallyIn

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


POLICY = """\
name = "tests"

[[signer]]
name = "release"
key = "{key}"

[builders]
independence = "same-host"
per = "builder"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn) -> Path:
    folder = tmp_path_factory.mktemp("report")
    state = reports.some(State(folder / "state"))
    tally = tally_in(folder, TALLY_STATE=str(state.root))
    done = tally("report", "--out", "site", "--title", "Example builds").succeeded()
    assert done.out == "site/index.html\n"
    return folder / "site"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    """The one browser. No page may have complained, asked anybody or opened a dialog."""
    shared.said.clear()
    shared.scripts(True)
    shared.dark(False)
    shared.size(1200, 900)
    yield shared
    assert shared.said == []


def url(site: Path, page: str) -> str:
    return f"{site.as_uri()}/{page}"


def visible(browser: Browser) -> str:
    text: str = browser.run("document.body.innerText")
    return text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(site: Path, browser: Browser, session_state: Path, dark: bool) -> None:
    script = clients.axe(session_state).read_text()
    browser.dark(dark)
    found: dict[str, Any] = {}
    for page in (
        "index.html",
        "packages-1.html",
        "differs-1.html",
        "causes.html",
        "cause-timestamp-1.html",
        "p/pigz-x86_64-linux.html",
        "p/pngcrush-x86_64-linux.html",
        "p/broken-x86_64-linux.html",
    ):
        browser.open(url(site, page))
        browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        browser.run(f"{script}; true")
        asked = f"axe.run(document, {{runOnly: {RULES}, preload: false}})"
        each = "[each.id, each.nodes.map((node) => node.html)]"
        violations = browser.run(f"{asked}.then((found) => found.violations.map((each) => {each}))")
        if violations:
            found[page] = violations
    assert found == {}


def test_the_search_finds_and_leads_there(site: Path, browser: Browser) -> None:
    browser.open(url(site, "p/pigz-x86_64-linux.html"))
    browser.run("document.getElementById('find').focus()")
    browser.type("flaky co")
    browser.until("document.querySelectorAll('#found a').length === 1")
    assert browser.run("document.getElementById('found').innerText").split() == ["coin", "flaky"]
    assert browser.run("document.getElementById('found-count').textContent") == "1 found"
    browser.press("Tab")
    assert browser.run("document.activeElement.textContent") == "coin flaky"
    browser.press("Enter")
    browser.until("document.querySelector('h1')?.textContent === 'coin'")


def test_tables_sort_and_filter(site: Path, browser: Browser) -> None:
    browser.open(url(site, "packages-1.html"))
    rows = "[...document.querySelectorAll('table.packages tbody tr')].map((row) => row.cells[0].textContent)"
    assert len(browser.run(rows)) == 9
    browser.run("document.querySelectorAll('th button')[3].click()")
    browser.until("document.querySelector('th[aria-sort=ascending]') !== null")
    browser.until(f"({rows})[8] === 'coin'")
    browser.run("document.querySelectorAll('th button')[3].click()")
    browser.until(f"({rows})[0] === 'coin'")
    browser.run("document.getElementById('words').focus()")
    browser.type("differs timestamp")
    browser.until(f"({rows}).length === 2")
    assert sorted(browser.run(rows)) == ["pigz", "zlib"]
    assert browser.run("document.getElementById('filtered').textContent") == "2 found"


def test_a_list_of_one_verdict_stays_one_when_it_is_sorted(site: Path, browser: Browser) -> None:
    browser.open(url(site, "differs-1.html"))
    rows = "[...document.querySelectorAll('table.packages tbody tr')].map((row) => row.cells[2].textContent)"
    browser.run("document.querySelectorAll('th button')[0].click()")
    browser.until("document.querySelector('th[aria-sort=ascending]') !== null")
    browser.until("document.getElementById('filtered').textContent === '3 found'")
    assert set(browser.run(rows)) == {"differs"}


def test_the_closure_shows_what_diverged_first(site: Path, browser: Browser) -> None:
    browser.open(url(site, "p/pigz-x86_64-linux.html"))
    box = browser.run(
        "(() => { const box = document.querySelector('.graph .diverging rect').getBoundingClientRect();"
        " return [box.width, box.height]; })()"
    )
    assert min(box) > 20
    assert browser.run("document.querySelector('.graph .diverging text').textContent") == "✗ libpigz-2.1"
    marks = browser.run("[...document.querySelectorAll('.diff mark')].map((mark) => mark.textContent)")
    assert marks == ["0", "7"]


def test_strangers_text_stays_text(site: Path, browser: Browser) -> None:
    browser.open(url(site, "packages-1.html"))
    assert "<script>alert(1)</script>\\x1b[31mred\\u202egnp.exe'\"&" in visible(browser)
    hostile = browser.run("document.querySelector('tbody a').href")
    browser.open(hostile)
    assert "\\x1b[31m<script>alert(3)</script>" in visible(browser)
    assert "more characters)" in visible(browser)
    browser.open(url(site, "p/pngcrush-x86_64-linux.html"))
    assert "<script>alert(2)</script> \\x1b[2J \\u202e one" in visible(browser)
    browser.run("document.getElementById('find').focus()")
    browser.type("alert(1)")
    browser.until("document.querySelectorAll('#found a').length === 1")
    assert browser.run("document.getElementById('found').querySelectorAll('script').length") == 0
    width = browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width == 0, "a long line widens the page"


def test_it_can_be_read_without_scripts(site: Path, browser: Browser) -> None:
    browser.scripts(False)
    browser.open(url(site, "packages-1.html"))
    assert browser.run("getComputedStyle(document.getElementById('search')).display") == "none"
    assert browser.run("getComputedStyle(document.getElementById('filter')).display") == "none"
    assert "pigz" in visible(browser)
    for link in ("differs-1.html", "p/pigz-x86_64-linux.html"):
        assert browser.run(f"document.querySelector('main a[href=\"{link}\"]') !== null")


def test_a_narrow_screen(site: Path, browser: Browser) -> None:
    """WCAG 2.2, 1.4.10: at 320 wide, nothing but tables and pictures scrolls sideways."""
    browser.size(320, 640)
    for page in ("index.html", "packages-1.html", "p/pigz-x86_64-linux.html", "p/pngcrush-x86_64-linux.html"):
        browser.open(url(site, page))
        wide = browser.run("document.documentElement.scrollWidth")
        assert wide <= 320, f"{page} is {wide} wide"


def test_real_builds_and_the_commands_that_verify_their_evidence(
    project: Project, session_state: Path, tally_in: TallyIn
) -> None:
    steady = project.recipe("reported", "mkdir $out; echo same > $out/id")
    # one that was built before on this machine is flaky by now: no builder makes again what its store has
    new = f"# {uuid4()}\n"
    lottery = project.recipe("disputed", f"{new}mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    project.build(steady, lottery, more=("--attest-disagreement",)).failed(1)
    state = only(session_state, project.folder / "state", "reported", "disputed")
    tally = tally_in(project.folder, TALLY_STATE=str(state))
    tally("report", "--out", "site").succeeded()
    document = json.loads((project.folder / "site/report.json").read_text())
    disputed, reported = document["packages"]
    assert disputed["verdict"] == "differs"
    assert reported["verdict"].startswith("agreed")
    (culprit,) = disputed["culprits"]
    assert [culprit["derivation"]] == disputed["firstDiverging"]
    assert (culprit["file"], culprit["causes"][0]["name"]) == ("id", "randomness")
    assert len(reported["sbom"]) == 3
    assert "disagreement.json" not in [each["name"] for each in disputed["evidence"]], "a note to itself"
    for package in (disputed, reported):
        folder = project.folder / "site" / "/".join(package["evidence"][0]["path"].split("/")[:3])
        program, *words = shlex.split(package["verify"])
        assert program == "tally"
        trusted = {
            "release.pub": project.folder / "release.pub",
            "policy.toml": project.folder / "policy.toml",
        }
        (project.folder / "policy.toml").write_text(POLICY.format(key=project.folder / "release.pub"))
        done = tally(*(trusted.get(word, word) for word in words), folder=folder).succeeded()
        assert done.out.startswith("PASSED")
    again = tally("report", "--out", "site", "--json").succeeded()
    assert json.loads(again.out)["files"]["written"] == 0


def only(state: Path, folder: Path, *targets: str) -> Path:
    """A state folder with those results alone that are of these targets, of the ledger that tests share."""
    folder.mkdir()
    with (
        closing(sqlite3.connect(state / "ledger.sqlite")) as shared,
        closing(sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)) as own,
    ):
        shared.backup(own)
        own.execute(f"delete from results where target not in ({','.join('?' * len(targets))})", targets)
    (folder / "logs").symlink_to(state / "logs")
    return folder


def test_the_pictures_of_the_documentation_are_of_this_site(
    site: Path, browser: Browser, repository: Path, tmp_path: Path
) -> None:
    """This test makes them: remove one, and it is written again. Fonts differ, so no pixels are compared."""
    browser.size(1000, 720)
    for name, page, place in (
        ("report-overview", "index.html", "h1"),
        ("report-package", "p/pigz-x86_64-linux.html", "#closure"),
    ):
        browser.open(url(site, page))
        browser.run(f"document.querySelector('{place}').scrollIntoView({{behavior: 'instant'}})")
        picture = browser.picture()
        file = repository / "docs/images" / f"{name}.webp"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(picture)
        for data in (picture, file.read_bytes()):
            assert data[:4] + data[8:12] == b"RIFFWEBP"
            assert len(data) < 60_000
