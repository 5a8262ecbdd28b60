"""Whether what a release carries in `source/` is what it was made from. Pure.

Only recipes and the lock say something that signed evidence says too: docs/reference/release-folder.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import RECIPES, SOURCE, SOURCE_LOCK, Kind
from orchestrator.ground.digest import Sha256, hexadecimal
from orchestrator.ground.errors import TallyError
from orchestrator.nix.outputpath import Command
from orchestrator.policy.commands import Told
from orchestrator.policy.verdict import Code, Reason

_LARGEST = 4 << 20  # bytes; a lock of some thousand packages has 1 MB
_PACKAGE: Final = re.compile(rb'\npool = "([^"\\\n]*)"\nsha256 = "([0-9a-f]{64})"\n')
_DIGEST: Final = re.compile(rb'(?<=\n)(?:nar_)?sha256 = "([0-9a-f]{64})"(?=\n)')
_ODD: Final = (b"\\", b'"""', b"'''")
"""What can hide a key from who reads lines."""
_BUSYBOX: Final = re.compile(rb'\npackage = "([^"\\\n]*)"\nnar_sha256 = "([0-9a-f]{64})"(?=\n)')


def source(
    provenance: Statement,
    told: Told,
    documents: Mapping[str, bytes],
    names: Mapping[str, Any],
    *,
    recipes: bool,
) -> Iterator[Reason]:
    """`documents` has recipes and lock, `names` every file of the release; `recipes`: what recipes say, too,
    whose reading takes as long as half of a verification.

    Releases of earlier versions carry nothing.
    """
    if not told.recipe or not any(name.startswith(SOURCE) for name in names):
        return
    definition = member(provenance.predicate, "buildDefinition", dict, "the provenance")
    external = member(definition, "externalParameters", dict, "the provenance")
    for what in ("recipe", "lock"):
        if what not in external:
            yield _no(f"the provenance names no {what}, and the release carries what it was made from")
            return
    recipe = member(external, "recipe", dict, "the provenance")
    digest = member(member(recipe, "digest", dict, "the recipe"), "sha256", str, "the recipe's digest")
    package = told.of(told.package)
    for command, _ in told.commands or ():
        if command.environment.get("tallyKind") != "package":
            continue
        file = f"{RECIPES}{command.environment.get('tallyName')}.toml"
        if file not in documents:
            yield _no(f"the release does not carry the recipe {file}, which it was made from")
            continue
        if command is package and Sha256.of(documents[file]).hex != digest:
            yield _no(f"{file} is not the recipe that the provenance names")
        if recipes:
            yield from _recipe(file, documents[file], command)
    if SOURCE_LOCK not in documents:
        yield _no(f"the release does not carry the lock {SOURCE_LOCK}, which it was made from")
        return
    yield from _lock(documents, told)


def _recipe(file: str, data: bytes, command: Command) -> Iterator[Reason]:
    """The recipe is the one that the derivation was made of."""
    recipe, environment = _toml(data, file), command.environment
    build, check = recipe.get("build"), recipe.get("check")
    for what, ours, theirs in (
        ("name", recipe.get("name"), environment.get("tallyName")),
        ("version", recipe.get("version"), environment.get("tallyVersion")),
        ("script", _script(build), environment.get("tallyScript")),
        ("check", _script(check) or "", environment.get("tallyCheck")),
    ):
        if ours != theirs:
            yield _no(f"{file} has another {what} than the derivation that was built")


def _script(of: object) -> object:
    return of.get("script") if isinstance(of, dict) else None


def _lock(documents: Mapping[str, bytes], told: Told) -> Iterator[Reason]:
    """Every package of the toolchain is in the lock by its digest, and the lock pins no other.

    What is unpacked over packages is pinned by its recipe.
    """
    pinned, unpacked = _pins(documents[SOURCE_LOCK])
    used = {digest for each in told.materials for digest in each.digests.values()}
    unknown = [
        each
        for each in told.materials
        if each.kind == Kind.TOOLCHAIN and pinned.keys().isdisjoint(each.digests.values())
    ]
    files = _files(documents) if unknown else frozenset()
    for each in unknown:
        if files.isdisjoint(each.digests.values()):
            yield _no(f"{SOURCE_LOCK} does not pin {each.name}, which the builders used")
    for digest, file in pinned.items():
        if digest not in used and file not in unpacked:
            yield _no(f"{SOURCE_LOCK} pins another {file} than the builders used")


def _files(documents: Mapping[str, bytes]) -> frozenset[str]:
    """The digests of what recipes unpack over their toolchains' packages."""
    found = set()
    for name, data in documents.items():
        toolchain = _toml(data, name).get("toolchain") if name.startswith(RECIPES) else None
        files = toolchain.get("files", []) if isinstance(toolchain, dict) else []
        for each in files if isinstance(files, list) else []:
            if isinstance(each, dict) and isinstance(each.get("sha256"), str):
                with suppress(ValueError):
                    found.add(hexadecimal(each["sha256"]))
    return frozenset(found)


def _pins(data: bytes) -> tuple[Mapping[str, str], frozenset[str]]:
    """Digest to file name of each package; and the names of those that only a busybox is taken from.

    A lock as `tally lock` writes it is read line by line: TOML's reader takes ten times longer.
    """
    boxes = _BUSYBOX.findall(data)
    digests = _DIGEST.findall(data)
    if len(digests) == data.count(b"sha256") and not any(each in data for each in _ODD):
        found = {digest.decode(): f"file {digest.decode()}" for digest in digests}
        for pool, digest in _PACKAGE.findall(data):
            found[digest.decode()] = pool.rpartition(b"/")[2].decode(errors="replace")
        return found, frozenset(package.decode(errors="replace") for package, _ in boxes)
    lock = _toml(data, SOURCE_LOCK)
    packages, busyboxes = _tables(lock, "package"), _tables(lock, "busybox")
    sources = lock.get("source", {})
    pins = [pin for of in _objects(sources) for pin in _objects(of) if isinstance(pin, dict)]
    found = {str(pin.get("sha256", pin.get("nar_sha256"))): "source" for pin in pins}
    found |= {str(each.get("sha256")): str(each.get("pool")).rpartition("/")[2] for each in packages}
    found |= {str(each.get("nar_sha256")): "busybox" for each in busyboxes}
    containers = _tables(lock, "container")
    found |= {str(each.get("sha256")): "layer" for of in containers for each in _tables(of, "layer")}
    return found, frozenset(str(each.get("package")) for each in busyboxes)


def _objects(of: object) -> list[object]:
    return list(of.values()) if isinstance(of, dict) else []


def _tables(lock: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = lock.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise MalformedError(f"{SOURCE_LOCK} has no list of tables {name}")
    return found


def _toml(data: bytes, name: str) -> dict[str, Any]:
    from orchestrator.recipe.toml import parse_toml

    if len(data) > _LARGEST:
        raise MalformedError(f"{name} has more than {_LARGEST} bytes")
    try:
        return parse_toml(data.decode("utf-8-sig"), name)
    except UnicodeDecodeError:
        raise MalformedError(f"{name} is not UTF-8") from None
    except TallyError as error:
        raise MalformedError(error.message) from None


def _no(said: str) -> Reason:
    return Reason(Code.CONTRADICTION, said)
