"""Packages within components, or linked into them: parts that have no store path of their own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING

from orchestrator.evidence.sbom.bill import Kind, Relation
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.ground.values import dataclass, field, replace

if TYPE_CHECKING:  # few have any
    from orchestrator.evidence.vendored.package import Within


@dataclass(frozen=True)
class Parts:
    """What was found in store paths."""

    vendored: Mapping[str, Within] = field(default_factory=dict)
    """Store path of a fixed output to the packages within it."""
    linked: Mapping[str, Within] = field(default_factory=dict)
    """Store path of an output to the packages that are linked into its programs."""
    programs: frozenset[str] = frozenset()
    """Store paths in which programs were seen."""
    unpacked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Store path of an output to those of fixed outputs that lie in it unpacked, which a lock file has for
    development."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be read, each sentence with its store path in front."""
        found = [*self.vendored.items(), *self.linked.items()]
        return tuple(sorted(f"{path}: {each}" for path, within in found for each in within.unread))

    def add(self, components: MutableMapping[str, Component], relations: list[Relation]) -> None:
        """Each part to the component that it is in; of other store paths nothing."""
        for path in sorted(self.programs & components.keys()):
            components[path] = replace(components[path], executable=True)
        for all_, role, kind in (
            (self.vendored, Role.VENDORED, Kind.CONTAINS),
            (self.linked, Role.LINKED, Kind.LINKS),
        ):
            for path, within in all_.items():
                if (whole := components.get(path)) is None:
                    continue
                components[path] = replace(whole, notes=(*whole.notes, *within.unread))
                for part in _components(path, within, role):
                    components[part.ref] = part
                    relations.append(Relation(path, kind, part.ref))
        for path, inside in self.unpacked.items():
            relations += (Relation(path, Kind.CONTAINS, each) for each in sorted(inside & components.keys()))


def _components(path: str, within: Within, role: Role) -> Iterator[Component]:
    for package in within.packages:
        yield Component(
            ref=f"{path}#{package.purl}",
            name=package.name,
            role=role,
            version=package.version,
            digest=package.digest,
            file_name=package.file_name if package.digest else None,
            uris=package.uris,
            purl=package.purl,
            license=package.license,
            license_text=package.name,
            notes=package.notes,
        )
