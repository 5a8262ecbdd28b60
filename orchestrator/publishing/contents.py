"""Reading a release to verify it: the index, and every file that it lists, each byte once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.terms import RECIPES, SOURCE_LOCK
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read, read_file, shown
from orchestrator.ground.values import dataclass
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.policy.verdict import Code, Reason, Refused
from orchestrator.publishing import index as indexes
from orchestrator.publishing.flat import FLAT_INDEX
from orchestrator.publishing.folder import (
    DOCUMENT_LIMIT,
    INDEX_LIMIT,
    Folder,
    OtherSizeError,
    TooLargeError,
    UnsafeNameError,
    checked,
)
from orchestrator.publishing.formats import NewerError
from orchestrator.publishing.index import INDEX, Index, Measured

_DOCUMENTS = ("attestations/", "links/", "sbom/", TRUSTED_ROOT, RECIPES, SOURCE_LOCK)
"""How the files' names begin that are read whole; all others are only hashed."""
_BUNDLE, _LINK = ".sigstore.json", ".link"
_MOST_SIGNED = 256  # bundles and links of a release, each of which costs a signature to check
_MOST_FURTHER = 1000  # files of others' evidence
_MOST_LOOKED_AT = 100_000  # names in folders of others' evidence, and below them
_MOST_BESIDE, _ALL_BESIDE = 100, 1 << 24  # bundles beside a release, and their bytes together
_RELEASE = "give a release folder, or the artifact inside one"
_EVIDENCE = "evidence is a bundle or a link, or a folder of them"
_FEWER = "name the files that are about this artifact"
_BESIDE_LIMIT = 1 << 20  # bytes; a disagreement about a hundred outputs has a tenth of that
_IMAGE = re.compile(
    r"(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9.-]+(?=:[0-9]))(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+"
    r"(:[\w.-]+)?(@sha256:[0-9a-f]{64})?"
)
_SHOWN = 10  # of the files that are not listed


@dataclass(frozen=True, slots=True)
class Contents:
    """What was read of the listed files: digests of all, bytes of the documents."""

    measured: Measured
    documents: Mapping[str, bytes]
    nar_hash: NarHash | None
    """The artifact's, as a file that is not executable; None: it is known by its digest alone."""

    def below(self, prefix: str) -> Mapping[str, bytes]:
        """The documents in one folder."""
        return {name: data for name, data in self.documents.items() if name.startswith(prefix)}


def too_much(index: Index) -> str | None:
    """Why so much is not read of a release, nor written; None: it is not too much."""
    if sum(size for name, (_, size) in index.files.items() if name.startswith(_DOCUMENTS)) > DOCUMENT_LIMIT:
        return f"its documents are larger than {DOCUMENT_LIMIT} bytes"
    if sum(name.startswith(("attestations/", "links/")) for name in index.files) > _MOST_SIGNED:
        return f"it has more than {_MOST_SIGNED} bundles and links"
    return None


def locate(target: Path) -> tuple[Folder, str | None]:
    """The release folder, and the artifact's name when it was asked for by its path.

    Raises TallyError when there is no release.
    """
    try:
        return _located(target)
    except (OSError, ValueError) as error:  # a name that is too long, or below what may not be read
        raise cannot_read(target, error, "", _RELEASE) from error


def _located(target: Path) -> tuple[Folder, str | None]:
    if target.is_dir():
        folder, asked = target, None
    elif os.path.lexists(target):
        folder, asked = target.parent, target.name
    else:
        hint = _called(target) or _in_registry(target) or _RELEASE
        raise TallyError(f"there is nothing at {shown(target)}", hint=hint)
    if not os.path.lexists(folder / INDEX):
        said = f"in {shown(folder)}, so it is not a release"
        if asked is not None:
            said = f"beside {shown(target)}, so it is in no release"
        raise TallyError(
            f"there is no {INDEX} {said}", hint=releases_in(target) or _static(folder) or _RELEASE
        )
    return Folder(folder), asked


