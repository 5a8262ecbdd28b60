"""Nix's events, from lines that Nix 2.8 really wrote and from lines that no Nix should write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.nix.events import (
    ERROR,
    BuildFinished,
    BuildStarted,
    Event,
    EventParser,
    LogLine,
    Message,
    Progress,
    plain,
)

OK = "/nix/store/wfj6czgaxx9a6d842p9npzkzppmqgm89-ok.drv"
BAD = "/nix/store/1yrm83x23p0fvqsg5dpg7qy2x6kh9kg7-bad.drv"

# `nix-store --realise --keep-going --log-format internal-json -v` of two derivations, Nix 2.8.0
TWO_BUILDS = rf"""
@nix {{"action":"start","id":60,"level":6,"text":"querying info about missing paths","type":0}}
@nix {{"action":"stop","id":60}}
@nix {{"action":"msg","level":3,"msg":"these 2 derivations will be built:"}}
@nix {{"action":"start","id":61,"level":0,"text":"","type":102}}
@nix {{"action":"start","id":62,"level":0,"text":"","type":104}}
@nix {{"action":"start","id":63,"level":0,"text":"","type":103}}
@nix {{"action":"result","fields":[0,2,0,0],"id":62,"type":105}}
@nix {{"action":"result","fields":[9,9,9,9],"id":63,"type":105}}
@nix {{"action":"result","fields":[101,0],"id":61,"type":106}}
@nix {{"action":"start","fields":["{BAD}","",1,1],"id":65,"level":3,"text":"building '{BAD}'","type":105}}
@nix {{"action":"result","fields":["dying"],"id":65,"type":101}}
@nix {{"action":"result","fields":[0,1,0,1],"id":62,"type":105}}
@nix {{"action":"start","fields":["{OK}","",1,1],"id":66,"level":3,"text":"building '{OK}'","type":105}}
@nix {{"action":"result","fields":["hello \u001b[31m1"],"id":66,"type":101}}
@nix {{"action":"result","fields":[1,1,0,1],"id":62,"type":105}}
@nix {{"action":"stop","id":66}}
@nix {{"action":"stop","id":65}}
@nix {{"action":"stop","id":62}}
@nix {{"action":"msg","level":0,"msg":"longer","raw_msg":"build of '\u001b[35;1m{BAD}\u001b[0m' failed: 3"}}
""".strip().splitlines()


def read(*lines: str) -> list[Event]:
    parser = EventParser()
    return [parser.parse(line) for line in lines]


def nix(**value: Any) -> str:
    return f"@nix {json.dumps(value)}"


def started(number: int, derivation: str, verb: str = "building") -> str:
    fields = [derivation, "", 1, 1]
    text = f"{verb} '{derivation}'"
    return nix(action="start", id=number, type=105, level=3, fields=fields, text=text)


def test_two_builds_one_of_which_fails() -> None:
    events = [event for event in read(*TWO_BUILDS) if not isinstance(event, Progress)]
    assert events == [
        Message(6, "querying info about missing paths"),
        Message(3, "these 2 derivations will be built:"),
        BuildStarted(BAD, checking=False),
        LogLine(BAD, "dying"),
        BuildStarted(OK, checking=False),
        LogLine(OK, "hello \x1b[31m1"),
        BuildFinished(OK),
        BuildFinished(BAD),
        Message(ERROR, f"build of '{BAD}' failed: 3"),
    ]


def test_only_the_activity_that_counts_builds_is_counted() -> None:
    progress = [event for event in read(*TWO_BUILDS) if isinstance(event, Progress)]
    assert progress[0] == Progress()
    assert progress[-1] == Progress(done=1, expected=1, running=0, failed=1)
    assert not any(event.done == 9 for event in progress)


def test_a_check_is_told_from_a_build() -> None:
    event = EventParser().parse(started(1, OK, verb="checking outputs of"))
    assert event == BuildStarted(OK, checking=True)


def test_a_build_that_a_store_gave_to_another_machine_names_it() -> None:
    fields = [OK, "ssh-ng://far", 1, 1]
    event = EventParser().parse(nix(action="start", id=1, type=105, level=3, fields=fields, text="building"))
    assert event == BuildStarted(OK, checking=False, machine="ssh-ng://far")


def test_log_lines_go_to_the_build_whose_number_they_bear() -> None:
    lines = [started(1, OK), started(2, BAD), nix(action="result", id=1, type=101, fields=["of ok"])]
    assert read(*lines)[-1] == LogLine(OK, "of ok")


def test_a_number_means_nothing_once_its_build_has_stopped() -> None:
    late = nix(action="result", id=1, type=101, fields=["late"])
    assert read(started(1, OK), nix(action="stop", id=1), late, nix(action="stop", id=1))[2:] == [
        Message(3, "late"),
        Progress(),
    ]


def test_phases_and_activities_of_later_versions_do_no_harm() -> None:
    lines = [
        started(1, OK),
        nix(action="result", id=1, type=104, fields=["unpackPhase"]),
        nix(action="start", id=2, type=111, level=0, text="waiting for a machine to build", fields=[OK]),
        nix(action="start", id=3, type=999, level=0, text="", fields=[{"new": 1}], parent=1),
        nix(action="result", id=3, type=999, fields=[[1]]),
        nix(action="stop", id=1),
    ]
    assert read(*lines)[1:] == [
        Progress(),
        Message(3, "waiting for a machine to build"),
        Progress(),
        Progress(),
        BuildFinished(OK),
    ]


def test_a_corrupted_path_is_a_warning() -> None:
    event = EventParser().parse(nix(action="result", id=9, type=103, fields=["/nix/store/x"]))
    assert event == Message(1, "/nix/store/x is corrupted")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "@nix",
        "@nix {",
        "@nix []",
        "@nix null",
        '@nix {"action":"dance"}',
        '@nix {"action":["start"]}',
        "@nix " + "[" * 100_000,
        "building the system configuration...",
    ],
)
def test_what_is_no_event_is_a_message_with_the_whole_line(line: str) -> None:
    assert EventParser().parse(line) == Message(3, line)


def test_what_nix_says_before_its_logger_stands_keeps_its_weight() -> None:
    assert read("\x1b[31;1merror:\x1b[0m cannot open store", "warning: old") == [
        Message(0, "cannot open store"),
        Message(1, "old"),
    ]


def test_half_an_event_never_fails() -> None:
    for kind in (100, 101, 102, 103, 104, 105, 106, 107):
        for fields in (None, [], [None], ["a"], [1, 2], [True, 1, 1, 1], {"a": 1}):
            for number in (None, 1, "1", True, 1.5):
                for action in ("start", "result", "stop", "msg"):
                    line = nix(action=action, id=number, type=kind, fields=fields, text=3, level="x")
                    read(nix(action="start", id=1, type=104), started(1, OK), line)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_fields_of_any_shape_never_fail(fields: object) -> None:
    for action in ("start", "result", "msg"):
        for kind in (101, 103, 105):
            read(started(1, OK), nix(action=action, id=1, type=kind, fields=fields, text=fields, msg=fields))


@given(st.text())
def test_any_line_is_an_event(line: str) -> None:
    EventParser().parse(line)
    EventParser().parse("@nix " + line)


def test_titles_and_hyperlinks_of_a_terminal_are_no_text() -> None:
    assert plain("\x1b]0;title\x07a\x1b]8;;file:///x\x1b\\b\x1b[2Kc\x1b[?25ld") == "abcd"
