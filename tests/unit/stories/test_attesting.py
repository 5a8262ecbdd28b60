"""What a builder's host signs of a disagreement: its own link, where its own store shows that it is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import disagreements
import pytest
import releases
from caches import SigningKey as CacheKey
from releases import store_path

from orchestrator.builders import host
from orchestrator.evidence import disagreement
from orchestrator.evidence.canonical import render
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.nix.derivation import Derivation
from orchestrator.nix.storepath import text_path
from orchestrator.publishing.records import records_of
from orchestrator.stories import attesting, held
from orchestrator.stories.attesting import attest

BUILT = releases.NOW.replace(hour=9, minute=2)
"""While builders built."""


@dataclass
class Registered:
    ultimate: bool = True
    registered: datetime | None = None
    references: tuple[str, ...] = ()


@dataclass
class HostStore:
    """A store that holds these paths, with these hashes."""

    held: dict[str, NarHash]
    ultimate: bool = True
    registered: datetime = BUILT
    elsewhere: frozenset[str] = frozenset()
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nix: Any = field(default_factory=lambda: SimpleNamespace(version="2.8.0"))

    def nix_version(self) -> str | None:
        return None

    def information(self, paths: Iterable[str]) -> dict[str, Any]:
        return {path: SimpleNamespace(nar_hash=self.held[path], nar_size=120) for path in paths}

    def invalid(self, paths: Iterable[str]) -> set[str]:
        return set(paths) - set(self.held)

    def registrations(self, paths: Sequence[str]) -> dict[str, Registered]:
        return {
            path: Registered(
                self.ultimate and path not in self.elsewhere, self.registered, self.references.get(path, ())
            )
            for path in paths
        }

    def nar_hash(self, path: str) -> NarHash:
        return self.held[path]


def text(derivation: Derivation) -> str:
    """A `.drv` file, in Nix's own form (ATerm)."""

    def quoted(values: Iterable[str]) -> str:
        return "[" + ",".join(map(json.dumps, values)) + "]"

    promised = '"",""'
    if derivation.fixed:
        digest = derivation.fixed.digest
        promised = f'"{"r:" if isinstance(digest, NarHash) else ""}sha256","{digest.hex}"'
    outputs = [
        f"({json.dumps(name)},{json.dumps(path)},{promised})" for name, path in derivation.outputs.items()
    ]
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
    held |= {path: built.nar_hash for path, built in report.inputs.items()}
    return disagreement.link_of(report, observed), HostStore(held)


def test_what_this_host_built_is_signed(link: tuple[bytes, Any]) -> None:
    payload, store = link
    key = SigningKey.generate()
    envelope = attest(payload, store, key, read, releases.NOW)
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
    "no command": lambda link, store: link["predicate"].update(command=[]),
    "neither command nor derivation": lambda link, store: (
        link["predicate"].update(command=[]),
        link["predicate"]["byproducts"].pop("builds"),
    ),
    "what it did not build": lambda link, store: setattr(store, "ultimate", False),
}


@pytest.mark.parametrize("harm", HARM)
def test_anything_else_is_not(link: tuple[bytes, Any], harm: str) -> None:
    payload, store = link
    document = json.loads(payload)
    HARM[harm](document, store)
    with pytest.raises(TallyError, match="refusing to sign"):
        attest(render(document), store, SigningKey.generate(), read, releases.NOW)


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
    store.held |= {path: built.nar_hash for path, built in report.inputs.items()}
    payload = disagreement.link_of(report, observed)
    assert attest(payload, store, SigningKey.generate(), read, releases.NOW).payload == payload


@pytest.fixture
def released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, Any]:
    """Builder `b`'s link in a release without the artifact's file, and its host's store."""
    return link_and_store(releases.observed(tmp_path), monkeypatch)


def link_and_store(made: releases.Made, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, HostStore]:
    report = made.agreed.reports[1]
    monkeypatch.setattr(host, "machine_id", lambda: report.identity.machine_id)
    payload = link_of(report, made.facts, materials_of(made.facts), records_of(made.facts)["b"]).payload
    document = json.loads(payload)
    del document["products"][made.facts.artifact.file_name]
    held = {path: NarHash(digests["narSha256"]) for path, digests in document["products"].items()}
    held |= dict.fromkeys(DERIVATIONS, NarHash("0" * 64))
    held |= {
        path: NarHash(digests["narSha256"])
        for path, digests in document["materials"].items()
        if "narSha256" in digests
    }
    return render(document), HostStore(held)


def test_the_command_of_a_release_is_the_packages(released: tuple[bytes, Any]) -> None:
    payload, store = released
    assert attest(payload, store, SigningKey.generate(), read, releases.NOW).payload == payload
    document = json.loads(payload)
    for command in (["/bin/true"], [WORLD.artifact.builder_executable, *ARTIFACTS]):
        document["command"] = command
        with pytest.raises(TallyError, match="tells of another command than the derivation"):
            attest(render(document), store, SigningKey.generate(), read, releases.NOW)


