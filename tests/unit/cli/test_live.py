"""The live view, on a real pseudo-terminal that a small terminal of ours reads, and on a pipe."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import termios
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli import live as live_module
from orchestrator.cli.live import LiveView
from orchestrator.cli.measure import columns, elapsed, fitted
from orchestrator.cli.remaining import Remaining
from orchestrator.ground.notice import TRAFFIC
from orchestrator.nix.events import BuildFinished, BuildStarted, Expected, LogLine, Message, Progress

HELLO = "/nix/store/wfj6czgaxx9a6d842p9npzkzppmqgm89-hello-2.10.drv"
ZLIB = "/nix/store/1yrm83x23p0fvqsg5dpg7qy2x6kh9kg7-zlib-1.3.drv"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Terminal:
    """A pseudo-terminal of `width` by `height`, and what stands on it."""

    stream: TextIO
    master: int
    width: int
    height: int

    def raw(self) -> str:
        self.stream.flush()
        os.set_blocking(self.master, False)
        parts = []
        while True:
            try:
                parts.append(os.read(self.master, 65536))
            except OSError:
                return b"".join(parts).decode()

    def shown(self, raw: str) -> list[str]:
        """The lines after everything written, as a terminal keeps them: those that scrolled off as well."""
        lines, row = [""], 0
        for token in re.findall(r"\x1b\[\??[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", raw):
            if token == "\n":
                row += 1
                if row == len(lines):
                    lines.append("")
            elif token.endswith("F") and token.startswith("\x1b"):
                up = int(token[2:-1])
                assert up <= min(row, self.height - 1), "the cursor cannot leave the screen"
                row -= up
            elif token == "\x1b[J":
                lines[row:] = [""]
            elif token[0] not in "\x1b\r":
                lines[row] += token
                lasting = " ended " in lines[row]  # only what is erased again must not wrap
                assert lasting or columns(lines[row]) <= self.width, "a line wrapped"
        return lines


@pytest.fixture(params=[(80, 24)])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    width, height = request.param
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    with os.fdopen(slave, "w") as stream:
        yield Terminal(stream, master, width, height)
    os.close(master)


def test_a_terminal_shows_a_line_for_each_running_build(terminal: Terminal) -> None:
    clock = Clock()
    with LiveView(terminal.stream, clock=clock) as live:
        live.handle("b", BuildStarted(HELLO, checking=True))
        live.handle("a", BuildStarted(HELLO, checking=False))
        live.handle("a", LogLine(HELLO, "checking for gcc... yes"))
        live.handle("a", LogLine(HELLO, ""))
        clock.now += 65
        live.handle("a", Progress())
        assert terminal.shown(raw := terminal.raw()) == [
            "a: building hello-2.10 1:05  checking for gcc... yes",
            "b: building again hello-2.10 1:05",
            "",
        ]
        live.handle("a", BuildFinished(HELLO))
        assert terminal.shown(raw := raw + terminal.raw()) == [
            "a: ended hello-2.10 after 1:05",
            "b: building again hello-2.10 1:05",
            "",
        ]
        live.say("by the way")
    assert terminal.shown(raw + terminal.raw()) == ["a: ended hello-2.10 after 1:05", "by the way", ""]


def test_the_cursor_comes_back_whatever_happens(terminal: Terminal) -> None:
    def interrupted() -> None:
        with LiveView(terminal.stream) as live:
            live.handle("a", BuildStarted(HELLO, checking=False))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    raw = terminal.raw()
    assert raw.startswith("\x1b[?25l")
    assert raw.endswith("\x1b[?25h")
    assert terminal.shown(raw) == [""]


def test_elapsed_time_moves_on_without_events(terminal: Terminal) -> None:
    clock = Clock()
    with LiveView(terminal.stream, clock=clock) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
        clock.now += 7
        raw, waiting = "", threading.Event()
        for _ in range(100):
            raw += terminal.raw()
            if "7 s" in raw:
                break
            waiting.wait(0.05)
        assert "a: building hello-2.10 7 s" in raw


def test_many_log_lines_cost_few_drawings(terminal: Terminal) -> None:
    clock = Clock()
    with LiveView(terminal.stream, clock=clock) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
        for number in range(10_000):
            live.handle("a", LogLine(HELLO, f"line {number}"))
        raw = terminal.raw()
    assert raw.count("building") < 20


@pytest.mark.parametrize("terminal", [(30, 4)], indirect=True)
def test_lines_fit_a_small_terminal(terminal: Terminal) -> None:
    with LiveView(terminal.stream, clock=Clock()) as live:
        for number in range(9):
            derivation = HELLO.replace("hello", f"hello-with-a-rather-long-name-{number}")
            live.handle("a", BuildStarted(derivation, checking=False))
            live.handle("a", LogLine(derivation, "字" * 50))
        live.handle("a", BuildFinished(HELLO.replace("hello", "hello-with-a-rather-long-name-8")))
        shown = terminal.shown(terminal.raw())
    assert shown[-2] == "… and 6 more"
    assert len(shown) == 5


@pytest.mark.parametrize("terminal", [(1, 1), (2, 1), (5, 2)], indirect=True)
def test_no_terminal_is_too_small(terminal: Terminal) -> None:
    with LiveView(terminal.stream, clock=Clock()) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
        live.handle("a", LogLine(HELLO, "line"))
        live.handle("b", BuildStarted(HELLO, checking=False))
    assert terminal.raw().endswith("\x1b[?25h")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[2J\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("10%\r50%\r100%", "100%"),
        ("a\tb", "a       b"),
        ("bell\x07 back\x08 nul\x00", "bell\\x07 back\\x08 nul\\x00"),
        ("\x9b2Jc1", "\\x9b2Jc1"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("half \udcff", "half \\udcff"),
        ("\x1b", "\\x1b"),
    ],
)
def test_a_log_line_cannot_move_the_cursor(terminal: Terminal, line: str, shown: str) -> None:
    with LiveView(terminal.stream, clock=Clock()) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
        live.handle("a", LogLine(HELLO, line))
        live.say("drawn")
        raw = terminal.raw()
    assert terminal.shown(raw)[1] == f"a: building hello-2.10 0 s  {shown}"


def test_no_color_means_none(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def raw() -> str:
        with LiveView(terminal.stream, clock=Clock()) as live:
            live.handle("a", Message(0, "boom"))
        return terminal.raw()

    coloured = raw()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" in coloured
    assert not re.search(r"\x1b\[[0-9;]*m", raw())


def test_a_dumb_terminal_gets_plain_lines(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with LiveView(terminal.stream, clock=Clock()) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
    assert terminal.raw() == "a: started hello-2.10\r\n"


def test_a_pipe_gets_a_line_an_event() -> None:
    stream, clock = io.StringIO(), Clock()
    with LiveView(stream, clock=clock) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
        live.handle("b", BuildStarted(ZLIB, checking=True))
        live.handle("a", LogLine(HELLO, "not shown"))
        live.handle("a", Message(3, "not shown either"))
        live.handle("a", Message(1, "nor is a warning"))
        clock.now += 3
        live.handle("b", BuildFinished(ZLIB))
        live.handle("b", BuildFinished(ZLIB))
        live.handle("a", Message(0, f"builder for '{HELLO}' failed\x1b[2J\nmore of it"))
    assert stream.getvalue().splitlines() == [
        "a: started hello-2.10",
        "b: started zlib-1.3 again",
        "b: ended zlib-1.3 after 3 s",
        f"a: failed hello-2.10: builder for '{HELLO}' failed\\x1b[2J",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"builder for '{HELLO}' failed with exit code 3", "failed hello-2.10: exit code 3"),
        (
            f"Cannot build '{HELLO}'.\nReason: builder failed with exit code 3.\nOutput paths: x",
            "failed hello-2.10: exit code 3",
        ),
        (
            f"builder for '{HELLO}' failed due to signal 9 (Killed)",
            "failed hello-2.10: signal 9 (Killed)",
        ),
        (
            f"derivation '{HELLO}' may not be deterministic: output",
            "built hello-2.10 again and got something else",
        ),
        ("executing SQLite statement: disk I/O error", "error: executing SQLite statement: disk I/O error"),
        (f"1 dependencies of derivation '{HELLO}' failed to build", None),
        (f"build of '{HELLO}', '{ZLIB}' failed", None),
        (f"Cannot build '{HELLO}'.\nReason: 1 dependency failed.\nOutput paths: x", None),
        ("note: keeping build directory '/tmp/x'", None),
        ("", None),
    ],
)
def test_errors_are_said_once_and_short(text: str, shown: str | None) -> None:
    stream = io.StringIO()
    with LiveView(stream, clock=Clock()) as live:
        live.handle("a", Message(0, text))
        live.handle("a", Message(0, text))
    assert stream.getvalue().splitlines() == ([] if shown is None else [f"a: {shown}"])


def test_a_reader_that_left_disturbs_nobody(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", buffering=1)
    with LiveView(stream) as live:
        live.handle("a", BuildStarted(HELLO, checking=False))
        live.handle("a", BuildFinished(HELLO))
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_threads_never_tear_a_line() -> None:
    stream = io.StringIO()
    with LiveView(stream, clock=Clock()) as live:

        def many(builder: str) -> None:
            for number in range(500):
                derivation = f"{HELLO[:-4]}-{number}.drv"
                live.handle(builder, BuildStarted(derivation, checking=False))
                live.handle(builder, BuildFinished(derivation))

        threads = [threading.Thread(target=many, args=(name,)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2000
    assert all(
        re.fullmatch(r"[ab]: (started hello-2\.10-\d+|ended hello-2\.10-\d+ after 0 s)", x) for x in lines
    )


def test_events_after_the_end_are_dropped() -> None:
    stream = io.StringIO()
    live = LiveView(stream)
    live.close()
    live.close()
    live.handle("a", BuildStarted(HELLO, checking=False))
    assert stream.getvalue() == ""


def test_durations() -> None:
    assert [elapsed(s) for s in (-1, 0.9, 59.9, 60, 65, 3600, 7207)] == [
        "0 s",
        "0 s",
        "59 s",
        "1:00",
        "1:05",
        "1:00:00",
        "2:00:07",
    ]


@given(st.text(), st.integers(0, 40))
def test_fitted_text_fits(text: str, width: int) -> None:
    assert columns(fitted(text, width)) <= width


def of(*names: str) -> list[str]:
    return [f"/nix/store/{number:032}-{name}.drv" for number, name in enumerate(names)]


def test_a_terminal_says_how_far_each_builder_is_and_how_long_it_may_take(terminal: Terminal) -> None:
    clock = Clock()
    one, two, three = of("one", "two", "three")
    inputs = {one: (), two: (one,), three: (two,)}
    with LiveView(terminal.stream, clock=clock) as live:
        live.handle("a", Expected(inputs, {one: 10.0, two: 60.0, three: 30.0}))
        live.handle("b", Expected(inputs))
        live.handle("a", BuildStarted(one, checking=False))
        clock.now += 4
        live.handle("a", Progress())
        raw = terminal.raw()
        assert terminal.shown(raw) == [
            "a: 0 of 3 built, 1 building, about 1:36 left",
            "b: 0 of 3 built",
            "a: building one 4 s",
            "",
        ]
        live.handle("a", BuildFinished(one))
        clock.now += 100
        live.handle("a", BuildStarted(two, checking=False))
        clock.now += 100
        live.handle("a", Progress())
        raw += terminal.raw()
        assert "a: 1 of 3 built, 1 building, about 30 s left" in terminal.shown(raw)
        live.handle("a", BuildFinished(two))
        live.handle("a", BuildFinished(three))  # it was not told to have begun
        live.handle("a", BuildStarted(three, checking=False))
        clock.now += 31
        live.handle("a", Progress())
        raw += terminal.raw()
        assert "a: 2 of 3 built, 1 building, later than last time" in terminal.shown(raw)
        live.handle("a", BuildFinished(three))
    assert terminal.shown(raw + terminal.raw())[-1] == ""


@pytest.mark.parametrize("terminal", [(30, 24)], indirect=True)
def test_how_far_it_is_never_wraps_nor_steers_the_terminal(terminal: Terminal) -> None:
    inputs = dict.fromkeys(of("\x1b[2Jone", "zwei名前" * 20), ())
    with LiveView(terminal.stream, clock=Clock()) as live:
        live.handle("名前\x1b[31m" * 5, Expected(inputs))
        for each in inputs:
            live.handle("名前\x1b[31m" * 5, BuildStarted(each, checking=False))
        raw = terminal.raw()
        terminal.shown(raw)  # which asserts that no line wraps
        assert "\x1b[31m" not in raw
        assert "\x1b[2J" not in raw


def test_bytes_that_come_are_shown_until_something_is_built(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TRAFFIC, "fetched", 5)
    clock = Clock()
    with LiveView(terminal.stream, clock=clock) as live:
        monkeypatch.setattr(TRAFFIC, "fetched", 1_500_005)
        clock.now += 1
        live.handle("a", Progress())
        raw = terminal.raw()
        assert "fetched 1.5 MB" in terminal.shown(raw)
        clock.now += 1
        live.handle("a", BuildStarted(HELLO, checking=False))
        assert "fetched 1.5 MB" not in terminal.shown(raw + terminal.raw())


@pytest.mark.parametrize("kind", ["a pipe", "a dumb terminal"])
def test_elsewhere_a_line_a_minute_says_how_far_it_is(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(live_module, "_TICK", 0.01)
    monkeypatch.setenv("TERM", "dumb")
    stream = io.StringIO() if kind == "a pipe" else terminal.stream
    clock = Clock()
    one, two = of("one", "two")

    def said() -> str:
        return stream.getvalue() if isinstance(stream, io.StringIO) else terminal.raw()

    with LiveView(stream, clock=clock) as live:
        live.handle("a", Expected({one: (), two: (one,)}, {one: 30.0, two: 200.0}))
        live.handle("a", BuildStarted(one, checking=False))
        clock.now += 59
        threading.Event().wait(0.1)
        first = said()
        assert "after" not in first
        clock.now += 1
        for _ in range(500):
            if "after 1:00" in (first := first + said()):
                break
            threading.Event().wait(0.01)
        assert "after 1:00: a 0 of 2 built, 1 building, about 3:20 left (one)" in first
    assert "\x1b" not in first


def test_of_a_large_closure_there_is_that_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_TICK", 0.01)
    clock, stream = Clock(), io.StringIO()
    every = of(*(f"package-{number}" for number in range(100)))
    with LiveView(stream, clock=clock) as live:
        live.handle("a", Expected(dict.fromkeys(every, ())))
        for each in every[:50]:
            live.handle("a", BuildStarted(each, checking=False))
        for each in every[:40]:
            live.handle("a", BuildFinished(each))
        live.handle("a", Message(0, f"builder for '{every[45]}' failed with exit code 1"))
        clock.now += 60
        for _ in range(500):
            if "after" in stream.getvalue():
                break
            threading.Event().wait(0.01)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "a: failed package-45: exit code 1"
    assert lines[1] == (
        "after 1:00: a 40 of 100 built, 10 building (package-40, package-41, package-42 and 7 more)"
    )
    assert len(lines) == 2


def test_what_is_left_takes_as_long_as_the_longest_way() -> None:
    one, two, other, last = of("one", "two", "other", "last")
    seconds = {one: 10.0, two: 20.0, other: 25.0, last: 1.0}
    work = Remaining(Expected({one: (), two: (one,), other: (), last: (two, other)}, seconds))
    assert work.rest({}) == 31.0
    assert work.rest({one: 4.0, other: 4.0}) == 27.0
    work.end(one)
    work.end("/nix/store/unexpected.drv")
    assert (work.done, work.total, work.rest({})) == (1, 4, 26.0)
    for each in (two, other, last):
        work.end(each)
    assert work.sentence({}) == "4 of 4 built"
    assert Remaining(Expected({one: (), two: (one,)}, {one: 3.0})).rest({}) is None
    assert Remaining(Expected({one: (two,), two: (one,)}, seconds)).rest({}) == 0.0