def _static(folder: Path) -> str | None:
    """The way out for a static folder that releases were published to."""
    if not (folder / FLAT_INDEX).is_file() or (folder / "oci-layout").exists():
        return None
    return f"{_RELEASE}; a folder that releases were published to is dir:{shown(folder)}"


def _called(target: Path) -> str | None:
    """The way out for a release's name, or the beginning of it, where its folder is in `releases`."""
    from glob import escape

    name = escape(target.name)
    patterns = (f"releases/{name}/{INDEX}", f"releases/{name}-*/{INDEX}")
    found = sorted(each.parent for pattern in patterns for each in target.parent.glob(pattern))
    return f"did you mean {' or '.join(shown(each) for each in found[:3])}?" if found else None


def _in_registry(target: Path) -> str | None:
    """The way out for what is written as container tools write a name."""
    if not _IMAGE.fullmatch(str(target)) or os.path.lexists(target.parts[0]):
        return None
    return f"{_RELEASE}; in a registry it is oci://{target}"


def releases_in(folder: Path) -> str | None:
    """The way out for a folder that is no release and has some in it, or in its folder `releases`."""
    if not folder.is_dir():
        return None
    found = sorted(
        each.parent for pattern in (f"*/{INDEX}", f"releases/*/{INDEX}") for each in folder.glob(pattern)
    )
    if not found:
        return None
    every = f", or all of them: {shown(found[0].parent)}/*" if len(found) > 1 else ""
    return f"{_RELEASE}; there is {shown(found[0])}{every}"


def artifact_of(path: Path) -> str:
    """What the artifact of a release folder is called; empty where its index does not say."""
    try:
        return checked(read_index(Folder(path), None).artifact)
    except (MalformedError, UnsafeNameError, Refused, TallyError, OSError):
        return ""


def read_index(folder: Folder, asked: str | None) -> Index:
    """The index. Raises MalformedError, and Refused when it is not about the artifact that was asked for."""
    with _refusing(INDEX):
        data = folder.read(INDEX, INDEX_LIMIT)
    try:
        index = indexes.parse(data)
    except NewerError as error:
        raise error.at(f"the release {shown(folder.path)}") from error
    if asked is not None and asked != index.artifact:
        raise Refused(
            Reason(
                Code.SUBJECT_MISMATCH, f"this release is about {index.artifact}: no evidence is about {asked}"
            )
        )
    return index


def read_contents(
    folder: Folder, index: Index, digest: Sha256 | None = None, *, artifact_as_it_is: bool = False
) -> Contents:
    """Every listed file. Raises Refused, with a reason for each that is missing or must not be read.

    What has not even its listed size is not read; so the documents together have a limit. With `digest`, that
    is the artifact's, and where its file is absent it is taken for what would have been measured. With
    `artifact_as_it_is`, the artifact is measured whatever its size: for who trusts nothing of it.
    """
    about = index.files[index.artifact][0]
    if digest is not None and digest != about:
        raise Refused(Reason(Code.SUBJECT_MISMATCH, f"this release is about {about}, not about {digest}"))
    absent = digest is not None and folder.lacks(index.artifact)
    measured: dict[str, tuple[Sha256, int]] = {}
    documents: dict[str, bytes] = {}
    reasons: list[Reason] = []
    if (why := too_much(index)) is not None:
        raise Refused(Reason(Code.MALFORMED, why))
    for name, (_, listed) in index.files.items():
        if absent and name == index.artifact:
            continue
        try:
            with _refusing(name):
                if name.startswith(_DOCUMENTS):
                    documents[name] = folder.read(name, DOCUMENT_LIMIT, listed)
                    measured[name] = (Sha256.of(documents[name]), len(documents[name]))
                elif name != index.artifact:
                    measured[name] = folder.measure(name, listed)
                elif (size := folder.size(name)) != listed and not artifact_as_it_is:
                    raise OtherSizeError(name, size, listed)
        except Refused as refused:
            reasons += refused.reasons
    if reasons:
        raise Refused(*reasons)
    if absent and digest is not None:
        measured[index.artifact] = (digest, index.files[index.artifact][1])
        return Contents(measured, documents, None)
    with _refusing(index.artifact):
        sha256, size, nar_hash = folder.measure_artifact(index.artifact, executable=False)
        measured[index.artifact] = (sha256, size)
    return Contents(measured, documents, nar_hash)


