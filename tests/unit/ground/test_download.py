"""Downloading from servers that want something of who asks."""

from __future__ import annotations

import pytest
from loopback import Answer, Server

from orchestrator.ground.answers import Manners
from orchestrator.ground.download import Downloader
from orchestrator.ground.unreachable import Unreachable


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("31", r"answers \d+ .* \(Retry-After: 31\)"),
        ("86400", r"\(Retry-After: 86400\)"),
        ("9" * 400, r"\(Retry-After: 9{40}\)"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "31 Dec 9999"),
        ("9" * 5_000, "."),
        ("whenever", "Retry-After|retry-after"),
    ],
)
@pytest.mark.parametrize("manners", [None, Manners(downgrade=False)])
@pytest.mark.parametrize("status", [429, 503])
def test_nobody_is_waited_for_longer_than_a_while(
    asked: str, told: str, manners: Manners | None, status: int
) -> None:
    """It is asked once, and not again: the test would take as long as the server says."""

    def busy(_: object) -> Answer:
        return Answer(b"", status, retry_after=asked)

    with Server({"/file": busy}).running() as server:
        with pytest.raises(Unreachable, match=told):
            list(Downloader(manners=manners).read(f"{server.address}/file"))
        assert server.asked == ["/file"]


def test_a_short_wait_is_waited() -> None:
    answers = [Answer(b"", 503, retry_after="1"), Answer(b"it")]
    with Server({"/file": lambda _: answers.pop(0)}).running() as server:
        assert b"".join(Downloader().read(f"{server.address}/file")) == b"it"
        assert server.asked == ["/file", "/file"]


@pytest.mark.parametrize("manners", [None, Manners(downgrade=False)])
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("file:///etc/hostname", "file:///etc/hostname"),
        ("FILE:/etc/hostname", "FILE:/etc/hostname"),
        ("ftp://me:hunter2@example.org/x?token=s3cret", "ftp://example.org/x?token=…"),
        ("data:,x", "data:,x"),
    ],
)
def test_a_redirection_to_no_server_is_told_and_not_followed(
    place: str, told: str, manners: Manners | None
) -> None:
    with Server({"/file": lambda _: Answer(b"", 302, location=place)}).running() as server:
        with pytest.raises(Unreachable) as error:
            list(Downloader(manners=manners).read(f"{server.address}/file"))
        assert str(error.value) == f"it redirects to {told}, which is not followed"
        assert server.asked == ["/file"]
