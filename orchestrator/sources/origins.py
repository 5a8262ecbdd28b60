"""Where a request's fixed outputs are from: what their derivations do not say, so that it changes none. Pure.

The same bytes give the same derivation, whatever address, mirror, registry or commit they came by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.recipe.wanted import dependencies_of, files_of, pinned


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of one fixed output besides its bytes."""

    name: str
    """The file's name where it comes from."""
    urls: tuple[str, ...]
    """Addresses in the order in which they are tried; it may have come from any of them."""
    purl: str | None


Origins = Mapping[tuple[str, Sha256 | NarHash | OtherDigest], Origin]
"""(Store name, digest) to origin."""


def origins_of(target: str | None, request: Mapping[str, Any]) -> Origins:
    """The origins of everything that one target of a request is made from; None: of its toolchain alone.

    What two recipes pin by the same digest has the addresses of both, the earlier recipe's first.
    """
    found: dict[tuple[str, Sha256 | NarHash | OtherDigest], Origin] = {}
    for name, value in _values(target, request):
        key = (value["name"], pinned(value))
        origin = Origin(name or value["name"], tuple(value["urls"]), value["purl"])
        known = found.get(key, origin)
        urls = tuple(dict.fromkeys((*known.urls, *origin.urls)))
        found[key] = replace(known, urls=urls, purl=known.purl or origin.purl)
    return found


def below(target: str, recipes: Mapping[str, Any]) -> tuple[str, ...]:
    """A request's recipe and those that it uses, sorted by name."""
    seen, queue = {target}, [target]
    while queue:
        new = set(recipes[queue.pop()]["inputs"]) - seen
        seen |= new
        queue += new
    return tuple(sorted(seen))


def _values(target: str | None, request: Mapping[str, Any]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    if request["busybox"] is not None:
        yield None, request["busybox"]
    yield from request["packages"].items()
    for name in below(target, request["recipes"]) if target is not None else ():
        for source in request["recipes"][name]["sources"].values():
            yield None, source
        for file in files_of(request["recipes"][name]):
            yield None, file
        for each in dependencies_of(request["recipes"][name]):
            yield each["file"], each
