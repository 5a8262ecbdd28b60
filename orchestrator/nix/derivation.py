"""Derivations as Nix stores them, read from `.drv` files. Pure: bytes in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError


@dataclass(frozen=True, slots=True)
class FixedOutput:
    """What a fixed-output derivation promises: a flat file's sha256, or a NAR hash (`recursive`)."""

    path: str
    digest: Sha256 | NarHash


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
        return name_of(self.path).removesuffix(".drv")


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

    def below(self, root: str) -> DerivationGraph:
        """The part of the graph that one derivation needs, itself included."""
        found: dict[str, Derivation] = {}
        stack = [root]
        while stack:
            path = stack.pop()
            if path not in found:
                found[path] = self.derivations[path]
                stack.extend(found[path].input_derivations)
        return DerivationGraph(found, (root,))


def name_of(store_path: str) -> str:
    """The name part of a store path: what follows the 32 digits and the dash."""
    return store_path.rsplit("/", 1)[-1][33:]


def parse(path: str, text: str) -> Derivation:
    """Read one `.drv` file's text. Raises TallyError when it is not a derivation."""
    from pynixutil import drvparse

    try:
        parsed = drvparse(text)
    except Exception as error:  # the parser raises whatever its grammar met
        raise TallyError(f"{path} is not a Nix derivation") from error
    fixed = None
    for output in parsed.outputs.values():
        if output.hash:
            fixed = FixedOutput(output.path, _digest(path, output.hash_algo or "", output.hash))
    return Derivation(
        path=path,
        system=parsed.system,
        builder_executable=parsed.builder,
        args=tuple(parsed.args),
        env=dict(parsed.env),
        outputs={name: output.path for name, output in parsed.outputs.items()},
        fixed=fixed,
        input_derivations={drv: tuple(sorted(names)) for drv, names in parsed.input_drvs.items()},
        input_sources=tuple(sorted(parsed.input_srcs)),
    )


def _digest(path: str, algorithm: str, value: str) -> Sha256 | NarHash:
    match algorithm:
        case "sha256":
            return Sha256(value)
        case "r:sha256":
            return NarHash(value)
        case other:
            raise TallyError(
                f"{path} fixes its output by {other or 'no known'} digest",
                hint="only sha256 is accepted as evidence",
            )
