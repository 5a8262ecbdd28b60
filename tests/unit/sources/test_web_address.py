"""The host by which a repository is judged is the host that git would contact."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.recipe.detours import plain
from orchestrator.repositories.revision import web_address

PARTS = ["good.org", "evil.org", "u", "x", "/", "//", ":", "@", "?", "#", "\\", ";", "%", "%2e", "%2E", "%2f"]
PARTS += [
    "%5c",
    "%40",
    "%00",
    "%0a",
    " ",
    "\t",
    "\n",
    "\r",
    "\0",
    "\x7f",
    "[",
    "]",
    "[::1]",
    ":22",
    ".",
    "..",
    "é",
]
PARTS += [":443", "\u2028", "\uff0f", "\uff20", "\u3002", "&", "=", "*"]
SCHEMES = ["https", "http", "ssh", "git"]
NASTY = st.lists(st.sampled_from(PARTS), min_size=1, max_size=9).map("".join)


def host_in(address: str) -> str | None:
    """By RFC 3986, section 3.2, read in the plainest way: up to the first of `/`, `?` and `#`."""
    authority = address.partition("://")[2]
    for end in "/?#":
        authority = authority.partition(end)[0]
    host = authority.rpartition("@")[2]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


@given(scheme=st.sampled_from(SCHEMES), rest=NASTY)
@example(scheme="https", rest="evil.org?@good.org/acme/x")
@example(scheme="https", rest="evil.org#@good.org/acme/x")
@example(scheme="https", rest="evil.org\\@good.org/acme/x")
@example(scheme="https", rest="good.org\\@evil.org/acme/x")
@example(scheme="https", rest="u@good.org@evil.org/x")
@example(scheme="https", rest="good%2eorg/acme/x")
@settings(max_examples=400, deadline=None)
def test_every_reader_finds_the_host_that_is_judged(scheme: str, rest: str) -> None:
    address = f"{scheme}://{rest}"
    judged = web_address(f"git+{address}")
    if judged is None:
        return
    host = host_in(judged)
    assert host == host_in(address).lower()  # type: ignore[union-attr]
    assert host == f"[{urlsplit(address).hostname}]" if "[" in rest else urlsplit(address).hostname
    assert not set("?#\\ \t\r\n\0") & set(judged)
    assert judged.isascii()
    assert "%2e" not in judged.lower()


@pytest.mark.parametrize(
    "bad", ["?", "?x=y", "#", "#x", "\\", "%5c", "%2e", " ", "\n", "\0", "%00", "%1f", "%7F", "%", "é"]
)
@pytest.mark.parametrize(
    "at", ["https://{}good.org/x", "https://good.org{}/x", "https://good.org/{}x", "https://good.org/x{}"]
)
def test_what_is_no_repositorys_address(at: str, bad: str) -> None:
    userinfo = at.startswith("https://{}") and bad.startswith("%") and len(bad) == 3
    if not userinfo:  # a password may have any escape: who reads it has found the host already
        assert web_address(at.format(bad)) is None


@pytest.mark.parametrize(
    "rest",
    [
        "good.org/x",
        "u@good.org/x",
        "u:p@good.org/x",
        "good.org:2222/x",
        "GOOD.org/x.git",
        "u%40x@good.org/a@b/x",
        "[::1]/x",
    ],
)
def test_git_contacts_the_host_that_is_judged(rest: str, tmp_path: Path) -> None:
    """Git itself, with a program in place of ssh that writes down which host it was to log in at."""
    stub, told = tmp_path / "ssh", tmp_path / "told"
    stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}\nexit 1\n')
    stub.chmod(0o755)
    judged = web_address(f"ssh://{rest}")
    assert judged is not None
    assert plain(judged)
    subprocess.run(
        ["git", "ls-remote", f"ssh://{rest}"],
        env={"PATH": "/usr/bin:/bin", "GIT_SSH": str(stub), "GIT_SSH_VARIANT": "ssh", "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    host = str(host_in(judged)).strip("[]")
    assert any(word.rpartition("@")[2].lower() == host for word in told.read_text().splitlines())
