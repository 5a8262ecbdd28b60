"""Patterns over addresses and identities: always the whole text, in time linear in it. Pure.

`*` stands for any characters but `/`, `**` for any characters; all others for themselves.
"""

from __future__ import annotations

import re
from functools import cached_property

from orchestrator.ground.values import dataclass

_LONGEST = 4096
_MOST_STATES = 2000
_TOKEN = re.compile(r"\*+|[^*]", re.DOTALL)
_PLACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
"""Scheme and host; all up to the `/`, so that a wildcard after `?`, `:` or `@` is in it."""


@dataclass(frozen=True)
class Pattern:
    """One pattern. A text without `*` matches itself alone."""

    text: str

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` fits. What is longer than any address or identity fits nothing."""
        if len(text) > _LONGEST:
            return False
        if "*" not in self.text:
            return text == self.text
        return bool(self._after(1, text) & self._masks[3])

    def covers(self, other: Pattern) -> bool:
        """Whether this surely fits all that `other` fits: False also where that takes too long to find out.

        Walks through all states in which the two can be after one text (language inclusion), over the
        characters that either of them names, and one that stands for all others.
        """
        if "*" not in other.text:
            return self.matches(other.text)
        if not other.text.startswith(self.text.partition("*")[0]):
            return False
        tokens = _TOKEN.findall(other.text)
        _, _, literals, end = self._masks
        named = sorted({*literals, *other._masks[2], "/", "\0"})
        seen: set[tuple[int, int]] = set()
        queue = [(0, self._after(1, ""))]
        while queue:
            state = queue.pop()
            if state in seen:
                continue
            if len(seen) == _MOST_STATES:
                return False
            seen.add(state)
            at, ours = state
            if at == len(tokens):
                if not ours & end:
                    return False
                continue
            token = tokens[at]
            star = token.startswith("*")
            if star:
                queue.append((at + 1, ours))
            for character in named if star else token:
                if token == "*" and character == "/":
                    continue
                after = self._after(ours, character)
                if not after:  # whatever follows, the other fits it and this does not
                    return False
                queue.append((at if star else at + 1, after))
        return True

    def _after(self, at: int, text: str) -> int:
        """The tokens that fit: bit i is set while the first i of them fit what was read, `text` at last."""
        single, double, literals, _ = self._masks
        stars = single | double
        at |= (at & stars) << 1
        for character in text:
            staying = at & (double if character == "/" else stars)
            at = staying | ((at & literals.get(character, 0)) << 1)
            at |= (at & stars) << 1
        return at

    @cached_property
    def _masks(self) -> tuple[int, int, dict[str, int], int]:
        """Which tokens are `*`, which `**`, which each character, and the bit that stands for the end."""
        tokens = _TOKEN.findall(self.text)
        single = double = 0
        literals: dict[str, int] = {}
        for place, token in enumerate(tokens):
            if token == "*":
                single |= 1 << place
            elif token.startswith("*"):
                double |= 1 << place
            else:
                literals[token] = literals.get(token, 0) | 1 << place
        return single, double, literals, 1 << len(tokens)


def exactly(text: str) -> Pattern:
    """A pattern that `text` alone fits. Raises ValueError for a text with a `*`, which could mean either."""
    if "*" in text:
        raise ValueError(f"{text!r} has a wildcard; name it under the key that ends in `-pattern`")
    return Pattern(text)


def address(text: str) -> Pattern:
    """A pattern over addresses, or over issuers. Raises ValueError where another host could fit."""
    if "*" in text:
        _say_something(text)
        _fix_host(text)
    return Pattern(text)


def subject(text: str) -> Pattern:
    """A pattern over whom certificates name: URIs, or e-mail addresses of one host. Raises ValueError."""
    if "*" in text:
        _say_something(text)
        user, at, host = text.rpartition("@")
        if "//" in text or not at:
            _fix_host(text)
        elif "*" in host or not host:
            raise ValueError(f"{text!r} has a wildcard in its host: write it out, as in `*@example.org`")
        elif "**" in user:
            raise ValueError(f"{text!r} fits URIs too, of any host: write `*` for the part before the `@`")
    return Pattern(text)


def _say_something(text: str) -> None:
    if not text.replace("*", "").strip("/:@. "):
        raise ValueError(f"{text!r} fits everything: a pattern has to name somebody")


def _fix_host(text: str) -> None:
    """Scheme and host are written out, and end before the first wildcard (RFC 3986, section 3.2)."""
    place = _PLACE.match(text)
    if place is None or "*" in place[0] or place[0].endswith("//"):
        raise ValueError(
            f"{text!r} has a wildcard in its host, or no host, so that anybody's could fit: write scheme and "
            "host out, up to the `/` after it, as in `https://example.org/**`"
        )
