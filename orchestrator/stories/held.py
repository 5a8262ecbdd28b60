"""What a builder's own store holds of derivations and of everything below them, for its host to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.evidence.beliefs import Belief
from orchestrator.evidence.materials import digest_set
from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput, name_of, not_sha256, parse
from orchestrator.nix.remote import RemoteStore
from orchestrator.nix.storepath import text_path

STORE = "/nix/store/"
_DERIVATION = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]{1,211}\.drv")
_LARGEST_DERIVATION = 64 << 20
"""Bytes; whoever can write into this host's store can write a derivation, of any size."""


@dataclass(frozen=True, slots=True)
class Held:
    """Derivations with everything below them, as the store has them."""

    graph: DerivationGraph
    store: RemoteStore

    @classmethod
    def of(
        cls, paths: Iterable[str], store: RemoteStore, read: Callable[[str], str], *, alone: bool = False
    ) -> Held:
        """Those below too, unless `alone`. Raises TallyError for what is no derivation, or is not there."""
        roots = tuple(paths)
        if not roots:
            raise _refused("the link names no derivation, so that nobody can tell what was built")
        if strange := [path for path in roots if not _DERIVATION.fullmatch(path)]:
            raise _refused(f"the link names a derivation that is none: {strange[0][:80]!r}")
        found: dict[str, Derivation] = {}
        level = set(roots)
        while level:
            if absent := sorted(store.invalid(sorted(level))):
                raise _refused(
                    f"{absent[0]} is not in this host's store, so that nobody can tell its command"
                )
            found |= {path: _parsed(path, read(path)) for path in sorted(level)}
            below = {used for path in level for used in found[path].input_derivations}
            level = set() if alone else below - found.keys()
        return cls(DerivationGraph(found, roots), store)

    def not_built(self, outputs: Collection[str]) -> Iterator[str]:
        """Why these are no outputs that this host built, a sentence each."""
        if absent := sorted(self.store.invalid(outputs)):
            yield f"{absent[0]}, of a derivation that the link names or uses, is not in this host's store"
            return
        registered = self.store.registrations(list(outputs))
        yield from (f"{path} was not built on this host" for path in outputs if not registered[path].ultimate)

    def against_materials(
        self,
        said: Mapping[str, Mapping[str, str]],
        believed: Mapping[str, Belief],
        top: str,
        named: frozenset[str],
        *,
        whole: bool,
    ) -> Iterator[str]:
        """Why these are not the materials of `top`, a sentence each.

        What is fetched has the digest of its derivation; the rest has the hash that the store has for it.
        What is `believed` need not be built here, and is signed as it is here. With `whole` everything that
        the build needs has to be there. `named` are those whose outputs are products.
        """
        graph = self.graph.derivations.values()
        fixed: dict[str, dict[str, str]] = {}
        files = {path for each in graph for path in each.input_sources}
        for each in graph:
            if each.fixed is None:
                continue
            if (told := _digests(each, each.fixed)) is None:
                files.add(each.fixed.path)
            else:
                fixed[each.fixed.path] = told
        built = {
            path
            for each in graph
            if each.fixed is None and each.path not in named
            for path in each.outputs.values()
        }
        rebuilt = self._rebuilt(top, named, believed)
        needed = self._needed(rebuilt, named, believed)
        made = {path for each in rebuilt for path in each.outputs.values()}
        if both := sorted(made & believed.keys()):
            yield f"the link believes {both[0]}, which is of a derivation that was built here"
        if unused := sorted(believed.keys() - needed if whole else believed):
            yield f"the link believes {unused[0][:120]!r}, which no build of it used"
            return
        if strange := sorted(set(said) - fixed.keys() - files - built - believed.keys()):
            yield f"the link names the material {strange[0][:120]!r}, which no derivation uses"
            return
        if whole and (missing := sorted(needed - set(said))):
            yield f"the link does not name the material {missing[0]}, which a derivation uses"
        stored = sorted(set(said) - fixed.keys())
        if absent := sorted(self.store.invalid(stored)):
            yield f"the material {absent[0]} is not in this host's store"
            return
        yield from self.not_built(sorted(built.intersection(stored) - files - believed.keys()))
        yield from self._not_signed(believed)
        hashes = {path: digest_set(info.nar_hash) for path, info in self.store.information(stored).items()}
        for path, digests in said.items():
            if digests != (fixed.get(path) or hashes.get(path)):
                yield f"the link has another digest of the material {path} than this host"

    def _not_signed(self, believed: Mapping[str, Belief]) -> Iterator[str]:
        """Why these are not believed by the signatures that are told, a sentence each."""
        paths = sorted(believed)
        known = self.store.information(paths)
        origins = self.store.registrations(paths)
        for path in paths:
            each, info = believed[path], known[path]
            if (each.nar_size, each.references) != (info.nar_size, tuple(sorted(origins[path].references))):
                yield f"the link believes another {path} than this host has"
            elif not each.is_over(path, info.nar_hash):
                yield f"{path} is believed by a signature of {each.key.name} that is not over what is here"

    def _rebuilt(self, top: str, named: Collection[str], believed: Collection[str]) -> list[Derivation]:
        """What building `top` had to realise: down to fixed outputs, and to what is believed."""
        seen, queue, found = {top}, [top], []
        while queue:
            derivation = self.graph[queue.pop()]
            found.append(derivation)
            for path in derivation.input_derivations:
                taken = path not in named and self._used(derivation, path).issubset(believed)
                if path not in seen and self.graph[path].fixed is None and not taken:
                    seen.add(path)
                    queue.append(path)
        return found

    def _used(self, derivation: Derivation, path: str) -> set[str]:
        """The outputs of an input derivation that are used."""
        outputs = self.graph[path].outputs
        return {outputs[name] for name in derivation.input_derivations[path] if name in outputs}

    def _needed(
        self, rebuilt: Iterable[Derivation], named: Collection[str], believed: Mapping[str, Belief]
    ) -> set[str]:
        """The materials, and of what is believed also all that it refers to."""
        found: set[str] = set()
        for derivation in rebuilt:
            found.update(derivation.input_sources)
            for path in set(derivation.input_derivations).difference(named):
                found |= self._used(derivation, path)
        queue = [path for path in found if path in believed]
        while queue:
            below = set(believed[queue.pop()].references) - found
            found |= below
            queue += below & believed.keys()
        return found


