"""Nix is found, told our settings only, drained, and ended with us. A fake Nix proves the arguments."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from waiting import HANGS, wait_for

from orchestrator.ground.errors import TallyError
from orchestrator.nix import child, command
from orchestrator.nix.command import Nix, NixFailed, failed, installed_version, version_tuple


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def nix(tmp_path: Path) -> Nix:
    (tmp_path / "scratch").mkdir(exist_ok=True)
    return Nix("2.8.0", tmp_path / "scratch")


def test_what_does_not_heed_the_end_is_killed_after_a_grace(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Nix 2.8 while it copies to a host that says nothing; its caller waits for what it says."""
    monkeypatch.setattr(command, "_ENDING_GRACE", 0.5)
    fake(bin_folder, "nix", "trap '' TERM\necho begun > $TMPDIR/begun\nwhile :; do sleep 0.1; done")
    asked = nix(tmp_path)
    ended = threading.Event()

    def run() -> None:
        with pytest.raises(NixFailed):
            asked.run(["nix"])
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    wait_for((tmp_path / "scratch" / "begun").exists, "it begins")
    asked.stop_all()
    assert ended.wait(HANGS)


def test_what_began_just_before_all_was_ended_is_killed_as_well(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_ENDING_GRACE", 0.2)
    fake(bin_folder, "nix", "trap '' TERM\necho begun > $TMPDIR/begun\nwhile :; do sleep 0.1; done")
    asked, start = nix(tmp_path), child.started

    def started(*words: Any, **more: Any) -> Any:
        process = start(*words, **more)
        wait_for((tmp_path / "scratch" / "begun").exists, "it begins")
        asked.stop_all()  # it is in no list yet
        return process

    monkeypatch.setattr(child, "started", started)
    ended = threading.Event()

    def run() -> None:
        with pytest.raises(NixFailed):
            asked.run(["nix"])
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(30)


def test_no_nix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TallyError, match="not installed") as caught:
        installed_version()
    assert "nix-bin" in (caught.value.hint or "")


@pytest.mark.parametrize("said", ["nix-store (Nix) 2.3.16", "nix-store (Nix) 1.11"])
def test_too_old(bin_folder: Path, said: str) -> None:
    fake(bin_folder, "nix-store", f"echo '{said}'")
    with pytest.raises(TallyError, match="too old"):
        installed_version()


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "echo boom >&2; exit 127"])
def test_does_not_answer(bin_folder: Path, script: str) -> None:
    fake(bin_folder, "nix-store", script)
    with pytest.raises(TallyError, match="does not answer"):
        installed_version()


@pytest.mark.parametrize(
    ("text", "numbers"), [("2.8.0", (2, 8)), ("2.34.8", (2, 34)), ("2.26pre", (2, 26)), ("3", (3, 0))]
)
def test_versions(text: str, numbers: tuple[int, int]) -> None:
    assert version_tuple(text) == numbers


def test_the_users_settings_stay_out(
    bin_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NIX_PATH", "NIX_REMOTE", "NIX_STORE_DIR", "LD_PRELOAD", "NIX_CONF_DIR"):
        monkeypatch.setenv(name, "hostile")
    fake(bin_folder, "nix-x", "env")
    said = nix(tmp_path).run(["nix-x"])
    assert "hostile" not in said
    for setting in (
        "sandbox = true",
        "sandbox-fallback = false",
        "substitute = false",
        "build-users-group =",
    ):
        assert setting in said.splitlines() or f"NIX_CONFIG={setting}" in said.splitlines()


def test_what_it_said_is_in_the_error(bin_folder: Path, tmp_path: Path) -> None:
    fake(bin_folder, "nix-x", "echo 'error: No space left on device' >&2; exit 3")
    with pytest.raises(NixFailed, match="No space left") as caught:
        nix(tmp_path).run(["nix-x"])
    assert caught.value.status == 3
    assert "free some space" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "said",
    [
        "error: creating symlink from '/s/gcroots/profiles' to '/s/profiles': File exists",
        "error: '/s/nix/var/nix/db/schema' is corrupt",
    ],
)
def test_a_store_that_another_process_begins_is_asked_again_once(
    bin_folder: Path, tmp_path: Path, said: str
) -> None:
    fake(
        bin_folder,
        "nix-store",
        f"echo x >> {tmp_path}/asked\n"
        f'[ "$1" = "$(wc -l < {tmp_path}/asked)" ] || {{ echo "{said}" >&2; exit 1; }}\n',
    )
    nix(tmp_path).run(["nix-store", "2"])
    (tmp_path / "asked").unlink()
    with pytest.raises(NixFailed, match=r"is corrupt|File exists"):
        nix(tmp_path).run(["nix-store", "3"])
    assert (tmp_path / "asked").read_text() == "x\nx\n"


def test_a_flood_on_both_pipes_does_not_hang(bin_folder: Path, tmp_path: Path) -> None:
    fake(
        bin_folder,
        "nix-x",
        "i=0; while [ $i -lt 20000 ]; do echo line $i; echo line $i >&2; i=$((i+1)); done",
    )
    assert len(nix(tmp_path).run(["nix-x"])) > 200_000
    lines: list[str] = []
    assert nix(tmp_path).follow(["nix-x"], lines.append) == 0
    assert len(lines) == 20000


def test_a_block_left_by_an_error_ends_the_command(bin_folder: Path, tmp_path: Path) -> None:
    fake(bin_folder, "nix-x", "echo started >&2; exec sleep 100")
    with pytest.raises(RuntimeError), nix(tmp_path).started(["nix-x"]) as process:
        raise RuntimeError
    assert process.returncode is not None


def test_stop_all_ends_what_other_threads_run(bin_folder: Path, tmp_path: Path) -> None:
    fake(bin_folder, "nix-x", "echo started >&2; exec sleep 100")
    one, lines = nix(tmp_path), list[str]()
    thread = threading.Thread(target=one.follow, args=(["nix-x"], lines.append))
    thread.start()
    while not lines:
        time.sleep(0.01)
    one.stop_all()
    thread.join(5)
    assert not thread.is_alive()


def test_nix_does_not_outlive_a_killed_tally(bin_folder: Path, tmp_path: Path) -> None:
    fake(bin_folder, "nix-x", "echo $$ >&2; exec sleep 100")
    code = (
        "import sys; from pathlib import Path; from orchestrator.nix.command import Nix\n"
        "Nix('2.8.0', Path(sys.argv[1])).follow(['nix-x'], lambda line: print(line, flush=True))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()
        owner.wait()
    for _ in range(100):
        if not _alive(child):
            return
        time.sleep(0.05)
    os.kill(child, 9)
    pytest.fail("the child outlived its owner")


def _alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().split(")")[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("said", "doctor"),
    [
        ("error: cloning builder process: Operation not permitted", True),
        ("error: this system does not support the kernel namespaces that are required for sandboxing", True),
        ("error: unexpected Nix store path", False),
        ("error: not an absolute path: 'x'", False),
    ],
)
def test_doctor_is_named_where_the_machine_lacks_something(said: str, doctor: bool) -> None:
    told = failed(["nix", "path-info"], 1, said)
    assert said in told.message
    assert ("tally doctor" in str(told.hint)) == doctor
