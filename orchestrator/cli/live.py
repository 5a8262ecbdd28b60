"""What builds where, while it builds: redrawn in place on a terminal, lines of what happened elsewhere.

Elsewhere there is a line a minute besides, which says how far each builder is; of a large closure, where a
line for each start and end would be thousands, that line alone.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO

from orchestrator.cli.measure import columns, elapsed, fitted
from orchestrator.cli.remaining import Remaining
from orchestrator.cli.text import harmless, size
from orchestrator.ground.notice import NOTICE, TRAFFIC
from orchestrator.ground.wording import some
from orchestrator.nix.derivation import called
from orchestrator.nix.events import (
    ERROR,
    BuildFinished,
    BuildStarted,
    Event,
    Expected,
    LogLine,
    Message,
    Notice,
    plain,
)

_REDRAW = 0.1  # seconds between two drawings that events ask for: a log of 10,000 lines costs no more than 10
_TICK = 0.5  # seconds after which elapsed times move on by themselves
_EVERY = 60.0  # seconds between two lines of how far it is, where nothing is redrawn
_MANY = 40  # derivations of one builder beyond which starts and ends have no lines there
_FEW = 3  # of what is being built, in such a line
_HIDE_CURSOR, _SHOW_CURSOR, _ERASE_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[J"
_BOLD, _RED, _FAINT, _OFF = "\x1b[1m", "\x1b[31m", "\x1b[2m", "\x1b[0m"
_LONGEST_LINE = 2000  # characters of a log line that are looked at: none is shown whole if it is longer
_FALLBACK_SIZE = (80, 24)


_DERIVATION = re.compile(r"/nix/store/[0-9a-z]{32}-(\S+?)\.drv")
_REASON = re.compile(r"(?:with|due to) (exit code \d+|signal .*)|(timed out after .*)")
_ECHO = re.compile(
    # 2.8 says the first three; 2.30 and later the others: what follows from a failure, and notes
    r"note:|\d+ dependencies of derivation|build of .* failed$"
    r"|Cannot build .*\n?\s*Reason: \d+ dependenc(y|ies) failed|Build failed due to failed dependency",
)


@dataclass
class _Running:
    since: float
    again: bool
    last_line: str = ""


class LiveView:
    """Shows the builders' events. `handle` may be called from several threads; the view closes once.

    A stream that cannot be written any more silences the view and disturbs no build.
    """

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._lock = threading.RLock()
        self._running: dict[tuple[str, str], _Running] = {}
        self._remaining: dict[str, Remaining] = {}
        self._began = clock()
        self._told_at = self._began
        self._traffic = TRAFFIC.fetched
        self._said: set[tuple[str, str]] = set()
        self._drawn_lines = 0
        self._drawn_at = float("-inf")
        self._closed = threading.Event()
        self._before = NOTICE.tell
        self._in_place = _can_redraw(self._stream)
        self._colours = self._in_place and not os.environ.get("NO_COLOR")
        self._ticker = threading.Thread(target=self._tick, name="live view", daemon=True)
        if self._in_place:
            self._write(_HIDE_CURSOR)
        self._ticker.start()

    def __enter__(self) -> Self:
        self._before, NOTICE.tell = NOTICE.tell, self.say
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        NOTICE.tell = self._before

    def close(self) -> None:
        """Take the moving part away and give the cursor back. Later events are dropped."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            if self._in_place:
                self._write(self._erasing() + _SHOW_CURSOR)
        if self._ticker.is_alive() and self._ticker is not threading.current_thread():
            self._ticker.join()

    def handle(self, builder: str, event: Event) -> None:
        """Show one event of one builder."""
        with self._lock:
            if self._closed.is_set():
                return
            line = self._take(builder, event)
            if line is not None:
                self._say(line)
            elif self._in_place and self._clock() - self._drawn_at >= _REDRAW:
                self._redraw()

    def say(self, text: str) -> None:
        """Print a message that stays, without disturbing the moving part."""
        with self._lock:
            self._say(harmless(text))

    def _take(self, builder: str, event: Event) -> str | None:
        """Remember one event; the line that it leaves for good, if it does."""
        now = self._clock()
        match event:
            case BuildStarted(derivation, checking):
                self._running[builder, derivation] = _Running(now, checking)
                if not self._in_place and not self._is_large(builder):
                    return f"{self._label(builder)} started {_name(derivation)}{' again' if checking else ''}"
            case LogLine(derivation, text):
                running = self._running.get((builder, derivation))
                if running is not None and (shown := _shown(text)):
                    running.last_line = shown
            case BuildFinished(derivation, seconds):
                ended = self._running.pop((builder, derivation), None)
                if ended is not None and builder in self._remaining:
                    self._remaining[builder].end(derivation)
                if ended is not None and (self._in_place or not self._is_large(builder)):
                    after = elapsed(now - ended.since if seconds is None else seconds)
                    return f"{self._label(builder)} ended {_name(derivation)} after {after}"
            case Expected():
                self._remaining[builder] = Remaining(event)
            case Notice(text):
                return f"{self._label(builder)} {harmless(text)}"
            case Message(level, text) if level == ERROR and (said := _error(text)):
                if (builder, said) not in self._said:  # later versions of Nix say some errors twice
                    self._said.add((builder, said))
                    return f"{self._label(builder)} {self._painted(_RED, said)}"
            case _:
                pass
        return None

    def _is_large(self, builder: str) -> bool:
        return builder in self._remaining and self._remaining[builder].total > _MANY

    def _how_far(self, builder: str, now: float) -> str:
        """`3 of 12 built, 2 building, about 4:10 left`."""
        running = {
            derivation: now - each.since for (of, derivation), each in self._running.items() if of == builder
        }
        return self._remaining[builder].sentence(running)

    def _fetched(self) -> str | None:
        fetched = TRAFFIC.fetched - self._traffic
        return f"fetched {size(fetched)}" if fetched else None

    def _minute(self, now: float) -> str:
        """How far it is, in a line."""
        parts = []
        for builder in sorted({*self._remaining, *(of for of, _ in self._running)}):
            names = [_name(drv) for of, drv in sorted(self._running) if of == builder]
            what = f" ({some(names, _FEW)})" if names else ""
            far = self._how_far(builder, now) if builder in self._remaining else "building"
            parts.append(f"{harmless(builder)} {far}{what}")
        fetched = self._fetched()
        told = "; ".join([*parts, *([fetched] if fetched else [])]) or "still at it"
        return f"after {elapsed(now - self._began)}: {told}"

    def _label(self, builder: str) -> str:
        return self._painted(_BOLD, f"{harmless(builder)}:")

    def _painted(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_OFF}" if self._colours else text

    def _say(self, line: str) -> None:
        if self._in_place and not self._closed.is_set():
            self._redraw(above=f"{line}\n")
        else:
            self._write(f"{line}\n")

    def _redraw(self, above: str = "") -> None:
        self._drawn_at = self._clock()
        width, height = _size(self._stream)
        lines = list(self._lines(width))
        room = max(height - 1, 1)  # what has scrolled off the screen cannot be erased again
        if len(lines) > room:
            lines[room - 1 :] = [fitted(f"… and {len(lines) - room + 1} more", width)]
        text = self._erasing() + above + "".join(f"{line}\n" for line in lines)
        self._drawn_lines = len(lines)
        self._write(text)

    def _lines(self, width: int) -> Iterator[str]:
        now = self._clock()
        for builder, remaining in sorted(self._remaining.items()):
            if remaining.done < remaining.total and remaining.total > 1:
                yield fitted(f"{harmless(builder)}: {self._how_far(builder, now)}", width)
        if not self._running and (fetched := self._fetched()) is not None:
            yield fitted(fetched, width)
        for (builder, derivation), running in sorted(self._running.items()):
            verb = "building again" if running.again else "building"
            start = f"{harmless(builder)}: {verb} {_name(derivation)} {elapsed(now - running.since)}"
            start = fitted(start, width)
            room = width - columns(start) - 2
            rest = f"  {fitted(running.last_line, room)}" if running.last_line and room > 0 else ""
            yield start + self._painted(_FAINT, rest) if rest else start

    def _erasing(self) -> str:
        drawn, self._drawn_lines = self._drawn_lines, 0
        return f"\x1b[{drawn}F{_ERASE_BELOW}" if drawn else ""

    def _tick(self) -> None:
        while not self._closed.wait(_TICK):
            with self._lock:
                if self._closed.is_set():
                    return
                if self._in_place:
                    self._redraw()
                elif (now := self._clock()) - self._told_at >= _EVERY:
                    self._told_at = now
                    self._say(self._minute(now))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._closed.set()


