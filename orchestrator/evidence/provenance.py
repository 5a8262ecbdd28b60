"""SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance): from what, by whom, when. Pure.

Our build type, field by field: docs/predicates/build.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator import __version__
from orchestrator.caches.believed import Believed
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import seconds
from orchestrator.evidence.commands import commands_of
from orchestrator.evidence.definition import dependencies_of
from orchestrator.evidence.facts import InputFile, ReleaseFacts, ReleaseFile
from orchestrator.evidence.materials import Material
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BUILD_TYPE, ORCHESTRATOR, PROVENANCE, REPOSITORY
from orchestrator.recipe.purls import package_url
from orchestrator.repositories.revision import Revision

_MEDIA_TYPES = {
    ".toml": "application/toml",
    ".lock": "application/toml",
    ".json": "application/json",
    ".zst": "application/zstd",
    ".link": "application/vnd.in-toto+json",
}


def provenance(
    facts: ReleaseFacts, materials: Sequence[Material], byproducts: Sequence[ReleaseFile]
) -> Statement:
    """The provenance statement. `byproducts` are the folder's files that no other bundle speaks for."""
    files = [_file(file) for file in (facts.recipe, facts.lock) if file is not None]
    if facts.revision is not None:
        files.append({"name": REPOSITORY} | _commit(facts.revision))
    if facts.definition is not None:
        files += dependencies_of(facts.definition.parameters)
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE if facts.definition is None else facts.definition.build_type,
            "externalParameters": _external(facts),
            "internalParameters": _internal(facts),
            "resolvedDependencies": [*files, *map(_material, materials)],
        },
        "runDetails": {
            "builder": {
                "id": ORCHESTRATOR,
                "version": {"tallystick": __version__},
                "builderDependencies": _nix(facts),
            },
            "metadata": {
                "invocationId": facts.invocation_id,
                "startedOn": seconds(facts.started),
                "finishedOn": seconds(facts.finished),
            },
            "byproducts": [_byproduct(file) for file in sorted(byproducts, key=lambda file: file.path)],
        },
    }
    return statement.make(facts, PROVENANCE, predicate)


def _external(facts: ReleaseFacts) -> dict[str, Any]:
    """What the user decided: the target, and the files that said how."""
    found: dict[str, Any] = {"target": facts.target}
    if facts.recipe is not None:
        found["recipe"] = _file(facts.recipe)
    if facts.lock is not None:
        found["lock"] = _file(facts.lock)
    if facts.revision is not None:
        found["repository"] = repository(facts.revision)
    if facts.definition is not None:
        found |= facts.definition.parameters
    return found


def repository(revision: Revision) -> dict[str, Any]:
    """Which commit recipe and lock are from, and which files are not as it has them."""
    found: dict[str, Any] = _commit(revision)
    if revision.recipe is not None:
        found["path"] = revision.recipe
    return found | {"uncommitted": list(revision.uncommitted)}


def _commit(revision: Revision) -> dict[str, Any]:
    """A commit as a ResourceDescriptor has it: `gitCommit` is a digest of in-toto's own list."""
    found: dict[str, Any] = {"digest": {"gitCommit": revision.commit}}
    return found if revision.uri is None else found | {"uri": revision.uri}


def _internal(facts: ReleaseFacts) -> dict[str, Any]:
    """What followed from it."""
    found: dict[str, Any] = {
        "package": _named(facts.package.name, facts.package.version, facts.package_derivation),
        "artifact": {"fileName": facts.artifact.file_name, "derivation": facts.artifact_derivation},
        "system": facts.package.system,
        "quorum": facts.quorum,
        "commands": commands_of(facts),
    }
    if facts.toolchains:
        found["toolchains"] = [dict(each) for each in facts.toolchains]
    return found


def _named(name: str, version: str | None, derivation: str) -> dict[str, str]:
    found = {"name": name, "derivation": derivation}
    return found | {"version": version} if version else found


def _file(file: InputFile) -> dict[str, Any]:
    return {"name": file.name, "digest": {"sha256": file.sha256.hex}}


def _material(material: Material) -> dict[str, Any]:
    """A ResourceDescriptor: the package URL identifies where there is one, else the first address."""
    addresses = list(material.uris)
    found: dict[str, Any] = {
        "name": material.name,
        "digest": material.digest_set,
        "annotations": {"kind": str(material.kind), "storePath": material.path},
    }
    if material.believed is not None:
        found["annotations"] |= _belief(material.believed)
    if (fixed := material.promised) is not None:
        found["annotations"]["fixedBy"] = f"{'r:' if fixed.nar else ''}{fixed.algorithm}:{fixed.hex}"
    if (by := material.by_content) is not None:
        file = {} if by.sha256 is None else {"sha256": by.sha256}
        found["annotations"]["path"] = {"method": by.method, **file, "references": list(by.references)}
    if material.purl:
        found["uri"] = material.purl
    elif addresses:
        found["uri"] = addresses.pop(0)
    if addresses:
        found["downloadLocation"] = addresses[0]
        if len(addresses) > 1:
            found["annotations"]["mirrors"] = addresses[1:]
    return found


def _belief(believed: Believed) -> dict[str, Any]:
    """By whose signature: with these and the NAR hash, anybody can check it again."""
    return {
        "cache": believed.cache,
        "key": believed.key.name,
        "signature": believed.signature,
        "narSize": believed.nar_size,
        "references": list(believed.references),
    }


def _nix(facts: ReleaseFacts) -> list[dict[str, Any]]:
    """The Nix of each builder: not in the workload, but what its sandbox and its hashes rest on."""
    versions: dict[str, list[str]] = {}
    for report in facts.agreed.reports:
        if report.identity.nix_version is not None:
            versions.setdefault(report.identity.nix_version, []).append(report.identity.name)
    return [
        {"name": "nix", "uri": package_url("generic", "nix", version), "annotations": {"builders": builders}}
        for version, builders in sorted(versions.items())
    ]


def _byproduct(file: ReleaseFile) -> dict[str, Any]:
    found: dict[str, Any] = {"name": file.path, "digest": {"sha256": file.sha256.hex}}
    suffix = file.path[file.path.rfind(".") :]
    if suffix in _MEDIA_TYPES:
        found["mediaType"] = _MEDIA_TYPES[suffix]
    return found
