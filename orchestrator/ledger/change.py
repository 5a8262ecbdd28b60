"""What changed between two build-time closures, told by names: `openssl-3.0.17` to `openssl-3.0.18`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from orchestrator.nix.derivation import name_of

Closure = Mapping[str, Sequence[str]]
"""`.drv` path to the paths of its direct inputs."""
_VERSION = re.compile(r"-\d.*")


def changed(before: Closure, after: Closure) -> tuple[tuple[str, str], ...]:
    """Names of derivations where the change begins, before and after, sorted.

    It begins at a derivation that the other closure lacks and whose inputs it has all. Those of one package
    are told together; a name on one side alone has an empty text on the other.
    """
    gone, new = _beginnings(before, after), _beginnings(after, before)
    return tuple(
        pair
        for stem in sorted(gone.keys() | new.keys())
        for pair in zip_longest(gone.get(stem, []), new.get(stem, []), fillvalue="")
    )


def _beginnings(closure: Closure, other: Closure) -> dict[str, list[str]]:
    """Package to the names of its derivations where a change begins."""
    found: dict[str, list[str]] = {}
    for path, inputs in closure.items():
        if path not in other and all(below in other for below in inputs):
            name = name_of(path).removesuffix(".drv")
            found.setdefault(_VERSION.sub("", name), []).append(name)
    return {stem: sorted(names) for stem, names in found.items()}
