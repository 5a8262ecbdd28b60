"""Webhooks: who is told, what, and by whose secret. Receivers check it by the specification's words."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import reports
from loopback import Answer, Asked, Server

from orchestrator.builders.configuration import load
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.ledger.entries import Verdict
from orchestrator.stories.webhooks import ready, tell

SECRET = b"k" * 32
EVER = datetime(2000, 1, 1, tzinfo=UTC)


class Receiver:
    """A server of somebody's, that answers as it is told to."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.got = list(statuses), list[Asked]()
        self.server = Server({"/hook": self._take})

    def _take(self, asked: Asked) -> Answer:
        self.got.append(asked)
        status = self.statuses.pop(0) if self.statuses else 204
        return Answer(b"", status, location="/elsewhere" if status == 302 else None)

    def verified(self) -> list[dict[str, object]]:
        """The bodies, whose signatures hold: HMAC-SHA256 over `ID.TIMESTAMP.BODY`."""
        for asked in self.got:
            headers = {name.lower(): value for name, value in asked.headers.items()}
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + asked.body
            made = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
            assert headers["webhook-signature"] == f"v1,{made}"
        return [json.loads(asked.body)["data"] for asked in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with receiver.server.running():
        yield receiver


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def told(folder: Path, receiver: Receiver, state: State, more: str = "", since: datetime = EVER) -> list[str]:
    """What is said while the webhooks of a tally.toml are told."""
    (folder / "hook.secret").write_text(f"whsec_{base64.b64encode(SECRET).decode()}\n")
    table = f'[[webhook]]\nurl = "{receiver.server.address}/hook"\nsecret = "hook.secret"\n{more}'
    (folder / "tally.toml").write_text(table)
    said: list[str] = []
    tell(state, ready(load(folder)), since, said.append, lambda _: None)
    return said


def run(state: State, number: int, verdict: Verdict) -> None:
    reports.write_run(state, number, [reports.simple("app", verdict)])


def test_what_changed_is_told_once_and_signed(tmp_path: Path, receiver: Receiver, state: State) -> None:
    for number, verdict in enumerate([Verdict.AGREED, Verdict.AGREED, Verdict.DIFFERS], 1):
        run(state, number, verdict)
    assert told(tmp_path, receiver, state) == []
    found = [(each["before"], each["verdict"]) for each in receiver.verified()]
    assert found == [(None, "agreed"), ("agreed", "differs")]
    assert str(tmp_path) not in "".join(asked.body.decode() for asked in receiver.got)
    assert len({asked.headers["webhook-id"] for asked in receiver.got}) == 2


def test_every_result_is_told_where_that_is_asked_for(
    tmp_path: Path, receiver: Receiver, state: State
) -> None:
    for number in (1, 2):
        run(state, number, Verdict.AGREED)
    told(tmp_path, receiver, state, "every = true\n")
    assert [each["verdict"] for each in receiver.verified()] == ["agreed", "agreed"]


def test_nothing_older_than_this_build_is_told(tmp_path: Path, receiver: Receiver, state: State) -> None:
    run(state, 1, Verdict.DIFFERS)
    told(tmp_path, receiver, state, since=datetime.now(UTC))
    assert receiver.got == []


def test_an_overloaded_receiver_is_told_again_by_the_same_id(
    tmp_path: Path, receiver: Receiver, state: State
) -> None:
    receiver.statuses = [503, 429]
    run(state, 1, Verdict.DIFFERS)
    assert told(tmp_path, receiver, state) == []
    assert len(receiver.got) == 3
    assert len({asked.headers["webhook-id"] for asked in receiver.got}) == 1


@pytest.mark.parametrize(("status", "times"), [(500, 3), (404, 1), (302, 1)])
def test_a_receiver_that_does_not_take_it_is_said_and_changes_nothing(
    tmp_path: Path, receiver: Receiver, state: State, status: int, times: int
) -> None:
    receiver.statuses = [status] * 9
    run(state, 1, Verdict.DIFFERS)
    (line,) = told(tmp_path, receiver, state)
    assert line.endswith(f"was not told: it answers {status}")
    assert len(receiver.got) == times, "and nothing goes where an answer points to"


def test_a_receiver_that_is_not_there_is_said(tmp_path: Path, state: State) -> None:
    gone = Receiver()
    with gone.server.running():
        pass
    run(state, 1, Verdict.DIFFERS)
    (line,) = told(tmp_path, gone, state)
    assert "was not told" in line


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all!!"])
def test_a_secret_that_is_none_is_refused_before_anything_is_built(tmp_path: Path, text: str) -> None:
    (tmp_path / "hook.secret").write_text(text)
    (tmp_path / "tally.toml").write_text('[[webhook]]\nurl = "https://x.example"\nsecret = "hook.secret"\n')
    with pytest.raises(TallyError, match="no webhook secret") as caught:
        ready(load(tmp_path))
    assert "c2hvcnQ" not in str(caught.value), "what is there may be half of a secret"
    (tmp_path / "hook.secret").unlink()
    with pytest.raises(TallyError, match="cannot be read"):
        ready(load(tmp_path))


def test_nothing_is_told_where_others_can_listen(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text('[[webhook]]\nurl = "http://u:p@x.example"\nsecret = "s"\n')
    with pytest.raises(TallyError, match="neither https") as caught:
        load(tmp_path)
    assert "u:p" not in str(caught.value)
