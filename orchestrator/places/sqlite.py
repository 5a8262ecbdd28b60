"""SQLite databases: schema, rows by table and column, the header's counters last (its file format, 1.3)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from orchestrator.ground.wording import counted
from orchestrator.places.content import Content, Unreadable
from orchestrator.places.found import Field, Found, Pair
from orchestrator.places.place import Aspect, Step, printable

_LARGEST: Final = 64 << 20
_STEPS: Final = 10_000  # of SQLite's machine between two looks at the clock
_LONGEST: Final = 1 << 20  # bytes of a value
_HEADER: Final = (
    ("page size", 16, 2, False),
    ("write version", 18, 1, False),
    ("change counter", 24, 4, True),
    ("number of pages", 28, 4, True),
    ("first free page", 32, 4, True),
    ("schema cookie", 40, 4, True),
    ("text encoding", 56, 4, False),
    ("user version", 60, 4, False),
    ("application id", 68, 4, False),
    ("version valid for", 92, 4, True),
    ("version of SQLite", 96, 4, False),
)
"""Name, offset, bytes, and whether it only counts what was written."""


def look(pair: Pair) -> Iterator[Found]:
    """The tables' rows in the order of their keys."""
    heads = pair.first.at(0, 100), pair.second.at(0, 100)
    late: list[Field] = []
    for name, at, size, mirrors in _HEADER:
        one, other = (int.from_bytes(head[at : at + size], "big") for head in heads)
        if one != other:
            found = Field(
                f"header: {name}", (str(one), str(other)), step=Step("sqlite"), offset=at, mirrors=mirrors
            )
            if mirrors:
                late.append(found)
            else:
                yield found
    try:
        yield from _tables(pair)
    except (sqlite3.Error, OverflowError, ValueError) as error:
        raise Unreadable(str(error)) from error
    yield from late


def _tables(pair: Pair) -> Iterator[Field]:
    first, second = _opened(pair, pair.first), _opened(pair, pair.second)
    try:
        ours, theirs = _schema(first), _schema(second)
        for name in sorted({*ours, *theirs}):
            one, other = ours.get(name), theirs.get(name)
            step = Step("sqlite", printable(name))
            if one is None or other is None:
                values = ("nothing", "a table or index") if one is None else ("a table or index", "nothing")
                yield Field("", values, Aspect.MISSING, step)
            elif one != other:
                yield Field("schema", (one[1], other[1]), step=step)
            elif one[0] == "table" and one[1] and not one[1].upper().startswith("CREATE VIRTUAL"):
                yield from _rows(pair, first, second, name)
    finally:
        first.close()
        second.close()


def _opened(pair: Pair, content: Content) -> sqlite3.Connection:
    """In memory, and for reading alone; what a schema may call is not trusted."""
    data = bytearray(pair.budget.whole(content, _LARGEST))
    data[18:20] = b"\x01\x01"  # without a write-ahead log, which nobody has here
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(bytes(data))
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA query_only = ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.text_factory = bytes
        connection.set_progress_handler(lambda: 1 if pair.budget.left(1.0) <= 0 else 0, _STEPS)
        return connection
    except BaseException:
        connection.close()
        raise


def _schema(connection: sqlite3.Connection) -> dict[bytes, tuple[str, str]]:
    rows = connection.execute("SELECT name, type, sql FROM sqlite_master LIMIT 10000").fetchall()
    return {
        name: (kind.decode("latin-1"), (sql or b"").decode("utf-8", "replace")) for name, kind, sql in rows
    }


def _rows(pair: Pair, first: sqlite3.Connection, second: sqlite3.Connection, name: bytes) -> Iterator[Field]:
    """The first values that differ, and how many rows there are."""
    step = Step("sqlite", printable(name))
    text = name.decode("utf-8", "surrogateescape").replace('"', '""')
    query = f'SELECT * FROM "{text}"'
    told, most = 0, pair.budget.limits.spots
    cursors = first.execute(query), second.execute(query)
    titles = [column[0] for column in cursors[0].description]
    number = 0
    while True:
        one, other = cursors[0].fetchone(), cursors[1].fetchone()
        if one is None or other is None:
            if one is not other:
                counts = [_count(connection, text) for connection in (first, second)]
                yield Field("number of rows", (counts[0], counts[1]), step=step)
            return
        number += 1
        pair.budget.member()
        for title, left, right in zip(titles, one, other, strict=True):
            if left != right:
                yield Field(
                    f"row {number}, column {printable(title)}", (_shown(left), _shown(right)), step=step
                )
                told += 1
        if told >= most:
            return


def _count(connection: sqlite3.Connection, text: str) -> str:
    (count,) = connection.execute(f'SELECT count(*) FROM "{text}"').fetchone()
    return counted(count, "row")


def _shown(value: Any) -> bytes | str:
    return value if isinstance(value, bytes) else str(value)
