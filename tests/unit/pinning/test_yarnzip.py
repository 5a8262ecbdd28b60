"""The archive that yarn makes of a package: its digest, and what has none."""

from __future__ import annotations

import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from npm_packages import tarball

from orchestrator.dependencies.dependency import Dependency, YarnHash
from orchestrator.dependencies.node.berry_form import Form, form_of
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.pinning.hashpins import hash_of
from orchestrator.pinning.undigested import pinned
from orchestrator.pinning.yarnzip import sha512_of
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

FILES = {
    "bin/run.js": "1",
    "lib/x/y.js": "2",
    "empty.js": "",
    "long.js": "x = 1;\n" * 3000,
    "ä.js": "3",
}
COMPRESSED = {
    "7": "d9026bcc63e807e4b332034745183e0bf764ff2eb2868cc18ec20382b2a8929"
    "acefd28bdf4306b2d4bf74cd3d85478ab8d7c966fd23bd4f7dd5ebe89f14fdd00",
    "8": "9c06665ac642244f313991392e15439071295df936a48c8c4a41ba109a4168e"
    "db0cf2369643e6c1dd0835526bff8fe5d4709d07546bd4843a34af1c212ad7947",
}
"""By yarn 2.4.2 and 3.8.7 of a tarball with `FILES`, by the form of their archives."""
NEXT = {
    "10c1": "760eea7b20386ac74ccbcdbc4d0aae97e02656a1d87a5eea0e5b490b7b143373"
    "6a81e90b29e8180ce7aedab2df313f442da19d852475d2fb44ff5878f782c8f6",
    "10c5": "3db19f6fe6bfa03fdc7945c9ae176c79d05db1a0475fd26a0338f2d1029f2211"
    "4b04225acf6eba7b433e7058f7d21238e6dcfc73080f309310b4fe79948cce00",
    "10c9": "a3aa0506da92f4b4849f9ec9e963ddeec852284c8544e8c6ef87773d9291fdba"
    "ed840d3fc89a32b1d15cbf1e029e4862d3cf85f430b466e1981154e6dcd911b2",
}
"""By yarn 4.18.1 of the same tarball."""
LONG = "".join(f"{i * i % 977:b}{i * 7 % 113:b}" for i in range(2000))
"""A file that zlib and zlib-ng compress to other bytes at every level."""
OF_LONG = {
    "10": "147b33d7fae402f8c6627ba255d58a8d369e0217f1a1f67b4ccdacf3908fa42a"
    "d72730147370448019c3aa1341bf144cba5744cc77293624f86a7c3d84128548",
    "10c9": "8634abd3b979de654c2fe9173317c072252d996cc7fc3c1b8ad14e7f753d4635"
    "0c0b34ba21e80a8292076b2a4542049484cf52d2995d9798cb57f7705c8c9a5a",
}
"""By yarn 4.18.1 of a tarball with that alone."""
PLAIN = Form(148287040, 0)
MADE_BY_YARN = (
    "004d34cca92e5c92eda6a0567ff10dc178eccecff5d48ae3c937836dff1f738c"
    "57f71b80b3989001bdd264eb675f31be0c6a8f51f77b91ee7b0789885df7bf7a"
)
"""By yarn 4.18.1 of this very tarball."""


def test_it_is_what_yarn_makes(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(tarball("@own/a", **{"bin/run.js": "1", "lib/x/y.js": "2"}))
    assert sha512_of(tmp_path / "a.tgz", "@own/a", PLAIN) == MADE_BY_YARN
    of = Dependency("@own/a", "1.0.0", "a.tgz", YarnHash("10c0/00"), (), "npm", 1)
    assert hash_of(tmp_path / "a.tgz", of) == YarnHash(f"10c0/{MADE_BY_YARN}")


@pytest.mark.parametrize("key", COMPRESSED)
def test_it_is_what_earlier_yarns_make(key: str, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(tarball("@own/a", **FILES))
    of = Dependency("@own/a", "1.0.0", "a.tgz", YarnHash(f"{key}/00"), (), "npm", 1)
    assert hash_of(tmp_path / "a.tgz", of) == YarnHash(f"{key}/{COMPRESSED[key]}")


@pytest.mark.parametrize("key", NEXT)
def test_it_is_what_yarn_4_makes_where_it_compresses(key: str, tmp_path: Path) -> None:
    pytest.importorskip("zlib_ng")  # an extra
    (tmp_path / "a.tgz").write_bytes(tarball("@own/a", **FILES))
    form = form_of(key)
    assert form is not None
    assert sha512_of(tmp_path / "a.tgz", "@own/a", form) == NEXT[key]


@pytest.mark.parametrize("key", OF_LONG)
def test_zlib_would_make_another(key: str, tmp_path: Path) -> None:
    pytest.importorskip("zlib_ng")  # an extra
    (tmp_path / "a.tgz").write_bytes(tarball("@own/a", **{"prose.js": LONG}))
    form = form_of(key)
    assert form is not None
    assert sha512_of(tmp_path / "a.tgz", "@own/a", form) == OF_LONG[key]
    assert sha512_of(tmp_path / "a.tgz", "@own/a", replace(form, by_next=False)) != OF_LONG[key]


@pytest.mark.parametrize(("key", "needed"), [("10", True), ("10c9", True), ("10c0", False), ("8", False)])
def test_without_zlib_ng(key: str, needed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is said before anything is fetched."""
    monkeypatch.setitem(sys.modules, "zlib_ng", None)  # what an import finds where it is not installed
    (tmp_path / "a.tgz").write_bytes(tarball("a"))
    digest = YarnHash(f"{key}/{'0' * 128}")
    of = Dependency("a", "1.0.0", "a.tgz", digest, (), "npm", 1)
    sources = Sources(tmp_path / "sources", Mirrors())
    with pytest.raises(TallyError) as caught:
        pinned([of], {}, sources, "yarn.lock", lambda _: None)
    assert ("making them needs zlib-ng" in caught.value.message) == needed
    assert ("pipx inject tallystick zlib-ng" in (caught.value.hint or "")) == needed
    assert pinned([of], {digest.text: "0"}, sources, "yarn.lock", lambda _: None), "it was made before"


def test_forms() -> None:
    assert form_of("8c0") == form_of("10c0") == PLAIN
    assert form_of("8c5") == Form(PLAIN.time, 5)
    assert form_of("8") == Form(PLAIN.time, None)
    assert form_of("10") == Form(PLAIN.time, None, by_next=True)
    assert form_of("10c9") == Form(PLAIN.time, 9, by_next=True)
    for key in ("10c2", "10c3", "10c4", "9", "11c0", "", "8c"):
        assert form_of(key) is None
        of = Dependency("a", "1.0.0", "a.tgz", YarnHash(f"{key}/00"), (), "npm", 1)
        with pytest.raises(Unreachable, match="are not known"):
            hash_of(Path("a.tgz"), of)


@pytest.mark.parametrize("data", [b"", b"no tarball", tarball("a")[:100]])
def test_what_is_no_tarball(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(data)
    with pytest.raises(Unreachable, match="no tarball that can be read"):
        sha512_of(tmp_path / "a.tgz", "a", PLAIN)


def test_links_and_ways_out_are_refused(tmp_path: Path) -> None:
    for member in (tarfile.TarInfo("package/../x"), tarfile.TarInfo("package/link")):
        member.type = tarfile.SYMTYPE if member.name.endswith("link") else tarfile.REGTYPE
        with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
            tar.addfile(member)
        with pytest.raises(Unreachable, match="which no registry would pack"):
            sha512_of(tmp_path / "a.tgz", "a", PLAIN)
