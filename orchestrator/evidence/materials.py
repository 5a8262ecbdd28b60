"""Everything a build was made from, with digests: read off the build-time closure of its derivation. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.builders.build import BuiltPath
from orchestrator.caches.believed import NOTHING, Beliefs, Believed
from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.terms import NAR_SHA256, Kind
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput, name_of
from orchestrator.nix.storepath import ByContent
from orchestrator.sources.origins import Origin


@dataclass(frozen=True, slots=True)
class Material:
    """One input. What its derivation does not tell is None or empty, and no statement then mentions it."""

    path: str
    name: str
    version: str | None
    digest: Sha256 | NarHash
    kind: Kind
    uris: tuple[str, ...]
    purl: str | None
    license: str | None
    """An SPDX expression."""
    believed: Believed | None = None
    """By whose signature, where nobody here built it."""
    pinned: OtherDigest | None = None
    """By which its derivation fixes the file, where that is not the sha256."""
    promised: OtherDigest | None = None
    """By which somebody's own derivation fixes it, where that is neither its sha256 nor its NAR hash."""
    by_content: ByContent | None = None
    """What the path of an input source follows from, where that is not its NAR hash alone."""

    @property
    def digest_set(self) -> dict[str, str]:
        """The digest under a key that says what was hashed."""
        found = digest_set(self.digest)
        return found if self.pinned is None else {**found, self.pinned.algorithm: self.pinned.hex}


def digest_set(digest: Sha256 | NarHash) -> dict[str, str]:
    """`sha256` for a flat file's bytes, `narSha256` for a NAR: never the one for the other."""
    return {"sha256" if isinstance(digest, Sha256) else NAR_SHA256: digest.hex}


def built_here(graph: DerivationGraph, root: str, beliefs: Beliefs = NOTHING) -> Iterator[Derivation]:
    """The derivations that building `root` had to realise, itself first, each once.

    The walk stops at fixed outputs: their digest pins their bytes whatever fetched them, so what a fetcher
    was made from cannot have had a say. It stops at believed inputs, too: what these were made from, nobody
    here knows but by the signature that is believed.
    """
    seen, queue = {root}, [root]
    while queue:
        derivation = graph[queue.pop()]
        yield derivation
        for path in derivation.input_derivations:
            if path not in seen and graph[path].fixed is None and (not beliefs or path in beliefs.rebuilt):
                seen.add(path)
                queue.append(path)


def materials_of(facts: ReleaseFacts) -> tuple[Material, ...]:
    """Every material of the artifact, sorted by store path; the release's own outputs are products instead.

    Raises TallyError when an input was used and nobody observed its hash.
    """
    found: dict[str, Material] = {}
    foreign = _foreign(facts)
    believed = facts.beliefs.paths
    untold = believed.keys() | {each.path for each in facts.agreed.converged}
    """Told by a signature; or by none, since builders made different ones."""
    for derivation in built_here(facts.graph, facts.artifact_derivation, facts.beliefs):
        for path in derivation.input_sources:
            found[path] = _file(path, facts, Kind.SOURCE if path in foreign else Kind.FILE)
        for path, names in derivation.input_derivations.items():
            needed = facts.graph[path]
            if needed.fixed is not None:
                found[needed.fixed.path] = _fetched(needed, needed.fixed, facts, path in foreign)
            elif path not in facts.agreed.outputs:
                for name in (name for name in names if needed.outputs[name] not in untold):
                    found[needed.outputs[name]] = _built(needed, needed.outputs[name], facts.agreed.inputs)
        if derivation.path not in facts.agreed.outputs:
            for path in derivation.outputs.values():  # an output that only a runtime reference leads to
                if path in facts.agreed.inputs:
                    found[path] = _built(derivation, path, facts.agreed.inputs)
    for each in _with_believed(facts, foreign):
        found.setdefault(each.path, each)
    return tuple(found[path] for path in sorted(found))


