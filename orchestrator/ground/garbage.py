"""Python's search for circles among objects, and when it is not worth its time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no circles: for work that makes many objects, none of which refer to each other in one.

    Each search looks at all objects there are, so that the time for each of 100,000 is a tenth more.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
