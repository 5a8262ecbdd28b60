"""What Nix says of a flake that cannot be had, for whoever named it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.nix import flakes
from orchestrator.nix.command import NixFailed

SAID = {
    "a git repository that is not there": (
        (
            "fatal: '/x' does not appear to be a git repository\nerror: program 'git' failed\n"
            "       (use '--show-trace' to show detailed location information)"
        ),
        "git says: '/x' does not appear to be a git repository",
        "answers",
    ),
    "a host that does not answer": (
        (
            "error: unable to download 'https://x/': Couldn't resolve host name (6)\n"
            "       (use '--show-trace' to show detailed location information)"
        ),
        "unable to download 'https://x/': Couldn't resolve host name (6)",
        "answers",
    ),
    "an input that is not there": (
        "error: getting status of '/x': No such file or directory",
        "getting status of '/x'",
        "each of its inputs",
    ),
    "a lock that is cut": (
        "error: [json.exception.parse_error.101] parse error at line 2, column 1: syntax error",
        "the flake.lock of it is not JSON",
        "nix flake lock",
    ),
    "no flake": ("error: could not find a flake.nix file", "there is no flake.nix in", "FOLDER#ATTRIBUTE"),
}


@pytest.mark.parametrize("name", SAID)
def test_the_reason_and_the_way_out(name: str, tmp_path: Path) -> None:
    (said, reason, hint) = SAID[name]
    if name != "no flake":
        (tmp_path / "flake.nix").touch()
        (tmp_path / "flake.lock").touch()
    failed = NixFailed("nix flake failed", status=1, hint="none", said=said)
    told = flakes._unusable(failed, f"path:{tmp_path}", "it")
    assert reason in told.message
    assert hint in str(told.hint)
    for word in ("--show-trace", "json.exception", "-I NAME"):
        assert word not in f"{told.message} {told.hint}"
