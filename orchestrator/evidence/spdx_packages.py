"""The SBOM's packages (SPDX 2.3, clause 7): the artifact, what was built, and every material. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

from orchestrator.builders.build import BuiltPath
from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.licences import checked
from orchestrator.evidence.materials import Material
from orchestrator.evidence.terms import Kind
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.nix.derivation import name_of
from orchestrator.recipe.licences import as_references
from orchestrator.recipe.purls import package_url

ARTIFACT: Final = "SPDXRef-Artifact"
_UNKNOWN: Final = "NOASSERTION"  # never NONE, which would claim that there is nothing to know (clause 7.7)
_HOST = r"[a-z0-9]+([-.][a-z0-9]+){0,50}\.[a-z]{2,}(:\d{1,5})?"  # spdx-tools takes no other
_DOWNLOAD = re.compile(
    rf"(https?|ftp|git\+https?|git\+ssh)://([^/@\s]*@)?{_HOST}/\S*",
    re.IGNORECASE,
)
_HOMEPAGE = re.compile(rf"https?://{_HOST}([/?#]\S*)?", re.IGNORECASE)
_WHAT = {
    Kind.SOURCE: "Fetched, and accepted by its digest alone",
    Kind.TOOLCHAIN: "Fetched, and accepted by its digest alone",
    Kind.FETCHED: "Fetched, and accepted by its digest alone",
    Kind.FILE: "Put into the store when the derivation was made",
    Kind.BUILT: "Built in this run by every builder",
}


def identifier(path: str) -> str:
    """The SPDX id of a store path. Its 32 digits keep it unique when other characters have to go."""
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", path.rsplit("/", 1)[-1])


def escaped(text: str) -> str:
    """Text for one component of a URI or of a package URL."""
    return quote(text, safe="")


def packages(facts: ReleaseFacts, materials: Sequence[Material]) -> list[dict[str, Any]]:
    """Every package, the artifact first, the others by store path."""
    artifact = facts.artifact_output.path
    built = [_output(facts, output) for path, output in facts.products.items() if path != artifact]
    return [_artifact(facts), *built, *(_material(material) for material in materials)]


def _artifact(facts: ReleaseFacts) -> dict[str, Any]:
    package, artifact = facts.package, facts.artifact
    found = _package(ARTIFACT, package.name, package.version, package.license)
    found["packageFileName"] = artifact.file_name
    found["checksums"] = [_checksum(artifact.sha256)]
    if package.summary:
        found["summary"] = package.summary
    if package.homepage and _HOMEPAGE.fullmatch(package.homepage):
        found["homepage"] = package.homepage
    elif package.homepage:
        found["comment"] = f"Its homepage: {package.homepage}"
    purl = package_url("generic", package.name, package.version, checksum=f"sha256:{artifact.sha256.hex}")
    found["externalRefs"] = [_purl(purl)]
    return found


def _output(facts: ReleaseFacts, output: BuiltPath) -> dict[str, Any]:
    env = facts.graph.by_output[output.path].env
    found = _package(
        identifier(output.path),
        env.get("tallyName") or name_of(output.path),
        env.get("tallyVersion") or env.get("version") or None,
        env.get("tallyLicense") or None,
    )
    return found | _nar(output.path, output.nar_hash) | {"sourceInfo": f"{_WHAT[Kind.BUILT]}: {output.path}"}


def _material(material: Material) -> dict[str, Any]:
    found = _package(identifier(material.path), _name(material), material.version, material.license)
    if isinstance(material.digest, NarHash):
        found |= _nar(material.path, material.digest)
    else:
        found["packageFileName"] = material.name
        found["checksums"] = [_checksum(material.digest)]
    found["downloadLocation"] = next(filter(_DOWNLOAD.fullmatch, material.uris), _UNKNOWN)
    found["sourceInfo"] = f"{_WHAT[material.kind]}: {' '.join(material.uris) or material.path}"
    if material.purl:
        found["externalRefs"] = [_purl(material.purl)]
    return found


def _package(spdx_id: str, name: str, version: str | None, license: str | None) -> dict[str, Any]:  # noqa: A002 SPDX's word
    found: dict[str, Any] = {
        "SPDXID": spdx_id,
        "name": name,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": as_references(checked(license, name)) if license else _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "supplier": _UNKNOWN,
    }
    if version:
        found["versionInfo"] = version
    return found


def _nar(path: str, digest: NarHash) -> dict[str, Any]:
    """A store path as the file that its NAR would be, so that the checksum is of what is named."""
    return {
        "packageFileName": f"{path.rsplit('/', 1)[-1]}.nar",
        "checksums": [_checksum(digest)],
        "comment": f"The checksum is of the path's NAR: `nix-store --dump {path} | sha256sum`.",
    }


def _checksum(digest: Sha256 | NarHash) -> dict[str, str]:
    return {"algorithm": "SHA256", "checksumValue": digest.hex}


def _purl(locator: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}


def _name(material: Material) -> str:
    """The name in the package URL, where there is one: `gcc-12` says more than its file's name."""
    if not material.purl:
        return material.name
    body = material.purl.split("?", 1)[0].split("#", 1)[0]
    head = body.rpartition("@")[0] if "@" in body.rsplit("/", 1)[-1] else body
    return unquote(head.rsplit("/", 1)[-1]) or material.name
