"""What a failed build's last lines tell, as the programs really print it."""

from __future__ import annotations

import pytest

from orchestrator.builders.symptoms import hint_of


@pytest.mark.parametrize(
    "line",
    [
        "chmod: changing permissions of 'run': Operation not permitted",
        "install: cannot change permissions of \u2018/nix/store/x/bin/su\u2019: Operation not permitted",
        "cp: preserving permissions for 'a': Operation not permitted",
        "tar: run: Cannot change mode to rwsr-xr-x: Operation not permitted",
    ],
)
def test_a_setuid_bit_that_the_sandbox_refuses(line: str) -> None:
    hint = hint_of(["make: entering", line, "make: *** [install] Error 1"])
    assert hint is not None
    assert "Nix's sandbox refuses setuid" in hint


@pytest.mark.parametrize(
    "line",
    [
        "chmod: cannot access 'run': No such file",
        "mount: Operation not permitted",
        "chown: Operation not permitted",
    ],
)
def test_what_is_something_else_has_no_hint(line: str) -> None:
    assert hint_of([line]) is None
