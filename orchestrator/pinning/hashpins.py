"""Hashes of other bytes in tally.lock: the sha256 of files of which a lock file hashes what is in them.

go.sum hashes the files in a zip (golang.org/x/mod/sumdb/dirhash), locks of yarn 2 and later an archive that
yarn makes of a tarball; Nix wants to know the bytes that are fetched. What is pinned had the hash that the
lock file has. In the build go and yarn look once more. Of what has no hash it is what the registry gave.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from orchestrator.dependencies.dependency import Dependency, GoHash, Unhashed, YarnHash
from orchestrator.dependencies.go_sum import hash1, summed
from orchestrator.dependencies.node.berry_form import form_of
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, contents
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.zips import ERRORS
from orchestrator.pinning.yarnzip import refuse_without, sha512_of
from orchestrator.recipe.names import store_name
from orchestrator.sources.folder import Sources

_MOST: Final = 2 << 30
"""Bytes of a module, unpacked; go itself allows a quarter of that."""
_LARGEST: Final = 16 << 20
"""Bytes of a go.mod, as go itself has it."""
_CHUNK: Final = 1 << 20
_HINTS: Final = (
    "check the network, yarn.lock, and `npm config get registry`, or `npm` in [mirrors] of tally.toml",
    "check the network, go.sum, and `go env GOPROXY`, or `go` in [mirrors] of tally.toml",
)
"""For npm's packages, and for modules of Go."""
Hash = GoHash | YarnHash | Unhashed
"""By what a lock file pins a file of which it has no digest."""


def fetched(each: Dependency, digest: Hash, sources: Sources, place: str) -> str:
    """The sha256 of the file with a hash. `place` is what messages call the lock file.

    Raises TallyError for what cannot be had, or has another hash.
    """
    reasons = []
    for url in each.urls:
        try:
            for address in sources.places(url):
                try:
                    return _taken(each, digest, address, sources)
                except Unreachable as error:
                    reasons.append(f"  {sources.shown(address)}: {error}")
        except Unreachable as error:
            reasons.append(f"  {url}: {error}")
    raise TallyError(
        f"no address gave {each.name} {each.version} ({place}, line {each.line}) with {digest.text}:\n"
        + "\n".join(reasons or ["  it has no address"]),
        hint=_HINTS[isinstance(digest, GoHash)],
    )


def _taken(each: Dependency, digest: Hash, address: str, sources: Sources) -> str:
    """Put what is there where fetched sources are. Raises Unreachable when it has another hash."""
    try:
        sources.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".go-", dir=sources.folder) as name:
            file = Path(name) / "file"
            seen = hashlib.sha256()
            with file.open("wb") as stream:
                for chunk in sources.downloader.read(address):
                    seen.update(chunk)
                    stream.write(chunk)
            found = hash_of(file, each)
            if found != digest:
                raise Unreachable(f"it has the hash {found.text}")
            place = sources.folder / seen.hexdigest() / store_name(each.file)
            place.parent.mkdir(exist_ok=True)
            file.replace(place)
            return Sha256(seen.hexdigest()).hex
    except OSError as error:
        raise cannot_write(sources.folder, error) from error


def refuse_unready(digest: YarnHash, place: str) -> None:
    """Raises TallyError where what a yarn.lock hashes cannot be made here. `place` names the lock."""
    form = form_of(digest.checksum.partition("/")[0])
    if form is not None:
        refuse_without(form, place)


def hash_of(file: Path, each: Dependency) -> Hash:
    """The hash of a fetched file, as its lock file has it. Raises Unreachable for what cannot be read."""
    if isinstance(each.digest, Unhashed):
        return each.digest
    if isinstance(each.digest, YarnHash):
        key = each.digest.checksum.partition("/")[0]
        form = form_of(key)
        if form is None:
            raise Unreachable(f"yarn's archives of the form {key} are not known")
        return YarnHash(f"{key}/{sha512_of(file, each.name, form)}")
    if each.file.endswith(".mod"):
        return hash1([("go.mod", contents(file, _LARGEST))])
    digests: dict[str, str] = {}
    total = 0
    try:
        with zipfile.ZipFile(file) as packed:
            for member in packed.infolist():
                total += member.file_size
                if total > _MOST:
                    raise Unreachable(f"it unpacks to more than {_MOST >> 30} GiB")
                if member.filename in digests:
                    raise Unreachable(f"it holds {member.filename[:200]} twice")
                if not {"\n", "\0"}.isdisjoint(member.orig_filename):
                    # it would be a line of its own among those that are hashed, or end where it does not
                    raise Unreachable(f"it holds {member.orig_filename[:200]!r}, which is no file's name")
                if not member.filename.startswith(f"{each.name}@{each.version}/"):
                    raise Unreachable(f"it holds {member.filename[:200]}, which is not of this module")
                seen = hashlib.sha256()
                with packed.open(member) as stream:
                    while chunk := stream.read(_CHUNK):
                        seen.update(chunk)
                digests[member.filename] = seen.hexdigest()
    except ERRORS as error:
        raise Unreachable(f"it is no zip that can be read: {error}") from error
    return summed(digests)
