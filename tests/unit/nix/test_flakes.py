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
    "a flake that was never added": (
        (
            "error: getting status of '/s/nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/flake.nix': "
            "No such file or directory"
        ),
        "git does not know the flake.nix in",
        "git add flake.nix",
    ),
    "a flake that was never added, as later versions tell it": (
        "error: Path 'flake.nix' in the repository \"/x\" is not tracked by Git.",
        "git does not know the flake.nix in",
        "git add flake.nix",
    ),
    "an error in it": (
        (
            "error: syntax error, unexpected\n\n       at /nix/store/0ccnxa25whszw7mgbgyzdm4nqc0zwnm8-source/"
            "flake.nix:16:5:"
        ),
        "flake.nix:16:5: syntax error",
        "None",
    ),
    "no flake": ("error: could not find a flake.nix file", "there is no flake.nix in", "FOLDER#ATTRIBUTE"),
}


@pytest.mark.parametrize("name", SAID)
def test_the_reason_and_the_way_out(name: str, tmp_path: Path) -> None:
    (said, reason, hint) = SAID[name]
    if name != "no flake":
        (tmp_path / "flake.nix").touch()
        (tmp_path / "flake.lock").touch()
        if "has no" in reason or "an error" in name or "never" in name:
            (tmp_path / "flake.lock").unlink()
    failed = NixFailed("nix flake failed", status=1, hint="none", said=said)
    told = flakes._unusable(failed, f"path:{tmp_path}", "it")
    assert reason in told.message
    assert hint in str(told.hint)
    for word in ("--show-trace", "json.exception", "-I NAME"):
        assert word not in f"{told.message} {told.hint}"
