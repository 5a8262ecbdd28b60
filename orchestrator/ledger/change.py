"""What changed between two build-time closures, told by names: `openssl-3.0.17` to `openssl-3.0.18`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from orchestrator.ground.wording import some
from orchestrator.nix.derivation import called

Closure = Mapping[str, Sequence[str]]
"""`.drv` path to the paths of its direct inputs."""
Changes = tuple[tuple[str, str], ...]
"""Names before and after, sorted: `openssl-3.0.17`, `openssl-3.0.18`."""
_VERSION = re.compile(r"-\d.*")
_SHOWN: Final = 3


def changed(before: Closure, after: Closure) -> Changes:
    """Names of derivations where the change begins, before and after, sorted.

    It begins at a derivation that the other closure lacks and whose inputs it has all. Those of one package
    are told together; a name on one side alone has an empty text on the other.
    """
    gone, new = _beginnings(before, after), _beginnings(after, before)
    return tuple(
        pair
        for name in sorted(gone.keys() | new.keys())
        for pair in zip_longest(gone.get(name, []), new.get(name, []), fillvalue="")
    )


def stem(derivation: str) -> str:
    """The name of a `.drv` path without its version: what another version of it has, too."""
    return _VERSION.sub("", called(derivation))


def sentence(changes: Iterable[tuple[str, str]]) -> str | None:
    """What `changed` gave in a few words, as `openssl 3.0.17 → 3.0.18`; None where nothing did."""
    said = [_told(before, after) for before, after in changes]
    return some(said, _SHOWN) if said else None


def _told(before: str, after: str) -> str:
    if not before or not after:
        return f"{_spaced(before or after)}, which is {'new' if after else 'gone'}"
    if before == after:
        return f"another derivation of {_spaced(after)}"
    name = _VERSION.sub("", after)
    return f"{name} {before[len(name) + 1 :]} → {after[len(name) + 1 :]}"


def _spaced(name: str) -> str:
    plain = _VERSION.sub("", name)
    return f"{plain} {name[len(plain) + 1 :]}".strip()


def _beginnings(closure: Closure, other: Closure) -> dict[str, list[str]]:
    """Package to the names of its derivations where a change begins."""
    found: dict[str, list[str]] = {}
    for path, inputs in closure.items():
        if path not in other and all(below in other for below in inputs):
            name = called(path)
            found.setdefault(_VERSION.sub("", name), []).append(name)
    return {package: sorted(names) for package, names in found.items()}
