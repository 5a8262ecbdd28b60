"""How much looking for differences may cost, and how much of that is left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import BinaryIO, cast

from orchestrator.ground.errors import ErrorKind, TallyError
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.places.content import IN_MEMORY, Content, Filed, Held, Unreadable


class OutOfTimeError(TallyError):
    """There was no time to compare all. What was found until then holds."""

    kind = ErrorKind.OUT_OF_TIME


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps: what goes beyond one is told as it is, and not looked into further."""

    seconds: float | None = None
    memory: int = 192 << 20
    """Bytes of anything that has to be in memory as a whole."""
    depth: int = 12
    """Containers within containers."""
    members: int = 1_000_000
    """Of all containers together."""
    unpacked: int = 32 << 30
    """Bytes that are unpacked, together."""
    ratio: int = 1100
    """Times its size that a container may unpack to; deflate's best is 1,032."""
    never_a_bomb: int = 64 << 20
    """Bytes that a container may unpack to, however small it is."""
    diffoscope: int = 8
    """Times that diffoscope is asked, where it is installed."""
    spots: int = 8
    """Differences of one content that are told, and members of one container for each attribute."""


class Budget:
    """What is left of the limits, for one comparison."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._until = None if limits.seconds is None else time.monotonic() + limits.seconds
        self._members = limits.members
        self._unpacked = limits.unpacked
        self._asked = limits.diffoscope

    def tick(self) -> None:
        """Raises OutOfTimeError when there is no time left."""
        if self._until is not None and time.monotonic() > self._until:
            seconds = self.limits.seconds or 0
            raise OutOfTimeError(
                f"not all could be compared within {seconds:g} seconds", hint="give more with --max-time"
            )

    def left(self, most: float) -> float:
        """Seconds that something may take: `most`, or what is left."""
        return most if self._until is None else max(min(most, self._until - time.monotonic()), 0.0)

    def member(self) -> None:
        """One more member of a container is looked at. Raises Unreadable, OutOfTimeError."""
        self._members -= 1
        if self._members < 0:
            raise Unreadable(f"it has more than {counted(self.limits.members, 'member')}, with all before it")
        if self._members % 256 == 0:
            self.tick()

    def may_ask(self) -> bool:
        """Whether diffoscope may be asked once more."""
        self._asked -= 1
        return self._asked >= 0

    def whole(self, content: Content, largest: int | None = None) -> bytes:
        """All of a content, in memory. Raises Unreadable where it is too large for that."""
        most = self.limits.memory // 4 if largest is None else min(largest, self.limits.memory // 4)
        if content.size > most:
            raise Unreadable(f"it is larger than {counted(most, 'byte')}")
        return content.at(0, content.size)

    def keep(self, pieces: Iterable[bytes], packed: int, most: int | None = None) -> Content:
        """What a container of `packed` bytes unpacks to, kept outside of memory where it is large.

        Raises Unreadable for more than the limits have, and for more than `most`: what the container says.
        """
        from tempfile import SpooledTemporaryFile

        limits = self.limits
        bomb = max(limits.never_a_bomb, packed * limits.ratio)
        # closed once nobody has a part of it
        spool = SpooledTemporaryFile(max_size=IN_MEMORY, dir=folder_for_large())  # noqa: SIM115
        size = 0
        for piece in pieces:
            self.tick()
            size += len(piece)
            self._unpacked -= len(piece)
            if most is not None and size > most:
                raise Unreadable(f"it holds more than the {counted(most, 'byte')} that it says")
            if size > bomb:
                raise Unreadable(
                    f"{counted(packed, 'byte')} of it unpack to more than {counted(bomb, 'byte')}"
                )
            if self._unpacked < 0:
                raise Unreadable(
                    f"more than {counted(limits.unpacked, 'byte')} were unpacked, with all before it"
                )
            spool.write(piece)
        if size <= IN_MEMORY:
            spool.seek(0)
            return Held(spool.read())
        spool.flush()
        return Filed(cast("BinaryIO", spool), 0, size)


def folder_for_large() -> str | None:
    """Where large things go: `/tmp` is in memory on many machines, and `/var/tmp` is not (hier(7))."""
    if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK | os.X_OK):
        return "/var/tmp"
    return None
