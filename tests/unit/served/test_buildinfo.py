"""What a .buildinfo file says, and what it cannot be taken for."""

from __future__ import annotations

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.served.buildinfo import parse

TEXT = f"""Format: 1.0
Source: small (1.0-1)
Binary: small
Architecture: all
Version: 1.0-1
Checksums-Sha256:
 {"a" * 64} 1234 small_1.0-1_all.deb
Build-Path: /build/reproducible-path/small-1.0
Installed-Build-Depends:
 bash (= 5.2.15-2+b2),
 libc6:amd64 (= 2.36-9),
 libc6:i386 (= 2.36-9),
 cpp (= 4:12.2.0-3)
Environment:
 DEB_BUILD_OPTIONS="parallel=4 notrimdch"
 LANG="C.UTF-8"
"""
SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA512

{TEXT}
-----BEGIN PGP SIGNATURE-----

iQ==
-----END PGP SIGNATURE-----
"""


@pytest.mark.parametrize("text", [TEXT, SIGNED])
def test_what_it_says(text: str) -> None:
    found = parse(text, "small.buildinfo", "amd64")
    assert (found.source, found.version) == ("small", "1.0-1")
    assert found.files == {"small_1.0-1_all.deb": "a" * 64}
    versions = {"bash": "5.2.15-2+b2", "libc6": "2.36-9", "libc6:i386": "2.36-9", "cpp": "4:12.2.0-3"}
    assert found.installed == versions
    assert found.options == ("notrimdch",)
    assert found.path == "/build/reproducible-path/small-1.0"


@pytest.mark.parametrize("path", ["/home/me/small", "/build/../etc", "/build/$(x)", "/build", ""])
def test_a_folder_that_cannot_be_had_here(path: str) -> None:
    text = TEXT.replace("/build/reproducible-path/small-1.0", path)
    assert parse(text, "small.buildinfo", "amd64").path is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Installed-Build-Depends:", "Other:", "no Installed-Build-Depends"),
        ("Source: small (1.0-1)\n", "", "is no .buildinfo file"),
        ("(= 5.2.15-2+b2)", "(>= 5)", "names no package with its version"),
        ("a" * 64, "a" * 63, "no file's sha256"),
    ],
)
def test_what_is_none(old: str, new: str, said: str) -> None:
    with pytest.raises(TallyError, match=said) as caught:
        parse(TEXT.replace(old, new), "small.buildinfo", "amd64")
    assert "small.buildinfo" in caught.value.message
    assert caught.value.hint
