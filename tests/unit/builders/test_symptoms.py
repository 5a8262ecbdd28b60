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


def test_a_store_that_links_equal_files_while_they_are_packed() -> None:
    assert "build again" in str(hint_of(["tar: ./lib/oid.d.ts: file changed as we read it"]))


@pytest.mark.parametrize(
    "line",
    [
        "mkdir: cannot create directory '/usr/local': Read-only file system",
        "mkdir: cannot create directory \u2018/usr/local\u2019: Read-only file system",
        "/usr/bin/install: cannot create regular file '/usr/local/bin/x': Read-only file system",
        "cp: cannot create regular file '/etc/x.conf': Permission denied",
        "script: line 3: /opt/x: Read-only file system",
        "error: could not create '/usr/local/lib/python3.11': Read-only file system",
        "OSError: [Errno 30] Read-only file system: '/usr/local/share/x'",
    ],
)
def test_an_installation_that_was_not_told_where(line: str) -> None:
    assert "install into $out" in str(hint_of([line, "make: *** [Makefile:7: install] Error 1"]))


@pytest.mark.parametrize(
    "line",
    [
        "script: line 1: curl: command not found",
        "sh: 1: wget: not found",
        "make: wget: No such file or directory",
        "curl: (6) Could not resolve host: example.org",
        "wget: unable to resolve host address 'example.org'",
        "fatal: unable to access 'https://example.org/x/': Could not resolve host: example.org",
        "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
    ],
)
def test_a_download_in_a_script(line: str) -> None:
    hint = str(hint_of([line]))
    assert "a build has no network" in hint
    assert "toolchain.packages" not in hint


def test_who_only_looks_for_a_downloader_may_have_it() -> None:
    assert "add it to toolchain.packages" in str(hint_of(["configure: error: curl not found"]))


@pytest.mark.parametrize(
    "line",
    [
        "cp: cannot create regular file '/nix/store/x/a': Permission denied",
        "sh: 1: ./usr/configure: Permission denied",
        "sh: 1: /usr/bin/x: Permission denied",
        "chmod: cannot access 'run': No such file",
        "mount: Operation not permitted",
        "chown: Operation not permitted",
    ],
)
def test_what_is_something_else_has_no_hint(line: str) -> None:
    assert hint_of([line]) is None
