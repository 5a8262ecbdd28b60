"""Patterns over addresses and identities: always the whole text, in time linear in it. Pure.

`*` stands for any characters but `/`, `**` for any characters; all others for themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

_LONGEST = 4096
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
        single, double, literals, end = self._masks
        stars = single | double
        # bit i is set while the first i tokens fit what was read so far
        at = 1
        at |= (at & stars) << 1
        for character in text:
            staying = at & (double if character == "/" else stars)
            at = staying | ((at & literals.get(character, 0)) << 1)
            at |= (at & stars) << 1
        return bool(at & end)

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


def plain(address: str) -> bool:
    """Whether an address names its place without detours (RFC 3986, section 5.2.4), which leave a folder."""
    from urllib.parse import unquote

    decoded = unquote(unquote(address))
    return "\\" not in decoded and not any(part in (".", "..") for part in decoded.split("/"))
