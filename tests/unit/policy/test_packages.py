"""Packages by purl and range: in Debian's order for Debian's versions, and refused where nobody can tell."""

from __future__ import annotations

import contextlib
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.policy.rules.packages import Denied, Deny, Packages, read

XZ = Packages("pkg:deb/debian/xz-utils", "vers:deb/>=5.6.0|<5.6.2")


@pytest.mark.parametrize(
    ("version", "within"),
    [
        ("5.6.0-0.2", True),
        ("5.6.1-1", True),
        ("5.6.1%2Breally5.4.5-1", True),
        ("5.6.0~rc1-1", False),
        ("5.4.1-0.2", False),
        ("5.6.2", False),
        ("1:5.6.1-1", False),
        ("1%3A5.6.1-1", False),
    ],
)
def test_a_range_of_debian_versions(version: str, within: bool) -> None:
    assert XZ.holds(read(f"pkg:deb/debian/xz-utils@{version}?arch=amd64")) is within


def test_what_is_meant() -> None:
    gcc = read("pkg:deb/debian/gcc-12@12.2.0-14?arch=amd64")
    assert Packages("pkg:deb/debian/gcc-12").holds(gcc)
    assert Packages("pkg:deb/debian/gcc-12@12.2.0-14").holds(gcc)
    assert Packages("pkg:deb/debian/gcc-12?arch=amd64").holds(gcc)
    assert Packages("pkg:deb/debian/gcc-12", "vers:deb/*").holds(gcc)
    assert not Packages("pkg:deb/debian/gcc-12@12.2.0-15").holds(gcc)
    assert not Packages("pkg:deb/debian/gcc-12?arch=arm64").holds(gcc)
    assert not Packages("pkg:deb/debian/gcc").holds(gcc)
    assert not Packages("pkg:deb/ubuntu/gcc-12").holds(gcc)
    assert not Packages("pkg:generic/gcc-12").holds(gcc)


@pytest.mark.parametrize(
    ("purl", "versions"),
    [
        ("xz-utils", None),
        ("pkg:deb", None),
        ("pkg:deb/debian/" + "x" * 2000, None),
        ("pkg:deb/debian/xz-utils@5", "vers:deb/<6"),
        ("pkg:deb/debian/xz-utils", "vers:pypi/<6"),
        ("pkg:deb/debian/xz-utils", "<6"),
        ("pkg:deb/debian/xz-utils", "vers:deb/"),
        ("pkg:deb/debian/xz-utils", "vers:deb/>=a"),
        ("pkg:deb/debian/xz-utils", "vers:unheard-of/<1"),
        ("pkg:deb/debian/xz-utils", ""),
        ("pkg:deb/debian/xz-utils", "vers:deb/<5|<7"),
        ("pkg:deb/debian/xz-utils", "vers:deb/>5|<=5"),
        ("pkg:nuget/x", "vers:nuget/<abc"),
    ],
)
def test_what_is_no_package_or_no_range(purl: str, versions: str | None) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Packages(purl, versions)


@pytest.mark.parametrize("purl", ["pkg:deb/debian/xz-utils", "pkg:deb/debian/xz-utils@not!a!version", "pkg:"])
def test_what_cannot_be_told_is_refused(purl: str) -> None:
    assert list(Deny((Denied(XZ, "a backdoor"),))._against(purl))


@pytest.mark.parametrize("version", ["abc", "%", "1.0!"])
def test_what_its_kind_of_version_cannot_hold_is_refused(version: str) -> None:
    (reason,) = Deny((Denied(Packages("pkg:nuget/x", "vers:nuget/<2"), "a backdoor"),))._against(
        f"pkg:nuget/x@{version}"
    )
    assert "cannot be compared" in reason.sentence


PARTS = st.lists(
    st.tuples(st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), st.text("019.-+~:aéz ", max_size=5)),
    max_size=4,
)
SCHEMES = ["alpm", "apk", "cargo", "deb", "ebuild", "gem", "golang", "maven", "npm", "nuget", "pypi", "rpm"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SCHEMES), PARTS, st.text(max_size=6))
def test_whatever_is_asked_of_whatever_is_answered(
    scheme: str, parts: list[tuple[str, str]], version: str
) -> None:
    """A range that was read is compared with every version, or says that it cannot be."""
    from urllib.parse import quote

    with contextlib.suppress(ValueError):
        packages = Packages(f"pkg:{scheme}/a/b", f"vers:{scheme}/" + "|".join(map("".join, parts)))
        assert packages.holds(read(f"pkg:{scheme}/a/b@{quote(version, safe='')}")) in (True, False)


version = st.from_regex(r"\A([0-2]:)?[0-9][0-9ab.+~]{0,5}(-[0-9a.~]{1,3})?\Z")


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is what is compared with")
@settings(max_examples=60, deadline=None)
@given(version, version)
def test_debian_versions_are_ordered_as_dpkg_orders_them(one: str, other: str) -> None:
    less = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0
    from urllib.parse import quote

    found = read(f"pkg:deb/debian/x@{quote(one, safe='')}")
    assert Packages("pkg:deb/debian/x", f"vers:deb/<{other}").holds(found) is less
