"""From two results to each place in which they differ. Streamed; links never followed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from orchestrator.agreement.cause import Cause, Spot, Window, cause_of
from orchestrator.agreement.contents import first_difference, where
from orchestrator.agreement.trees import Kind, Side, Unlike, walk
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass, replace
from orchestrator.ground.wording import counted
from orchestrator.places import formats
from orchestrator.places.budget import Budget, Limits, OutOfTimeError
from orchestrator.places.content import Content, Filed, Stream, Unreadable
from orchestrator.places.found import Field, Pair, Within
from orchestrator.places.place import PATH, Aspect, Place, Step, printable
from orchestrator.places.plain import leaves


def places(
    first: Side, second: Side, limits: Limits | None = None, without: frozenset[bytes] = frozenset()
) -> Iterator[Place]:
    """What differs between two results, in the order of their paths; nothing when all is the same.

    Names in `without`, directly in both, are not looked at: they were compared before.

    What cannot be looked into is a place with a note that says why.
    Raises TallyError when a side is not there or cannot be read, and OutOfTimeError when there was no time to
    compare all: what was yielded until then holds.
    """
    budget = Budget(limits or Limits())
    follows: frozenset[bytes] = frozenset()
    if _is_layout(first.path) and _is_layout(second.path):
        told = False
        for place in _of_images(first, second, budget):
            told = True
            yield place
        follows = frozenset({b"blobs", b"index.json"}) if told else follows
    for unlike in walk(first, second, budget.tick, without):
        name = printable(unlike.path, PATH)
        here = _Here(name, name.rpartition("/")[2], (), (first.name, second.name))
        # digests of what the images' own places tell
        here = replace(here, mirrors=unlike.path.partition(b"/")[0] in follows)
        if unlike.offset is None:
            yield _of_tree(here, unlike)
            continue
        told = False
        with unlike.nodes[0].open() as left, unlike.nodes[1].open() as right:
            for place in _Search(budget).differing(here, Filed(left), Filed(right), unlike.offset):
                told = True
                yield place
        if not told:  # whatever a reader leaves out, a file that differs is told
            yield here.place(Aspect.CONTENT, values=("", ""), offset=unlike.offset)


def _is_layout(folder: Path) -> bool:
    """Whether a folder is a layout of images."""
    return (folder / "oci-layout").is_file() and (folder / "index.json").is_file()


def _of_images(first: Side, second: Side, budget: Budget) -> Iterator[Place]:
    """Of two layouts in folders; where they cannot be read as such, the walk tells what differs."""
    here = _Here(".", "", (), (first.name, second.name))
    from orchestrator.places.image import compared, of_folder

    layouts = of_folder(first.path), of_folder(second.path)
    search = _Search(budget)
    try:
        # a file of one name is compared by the walk
        for found in compared(layouts[0], layouts[1], lambda one, other: one == other, budget):
            yield from search.found(here, found)
    except (Unreadable, OSError):
        return


def _of_tree(here: _Here, unlike: Unlike) -> Place:
    one, other = unlike.values
    spot, cause = None, Cause.UNKNOWN
    if unlike.kind is Kind.TARGET:
        at = first_difference(one, other)
        spot = Spot("", b"", at, Window(one, at), Window(other, at))
        cause = cause_of(spot)
    values = printable(one), printable(other)
    return here.place(Aspect(str(unlike.kind)), values=values, spot=spot, cause=cause)


@dataclass(frozen=True, slots=True)
class _Here:
    """How far in one is."""

    file: str
    name: str
    """Of the innermost content, for what its name says of it."""
    inside: tuple[Step, ...]
    between: tuple[str, str]
    where: str = ""
    mirrors: bool = False
    locate: Callable[[int], str] | None = None
    most: int | None = None

    def into(self, within: Within) -> _Here:
        return replace(
            self,
            name=within.name.rpartition("/")[2],
            inside=(*self.inside, within.step),
            where=within.where,
            mirrors=self.mirrors or within.mirrors,
            locate=within.locate,
            most=within.most,
        )

    def place(
        self,
        aspect: Aspect,
        *,
        values: tuple[str, str],
        offset: int | None = None,
        where: str = "",
        spot: Spot | None = None,
        cause: Cause = Cause.UNKNOWN,
        note: str = "",
    ) -> Place:
        said = ", ".join(filter(None, (self.where, where)))
        return Place(
            self.file,
            self.inside,
            aspect,
            offset,
            said,
            self.between,
            values,
            spot,
            cause,
            note,
            self.mirrors,
        )


_HEAD: Final = 4096
_MORE: Final = "more of it differs"


class _Search:
    """The way in, with what it may cost."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def look(self, here: _Here, one: Content, other: Content) -> Iterator[Place]:
        """Where two contents differ; nothing when they are the same."""
        offset = where(Stream(one), Stream(other), self._budget.tick)
        if offset is not None:
            yield from self.differing(here, one, other, offset)

    def differing(self, here: _Here, one: Content, other: Content, offset: int) -> Iterator[Place]:
        """Where two contents differ, whose first difference is known."""
        kinds = formats.of(one, here.name), formats.of(other, here.name)
        reader = formats.reader(*kinds)
        if reader is None:
            yield from self._unknown(here, one, other, offset)
            return
        kind = " and ".join(dict.fromkeys(each or "none" for each in kinds))
        told = False
        try:
            if len(here.inside) >= self._budget.limits.depth:
                raise Unreadable(f"it lies in {counted(self._budget.limits.depth, 'container')} already")
            pair = Pair(here.name, one, other, offset, self._budget)
            for found in reader(pair):
                for place in self.found(here, found):
                    told = True
                    yield place
        except (Unreadable, OSError, MemoryError) as error:
            said = why(error) if isinstance(error, OSError) else str(error) or "there is not enough memory"
            yield from self._plainly(here, one, other, offset, f"{kind}: {said}")
            return
        except OutOfTimeError:
            if not told:
                yield from self._plainly(
                    here, one, other, offset, f"{kind}: there was no time to look into it"
                )
            raise
        if not told:
            sizes = (counted(one.size, "byte"), counted(other.size, "byte"))
            inner = replace(here, inside=(*here.inside, Step(kind)))
            yield inner.place(
                Aspect.PACKING, values=sizes, offset=offset, where="the same parts, packed in another way"
            )

    def _unknown(self, here: _Here, one: Content, other: Content, offset: int) -> Iterator[Place]:
        """As it is; and what diffoscope says of bytes that are no text, where it is installed."""
        note = ""
        heads = one.at(0, _HEAD), other.at(0, _HEAD)
        is_bytes = all(b"\0" in head for head in heads) and here.locate is None
        program = shutil.which("diffoscope") if is_bytes else None
        if program is not None and self._budget.may_ask():
            from orchestrator.places import diffoscope

            try:
                for said in diffoscope.ask(program, here.name, one, other, self._budget):
                    values = printable(said.values[0]), printable(said.values[1])
                    spot = Field(said.where, said.values).spot
                    inner = replace(here, inside=(*here.inside, Step("diffoscope")))
                    where = printable(said.where)
                    yield inner.place(
                        Aspect.FIELD, values=values, where=where, spot=spot, cause=cause_of(spot)
                    )
            except (ValueError, OSError) as error:
                reason = why(error) if isinstance(error, OSError) else str(error)
                note = f"diffoscope could not be asked: {reason}"
        yield from self._plainly(here, one, other, offset, note)

    def found(self, here: _Here, found: Field | Within) -> Iterator[Place]:
        if isinstance(found, Within):
            yield from self.look(here.into(found), found.first, found.second)
            return
        inner = here if found.step is None else replace(here, inside=(*here.inside, found.step))
        place = inner.place(
            found.aspect,
            values=found.shown,
            offset=found.offset,
            where=found.where,
            spot=found.spot,
            cause=found.cause,
            note=found.note,
        )
        yield replace(place, mirrors=place.mirrors or found.mirrors)

    def _plainly(
        self, here: _Here, one: Content, other: Content, offset: int, note: str = ""
    ) -> Iterator[Place]:
        """As lines or bytes; only the first of them where it is known that more was to be looked into."""
        most = 1 if note else here.most or self._budget.limits.spots
        for leaf in leaves(here.name, one, other, offset, most):
            yield here.place(
                leaf.aspect,
                values=leaf.values,
                offset=leaf.offset,
                where=", ".join(filter(None, (here.locate and here.locate(leaf.offset), leaf.where))),
                spot=leaf.spot,
                cause=leaf.cause,
                note=note or (_MORE if leaf.more else ""),
            )
