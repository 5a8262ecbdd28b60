"""How trees are packed, and how a wheel that is made of an sdist is pinned: in plain bash."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "orchestrator/nix/dependencies-python.sh"
LINES = "a==1.0 --hash=sha256:00\na-b==1.0 --hash=sha256:11\na-b==1.0.post1 --hash=sha256:22\n"


def run(
    function: str, *given: Path | str, script: Path = SCRIPT, **variables: str
) -> subprocess.CompletedProcess[str]:
    steps = f'. "$1"; shift; {function} "$@"'
    return subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", steps, "-", script, *given],
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def pin(folder: Path, name: str, version: str, *wheels: str) -> subprocess.CompletedProcess[str]:
    (folder / "made").mkdir()
    for wheel in wheels:
        (folder / "made" / wheel).write_text(wheel)
    (folder / "requirements.txt").write_text(LINES)
    return run("tally_pin_wheel", folder / "requirements.txt", name, version, folder / "made")


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


def lay_out(folder: Path, part: str) -> subprocess.CompletedProcess[str]:
    """A tree with the folder `part/below`, a link to it and one out of the tree."""
    tree, made = folder / "tree", folder / "made"
    (tree / "part/below").mkdir(parents=True)
    (tree / "part/below/setup.py").write_text("x")
    (tree / "link").symlink_to("part")
    (tree / "away").symlink_to("/usr")
    made.mkdir()
    (folder / "list").write_text(f"{tree} a-1 a 1.0 sha256:00 {'1' * 40} https://git.test/a {part}\n")
    script = folder / "script.sh"
    script.write_text(SCRIPT.read_text().replace("/build/", f"{folder}/"))
    return run("tally_lay_out_python", folder / "list", script=script, out=str(made))


@pytest.mark.parametrize("part", ["part/below", "part/./below"])
def test_a_part_of_a_tree_is_packed_alone(tmp_path: Path, part: str) -> None:
    done = lay_out(tmp_path, part)
    assert (done.returncode, done.stderr) == (0, "")
    with tarfile.open(tmp_path / "made/wheels/a-1.0.tar.gz") as packed:
        assert "a-1.0/setup.py" in packed.getnames()


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("other", "the tree of a 1.0 has no folder other"),
        ("part/below/setup.py", "the tree of a 1.0 has no folder part/below/setup.py"),
        ("link", "in the tree of a 1.0 the folder link is behind a link"),
        ("link/below", "in the tree of a 1.0 the folder link/below is behind a link"),
        ("away", "in the tree of a 1.0 the folder away is behind a link"),
    ],
)
def test_a_part_that_the_tree_has_not_is_refused(tmp_path: Path, part: str, said: str) -> None:
    """`tally lock` looks once a tree, and not for each package that is of it."""
    done = lay_out(tmp_path, part)
    assert done.returncode == 1
    assert done.stderr == f"tally: {said}\n"
    assert not (tmp_path / "made/wheels/a-1.0.tar.gz").exists()
