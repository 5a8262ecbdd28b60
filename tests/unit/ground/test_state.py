"""The state folder: found, locked, cleaned of what killed runs left, never of what is in use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from waiting import wait_for

from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TALLY_STATE", str(tmp_path / "s"))
    assert State.of_environment().root == tmp_path / "s"
    monkeypatch.delenv("TALLY_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert State.of_environment().root == tmp_path / "tallystick"
    assert not (tmp_path / "tallystick").exists()


@pytest.mark.parametrize("variable", ["TALLY_STATE", "XDG_STATE_HOME", "HOME"])
def test_links_on_the_way_are_followed_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    (tmp_path / "var/home").mkdir(parents=True)
    (tmp_path / "home").symlink_to("var/home")
    for name in ("TALLY_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "home"))
    below = {"TALLY_STATE": ".", "XDG_STATE_HOME": "tallystick", "HOME": ".local/state/tallystick"}[variable]
    assert State.of_environment().root == (tmp_path / "var/home").resolve() / below


def test_a_link_that_leads_in_a_circle_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "s").symlink_to("s")
    monkeypatch.setenv("TALLY_STATE", str(tmp_path / "s"))
    with pytest.raises(TallyError, match="state folder"):
        State.of_environment().folder("logs")


def test_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(TallyError, match="state folder") as caught:
        State(tmp_path / "s").folder("logs")
    assert "TALLY_STATE" in (caught.value.hint or "")


def test_scratch_goes_with_its_run(tmp_path: Path) -> None:
    state = State(tmp_path)
    with state.scratch("one") as scratch:
        (scratch / "read-only").mkdir(mode=0o500)
        assert scratch.is_dir()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_a_killed_run_left_is_removed_and_what_runs_is_not(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from orchestrator.ground.state import State\n"
        "with State(Path(sys.argv[1])).scratch('other') as s:\n"
        "    (s / 'file').write_text('x'); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "ready\n"
            with State(tmp_path).scratch("mine"):
                assert (tmp_path / "tmp" / "other" / "file").exists()
        finally:
            other.kill()
    with State(tmp_path).scratch("mine"):
        assert not (tmp_path / "tmp" / "other").exists()


def test_what_could_not_be_removed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a process that dies still writes into the folder while it is removed."""
    state = State(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        with state.scratch("one") as scratch:
            (scratch / "late").write_text("x")
        with state.scratch("two"):
            assert (scratch / "late").exists()
    with state.scratch("three"):
        assert not scratch.exists()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from orchestrator.ground.state import State\n"
        "with State(Path(sys.argv[1])).locked('hello'):\n"
        "    print('ready', flush=True); time.sleep(0.5); (Path(sys.argv[1]) / 'done').touch()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with State(tmp_path).locked("hello"):
            assert (tmp_path / "done").exists()


def test_thousands_of_locks_take_one_descriptor(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; from orchestrator.ground.state import State\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
        "with State(Path(sys.argv[1])).locked(*map(str, range(5000))):\n"
        "    print('ready', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with State(tmp_path).locked("another"):
            pass
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(_lock_once, tmp_path, "4999")
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            assert other.stdin is not None
            other.stdin.close()
            waiting.result(30)


def test_a_lock_keeps_another_thread_out_too(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as threads:
        with State(tmp_path).locked("hello"):
            waiting = threads.submit(_lock_once, tmp_path, "hello")
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        waiting.result(30)


def _lock_once(root: Path, name: str) -> None:
    with State(root).locked(name):
        pass


def test_no_permission_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    child = os.fork()
    if child == 0:  # in a process of its own, which gives root's rights up when it has them
        os.chdir(tmp_path)
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            State(Path("state")).folder("logs")
        except TallyError as error:
            os._exit(0 if "state folder cannot be used" in error.message else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_run_that_waits_says_so_once_and_others_do_not(tmp_path: Path) -> None:
    state, said = State(tmp_path), []
    with state.locked("a 1", "a 2"):
        with state.locked("b 1", waiting=lambda: said.append("b")):
            pass
        assert said == []
        waiting = threading.Thread(
            target=lambda: state.locked("a 1", "a 2", waiting=lambda: said.append("a")).__enter__()
        )
        waiting.start()
        wait_for(lambda: said, "it says that it waits")
    waiting.join(10)
    assert said == ["a"]


def test_a_new_state_keeps_out_of_git_and_a_folder_that_was_there_stays_as_it_is(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / "mine").mkdir()
    for name in ("state", "mine"):
        (State(tmp_path / name).folder("keys") / "builder-a.key").write_text("secret")
    shown = ["git", "-C", str(tmp_path), "ls-files", "--others", "--exclude-standard"]
    found = subprocess.run(shown, check=True, capture_output=True, text=True).stdout
    assert found.splitlines() == ["mine/keys/builder-a.key"]
