"""How a wheel that is made of an sdist is pinned, in plain bash: as the project that the lock names."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "orchestrator/nix/dependencies-python.sh"
LINES = "a==1.0 --hash=sha256:00\na-b==1.0 --hash=sha256:11\na-b==1.0.post1 --hash=sha256:22\n"


def pin(folder: Path, name: str, version: str, *wheels: str) -> subprocess.CompletedProcess[str]:
    (folder / "made").mkdir()
    for wheel in wheels:
        (folder / "made" / wheel).write_text(wheel)
    (folder / "requirements.txt").write_text(LINES)
    steps = '. "$1"; shift; tally_pin_wheel "$@"'
    given = (str(SCRIPT), str(folder / "requirements.txt"), name, version, str(folder / "made"))
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", steps, "-", *given],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "wheel", ["a_b-1.0-py3-none-any.whl", "A.b-1.0-py3-none-any.whl", "a.__.B-1.0-py3-none-any.whl"]
)
def test_each_spelling_of_a_projects_name_is_that_project(tmp_path: Path, wheel: str) -> None:
    done = pin(tmp_path, "a-b", "1.0", wheel)
    assert (done.returncode, done.stderr) == (0, "")
    digest = hashlib.sha256(wheel.encode()).hexdigest()
    pinned = LINES.replace("sha256:11", f"sha256:11 --hash=sha256:{digest}")
    assert (tmp_path / "requirements.txt").read_text() == pinned


@pytest.mark.parametrize(
    "wheels", [("a-1.0-py3-none-any.whl",), (), ("a_b-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl")]
)
def test_a_wheel_of_another_project_is_refused(tmp_path: Path, wheels: tuple[str, ...]) -> None:
    done = pin(tmp_path, "a-b", "1.0", *wheels)
    assert done.returncode == 1
    assert "tally: the sdist of a-b 1.0 makes a wheel of another project" in done.stderr
    assert (tmp_path / "requirements.txt").read_text() == LINES


def test_what_users_get_is_listed_apart(tmp_path: Path) -> None:
    """`a-b` alone, and not the version that begins alike; the list may be of what no line is about."""
    (tmp_path / "list").write_text("a-b==1.0\nelse==3\n")
    done = subprocess.run(
        [
            "bash",
            "-eu",
            "-o",
            "pipefail",
            "-c",
            '. "$1"; tally_list_shipped "$2"',
            "-",
            SCRIPT,
            tmp_path / "list",
        ],
        env={"PATH": "/usr/bin:/bin"},
        input=LINES,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "a-b==1.0 --hash=sha256:11\n"
