"""What the holder of a release key can have a release say that its builders did not: the list, and no more.

Every member of every signed statement is changed, and left out, one at a time; the statement is signed again
by the trusted key, and all that follows from it is made to fit. What the verdict then still accepts is the
signer's word alone, and stands in docs/explanation/trust-model.md.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import releases

from orchestrator.bundles import own_bundle
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError, render, render_document
from orchestrator.evidence.terms import SBOMS
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import trusting
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.publishing.index import INDEX, index_of
from orchestrator.signing import bundling
from orchestrator.stories.verification import verify

STATEMENTS = ("provenance", "reproduction", "sbom-spdx", "sbom-spdx3", "sbom-cyclonedx")
Path_ = tuple[str | int, ...]

WORD = {
    "provenance": (
        r"buildDefinition/externalParameters/(target|repository/(path|uncommitted))",
        r"buildDefinition/internalParameters/toolchains(/.*)?",
        r"buildDefinition/resolvedDependencies/\d+/(name|downloadLocation|annotations/mirrors(/.*)?)",
        r"runDetails/builder/(version(/.*)?|builderDependencies/\d+/name)",
        r"runDetails/metadata/(invocationId|startedOn)",
        r"runDetails/byproducts/\d+/mediaType",
    ),
    "reproduction": (
        r"attributes/\d+/evidence/mediaType",
        r"attributes/\d+/conditions/surroundings/[A-Za-z0-9]+",
    ),
}
"""The members that are the signer's word alone, as patterns."""
HELD = {
    "sbom-spdx": r"packages/0/(name|versionInfo|licenseDeclared|checksums/0/checksumValue)"
    r"|packages/[1-9]\d*/(SPDXID|checksums(/0(/checksumValue)?)?|externalRefs(/0(/reference(Locator|Type))?)?)"
    r"|packages/\d+",
    "sbom-spdx3": r"@graph/(?!0/)\d+/(software_packageVersion|verifiedUsing(/0(/hashValue)?)?)",
    "sbom-cyclonedx": r"metadata/component/(name|version|hashes(/0(/content)?)?)|components(/\d+)?"
    r"|components/\d+/(bom-ref|purl|hashes(/0(/content)?)?)",
}
"""Of an SBOM the other way round: what nobody can change. All else in it is the signer's word."""


class Liar:
    """A release, and the key that signed it."""

    def __init__(self, folder: Path, made: releases.Made) -> None:
        self.key = SigningKey.generate()
        self.good = releases.published(folder / "out", made, self.key, releases.builder_keys(made)).path
        self.folder = folder / "lies" / self.good.name
        shutil.copytree(self.good, self.folder)
        self.policy = trusting([self.key.public.spki])
        self.signed: dict[bytes, bytes] = {}
        self.kept: dict[bytes, bytes] = {}
        self.said = {name: self._payload(name) for name in STATEMENTS}

    def _payload(self, name: str) -> dict[str, Any]:
        file = self._file(name)
        found: dict[str, Any] = json.loads(own_bundle.parse(file.read_bytes(), name).envelope.payload)
        return found

    def _file(self, name: str) -> Path:
        return self.folder / f"attestations/{name}.sigstore.json"

    def say(self, **changed: dict[str, Any]) -> Verdict:
        """The verdict once these statements are others, and all that depends on them is made to fit."""
        said = self.said | changed
        said["provenance"] = copy.deepcopy(said["provenance"])  # which alone is made to fit
        for document in said.values():
            if (suffix := SBOMS.get(document["predicateType"])) is not None:
                (sbom,) = (self.folder / "sbom").glob(f"*{suffix}")
                sbom.write_bytes(render_document(document["predicate"]))
        _cover(self.folder, said["provenance"])
        for name, document in said.items():
            payload = render(document)
            if payload not in self.signed:
                self.signed = {**self.signed, payload: bundling.sign(payload, self.key).render()}
            self._file(name).write_bytes(self.signed[payload])
            if name not in changed and name != "provenance":
                self.kept[payload] = self.signed[payload]
        self.signed = dict(self.kept)
        files = {}
        for path in self.folder.rglob("*"):
            if path.is_file() and path.name != INDEX:
                data = path.read_bytes()
                files[path.relative_to(self.folder).as_posix()] = (Sha256.of(data), len(data))
        both = [statement.parse(render(said[name]), name) for name in ("provenance", "reproduction")]
        (self.folder / INDEX).write_bytes(index_of(both[0], both[1], files))
        return verify(self.folder, self.policy, releases.NOW)