def text_of(path: str) -> str:
    """A derivation in the host's own store. Raises TallyError when it is not what its path stands for."""
    try:
        data = contents(Path(path), _LARGEST_DERIVATION)
        text = data.decode()
    except (OSError, ValueError) as error:
        raise _refused(f"{path} cannot be read on this host ({why(error)})") from error
    derivation = _parsed(path, text)
    if text_path(name_of(path), data, [*derivation.input_derivations, *derivation.input_sources]) != path:
        raise _refused(f"{path} was changed in this host's store: its text is not what its name stands for")
    return text


def _parsed(path: str, text: str) -> Derivation:
    """A derivation. Raises TallyError for one that fixes its output by what no evidence of ours has."""
    found = parse(path, text, any_digest=True)
    digest = found.fixed.digest if found.fixed is not None else None
    if isinstance(digest, OtherDigest) and (digest.algorithm != "sha512" or digest.nar):
        raise not_sha256(path, digest.algorithm)
    return found


def _digests(of: Derivation, fixed: FixedOutput) -> dict[str, str] | None:
    """As evidence has them: both, of a file that a project's lock file pins by sha512. None: its NAR hash."""
    if not isinstance(fixed.digest, OtherDigest):
        return digest_set(fixed.digest)
    if "tallyKind" not in of.env:  # somebody's own
        return None
    try:
        return digest_set(Sha256.of_file(Path(fixed.path))) | {fixed.digest.algorithm: fixed.digest.hex}
    except OSError:  # it is not here
        return None


def _refused(reason: str) -> TallyError:
    return TallyError(f"refusing to sign: {reason}")
