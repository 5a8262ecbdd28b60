"""An input that nobody here rebuilt, with the key whose signature is believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.caches.narinfo import Narinfo, parse
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.signature import PublicKey


class CachesDisagree(TallyError):
    """Two caches serve different bytes for one path, each with a signature that is believed: an honest no."""

    exit_code = ExitCode.NO


@dataclass(frozen=True, slots=True)
class Believed:
    """A store path as a cache has it, by a signature that was checked."""

    path: str
    nar_hash: NarHash
    nar_size: int
    references: tuple[str, ...]
    """Sorted, the path itself among them where it refers to itself: what the signature is over."""
    cache: str
    """The cache's address, without credentials."""
    key: PublicKey
    signature: str
    """`NAME:BASE64`."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is believed of a path, and where its bytes are to be had."""

    believed: Believed
    narinfo: Narinfo


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep builders rebuild, in derivations; those with fixed outputs are not counted."""

    derivations: int
    rebuilt: int
    keys: tuple[str, ...]
    """Names of the keys by whose signature the others are believed."""
    caches: tuple[str, ...]

    @property
    def believed(self) -> int:
        return self.derivations - self.rebuilt


@dataclass(frozen=True, slots=True)
class Beliefs:
    """What one run believes, and what it rebuilds."""

    paths: Mapping[str, Believed] = field(default_factory=dict)
    """By store path: all that is taken from caches, runtime references too."""
    rebuilt: frozenset[str] = frozenset()
    """`.drv` paths of what every builder builds. Of no meaning where nothing is believed."""

    def __bool__(self) -> bool:
        return bool(self.paths)

    def depth(self, graph: DerivationGraph) -> Depth:
        """How deep they are in the closure of a target whose share they are."""
        return Depth(
            sum(each.fixed is None for each in graph.derivations.values()),
            len(self.rebuilt),
            tuple(sorted({each.key.name for each in self.paths.values()})),
            tuple(sorted({each.cache for each in self.paths.values()})),
        )

    def of(self, graph: DerivationGraph) -> Beliefs:
        """One target's share of them: of what its own roots need."""
        left = [root for root in graph.roots if root in self.rebuilt]
        reached = set(left)
        queue: list[str] = []
        while left:
            for below, names in graph[left.pop()].input_derivations.items():
                if below in self.rebuilt and below not in reached:
                    reached.add(below)
                    left.append(below)
                queue += (graph[below].outputs[name] for name in names)
        paths: dict[str, Believed] = {}
        while queue:
            path = queue.pop()
            if path in self.paths and path not in paths:
                paths[path] = self.paths[path]
                queue.extend(paths[path].references)
        return Beliefs(paths, self.rebuilt & reached)


NOTHING = Beliefs()


def read(path: str, data: bytes, cache: str) -> Narinfo:
    """A cache's answer about a path, which nobody has believed yet. Raises TallyError."""
    try:
        narinfo = parse(data)
    except ValueError as error:
        raise unusable(path, cache, f"its narinfo {error}") from None
    if narinfo.path != path:
        raise unusable(path, cache, f"its narinfo is that of another path, {narinfo.path}")
    return narinfo


def offered(path: str, data: bytes, cache: str, keys: Sequence[PublicKey]) -> Offer:
    """A cache's answer about a path, believed. Raises TallyError naming the path and the cache."""
    narinfo = read(path, data, cache)
    signed = narinfo.signed_by(keys)
    if signed is None:
        raise unusable(path, cache, _unsigned(narinfo, keys), hint=_KEYS)
    key, signature = signed
    return Offer(
        Believed(path, narinfo.nar_hash, narinfo.nar_size, narinfo.references, cache, key, signature), narinfo
    )


def one_of(offers: Sequence[Offer]) -> Offer:
    """The first of several caches' offers of one path. Raises CachesDisagree where they are not the same."""
    first, *others = offers
    for other in others:
        if other.believed.nar_hash != first.believed.nar_hash:
            raise CachesDisagree(
                f"{first.believed.path} is not the same in two caches:\n"
                + "\n".join(
                    f"  {each.cache}: NAR {each.nar_hash}, signed by {each.key.name}"
                    for each in (first.believed, other.believed)
                ),
                hint="one of them is wrong, or the derivation does not reproduce: rebuild it, with "
                f"--rebuild {first.believed.path.partition('-')[2]}",
            )
        if other.believed.references != first.believed.references:
            raise CachesDisagree(
                f"{first.believed.path} refers to other paths in {other.believed.cache} than in "
                f"{first.believed.cache}, each by a signature that is believed",
                hint="leave one of the two caches out of tally.toml",
            )
    return first


_KEYS = '`inputs.keys` in tally.toml are the keys that are believed; `from = "build"` believes none'


def unusable(path: str, cache: str, why: str, hint: str | None = None) -> TallyError:
    """The error for what a cache has of a path and cannot be taken."""
    return TallyError(f"{path} cannot be taken from the cache {cache}: {why}", hint=hint)


def _unsigned(narinfo: Narinfo, keys: Sequence[PublicKey]) -> str:
    if not narinfo.signatures:
        return "nobody signed it there"
    names = sorted({each.partition(":")[0][:100] for each in narinfo.signatures})
    ours = {key.name for key in keys}
    if wrong := [name for name in names if name in ours]:
        return f"the signature by {wrong[0]} is not one over what the narinfo says"
    return f"it is signed by {', '.join(names)}, and none of these is a key that is believed"
