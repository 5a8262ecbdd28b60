"""`tally shell`: what it shows is what a build sees, and what is done there is nothing."""

from __future__ import annotations

import difflib
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from projects import Project
from waiting import wait_for

from tests.conftest import command

if TYPE_CHECKING:
    from tests.conftest import TallyIn

LOOK = """
echo begin
env | sort
id; pwd; umask; hostname 2> /dev/null || cat /proc/sys/kernel/hostname
ls -A / /dev /build/work; ls -A /nix/store; stat -c '%A %u %g %n' /build /tmp /nix/store
cat /proc/self/uid_map /proc/self/gid_map /proc/net/dev
awk '{ print $5, $6 }' /proc/self/mountinfo | sort
for file in /usr/x /nix/store/*/x /nix/store/*; do
    if touch $file 2> /dev/null; then echo "can write $file"; fi
done
(exec 3<> /dev/tcp/127.0.0.1/1) 2>&1 | sed 's/.*: //' || true
mkdir $out; echo made > $out/file; cat $out/file
echo end
"""
OURS = re.compile(r"^(SHLVL|NIX_BUILD_CORES|_)=|^/nix/store/\S+ r[ow],")
"""A shell is a further one; and inputs are mounted read-only from the first."""


def seen(text: str) -> list[str]:
    """What LOOK printed, but for the words that tell of who started it."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines[lines.index("begin") : lines.index("end")] if not OURS.match(line)]


@pytest.fixture
def looking(project: Project) -> Path:
    return project.recipe("look", LOOK, tail="\n[check]\nscript = 'grep -q made $out/file && echo checked'\n")


def test_a_shell_sees_what_the_build_sees(project: Project, looking: Path) -> None:
    project.build(looking, key=False, more=("--no-sign",)).succeeded()
    built = seen(project.tally("logs", "look", "--builder", "a", "--raw").succeeded().out)
    entered = project.tally("shell", looking, "--command", "build && check").succeeded()
    differing = [line for line in difflib.ndiff(built, seen(entered.out)) if line[0] in "+-"]
    assert not differing, "\n".join(differing)
    assert entered.out.endswith("checked\n")
    assert not [line for line in built if line.startswith("can write")]
    before = project.tally("history", "look", "--json").succeeded().out
    assert len(project.tally("logs", "look", "--list").succeeded().out.splitlines()) >= 4
    project.tally("shell", looking, "--command", "mkdir $out; echo forged > $out/file").succeeded()
    assert project.tally("history", "look", "--json").succeeded().out == before
    ran = project.build(looking, key=False, more=("--no-sign",)).succeeded()
    assert "a and b agree" in ran.err
    assert project.releases == []


def test_a_commit_that_no_builder_has_needs_no_toolchain_of_its_own(
    tmp_path: Path, tally_in: TallyIn, repository: Path, new_state: Path
) -> None:
    """Builders have the toolchain, and we the source."""
    project = Project(tmp_path, tally_in(tmp_path, TALLY_STATE=str(new_state)), repository)
    file = project.recipe("here", "mkdir $out", more='[source]\npath = "."\n')
    for word in ("first", "second"):
        (tmp_path / "file").write_text(word)
        for words in (["init", "-q"], ["add", "file", "recipes", "tally.lock"], ["commit", "-qm", word]):
            who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
            subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
        ran = project.tally("shell", file, "--command", "cat file").succeeded()
        assert ran.out.strip() == word
        assert "building what" not in ran.err


def test_a_command_says_how_it_ended(project: Project, looking: Path) -> None:
    ran = project.tally("shell", looking, "--command", "echo to stderr >&2; pwd; exit 7").failed(1)
    assert "/build/work" in ran.out
    assert "the command ended with status 7" in ran.err
    ran = project.tally("shell", looking, "--command", "false; echo not reached").failed(1)
    assert "not reached" not in ran.out
    assert "needs a terminal" in project.tally("shell", looking).failed(2).err
    assert "no recipe file" in project.tally("shell", "recipes/none.toml").failed(2).err
    broken = project.recipe("broken", "true", more='inputs = ["below"]')
    project.recipe("below", "echo no; exit 3")
    ran = project.tally("shell", broken, "--command", "true").failed(2)
    assert "what broken-1.0 is built with does not build" in ran.err


def test_a_shell_at_a_terminal(project: Project, looking: Path) -> None:
    master, slave = pty.openpty()
    shell = subprocess.Popen(
        [*command(), "shell", str(looking)],
        cwd=project.folder,
        env={**os.environ, **project.tally.environment, "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        assert "`build` runs its script" in until(master, b"look-1.0 /build/work $ ")
        os.write(master, b"tty | head -1; echo $TERM; [ -t 0 ] && echo a terminal; jobs; sleep 60\n")
        assert "a terminal" in until(master, b"a terminal\r\n")
        time.sleep(0.5)
        os.write(master, b"\x03")  # it ends `sleep`, and nothing else
        until(master, b"look-1.0 /build/work $ ")
        os.write(master, b"build | tail -n 1\n")
        assert "\nend\r\n" in until(master, b"\nend\r\n")
        os.write(master, b"exit 3\n")
        assert shell.wait(60) == 0
    finally:
        shell.kill()
        shell.wait()
        os.close(master)


def until(master: int, mark: bytes) -> str:
    """What is printed up to a mark."""
    said = b""
    over = time.monotonic() + 120
    while mark not in said and time.monotonic() < over:
        if select.select([master], [], [], 1)[0]:
            try:
                said += os.read(master, 65536)
            except OSError:
                break
    assert mark in said, said.decode(errors="replace")
    return said.decode(errors="replace")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_shell_that_is_killed_leaves_nothing_behind(
    project: Project, looking: Path, number: signal.Signals
) -> None:
    mark = f"{os.getpid()}{int(number):03}"  # seconds that nobody else sleeps
    shell = subprocess.Popen(
        [*command(), "shell", str(looking), "--command", f"sleep {mark}"],
        cwd=project.folder,
        env={**os.environ, **project.tally.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def sleeping() -> bool:
        return any(each == f"sleep\0{mark}\0" for each in commands())

    try:
        wait_for(sleeping, "the command never began")
        mounts = Path("/proc/self/mountinfo").read_text()
        assert "/shell/root" not in mounts, "what is mounted is seen by nobody else, ever"
        shell.send_signal(number)
        assert shell.wait(60) == (130 if number == signal.SIGTERM else -number)
        wait_for(lambda: not sleeping(), "what the shell began outlives it")
    finally:
        shell.kill()
        shell.wait()
    project.tally("shell", looking, "--command", "true").succeeded()
    left = [
        each for each in (Path(project.tally.environment["TALLY_STATE"]) / "tmp").iterdir()
        if f"-{shell.pid}" in each.name
    ]  # fmt: skip
    assert left == [], "the next run removes what a killed one left"


def commands() -> list[str]:
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(each.read_text(errors="replace"))
        except OSError:
            continue
    return found


def test_a_failed_build_is_kept_and_entered_as_it_was_left(project: Project) -> None:
    own = uuid4()  # what an earlier run of the tests kept is of another derivation
    script = f"mkdir sub; cd sub; echo half > made; export MINE={own}; exit 3"
    recipe = project.recipe("halfway", script)
    missing = project.tally("shell", recipe, "--failed", "--command", "true").failed(2).err
    assert "no failed build of halfway-1.0 is kept" in missing
    assert "--keep-failed" in missing
    said = project.build(recipe, key=False, more=("--no-sign", "--keep-failed")).failed(2).err
    folder = Path(said.split("its folder: ")[1].split(";")[0])
    assert (folder / "work" / "sub" / "made").read_text() == "half\n"
    look = "pwd; id -u; cat made 2> /dev/null || cat sub/made; echo more > ../added; ls /build/stages"
    ran = project.tally("shell", recipe, "--failed", "--command", look).succeeded()
    assert ran.out.splitlines() == ["/build/work/sub", "1000", "half", "check", "script"]
    assert (folder / "work" / "added").read_text() == "more\n"
    project.tally("shell", recipe, "--failed", "--command", "build").failed(1)
    changed = project.recipe("halfway", f"{script} # another one")
    assert "recipe or lock have changed" in (
        project.tally("shell", changed, "--failed", "--command", "true").failed(2).err
    )
