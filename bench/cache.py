"""A Nix binary cache of 10,000 paths, signed by two builders and the release's key, against `nix copy`.

Found in the builders' stores, hashed, signed, written, read back: all that `tally publish RELEASE
cache+file:///DIR --with-runtime` does once the release is verified.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import closures
from measure import Figure, alternately, raw_nix, run

from orchestrator.caches.writing import BinaryCache
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.state import State
from orchestrator.nix import database
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.signature import SecretKey
from orchestrator.publishing.agreed import Stores
from orchestrator.publishing.caches.folder import CacheFolder
from orchestrator.publishing.named import Named
from orchestrator.stories import caching

PATHS = 10_000
LIMIT = 1.3
_BUILDERS = ("a", "b")


def figures(count: int = PATHS, rounds: int = 1) -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        folder = Path(name)
        made = closures.make(folder / "made", count)
        state = State(folder / "state")
        for builder in _BUILDERS:
            state.store(builder).parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(made.store.root, state.store(builder), symlinks=True)
        named = _named(ChrootStore(made.store.nix, state.store("a")), made.output)
        ours, theirs = alternately(
            rounds,
            lambda: _written(folder / "ours", named, state, made.store),
            lambda: _copied(folder / "theirs", state.store("a"), made.output),
        )
    holds = ours <= LIMIT * theirs
    what = f"a cache of {count:,} paths"
    return [Figure(what, ours, theirs, "nix copy --to file://", "s", holds, f"{LIMIT}x")]


def _named(store: ChrootStore, target: str) -> Named:
    """What the links of a release with this runtime closure say."""
    rows = database.rows(store.root, [target], closure=True)
    assert rows is not None
    digests = {path: {NAR_SHA256: each.nar_hash.hex} for path, each in rows.items()}
    links = {
        f"links/build.{builder}.link": Link(
            materials=digests,
            products={target: digests[target]},
            identity={},
            builder=builder,
            payload=b"",
            sandbox={},
            finished=None,
        )
        for builder in _BUILDERS
    }
    return Named(links)


def _written(folder: Path, named: Named, state: State, store: ChrootStore) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    keys = {each: SecretKey.generate(each) for each in (*_BUILDERS, "release")}
    builders = {
        each: caching.Builder(ChrootStore(store.nix, state.store(each)), keys[each]) for each in _BUILDERS
    }
    found = Stores.of(named, state, folder).closure(runtime=True, believed=False)
    signatures = caching.signed(found, builders, keys["release"])
    cache = BinaryCache(CacheFolder(folder))
    caching.written(cache, found, signatures, lambda _: None)
    caching.read_back(cache, found, signatures, lambda _: None)


def _copied(folder: Path, store: Path, target: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    experimental = {"NIX_CONFIG": f"{raw_nix()['NIX_CONFIG']}experimental-features = nix-command\n"}
    command = ["nix", "copy", "--no-check-sigs", "--from", store, "--to", f"file://{folder}", target]
    run(command, more={**raw_nix(), **experimental})
