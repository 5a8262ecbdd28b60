"""A few threads for many things that wait on the network. Leaving early ends them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from orchestrator.ground.errors import TallyError

T = TypeVar("T")

_PATIENCE = 2.0  # seconds for a thread to notice that it shall stop


class Stopped(Exception):
    """The work of one thread ended because `stop` was set."""


def in_parallel(
    things: Iterable[T], work: Callable[[T], object], stop: threading.Event, *, threads: int
) -> Iterator[tuple[T, TallyError | None]]:
    """Do `work` to every thing; gives each, with the error that a user can cause, as it is done.

    When the caller leaves early, what has not begun is dropped and `stop` is set until the threads have
    ended; work that is under way should look at it and raise Stopped. Other exceptions of `work` are raised
    here.
    """
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[T, BaseException | None]] = queue.SimpleQueue()
    count = 0
    for thing in things:
        todo.put(thing)
        count += 1
    # daemons: a silent host must not keep an interrupted process alive
    running = [
        threading.Thread(target=_work, args=(todo, done, work), daemon=True)
        for _ in range(min(threads, count))
    ]
    for thread in running:
        thread.start()
    try:
        for _ in range(count):
            thing, failure = done.get()
            if failure is not None and not isinstance(failure, TallyError):
                raise failure
            yield thing, failure
    finally:
        _end(running, todo, stop)


def _work(
    todo: queue.SimpleQueue[T],
    done: queue.SimpleQueue[tuple[T, BaseException | None]],
    work: Callable[[T], object],
) -> None:
    while True:
        try:
            thing = todo.get_nowait()
        except queue.Empty:
            return
        try:
            work(thing)
            done.put((thing, None))
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001  (handed to the thread that waits)
            done.put((thing, error))


def _end(running: list[threading.Thread], todo: queue.SimpleQueue[T], stop: threading.Event) -> None:
    while not todo.empty():
        try:
            todo.get_nowait()
        except queue.Empty:
            break
    if any(thread.is_alive() for thread in running):
        stop.set()
        for thread in running:
            thread.join(timeout=_PATIENCE)
        stop.clear()