ROOT = WORLD.root.outputs["out"]
LIES: dict[str, tuple[str, Callable[[dict[str, Any], Any], object]]] = {
    "a material that nothing uses": (
        "which no derivation uses",
        lambda link, store: link["materials"].update(
            {releases.store_path("good-1.0.tar.gz"): {"sha256": "ab"}}
        ),
    ),
    "another source": (
        "another digest of the material",
        lambda link, store: link["materials"][WORLD.pigz_source.outputs["out"]].update(sha256="0" * 64),
    ),
    "another script": (
        "another digest of the material",
        lambda link, store: link["materials"][WORLD.script].update(narSha256="0" * 64),
    ),
    "another root": (
        "another digest of the material",
        lambda link, store: link["materials"][ROOT].update(narSha256="0" * 64),
    ),
    "a further digest": (
        "another digest of the material",
        lambda link, store: link["materials"][WORLD.script].update(sha256="0" * 64),
    ),
    "a root from elsewhere": (
        "was not built on this host",
        lambda link, store: setattr(store, "elsewhere", frozenset({ROOT})),
    ),
    "no material": ("does not name the material", lambda link, store: link.update(materials={})),
    "one material less": (
        "does not name the material",
        lambda link, store: link["materials"].pop(WORLD.zlib_source.outputs["out"]),
    ),
    "a material that it does not hold": (
        "is not in this host's store",
        lambda link, store: store.held.pop(WORLD.script),
    ),
    "another artifact's derivation": (
        "another derivation of the artifact",
        lambda link, store: link["byproducts"].update(derivation=WORLD.zlib.path),
    ),
    "no command": ("another command", lambda link, store: link.update(command=[])),
    "another Nix": (
        "the link says Nix '99'",
        lambda link, store: link["environment"]["builder"].update(nixVersion="99"),
    ),
    "another boot": (
        "another boot",
        lambda link, store: link["environment"]["builder"].update(bootIdSha256="0" * 64),
    ),
    "an end in the future": (
        "in the future",
        lambda link, store: times(link, finished="2027-01-01T00:00:00Z"),
    ),
    "an end before the beginning": (
        "end before it began",
        lambda link, store: times(link, started="2026-11-22T09:04:00Z"),
    ),
    "an end before the output was there": (
        "was not yet built",
        lambda link, store: times(link, started="2020-01-01T00:00:00Z", finished="2020-01-01T00:00:01Z"),
    ),
    "times of another kind": (
        "no time where one should be",
        lambda link, store: times(link, started="today"),
    ),
    "times elsewhere": ("was not yet built", lambda link, store: times_elsewhere(link)),
    "a build without times": (
        "is not an object",
        lambda link, store: link["byproducts"]["builds"].update({WORLD.pigz.path: 1}),
    ),
}


def times(link: dict[str, Any], **changed: str) -> None:
    link["byproducts"]["builds"][WORLD.pigz.path].update(changed)


def times_elsewhere(link: dict[str, Any]) -> None:
    """The true ones stand where a link of a disagreement has them."""
    link["predicate"] = json.loads(json.dumps(link))
    times(link, started="2020-01-01T00:00:00Z", finished="2020-01-01T00:00:01Z")


@pytest.mark.parametrize("lie", LIES)
def test_what_the_store_does_not_show_is_not_signed(released: tuple[bytes, Any], lie: str) -> None:
    payload, store = released
    says, harm = LIES[lie]
    document = json.loads(payload)
    harm(document, store)
    with pytest.raises(TallyError, match=says):
        attest(render(document), store, SigningKey.generate(), read, releases.NOW)


@pytest.fixture
def believing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, Any]:
    """The same where its library was taken from a cache: what that was made from, the host has not built."""
    payload, store = link_and_store(releases.believing(releases.observed(tmp_path)), monkeypatch)
    believed = frozenset(WORLD.zlib.outputs.values())
    store.elsewhere = believed
    store.references = dict.fromkeys(believed, (WORLD.script,))
    return payload, store


def test_what_is_believed_need_not_be_built_on_this_host(believing: tuple[bytes, Any]) -> None:
    payload, store = believing
    assert attest(payload, store, SigningKey.generate(), read, releases.NOW).payload == payload


LIBRARY, HEADERS = WORLD.zlib.outputs["out"], WORLD.zlib.outputs["dev"]
OTHER_CACHE = CacheKey("cache-1")
"""The same name, another key."""


