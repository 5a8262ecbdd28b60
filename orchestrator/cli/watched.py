"""Many releases in one run of `tally rebuild`: a line each, a record that remembers, and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.ground.files import contents
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target
    from orchestrator.cli.live import LiveView
    from orchestrator.ground.state import State
    from orchestrator.run.reproduced import Rebuilt
    from orchestrator.served.named import Named
    from orchestrator.stories.watching import Item

_LARGEST = 1 << 24
"""Bytes of a file that says what is asked for: policies are far smaller."""
Every = Annotated[
    bool,
    typer.Option(
        "--all", help="Every release at each place: a registry's repository, a bucket's prefix, a folder."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="WHEN",
        help="As --all, of what was published since: 7d, 4w, 1y ago, or a day or time, as 2036-01-01.",
        show_default=False,
    ),
]
Record = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Keep there what each release came to, and go on there. Else in the state folder, for many.",
        show_default=False,
    ),
]
Sarif = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write SARIF, which code scanning shows: a result for each no."),
]


@dataclass(frozen=True, slots=True)
class Many:
    """How many releases are gone through."""

    every: bool
    since: str | None
    record: Path | None
    key: str
    """Of what was asked: a run that was stopped is gone on with by the same command."""


def many_of(
    every: bool,
    since: str | None,
    record: Path | None,
    list_file: Path | None,
    targets: Sequence[Target | Named],
    *settings: object,
) -> Many | None:
    """None: a few are made again, and nothing is remembered.

    `settings` are what else was asked for: another run is begun where one of them, or a file, is another one.
    """
    whole = every or since is not None
    feeds = any(str(each).rstrip("/").endswith(".atom") for each in targets)
    if not (whole or feeds or record is not None or list_file is not None):
        return None
    return Many(whole or feeds, since, record, key_of([since, every, *targets, *settings]))


def key_of(words: Sequence[object]) -> str:
    """What stands for words, and for what is in the files among them."""
    whole = hashlib.sha256()
    for each in words:
        whole.update(hashlib.sha256(str(each).encode("utf-8", "replace")).digest())
        if isinstance(each, Path):
            with suppress(OSError, ValueError):
                whole.update(hashlib.sha256(contents(each, _LARGEST)).digest())
    return whole.hexdigest()


def go_through(
    many: Many,
    state: State,
    targets: Sequence[Target | Named],
    make: Callable[[Item, LiveView], Rebuilt],
    *,
    quiet: bool,
) -> tuple[list[Target | Named], list[Rebuilt], list[Mapping[str, Any]]]:
    """Each release's target, what it came to, and since when. A line each is printed unless `quiet`."""
    from orchestrator.cli.live import LiveView
    from orchestrator.cli.rebuilt import show
    from orchestrator.cli.text import harmless, say
    from orchestrator.cli.told import told
    from orchestrator.ground.wording import counted
    from orchestrator.run.history import FILE, History
    from orchestrator.run.reproduced import Remembered
    from orchestrator.stories import watching

    now = datetime.now(UTC)
    after = None if many.since is None else watching.since(many.since, now)
    path = (many.record or state.folder() / FILE).absolute()
    with ExitStack() as until_the_end:
        wait = lambda: say(f"waiting for another run that writes {path}")  # noqa: E731
        until_the_end.enter_context(state.locked(f"record {path}", waiting=wait))
        history = History(path)
        items = list(watching.listed(targets, after, many.every, say))
        done = history.begin(many.key, now)
        if done:
            of = f"{len(done)} of {counted(len(items), 'release')}"
            say(f"going on with the run that was stopped: {of} done")
        found: list[Rebuilt] = []
        courses: list[Mapping[str, Any]] = []

        def made(item: Item) -> Rebuilt:
            with LiveView() as view:
                return make(item, view)

        for item, each, course in watching.watch(items, done, history, made, told):
            found.append(each)
            courses.append(course.document)
            if not isinstance(each, Remembered):
                show(each, quiet=True)
            if not quiet:
                print(
                    harmless(f"{told(each)[0].upper().replace('-', ' ')}  {item.target}  {course.sentence}"),
                    flush=True,
                )
        history.end(many.key)
    return [item.target for item in items], found, courses
