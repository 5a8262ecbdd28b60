"""What is made once a machine, though several processes of the tests want it at the same time."""

from __future__ import annotations

import fcntl
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def one_at_a_time(make: Callable[P, T]) -> Callable[P, T]:
    """Let one process at a time run `make`, whose parameter `state` is the folder where it keeps things."""
    signature = inspect.signature(make)

    @functools.wraps(make)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        state = signature.bind(*args, **kwargs).arguments["state"]
        folder = Path(state) / "strangers"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{make.__module__}.{make.__name__}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return make(*args, **kwargs)

    return alone
