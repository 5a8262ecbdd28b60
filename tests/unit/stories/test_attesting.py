"""What a builder's host signs of a disagreement: its own link, where its own store shows that it is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import disagreements
import pytest
import releases

from orchestrator.builders import host
from orchestrator.evidence import disagreement
from orchestrator.evidence.canonical import render
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.nix.derivation import Derivation
from orchestrator.publishing.records import records_of
from orchestrator.stories.attesting import attest


@dataclass
class Registered:
    ultimate: bool = True


@dataclass
class HostStore:
    """A store that holds these paths, with these hashes."""

    held: dict[str, NarHash]
    ultimate: bool = True

    def invalid(self, paths: Iterable[str]) -> set[str]:
        return set(paths) - set(self.held)

    def registrations(self, paths: Sequence[str]) -> dict[str, Registered]:
        return {path: Registered(self.ultimate) for path in paths}

    def nar_hash(self, path: str) -> NarHash:
        return self.held[path]


def text(derivation: Derivation) -> str:
    """A `.drv` file, in Nix's own form (ATerm)."""

    def quoted(values: Iterable[str]) -> str:
        return "[" + ",".join(map(json.dumps, values)) + "]"

    outputs = [f'({json.dumps(name)},{json.dumps(path)},"","")' for name, path in derivation.outputs.items()]
    inputs = [f"({json.dumps(path)},{quoted(names)})" for path, names in derivation.input_derivations.items()]
    return (
        f"Derive([{','.join(outputs)}],[{','.join(inputs)}],{quoted(derivation.input_sources)},"
        f"{json.dumps(derivation.system)},{json.dumps(derivation.builder_executable)},"
        f"{quoted(derivation.args)},["
        + ",".join(f"({json.dumps(key)},{json.dumps(value)})" for key, value in derivation.env.items())
        + "])"
    )


WORLD = releases.World()
ARTIFACTS = ("-c", "pack")
"""The arguments of the artifact's derivation, which are not the package's."""
OTHER = releases.derivation("other-1")
OUTPUTS = [path for each in WORLD.graph.derivations.values() for path in each.outputs.values()]
DERIVATIONS = {
    **WORLD.graph.derivations,
    WORLD.artifact.path: replace(WORLD.artifact, args=ARTIFACTS),
    OTHER.path: OTHER,
}


def read(path: str) -> str:
    return text(DERIVATIONS[path])


@pytest.fixture
def link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, HostStore]:
    """Builder `b`'s link, and its host's store."""
    made = releases.observed(tmp_path)
    observed = disagreements.observed(made)
    report = observed.disagreed.reports[1]
    monkeypatch.setattr(host, "machine_id", lambda: report.identity.machine_id)
    held = {one.path: one.hashes["b"] for one in observed.disagreed.differing}
    held |= dict.fromkeys(DERIVATIONS, NarHash("0" * 64))
    return disagreement.link_of(report, observed), HostStore(held)


def test_what_this_host_built_is_signed(link: tuple[bytes, Any]) -> None:
    payload, store = link
    key = SigningKey.generate()
    envelope = attest(payload, store, key, read)
    assert envelope.payload == payload
    assert dsse.signed_by(envelope, key.public)