def _cover(folder: Path, provenance: dict[str, Any]) -> None:
    """Byproducts by the digests that their files have now, where there still are byproducts."""
    byproducts = provenance["predicate"].get("runDetails", {}).get("byproducts", [])
    for each in byproducts:
        name = each.get("name", "")
        if name.startswith(("sbom/", "source/")) and (folder / name).is_file() and "digest" in each:
            each["digest"] = {"sha256": Sha256.of_file(folder / name).hex}


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Liar:
    folder = tmp_path_factory.mktemp("liar")
    return Liar(folder, releases.observed(folder / "in"))


def _members(of: Any, path: Path_ = ()) -> Iterator[Path_]:
    items = of.items() if isinstance(of, dict) else enumerate(of) if isinstance(of, list) else ()
    for name, each in items:
        yield (*path, name)
        yield from _members(each, (*path, name))


def _shapes(of: dict[str, Any]) -> list[Path_]:
    """One member of each shape: of a list's items, and of all store paths, the first, and every kind."""
    seen: dict[str, Path_] = {}
    for path in _members(of["predicate"]):
        shape = re.sub(r"(?<=/)(\d+|/nix/store/[^ ]*|http[^ ]*)(?=/|$)", "*", "/" + "/".join(map(str, path)))
        if "resolvedDependencies" in path and len(path) > 2:
            entry = of["predicate"]["buildDefinition"]["resolvedDependencies"][path[2]]
            shape += str(entry.get("annotations", {}).get("kind"))
        seen.setdefault(shape, path)
    return list(seen.values())


