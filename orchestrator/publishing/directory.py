"""Writing a release folder: whole, or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BUILD_TYPE, DERIVATION_TYPE, EXPRESSION_TYPE, FLAKE_TYPE
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, shown, sync_folder
from orchestrator.keys.key import PublicKey
from orchestrator.policy.signer import IdentitySigner
from orchestrator.publishing.contents import too_much
from orchestrator.publishing.drafts import draft_of, renamed, sync
from orchestrator.publishing.existing import OF_PACKAGE, differences, is_by_another_key, other_derivations
from orchestrator.publishing.folder import checked
from orchestrator.publishing.index import INDEX, index_of, parse
from orchestrator.publishing.remarks import remarks, remarks_on_commit
from orchestrator.repositories.revision import Revision

_CHUNK = 1 << 20
_AGAIN = "run the build again"
_SHOWN = 5  # of the differences; the first ones say enough


@dataclass(frozen=True, slots=True)
class Published:
    """A release folder that is there now. `kept`: it was there before, with the same content."""

    path: Path
    kept: bool
    remarks: tuple[str, ...] = ()
    """What the one that is kept says otherwise of where it is from: a sentence each."""


def refuse_by_another_key(out: Path, release_name: str, signer: PublicKey) -> None:
    """Raises TallyError for a release that is there and could not be kept, before it is built again."""
    if is_by_another_key(out / release_name, signer):
        raise TallyError(
            f"{shown(out / release_name)} is there already, signed by another key",
            hint="releases are never overwritten: move it away, or choose another folder with --out",
        )


def refuse_of_other_derivations(
    out: Path, release_name: str, package: str, artifact: str, build_type: str
) -> None:
    """Raises TallyError for a release that is there and is of other `.drv` paths, before those are built.

    `build_type` says from what kind of target, and so how it gets another name.
    """
    target = out / release_name
    if found := list(other_derivations(target, package, artifact)):
        raise _another(target, found, build_type)


def refuse_of_another_commit(out: Path, release_name: str, revision: Revision) -> None:
    """Raises TallyError for a release that is there and names another commit, where that may not be."""
    if found := remarks_on_commit(out / release_name, revision):
        raise of_another_commit(out / release_name, found)


def of_another_commit(target: Path, found: Sequence[str]) -> TallyError:
    """The error for a release that could be kept, if tally.toml did not ask for the commit."""
    told = "\n".join(f"  {remark}" for remark in found)
    return TallyError(
        f"{shown(target)} is there already, and tally.toml has `require-commit = true`:\n{told}",
        hint="releases are never overwritten: move it away, and build again",
    )


_RENAMED: Final[Mapping[str, str]] = {
    BUILD_TYPE: "give the recipe another `version`, or ",
    EXPRESSION_TYPE: "give the package another version where it is defined, or ",
    FLAKE_TYPE: "give the package another version where the flake defines it, or ",
    DERIVATION_TYPE: "",
}
"""How what was built gets another name, by its kind; a derivation has the one that it has."""


def _another(target: Path, found: Sequence[str], build_type: str) -> TallyError:
    # another version is no way out for the same package; a recipe says how it is packed, too
    another = "derivation" if build_type == BUILD_TYPE else OF_PACKAGE
    way_out = _RENAMED[build_type] if any(another in each for each in found) else ""
    return TallyError(
        f"{shown(target)} is there already and is not this release:\n"
        + "\n".join(f"  {each}" for each in found),
        hint=f"releases are never overwritten: {way_out}move that one away, or choose another folder with "
        "--out",
    )


def publish(
    out: Path,
    facts: ReleaseFacts,
    artifact: Path,
    provenance: Statement,
    reproduction: Statement,
    files: Sequence[ReleaseFile],
    signer: PublicKey | IdentitySigner,
) -> Published:
    """Write `out`/NAME-VERSION-SYSTEM, the artifact streamed from `artifact`, and `release.json` over it all.

    A folder with the same content is kept as it is. Raises TallyError when it has other content, when some
    file is not what its digest says, when it is more than verifiers read, or when the disk refuses.
    """
    measured = {file.path: (file.sha256, file.size) for file in files}
    measured[facts.artifact.file_name] = (facts.artifact.sha256, facts.artifact.size)
    index = ReleaseFile.of(INDEX, index_of(provenance, reproduction, measured))
    wanted = parse(b"".join(index.chunks()))
    target = out / facts.release_name
    if (why := too_much(wanted)) is not None:
        raise TallyError(
            f"{shown(target)} is not written: {why}, which no verifier reads",
            hint="build with fewer packages, or from fewer sources, in a recipe",
        )
    everything = [_artifact(facts, artifact), *files, index]
    if not os.path.lexists(target):
        try:
            with draft_of(out, facts.release_name) as draft:
                for file in everything:
                    runs = file.path == facts.artifact.file_name and _runs(artifact)
                    _write(draft, file, 0o755 if runs else 0o644)
                sync(draft)
                if renamed(draft, target):
                    sync_folder(out)
                    return Published(target, kept=False)
        except OSError as error:
            raise cannot_write(target, error) from error
    if found := list(islice(differences(target, wanted, files, signer), _SHOWN)):
        build_type = facts.definition.build_type if facts.definition is not None else BUILD_TYPE
        raise _another(target, found, build_type)
    return Published(target, kept=True, remarks=remarks(target, provenance))


def written(target: Path, files: Sequence[ReleaseFile]) -> Path:
    """A new folder with these files, whole or not at all. Raises TallyError, also for a name in use."""
    refuse_taken(target)
    try:
        with draft_of(target.parent, target.name) as draft:
            for file in files:
                _write(draft, file, 0o644)
            sync(draft)
            if not renamed(draft, target):
                raise _taken(target)
            sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error
    return target


def refuse_taken(target: Path) -> None:
    """Raises TallyError for a folder of evidence that is there already."""
    if os.path.lexists(target):
        raise _taken(target)


def _taken(target: Path) -> TallyError:
    return TallyError(
        f"{shown(target)} is there already", hint="evidence is never overwritten: name another folder"
    )


def _artifact(facts: ReleaseFacts, path: Path) -> ReleaseFile:
    def chunks() -> Iterator[bytes]:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    return ReleaseFile(facts.artifact.file_name, facts.artifact.sha256, facts.artifact.size, chunks)


def _runs(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _write(draft: Path, file: ReleaseFile, mode: int) -> None:
    """One file, hashed while it is written. Raises TallyError when it is not what its digest says."""
    path = draft / checked(file.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as stream:
        for chunk in file.chunks():
            digest.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    if Sha256(digest.hexdigest()) != file.sha256:
        raise TallyError(f"{file.path} changed after it was signed for; nothing was published", hint=_AGAIN)
