"""What a release that is there says otherwise of where it is from than a run: the bytes are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.bundles import own_bundle
from orchestrator.evidence import provenance, statement
from orchestrator.evidence.canonical import MalformedError, member, read
from orchestrator.evidence.sbom.spdx2_packages import PARTS
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BUNDLES, PROVENANCE
from orchestrator.publishing.folder import DOCUMENT_LIMIT, INDEX_LIMIT, Folder
from orchestrator.publishing.index import INDEX, parse
from orchestrator.repositories.revision import Revision

_PLACES = ("downloadLocation", "sourceInfo", "supplier")
"""Members of a package in the SBOM that say where it is from."""
_SHORT = 12  # digits of a commit's id


def remarks(path: Path, wanted: Statement) -> tuple[str, ...]:
    """In what the provenance in the folder at `path` differs from the one that a run would sign, in words.

    Nothing where there is none that can be read: that is for its verification to tell.
    """
    try:
        return tuple(_remarks(path, wanted))
    except (OSError, ValueError):
        return ()


def remarks_on_commit(path: Path, revision: Revision) -> tuple[str, ...]:
    """Of `remarks`, those on the commit, which is known before anything is built."""
    try:
        return tuple(_on_commit(_there(path), {"repository": provenance.repository(revision)}))
    except (OSError, ValueError):
        return ()


def remarks_on_closure(path: Path, operators: int) -> tuple[str, ...]:
    """What the release at `path` does not say of how many operators carry it, where these do."""
    try:
        agreement = member(parse(Folder(path).read(INDEX, INDEX_LIMIT)).document, "agreement", dict, INDEX)
        said = agreement.get("closure")
        if said is not None and member(said, "operators", int, INDEX) >= operators:
            return ()
    except (OSError, ValueError):
        return ()
    return (f"it does not say that {operators} operators carry it, as in this run",)


def _remarks(path: Path, wanted: Statement) -> Iterator[str]:
    there, here = _there(path), _external(wanted)
    for what in ("recipe", "lock"):
        if there.get(what) != here.get(what):
            yield f"its {what} was another text, of which the same is built"
    yield from _on_commit(there, here)


def _there(path: Path) -> Mapping[str, Any]:
    """What the provenance in a folder says that the user decided."""
    name = BUNDLES[PROVENANCE]
    bundle = own_bundle.parse(Folder(path).read(name, DOCUMENT_LIMIT), name)
    return _external(statement.parse(bundle.envelope.payload, name))


def _on_commit(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    if (said := _commit(there)) != (now := _commit(here)):
        yield f"it names {said}, and this run {now}"
    if (said := _uncommitted(there)) != (now := _uncommitted(here)):
        yield f"it says that {said}; in this run {now}"


def differ_by_places(one: bytes, other: bytes) -> bool:
    """Whether two SBOMs say the same but for where packages are from, and for parts of packages.

    Parts are told where a builder's files can be looked at, and the whole's digest pins them anyhow.
    Raises MalformedError.
    """
    return bool(_placeless(one) == _placeless(other))


def _placeless(data: bytes) -> Any:
    document = read(data, "the SBOM")
    packages, relationships = (_objects(document, name) for name in ("packages", "relationships"))
    parts = {each.get("SPDXID") for each in packages if str(each.get("sourceInfo")).startswith(PARTS)}
    developing = {
        each.get("spdxElementId")
        for each in relationships
        if each.get("relationshipType") == "DEV_DEPENDENCY_OF"
    }
    document["packages"] = [each for each in packages if each.get("SPDXID") not in parts]
    document["relationships"] = [
        each
        for each in relationships
        if each.get("relatedSpdxElement") not in parts
        and not (each.get("relationshipType") == "CONTAINS" and each.get("relatedSpdxElement") in developing)
    ]
    for package in document["packages"]:
        for name in _PLACES:
            package.pop(name, None)
    document.pop("documentNamespace", None)  # it is made from all the rest
    return document


def _objects(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = member(document, name, list, "the SBOM")
    if not all(isinstance(each, dict) for each in found):
        raise MalformedError(f"the SBOM's {name} are no objects")
    return list(found)


def _external(of: Statement) -> Mapping[str, Any]:
    what = "the provenance"
    return member(member(of.predicate, "buildDefinition", dict, what), "externalParameters", dict, what)


def _commit(external: Mapping[str, Any]) -> str:
    repository = external.get("repository")
    if repository is None:
        return "no commit"
    digest = member(repository, "digest", dict, "the provenance's repository")
    commit = member(digest, "gitCommit", str, "the provenance's repository")
    place = repository.get("uri")
    address = f" of {place.rpartition('@')[0]}" if isinstance(place, str) else ""
    return f"the commit {commit[:_SHORT]}{address}"


def _uncommitted(external: Mapping[str, Any]) -> str:
    repository = external.get("repository")
    if repository is None:
        return "no commit is known"
    files = member(repository, "uncommitted", list, "the provenance's repository")
    if not files:
        return "all is as committed"
    return f"{', '.join(map(str, files))} {'is' if len(files) == 1 else 'are'} not as committed"
