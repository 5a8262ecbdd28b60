"""From attributes of Nix files to derivations, evaluated hermetically, each file in one invocation of Nix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.builders import host
from orchestrator.evidence.definition import of_expression
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.foreign import Described, FileRequest, evaluate_file
from orchestrator.repositories.tree import Tree, tree_of
from orchestrator.run.asked import FileAttribute
from orchestrator.run.derivations import Wanted, licence_of
from orchestrator.run.order import How
from orchestrator.run.workshop import Workshop


def evaluated(workshop: Workshop, asked: Sequence[FileAttribute], given: How) -> list[Wanted]:
    """The derivations that attributes are. Raises TallyError for the first that is none."""
    root = workshop.store.nix.scratch / "evaluated"
    trees = _Trees(root / "trees", given.out)
    search = {name: trees.of(path) for name, path in given.search.items()}
    found = []
    for file in dict.fromkeys(each.file for each in asked):
        those = [each for each in asked if each.file == file]
        tree = trees.of(file)
        place = _file_in(tree, file)
        request = FileRequest(
            root=root,
            tree=tree.folder,
            file=place,
            attributes=[each.attribute for each in those],
            system=given.system or host.nix_system(),
            strings=given.strings,
            expressions=given.expressions,
            search={name: each.folder / each.place for name, each in search.items()},
        )
        for each, one in zip(those, evaluate_file(workshop.store, request), strict=True):
            found.append(_wanted(each, place, one, tree, given, search))
    return found


class _Trees:
    """Copies, each of which is made once."""

    def __init__(self, folder: Path, out: Path) -> None:
        self._folder, self._out, self._made = folder, out, dict[Path, Tree]()

    def of(self, path: Path) -> Tree:
        if path not in self._made:
            self._made[path] = tree_of(path, self._folder / str(len(self._made)), out=self._out)
        return self._made[path]


def _file_in(tree: Tree, file: Path) -> str:
    """The file that is evaluated: of a folder its default.nix. Raises TallyError when there is none."""
    place = Path(tree.place)
    if (tree.folder / place).is_dir():
        place /= "default.nix"
        if not (tree.folder / place).is_file():
            raise TallyError(f"{file} holds no default.nix", hint="name the file with -f")
    return str(place)


def _wanted(
    asked: FileAttribute,
    place: str,
    one: Described,
    tree: Tree,
    given: How,
    search: Mapping[str, Tree],
) -> Wanted:
    evaluation: dict[str, Any] = {
        "file": place,
        "attribute": asked.attribute,
        "system": given.system or host.nix_system(),
        "arguments": {
            **{name: {"string": text} for name, text in given.strings.items()},
            **{name: {"expression": text} for name, text in given.expressions.items()},
        },
        "tree": _described(tree),
        "search": {name: _described(each) | {"path": each.place} for name, each in search.items()},
    }
    word = asked.attribute
    if asked.output is not None:
        evaluation["output"] = asked.output
        word += f"^{asked.output}"
    revision = tree.revision
    outputs = one.outputs_to_install
    return Wanted(
        asked=f"{asked.file} {word}".strip(),
        recorded=f"{place} {word}".strip(),
        derivation=one.derivation,
        definition=of_expression(evaluation),
        output=asked.output or (outputs[0] if outputs else one.output),
        name=one.pname,
        version=one.version,
        summary=one.summary,
        homepage=one.homepage,
        license=licence_of(one.licences),
        cpes=one.cpes,
        position=one.position,
        revision=revision,
        unversioned=tree.unversioned,
        evaluation=evaluation,
        chosen=asked.output,
    )


def _described(tree: Tree) -> dict[str, Any]:
    """A tree as evidence names it: by its bytes, and by its commit where it has one."""
    found: dict[str, Any] = {"digest": {NAR_SHA256: tree.digest.hex}}
    if tree.revision is not None:
        found["digest"]["gitCommit"] = tree.revision.commit
        if tree.revision.uri is not None:
            found["uri"] = tree.revision.uri
        found["uncommitted"] = list(tree.revision.uncommitted)
    return found
