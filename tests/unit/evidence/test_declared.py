"""What a provenance says, in the order in which it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evidence.declared import declared
from orchestrator.evidence.terms import Kind


def place(name: str) -> str:
    """A store path of its own for each name."""
    return f"/nix/store/{name.encode().hex().zfill(32)[:32]}-{name}"


PACKAGE = place("app-1.0.drv")


def source(name: str) -> dict[str, Any]:
    noted = {"kind": Kind.SOURCE, "storePath": place(name)}
    return {"name": name, "digest": {"sha256": "a" * 64}, "annotations": noted}


def predicate(**environment: str) -> dict[str, Any]:
    command = {"derivation": PACKAGE, "command": ["/bin/sh"], "environment": {"out": "x", **environment}}
    return {
        "buildDefinition": {
            "buildType": "any",
            "externalParameters": {"target": "app"},
            "internalParameters": {"package": {"derivation": PACKAGE}, "commands": [command]},
            "resolvedDependencies": [source(name) for name in ("a.whl", "app.tar.gz", "b.whl")],
        }
    }


@pytest.mark.parametrize("said", ["{}", "main unpack {} app.tar.gz\n"])
def test_a_packages_own_source_is_told_before_those_of_its_dependencies(said: str) -> None:
    made = predicate(src=said.format(place("app.tar.gz")))
    assert [each.name for each in declared(made).sources] == ["app.tar.gz", "a.whl", "b.whl"]


def test_without_commands_they_stay_as_they_are_listed() -> None:
    made = predicate()
    del made["buildDefinition"]["internalParameters"]["commands"]
    assert [each.name for each in declared(made).sources] == ["a.whl", "app.tar.gz", "b.whl"]
