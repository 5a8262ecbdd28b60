"""What a published package shows of how it was built."""

from __future__ import annotations

import gzip

import pytest
from deb_making import deb, tar

from orchestrator.served.deb_shown import options_of


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
