"""The bill of derivations and store paths, as stores tell of them: no build, no recipe, no key. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.evidence.purls import name_and_version
from orchestrator.evidence.sbom import depended, naming
from orchestrator.evidence.sbom.bill import Bill, Build, Closure, Kind, Relation
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.evidence.sbom.spdx2_packages import public_address, supplier_of
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import dataclass, field
from orchestrator.nix.derivation import Derivation, DerivationGraph, attributes, name_of
from orchestrator.nix.entry import Entry
from orchestrator.sources.origins import Origin

if TYPE_CHECKING:
    from orchestrator.pinning.depended import Depended, Within

_TOOLS = (
    "nativeBuildInputs",
    "propagatedNativeBuildInputs",
    "depsBuildBuild",
    "depsBuildTarget",
    "stdenv",
)
_FETCHING = (
    "The build-time closure ends at fixed outputs: their digest pins their bytes, whatever fetched them."
)


@dataclass(frozen=True, slots=True)
class Described:
    """What evaluation tells of a package: its `pname`, `version` and `meta`."""

    name: str | None = None
    version: str | None = None
    summary: str | None = None
    homepage: str | None = None
    license: str | None = None
    """An SPDX expression."""
    cpes: tuple[str, ...] = ()
    """Whether they are CPE or not."""
    position: str | None = None


@dataclass(frozen=True)
class Seen:
    """What was read of stores."""

    subjects: tuple[str, ...]
    """Store paths that were asked for, and outputs of derivations that were: `ref_of`."""
    graph: DerivationGraph | None
    """With the derivations that were asked for as roots. None: no derivation was read."""
    entries: Mapping[str, Entry]
    """Of the paths that are valid in the store that was asked."""
    closures: frozenset[Closure]
    """RUNTIME: `entries` holds the runtime closure of every subject."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Store path of a recipe's fixed output to where it is from."""
    licences: Mapping[str, str] = field(default_factory=dict)
    """sha256 (hexadecimal) of a fixed output's file to an SPDX expression."""
    own_licences: Mapping[str, str] = field(default_factory=dict)
    """Store path of a package that a lock file pins to what its own file says, an SPDX expression."""
    dependencies: Mapping[str, Sequence[Depended]] = field(default_factory=dict)
    """Recipe name to what its lock files pin."""
    within: Mapping[str, Sequence[Within]] = field(default_factory=dict)
    """Store path of what was fetched to what a lock file says is within it."""
    parts: Parts = field(default_factory=Parts)
    described: Mapping[str, Described] = field(default_factory=dict)
    """`.drv` path to what its evaluation told."""
    remarks: tuple[str, ...] = ()
    """What could not be seen, as sentences."""


def joined(some: Sequence[Seen]) -> Seen:
    """What was read of several places, as one: of the closures that all of them hold.

    Raises ValueError where there is none of that kind.
    """
    if len(some) == 1:
        return some[0]
    closures = frozenset[Closure].intersection(*(each.closures for each in some))
    if not closures:
        raise ValueError("no closure is known of all of them")
    graphs = [each.graph for each in some if each.graph is not None]
    return Seen(
        tuple(dict.fromkeys(subject for each in some for subject in each.subjects)),
        DerivationGraph(
            {path: derivation for graph in graphs for path, derivation in graph.derivations.items()},
            tuple(dict.fromkeys(root for graph in graphs for root in graph.roots)),
        )
        if graphs
        else None,
        {path: entry for each in some for path, entry in each.entries.items()},
        closures,
        origins={path: origin for each in some for path, origin in each.origins.items()},
        licences={sha256: licence for each in some for sha256, licence in each.licences.items()},
        own_licences={path: licence for each in some for path, licence in each.own_licences.items()},
        dependencies={name: some_ for each in some for name, some_ in each.dependencies.items()},
        within={path: some_ for each in some for path, some_ in each.within.items()},
        parts=Parts(
            vendored={path: within for each in some for path, within in each.parts.vendored.items()},
            linked={path: within for each in some for path, within in each.parts.linked.items()},
            programs=frozenset(path for each in some for path in each.parts.programs),
        ),
        described={path: told for each in some for path, told in each.described.items()},
        remarks=tuple(dict.fromkeys(remark for each in some for remark in each.remarks)),
    )


def ref_of(derivation: Derivation, output: str) -> str:
    """How a bill names an output: by its store path, which a content-addressed one only has once built."""
    return derivation.outputs[output] or f"{derivation.path}^{output}"


