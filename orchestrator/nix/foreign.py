"""Somebody else's expressions, evaluated hermetically: what their attributes are."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import write_scratch
from orchestrator.nix import pinned
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.evaluation import LIBRARY

_SHOWN = 8
_TICK = 1.0  # seconds in which `builtins.currentTime` changes
_LINE = re.compile(r".+:\d+")
_STORED = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[^/]+/")


@dataclass(frozen=True, slots=True)
class Described:
    """A derivation, as its expression has it. What it does not tell is None or empty."""

    derivation: str
    """Its `.drv` path, valid in the store that evaluated it."""
    output: str | None
    """The default output."""
    pname: str | None
    version: str | None
    summary: str | None
    homepage: str | None
    licences: tuple[str, ...]
    """SPDX identifiers, or names that are none."""
    outputs_to_install: tuple[str, ...]
    cpes: tuple[str, ...] = ()
    """As `meta.identifiers` has them, whether they are CPE or not."""
    position: str | None = None
    """`FILE:LINE`, where no name of a folder of this machine is in it."""


@dataclass(frozen=True)
class FileRequest:
    """Attributes of one file, asked for together."""

    root: Path
    """A folder that holds the tree and those of `search`, on a disk where it can be linked."""
    tree: Path
    """The one folder, beside those of `search`, that evaluation may read."""
    file: str
    """Below the tree."""
    attributes: Sequence[str]
    """As Nix writes them: `a.b`, `"a.b"` for one name with a full stop; empty: the file's own value."""
    system: str
    strings: Mapping[str, str] = field(default_factory=dict)
    expressions: Mapping[str, str] = field(default_factory=dict)
    """Arguments as expressions in Nix's language, the user's own."""
    search: Mapping[str, Path] = field(default_factory=dict)
    """What `<NAME>` means."""


def evaluate_file(store: ChrootStore, asked: FileRequest) -> list[Described]:
    """What the attributes are, instantiated in `store`, together.

    Restricted to the tree, the folders of `search` and what a sha256 in the file pins; no variable, no other
    file and no other address is read. What depends on the folder it is evaluated in is seen by evaluating it
    in another one, at the same time. Raises TallyError that says where.
    """
    with TemporaryDirectory(prefix="tally-", dir=elsewhere(asked.root)) as other:
        moved = _moved(asked, Path(other))
        with ThreadPoolExecutor(1, thread_name_prefix="evaluation") as beside:
            again = beside.submit(lambda: _said(store, moved))
            said = _said(store, asked)
            for one, another, attribute in zip(said, again.result(), asked.attributes, strict=True):
                if one.get("drv") != another.get("drv"):
                    raise _another(store, replace(asked, attributes=[attribute]), one.get("drv"))
    places = _places(asked)
    return [
        described(value, attribute, asked.file, places)
        for value, attribute in zip(said, asked.attributes, strict=True)
    ]


def _another(store: ChrootStore, asked: FileRequest, before: str | None) -> TallyError:
    """The error for an attribute that is another derivation in another folder: or by now in the same one?"""
    what = f"{asked.file} {asked.attributes[0]}".strip()
    time.sleep(_TICK)
    if _said(store, asked)[0].get("drv") != before:
        return TallyError(
            f"{what} is another derivation each time it is evaluated, so nobody can make it again",
            hint="it has `builtins.currentTime`, `~/.` or, in --arg, `toString ./.`: give what it needs "
            "as a file of the tree",
        )
    return TallyError(
        f"{what} is another derivation in another folder, so nobody can make it again",
        hint="the file has `toString ./.` or the like: `${./.}` puts the folder into the store",
    )


def elsewhere(root: Path) -> Path:
    """A folder whose path has nothing in common with this one, not its first name, where there is one."""
    found = (Path(each) for each in ("/var/tmp", "/tmp", "/dev/shm"))
    usable = (each for each in found if each.parts[1] != root.parts[1] and os.access(each, os.W_OK))
    return next(usable, root.parent)


def _moved(asked: FileRequest, other: Path) -> FileRequest:
    """The same request, of the same files in another folder, whose name no file can know."""
    root = other / secrets.token_hex(4)
    if len(str(root)) == len(str(asked.root)):
        root = root.with_name(f"{root.name}-")
    shutil.copytree(asked.root, root, symlinks=True, copy_function=_linked)
    trees = {name: root / path.relative_to(asked.root) for name, path in asked.search.items()}
    return replace(asked, root=root, tree=root / asked.tree.relative_to(asked.root), search=trees)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # on another disk
        shutil.copy2(source, target, follow_symlinks=False)


