"""Runs that begin warm are runs like any other, and nothing of them outlives the tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from scheduling import COSTS, ordered, piece
from waiting import wait_for
from warm import WARM, Ended
from work import growth, steps

SUPPORT = Path(__file__).parent.parent / "support"


def cold(words: list[str], folder: Path, **environment: str) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", *words],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--nope"],
        ["plan", "none.toml"],
        ["verify", "a", "--key", "b"],
        ["schema", "recipe"],
        ["policy"],
    ],
    ids=" ".join,
)
def test_it_says_what_a_process_from_nothing_says(words: list[str], tmp_path: Path) -> None:
    surroundings = {"TALLY_STATE": str(tmp_path / "state"), "PATH": str(tmp_path), "COLUMNS": "60"}
    found = WARM.run(words, tmp_path, {**os.environ, **surroundings}, None, 600)
    assert found == cold(words, tmp_path, **surroundings)


def test_what_python_reads_at_its_start_needs_a_start(tmp_path: Path) -> None:
    assert WARM.run(["--version"], tmp_path, {**os.environ, "PYTHONUTF8": "0"}, None, 600) is None
    assert WARM.run(["--version"], tmp_path, {**os.environ, "LC_ALL": "POSIX"}, None, 600) is None


def test_one_that_does_not_end_is_ended(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        WARM.run(["--help"], tmp_path, os.environ, None, 0.0001)
    after = WARM.run(["--version"], tmp_path, os.environ, None, 600)
    assert after is not None and after.code == 0, "the next one is none the worse"


def test_what_it_took_is_the_same_each_time(tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    said = set()
    for _ in range(2):
        WARM.run(["--version"], tmp_path, os.environ, None, 600, noted)
        said.add(noted.read_text().partition('"memory"')[0])
    assert len(said) == 1


def test_it_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from warm import WARM\n"
        "WARM.run(['--version'], Path('.'), os.environ, None, 600)\n"
        "print(WARM._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SUPPORT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    wait_for(lambda: not Path(f"/proc/{done.stdout.strip()}").exists(), "it outlives them")


def test_steps_and_growth_tell_a_line_from_a_square() -> None:
    def square(size: int) -> int:
        return sum(1 for _ in range(size) for _ in range(size))

    assert steps(lambda: square(40)) > 12 * steps(lambda: square(10))
    assert growth(lambda size: lambda: square(size), 60, 8) > 32
    assert growth(lambda size: lambda: square(size) if size < 0 else sum(range(size)), 100_000, 8) < 32


def test_an_order_by_a_seed_keeps_files_together_and_loses_none(request: pytest.FixtureRequest) -> None:
    items = request.session.items
    by_seed = ordered(items, 7)
    assert by_seed == ordered(items, 7)
    assert sorted(map(id, by_seed)) == sorted(map(id, items))
    files = [piece(item.nodeid) for item in by_seed]
    changes = sum(one != other for one, other in pairwise(files))
    assert changes == len(set(files)) - 1


def test_what_costs_most_is_there() -> None:
    """A file that is moved takes its costs along: without them it comes last, and the others wait for it."""
    root = SUPPORT.parent.parent
    assert [file for file in COSTS if not (root / file).is_file()] == []


def test_a_program_for_scripts_is_one_like_any_other(tmp_path: Path) -> None:
    script = "tally schema recipe | head -c 1; tally --nope; echo $?; cd none || LC_ALL=POSIX tally --version"
    surroundings = {**os.environ, "TALLY_STATE": str(tmp_path / "state"), "COLUMNS": "60"}
    (tmp_path / "bin").mkdir()
    with WARM.program(tmp_path / "bin") as program:
        path = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env={**surroundings, **path}, capture_output=True, text=True
        )
    nope, version = (cold([word], tmp_path, COLUMNS="60") for word in ("--nope", "--version"))
    assert done.stdout == f"{{{nope.out}{nope.code}\n{version.out}"
    assert nope.err in done.stderr