def bill_of(seen: Seen, name: str | None = None) -> Bill:
    """The bill of what was seen, called after its subjects if not by `name`."""
    found = _Found(seen)
    if Closure.BUILD in seen.closures and seen.graph is not None:
        found.build_time(seen.graph)
    for subject in seen.subjects:
        found.path(subject)
    depended.mark(seen.dependencies, found.components)
    for parts in (seen.parts, depended.inside(seen.within)):
        parts.add(found.components, found.relations)
    if Closure.RUNTIME in seen.closures:
        found.runtime()
    remarks = [*seen.remarks]
    if Closure.BUILD in seen.closures:
        remarks.append(_FETCHING)
    return Bill.of(
        name or _called(found.components, seen.subjects),
        seen.subjects,
        found.components.values(),
        found.relations,
        found.builds,
        epoch=_epoch(seen.graph),
        closures=seen.closures,
        comment=" ".join([_covered(seen.closures), *remarks]),
    )


class _Found:
    """Components, relations and builds, as they are found."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self.components: dict[str, Component] = {}
        self.relations: list[Relation] = []
        self.builds: list[Build] = []

    def build_time(self, graph: DerivationGraph) -> None:
        """The derivations that had to be built for the roots, and all that they were built from."""
        graph = graph.as_built()
        derivations = list(graph.derivations.values())
        wanted: dict[str, set[str]] = {}
        for derivation in derivations:
            for path, names in derivation.input_derivations.items():
                wanted.setdefault(path, set()).update(names)
        for root in graph.roots:
            asked = {each for each in graph[root].outputs if ref_of(graph[root], each) in self._seen.subjects}
            wanted.setdefault(root, set()).update(asked)
        for derivation in derivations:
            given = attributes(derivation)
            if derivation.fixed is not None:
                self._fetched(derivation)
                continue
            outputs = [self._output(derivation, given, each) for each in sorted(wanted[derivation.path])]
            self._inputs(graph, derivation, given, outputs)
        self.relations += depended.relations(self._seen.dependencies, graph, self._told)

    def _told(self, derivation: Derivation) -> Iterator[str]:
        """Its outputs that are components."""
        return filter(self.components.__contains__, (ref_of(derivation, each) for each in derivation.outputs))

    def path(self, path: str) -> None:
        """A store path that is in no derivation's outputs that were read."""
        if path in self.components:
            return
        name, version, output = naming.of_path(path)
        entry = self._seen.entries.get(path)
        self.components[path] = Component(
            ref=path,
            name=name,
            role=Role.PATH,
            version=version,
            path=path,
            digest=entry.nar_hash if entry else None,
            supplier=_signer(entry),
            output=output,
            derivation=entry.deriver if entry else None,
            purl=naming.nix_purl(name, version, output),
        )

    def runtime(self) -> None:
        """What the subjects refer to, and what that refers to."""
        entries = self._seen.entries
        queue = [path for path in self._seen.subjects if path in entries]
        seen = set(queue)
        while queue:
            new = set(entries[queue.pop()].references) - seen
            seen |= new
            queue.extend(new)
        for path in sorted(seen):
            self.path(path)
            self.relations += [Relation(path, Kind.REFERS_TO, each) for each in entries[path].references]

    def _output(self, derivation: Derivation, given: Mapping[str, object], output: str) -> str:
        ref = ref_of(derivation, output)
        told = self._seen.described.get(derivation.path, Described())
        name, version = naming.of_derivation(derivation, given)
        name, version = told.name or name, told.version or version
        which = None if output == "out" else output
        entry = self._seen.entries.get(ref)
        self.components[ref] = Component(
            ref=ref,
            name=name,
            role=Role.OUTPUT,
            version=version,
            path=derivation.outputs[output] or None,
            digest=entry.nar_hash if entry else None,
            supplier=_signer(entry),
            output=which,
            derivation=derivation.path,
            purl=naming.nix_purl(name, version, which),
            license=told.license or naming.text(given, "tallyLicense"),
            license_text=f"{name}'s source",
            summary=told.summary,
            homepage=told.homepage,
            cpes=naming.cpes(told.cpes),
            position=told.position,
        )
        return ref

    def _fetched(self, derivation: Derivation) -> str:
        fixed = derivation.fixed
        assert fixed is not None
        if fixed.path in self.components:
            return fixed.path
        given = attributes(derivation)
        origin = self._seen.origins.get(fixed.path)
        uris = origin.urls if origin else _addresses(given)
        file = origin.name if origin else _file_name(uris) or derivation.name
        name, version = naming.of_file(derivation.name if _means_nothing(file) else file)
        purl = origin.purl if origin else None
        told = name_and_version(purl)
        name, version = told[0] or name, told[1] or version or naming.text(given, "version")
        license_ = self._seen.own_licences.get(fixed.path)
        if license_ is None and isinstance(fixed.digest, Sha256):
            license_ = self._seen.licences.get(fixed.digest.hex)
        self.components[fixed.path] = Component(
            ref=fixed.path,
            name=name,
            role=_fetched_role(given),
            version=version,
            path=fixed.path,
            digest=fixed.digest,
            file_name=file,
            derivation=derivation.path,
            uris=uris,
            purl=purl or naming.fetched_purl(name, version, fixed.digest, public_address(uris)),
            license=license_,
            license_text=file,
            supplier=supplier_of(uris, purl),
        )
        return fixed.path

    def _file(self, path: str) -> str:
        if path not in self.components:
            entry = self._seen.entries.get(path)
            self.components[path] = Component(
                ref=path,
                name=name_of(path),
                role=Role.FILE,
                path=path,
                digest=entry.nar_hash if entry else None,
            )
        return path

    def _inputs(
        self,
        graph: DerivationGraph,
        derivation: Derivation,
        given: Mapping[str, object],
        outputs: Sequence[str],
    ) -> None:
        sources = naming.words(given, "src", "srcs")
        patches = naming.words(given, "patches")
        tools = naming.words(given, *_TOOLS)
        used: dict[str, Kind] = {}
        for path in derivation.input_sources:
            used[self._file(path)] = Kind.BUILT_WITH
        for path, names in derivation.input_derivations.items():
            needed = graph[path]
            if needed.fixed is not None:
                used[self._fetched(needed)] = Kind.BUILD_INPUT
                continue
            for name in names:
                ref = ref_of(needed, name)
                if (given.get("tallyKind"), needed.env.get("tallyKind")) == ("artifact", "package"):
                    used[ref] = depended.of_package(derivation)
                    continue
                is_tool = ref in tools or derivation.builder_executable.startswith(f"{ref}/")
                used[ref] = Kind.BUILT_WITH if is_tool else Kind.BUILD_INPUT
        for ref, kind in used.items():
            kind_here = Kind.PATCHED_BY if ref in patches else Kind.GENERATED_FROM if ref in sources else kind
            self.relations += [Relation(element, kind_here, ref) for element in outputs]
        self.builds.append(
            Build(derivation.path, derivation.system, None, tuple(sorted(used)), tuple(sorted(outputs)))
        )


