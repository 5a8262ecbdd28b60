"""A bill as SPDX 3.0.1 JSON-LD, with the Software, SimpleLicensing and Build profiles. Pure, and linear.

Specification: https://spdx.github.io/spdx-spec/v3.0.1/. Our choices: docs/predicates/spdx3.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from orchestrator import __version__
from orchestrator.evidence.sbom.bill import Bill, Build, Closure, Kind
from orchestrator.evidence.sbom.component import Component, Role, algorithm, is_nar
from orchestrator.evidence.sbom.licences import declared, references
from orchestrator.evidence.sbom.nature import purposes
from orchestrator.evidence.sbom.spdx2_packages import escaped, identifier_of, public_address, source_info
from orchestrator.evidence.terms import BUILD_TYPE, DERIVATION_BUILD, SBOM_NAMESPACE

CONTEXT: Final = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
_INFO: Final = "_:creationinfo"
_KINDS: Final[dict[Kind, tuple[str, str | None]]] = {
    Kind.PATCHED_BY: ("patchedBy", None),
    Kind.BUILT_WITH: ("usesTool", "build"),
    Kind.BUILD_INPUT: ("dependsOn", "build"),
    Kind.CONTAINS: ("contains", None),
    Kind.LINKS: ("hasStaticLink", None),
    Kind.DEPENDS_ON: ("dependsOn", "runtime"),
    Kind.DEVELOPED_WITH: ("dependsOn", "development"),
    Kind.REFERS_TO: ("dependsOn", "runtime"),
}
"""Each relation's RelationshipType and LifecycleScopeType; `generates`, of the source, goes the other way."""
_PURPOSES: Final = {
    Role.ARTIFACT: "archive",
    Role.SOURCE: "source",
    Role.FILE: "file",
    Role.DEPENDENCY: "library",
    Role.VENDORED: "library",
    Role.LINKED: "library",
}


def document(bill: Bill) -> dict[str, Any]:
    """The document. The same bill gives the same one. Raises TallyError as `declared` does."""
    return {"@context": CONTEXT, "@graph": list(_Graph(bill).elements())}


