"""What Nix says of a flake that cannot be had, for whoever named it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.nix import flake_errors, flakes
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
    told = flake_errors.unusable(failed, f"path:{tmp_path}")
    assert reason in told.message
    assert hint in str(told.hint)
    for word in ("--show-trace", "json.exception", "-I NAME"):
        assert word not in f"{told.message} {told.hint}"


def test_a_narhash_in_an_address_is_no_commits_word(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="has a narHash in its address"):
        flakes.locked(None, "github:o/r/abc?narHash=sha256-x", "it")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["link", "outside", "device"])
def test_a_lock_that_is_a_link_is_not_read(kind: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tmp_path / "other").write_text("{}")
    (tree / "real").write_text("{}")
    target = {"link": "real", "outside": "../other", "device": "/dev/zero"}[kind]
    (tree / "flake.lock").symlink_to(target)
    with pytest.raises(TallyError, match=r"the flake\.lock of it is a link"):
        flakes._lock_in(tree, "", "it")
    (tree / "sub").symlink_to(".")
    with pytest.raises(TallyError, match=r"the flake\.lock of it is a link"):
        flakes._lock_in(tree, "sub", "it")


def test_the_folder_of_a_flake_is_found_as_nix_finds_it(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (tmp_path / "a" / "flake.nix").touch()
    assert flakes.directory_of(str(inside)) == ""
    (tmp_path / ".git").mkdir()
    assert flakes.directory_of(str(inside)) == "a"
    assert flakes.directory_of(f"{tmp_path}?dir=x") == "x"
    assert flakes.directory_of("github:o/r?dir=sub&ref=main") == "sub"
    assert flakes.directory_of("github:o/r") == ""


def test_a_folder_that_nix_takes_whole(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (tmp_path / "a" / "flake.nix").touch()
    assert flakes.whole_folder(str(inside)) == tmp_path / "a"
    (tmp_path / ".git").mkdir()
    assert flakes.whole_folder(str(inside)) is None
    assert flakes.whole_folder(f"path:{inside}?x=y") == inside
    assert flakes.whole_folder("github:o/r") is None


LOCK = {"nodes": {"dep": {"locked": {"type": "git", "url": "file:///dep", "ref": "master", "rev": "0a5e"}}}}
FETCHING = "error: program 'git' failed with exit code 128\n\n       … while fetching the input "
NO_GIT = f"fatal: '/dep' does not appear to be a git repository\n{FETCHING}"
OF_INPUTS = {
    f"{NO_GIT}'git+file:///dep?ref=master&rev=0a5e'": (
        "the input dep of it cannot be fetched from git+file:///dep?ref=master&rev=0a5e: git says: '/dep'",
        "lock another with",
    ),
    "error: unable to download 'https://x': no (6)\n       … while fetching the input 'github:o/r/1'": (
        "an input of it cannot be fetched from github:o/r/1: unable to download 'https://x': no (6)",
        "answers",
    ),
    "error: cannot update flake input 'dep' in pure mode": (
        "does not fit its input dep",
        "commit flake.lock",
    ),
    "error: cannot update unlocked flake input 'dep' in pure mode": ("does not fit its input dep", "commit"),
    "error: program 'git' failed with exit code 1\n\n       at /s/flake.nix:2:3:": (
        "program 'git' failed",
        "None",
    ),
    "error: undefined variable 'x'": ("undefined variable 'x'", "None"),
}


@pytest.mark.parametrize("said", OF_INPUTS)
def test_an_input_that_cannot_be_had_is_named(said: str) -> None:
    reason, hint = OF_INPUTS[said]
    failed = NixFailed("nix failed", status=1, hint="none", said=said)
    told = flake_errors.unevaluated(failed, LOCK, "it")
    assert reason in told.message
    assert hint in str(told.hint)
    assert "-I" not in str(told.hint)


@pytest.mark.parametrize(
    ("said", "reason", "hint"),
    [
        (
            f"{NO_GIT}'git+file:///dep'",
            "its input dep cannot be fetched from git+file:///dep: git says",
            "right",
        ),
        (
            "error: getting status of '/x/flake.nix': No such",
            "that input has no flake.nix",
            "dep.flake = false",
        ),
        ("error: other", "does not fit its input dep, and evaluation writes none", "lock it with"),
    ],
)
def test_an_input_that_the_lock_does_not_fit_is_named(said: str, reason: str, hint: str) -> None:
    said += "\n\n       … while updating the flake input 'dep'"
    failed = NixFailed("nix failed", status=1, hint="none", said=said)
    told = flake_errors.not_as_locked(failed, LOCK, "it")
    assert told is not None
    assert reason in told.message
    assert hint in str(told.hint)
