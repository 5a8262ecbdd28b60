"""Fixes that are known to help: as lines of a script, as variables, and as a patch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.diagnosis.fixes import FIXES, Fix, candidates, patch, script
from orchestrator.diagnosis.names import Name

RECIPE = '''\
name = "x"

[build]
script = """
date > $out
"""
'''


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.name)
def test_a_patched_recipe_has_the_lines_that_were_tried(fix: Fix, tmp_path: Path) -> None:
    import tomllib

    made = patch("x.toml", RECIPE, [fix])
    assert made is not None
    (tmp_path / "x.toml").write_text(RECIPE)
    (tmp_path / "fix").write_text(f"what was found\n\n{made}")
    subprocess.run(["patch", "-s", "x.toml", "fix"], cwd=tmp_path, check=True)
    found = tomllib.loads((tmp_path / "x.toml").read_text())["build"]["script"]
    assert found == script([fix], tomllib.loads(RECIPE)["build"]["script"])


@pytest.mark.parametrize("fix", [fix for fix in FIXES if fix.shim], ids=lambda fix: fix.name)
def test_a_program_before_another_is_found_by_whatever_runs_it(fix: Fix, tmp_path: Path) -> None:
    assert fix.shim is not None
    lines = "\n".join(fix.lines()).replace("/build", str(tmp_path))
    program = fix.shim[0]
    text = f"export SOURCE_DATE_EPOCH=86400\n{lines}\nsh -c 'command -v {program}; {program}'"
    ran = subprocess.run(["bash", "-euc", text], cwd=tmp_path, capture_output=True, text=True, check=True)
    where, *said = ran.stdout.splitlines()
    assert where == str(tmp_path / ".fix" / fix.shim[0])
    assert said


def test_a_recipe_whose_script_is_not_found_gets_no_patch() -> None:
    assert patch("x.toml", 'name = "x"\n', FIXES[:1]) is None


def test_what_takes_a_program_is_no_variable() -> None:
    by_name = {fix.name: fix for fix in FIXES}
    assert by_name["date"].environment("1") is None
    assert by_name["TAR_OPTIONS"].environment("7") == {
        "TAR_OPTIONS": "--sort=name --mtime=@7 --owner=0 --group=0 --numeric-owner"
    }


def test_candidates_are_those_that_help() -> None:
    assert {fix.name for fix in candidates([Name.LOCALE])} == {"LC_ALL"}
    assert candidates([Name.BOOT]) == []
