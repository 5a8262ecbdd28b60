"""A file of checksums follows what it has the sums of; a digest of nothing that is here does not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.agreement.trees import Side
from orchestrator.diagnosis.mirrors import digests_of, with_mirrors
from orchestrator.places.search import places

FORMS: dict[str, Callable[[bytes], str]] = {
    "md5sum": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "sha256sum": lambda data: hashlib.sha256(data).hexdigest(),
    "sha512, upper case": lambda data: hashlib.sha512(data).hexdigest().upper(),
    "the RECORD of a wheel": lambda data: (
        base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    ),
}


# a kind of sum that is not worked out: what it is the sum of is told by its line
FORMS["cksum"] = lambda data: str(7_000_000 - sum(data) ** 2)


def found(folder: Path, sums: Callable[[bytes], str]) -> dict[str, bool]:
    """Whether each file that differs is known to follow from another."""
    sides = []
    for name, stamp in (("a", b"10:00:01"), ("b", b"10:00:02")):
        side = folder / name
        side.mkdir()
        (side / "tool").write_bytes(b"built at " + stamp)
        (side / "SUMS").write_text(f"{sums(b'same')}  same\n{sums(b'built at ' + stamp)}  tool\n")
        sides.append(Side(name, side))
    one, two = sides
    return {each.file: each.mirrors for each in with_mirrors(places(one, two), digests_of(one, two))}


@pytest.mark.parametrize("form", FORMS)
def test_sums_follow_the_file_that_differs(tmp_path: Path, form: str) -> None:
    assert found(tmp_path, FORMS[form]) == {"SUMS": True, "tool": False}


def test_other_digests_follow_from_nothing(tmp_path: Path) -> None:
    sides = []
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "id").write_text(hashlib.sha256(name.encode() + b"salt").hexdigest())
        (tmp_path / name / "tool").write_text(name)
        (tmp_path / name / "log").write_text(f"made tool at 10:00:0{ord(name) - ord('a')}\n")
        sides.append(Side(name, tmp_path / name))
    one, two = sides
    seen = with_mirrors(places(one, two), digests_of(one, two))
    assert {each.file: each.mirrors for each in seen} == dict.fromkeys(("id", "log", "tool"), False)
    assert set(digests_of(Side("a", tmp_path / "a"), Side("b", tmp_path / "a"))) == set()
