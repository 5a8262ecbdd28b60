"""Believed inputs with real Nix: taken from caches into stores, and released with what they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from caches import Binary, SigningKey, nar_of
from releases import store_path

from orchestrator.caches.cache import Caches
from orchestrator.caches.taking import take
from orchestrator.ground.errors import TallyError
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix

KEY = SigningKey("ours-1")
LIBRARY, PROGRAM = store_path("library-1.0"), store_path("program-1.0")
CONTENT = b"the library\n" * 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChrootStore]:
    (tmp_path / "scratch").mkdir()
    return ChrootStore(Nix.find(tmp_path / "scratch"), tmp_path / "store")


def cache_of(content: bytes = CONTENT) -> Binary:
    found = Binary(KEY)
    # Nix copies in the order of references: the program has a path that sorts before or after its library's
    found.add(LIBRARY, nar_of(content), [LIBRARY], "xz")
    found.add(PROGRAM, nar_of(b"the program"), [LIBRARY, PROGRAM], "zstd")
    return found


def taking(address: str, store: ChrootStore) -> list[str]:
    said: list[str] = []
    caches = Caches((address,), (KEY.public,))
    take(caches, caches.offers([PROGRAM, LIBRARY]), store, said.append)
    return said


def test_believed_paths_come_into_a_store_as_they_were_signed(store: ChrootStore) -> None:
    with cache_of().served() as server:
        assert taking(server.address, store) == ["taking 2 inputs of 0.0 MiB from 1 cache"]
        infos = store.information([LIBRARY, PROGRAM])
        assert infos[PROGRAM].references == (LIBRARY,)
        assert store.physical(LIBRARY).read_bytes() == CONTENT
        assert store.nar_hash(LIBRARY) == infos[LIBRARY].nar_hash
        assert not list(store.nix.scratch.glob("believed-*"))
        server.asked.clear()
        assert taking(server.address, store) == [], "what is there is not fetched again"
        assert not [each for each in server.asked if each.endswith((".xz", ".zstd"))]
    with cache_of(b"other bytes").served() as server:
        with pytest.raises(TallyError, match="in our store is NAR") as error:
            taking(server.address, store)
        assert LIBRARY in error.value.message
        assert server.address in error.value.message


@pytest.mark.parametrize("bad", ["truncated", "huge"])
def test_nothing_enters_a_store_where_one_path_is_not_as_signed(store: ChrootStore, bad: str) -> None:
    of = cache_of()
    if bad == "truncated":
        name = f"nar/{PROGRAM[11:43]}.nar.zstd"
        of.files[name] = of.files[name][:-5]
    else:
        of.huge(PROGRAM, 1 << 60)
    with of.served() as server:
        with pytest.raises(TallyError) as error:
            taking(server.address, store)
        if bad == "huge":
            assert not [each for each in server.asked if each.endswith((".xz", ".zstd"))]
    assert f"{PROGRAM} cannot be taken from the cache {server.address}" in error.value.message
    assert store.invalid([LIBRARY, PROGRAM]) == {LIBRARY, PROGRAM}
    assert not store.holds(PROGRAM)