def _name(derivation: str) -> str:
    return harmless(called(derivation))


def _error(text: str) -> str | None:
    """What Nix's error comes to in one line; None for what only repeats an error that was shown."""
    if _ECHO.match(text):
        return None
    named = _DERIVATION.search(text)
    if named is None:
        return harmless(f"error: {text.splitlines()[0]}") if text.strip() else None
    name = harmless(named[1])
    if "may not be deterministic" in text:
        return f"built {name} again and got something else"
    reason = _REASON.search(text)
    return f"failed {name}: {harmless(reason[1] or reason[2] if reason else text.splitlines()[0])}"


def _shown(text: str) -> str:
    """The part of a log line that a terminal would show, and nothing that could move its cursor."""
    last = text.rstrip("\r\n")[-_LONGEST_LINE:].rpartition("\r")[2]  # a progress bar redraws its line with \r
    return harmless(plain(last).expandtabs().replace("\n", " ")).strip()


def _can_redraw(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except ValueError:
        return False


def _size(stream: TextIO) -> tuple[int, int]:
    """Columns and lines of the terminal; one column less than it has, so that no line wraps."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return _FALLBACK_SIZE[0] - 1, _FALLBACK_SIZE[1]
    return max(size.columns or _FALLBACK_SIZE[0], 2) - 1, size.lines or _FALLBACK_SIZE[1]
