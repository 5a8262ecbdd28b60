"""The store objects of a release that go into a cache: found in stores here, compared with the evidence."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.caches.writing import Object
from orchestrator.evidence.beliefs import Belief
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_read
from orchestrator.ground.nar import dump, of_file
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted
from orchestrator.nix.references import Scan, by_hash
from orchestrator.nix.storepath import base32, fixed_path, flat_path
from orchestrator.publishing.inputs import Supplied, is_nar
from orchestrator.publishing.named import Named

_NAME = len("/nix/store/") + 33


@dataclass(frozen=True, slots=True)
class Found:
    """An object of the release, and where its bytes are."""

    item: Object
    file: Path
    belief: Belief | None
    fixed: Supplied | None = None
    """The fixed input that it is, if nobody made it."""

    def nar(self) -> Iterator[bytes]:
        """Its bytes, as a store object. Raises TallyError."""
        if self.fixed is None or is_nar(self.fixed.input.digest):
            return dump(self.file) if self.fixed is None else self.fixed.chunks()
        return of_file(self.fixed.input.size, self.fixed.chunks())


def of_input(supplied: Supplied) -> Found:
    """A fixed input as Nix has it in its store. Raises TallyError."""
    digest = supplied.input.digest
    recursive = is_nar(digest)
    algorithm = digest.algorithm if isinstance(digest, OtherDigest) else "sha256"
    path = fixed_path(supplied.input.name, algorithm, digest.hex, recursive=recursive)
    content = f"fixed:{'r:' if recursive else ''}{algorithm}:{base32(bytes.fromhex(digest.hex))}"
    hashed, size = hashlib.sha256(), 0
    for piece in Found(Object(path, NarHash.of(b""), 0, ()), Path(path), None, supplied).nar():
        hashed.update(piece)
        size += len(piece)
    item = Object(path, NarHash(hashed.hexdigest()), size, (), content)
    return Found(item, Path(path), None, supplied)


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores of this machine that a release's objects are looked for in, and what its evidence names."""

    named: Named
    roots: Sequence[Path]
    state: Path
    release: Path
    candidates: Mapping[bytes, str]
    """What objects can refer to, by the hash parts."""

    @classmethod
    def of(cls, named: Named, state: State, release: Path) -> Stores:
        """Those of the release's builders first."""
        builders = sorted({each.builder for each in named.links.values()})
        roots = tuple(state.store(name) for name in (*builders, "orchestrator"))
        return cls(named, roots, state.root, release, by_hash(named.every))

    def closure(
        self,
        *,
        runtime: bool,
        believed: bool,
        inputs: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> Mapping[str, Found]:
        """What goes into a cache, each path after all that it refers to; with `inputs`, all that is believed.

        Raises TallyError.
        """
        found: dict[str, Found] = {}
        left_out: set[str] = set()
        done: dict[str, Found] = {}
        roots = (*self.named.targets, *(self.named.believed if inputs else ()))
        stack = [(path, False) for path in reversed(roots)]
        while stack:
            path, expanded = stack.pop()
            if expanded:
                done[path] = found[path]
                continue
            if path in found or path in left_out:
                continue
            belief = self.named.belief(path)
            if belief is not None and not believed:
                left_out.add(path)
                continue
            found[path] = each = self._object(path, belief)
            stack.append((path, True))
            if runtime:
                stack += [(below, False) for below in reversed(each.item.references)]
        if left_out:
            say(
                f"{counted(len(left_out), 'believed input stays', 'believed inputs stay')} out of the cache, "
                f"{min(left_out)} among them; --with-believed puts them in"
            )
        return done

    def _object(self, path: str, belief: Belief | None) -> Found:
        """An object as the evidence has it, by its bytes in a store of this machine. Raises TallyError."""
        expected = self.named.digest(path)
        others = []
        for root in self.roots:
            file = root / path.lstrip("/")
            if not os.path.lexists(file):
                continue
            item = self._measured(path, file)
            if not _is(expected, item, file):
                others.append(root)
                continue
            if belief is not None:
                item = Object(path, item.nar_hash, item.nar_size, belief.references)
                if not belief.is_over(path, item.nar_hash):
                    raise TallyError(
                        f"{path} is believed by a signature that is not over its bytes in {root}"
                    )
            return Found(item, file, belief)
        if others:
            raise TallyError(
                f"{path} in {others[0]} has other bytes than the release's builders agreed on",
                hint=f"see what happened to that store; `tally rebuild {self.release}` tells more",
            )
        raise TallyError(
            f"{path} is in no store of the state folder {self.state}",
            hint=f"build the release here first: `tally build`, or `tally rebuild {self.release}`",
        )

    def _measured(self, path: str, file: Path) -> Object:
        """What an object's bytes are, and which of the paths that the evidence names they refer to."""
        digest, size, scan = hashlib.sha256(), 0, Scan(self.candidates)
        try:
            for piece in dump(file):
                digest.update(piece)
                size += len(piece)
                scan.feed(piece)
        except OSError as error:
            raise cannot_read(file, error, "", "see who may read it") from error
        return Object(path, NarHash(digest.hexdigest()), size, scan.found)


def _is(expected: NarHash | Sha256, item: Object, file: Path) -> bool:
    """Whether an object is the one in the evidence: by its NAR or, of a fetched file, by its bytes."""
    if isinstance(expected, NarHash):
        return item.nar_hash == expected
    if file.is_symlink() or not file.is_file() or os.access(file, os.X_OK):
        return False
    return flat_path(item.path[_NAME:], expected.hex) == item.path and Sha256.of_file(file) == expected
