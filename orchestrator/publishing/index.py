"""`release.json`: what is in a release folder. Not signed; it says nothing that signed evidence does not.

Maker and verifier both compute it from the statements and the files, and so it can be compared byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member, only, read, render_document
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import RELEASE_INDEX
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass
from orchestrator.publishing import formats
from orchestrator.publishing.folder import UnsafeNameError, checked

INDEX: Final = RELEASE_INDEX
_VERSION: Final = 1
_MEMBERS = frozenset(
    {"releaseFormat", "name", "version", "system", "artifact", "derivations", "agreement", "files"}
)

_MARKS = 300_000  # of JSON's; an index of 20,000 files has 140,000
Measured = Mapping[str, tuple[Sha256, int]]
"""Path in the release folder to sha256 and size."""


@dataclass(frozen=True, slots=True)
class Index:
    """What a release.json says, before anything of it is believed."""

    artifact: str
    files: Measured
    document: Mapping[str, Any]
    data: bytes


def index_of(provenance: Statement, reproduction: Statement, files: Measured) -> bytes:
    """The index as a file's bytes. Raises MalformedError when the statements lack what it needs."""
    parameters = member(provenance.predicate, "buildDefinition", dict, "the provenance")
    internal = member(parameters, "internalParameters", dict, "the provenance")
    package = member(internal, "package", dict, "the provenance's package")
    artifact = member(internal, "artifact", dict, "the provenance's artifact")
    name = member(artifact, "fileName", str, "the provenance's artifact")
    if name not in files:
        raise MalformedError(f"the artifact {name!r} is not among the files")
    document = {
        "releaseFormat": _VERSION,
        "name": member(package, "name", str, "the provenance's package"),
        "system": member(internal, "system", str, "the provenance"),
        "artifact": {"path": name, "sha256": files[name][0].hex, "size": files[name][1]},
        "derivations": {
            "package": member(package, "derivation", str, "the provenance's package"),
            "artifact": member(artifact, "derivation", str, "the provenance's artifact"),
        },
        "agreement": _agreement(reproduction),
        "files": [
            {"path": path, "sha256": sha256.hex, "size": size}
            for path, (sha256, size) in sorted(files.items())
        ],
    }
    if "version" in package:
        document["version"] = member(package, "version", str, "the provenance's package")
    return render_document(document)


def parse(data: bytes) -> Index:
    """Read an index. Raises MalformedError, and TallyError for one by a newer Tallystick."""
    document = read(data, INDEX, _MARKS)
    formats.check(document, "releaseFormat", _VERSION, INDEX)
    only(document, _MEMBERS, INDEX)
    files: dict[str, tuple[Sha256, int]] = {}
    for entry in member(document, "files", list, INDEX):
        path = member(entry, "path", str, f"{INDEX}, files")
        if path in files or path == INDEX or path.startswith(f"{INDEX}/"):
            raise MalformedError(f"{INDEX} names {path!r} where it cannot")
        try:
            sha256 = Sha256(member(entry, "sha256", str, f"{INDEX}, {path}"))
        except ValueError as error:
            raise MalformedError(f"{INDEX}, {path}: {error}") from None
        files[path] = (sha256, member(entry, "size", int, f"{INDEX}, {path}"))
    artifact = member(member(document, "artifact", dict, INDEX), "path", str, f"{INDEX}, artifact")
    if artifact not in files:
        raise MalformedError(f"{INDEX} does not list its artifact {artifact!r}")
    return Index(artifact, files, document, data)


def name_of(index: Index, called: str | None = None) -> str:
    """The release's name, as a folder has it. `called` counts where it is one that this release could have.

    A release of another output than the default has that output in its name, before the system: as its
    artifact has it, whose name is signed. A wheel is called as wheels are; there any output could be meant.
    Raises MalformedError.
    """
    name = member(index.document, "name", str, INDEX)
    version = member(index.document, "version", str, INDEX) if "version" in index.document else ""
    system = member(index.document, "system", str, INDEX)
    beginning = "-".join(part for part in (name, version) if part)
    own = f"{beginning}-{system}"
    stem, says, rest = index.artifact.rpartition(f"-{system}")
    if says and rest[:1] in ("", ".") and f"{stem}-".startswith(f"{beginning}-"):
        own = called if called == stem + says else own
    elif called is not None and called.startswith(f"{beginning}-") and called.endswith(f"-{system}"):
        own = called
    try:
        if "/" in checked(own):
            raise MalformedError(f"{INDEX} names a release that no folder can be called after")
    except UnsafeNameError as error:
        raise MalformedError(f"{INDEX}: {error}") from None
    return own


def _agreement(reproduction: Statement) -> dict[str, Any]:
    """The agreement in the reproduction statement; each of its assertions must hold the same one."""
    attributes = member(reproduction.predicate, "attributes", list, "the reproduction statement")
    found = [
        member(
            member(each, "conditions", dict, "an attribute"), "agreement", dict, "an attribute's conditions"
        )
        for each in attributes
    ]
    if not found or any(each != found[0] for each in found):
        raise MalformedError("the reproduction statement does not hold one agreement")
    return found[0]