def _addresses(given: Mapping[str, object]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for key in ("urls", "url"):
        value = given.get(key)
        texts = value if isinstance(value, list) else [value]
        for text in texts:
            if isinstance(text, str):
                found.update(dict.fromkeys(text.split()))
    return tuple(found)


def _file_name(uris: Sequence[str]) -> str | None:
    """The last part of the first address, where that is a name."""
    if not uris:
        return None
    last = uris[0].split("?", 1)[0].split("#", 1)[0].rstrip("/").rpartition("/")[2]
    return last or None


def _means_nothing(file: str) -> bool:
    """Whether an address ends in a commit, a tag or `download`: then the derivation's name says more."""
    name, version = naming.of_file(file)
    return version is None or name in ("v", "download", "source")


def _signer(entry: Entry | None) -> str | None:
    return entry.signers[0] if entry is not None and entry.signers else None


def _fetched_role(given: Mapping[str, object]) -> Role:
    return {"source": Role.SOURCE, "toolchain": Role.TOOLCHAIN}.get(str(given.get("tallyKind")), Role.FETCHED)


def _called(components: Mapping[str, Component], subjects: Sequence[str]) -> str:
    named = [components[subject] for subject in subjects]
    called = sorted({"-".join(part for part in (each.name, each.version) if part) for each in named})
    return called[0] if len(called) == 1 else f"{called[0]} and {len(called) - 1} more"


def _epoch(graph: DerivationGraph | None) -> str:
    epochs = {graph[root].env.get("SOURCE_DATE_EPOCH", "") for root in graph.roots} if graph else set()
    return epochs.pop() if len(epochs) == 1 else ""


def _covered(closures: frozenset[Closure]) -> str:
    return {
        frozenset({Closure.BUILD}): "It covers the build-time closure and no runtime closure.",
        frozenset({Closure.RUNTIME}): "It covers the runtime closure and no build-time closure.",
    }.get(closures, "It covers the build-time and the runtime closure.")
