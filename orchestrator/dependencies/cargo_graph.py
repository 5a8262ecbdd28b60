"""Which packages of a Cargo.lock need which others, by their numbers in its order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from orchestrator.dependencies.cargo_lock import AGAIN, Entry
from orchestrator.dependencies.dependency import BadLock
from orchestrator.ground.wording import some


def needs_of(listed: Sequence[Entry], place: str) -> Mapping[int, tuple[int, ...]]:
    """Of each package, by its number, those that it needs. Raises BadLock for one that is not there."""
    by_name: dict[str, list[int]] = {}
    seen: dict[tuple[str, str, str | None], int] = {}
    for index, each in enumerate(listed):
        by_name.setdefault(each.name, []).append(index)
        key = (each.name, each.version, each.source)
        if key in seen:
            problem = f"{each.name} {each.version} stands there already, on line {listed[seen[key]].line}"
            raise BadLock(place, each.line, problem, hint=AGAIN)
        seen[key] = index
    found = {}
    for index, each in enumerate(listed):
        texts = [*each.needs, *([each.replaced_by] if each.replaced_by else [])]
        found[index] = tuple(dict.fromkeys(_meant(text, each, listed, by_name, place) for text in texts))
    return found


def _meant(
    text: str, user: Entry, listed: Sequence[Entry], by_name: Mapping[str, Sequence[int]], place: str
) -> int:
    name, _, rest = text.partition(" ")
    version, _, bracketed = rest.partition(" ")
    source = bracketed.removeprefix("(").removesuffix(")")
    among = [
        index
        for index in by_name.get(name, ())
        if (not version or listed[index].version == version)
        and (not source or _same_source(source, listed[index].source))
    ]
    if len(among) == 1:
        return among[0]
    why = "the lock does not hold" if not among else "the lock has more than once"
    problem = f"{user.name} {user.version} needs {text[:200]}, which {why}"
    raise BadLock(place, user.line, problem, hint=AGAIN)


def _same_source(told: str, source: str | None) -> bool:
    """Since version 2, a commit is left out where a git source is told of."""
    return source is not None and told in (source, source.partition("#")[0])


def refuse_cycles(
    listed: Sequence[Entry], needs: Mapping[int, Sequence[int]], own: set[int], place: str
) -> None:
    """Packages of the project may need each other, for tests; those of registries may not."""
    users: dict[int, list[int]] = {}
    left = {}
    for index in range(len(listed)):
        if index not in own:
            below = [each for each in needs[index] if each not in own]
            left[index] = len(below)
            for each in below:
                users.setdefault(each, []).append(index)
    ready = [index for index, number in left.items() if number == 0]
    while ready:
        for user in users.get(ready.pop(), ()):
            left[user] -= 1
            if left[user] == 0:
                ready.append(user)
    round_ = [listed[index] for index, number in left.items() if number > 0]
    if round_:
        names = some([f"{each.name} {each.version}" for each in round_])
        raise BadLock(place, round_[0].line, f"packages need each other in a circle: {names}", hint=AGAIN)


def reached(start: Iterable[int], below: Callable[[int], Iterable[int]]) -> set[int]:
    """What is below these, and these."""
    found = set(start)
    left = list(found)
    while left:
        new = set(below(left.pop())) - found
        found |= new
        left.extend(new)
    return found
