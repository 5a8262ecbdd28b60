"""Virtual machines as builders: real ones, emulated, made of what the lock pins, and what befalls them."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from projects import Project
from waiting import wait_for
from warm import WARM, Running

if TYPE_CHECKING:
    from tests.conftest import TallyIn

TABLES = """\
[[builder]]
name = "a"

[[builder]]
name = "vm"
store = "vm"
kvm = false
memory = 1024
"""


@dataclass(frozen=True)
class Built:
    """How one run of two recipes ended, on whose machine something was done while it built."""

    project: Project
    before: datetime
    code: int
    outcomes: dict[str, dict[str, Any]]
    """By recipe."""
    said: str
    reached: list[bool]
    """Whether the machine reached two addresses where we listened; whether a shell on it fails anyway."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path) -> None:
    """The repository's machine has one."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "tally.lock").write_bytes((repository / "tally.lock").read_bytes())
    run = tally_in(folder)
    said = run("builder", "add", "--vm", "vm", "--no-kvm", "--memory", "1024").succeeded()
    assert "it works: emulated" in said.err
    assert 'store = "vm"' in (folder / "tally.toml").read_text()
    ended(folder)


@pytest.fixture
def project(tmp_path: Path, tally_in: TallyIn, repository: Path, image: None) -> Project:
    return made(tmp_path, tally_in, repository)


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path, image: None
) -> Built:
    """One run for all that is asked of a finished one, for an emulated machine takes its time to start.

    It dies as it begins to build what both stand on, since whatever it has made by then it makes again.
    Its host listens on loopback just before, as anything might.
    """
    project = made(tmp_path_factory.mktemp("built"), tally_in, repository)
    reached: list[bool] = []

    def kill(_: object) -> None:
        [(pid, words)] = machines(project.folder).items()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            for address in ("10.0.2.2", "127.0.0.1"):
                place = f"/dev/tcp/{address}/{listening.getsockname()[1]}"
                reached.append(inside(words, f"timeout 3 bash -c 'echo < {place}'") == 0)
            reached.append(inside(words, "true") != 0)
        os.kill(pid, signal.SIGKILL)

    files = (
        recipe(project, "agreed"),
        recipe(project, "dated", "date +%Y > $out/year"),
    )
    before = datetime.now(UTC)
    code, said, document = meanwhile(project, files, "vm: started debian-root", kill)
    ended(project.folder)
    outcomes = {each["target"]: each for each in json.loads(document)["outcomes"]}
    return Built(project, before, code, outcomes, said, reached)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    ended(tmp_path)


def made(folder: Path, tally_in: TallyIn, repository: Path) -> Project:
    """One with an emulated machine."""
    project = Project(folder, tally_in(folder), repository)
    (folder / "tally.toml").write_text(TABLES)
    return project


def recipe(project: Project, name: str, script: str = "") -> Path:
    """One that no store holds yet."""
    return project.recipe(name, f"mkdir $out\necho {secrets.token_hex()} > $out/file\n{script}")


def machines(folder: Path) -> dict[int, list[str]]:
    """Process id to command line of every QEMU whose `tally` was started in a folder."""
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        try:
            words = (each / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "qemu-system" in words[0] and (each / "cwd").readlink() == folder:
                found[int(each.name)] = words
        except OSError:
            continue
    return found


def ended(folder: Path) -> None:
    wait_for(lambda: not machines(folder), lambda: f"left running: {machines(folder)}")


def test_another_kernel_clock_and_processor_make_the_same(built: Built) -> None:
    project = built.project
    assert built.outcomes["agreed"]["outcome"] == "released"
    release = project.folder / "releases" / "agreed-1.0-x86_64-linux"
    verdict = project.tally("verify", release, "--key", "release.pub").succeeded()
    assert "a, vm agree (same-host)" in verdict.out, "it is on this host, whatever it looks like"

    conditions = {each["builder"]["name"]: each for each in reproduction(release)}
    a, vm = conditions["a"]["surroundings"], conditions["vm"]["surroundings"]
    assert set(conditions["a"]["agreement"]["varied"]) >= {
        *("boot-id", "clock-second", "clock-minute", "clock-day", "clock-year", "uptime"),
        *("cpu-count", "cpu-flags", "cpu-model", "build-cores", "memory-size", "file-system-type"),
        *("kernel-version", "device-number", "directory-order"),
    }
    assert conditions["a"]["builder"]["machineIdSha256"] != conditions["vm"]["builder"]["machineIdSha256"]
    years = datetime.fromisoformat(vm["clock"]) - datetime.fromisoformat(a["clock"])
    assert years > timedelta(days=4000)
    # its clock is wrong by years, and no time in the evidence is by it but what it saw itself
    for name in ("a", "vm"):
        record = json.loads((release / "builds" / name / "build.json").read_bytes())
        for build in record["builds"]:
            for when in ("started", "finished"):
                assert (
                    built.before - timedelta(seconds=5)
                    < datetime.fromisoformat(build[when])
                    < datetime.now(UTC)
                )


def test_a_build_date_is_found(built: Built) -> None:
    assert built.code == 1, "one of two disagrees"
    outcome = built.outcomes["dated"]
    assert outcome["outcome"] == "disagreed"
    years = sorted(int(file.read_text()) for file in Path(outcome["kept"]).rglob("year"))
    assert len(years) == 2
    assert years[1] - years[0] > 10
    assert built.project.releases == ["agreed-1.0-x86_64-linux"]


def test_one_that_dies_is_started_anew_and_reaches_nothing_before(built: Built) -> None:
    assert built.reached == [False, False, False], (
        "nothing but what it brought along, and a shell on it works"
    )
    assert "trying again" in built.said
    assert built.outcomes["agreed"]["outcome"] == "released", built.said
    assert "agreed: a and vm agree" in built.said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_the_command(project: Project, number: signal.Signals) -> None:
    file = recipe(project, "endless", "sleep 600")

    def act(running: Running) -> None:
        wait_for(lambda: machines(project.folder), "it said that there is one")
        running.send_signal(number)

    code, *_ = meanwhile(project, [file], "vm: its machine is emulated", act)
    assert code in (130, -signal.SIGKILL)
    assert project.releases == []


def test_without_its_image_nothing_is_begun(project: Project, tally_in: TallyIn, tmp_path: Path) -> None:
    lock = (project.folder / "tally.lock").read_text()
    file = recipe(project, "unmade")
    # another order of the same packages is another image
    machine = lock.index("[[machine]]")
    names = re.search(r'packages = \[\n((?:    ".*",\n)+)\]', lock[machine:])
    assert names is not None
    reversed_ = "".join(reversed(names[1].splitlines(keepends=True)))
    (project.folder / "tally.lock").write_text(lock[:machine] + lock[machine:].replace(names[1], reversed_))
    ran = project.build(file).failed(2)
    assert "out of date with tally.lock" in ran.err
    assert "tally builder add --vm" in ran.err
    assert "started" not in ran.err, "no builder has begun"

    (project.folder / "tally.lock").write_text(lock[:machine] + "\n[source]\n")
    ran = project.build(file).failed(2)
    assert "does not pin the virtual machine's packages" in ran.err
    assert "tally lock --vm" in ran.err

    (project.folder / "tally.lock").write_text(lock)
    state = tmp_path / "state"
    state.mkdir()
    (state / "sources").symlink_to(Path(project.tally.environment["TALLY_STATE"]) / "sources")
    ran = tally_in(project.folder, TALLY_STATE=str(state))("build", file, "--no-sign").failed(2)
    assert "has no image yet" in ran.err


def test_without_qemu_nothing_is_begun(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*"):
            if not program.name.startswith("qemu") and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    file = recipe(project, "noqemu")
    key = ("--key", "release.key")
    ran = project.tally("build", file, *key, environment={"PATH": str(folder)}).failed(2)
    assert "needs QEMU" in ran.err
    assert "apt-get install qemu-system-x86" in ran.err
    assert "started" not in ran.err
    checked = project.tally("builder", "check", "vm", environment={"PATH": str(folder)}).failed(2)
    assert "needs QEMU" in checked.out
    doctor = project.tally("doctor", "--json", environment={"PATH": str(folder)}).failed(2)
    assert "builder-vm" in doctor.out


def reproduction(release: Path) -> list[dict[str, Any]]:
    bundle = json.loads((release / "attestations" / "reproduction.sigstore.json").read_bytes())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return [each["conditions"] for each in statement["predicate"]["attributes"]]


def inside(qemu: list[str], script: str) -> int:
    """How a shell script ends on a machine, with the run's own key to it."""
    [network] = [word for word in qemu if "hostfwd" in word]
    found = re.search(r"hostfwd=tcp:127\.0\.0\.1:(\d+)", network)
    assert found is not None
    [disk] = [word for word in qemu if word.startswith("file=") and "/disk," in word]
    folder = Path(disk.removeprefix("file=").split(",")[0]).parent
    options = ["-F", "none", "-p", found[1], "-i", str(folder / "key"), "-o", "IdentitiesOnly=yes"]
    options += ["-o", f"UserKnownHostsFile={folder / 'known_hosts'}", "-o", "BatchMode=yes"]
    done = subprocess.run(["ssh", *options, "root@127.0.0.1", script], capture_output=True, check=False)
    return done.returncode


def meanwhile(
    project: Project, files: Sequence[Path], after: str, act: Callable[[Running], None]
) -> tuple[int, str, str]:
    """Build, and do something once a line has been said; the exit status, all that was said, the document."""
    words = ["build", *map(str, files), "--key", "release.key", "--json"]
    running = WARM.start(words, project.folder, {**os.environ, **project.tally.environment})
    assert running is not None
    try:
        wait_for(lambda: after in running.said() or running.poll() is not None, running.said)
        assert running.poll() is None, f"it never said {after!r}: {running.said()}"
        act(running)
        document, said = running.communicate(900)
    finally:
        running.kill()
    return running.wait(), said, document