def _places(asked: FileRequest) -> Mapping[Path, str]:
    """Folders of this machine, and what stands for them in what is told."""
    return {asked.tree: "", **{path: f"<{name}>" for name, path in asked.search.items()}}


def _said(store: ChrootStore, asked: FileRequest) -> list[dict[str, Any]]:
    """What evaluation tells of each attribute. Raises TallyError that says where.

    Whatever it can name of this machine lies in the request's own root.
    """
    place = asked.root / f"evaluation-{uuid.uuid4()}"
    library, request = place / "library", place / "request.json"
    library.mkdir(parents=True)
    for name in ("expression.nix", "describe.nix"):
        shutil.copyfile(LIBRARY / name, library / name)
    paths = [path_of(attribute) for attribute in asked.attributes]
    said = {"file": str(asked.tree / asked.file), "attributes": paths, "strings": asked.strings}
    write_scratch(request, json.dumps(said))
    allowed = {"tally": library, "tally-request": request, "tally-tree": asked.tree}
    words = [
        *("--option", "system", asked.system),
        *(word for name, path in {**asked.search, **allowed}.items() for word in ("-I", f"{name}={path}")),
        *(str(library / "expression.nix"), "--argstr", "tally-request", str(request)),
        *(word for name, text in asked.expressions.items() for word in ("--arg", name, text)),
    ]
    found: list[dict[str, Any]] = json.loads(pinned.evaluated(store, words, _places(asked), place))
    return found


def path_of(attribute: str) -> list[str]:
    """The names in an attribute path, as Nix takes it apart. Raises TallyError for an open quotation mark."""
    names: list[str] = []
    name, quoted, begun = "", False, False
    for character in attribute:
        if character == '"':
            quoted, begun = not quoted, True
        elif character == "." and not quoted:
            names.append(name)
            name, begun = "", True
        else:
            name, begun = name + character, True
    if quoted:
        raise TallyError(f"the attribute {attribute} has an open quotation mark", hint='as in a."b.c".d')
    if begun:
        names.append(name)
    if "" in names:
        raise TallyError(f"the attribute {attribute} has an empty name in it", hint='as in a."b.c".d')
    return names


def described(
    value: Mapping[str, Any],
    attribute: str,
    where: str,
    places: Mapping[Path, str] = MappingProxyType({}),
    joint: str = " ",
) -> Described:
    """What evaluation told of one attribute. `places` are folders, by what stands for them.

    `joint` stands between a place and an attribute.

    Raises TallyError for what is no derivation.
    """
    kind, names = value["kind"], list(dict.fromkeys(value.get("names", ())))
    if kind == "missing":
        nearest = get_close_matches(value["missing"], names, n=3)
        some = ", ".join(nearest or names[:_SHOWN]) + ("" if nearest or len(names) <= _SHOWN else ", …")
        inside = "" if value["inside"] == "set" else f", which is a {value['inside']} there"
        last = "" if value["missing"] == attribute else f": there is no {value['missing']}"
        raise TallyError(
            f"{where} has no attribute {attribute}{last}{inside}",
            hint=f"did you mean {some}?" if nearest else f"it has {some}" if some else None,
        )
    if kind != "derivation":
        what = f"{where}{joint}{attribute}".strip()
        some = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise TallyError(
            f"{what} is no derivation: its type is {kind}",
            hint=f"name an attribute of it: {some}" if some else "name an attribute that is a package",
        )
    return Described(
        derivation=value["drv"],
        output=value["output"],
        pname=value["pname"],
        version=value["version"],
        summary=value["summary"],
        homepage=value["homepage"],
        licences=tuple(value["licences"]),
        outputs_to_install=tuple(value["outputsToInstall"]),
        cpes=tuple(value["cpes"]),
        position=_position(value["position"], places),
    )


def _position(told: str | None, places: Mapping[Path, str]) -> str | None:
    """`meta.position` as it reads on every machine: below a folder of `places`, or from `/nix/store` on."""
    if told is None or not _LINE.fullmatch(told):
        return None
    for folder, shown in places.items():
        if told.startswith(f"{folder}/"):
            below = told.removeprefix(f"{folder}/")
            return f"{shown}/{below}" if shown else below
    stored = _STORED.search(told)
    return told[stored.start() :] if stored else None
