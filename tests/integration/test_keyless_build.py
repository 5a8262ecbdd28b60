"""A release that was really built and signed by an identity, before tally and before others' programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from instances import ALICE, PrivateInstance
from projects import Project


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[PrivateInstance]:
    with PrivateInstance.running(tmp_path / "instance") as found:
        yield found


def configured(project: Project, instance: PrivateInstance, more: str = "") -> None:
    text = f'[signing.keyless]\ninstance = "{instance.config()}"\n{more}'
    (project.folder / "tally.toml").write_text(text)


def test_from_a_recipe_to_a_verdict(project: Project, instance: PrivateInstance) -> None:
    configured(project, instance, f'identity = "{ALICE}"\nissuer = "{instance.oidc.issuer}"\n')
    recipe = project.recipe("small", "mkdir -p $out; echo small > $out/file")
    environment = {"SIGSTORE_ID_TOKEN": instance.oidc.token()}
    ran = project.tally("build", recipe, environment=environment).succeeded()
    assert f"will be signed by {ALICE}" in ran.err
