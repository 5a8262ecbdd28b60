"""Which alternatives of Debian's are set up: its packages' postinst scripts are read, and never run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import orchestrator.nix

SCRIPT = Path(orchestrator.nix.__file__).with_name("alternatives.awk")
AUTOMAKE = """#!/bin/sh
set -e

ver=1.16
prio=34

update-alternatives --install /usr/bin/automake automake \\
\t/usr/bin/automake-$ver $prio \\
\t--slave /usr/bin/aclocal aclocal /usr/bin/aclocal-${ver} \\
\t--slave /usr/share/man/man1/aclocal.1.gz aclocal.1.gz \\
\t/usr/share/man/man1/aclocal-$ver.1.gz
"""
FILES = ("automake-1.16", "aclocal-1.16", "a-1", "a-2", "a-")


def chosen(tmp_path: Path, *scripts: str) -> list[str]:
    awk = shutil.which("awk")
    if awk is None:
        pytest.skip("no awk here")
    listed = tmp_path / "listed"
    listed.write_text("".join(f"./usr/bin/{each}\n" for each in FILES))
    files = []
    for number, script in enumerate(scripts):
        files.append(tmp_path / f"{number}")
        files[-1].write_text(script)
    done = subprocess.run([awk, "-f", SCRIPT, listed, *files], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_variable_of_one_literal_value(tmp_path: Path) -> None:
    assert chosen(tmp_path, AUTOMAKE) == [
        "/usr/bin/automake automake /usr/bin/automake-1.16",
        "/usr/bin/aclocal aclocal /usr/bin/aclocal-1.16",
    ]


def test_a_variable_is_of_its_script_alone(tmp_path: Path) -> None:
    other = "update-alternatives --install /usr/bin/a a /usr/bin/a-$v 1\n"
    assert chosen(tmp_path, "v=1\n" + other) == ["/usr/bin/a a /usr/bin/a-1"]
    assert chosen(tmp_path, "v=1\n", other) == []


@pytest.mark.parametrize(
    "before",
    [
        "v=1\nv=2",
        "v=1\nif true; then v=2; fi",
        "for v in 1 2; do",
        "v=1\nfor v in 1 2; do",
        "read v",
        "v=$(echo 1)",
        "v=1\nv=$1",
        "v=1 true",
        "version=1",
        "# v=1",
        "test x && v=1",
        "v=1\nexport v=2",
    ],
)
def test_what_is_computed_is_left_out(tmp_path: Path, before: str) -> None:
    """Also where a literal file is called as the rest of the word is."""
    script = f"{before}\nupdate-alternatives --install /usr/bin/a a /usr/bin/a-$v 1\n"
    assert chosen(tmp_path, script) == []
