"""The fewest changes that are enough."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.diagnosis.narrowing import narrowed


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_one_of_many_takes_few_tries(count: int) -> None:
    for wanted in range(count):
        tries: list[int] = []

        def enough(some: Sequence[int], wanted: int = wanted, tries: list[int] = tries) -> bool:
            tries.append(len(some))
            return wanted in some

        assert narrowed(range(count), enough) == (wanted,)
        assert len(tries) <= 2 * count.bit_length()


@given(st.integers(1, 12), st.data())
def test_all_that_have_to_go_together_are_found(count: int, data: st.DataObject) -> None:
    wanted = data.draw(st.sets(st.integers(0, count - 1), min_size=1))
    assert set(narrowed(range(count), wanted.issubset)) == wanted


@given(st.integers(2, 10), st.data())
def test_of_two_ways_one_is_found_of_which_nothing_can_be_left_out(count: int, data: st.DataObject) -> None:
    ways = [data.draw(st.sets(st.integers(0, count - 1), min_size=1)) for _ in range(2)]

    def enough(some: Sequence[int]) -> bool:
        return any(way.issubset(some) for way in ways)

    found = narrowed(range(count), enough)
    assert enough(found)
    assert not any(enough([each for each in found if each != one]) for one in found)
