"""Whether the SBOMs tell of what was built from what: the package, the artifact and every material. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.links import Link
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import CYCLONEDX, NAR_SHA256, SPDX, SPDX3
from orchestrator.policy.commands import Told
from orchestrator.policy.verdict import Code, Reason

_PREFIX, _ARTIFACT = "SPDXRef-", "Artifact"
_NOT_IN_IDS: Final = re.compile("[^A-Za-z0-9.-]")


class Listed:
    """What an SBOM says of one package. None: it does not say. `sha256` is of the file, or of the NAR."""

    __slots__ = ("licence", "name", "purl", "sha256", "version")

    def __init__(
        self, name: object, version: object, sha256: object, purl: object, licence: object = None
    ) -> None:
        self.name, self.version, self.sha256, self.purl, self.licence = name, version, sha256, purl, licence


def sboms(
    signed: Mapping[str, Statement], told: Told, provenance: Statement, link: Link, artifact: str
) -> Iterator[Reason]:
    """`signed` is predicate type to statement: each form that the release has."""
    definition = member(provenance.predicate, "buildDefinition", dict, "the provenance")
    internal = member(definition, "internalParameters", dict, "the provenance")
    package = member(internal, "package", dict, "the provenance")
    needed = list(_needed(told, link))
    (sha256,) = link.products[artifact].values()
    for kind, read in _READERS.items():
        if kind not in signed:
            continue
        what = f"the SBOM ({kind})"
        root, listed = read(signed[kind].predicate, what)
        if (root.name, root.version) != (package.get("name"), package.get("version")):
            yield _no(f"{what} is of another package than the provenance")
        if root.sha256 != sha256:
            yield _no(f"{what} is of another artifact than {artifact}")
        for path, digest, purl in needed:
            found = listed.get(_last(path) if kind == CYCLONEDX else _escaped(path))
            if found is None:
                yield _no(f"{what} leaves out {path}")
            elif found.sha256 != digest:
                yield _no(f"{what} has another digest of {path} than the builders' links")
            elif found.purl != purl:
                yield _no(f"{what} has another package URL of {path} than the provenance")
        if kind == SPDX:  # the form that a policy reads
            yield from _licences(root, listed, told, what)


def _licences(root: Listed, listed: Mapping[str, Listed], told: Told, what: str) -> Iterator[Reason]:
    """What recipes were built under is what the SBOM declares for what they made."""
    for command, _ in told.commands or ():
        licence = command.environment.get("tallyLicense")
        if not told.recipe or not licence:
            continue
        found = [
            each for path in command.outputs.values() if (each := listed.get(_escaped(path))) is not None
        ]
        if command.derivation == told.package:
            found.append(root)
        if any(each.licence != licence and each.licence != _in_spdx(licence) for each in found):
            yield _no(f"{what} declares another licence than the recipe of {command.name}")


def _in_spdx(licence: str) -> str:
    from orchestrator.recipe.licences import as_references

    return as_references(licence)


def _needed(told: Told, link: Link) -> Iterator[tuple[str, str, str | None]]:
    """Store path, digest and package URL of what an SBOM has to list: materials, and all that was made."""
    for each in told.materials:
        if each.path is not None:
            (digest,) = list(each.digests.values())[:1] or ("",)
            yield each.path, digest, each.purl
    made = set(told_artifact.outputs.values()) if (told_artifact := told.of(told.artifact)) else None
    for path, digests in link.products.items():
        if path.startswith("/nix/store/") and made is not None and path not in made:
            yield path, digests.get(NAR_SHA256, ""), None


def _spdx2(document: Mapping[str, Any], what: str) -> tuple[Listed, Mapping[str, Listed]]:
    found = {}
    for each in member(document, "packages", list, what):
        name = member(each, "SPDXID", str, what)
        references = [one for one in _list(each, "externalRefs", what) if one.get("referenceType") == "purl"]
        found[name.removeprefix(_PREFIX)] = Listed(
            each.get("name"),
            each.get("versionInfo"),
            _only(_list(each, "checksums", what), "checksumValue"),
            _only(references, "referenceLocator"),
            each.get("licenseDeclared"),
        )
    return found.get(_ARTIFACT, _NOTHING), found


def _spdx3(document: Mapping[str, Any], what: str) -> tuple[Listed, Mapping[str, Listed]]:
    found: dict[str, Listed] = {}
    for each in member(document, "@graph", list, what):
        if member(each, "type", str, what) == "software_Package":
            name = member(each, "spdxId", str, what).rpartition(_PREFIX)[2]
            found[name] = Listed(
                each.get("name"),
                each.get("software_packageVersion"),
                _only(_list(each, "verifiedUsing", what), "hashValue"),
                each.get("software_packageUrl"),
            )
    return found.get(_ARTIFACT, _NOTHING), found


def _cyclonedx(document: Mapping[str, Any], what: str) -> tuple[Listed, Mapping[str, Listed]]:
    root = member(member(document, "metadata", dict, what), "component", dict, what)
    listed = {
        _last(member(each, "bom-ref", str, what)): _component(each, what)
        for each in member(document, "components", list, what)
    }
    return _component(root, what), listed


def _component(of: Mapping[str, Any], what: str) -> Listed:
    return Listed(
        of.get("name"), of.get("version"), _only(_list(of, "hashes", what), "content"), of.get("purl")
    )


def _list(of: Mapping[str, Any], name: str, what: str) -> list[dict[str, Any]]:
    """A list of objects; empty where there is none. Raises MalformedError."""
    found = member(of, name, list, what) if name in of else []
    if not all(isinstance(each, dict) for each in found):
        raise MalformedError(f"{what} has something else than objects in {name}")
    return found


def _only(found: list[dict[str, Any]], name: str) -> object:
    """The one of a list; of several, none is what was meant."""
    return found[0].get(name) if len(found) == 1 else None


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _escaped(path: str) -> str:
    """A store path's last part as an SPDX id has it: `identifier` in evidence/sbom/spdx2_packages.py."""
    return _NOT_IN_IDS.sub("-", _last(path))


def _no(said: str) -> Reason:
    return Reason(Code.CONTRADICTION, said)


_READERS: Final = {SPDX: _spdx2, SPDX3: _spdx3, CYCLONEDX: _cyclonedx}
_NOTHING: Final = Listed(None, None, None, None)
