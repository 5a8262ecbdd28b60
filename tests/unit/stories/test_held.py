"""Fixed outputs by sha512, as lock files of projects pin them, in what a builder's host looks at."""

from __future__ import annotations

from hashlib import sha256, sha512
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.stories.held import _digests, _parsed

DRV = "/nix/store/1b9y9rr0dd4ynhzbkmfhzvhs13g4ad7s-a.tgz.drv"


def _text(path: Path, method: str, digest: str, *variables: str) -> str:
    env = "".join(f',("{name}","source")' for name in variables)
    made = f'("out","{path}","{method}","{digest}")'
    return f'Derive([{made}],[],[],"x86_64-linux","/b",[],[("out","{path}"){env}])'


def test_a_file_has_both_digests(tmp_path: Path) -> None:
    file = tmp_path / "a.tgz"
    file.write_bytes(b"a")
    pinned = sha512(b"a").hexdigest()
    ours = _parsed(DRV, _text(file, "sha512", pinned, "tallyKind"))
    assert ours.fixed is not None
    assert _digests(ours, ours.fixed) == {"sha256": sha256(b"a").hexdigest(), "sha512": pinned}
    file.unlink()
    assert _digests(ours, ours.fixed) is None
    theirs = _parsed(DRV, _text(file, "sha512", pinned))
    assert theirs.fixed is not None
    assert _digests(theirs, theirs.fixed) is None


@pytest.mark.parametrize("method", ["sha1", "md5", "r:sha512"])
def test_no_other_digest_is_evidence(method: str, tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="fixes its output by"):
        _parsed(DRV, _text(tmp_path / "a", method, "0" * 40, "tallyKind"))
