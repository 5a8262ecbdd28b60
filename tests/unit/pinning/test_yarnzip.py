"""The archive that yarn makes of a package: its digest, and what has none."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from npm_packages import tarball

from orchestrator.dependencies.dependency import Dependency, YarnHash
from orchestrator.ground.unreachable import Unreachable
from orchestrator.pinning.hashpins import hash_of
from orchestrator.pinning.yarnzip import sha512_of

MADE_BY_YARN = (
    "004d34cca92e5c92eda6a0567ff10dc178eccecff5d48ae3c937836dff1f738c"
    "57f71b80b3989001bdd264eb675f31be0c6a8f51f77b91ee7b0789885df7bf7a"
)
"""By yarn 4.18.1 of this very tarball."""


def test_it_is_what_yarn_makes(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(tarball("@own/a", **{"bin/run.js": "1", "lib/x/y.js": "2"}))
    assert sha512_of(tmp_path / "a.tgz", "@own/a") == MADE_BY_YARN
    of = Dependency("@own/a", "1.0.0", "a.tgz", YarnHash("10c0/00"), (), "npm", 1)
    assert hash_of(tmp_path / "a.tgz", of) == YarnHash(f"10c0/{MADE_BY_YARN}")


@pytest.mark.parametrize("data", [b"", b"no tarball", tarball("a")[:100]])
def test_what_is_no_tarball(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(data)
    with pytest.raises(Unreachable, match="no tarball that can be read"):
        sha512_of(tmp_path / "a.tgz", "a")


def test_links_and_ways_out_are_refused(tmp_path: Path) -> None:
    for member in (tarfile.TarInfo("package/../x"), tarfile.TarInfo("package/link")):
        member.type = tarfile.SYMTYPE if member.name.endswith("link") else tarfile.REGTYPE
        with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
            tar.addfile(member)
        with pytest.raises(Unreachable, match="which no registry would pack"):
            sha512_of(tmp_path / "a.tgz", "a")
