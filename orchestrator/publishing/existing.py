"""A release folder that is there already: the same release, or in what it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from orchestrator.bundles import certificates, own_bundle
from orchestrator.bundles.material import Certificates
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.terms import BUNDLES, CYCLONEDX, SBOMS, SPDX, SPDX3
from orchestrator.ground.plainly import why
from orchestrator.keys import dsse
from orchestrator.keys.key import PublicKey
from orchestrator.policy.reached import EVERY, recorded
from orchestrator.policy.signer import IdentitySigner
from orchestrator.publishing.folder import DOCUMENT_LIMIT, INDEX_LIMIT, Folder, TooLargeError, UnsafeNameError
from orchestrator.publishing.index import INDEX, Index, parse
from orchestrator.publishing.remarks import differ_by_places

OF_PACKAGE: Final = "package's derivation"
_WORDS: Final = {
    ("name",): "name",
    ("version",): "version",
    ("system",): "system",
    ("artifact", "path"): "artifact's name",
    ("artifact", "sha256"): "artifact's sha256",
    ("derivations", "package"): OF_PACKAGE,
    ("derivations", "artifact"): "artifact's derivation",
}
"""Members of an index that have to be the same, and what they are called in sentences."""


def differences(
    path: Path, wanted: Index, files: Sequence[ReleaseFile], signer: PublicKey | IdentitySigner
) -> Iterator[str]:
    """In what the folder at `path` differs from the release to be written; nothing when it is the same.

    The same: one artifact, one derivation, one SBOM, all as listed there, signed by the same key, or in the
    name of the same identity, which verification has yet to show. Times, ids and signatures are of the run
    that wrote it, and so are commits and addresses: `remarks` tells of those.
    """
    folder = Folder(path)
    try:
        there = parse(folder.read(INDEX, INDEX_LIMIT))
        agreed, reached = _agreed(there), _reached(there)
    except (OSError, ValueError) as error:
        yield f"it has no readable {INDEX} ({why(error)})"
        return
    yield from _other_claims(there, wanted, agreed)
    if reached != _reached(wanted):
        yield f"its builders {reached}, and those of this run {_reached(wanted)}"
    for file in files:
        is_sbom = file.path.startswith("sbom/") and file.path.endswith(SBOMS[SPDX])
        if is_sbom and not _same_sbom(
            folder, there, file
        ):  # the other forms are renderings of the same model
            yield f"its {file.path} is another"
    for name, listed in there.files.items():
        try:
            if folder.measure(name) != listed:
                yield f"its {name} is not as its {INDEX} says"
            elif name.startswith("attestations/") and not _signed(
                folder.read(name, DOCUMENT_LIMIT), name, signer
            ):
                who = "key" if isinstance(signer, PublicKey) else "identity"
                yield f"its {name} is not signed by the {who} in use"
        except (OSError, UnsafeNameError, TooLargeError, MalformedError) as error:
            yield f"its {name} cannot be read ({why(error)})"
    wanted_names = {file.path for file in files if file.path.startswith("attestations/")}
    wanted_names -= {BUNDLES[SPDX3], BUNDLES[CYCLONEDX]}  # which earlier releases do not have
    for name in sorted(wanted_names - set(there.files)):
        yield f"it has no {name}"


def is_by_another_key(path: Path, signer: PublicKey) -> bool:
    """Whether a release is there, and its provenance is by another key: known before anything is built."""
    name = "attestations/provenance.sigstore.json"
    try:
        return not _signed(Folder(path).read(name, DOCUMENT_LIMIT), name, signer)
    except (OSError, UnsafeNameError, TooLargeError, MalformedError):
        return False  # there is none, or it is told in detail when it is to be written


def other_derivations(path: Path, package: str, artifact: str) -> Iterator[str]:
    """In what a release that is there differs from one of these derivations, known before anything is built.

    Nothing where there is none, and where it cannot be read: that is told when it is to be written.
    """
    try:
        there = parse(Folder(path).read(INDEX, INDEX_LIMIT)).document
    except (OSError, ValueError):
        return
    for name, wanted in (("package", package), ("artifact", artifact)):
        place = ("derivations", name)
        if (is_ := _at(there, place)) != wanted:
            yield f"its {_WORDS[place]} is {is_}, not {wanted}"


def _other_claims(there: Index, wanted: Index, agreed: dict[str, Any]) -> Iterator[str]:
    for place, what in _WORDS.items():
        is_, wanted_ = (_at(index.document, place) for index in (there, wanted))
        if is_ != wanted_:
            yield f"its {what} is {is_}, not {wanted_}"
    for name, said in _agreed(wanted).items():
        if agreed[name] != said:
            yield f"its agreement has other {name}: see {INDEX}"


def _reached(of: Index) -> str:
    """How deep its builders rebuilt, as sentences hold it. Raises MalformedError."""
    found = recorded(member(of.document, "agreement", dict, INDEX))
    return EVERY if found is None else str(found)


def _at(document: Mapping[str, Any], place: tuple[str, ...]) -> str:
    """A text of an index, as sentences hold it."""
    found: object = document
    for name in place:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else "not told"


def _same_sbom(folder: Folder, there: Index, file: ReleaseFile) -> bool:
    """Whether the SBOM there is this one, or says other things of nothing but where packages are from."""
    if there.files.get(file.path) == (file.sha256, file.size):
        return True
    try:
        return differ_by_places(folder.read(file.path, DOCUMENT_LIMIT), b"".join(file.chunks()))
    except (OSError, ValueError):  # it is told for itself where it cannot be read
        return False


def _agreed(of: Index) -> dict[str, Any]:
    """What an index says was agreed on, and who made what else. Raises MalformedError."""
    said = member(of.document, "agreement", dict, INDEX)
    dissent = said.get("dissent", [])
    if not isinstance(dissent, list):
        raise MalformedError(f"{INDEX} has a dissent that is no list")
    others = {
        member(member(each, "builder", dict, INDEX), "name", str, INDEX): member(each, "outputs", dict, INDEX)
        for each in dissent
    }
    return {"outputs": member(said, "outputs", dict, INDEX), "dissent": others}


def _signed(data: bytes, name: str, signer: PublicKey | IdentitySigner) -> bool:
    found = own_bundle.parse(data, name)
    if isinstance(signer, PublicKey):
        return dsse.signed_by(found.envelope, signer)
    return isinstance(found.signer, Certificates) and certificates.claimed(found.signer, name) == signer
