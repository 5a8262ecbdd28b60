"""What a release says of itself. Nothing of it is verified: that is `verification`."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.evidence.statement import parse
from orchestrator.evidence.terms import BELIEVED, BUNDLES, PROVENANCE
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass
from orchestrator.policy.reached import Reached, recorded
from orchestrator.policy.verdict import Refused
from orchestrator.publishing.contents import locate, read_index
from orchestrator.publishing.folder import DOCUMENT_LIMIT, Folder, TooLargeError, UnsafeNameError
from orchestrator.publishing.index import INDEX


@dataclass(frozen=True, slots=True)
class Shown:
    """A release, by its own word."""

    name: str
    version: str | None
    system: str
    artifact: str
    sha256: str
    size: int
    derivation: str
    """The package's `.drv`."""
    builders: tuple[str, ...]
    independence: str
    reached: Reached | None
    """How deep the agreement reaches; None: every input was rebuilt."""
    believed: tuple[Mapping[str, str], ...]
    """The provenance's: `storePath`, `key` and `cache` of each input that was believed."""
    document: dict[str, Any]
    """All that release.json has."""


def shown(target: Path) -> Shown:
    """The release at a folder, or at the artifact in it. Raises TallyError where there is none to be read."""
    folder, asked = locate(target)
    try:
        index = read_index(folder, asked)
        return _shown(dict(index.document), index.artifact, folder)
    except (MalformedError, UnsafeNameError, TooLargeError) as error:
        raise _unreadable(folder.path, str(error)) from error
    except OSError as error:
        raise _unreadable(folder.path, f"its provenance cannot be read: {why(error)}") from error
    except Refused as error:
        raise _unreadable(folder.path, error.reasons[0].sentence) from error


def _unreadable(folder: Path, why: str) -> TallyError:
    return TallyError(
        f"the release {folder} cannot be shown: {why}",
        hint="`tally verify` says what else of it is not as it should be",
    )


def _shown(document: dict[str, Any], artifact: str, folder: Folder) -> Shown:
    agreement = member(document, "agreement", dict, INDEX)
    about = member(document, "artifact", dict, INDEX)
    builders = member(agreement, "builders", list, INDEX)
    if set(map(type, builders)) != {str}:
        raise MalformedError(f"{INDEX} has builders without names")
    reached = recorded(agreement)
    return Shown(
        name=member(document, "name", str, INDEX),
        version=member(document, "version", str, INDEX) if "version" in document else None,
        system=member(document, "system", str, INDEX),
        artifact=artifact,
        sha256=member(about, "sha256", str, INDEX),
        size=member(about, "size", int, INDEX),
        derivation=member(member(document, "derivations", dict, INDEX), "package", str, INDEX),
        builders=tuple(builders),
        independence=member(agreement, "independence", str, INDEX),
        reached=reached,
        believed=() if reached is None else tuple(_believed(folder)),
        document=document,
    )


def _believed(folder: Folder) -> Iterator[Mapping[str, str]]:
    """The materials of the provenance that are believed, by its word alone."""
    name = BUNDLES[PROVENANCE]
    what = "a material of the provenance"
    data = folder.read(name, DOCUMENT_LIMIT)
    envelope = member(read(data, name), "dsseEnvelope", dict, name)
    try:
        payload = base64.b64decode(member(envelope, "payload", str, name), validate=True)
    except ValueError as error:
        raise MalformedError(f"{name} has a payload that is not base64") from error
    build = member(parse(payload, name).predicate, "buildDefinition", dict, "the provenance")
    for each in member(build, "resolvedDependencies", list, "the provenance"):
        annotations = each.get("annotations") if isinstance(each, dict) else None
        if isinstance(annotations, dict) and annotations.get("kind") == BELIEVED:
            yield {key: member(annotations, key, str, what) for key in ("storePath", "key", "cache")}
