"""Finds the parts of store paths: what is vendored within fixed outputs, and linked into programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.evidence.sbom.component import is_nar
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.ground.wording import some
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation, DerivationGraph
from orchestrator.pinning.depended import Depended
from orchestrator.run.shapes import Shape, elf_files, shape_of

if TYPE_CHECKING:  # its readers cost 15 ms to import, and most closures have nothing for them
    from orchestrator.agreement.agreement import Agreed
    from orchestrator.evidence.facts import ReleaseFacts
    from orchestrator.evidence.vendored.package import Within
    from orchestrator.nix.store import Store

Shaped = tuple[Derivation, Shape]
_WAYS: Final = {
    "npm": "`npm prune --omit=dev`, or what your manager has for it,",
    "python": "`pip install -r $dependencies/shipped.txt`",
}
"""By ecosystem, what leaves out what is for development."""


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


def parts_of_release(
    stores: Iterable[Store], facts: ReleaseFacts, inside: Mapping[str, frozenset[str]]
) -> Parts:
    """The parts of a release, as they lie in the first store of these whose files can be looked at.

    `inside` is what was found to be `unpacked` in it.
    """
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
        unpacked=inside,
    )


def unpacked(
    stores: Iterable[Store],
    graph: DerivationGraph,
    artifact: str,
    agreed: Agreed,
    dependencies: Mapping[str, Sequence[Depended]],
) -> Mapping[str, frozenset[str]]:
    """`Parts.unpacked` of a release whose artifact the derivation `artifact` makes.

    Of an artifact of one file that file is looked into, and not the package that it is from.
    """
    pinned = [each for own in dependencies.values() for each in own if not each.shipped]
    store = next((each for each in stores if isinstance(each, ChrootStore)), None)
    if not pinned or store is None:
        return {}
    from orchestrator.run.installed import for_development

    files = {built.path for built in agreed.outputs[artifact].values()}
    every = {built.path for made in agreed.outputs.values() for built in made.values()}
    is_file = graph[artifact].env.get("tallyFormat") == "file"
    return for_development(store.root, sorted(files if is_file else every - files), pinned)


def told_of(
    name: str, inside: Mapping[str, frozenset[str]], dependencies: Mapping[str, Sequence[Depended]]
) -> str | None:
    """A sentence on what is `unpacked` in the release `name`; None: nothing is."""
    there = frozenset[str]().union(*inside.values())
    every = (each for own in dependencies.values() for each in own)
    found = {f"{each.name} {each.version}": str(each.ecosystem) for each in every if each.path in there}
    if not found:
        return None
    way = " and ".join(_WAYS[each] for each in sorted(set(found.values())))
    return (
        f"{name}: users get {some(sorted(found))}, which the lock has for development; {way} in the script "
        "leaves it out"
    )


def _physical(root: Path | None, path: str) -> Path:
    assert root is not None
    return root / path.lstrip("/")
