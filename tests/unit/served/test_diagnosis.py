"""A few words on how two files differ."""

from __future__ import annotations

import pytest

from orchestrator.served.diagnosis import note


@pytest.mark.parametrize(
    ("made", "served", "says"),
    [
        (b"a\nb\n", b"a\r\nb\r\n", "line ends alone differ"),
        (b"a\nb\n", b"b\na\n", "the same lines in another order"),
        (b"a\nb (>=1)\n", b"a\nb >=1\n", "line 2 is 'b (>=1)' in what was made, 'b >=1' in what is served"),
        (b"a", b"a\nb", "what is served has more lines, from line 2 on"),
        (b"a\nb\nc", b"a", "what is made has more lines, from line 2 on"),
        (b"\xff", b"a", None),
        (b"a", bytes(5 << 20), None),
    ],
)
def test_what_is_known(made: bytes, served: bytes, says: str | None) -> None:
    assert note(made, served) == says


def test_a_long_line_is_cut() -> None:
    found = note(b"a" * 1000, b"b" * 1000)
    assert found is not None
    assert len(found) < 200
