"""What a release or a bundle says of itself. Nothing of it is verified: that is `verification`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from orchestrator.bundles import bundle
from orchestrator.bundles.bundle import MessageSignature
from orchestrator.bundles.material import KeyHint
from orchestrator.evidence import closure, links, statement
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.declared import Declared, builders, declared
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY
from orchestrator.evidence.shown import (
    Derivations,
    File,
    Shown,
    ShownBundle,
    Signature,
)
from orchestrator.evidence.terms import BUNDLES, IN_TOTO_PAYLOAD, PROVENANCE, REPRODUCTION
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read, read_file
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.keys import dsse
from orchestrator.ledger import reading as ledger
from orchestrator.ledger.course import courses
from orchestrator.ledger.named import called_so
from orchestrator.policy.reached import recorded
from orchestrator.policy.verdict import Refused
from orchestrator.publishing import sources
from orchestrator.publishing.contents import Contents, locate, read_index, too_much
from orchestrator.publishing.folder import DOCUMENT_LIMIT, TooLargeError, UnsafeNameError, checked
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.reference import Reference
from orchestrator.publishing.sources.source import whole

_BUNDLE_LIMIT = 1 << 25
_EVIDENCE = ("attestations/", "links/")
_Read = Callable[[str], bytes]
"""A listed file's bytes, by its name."""
_UNREADABLE = (MalformedError, UnsafeNameError, TooLargeError, OSError)


def shown(target: Path, called: str | None = None, *, graph: bool = False) -> Shown:
    """The release at a folder, or at the artifact in it. Raises TallyError where there is none to be read.

    `called` is what the user named. What of it cannot be read, but for index and provenance, is told beside
    what can.
    """
    folder, asked = locate(target)
    place = called or str(target)
    try:
        index = read_index(folder, asked)
        return _shown(index, lambda name: folder.read(name, DOCUMENT_LIMIT), place, graph=graph)
    except (MalformedError, UnsafeNameError, TooLargeError) as error:
        raise _unreadable(place, str(error)) from error
    except OSError as error:
        raise _unreadable(place, f"{error.filename or INDEX} cannot be read: {why(error)}") from error
    except Refused as error:
        raise _unreadable(place, error.reasons[0].sentence) from error


def last_release(state: State, target: str) -> Path | None:
    """The folder of the last release of a target that was built here; None: nothing has that name.

    Raises TallyError where it was built, and there is no release of it any more, or never was.
    """
    if not state.ledger.exists():
        return None
    with ledger.read(state) as known:
        those = called_so(courses(known.results(whole=False)), target)
    results = sorted((each for course in those for each in course.results), key=lambda each: each.time)
    if not results:
        return None
    for each in reversed(results):
        if each.release is not None and (folder := Path(each.release)).is_dir():
            return folder
    raise TallyError(
        f"there is no release of {target}: its last run here came to {results[-1].verdict.value!r}",
        hint="`tally build` writes one where builders agree; one that was moved is shown by its folder",
    )


def shown_of(read: tuple[Index, Contents], called: str, *, graph: bool = False) -> Shown:
    """The release of which these very bytes were verified. Raises TallyError."""
    index, contents = read
    try:
        return _shown(index, contents.documents.__getitem__, called, graph=graph)
    except MalformedError as error:
        raise _unreadable(called, str(error)) from error


def is_bundle(target: Path) -> bool:
    """Whether a path names a bundle rather than a release or what is in one."""
    return target.name.endswith((".sigstore.json", ".sigstore")) and target.is_file()


def shown_bundle(path: Path) -> ShownBundle:
    """A Sigstore bundle of anybody's. Raises TallyError."""
    data = read_file(path, "the bundle ", _BUNDLE_LIMIT, "give a Sigstore bundle, or a release folder")
    try:
        if len(data) > _BUNDLE_LIMIT:
            raise MalformedError(f"it is larger than {_BUNDLE_LIMIT} bytes")
        found = bundle.parse(data, path.name)
        if isinstance(found.content, MessageSignature):
            subjects = {"the signed file": f"{found.content.algorithm}:{found.content.digest.hex()}"}
            kind = None
        else:
            about = statement.parse(found.content.payload, path.name)
            subjects = {name: f"sha256:{digest}" for name, digest in about.subjects.items()}
            kind = about.predicate_type
        return ShownBundle(
            target=str(path),
            bundle_version=found.version,
            signature=_of_bundle(found, path.name, kind),
            subjects=subjects,
        )
    except (MalformedError, Refused) as error:
        said = error.reasons[0].sentence if isinstance(error, Refused) else str(error)
        raise TallyError(
            f"{path} cannot be shown: {said}", hint="`tally verify --bundle` judges bundles, and says more"
        ) from error


