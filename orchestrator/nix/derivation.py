"""Derivations as Nix stores them, read from `.drv` files. Pure: bytes in, values out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix import aterm

_NAME = re.compile(r"(.+?)-([^A-Za-z].*)")


@dataclass(frozen=True, slots=True)
class FixedOutput:
    """What a fixed-output derivation promises: a flat file's sha256, or a NAR hash (`recursive`)."""

    path: str
    digest: Sha256 | NarHash | OtherDigest
    """The last is never in a graph that is to be signed for: `parse` refuses it."""
    promised: Sha256 | NarHash | OtherDigest | None = None
    """By which the derivation itself fixes it, where that is another one than evidence can hold."""

    @property
    def told(self) -> Sha256 | NarHash | OtherDigest:
        """By which evidence says that the derivation fixes it: a flat file's has two digests there."""
        if self.promised is not None and isinstance(self.digest, Sha256):
            return self.promised
        return self.digest

    @property
    def sha256(self) -> Sha256 | NarHash:
        """The digest as evidence has it. Raises TallyError for another kind."""
        if isinstance(self.digest, OtherDigest):
            raise not_sha256(self.path, self.digest.algorithm)
        return self.digest


@dataclass(frozen=True, slots=True)
class Derivation:
    """One `.drv`. `path` and the output paths are logical store paths (`/nix/store/…`)."""

    path: str
    system: str
    builder_executable: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    outputs: Mapping[str, str]
    """Output name to store path."""
    fixed: FixedOutput | None
    input_derivations: Mapping[str, tuple[str, ...]]
    """`.drv` path to the names of the outputs that are used."""
    input_sources: tuple[str, ...]

    @property
    def name(self) -> str:
        return called(self.path)

    @property
    def floating(self) -> bool:
        """Whether its outputs' paths follow from what is built: content-addressed, or impure."""
        return "" in self.outputs.values()


@dataclass(frozen=True)
class DerivationGraph:
    """Derivations with everything below them: each `input_derivations` key is a key here."""

    derivations: Mapping[str, Derivation]
    roots: tuple[str, ...]

    def __getitem__(self, path: str) -> Derivation:
        return self.derivations[path]

    def in_build_order(self) -> Iterator[Derivation]:
        """Every derivation after its inputs; the order depends on the graph alone."""
        done: set[str] = set()
        for root in self.roots:
            stack = [(root, False)]
            while stack:
                path, expanded = stack.pop()
                if path in done:
                    continue
                if expanded:
                    done.add(path)
                    yield self.derivations[path]
                else:
                    stack.append((path, True))
                    inputs = sorted(self.derivations[path].input_derivations, reverse=True)
                    stack.extend((below, False) for below in inputs if below not in done)

    @cached_property
    def by_output(self) -> Mapping[str, Derivation]:
        """Store path of an output to the derivation that makes it."""
        return {output: drv for drv in self.derivations.values() for output in drv.outputs.values()}

    def used_by(self, derivations: Iterable[str]) -> set[str]:
        """Store paths that these were made from: sources, the outputs that each names, and themselves."""
        found: set[str] = set()
        for derivation in map(self.derivations.__getitem__, derivations):
            found |= {derivation.path, *derivation.input_sources}
            for below, names in derivation.input_derivations.items():
                found.update(self.derivations[below].outputs[name] for name in names)
        return found

    def below(self, *roots: str) -> DerivationGraph:
        """The part of the graph that these derivations need, themselves included."""
        found: dict[str, Derivation] = {}
        stack = list(roots)
        while stack:
            path = stack.pop()
            if path not in found:
                found[path] = self.derivations[path]
                stack.extend(found[path].input_derivations)
        return DerivationGraph(found, roots)

    def as_built(self) -> DerivationGraph:
        """Without what fixed outputs were made by: their digest pins their bytes, whatever fetched them."""
        found: dict[str, Derivation] = {}
        stack = list(self.roots)
        while stack:
            path = stack.pop()
            if path not in found:
                derivation = self.derivations[path]
                if derivation.fixed is not None:
                    derivation = replace(derivation, input_derivations={}, input_sources=())
                found[path] = derivation
                stack.extend(derivation.input_derivations)
        return DerivationGraph(found, self.roots)


def name_of(store_path: str) -> str:
    """The name part of a store path: what follows the 32 digits and the dash."""
    return store_path.rsplit("/", 1)[-1][33:]


def called(derivation: str) -> str:
    """The name of a derivation, of its `.drv` path, as sentences have it."""
    return name_of(derivation).removesuffix(".drv")


def attributes(derivation: Derivation) -> Mapping[str, object]:
    """What a derivation's expression gave it: its variables, or with `__structuredAttrs` what those hold."""
    text = derivation.env.get("__json")
    if text is None:
        return derivation.env
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def name_and_version(derivation: Derivation) -> tuple[str, str | None]:
    """Of the package: `pname` and `version`, else as `builtins.parseDrvName` takes the name apart."""
    told = attributes(derivation)
    name, version = told.get("pname"), told.get("version")
    if isinstance(name, str) and isinstance(version, str) and derivation.name == f"{name}-{version}":
        return name, version
    parts = _NAME.fullmatch(derivation.name)
    return (parts[1], parts[2]) if parts else (derivation.name, None)


def parse(path: str, text: str, *, any_digest: bool = False) -> Derivation:
    """Read one `.drv` file's text. Raises TallyError when it is not a derivation.

    A fixed output by another digest than sha256 is refused too, but with `any_digest`.
    """
    try:
        outputs, inputs, sources, system, executable, args, env = aterm.read(text)
        found = Derivation(
            path=path,
            system=system,
            builder_executable=executable,
            args=tuple(args),
            env=dict(env),
            outputs={name: made for name, made, _, _ in outputs},
            fixed=None,
            input_derivations={drv: tuple(sorted(names)) for drv, names in inputs},
            input_sources=tuple(sorted(sources)),
        )
        promised = [(made, method, value) for _, made, method, value in outputs if value and made]
    except (ValueError, TypeError) as error:
        raise TallyError(f"{path} is not a Nix derivation: {error}") from error
    for made, method, value in promised:
        return replace(found, fixed=FixedOutput(made, _digest(path, method, value, any_digest)))
    return found


def _digest(path: str, method: str, value: str, any_digest: bool) -> Sha256 | NarHash | OtherDigest:
    match method:
        case "sha256":
            return Sha256(value)
        case "r:sha256":
            return NarHash(value)
        case _ if any_digest and method:
            return OtherDigest(method.rpartition(":")[2], value, nar=method.startswith("r:"))
        case other:
            raise not_sha256(path, other)


def not_sha256(path: str, method: str) -> TallyError:
    """The error for an output that is fixed by what no statement of ours can hold."""
    return TallyError(
        f"{path} fixes its output by {method or 'no known'} digest",
        hint="only sha256 is accepted as evidence",
    )
