"""An Atom feed of the releases in a static folder. Pure.

Specification: RFC 4287. Links are relative, so that the folder can be served from anywhere.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote
from xml.etree.ElementTree import ParseError, fromstring
from xml.sax.saxutils import escape, quoteattr

from orchestrator.evidence.canonical import MalformedError, moment
from orchestrator.ground.digest import Sha256
from orchestrator.policy.summary import named
from orchestrator.publishing.flat import FEED, Entry, FlatIndex

FEED_LIMIT: Final = 1 << 22
"""The largest feed that is read, in bytes: one of our own of a hundred releases has a fiftieth."""
_ATOM: Final = "{http://www.w3.org/2005/Atom}"
_NAMED: Final = "ni:///sha-256;"
_LATEST: Final = 100
_BEGINNING: Final = "1970-01-01T00:00:00Z"


def feed(index: FlatIndex) -> bytes:
    """The feed of the latest releases, the newest first."""
    latest = sorted(index.entries, key=lambda each: (each.published, each.name), reverse=True)[:_LATEST]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        '<feed xmlns="http://www.w3.org/2005/Atom">',
        "  <title>Releases</title>",
        f"  <id>{escape(index.id)}</id>",
        f"  <updated>{latest[0].published if latest else _BEGINNING}</updated>",
        f'  <link rel="self" href={quoteattr(FEED)}/>',
        "  <author><name>tally publish</name></author>",
        *(line for each in latest for line in _entry(each)),
        "</feed>",
    ]
    return ("\n".join(lines) + "\n").encode()


def parse(data: bytes) -> Iterator[tuple[str, Sha256, str]]:
    """The releases in a feed of ours: name, digest of the release.json, and when. Raises MalformedError."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise MalformedError("it defines entities, which no feed needs")
    try:
        root = fromstring(data)
    except ParseError as error:
        raise MalformedError(f"it is no XML: {error}") from None
    if root.tag != f"{_ATOM}feed":
        raise MalformedError("it is no Atom feed")
    for each in root.iterfind(f"{_ATOM}entry"):
        name, identity, when = (each.findtext(f"{_ATOM}{what}") or "" for what in ("title", "id", "updated"))
        if not identity.startswith(_NAMED) or not name or "/" in name:
            raise MalformedError(f"its entry {name[:80]!r} names no release by its digest")
        coded = identity.removeprefix(_NAMED)
        try:
            digest = Sha256(urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).hex())
        except ValueError as error:
            raise MalformedError(f"its entry {name[:80]!r}: {error}") from None
        moment(when, f"its entry {name[:80]!r}")
        yield name, digest, when


def _entry(entry: Entry) -> list[str]:
    artifact = entry.artifact
    return [
        "  <entry>",
        f"    <title>{escape(entry.name)}</title>",
        f"    <id>{named(entry.release.sha256)}</id>",
        f"    <updated>{entry.published}</updated>",
        f'    <link rel="alternate" href={quoteattr(quote(artifact.file))}/>',
        f'    <link rel="enclosure" href={quoteattr(quote(artifact.file))} length="{artifact.size}"/>',
        f'    <link rel="related" href={quoteattr(quote(entry.release.file))} type="application/json"/>',
        f"    <summary>sha256 {artifact.sha256.hex}</summary>",
        "  </entry>",
    ]
