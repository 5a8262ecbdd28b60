"""A bill of materials: components, and how they hang together. All renderings are made from it. Pure."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from orchestrator.evidence.canonical import seconds
from orchestrator.evidence.sbom.component import Component, Role

_NAMESPACE = uuid.UUID("5a4b0b5e-6c0e-5d0c-9a34-6f3d7f1c2b10")
"""Of our name-based UUIDs (RFC 9562, section 5.5); its value has no meaning."""
_LATEST = 253402300799  # 9999-12-31T23:59:59Z: what four digits of a year can hold


class Kind(StrEnum):
    """What a component has to do with another. Those up to CONTAINS are of the build-time closure."""

    GENERATED_FROM = "generated-from"
    """Its derivation has the other as a source."""
    PATCHED_BY = "patched-by"
    """Its derivation has the other among its patches."""
    BUILT_WITH = "built-with"
    """Its derivation ran the other, or had it to run."""
    BUILD_INPUT = "build-input"
    """Its derivation had the other as an input: a library, headers, data."""
    CONTAINS = "contains"
    """The other is packed or unpacked in it."""
    LINKS = "links"
    """The other's code is in it, as it says itself; that leaves no reference."""
    DEPENDS_ON = "depends-on"
    """It needs the other, which users get too, as the project's lock file says."""
    DEVELOPED_WITH = "developed-with"
    """It needs the other for building or testing alone, as the project's lock file says."""
    REFERS_TO = "refers-to"
    """The other's store path is in its bytes: the runtime closure, as Nix sees it."""


class Relation(NamedTuple):
    """`element` stands in this relation to `related`; both are `Component.ref`."""

    element: str
    kind: Kind
    related: str


class Closure(StrEnum):
    """Which closure a bill covers."""

    BUILD = "build"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True)
class Build:
    """One derivation, built by one builder; by nobody who is known where `builder` is None."""

    derivation: str
    """The `.drv` path."""
    system: str
    builder: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """Both are `Component.ref`, sorted."""


@dataclass(frozen=True)
class Bill:
    """A bill of materials. Make one with `of`, which brings all into the one order."""

    name: str
    subjects: tuple[str, ...]
    """What it is about: `Component.ref`, sorted."""
    components: tuple[Component, ...]
    """The subjects first, then what is packed in an artifact, then all others, each by `ref`."""
    relations: tuple[Relation, ...]
    """Sorted, each once. A relation only names components that are there."""
    builds: tuple[Build, ...]
    created: str
    """RFC 3339: the build's SOURCE_DATE_EPOCH, so that the same inputs give the same document."""
    closures: frozenset[Closure]
    comment: str | None
    """What it does not cover, as sentences; None: it covers what it says."""

    @classmethod
    def of(
        cls,
        name: str,
        subjects: Iterable[str],
        components: Iterable[Component],
        relations: Iterable[Relation],
        builds: Iterable[Build] = (),
        *,
        epoch: str = "",
        closures: Iterable[Closure] = Closure,
        comment: str | None = None,
    ) -> Bill:
        """A bill in its one order, whatever the order of what it is made from."""
        about = frozenset(subjects)
        return cls(
            name,
            tuple(sorted(about)),
            tuple(sorted(components, key=lambda each: _place(each, about))),
            # sorted first: most come in order, and then nothing jumps about in memory, as a set would
            tuple(each for each, _ in groupby(sorted(relations))),
            tuple(sorted(builds, key=lambda each: (each.derivation, each.builder or ""))),
            _created(epoch),
            frozenset(closures),
            comment,
        )

    @cached_property
    def identity(self) -> uuid.UUID:
        """A UUID (version 5) that follows from all that the bill says."""
        digest = hashlib.sha256()
        about = [self.name, self.created, *sorted(self.closures), self.comment, self.subjects]
        digest.update(json.dumps(about).encode())
        for component in self.components:
            digest.update(repr(component).encode(errors="backslashreplace"))
        for relation in self.relations:
            digest.update("\0".join(relation).encode(errors="backslashreplace"))
        digest.update(repr(self.builds).encode(errors="backslashreplace"))
        return uuid.uuid5(_NAMESPACE, digest.hexdigest())

    @cached_property
    def by_ref(self) -> dict[str, Component]:
        return {component.ref: component for component in self.components}


def identity_of(rendered: bytes) -> uuid.UUID:
    """A UUID (version 5) that follows from a document."""
    return uuid.uuid5(_NAMESPACE, rendered.decode())


def _place(component: Component, subjects: frozenset[str]) -> tuple[int, str]:
    rank = 0 if component.ref in subjects else 1 if component.role is Role.PRODUCT else 2
    return rank, component.ref


def _created(epoch: str) -> str:
    """SOURCE_DATE_EPOCH as a time; 1, as in the store's file times, where it is none."""
    value = int(epoch) if epoch.isascii() and epoch.isdecimal() and len(epoch) <= 12 else 1
    return seconds(datetime.fromtimestamp(min(value, _LATEST), tz=UTC))
