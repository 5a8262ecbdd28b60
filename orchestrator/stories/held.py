"""What a builder's own store holds of derivations and of everything below them, for its host to look at."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.evidence.materials import built_here, digest_set
from orchestrator.ground.digest import OtherDigest
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.nix.derivation import Derivation, DerivationGraph, name_of, parse
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
            found |= {path: parse(path, read(path)) for path in sorted(level)}
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
        self, said: Mapping[str, Mapping[str, str]], top: str, named: frozenset[str], *, whole: bool
    ) -> Iterator[str]:
        """Why these are not the materials of `top`, a sentence each.

        What is fetched has the digest of its derivation; the rest has the hash that the store has for it.
        With `whole` everything that the build needs has to be there. `named` are those whose outputs are
        products.
        """
        graph = self.graph.derivations.values()
        fixed: dict[str, dict[str, str]] = {}
        files = {path for each in graph for path in each.input_sources}
        for each in graph:
            if each.fixed is None:
                continue
            if isinstance(each.fixed.digest, OtherDigest):  # evidence has its NAR hash
                files.add(each.fixed.path)
            else:
                fixed[each.fixed.path] = digest_set(each.fixed.digest)
        built = {
            path
            for each in graph
            if each.fixed is None and each.path not in named
            for path in each.outputs.values()
        }
        if strange := sorted(set(said) - fixed.keys() - files - built):
            yield f"the link names the material {strange[0][:120]!r}, which no derivation uses"
            return
        if whole and (missing := sorted(self._needed(top, named) - set(said))):
            yield f"the link does not name the material {missing[0]}, which a derivation uses"
        stored = sorted(set(said) - fixed.keys())
        if absent := sorted(self.store.invalid(stored)):
            yield f"the material {absent[0]} is not in this host's store"
            return
        yield from self.not_built(sorted(built.intersection(stored) - files))
        hashes = {path: digest_set(info.nar_hash) for path, info in self.store.information(stored).items()}
        for path, digests in said.items():
            if digests != (fixed.get(path) or hashes.get(path)):
                yield f"the link has another digest of the material {path} than this host"

    def _needed(self, top: str, named: frozenset[str]) -> set[str]:
        found: set[str] = set()
        for derivation in built_here(self.graph, top):
            found.update(derivation.input_sources)
            for path, names in derivation.input_derivations.items():
                used = self.graph[path]
                if path not in named:
                    found.update(used.outputs[name] for name in names if name in used.outputs)
        return found


def text_of(path: str) -> str:
    """A derivation in the host's own store. Raises TallyError when it is not what its path stands for."""
    try:
        data = contents(Path(path), _LARGEST_DERIVATION)
        text = data.decode()
    except (OSError, ValueError) as error:
        raise _refused(f"{path} cannot be read on this host ({error})") from error
    derivation = parse(path, text)
    if text_path(name_of(path), data, [*derivation.input_derivations, *derivation.input_sources]) != path:
        raise _refused(f"{path} was changed in this host's store: its text is not what its name stands for")
    return text


def _refused(reason: str) -> TallyError:
    return TallyError(f"refusing to sign: {reason}")
