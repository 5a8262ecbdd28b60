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
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.keys.key import SigningKey
from orchestrator.nix.outputpath import Inputs, fixed_hash
from orchestrator.nix.storepath import ByContent, text_path
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


def with_material(told: Told, path: str, **changes: Any) -> Told:
    materials = (replace(each, **changes) if each.path == path else each for each in told.materials)
    return replace(told, materials=tuple(materials))


def test_a_source_that_a_build_may_have_made_is_a_no(told: Told) -> None:
    """Its path has to follow from its content: that of an output follows from what it was made with."""
    other = with_material(told, WORLD.script, digests={"narSha256": "0" * 64})
    assert given(other) == (
        "debian-root was given build.sh as a source, and nothing shows that its path "
        "follows from its content: some build may have made it"
    )
    script = next(each for each in told.materials if each.path == WORLD.script)
    unlisted = replace(exact(told), materials=tuple(each for each in told.materials if each is not script))
    assert "was given build.sh as a source" in str(given(unlisted))


def text_source(told: Told, references: tuple[str, ...], said: tuple[str, ...] | None = None) -> Told:
    """The same release, whose script is a text as `builtins.toFile` makes it."""
    path = text_path("build.sh", b"the text", references)
    by = ByContent("text", Sha256.of(b"the text").hex, references if said is None else said)
    script = next(each for each in told.materials if each.path == WORLD.script)
    pairs = [
        (command, Inputs(inputs.derivations, [path] if inputs.sources else []))
        if inputs is not None
        else (command, None)
        for command, inputs in exact(told).commands or ()
    ]
    materials = [each for each in told.materials if each is not script]
    made = replace(script, path=path, by_content=by)
    # which paths they make is another matter, and is looked at elsewhere
    return replace(told, materials=(*materials, made), commands=tuple(pairs))


def test_a_text_is_a_source_with_all_that_it_refers_to(told: Told) -> None:
    assert "as a source" not in str(given(text_source(told, ())))
    source = next(each.path for each in told.materials if each.path == WORLD.script)
    assert source is not None
    built = WORLD.zlib.outputs["out"]
    for references in ((built,), (source,)):  # neither is listed as a source here
        assert "as a source" in str(given(text_source(told, references)))
    lied = text_source(told, (built,), ())
    assert "as a source" in str(given(lied)), "the path tells what it refers to"


@pytest.mark.parametrize("method", ["r:sha512", "sha512", "r:sha1"])
def test_an_output_that_is_fixed_by_another_digest_is_fixed(told: Told, method: str) -> None:
    busybox = WORLD.busybox.outputs["out"]
    digits = "ab" * 32
    algorithm = method.removeprefix("r:")
    wanted = fixed_hash(busybox, OtherDigest(algorithm, digits, nar=method.startswith("r:")))
    (was,) = [each for each in told.materials if each.path == busybox]
    old = fixed_hash(busybox, NarHash(was.digests["narSha256"]))
    pairs = []
    for command, inputs in exact(told).commands or ():
        assert inputs is not None
        names = {wanted if each == old else each: of for each, of in inputs.derivations.items()}
        pairs.append((command, Inputs(names, inputs.sources)))
    first = replace(told, commands=tuple(pairs[:1]), computed=told.computed[:1])
    assert "does not tell what made it" in str(given(first))
    assert isinstance(given(with_material(first, busybox, fixed_by=f"{method}:{digits}")), Given)