def _with_believed(facts: ReleaseFacts, foreign: frozenset[str]) -> Iterator[Material]:
    """What is believed, and what that refers to and was pinned otherwise."""
    for each in facts.beliefs.paths.values():
        yield _believed(facts.graph, each)
        for reference in each.references:
            made_by = facts.graph.by_output.get(reference)
            if made_by is not None and made_by.fixed is not None:
                yield _fetched(made_by, made_by.fixed, facts, made_by.path in foreign)
            elif reference in facts.input_sources:
                yield _file(reference, facts, Kind.FILE)


def _believed(graph: DerivationGraph, believed: Believed) -> Material:
    """All of them stand in the evidence, runtime references too: each was there when builds ran."""
    made_by = graph.by_output.get(believed.path)
    version = made_by.env.get("version") if made_by is not None else None
    return Material(
        path=believed.path,
        name=name_of(believed.path),
        version=version or None,
        digest=believed.nar_hash,
        kind=Kind.BELIEVED,
        uris=(),
        purl=None,
        license=None,
        believed=believed,
    )


def _foreign(facts: ReleaseFacts) -> frozenset[str]:
    """What a package without a recipe was made from: its input sources, and the `.drv` of fixed outputs.

    Any of them can be its source, whatever its derivations say in a variable of ours.
    """
    if facts.definition is None:
        return frozenset()
    theirs = list(built_here(facts.graph, facts.package_derivation, facts.beliefs))
    return frozenset(path for each in theirs for path in (*each.input_sources, *each.input_derivations))


def _fetched(derivation: Derivation, fixed: FixedOutput, facts: ReleaseFacts, foreign: bool) -> Material:
    env = derivation.env
    kind = None if foreign else env.get("tallyKind")
    origin = facts.origins.get(fixed.path) or _told(derivation)
    return Material(
        path=fixed.path,
        name=origin.name,
        version=_version(origin.purl) or env.get("version") or None,
        digest=fixed.sha256,
        kind={"source": Kind.SOURCE, "toolchain": Kind.TOOLCHAIN}.get(kind or "", Kind.FETCHED),
        uris=origin.urls,
        purl=origin.purl,
        license=facts.licences.get(fixed.sha256.hex),
        pinned=fixed.told if isinstance(fixed.told, OtherDigest) else None,
        promised=None if isinstance(fixed.told, OtherDigest) else _other(fixed.promised),
    )


def _told(derivation: Derivation) -> Origin:
    """What somebody's own derivation says of where its output is from."""
    env = derivation.env
    name = env.get("name") or derivation.name
    return Origin(name, tuple(_words(env.get("urls") or env.get("url"))), None)


def _other(promised: Sha256 | NarHash | OtherDigest | None) -> OtherDigest | None:
    return promised if isinstance(promised, OtherDigest) else None


def _file(path: str, facts: ReleaseFacts, kind: Kind) -> Material:
    digest = facts.input_sources.get(path)
    if digest is None:
        raise TallyError(f"the NAR hash of {path} is not known, and the build used it")
    by_content = facts.by_content.get(path)
    return Material(path, name_of(path), None, digest, kind, (), None, None, by_content=by_content)


def _built(derivation: Derivation, path: str, inputs: Mapping[str, BuiltPath]) -> Material:
    if path not in inputs:
        raise TallyError(
            f"no builder reported the NAR hash of {path}, and the build used it",
            hint="only inputs that every builder built itself can be accounted for; run the build again",
        )
    env = derivation.env
    return Material(
        path=path,
        name=name_of(path),
        version=env.get("tallyVersion") or env.get("version") or None,
        digest=inputs[path].nar_hash,
        kind=Kind.BUILT,
        uris=(),
        purl=None,
        license=env.get("tallyLicense") or None,
    )


def _words(text: str | None) -> Iterator[str]:
    """Addresses; nixpkgs separates them with spaces, we with newlines, and neither is in an address."""
    return iter((text or "").split())


def _version(purl: str | None) -> str | None:
    from orchestrator.evidence.purls import name_and_version  # verifying needs none of what that imports

    return name_and_version(purl)[1]
