"""Finds the parts of store paths: what is vendored within fixed outputs, and linked into programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.evidence.sbom.component import is_nar
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.ground.wording import some
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation
from orchestrator.run.shapes import Shape, elf_files, shape_of

if TYPE_CHECKING:  # its readers cost 15 ms to import, and most closures have nothing for them
    from orchestrator.evidence.facts import ReleaseFacts
    from orchestrator.evidence.vendored.package import Within
    from orchestrator.nix.store import Store

Shaped = tuple[Derivation, Shape]


def shapes_in(root: Path | None, derivations: Iterable[Derivation]) -> Mapping[str, Shaped]:
    """Fixed outputs that lie in the store below `root`, and hold packages by their looks, by store path."""
    found = {}
    for derivation in derivations if root is not None else ():
        fixed = derivation.fixed
        if fixed is not None and is_nar(fixed.digest):
            shape = shape_of(_physical(root, fixed.path), derivation.name)
            if shape is not None:
                found[fixed.path] = derivation, shape
    return found


def read(root: Path | None, shaped: Mapping[str, Shaped], outputs: Iterable[str]) -> Parts:
    """What is within fixed outputs, and linked into outputs, all of them valid in the store below `root`."""
    if root is None:
        return Parts()
    vendored = {}
    for path, (derivation, shape) in shaped.items():
        from orchestrator.run.within import within

        vendored[path] = within(shape, _physical(root, path), derivation)
    linked: dict[str, Within] = {}
    for path in outputs:
        if files := list(elf_files(_physical(root, path))):
            from orchestrator.run.linked import linked as said

            linked[path] = said(_physical(root, path), files)
    return Parts(vendored, linked, frozenset(linked))


def parts_of_release(stores: Iterable[Store], facts: ReleaseFacts) -> Parts:
    """The parts of a release, as they lie in the first store of these whose files can be looked at."""
    store = next((each for each in stores if isinstance(each, ChrootStore)), None)
    if store is None:
        return Parts()
    derivations = facts.graph.below(facts.artifact_derivation).as_built().derivations.values()
    packed = [path for path in facts.products if path != facts.artifact_output.path]
    found = read(store.root, shapes_in(store.root, derivations), packed)
    return replace(
        found,
        # what is packed in the artifact is in it
        programs=found.programs | {facts.artifact_output.path} if found.programs else found.programs,
        unpacked=_unpacked(store.root, facts, packed),
    )


def _unpacked(root: Path, facts: ReleaseFacts, packed: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """What lies unpacked in what users get, though lock files have it for development.

    Of an artifact of one file that file is looked into, and not the package that it is from.
    """
    pinned = [each for own in facts.dependencies.values() for each in own if not each.shipped]
    if not pinned:
        return {}
    from orchestrator.run.installed import for_development

    artifact = facts.artifact_output.path
    is_file = facts.graph[facts.artifact_derivation].env.get("tallyFormat") == "file"
    return for_development(root, [artifact] if is_file else packed, pinned)


def told_of_unpacked(facts: ReleaseFacts, parts: Parts) -> str | None:
    """A sentence on what users get though lock files have it for development; None: there is nothing."""
    there = frozenset[str]().union(*parts.unpacked.values())
    found = {
        f"{each.name} {each.version}": each.ecosystem
        for own in facts.dependencies.values()
        for each in own
        if each.path in there
    }
    if not found:
        return None
    ways = {"npm": "`npm prune --omit=dev`", "python": "`pip install -r $dependencies/shipped.txt`"}
    way = " and ".join(ways[str(each)] for each in sorted(set(found.values())))
    return (
        f"{facts.package.name}: users get {some(sorted(found))}, which the lock has for development; its "
        f"SBOM says so, and {way} in the script leaves it out"
    )


def _physical(root: Path | None, path: str) -> Path:
    assert root is not None
    return root / path.lstrip("/")