class _Graph:
    """The elements of one document, whose ids begin alike."""

    def __init__(self, bill: Bill) -> None:
        self._bill = bill
        self._base = f"{SBOM_NAMESPACE}/{escaped(bill.name)}-{bill.identity}#"
        self._ids = {each.ref: self._base + identifier_of(each) for each in bill.components}
        self._relationships = 0
        suppliers = sorted({each.supplier for each in bill.components if each.supplier})
        self._suppliers = {name: f"Supplier-{number}" for number, name in enumerate(suppliers, 1)}

    def elements(self) -> Iterator[dict[str, Any]]:
        bill = self._bill
        yield {
            "type": "CreationInfo",
            "@id": _INFO,
            "specVersion": "3.0.1",
            "created": bill.created,
            "createdBy": [f"{self._base}Agent"],
            "createdUsing": [f"{self._base}Tool"],
        }
        yield self._element("SoftwareAgent", "Agent", name="tallystick")
        yield self._element("Tool", "Tool", name=f"tallystick-{__version__}")
        yield self._element(
            "SpdxDocument",
            "Document",
            name=bill.name,
            rootElement=[f"{self._base}Sbom"],
            profileConformance=["build", "core", "simpleLicensing", "software"],
            comment=bill.comment,
        )
        yield self._element(
            "software_Sbom",
            "Sbom",
            name=bill.name,
            software_sbomType=["build"] if Closure.BUILD in bill.closures else ["analyzed"],
            rootElement=[self._ids[ref] for ref in bill.subjects],
            element=sorted(self._ids.values()),
        )
        for component in bill.components:
            yield self._package(component)
        yield from self._relations()
        yield from self._organizations()
        yield from self._licences()
        yield from self._builds()

    def _element(self, kind: str, suffix: str, /, **properties: Any) -> dict[str, Any]:
        """An element; properties that are None, or empty, are not known and left out."""
        found = {"type": kind, "spdxId": self._base + suffix, "creationInfo": _INFO}
        found.update({key: value for key, value in properties.items() if value})
        return found

    def _organizations(self) -> Iterator[dict[str, Any]]:
        for name, suffix in self._suppliers.items():
            yield self._element("Organization", suffix, name=name)

    def _relationship(
        self, kind: str, start: str, ends: Iterable[str], scope: str | None = None
    ) -> dict[str, Any]:
        self._relationships += 1
        found = self._element(
            "Relationship" if scope is None else "LifecycleScopedRelationship",
            f"Relationship-{self._relationships}",
            relationshipType=kind,
            to=list(ends),
            scope=scope,
        )
        found["from"] = start
        return found

    def _package(self, component: Component) -> dict[str, Any]:
        found = self._element(
            "software_Package",
            "",
            name=component.name,
            summary=component.summary,
            comment="\n".join(_comments(component)),
            software_packageVersion=component.version,
            software_packageUrl=component.purl,
            software_homePage=component.homepage,
            software_downloadLocation=public_address(component.uris),
            software_sourceInfo=source_info(component),
            software_primaryPurpose=_PURPOSES.get(component.role),
            software_additionalPurpose=purposes(component) or None,
            suppliedBy=self._base + self._suppliers[component.supplier] if component.supplier else None,
        )
        found["spdxId"] = self._ids[component.ref]
        if (digest := component.told_digest) is not None:
            found["verifiedUsing"] = [
                {"type": "Hash", "algorithm": algorithm(digest), "hashValue": digest.hex}
            ]
        if component.cpes:
            found["externalIdentifier"] = [
                {"type": "ExternalIdentifier", "externalIdentifierType": "cpe23", "identifier": cpe}
                for cpe in component.cpes
            ]
        return found

    def _relations(self) -> Iterator[dict[str, Any]]:
        """One relationship for all that a component has to do with others in one way."""
        generating: dict[str, list[str]] = {}
        for (element, kind), relations in groupby(self._bill.relations, key=itemgetter(0, 1)):
            ends = [self._ids[each.related] for each in relations]
            if kind is Kind.GENERATED_FROM:
                for end in ends:
                    generating.setdefault(end, []).append(self._ids[element])
                continue
            name, scope = _KINDS[kind]
            yield self._relationship(name, self._ids[element], ends, scope)
        for start, ends in sorted(generating.items()):
            yield self._relationship("generates", start, ends)

    def _licences(self) -> Iterator[dict[str, Any]]:
        owners: dict[str, list[str]] = {}
        for component in self._bill.components:
            if expression := declared(component):
                owners.setdefault(expression, []).append(self._ids[component.ref])
        texts = references(self._bill.components)
        for name, text in texts.items():
            yield self._element(
                "simplelicensing_SimpleLicensingText",
                name,
                name=name.removeprefix("LicenseRef-"),
                simplelicensing_licenseText=text,
            )
        for number, (expression, ids) in enumerate(sorted(owners.items()), 1):
            used = [name for name in texts if name in expression.replace("(", " ").replace(")", " ").split()]
            yield self._element(
                "simplelicensing_LicenseExpression",
                f"Licence-{number}",
                simplelicensing_licenseExpression=expression,
                simplelicensing_customIdToUri=[
                    {"type": "DictionaryEntry", "key": name, "value": self._base + name} for name in used
                ],
            )
            for each in ids:
                yield self._relationship("hasDeclaredLicense", each, [f"{self._base}Licence-{number}"])

    def _builds(self) -> Iterator[dict[str, Any]]:
        """The Build profile: each builder's build of each derivation, its inputs and outputs."""
        builders = sorted({each.builder for each in self._bill.builds if each.builder is not None})
        for number, name in enumerate(builders, 1):
            yield self._element("SoftwareAgent", f"Builder-{number}", name=name)
        for number, build in enumerate(self._bill.builds, 1):
            yield self._build(number, build)
            start = f"{self._base}Build-{number}"
            if build.inputs:
                inputs = [self._ids[ref] for ref in build.inputs]
                yield self._relationship("hasInput", start, inputs, "build")
            yield self._relationship("hasOutput", start, [self._ids[ref] for ref in build.outputs], "build")
            if build.builder is not None:
                builder = f"{self._base}Builder-{builders.index(build.builder) + 1}"
                yield self._relationship("invokedBy", start, [builder], "build")

    def _build(self, number: int, build: Build) -> dict[str, Any]:
        return self._element(
            "build_Build",
            f"Build-{number}",
            name=build.derivation.rsplit("/", 1)[-1],
            build_buildType=DERIVATION_BUILD if build.builder is None else BUILD_TYPE,
            build_buildId=build.derivation,
            build_parameter=[{"type": "DictionaryEntry", "key": "system", "value": build.system}],
        )


def _comments(component: Component) -> Iterator[str]:
    if component.digest is not None:
        if is_nar(component.digest):
            how = f"nix-store --dump {component.path} | {algorithm(component.digest)}sum"
            yield f"The hash is of the path's NAR: `{how}`."
        else:
            yield f"The hash is of the file {component.hashed_file}."
    if component.position:
        yield f"Its expression: {component.position}"
    yield from component.notes
