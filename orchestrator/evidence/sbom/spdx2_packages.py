"""Components as packages of SPDX 2.3 (clause 7). Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from orchestrator.evidence.sbom.component import Component, Digest, Role, algorithm, is_nar
from orchestrator.evidence.sbom.licences import declared

ARTIFACT: Final = "SPDXRef-Artifact"
_UNKNOWN: Final = "NOASSERTION"  # never NONE, which would claim that there is nothing to know (clause 7.7)
_HOST = r"[a-z0-9]+([-.][a-z0-9]+){0,50}\.[a-z]{2,}(:\d{1,5})?"  # spdx-tools takes no other
_DOWNLOAD = re.compile(
    rf"(https?|ftp|git\+https?|git\+ssh)://([^/@\s]*@)?{_HOST}/\S*",
    re.IGNORECASE,
)
_HOMEPAGE = re.compile(rf"https?://{_HOST}([/?#]\S*)?", re.IGNORECASE)
_FETCHED = "Fetched, and accepted by its digest alone"
_WHAT: Final[Mapping[Role, str]] = {
    Role.SOURCE: _FETCHED,
    Role.DEPENDENCY: _FETCHED,
    Role.TOOLCHAIN: _FETCHED,
    Role.FETCHED: _FETCHED,
    Role.FILE: "Put into the store when the derivation was made",
    Role.PRODUCT: "Built in this run by every builder",
    Role.BUILT: "Built in this run by every builder",
    Role.BELIEVED: "Taken from a binary cache by a signature that is believed; no builder built it",
    Role.OUTPUT: "An output of its derivation; nobody says here who built it",
    Role.PATH: "A store path that others refer to; no derivation was read that makes it",
    Role.VENDORED: "A package within another component",
    Role.LINKED: "Linked into another component, as that says itself",
}

_WITHIN: Final = frozenset({Role.VENDORED, Role.LINKED})
PARTS: Final = tuple(f"{_WHAT[role]}: " for role in (Role.VENDORED, Role.LINKED))
"""How `sourceInfo` of a part of another package begins."""


def identifier(path: str) -> str:
    """The SPDX id of a store path. Its 32 digits keep it unique when other characters have to go."""
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", path.rsplit("/", 1)[-1])


def identifier_of(component: Component) -> str:
    """The SPDX id of a component."""
    if component.role is Role.ARTIFACT:
        return ARTIFACT
    if component.role in _WITHIN:  # two of them may differ in characters that an id cannot have
        path, _, within = component.ref.partition("#")
        return f"{identifier(path)[:41]}-{hashlib.sha256(within.encode()).hexdigest()[:32]}"
    return identifier(component.ref)


def escaped(text: str) -> str:
    """Text for one component of a URI or of a package URL."""
    return quote(text, safe="")


def public_address(uris: Iterable[str]) -> str | None:
    """The first address that anybody can use: not `mirror://…`, and no host that spdx-tools refuses."""
    return next(filter(_DOWNLOAD.fullmatch, uris), None)


def supplier_of(uris: Iterable[str], purl: str | None) -> str | None:
    """Who fetched bytes come from: the distribution that packaged them, else the host of their address."""
    if purl is not None and purl.startswith("pkg:deb/debian/"):
        return "Debian"
    address = public_address(uris)
    return None if address is None else urlsplit(address).hostname


def package(component: Component, spdx_id: str) -> dict[str, Any]:
    """One package. What is not known is left out, or is NOASSERTION where the clause wants a value."""
    found: dict[str, Any] = {
        "SPDXID": spdx_id,
        "name": component.name,
        "downloadLocation": public_address(component.uris) or _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": declared(component) or _UNKNOWN,
        "copyrightText": _UNKNOWN,
        "supplier": f"Organization: {component.supplier}" if component.supplier else _UNKNOWN,
    }
    comments = _comments(component)
    optional = {
        "versionInfo": component.version,
        "packageFileName": component.hashed_file,
        "summary": component.summary,
        "comment": "\n".join(comments),
        "sourceInfo": source_info(component),
    }
    found.update({name: value for name, value in optional.items() if value})
    if component.homepage and _HOMEPAGE.fullmatch(component.homepage):
        found["homepage"] = component.homepage
    if (digest := component.told_digest) is not None:
        found["checksums"] = [_checksum(digest)]
    if references := list(_references(component)):
        found["externalRefs"] = references
    return found


def _comments(component: Component) -> list[str]:
    found = []
    if component.homepage and not _HOMEPAGE.fullmatch(component.homepage):
        found.append(f"Its homepage: {component.homepage}")
    if component.digest is not None and is_nar(component.digest):
        how = f"nix-store --dump {component.path} | {algorithm(component.digest)}sum"
        found.append(f"The checksum is of the path's NAR: `{how}`.")
    if component.position:
        found.append(f"Its expression: {component.position}")
    return [*found, *component.notes]


def source_info(component: Component) -> str | None:
    """How it came to be where it is, in a line; of the artifact, which says so itself, nothing."""
    if component.role is Role.ARTIFACT:
        return None
    where = " ".join(component.uris) or component.path or component.ref
    if component.role is Role.OUTPUT and component.derivation:
        where = f"{component.derivation}^{component.output or 'out'}"
    if component.role in _WITHIN:
        where = component.ref.partition("#")[0]
    what = component.role
    if what is Role.SOURCE and not component.uris:  # a file or folder beside what was evaluated
        what = Role.FILE
    return f"{_WHAT[what]}: {where}"


def _checksum(digest: Digest) -> dict[str, str]:
    return {"algorithm": algorithm(digest).upper(), "checksumValue": digest.hex}


def _references(component: Component) -> list[dict[str, str]]:
    found = []
    if component.purl:
        found.append(
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": component.purl,
            }
        )
    found += [
        {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": cpe}
        for cpe in component.cpes
    ]
    return found
