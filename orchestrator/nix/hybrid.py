"""A derivation with some of its inputs as those of another derivation of its name are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.nix.derivation import Derivation, DerivationGraph, name_of


@dataclass(frozen=True, slots=True)
class Swap:
    """One direct input, and what it was: `.drv` paths, or those of sources."""

    before: str
    after: str
    outputs: tuple[str, ...]
    """The outputs of it that are used; empty for a source."""


def swaps(before: Derivation, after: Derivation, kind: Callable[[str], str]) -> tuple[Swap, ...]:
    """The direct inputs that changed and are on both sides, by what `kind` makes of their paths.

    What is new, gone, used by other outputs, or there twice under one name is none of them.
    """
    found = []
    for mine, theirs in (
        (after.input_derivations, before.input_derivations),
        (dict.fromkeys(after.input_sources, ()), dict.fromkeys(before.input_sources, ())),
    ):
        old = _alone(theirs.keys() - mine.keys(), kind)
        for what, path in _alone(mine.keys() - theirs.keys(), kind).items():
            if what in old and mine[path] == theirs[old[what]]:
                found.append(Swap(old[what], path, tuple(mine[path])))
    return tuple(sorted(found, key=lambda each: (name_of(each.after), each.after)))


def _alone(paths: Iterable[str], kind: Callable[[str], str]) -> Mapping[str, str]:
    by_kind: dict[str, list[str]] = {}
    for path in paths:
        by_kind.setdefault(kind(path), []).append(path)
    return {what: some[0] for what, some in by_kind.items() if len(some) == 1}


def hybrid(derivation: Derivation, some: Sequence[Swap], graph: DerivationGraph) -> Derivation:
    """The derivation with these inputs as they were; `graph` has both sides of each.

    Its own paths are those of the one that it is made of: whoever writes it into a store gives it new ones.
    """
    words: dict[str, str] = {}
    inputs, sources = dict(derivation.input_derivations), set(derivation.input_sources)
    for each in some:
        if each.outputs:
            words |= {
                graph[each.after].outputs[name]: graph[each.before].outputs[name] for name in each.outputs
            }
            inputs[each.before] = inputs.pop(each.after)
        else:
            words[each.after] = each.before
            sources = {*sources - {each.after}, each.before}

    def put(text: str) -> str:
        for now, then in words.items():
            text = text.replace(now, then)
        return text

    return replace(
        derivation,
        builder_executable=put(derivation.builder_executable),
        args=tuple(map(put, derivation.args)),
        env={name: put(value) for name, value in derivation.env.items()},
        input_derivations=inputs,
        input_sources=tuple(sorted(sources)),
    )
