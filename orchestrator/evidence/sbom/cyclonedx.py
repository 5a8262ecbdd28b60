"""A bill as CycloneDX 1.6 JSON. Pure, and linear in its size.

Specification: ECMA-424; https://cyclonedx.org/docs/1.6/json/. Our choices: docs/predicates/cyclonedx.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from orchestrator import __version__
from orchestrator.evidence.sbom.bill import Bill, Build, Closure, Kind
from orchestrator.evidence.sbom.component import Component, Digest, Role, algorithm
from orchestrator.evidence.sbom.licences import declared
from orchestrator.evidence.sbom.nature import taxonomy
from orchestrator.evidence.sbom.spdx2_packages import public_address

_HASHES: Final = {
    "md5": "MD5",
    "sha1": "SHA-1",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}
_TYPES: Final = {
    Role.ARTIFACT: "file",
    Role.FILE: "file",
    Role.VENDORED: "library",
    Role.DEPENDENCY: "library",
    Role.LINKED: "library",
}
_RUN: Final = frozenset({Kind.REFERS_TO, Kind.CONTAINS, Kind.LINKS, Kind.DEPENDS_ON})
_PREFIX: Final = "tallystick"


def document(bill: Bill) -> dict[str, Any]:
    """The BOM. The same bill gives the same document. Raises TallyError as `declared` does."""
    run = _needed_to_run(bill)
    patches = _patches(bill)
    components = {
        each.ref: _component(each, each.ref in run, patches.get(each.ref, ())) for each in bill.components
    }
    subjects = [components[ref] for ref in bill.subjects]
    metadata: dict[str, Any] = {
        "timestamp": bill.created,
        "tools": {"components": [{"type": "application", "name": "tallystick", "version": __version__}]},
        "properties": [{"name": f"{_PREFIX}:closure", "value": each} for each in sorted(bill.closures)],
    }
    if bill.comment:
        metadata["properties"].append({"name": f"{_PREFIX}:covers", "value": bill.comment})
    if len(subjects) == 1:
        metadata["component"] = components.pop(bill.subjects[0])
    else:  # there is one place, and it is for what the document is about
        metadata["component"] = {"type": "application", "bom-ref": "subjects", "name": bill.name}
    found: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{bill.identity}",
        "version": 1,
        "metadata": metadata,
        "components": list(components.values()),
        "dependencies": _dependencies(bill),
    }
    if bill.builds:
        found["formulation"] = [{"bom-ref": "builds", "workflows": [_workflow(each) for each in bill.builds]}]
    return found


def _needed_to_run(bill: Bill) -> set[str]:
    """What the subjects are or hold, and what that refers to."""
    if Closure.BUILD not in bill.closures:
        return {component.ref for component in bill.components}
    after: dict[str, list[str]] = {}
    projects = {element for element, kind, _ in bill.relations if kind is Kind.DEPENDS_ON}
    for element, kind, related in bill.relations:
        # a file that is taken out of a package needs what the package needs
        taken = kind is Kind.GENERATED_FROM and element in bill.subjects
        if kind in _RUN or (taken and (bill.by_ref[related].role is Role.PRODUCT or related in projects)):
            after.setdefault(element, []).append(related)
    found, queue = set(bill.subjects), list(bill.subjects)
    while queue:
        new = set(after.get(queue.pop(), ())) - found
        found |= new
        queue.extend(new)
    return found


def _component(component: Component, runs: bool, patches: tuple[Component, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": _TYPES.get(component.role, "application"),
        "bom-ref": component.ref,
        "name": component.name,
    }
    if runs or component.role is not Role.VENDORED:  # whether such a one is linked in, nobody saw
        # "excluded": used, and not at run time (CycloneDX 1.6, `scope`)
        found["scope"] = "required" if runs else "excluded"
    optional = {
        "version": component.version,
        "description": component.summary,
        "supplier": {"name": component.supplier} if component.supplier else None,
        "purl": component.purl,
        "cpe": component.cpes[0] if component.cpes else None,
        "hashes": _hashes(component.told_digest),
        "externalReferences": list(_references(component)),
        "properties": list(_properties(component)),
    }
    found.update({name: value for name, value in optional.items() if value})
    if license_ := declared(component):
        found["licenses"] = [{"expression": license_, "acknowledgement": "declared"}]
    if patches:
        found["pedigree"] = {"patches": [_patch(each) for each in patches]}
    return found


def _hashes(digest: Digest | None) -> list[dict[str, str]]:
    if digest is None:
        return []
    return [{"alg": _HASHES[algorithm(digest)], "content": digest.hex}]


def _references(component: Component) -> Iterator[dict[str, Any]]:
    if component.homepage:
        yield {"type": "website", "url": component.homepage}
    address = public_address(component.uris)
    if address is not None:
        yield {"type": "distribution", "url": address}


def _properties(component: Component) -> Iterator[dict[str, str]]:
    """What CycloneDX has no field for, by name."""
    told = {
        "role": component.role.value,
        "storePath": component.path,
        "derivation": component.derivation,
        "output": component.output,
        "hashedFile": component.hashed_file,
        "position": component.position,
    }
    for name, value in told.items():
        if value:
            yield {"name": f"{_PREFIX}:{name}", "value": value}
    for name, value in taxonomy(component):
        yield {"name": name, "value": value}
    for address in component.uris:
        yield {"name": f"{_PREFIX}:address", "value": address}
    for cpe in component.cpes[1:]:
        yield {"name": f"{_PREFIX}:cpe", "value": cpe}
    for note in component.notes:
        yield {"name": f"{_PREFIX}:note", "value": note}


def _patches(bill: Bill) -> Mapping[str, tuple[Component, ...]]:
    found: dict[str, tuple[Component, ...]] = {}
    for element, kind, related in bill.relations:
        if kind is Kind.PATCHED_BY:
            found[element] = (*found.get(element, ()), bill.by_ref[related])
    return found


def _patch(component: Component) -> dict[str, Any]:
    return {"type": "unofficial", "diff": {"url": public_address(component.uris) or component.ref}}


def _dependencies(bill: Bill) -> list[dict[str, Any]]:
    """For each component what it was built from and what it refers to; `formulation` tells the two apart."""
    after = {
        element: sorted({each.related for each in relations})
        for element, relations in groupby(bill.relations, key=itemgetter(0))
    }
    if len(bill.subjects) > 1:
        after["subjects"] = list(bill.subjects)
    refs = sorted({*after, *(component.ref for component in bill.components)})
    return [{"ref": ref, "dependsOn": after[ref]} if ref in after else {"ref": ref} for ref in refs]


def _workflow(build: Build) -> dict[str, Any]:
    """One derivation, built by one builder."""
    whose = "" if build.builder is None else f" by {build.builder}"
    found: dict[str, Any] = {
        "bom-ref": f"build of {build.derivation}{whose}",
        "uid": f"{build.derivation}{whose}",
        "name": f"{build.derivation.rsplit('/', 1)[-1]}{whose}",
        "taskTypes": ["build"],
        "properties": [{"name": f"{_PREFIX}:system", "value": build.system}],
        "outputs": [{"type": "artifact", "resource": {"ref": ref}} for ref in build.outputs],
    }
    if build.inputs:
        found["inputs"] = [{"resource": {"ref": ref}} for ref in build.inputs]
    if build.builder is not None:
        found["properties"].append({"name": f"{_PREFIX}:builder", "value": build.builder})
    return found
