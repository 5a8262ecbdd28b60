"""The archive that yarn makes of a package: its digest, and what has none."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from npm_packages import tarball

from orchestrator.dependencies.dependency import Dependency, YarnHash
from orchestrator.dependencies.node.berry_form import Form, form_of
from orchestrator.ground.unreachable import Unreachable
from orchestrator.pinning.hashpins import hash_of
from orchestrator.pinning.yarnzip import sha512_of

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


def test_forms() -> None:
    assert form_of("8c0") == form_of("10c0") == PLAIN
    assert form_of("8c5") == Form(PLAIN.time, 5)
    assert form_of("8") == Form(PLAIN.time, None)
    for key in ("10", "10c9", "9", "11c0", "", "8c"):
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
