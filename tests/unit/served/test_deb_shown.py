"""What a published package shows of how it was built."""

from __future__ import annotations

import gzip
import subprocess

import pytest
from deb_making import deb, tar

from orchestrator.served import deb_recipe
from orchestrator.served.deb_shown import entry_of, options_of


def changelog(years: list[int], end: str = "") -> bytes:
    entries = [
        f"small ({number}) unstable; urgency=low\n\n  * Changed.\n\n"
        f" -- A Person <person@example.org>  Sat, 01 Aug {year} 10:00:00 +0200\n\n"
        for number, year in enumerate(years)
    ]
    return gzip.compress(("".join(entries) + end).encode(), mtime=0)


NOTE = "\n# Older entries have been removed from this changelog.\n"


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("changelog.Debian.gz", changelog([2022, 2021, 2018, 2017, 2016]), ("notrimdch",)),
        ("changelog.gz", changelog([2022, 2021, 2018, 2017, 2016]), ("notrimdch",)),
        ("changelog.Debian.gz", changelog([2022, 2021, 2018, 2017]), ()),
        ("changelog.Debian.gz", changelog([2022, 2022, 2022, 2022, 2022, 2022]), ()),
        ("changelog.Debian.gz", changelog([2022, 2021, 2018, 2017, 2016], NOTE), ()),
        ("changelog.Debian.gz", b"no gzip", ()),
        ("other.gz", changelog([2022, 2021, 2018, 2017, 2016]), ()),
    ],
)
def test_whether_the_changelog_is_whole(name: str, content: bytes, options: tuple[str, ...]) -> None:
    package = deb(tar({f"usr/share/doc/small/{name}": content}))
    assert options_of(package, "small") == options


AGAIN = """small (1:2-3+b1) sid; urgency=low, binary-only=yes

  * Binary-only non-maintainer upload for amd64; no source changes.
  * Rebuild on "buildd"; it's $(done)

 -- amd64 Build Daemon (x) <buildd@example.org>  Mon, 17 Oct 2022 01:24:40 +0000
"""
BEFORE = """small (1:2-3) unstable; urgency=medium

  * Changed.

 -- A Person <person@example.org>  Sat, 01 Aug 2020 10:00:00 +0200
"""


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("changelog.Debian.gz", f"{AGAIN}\n{BEFORE}", AGAIN),
        ("changelog.Debian.amd64.gz", AGAIN, AGAIN),
        ("changelog.Debian.gz", f"{BEFORE}\n{AGAIN}", AGAIN),
        ("changelog.Debian.gz", BEFORE, None),
        ("changelog.Debian.gz", AGAIN.replace("+b1", "+b10"), None),
        ("changelog.Debian.gz", AGAIN.replace("\n --", "\nrm -rf /\n --"), None),
        ("changelog.gz", AGAIN, None),
    ],
)
def test_the_entry_of_a_source_that_was_built_once_more(name: str, content: str, found: str | None) -> None:
    package = deb(tar({f"usr/share/doc/small/{name}": gzip.compress(content.encode(), mtime=0)}))
    assert entry_of(package, "small", "amd64", "1:2-3+b1") == found


def test_an_entry_is_text_in_the_recipe() -> None:
    """Whatever it holds, a shell prints it as it is."""
    lines = [each for each in deb_recipe.entered(AGAIN) if each.startswith("printf")]
    done = subprocess.run(
        ["bash", "-c", lines[0].partition(" | ")[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{AGAIN}\n"