def brought(reference: Reference, folder: Path) -> Path:
    """The index and the evidence of a release at a reference, in `folder`, each file by its listed digest.

    Neither artifact nor SBOM files are fetched. Raises TallyError.
    """
    try:
        found = sources.of(reference).find()
        if (much := too_much(found.index)) is not None:
            raise TallyError(f"{reference} cannot be shown: {much}", hint="ask whoever publishes there")
        target = folder / checked(found.name)
        for name in _read_of(found.index):
            path = target / checked(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(whole(found.read(name), *found.index.files[name], name))
        (target / INDEX).write_bytes(found.index.data)
        return target
    except Refused as refused:
        raise _unreadable(str(reference), refused.reasons[0].sentence) from refused
    except UnsafeNameError as error:
        raise _unreadable(str(reference), str(error)) from error
    except OSError as error:
        raise cannot_read(folder, error, "", "see whether TMPDIR has room") from error


def _unreadable(place: str, said: str) -> TallyError:
    return TallyError(
        f"the release {place} cannot be shown: {said}",
        hint="`tally verify` says what else of it is not as it should be",
    )


def _read_of(index: Index) -> Iterator[str]:
    """The listed files that a release is shown by."""
    return (name for name in index.files if name.startswith(_EVIDENCE))


def _shown(index: Index, read: _Read, place: str, *, graph: bool) -> Shown:
    document = dict(index.document)
    agreement = member(document, "agreement", dict, INDEX)
    named = member(agreement, "builders", list, INDEX)
    if set(map(type, named)) != {str}:
        raise MalformedError(f"{INDEX} has builders without names")
    for name, kind in (("independence", str), ("quorum", int)):
        member(agreement, name, kind, INDEX)
    recorded(agreement)
    derivations = member(document, "derivations", dict, INDEX)
    about = member(document, "artifact", dict, INDEX)
    unreadable: list[str] = []
    predicates: dict[str, Any] = {}
    signatures = tuple(_signatures(index, read, unreadable, predicates))
    said, seen = _declared(predicates, unreadable)
    return Shown(
        target=place,
        name=member(document, "name", str, INDEX),
        version=member(document, "version", str, INDEX) if "version" in document else None,
        system=member(document, "system", str, INDEX),
        artifact=File(
            path=index.artifact,
            sha256=member(about, "sha256", str, INDEX),
            size=member(about, "size", int, INDEX),
        ),
        derivations=Derivations(
            package=member(derivations, "package", str, INDEX),
            artifact=member(derivations, "artifact", str, INDEX) if "artifact" in derivations else None,
        ),
        agreement=agreement,
        origin=said.origin,
        materials=dict(said.materials),
        sources=said.sources,
        believed=said.believed,
        builders=seen,
        signatures=signatures,
        files=tuple(
            File(path=name, sha256=digest.hex, size=size) for name, (digest, size) in index.files.items()
        ),
        unreadable=tuple(unreadable),
        graph=closure.graph_of(predicates[PROVENANCE]) if graph else None,
    )


def _declared(predicates: dict[str, Any], unreadable: list[str]) -> tuple[Declared, tuple[Any, ...]]:
    """What the provenance says, which is needed, and the reproduction, which is told of where it is not."""
    if PROVENANCE not in predicates:
        name = BUNDLES[PROVENANCE]
        lacking = f"its provenance cannot be read: the release lists no {name}"
        raise MalformedError(next((each for each in unreadable if each.startswith(name)), lacking))
    said = declared(predicates[PROVENANCE])
    try:
        return said, builders(predicates.get(REPRODUCTION, {"attributes": []}))
    except MalformedError as error:
        unreadable.append(f"{BUNDLES[REPRODUCTION]}: {error}")
        return said, ()


def _signatures(
    index: Index, read: _Read, unreadable: list[str], predicates: dict[str, Any]
) -> Iterator[Signature]:
    """Who is said to have signed each file; of our two statements the predicates, besides."""
    if (much := too_much(index)) is not None:
        raise MalformedError(much)
    kinds = {name: kind for kind, name in BUNDLES.items()}
    for name in _read_of(index):
        if name == LAYOUT_KEY:
            continue
        try:
            yield _signature(read(name), name, kinds.get(name), predicates)
        except _UNREADABLE as error:
            said = why(error) if isinstance(error, OSError) else str(error)
            unreadable.append(said if said.startswith(name) else f"{name} cannot be read: {said}")
        except Refused as error:
            unreadable.append(error.reasons[0].sentence)


def _signature(data: bytes, name: str, kind: str | None, predicates: dict[str, Any]) -> Signature:
    if name.startswith("links/"):
        envelope = dsse.read(data, name)
        key = envelope.signatures[0].keyid if envelope.signatures else None
        if name == LAYOUT:
            return Signature(file=name, kind="layout", key=key)
        return Signature(file=name, kind="link", key=key, builder=links.parse(envelope.payload, name).builder)
    found = bundle.parse(data, name)
    if isinstance(found.content, MessageSignature) or found.content.payload_type != IN_TOTO_PAYLOAD:
        raise MalformedError(f"{name} holds no in-toto statement")
    if kind in (PROVENANCE, REPRODUCTION):
        about = statement.parse(found.content.payload, name)
        if about.predicate_type != kind:
            raise MalformedError(f"{name} holds a statement of another type: {about.predicate_type[:200]!r}")
        predicates[kind] = about.predicate
    elif kind is None:
        kind = statement.parse(found.content.payload, name).predicate_type
    return _of_bundle(found, name, kind)


def _of_bundle(found: bundle.SigstoreBundle, name: str, kind: str | None) -> Signature:
    key = identity = issuer = None
    if isinstance(found.signer, KeyHint):
        key = _fingerprint(found.signer.hint)
    else:
        from orchestrator.bundles import certificates  # what that imports is for certificates alone

        claimed = certificates.claimed(found.signer, name)
        identity, issuer = claimed.subject, claimed.issuer
    return Signature(
        file=name,
        kind="statement",
        predicate_type=kind,
        key=key,
        identity=identity,
        issuer=issuer,
        log_entries=len(found.entries),
        timestamps=len(found.timestamps),
    )


def _fingerprint(hint: str) -> str | None:
    """The key's sha256 in hexadecimal, as `tally verify` names signers; another's hint as it is."""
    try:
        digest = base64.b64decode(hint, validate=True)
    except (binascii.Error, ValueError):
        return hint or None
    return digest.hex() if len(digest) == 32 else hint or None