def _lie(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return f"{value}x" if not re.fullmatch(r"[0-9a-f]{40,}", value) else value[::-1]
    return [] if isinstance(value, list) else {}


def _changed(said: dict[str, Any], path: Path_, change: Callable[[Any, Any], None]) -> dict[str, Any]:
    found = copy.deepcopy(said)
    place: Any = found["predicate"]
    for part in path[:-1]:
        place = place[part]
    change(place, path[-1])
    return found


def _put(place: Any, name: Any) -> None:
    place[name] = _lie(place[name])


def _drop(place: Any, name: Any) -> None:
    del place[name]


def _accepted(liar: Liar, name: str, among: str = ".*") -> set[str]:
    found = set()
    for path in _shapes(liar.said[name]):
        if not re.fullmatch(among, "/".join(map(str, path))):
            continue
        for change in (_put, _drop):
            lie = _changed(liar.said[name], path, change)
            try:
                verdict = liar.say(**{name: lie})
            except (MalformedError, TallyError, KeyError):
                continue
            if isinstance(verdict, Passed) and lie != liar.said[name]:
                found.add("/".join(map(str, path)))
    return found


def test_the_truth_is_accepted(liar: Liar) -> None:
    assert isinstance(liar.say(), Passed)


@pytest.mark.parametrize("name", WORD)
def test_what_is_the_signers_word_alone(liar: Liar, name: str) -> None:
    accepted = _accepted(liar, name)
    assert [
        path for path in sorted(accepted) if not any(re.fullmatch(each, path) for each in WORD[name])
    ] == []
    stale = [each for each in WORD[name] if not any(re.fullmatch(each, path) for path in accepted)]
    assert stale == []


@pytest.mark.parametrize("name", HELD)
def test_what_an_sbom_says_of_what_was_built(liar: Liar, name: str) -> None:
    members = ["/".join(map(str, path)) for path in _shapes(liar.said[name])]
    assert sum(re.fullmatch(HELD[name], each) is not None for each in members) > 3, "there is such a thing"
    assert _accepted(liar, name, HELD[name]) == set()


RECIPE, LOCK = "source/recipes/pigz.toml", "source/tally.lock"
CARRIED: list[tuple[str, bytes, bytes]] = [
    (RECIPE, b"make install", b"make install backdoor"),
    (RECIPE, b'version = "2.8"', b'version = "2.9"'),
    (RECIPE, b'name = "pigz"', b'name = "gzip"'),
    (RECIPE, b'"true', b'"false'),
    (RECIPE, b'name = "pigz"', b"name = "),
    (RECIPE, b'name = "pigz"', b'name = "\xff"'),
    ("source/recipes/zlib.toml", b"make install", b"make install backdoor"),
    (LOCK, b'sha256 = "', b'sha256 = "0'),
    (LOCK, b"[[package]]", b'[[package]]\npool = "x"\nsha256 = "' + b"ab" * 32 + b'"\n[[package]]'),
    (LOCK, b"[[package]]", b"[[package]]\n'sha256' = '" + b"ab" * 32 + b"'\n[[package]]"),
    (LOCK, b"[[package]]", b'[[package]]\n"sha\\u0032\\u0035\\u0036" = "x"\n[[package]]'),
    (LOCK, b"version = 1", b'[source.a.src]\nsha256 = "' + b"cd" * 32 + b'"\n'),
]


@pytest.mark.parametrize(("name", "old", "new"), CARRIED)
def test_what_it_carries_is_what_was_built(liar: Liar, name: str, old: bytes, new: bytes) -> None:
    """By the recipe's own digest too, since the signer has that in the provenance fit."""
    file, policy = liar.folder / name, liar.policy
    before = file.read_bytes()
    said = copy.deepcopy(liar.said["provenance"])
    definition = said["predicate"]["buildDefinition"]
    try:
        file.write_bytes(before.replace(old, new, 1))
        assert file.read_bytes() != before
        if name == RECIPE:
            digest = {"sha256": Sha256.of_file(file).hex}
            definition["externalParameters"]["recipe"]["digest"] = digest
            definition["resolvedDependencies"][0]["digest"] = digest
        liar.policy = replace(policy, builders=Builders(per="builder"))
        assert isinstance(liar.say(provenance=said), Failed)
    finally:
        file.write_bytes(before)
        assert isinstance(liar.say(), Passed)
        liar.policy = policy


class TestBelieved:
    """Nobody has the derivations that made what is believed: the provenance tells their hashes."""

    @pytest.fixture(scope="class")
    @classmethod
    def believer(cls, tmp_path_factory: pytest.TempPathFactory) -> Liar:
        folder = tmp_path_factory.mktemp("believer")
        return Liar(folder, releases.believing(releases.observed(folder / "in")))

    @staticmethod
    def _commands(of: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = of["predicate"]["buildDefinition"]["internalParameters"]["commands"]
        return found

    def test_commands_are_held_all_the_same(self, believer: Liar) -> None:
        verdict = believer.say()
        assert isinstance(verdict, Passed)
        assert not any("command" in each for each in verdict.notices)
        for number in range(len(self._commands(believer.said["provenance"]))):
            lie = copy.deepcopy(believer.said["provenance"])
            self._commands(lie)[number]["environment"]["tallyVariable_CFLAGS"] = "-DBACKDOOR"
            found = believer.say(provenance=lie)
            assert isinstance(found, Failed)
            assert Code.CONTRADICTION in [reason.code for reason in found.reasons]

    def test_a_release_that_does_not_tell_them_is_accepted_with_a_notice(self, believer: Liar) -> None:
        """Those of earlier versions do not."""
        earlier = copy.deepcopy(believer.said["provenance"])
        for each in self._commands(earlier):
            each.pop("inputs", None)
        verdict = believer.say(provenance=earlier)
        assert isinstance(verdict, Passed)
        assert any("can be compared with nothing" in each for each in verdict.notices)

    def test_what_is_said_of_beliefs_is_held_by_links(self, believer: Liar) -> None:
        """But for the cache's address, and how much there was to build."""
        found = _accepted(
            believer, "provenance", r".*/annotations/(cache|key|signature|narSize|references/?.*)"
        )
        assert {path.rpartition("/")[2] for path in found} == {"cache"}

    @pytest.mark.parametrize("name", ["derivations", "rebuilt", "believed", "levels", "paths", "keys"])
    def test_of_the_depth_the_total_and_levels_are_the_signers_word(self, believer: Liar, name: str) -> None:
        lie = copy.deepcopy(believer.said["reproduction"])
        inputs = [each["conditions"]["agreement"]["inputs"] for each in lie["predicate"]["attributes"]]
        for each in inputs:
            each[name] = _lie(each[name])
            if name == "derivations":
                each["believed"] = each[name] - each["rebuilt"]
        assert isinstance(believer.say(reproduction=lie), Passed) == (name in ("derivations", "levels"))

    def test_that_nothing_was_believed_is_no_word_of_the_signers(self, believer: Liar) -> None:
        lie = copy.deepcopy(believer.said["reproduction"])
        for each in lie["predicate"]["attributes"]:
            inputs = each["conditions"]["agreement"]["inputs"]
            inputs.update(believed=0, derivations=inputs["rebuilt"])
        assert isinstance(believer.say(reproduction=lie), Failed)