HARM: dict[str, Callable[[dict[str, Any], HostStore], object]] = {
    "another machine": lambda link, store: link["predicate"]["environment"]["builder"].update(
        machineIdSha256="0" * 64
    ),
    "another hash": lambda link, store: link["subject"][0]["digest"].update(narSha256="0" * 64),
    "a file's digest": lambda link, store: link["subject"][0]["digest"].update(sha256="0" * 64),
    "a file's digest alone": lambda link, store: link["subject"][0].update(digest={"sha256": "0" * 64}),
    "nothing": lambda link, store: link.update(subject=[]),
    "no name of a NAR": lambda link, store: link["subject"][0].update(name="it"),
    "another type": lambda link, store: link.update(predicateType="https://slsa.dev/provenance/v1"),
    "another step": lambda link, store: link["predicate"].update(name="build"),
    "what it does not hold": lambda link, store: store.held.clear(),
    "another command": lambda link, store: link["predicate"]["command"].append("-x"),
    "the artifact's command": lambda link, store: link["predicate"].update(
        command=[WORLD.artifact.builder_executable, *ARTIFACTS]
    ),
    "no derivation": lambda link, store: link["predicate"]["byproducts"].update(builds={}),
    "a file for a derivation": lambda link, store: link["predicate"]["byproducts"].update(
        builds={"/nix/store/../../etc/passwd.drv": {}}
    ),
    "a derivation that it does not hold": lambda link, store: store.held.pop(WORLD.pigz.path),
    "a derivation of something else": lambda link, store: link["predicate"]["byproducts"].update(
        builds={WORLD.zlib.path: {}}
    ),
    "derivations of two targets": lambda link, store: (
        link["predicate"]["byproducts"]["builds"].update({OTHER.path: {}}),
        store.held.update({OTHER.path: NarHash("0" * 64)}),
        store.held.update(dict.fromkeys(OTHER.outputs.values(), NarHash("0" * 64))),
    ),
    "a derivation that was not built there": lambda link, store: link["predicate"]["byproducts"][
        "builds"
    ].update({WORLD.zlib.path: {}}),
    "what it did not build": lambda link, store: setattr(store, "ultimate", False),
}


@pytest.mark.parametrize("harm", HARM)
def test_anything_else_is_not(link: tuple[bytes, Any], harm: str) -> None:
    payload, store = link
    document = json.loads(payload)
    HARM[harm](document, store)
    with pytest.raises(TallyError, match="refusing to sign"):
        attest(render(document), store, SigningKey.generate(), read)


def test_a_link_that_tells_no_command_says_nothing_untrue(link: tuple[bytes, Any]) -> None:
    """As orchestrators of earlier versions ask for."""
    payload, store = link
    document = json.loads(payload)
    document["predicate"]["command"] = []
    del document["predicate"]["byproducts"]["builds"]
    assert attest(render(document), store, SigningKey.generate(), read)


def test_an_input_that_differs_is_below_what_was_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = releases.observed(tmp_path)
    observed = disagreements.observed(made, "zlib")
    report = observed.disagreed.reports[1]
    monkeypatch.setattr(host, "machine_id", lambda: report.identity.machine_id)
    held = {one.path: one.hashes["b"] for one in observed.disagreed.differing}
    assert WORLD.zlib.outputs["out"] in held
    store: Any = HostStore(dict.fromkeys([*DERIVATIONS, *OUTPUTS], NarHash("0" * 64)) | held)
    payload = disagreement.link_of(report, observed)
    assert attest(payload, store, SigningKey.generate(), read).payload == payload


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, Any]:
    """Builder `b`'s link in a release without the artifact's file, and its host's store."""
    made = releases.observed(tmp_path)
    report = made.agreed.reports[1]
    monkeypatch.setattr(host, "machine_id", lambda: report.identity.machine_id)
    payload = link_of(report, made.facts, materials_of(made.facts), records_of(made.facts)["b"]).payload
    document = json.loads(payload)
    del document["products"][made.facts.artifact.file_name]
    held = {path: NarHash(digests["narSha256"]) for path, digests in document["products"].items()}
    held |= dict.fromkeys(DERIVATIONS, NarHash("0" * 64))
    return render(document), HostStore(held)


def test_the_command_of_a_release_is_the_packages(released: tuple[bytes, Any]) -> None:
    payload, store = released
    assert attest(payload, store, SigningKey.generate(), read).payload == payload
    document = json.loads(payload)
    for command in (["/bin/true"], [WORLD.artifact.builder_executable, *ARTIFACTS]):
        document["command"] = command
        with pytest.raises(TallyError, match="tells of another command than the derivation"):
            attest(render(document), store, SigningKey.generate(), read)
