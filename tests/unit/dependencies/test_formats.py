"""What the name of a lock file tells."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from orchestrator.dependencies.formats import nearest_name
from orchestrator.recipe.dependencies_table import DependenciesPart


def test_a_name_that_is_nearly_right_is_met_with_the_right_one() -> None:
    for said, meant in {
        "pnpm-lock.yml": "pnpm-lock.yaml",
        "yarn.lck": "yarn.lock",
        "package-lock.jsn": "package-lock.json",
        "cargo.lock": "Cargo.lock",
        "requirement.txt": "requirements.txt",
    }.items():
        assert nearest_name(said) == meant
        with pytest.raises(ValidationError, match=rf"did you mean '{meant}'\? Else say `kind`"):
            DependenciesPart(lock=f"app/{said}")
    assert nearest_name("package.json") is None
    assert nearest_name("deps.txt") is None
    with pytest.raises(ValidationError, match=r"whose lock file it is: say `kind`"):
        DependenciesPart(lock="deps.txt")
