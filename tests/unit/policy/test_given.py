"""What commands were given: a derivation that a release keeps quiet about is a no."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import releases

from orchestrator.bundles import own_bundle
from orchestrator.evidence import statement
from orchestrator.keys.key import SigningKey
from orchestrator.nix.outputpath import Inputs
from orchestrator.policy import commands
from orchestrator.policy.commands import Told
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.given import Given, given
from orchestrator.policy.rules import closure

WORLD = releases.World()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("release")
    made = releases.observed(folder / "in")
    keys = releases.builder_keys(made)
    place = releases.published(folder / "out", made, SigningKey.generate(), keys).path
    name = "attestations/provenance.sigstore.json"
    payload = own_bundle.parse((Path(place) / name).read_bytes(), name).envelope.payload
    assert "inputs" not in json.loads(payload)["predicate"]["buildDefinition"]["internalParameters"]
    return commands.read(statement.parse(payload, name))


def exact(told: Told) -> Told:
    """The same, in which every command tells what it was given."""
    known, found = commands.known_to(told), []
    for command, _ in told.commands or ():
        inputs = known.inputs(command)
        known.add(command, inputs)
        found.append((command, inputs))
    return replace(told, commands=tuple(found))


def without(told: Told, derivation: str) -> Told:
    both = zip(told.commands or (), told.computed, strict=True)
    left = [(command, paths) for command, paths in both if command[0].derivation != derivation]
    return replace(told, commands=tuple(each for each, _ in left), computed=tuple(each for _, each in left))


def test_inputs_are_the_same_named_or_told(told: Told) -> None:
    found = given(told)
    assert isinstance(found, Given)
    assert found == given(exact(told))
    assert found.below[WORLD.pigz.path] == tuple(sorted([WORLD.root.path, WORLD.zlib.path]))
    assert found.paths[WORLD.pigz.path] == {*WORLD.root.outputs.values(), *WORLD.zlib.outputs.values()}


def test_an_input_that_no_text_of_the_command_names_is_one(told: Told) -> None:
    """Nix lets an expression take a path out of its texts, and keep it as an input."""
    pairs = []
    for command, inputs in exact(told).commands or ():
        quiet = dict.fromkeys(command.environment, "") if command.derivation == WORLD.pigz.path else {}
        pairs.append((replace(command, environment={**command.environment, **quiet}), inputs))
    found = given(without(replace(told, commands=tuple(pairs)), WORLD.artifact.path))
    assert isinstance(found, Given)
    assert found.below[WORLD.pigz.path] == tuple(sorted([WORLD.root.path, WORLD.zlib.path]))


@pytest.mark.parametrize("hidden", [WORLD.root, WORLD.zlib], ids=["root", "zlib"])
def test_what_is_given_and_not_told_of_is_a_no(told: Told, hidden: Any) -> None:
    found = given(without(exact(told), hidden.path))
    assert isinstance(found, str)
    assert "was given something of which the provenance does not tell what made it" in found


def test_a_command_of_which_nobody_can_tell_is_a_no(told: Told) -> None:
    assert given(replace(told, computed=(None, *told.computed[1:]))) == (
        "the provenance does not tell all that debian-root was made with"
    )


def test_an_output_that_its_command_does_not_have_is_a_no(told: Told) -> None:
    pairs = [
        (command, Inputs({digest: ["doc"] for digest in inputs.derivations}, inputs.sources))
        if inputs is not None and command.derivation == WORLD.artifact.path
        else (command, inputs)
        for command, inputs in exact(told).commands or ()
    ]
    assert isinstance(given(replace(told, commands=tuple(pairs))), str)


def test_what_is_used_has_a_hash_in_the_release(told: Told) -> None:
    found = given(told)
    assert isinstance(found, Given)
    link = SimpleNamespace(converged={}, materials={}, products={})
    evidence = cast("Evidence", SimpleNamespace(links=[SimpleNamespace(link=link)]))
    said = closure._unhashed(found, evidence)
    assert said is not None
    assert said.startswith("no builder of the release says what /nix/store/")
