"""`tally log` as its user meets it: what it says, and its exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import releases

from orchestrator.keys.key import SigningKey
from orchestrator.log.embedded import CHECKPOINT, EmbeddedLog
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.signing import bundling

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn


@pytest.fixture
def log(tmp_path: Path) -> EmbeddedLog:
    log = releases.log_in(tmp_path / "state" / "log")
    log.append([b"one", b"two", b"three"])
    return log


@pytest.fixture
def mine(tally_in: TallyIn, tmp_path: Path, log: EmbeddedLog) -> Tally:
    return tally_in(tmp_path, TALLY_STATE=str(tmp_path / "state"))


def test_show(mine: Tally, log: EmbeddedLog) -> None:
    ran = mine("log", "show").succeeded()
    assert f"origin        {log.instance.origin}\nsize          3\nkey           {log.key.vkey}\n" in ran.out
    assert (log.folder.path / CHECKPOINT).read_text() in ran.out
    assert "operator is you" in ran.err
    assert "not public" in ran.err


def test_show_as_json(mine: Tally, log: EmbeddedLog) -> None:
    found = json.loads(mine("log", "show", "--json").succeeded().out)
    assert (found["origin"], found["size"], found["key"]) == (log.instance.origin, 3, log.key.vkey)
    assert found["checkpoint"] == (log.folder.path / CHECKPOINT).read_text()
    assert Path(found["trustedRoot"]).is_file()


def test_show_what_others_are_to_have(mine: Tally, log: EmbeddedLog) -> None:
    """Exactly the bytes, so that they can be written to a file."""
    for option, name in (("--checkpoint", CHECKPOINT), ("--trusted-root", TRUSTED_ROOT)):
        ran = mine("log", "show", option).succeeded()
        assert (ran.out, ran.err) == ((log.folder.path / name).read_text(), "")
    assert "give one" in mine("log", "show", "--checkpoint", "--json").failed(2).err


def test_a_whole_log_says_that_this_shows_little_by_itself(mine: Tally) -> None:
    ran = mine("log", "verify").succeeded()
    assert ran.out.startswith("PASSED  ")
    assert "Without --from" in ran.err
    assert "operator is you" in ran.err


def test_an_older_checkpoint_and_a_bundle(mine: Tally, log: EmbeddedLog, tmp_path: Path) -> None:
    shutil.copy(log.folder.path / CHECKPOINT, tmp_path / "older")
    key = SigningKey.generate()
    (signed,) = bundling.logged([bundling.sign(b"{}", key)], key.public, log)
    (tmp_path / "it.sigstore.json").write_bytes(signed.render())
    log.append([b"more"])
    ran = mine("log", "verify", "--from", "older", "--from", "it.sigstore.json").succeeded()
    assert "begins with the 3 entries" in ran.out
    assert "begins with the 4 entries" in ran.out


def test_a_rewritten_log_is_a_no(mine: Tally, log: EmbeddedLog, tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes((log.folder.path / CHECKPOINT).read_bytes())
    shutil.rmtree(log.folder.path / "tile")
    (log.folder.path / CHECKPOINT).unlink()
    releases.log_in(log.folder.path).append([b"one", b"TWO", b"three", b"four"])
    mine("log", "verify").succeeded()
    ran = mine("log", "verify", "--from", CHECKPOINT).failed(1)
    assert "the log was rewritten: its first 3 entries are not those" in ran.out
    found = json.loads(mine("log", "verify", "--from", CHECKPOINT, "--json").failed(1).out)
    assert (found["verdict"], found["size"], found["from"], len(found["reasons"])) == ("failed", 4, [3], 1)


def test_a_rolled_back_log_is_a_no(mine: Tally, log: EmbeddedLog, tmp_path: Path) -> None:
    shutil.copytree(log.folder.path, tmp_path / "backup")
    log.append([b"four"])
    shutil.copy(log.folder.path / CHECKPOINT, tmp_path / "newest")
    shutil.rmtree(log.folder.path)
    (tmp_path / "backup").rename(log.folder.path)
    assert (
        "the log was rolled back: it had 4 entries" in mine("log", "verify", "--from", "newest").failed(1).out
    )


def test_a_broken_log_decides_nothing(mine: Tally, log: EmbeddedLog) -> None:
    path = log.folder.path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:20])
    for command in ("show", "verify"):
        ran = mine("log", command).failed(2)
        assert "is damaged: its checkpoint" in ran.err
        assert "hint: " in ran.err


def test_there_is_no_log_yet(tally_in: TallyIn, tmp_path: Path) -> None:
    none = tally_in(tmp_path, TALLY_STATE=str(tmp_path / "none"))
    for command in ("show", "verify"):
        assert "no log in" in none("log", command).failed(2).err
    assert not (tmp_path / "none").exists(), "looking makes nothing"


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"rubbish",
        b"\xff",
        b"{}",
        b'{"verificationMaterial": {"tlogEntries": []}}',
        b'{"a": 1, "a": 2}',
    ],
)
def test_what_is_no_older_checkpoint(mine: Tally, tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "older").write_bytes(data)
    ran = mine("log", "verify", "--from", "older").failed(2)
    assert "older" in ran.err
    assert "Traceback" not in ran.err


def test_a_checkpoint_of_another_log(mine: Tally, tmp_path: Path) -> None:
    other = releases.log_in(tmp_path / "other").folder.path / CHECKPOINT
    assert "is not signed by the key of" in mine("log", "verify", "--from", other).failed(2).err