def beliefs(link: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = link["byproducts"]["believed"]
    return found


UNBELIEVABLE: dict[str, tuple[str, Callable[[dict[str, Any], Any], object]]] = {
    "other bytes, and a link that says so": (
        "not over what is here",
        lambda link, store: (
            store.held.update({LIBRARY: NarHash("1" * 64)}),
            link["materials"][LIBRARY].update(narSha256="1" * 64),
        ),
    ),
    "another hash": (
        "another digest of the material",
        lambda link, store: link["materials"][LIBRARY].update(narSha256="0" * 64),
    ),
    "another cache": (
        "not over what is here",
        lambda link, store: beliefs(link)[LIBRARY].update(key=OTHER_CACHE.text),
    ),
    "a signature of another cache": (
        "not over what is here",
        lambda link, store: beliefs(link)[LIBRARY].update(signature=OTHER_CACHE.sign("anything")),
    ),
    "another path's signature": (
        "not over what is here",
        lambda link, store: beliefs(link)[LIBRARY].update(signature=beliefs(link)[HEADERS]["signature"]),
    ),
    "no signature": ("signature", lambda link, store: beliefs(link)[LIBRARY].pop("signature")),
    "no key": ("key", lambda link, store: beliefs(link)[LIBRARY].pop("key")),
    "a key that is none": ("names no key", lambda link, store: beliefs(link)[LIBRARY].update(key="cache-1")),
    "no word of it": ("does not name the material", lambda link, store: link["byproducts"].pop("believed")),
    "no word of one": (
        "which is of a derivation that was built here",
        lambda link, store: beliefs(link).pop(LIBRARY),
    ),
    "another size": (
        "another .* than this host has",
        lambda link, store: beliefs(link)[LIBRARY].update(narSize=121),
    ),
    "other references": (
        "another .* than this host has",
        lambda link, store: store.references.update({LIBRARY: (WORLD.script, HEADERS)}),
    ),
    "references that are none": (
        "no list of texts",
        lambda link, store: beliefs(link)[LIBRARY].update(references=[1]),
    ),
    "what it refers to is not named": (
        "does not name the material",
        lambda link, store: (link["materials"].pop(WORLD.script), store.held.pop(WORLD.script)),
    ),
    "one material less": (
        "does not name the material",
        lambda link, store: link["materials"].pop(HEADERS),
    ),
    "what no build used": (
        "which no build of it used",
        lambda link, store: beliefs(link).update({store_path("other-1"): beliefs(link)[LIBRARY]}),
    ),
    "what the package was made to": (
        "which is of a derivation that was built here",
        lambda link, store: beliefs(link).update({WORLD.pigz.outputs["out"]: beliefs(link)[LIBRARY]}),
    ),
    "what it does not hold": ("is not in this host's store", lambda link, store: store.held.pop(LIBRARY)),
}


@pytest.mark.parametrize("lie", UNBELIEVABLE)
def test_a_belief_that_its_store_does_not_bear_out_is_not_signed(
    believing: tuple[bytes, Any], lie: str
) -> None:
    payload, store = believing
    says, harm = UNBELIEVABLE[lie]
    document = json.loads(payload)
    harm(document, store)
    with pytest.raises(TallyError, match=f"refusing to sign: .*{says}"):
        attest(render(document), store, SigningKey.generate(), read, releases.NOW)


def test_a_disagreement_believes_nothing(link: tuple[bytes, Any]) -> None:
    payload, store = link
    document = json.loads(payload)
    signed = {"key": OTHER_CACHE.text, "signature": "cache-1:", "narSize": 120, "references": []}
    document["predicate"]["byproducts"]["believed"] = {WORLD.zlib.outputs["out"]: signed}
    with pytest.raises(TallyError, match="the link believes"):
        attest(render(document), store, SigningKey.generate(), read, releases.NOW)


@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_an_output_links_to_was_not_built(
    linked: bool, released: tuple[bytes, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload, store = released
    output, file = tmp_path / "output", tmp_path / "file"
    file.write_bytes(b"never built")
    if linked:
        output.symlink_to(file)
    else:
        output.write_bytes(b"never built")
    monkeypatch.setattr(attesting, "Path", lambda path: output if path.endswith(".tar.gz") else tmp_path)
    document = json.loads(payload)
    document["products"]["x.tar.gz"] = {"sha256": Sha256.of(b"never built").hex}
    if linked:
        with pytest.raises(TallyError, match="none of the files that this host built"):
            attest(render(document), store, SigningKey.generate(), read, releases.NOW)
    else:
        assert attest(render(document), store, SigningKey.generate(), read, releases.NOW)


def test_a_derivation_whose_text_was_changed_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = text(OTHER).encode()
    path = text_path("other-1.drv", data, OTHER.input_sources)
    monkeypatch.setattr(held, "Path", lambda name: tmp_path / name.rpartition("/")[2])
    file = tmp_path / path.rpartition("/")[2]
    file.write_bytes(data)
    assert held.text_of(path).encode() == data
    file.write_bytes(data.replace(b"/bin/sh", b"/bin/ls"))
    with pytest.raises(TallyError, match="was changed in this host's store"):
        held.text_of(path)
    file.unlink()
    with pytest.raises(TallyError, match="cannot be read"):
        held.text_of(path)
