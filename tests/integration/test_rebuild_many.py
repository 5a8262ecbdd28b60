"""`tally rebuild --all`: a whole place, a line each, gone on with after a kill, and what is remembered."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import parse

import clients
import pytest
from projects import Project
from registries import FakeRegistry
from waiting import wait_for
from warm import WARM

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Ran

ASKED = ("--publisher", "release.pub", "--record", "record.jsonl")
NAMES = [f"{name}-1.0-x86_64-linux" for name in ("one", "three", "two")]


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        yield found


def published(project: Project, *destinations: str) -> None:
    """Three small releases at each of them."""
    for name in ("one", "two", "three"):
        project.build(project.recipe(name, f"mkdir $out; echo {name} > $out/it")).succeeded()
        release = project.folder / "releases" / f"{name}-1.0-x86_64-linux"
        for destination in destinations:
            project.tally("publish", release, destination, "--key", "release.pub").succeeded()


def lines(ran: Ran) -> list[str]:
    """The verdict of each line, and what is behind the `#` of its place."""
    return [f"{words[0]} {words[1].partition('#')[2]}" for words in map(str.split, ran.out.splitlines())]


def test_a_folder_is_gone_on_with_and_remembered(project: Project, session_state: Path) -> None:
    www = f"dir:{project.folder}/www"
    published(project, www)
    words = ["rebuild", www, "--all", *ASKED]
    environment = {**os.environ, "TALLY_STATE": str(session_state)}
    running = WARM.start(words, project.folder, environment)
    assert running is not None
    record = project.folder / "record.jsonl"
    wait_for(
        lambda: running.poll() is not None or (record.exists() and '"reproduced"' in record.read_text()),
        "nothing was done, or not kept",
    )
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    done = record.read_text().count('"verdict"')
    assert 0 < done < 3
    ran = project.tally(*words, "--junit", "it.xml", "--sarif", "it.sarif").succeeded()
    assert f"going on with the run that was stopped: {done} of 3 releases done" in ran.err
    assert lines(ran) == [f"REPRODUCED {name}" for name in NAMES]
    assert "reproduced since 20" in ran.out
    assert ran.err.count("again") <= 2 * (3 - done) * 2, "what was done is not built once more"
    suite = parse(project.folder / "it.xml").getroot()
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("3", "0")
    assert [each.attrib["name"] for each in suite.iter("testcase")] == [f"{www}#{name}" for name in NAMES]
    assert json.loads((project.folder / "it.sarif").read_bytes())["runs"][0]["results"] == []

    # which of them, where nobody said
    which = f"say which, as in {www}#{NAMES[0]}"
    asked = project.tally("rebuild", www, *ASKED[:2]).failed(2)
    assert f"{which}; or --all makes each of them again\n" in asked.err
    assert f"{which}\n" in project.tally("verify", www, "--key", "release.pub").failed(2).err

    # a release that no longer verifies: how long it did, and the others all the same
    feed = project.tally("rebuild", f"{www}/feed.atom", *ASKED).succeeded()
    assert sorted(lines(feed)) == [f"REPRODUCED {name}" for name in NAMES]
    assert "going on" not in feed.err
    harmed = next((project.folder / "www").glob("two-1.0*tar.gz"))
    harmed.write_bytes(b"harmed")
    ran = project.tally(*words, "--sarif", "it.sarif", "--junit", "it.xml").failed(1)
    assert lines(ran) == [f"{'UNVERIFIED' if name == NAMES[2] else 'REPRODUCED'} {name}" for name in NAMES]
    last = ran.out.splitlines()[-1]
    assert "  reproduced until 20" in last
    assert ", unverified since 20" in last
    told = json.loads(project.tally(*words, "--json").failed(1).out)["rebuilds"][-1]
    assert told["course"]["before"]["verdict"] == "reproduced"
    document = json.loads((project.folder / "it.sarif").read_bytes())
    (result,) = document["runs"][0]["results"]
    assert result["ruleId"] == "unverified"
    try:
        schema = clients.sarif_schema(session_state)
    except TallyError:
        return
    assert clients.ask_sarif_schema(schema, [document]) == [[]]


def test_history_tells_of_builds_here_alone(project: Project) -> None:
    project.build(project.recipe("told-once", "mkdir $out; echo once > $out/it")).succeeded()
    asked = ("history", "told-once", "--json")
    before = project.tally(*asked).succeeded().out
    project.tally("rebuild", f"releases/{project.releases[0]}", "--publisher", "release.pub").succeeded()
    assert project.tally(*asked).succeeded().out == before


def test_a_repository_and_a_list(project: Project, registry: FakeRegistry) -> None:
    published(project, registry.reference("tools/all"))
    ran = project.tally("rebuild", registry.reference("tools/all"), "--all", *ASKED).succeeded()
    assert len(ran.out.splitlines()) == 3
    assert ran.out.count("REPRODUCED  oci://") == 3
    none = project.tally("rebuild", registry.reference("tools/all"), "--since", "0d", *ASKED).succeeded()
    assert none.out == ""
    assert "0 of 3 published since" in none.err
    some = project.tally("rebuild", registry.reference("tools/all"), "--since", "1d", *ASKED).succeeded()
    assert len(some.out.splitlines()) == 3

    shutil.move(project.folder / "releases" / NAMES[0], project.folder / "here")
    which = project.tally("rebuild", registry.reference("tools/all"), *ASKED[:2]).failed(2).err
    assert ":TAG; or --all makes each of them again\n" in which
    (project.folder / "list").write_text(f"here\n{registry.reference('tools/all')}:{NAMES[1]}\nnowhere\n")
    ran = project.tally("rebuild", "--list", "list", *ASKED, "--junit", "it.xml").failed(2)
    verdicts = [line.split()[0] for line in ran.out.splitlines()]
    assert verdicts == ["REPRODUCED", "REPRODUCED", "UNDECIDED"]
    assert "there is nothing at nowhere" in ran.err
    assert parse(project.folder / "it.xml").getroot().attrib["errors"] == "1"
    refused = project.tally(
        "rebuild", "here", "--expect", "same", "--all", "--publisher", "release.pub"
    ).failed(2)
    assert "--expect is about one release or a few" in refused.err