def read_further(paths: Sequence[Path]) -> dict[str, bytes]:
    """Other parties' bundles and links, from files or folders of them, which have one limit together.

    Of a folder every file is read, and of the folders below it each that is named `*.sigstore.json` or
    `*.link`, as beside what builders made when they disagreed. Raises TallyError, also for one that cannot be
    read: it could be a signed no.
    """
    found: dict[str, bytes] = {}
    left, looked_at = DOCUMENT_LIMIT, 0
    for path in paths:
        try:
            for file in _evidence(path):
                looked_at += 1
                if looked_at > _MOST_LOOKED_AT:
                    raise _too_many(path, f"are more than {_MOST_LOOKED_AT} files, evidence or not")
                if file is None:
                    continue
                found[str(file)] = read_file(file, "the evidence ", left, _EVIDENCE)
                left -= len(found[str(file)])
                if len(found) > _MOST_FURTHER:
                    raise _too_many(path, f"are more than {_MOST_FURTHER} files of evidence")
                if left < 0:
                    raise _too_many(path, f"hold more than {DOCUMENT_LIMIT} bytes of evidence")
        except OSError as error:  # of a folder
            where = path if error.filename is None else Path(os.fsdecode(error.filename))
            raise cannot_read(where, error, "the evidence ", _EVIDENCE) from error
    return found


def _too_many(path: Path, what: str) -> TallyError:
    return TallyError(f"{shown(path)} and what comes before it {what}", hint=_FEWER)


def _evidence(path: Path) -> Iterator[Path | None]:
    """The files that a path stands for, and None for each name that was looked at besides. Raises OSError.

    Folders are entered, but not through a link, which could lead round and round.
    """
    if not path.is_dir():
        yield path
        return
    folders = [path]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(islice(entries, _MOST_LOOKED_AT + 1), key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                    yield None
                else:
                    meant = folder == path or entry.name.endswith((_BUNDLE, _LINK))
                    yield folder / entry.name if meant else None


def unlisted(folder: Folder, index: Index) -> list[str]:
    """What lies in the folder and is not part of the release."""
    return [name for name in folder.names() if name not in index.files and name != INDEX]


def beside(folder: Folder, names: Sequence[str]) -> dict[str, bytes]:
    """Of what is not part of the release, the bundles. What cannot be read is passed over.

    Raises Refused where there are more than are looked at: one of them could be a signed no, which must not
    go under among others.
    """
    found: dict[str, bytes] = {}
    left = _ALL_BESIDE
    for name in names:
        if not name.endswith(_BUNDLE):
            continue
        try:
            found[name] = folder.read(name, _BESIDE_LIMIT)
        except (UnsafeNameError, TooLargeError, OSError):
            continue
        left -= len(found[name])
        if len(found) > _MOST_BESIDE or left < 0:
            why = (
                f"more than {_MOST_BESIDE} bundles, or {_ALL_BESIDE >> 20} MiB of them, lie beside the"
                " release and are not part of it"
            )
            raise Refused(Reason(Code.MALFORMED, why))
    return found


def not_part(names: Sequence[str]) -> tuple[str, ...]:
    """A notice for what lies in the folder and is not part of the release."""
    if not names:
        return ()
    first = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return (f"not part of the release, and counts for nothing: {first}",)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """What is wrong with the release's file is a reason; what is wrong with the machine stays an OSError."""
    try:
        yield
    except UnsafeNameError as error:
        raise Refused(Reason(Code.UNSAFE_NAME, str(error))) from error
    except OtherSizeError as error:
        raise Refused(Reason(Code.DIGEST_MISMATCH, str(error))) from error
    except TooLargeError as error:
        raise Refused(Reason(Code.MALFORMED, str(error))) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Refused(Reason(Code.FILE_MISSING, f"{name} is listed and not there")) from error
