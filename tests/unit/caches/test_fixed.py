"""The one file in a NAR, and what is none."""

from __future__ import annotations

import io

import pytest
from caches import nar_of

from orchestrator.caches.fixed import flat_file

CONTENTS = [b"", b"x", b"12345678", b"\0" * 4099]


def text(*words: bytes) -> bytes:
    return b"".join(len(word).to_bytes(8, "little") + word + bytes(-len(word) % 8) for word in words)


@pytest.mark.parametrize("content", CONTENTS)
def test_a_files_contents_are_given(content: bytes) -> None:
    assert b"".join(flat_file(io.BytesIO(nar_of(content)))) == content
    words = (b"nix-archive-1", b"(", b"type", b"regular", b"executable", b"", b"contents", content, b")")
    assert b"".join(flat_file(io.BytesIO(text(*words)))) == content


@pytest.mark.parametrize("content", CONTENTS)
def test_what_is_cut_or_goes_on_is_none(content: bytes) -> None:
    whole = nar_of(content)
    for size in {*range(min(len(whole), 200)), len(whole) - 1, len(whole) - 9}:
        with pytest.raises(ValueError, match=r"no single file|middle|follows"):
            list(flat_file(io.BytesIO(whole[:size])))
    with pytest.raises(ValueError, match="follows"):
        list(flat_file(io.BytesIO(whole + b"x")))


@pytest.mark.parametrize(
    "nar",
    [
        text(b"nix-archive-1", b"(", b"type", b"directory", b")"),
        text(b"nix-archive-1", b"(", b"type", b"symlink", b"target", b"/etc/passwd", b")"),
        b"\xff" * 100,
        b"an error page",
    ],
)
def test_what_is_no_file_is_none(nar: bytes) -> None:
    with pytest.raises(ValueError, match="no single file"):
        list(flat_file(io.BytesIO(nar)))
