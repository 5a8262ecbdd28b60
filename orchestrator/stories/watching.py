"""From places with many releases to what each came to, and since when: a line a stage.

Listing -> those published since -> what an earlier run has done -> Rebuild, one by one -> the record
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.policy.verdict import Refused
from orchestrator.publishing import sources
from orchestrator.publishing.contents import locate
from orchestrator.publishing.reference import Reference, Static
from orchestrator.publishing.sources.source import Release
from orchestrator.run.elsewhere import refuse_foreign
from orchestrator.run.history import Course, Entry, History
from orchestrator.run.reproduced import Rebuilt, Remembered, Unmade
from orchestrator.served.named import Named, named

Say = Callable[[str], None]
_SPAN: Final = re.compile(r"([0-9]{1,5})([dwy])")
_DAYS: Final = {"d": 1, "w": 7, "y": 365}
_FEED: Final = ".atom"


@dataclass(frozen=True, slots=True)
class Item:
    """One release of those to be made again, or a place that could not be listed."""

    target: Path | Reference | Named
    known: str
    """What the record has it by."""
    error: TallyError | None = None


def since(said: str, now: datetime) -> datetime:
    """`7d`, `4w`, `1y` ago; or a day or a time. Raises TallyError."""
    hint = "give --since 7d, 4w or 1y, or a day or time, as 2036-01-01"
    if found := _SPAN.fullmatch(said):
        return now - timedelta(days=min(int(found[1]) * _DAYS[found[2]], 100_000))
    try:
        when = datetime.fromisoformat(said)
    except ValueError:
        raise TallyError(f"--since {said[:40]!a} is no time", hint=hint) from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    if when > now:
        raise TallyError(f"--since {said[:40]!a} is yet to come", hint=hint)
    return when


def listed(
    targets: Sequence[Path | Reference | Named], after: datetime | None, every: bool, say: Say
) -> Iterator[Item]:
    """What is to be made again; `every`: all that each place has, and not the one that it names."""
    seen: set[str] = set()
    for target in targets:
        if isinstance(target, Named):
            yield Item(target, str(target))
            continue
        try:
            if isinstance(target, Path) and not os.path.lexists(target):
                named(str(target))  # half a name
            found = list(_of(target))
        except TallyError as error:
            yield Item(target, str(target), error)
            continue
        except Refused as refused:
            yield Item(
                target, str(target), TallyError(refused.reasons[0].sentence, hint=refused.reasons[0].hint)
            )
            continue
        if not every and len(found) != 1:
            yield Item(target, str(target))  # whoever fetches it says what is wrong
            continue
        if every and not found and after is None:
            yield Item(
                target, str(target), TallyError(f"there is no release at {target}", hint="see where it is")
            )
        late = [each for each in found if after is None or each.when is None or each.when >= after]
        if len(late) < len(found) or (every and after is not None):
            say(f"{target}: {len(late)} of {len(found)} published since")
        for each in late:
            if each.id not in seen:
                seen.add(each.id)
                own = isinstance(target, Path) and not target.name.endswith(_FEED)
                yield Item(target if own else each.reference, each.id)


def _of(target: Path | Reference) -> Iterator[Release]:
    """What a target lists: a place, a feed, or a folder. Raises Refused, TallyError."""
    from orchestrator.publishing.sources.static import StaticSource

    if isinstance(target, Path) and target.name.endswith(_FEED) and target.is_file():
        folder = Static(f"{target.absolute().parent.as_uri()}/")
        yield from StaticSource(folder).of_feed(target.name)
    elif isinstance(target, Path):
        refuse_foreign(target)
        own = locate(target)[0].path
        yield from StaticSource(Static(f"{own.absolute().as_uri()}/")).every()
    elif isinstance(target, Static) and target.base.endswith(f"{_FEED}/"):
        base, _, file = target.base.rstrip("/").rpartition("/")
        yield from StaticSource(replace(target, base=f"{base}/")).of_feed(file)
    else:
        yield from sources.of(target).every()


def watch(
    items: Sequence[Item],
    done: Mapping[str, Entry],
    history: History,
    make: Callable[[Item], Rebuilt],
    describe: Callable[[Rebuilt], tuple[str, Sequence[str]]],
) -> Iterator[tuple[Item, Rebuilt, Course]]:
    """Make each again that an earlier run has not done, and keep what it came to before the next begins."""
    for item in items:
        if (entry := done.get(item.known)) is not None:
            found: Rebuilt = Remembered(str(item.target), entry.verdict, entry.told, entry.time)
            yield item, found, history.course(item.known)
            continue
        found = Unmade(str(item.target), item.error) if item.error is not None else make(item)
        verdict, told = describe(found)
        yield item, found, history.note(item.known, str(item.target), verdict, told)
