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
    ("asked", "spelt", "same"),
    [
        ("pkg:pypi/ruamel.yaml", "pkg:pypi/ruamel-yaml@0.1", True),
        ("pkg:pypi/ruamel.yaml", "pkg:pypi/Ruamel__Yaml@0.1", True),
        ("pkg:pypi/ruamel-yaml", "pkg:pypi/ruamel.yaml@0.1", True),
        ("pkg:pypi/ruamel-yaml", "pkg:pypi/ruamelyaml@0.1", False),
        ("pkg:pypi/a@1.0", "pkg:pypi/a@1.0.0", True),
        ("pkg:pypi/a@1.0rc1", "pkg:pypi/a@1.0-RC.1", True),
        ("pkg:pypi/a@1.0", "pkg:pypi/a@1!1.0", False),
        ("pkg:deb/debian/xz-utils", "pkg:deb/Debian/XZ-Utils@5.6.1", True),
        ("pkg:deb/Debian/XZ-Utils", "pkg:deb/debian/xz-utils@5.6.1", True),
        ("pkg:deb/debian/a@5.6.1-1", "pkg:deb/debian/a@0:5.6.1-1", True),
        ("pkg:deb/debian/a@0:5.6.1-1", "pkg:deb/debian/a@5.6.1-1", True),
        ("pkg:deb/debian/a@5.6.1-1", "pkg:deb/debian/a@5.06.1-1", True),
        ("pkg:deb/debian/a@5.6.1", "pkg:deb/debian/a@5.6.1-0", True),
        ("pkg:deb/debian/a@5.6.1-1", "pkg:deb/debian/a@1:5.6.1-1", False),
        ("pkg:golang/github.com/evil/mod", "pkg:golang/GitHub.com/Evil/Mod@v1.0.0", True),
        ("pkg:golang/github.com/evil/mod@v1.0.0", "pkg:golang/github.com/evil/mod@1.0.0", True),
        ("pkg:npm/%40scope/name", "pkg:npm/%40Scope%2FName@1", True),
        ("pkg:npm/name", "pkg:npm/%40scope/name@1", False),
        ("pkg:nuget/Evil.Package", "pkg:nuget/evil.package@1", True),
        ("pkg:nuget/a@1.0", "pkg:nuget/a@1.0.0.0", True),
        ("pkg:rpm/fedora/curl@1:7.50-1", "pkg:rpm/Fedora/curl@7.50-1?arch=i386&epoch=1", True),
        ("pkg:rpm/fedora/curl@7.50-1?epoch=1", "pkg:rpm/fedora/curl@7.50-1?epoch=2", False),
        ("pkg:gem/RedCloth", "pkg:gem/redcloth@1", False),
        ("pkg:github/evil/x@a1b2c3d", "pkg:github/Evil/X@a1b2c3d", True),
        ("pkg:github/evil/x@244fd4", "pkg:github/evil/x@244fd5", False),
        ("pkg:generic/x@1.0", "pkg:generic/x@1.0.0", False),
        ("pkg:deb/debian/xz-utils", "PKG:deb/debian/xz-utils@1", True),
        ("PKG:deb/debian/xz-utils", "pkg:deb/debian/xz-utils@1", True),
        ("pkg:deb/debian/xz-utils", " Pkg:DEB/Debian/XZ-Utils@1", True),
        ("pkg:deb/debian/xz-utils", "pkg://deb//debian/x%7A-utils@1?arch=amd64", True),
        ("pkg:deb/debian/xz-utils", "pkg:deb/debian%2Fxz-utils@1", True),
    ],
)
def test_one_package_is_spelt_in_many_ways(asked: str, spelt: str, same: bool) -> None:
    assert Packages(asked).holds(read(spelt)) is same
    assert bool(list(Deny((Denied(Packages(asked), "a backdoor"),))._against(spelt))) is same


@pytest.mark.parametrize(
    ("versions", "spelt", "within"),
    [
        ("vers:deb/>=5.6.0|<5.6.2", "5.06.0", True),
        ("vers:deb/5.6.1-1", "5.6.01-1", True),
        ("vers:deb/>=5.6.0|!=5.6.1", "5.06.1", False),
        ("vers:deb/>5.6.0|<=5.6.2", "0:5.6.02", True),
        ("vers:deb/>5.6.0|<5.6.2", "5.6.02", False),
    ],
)
def test_the_ends_of_a_range_are_spelt_in_many_ways(versions: str, spelt: str, within: bool) -> None:
    assert Packages("pkg:deb/debian/x", versions).holds(read(f"pkg:deb/debian/x@{spelt}")) is within


@pytest.mark.parametrize(
    ("purl", "versions"),
    [
        ("xz-utils", None),
        ("pkg:deb", None),
        ("pkg:deb/debian/" + "x" * 2000, None),
        ("pkg:deb/debian/xz-utils@5", "vers:deb/<6"),
        ("pkg:deb/debian/xz-utils@no!version", None),
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


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:deb/debian/xz-utils",
        "pkg:deb/debian/xz-utils@not!a!version",
        "pkg:",
        "pkg:%64eb/debian/xz-utils",
        "pkg:deb/debian/../debian/xz-utils@1",
        "pkg:deb/debian/xz-utils%00@1",
        "pkg:deb/debian/xz\u202e-utils@1",
    ],
)
@pytest.mark.parametrize("packages", [XZ, Packages("pkg:deb/debian/xz-utils@5.6.1-1")])
def test_what_cannot_be_told_is_refused(purl: str, packages: Packages) -> None:
    assert list(Deny((Denied(packages, "a backdoor"),))._against(purl))


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


version = st.from_regex(r"\A([0-2]:)?[0-9][0-9ab.+~]{0,5}(-[0-9a.~]{1,3})?\Z") | st.from_regex(
    r"\A(0:)?[01]\.0{0,2}1?(-0{1,2})?\Z"  # of which many are equal
)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is what is compared with")
@settings(max_examples=60, deadline=None)
@given(version, version)
def test_debian_versions_are_ordered_as_dpkg_orders_them(one: str, other: str) -> None:
    from urllib.parse import quote

    found = read(f"pkg:deb/debian/x@{quote(one, safe='')}")
    for sign, word in (("<", "lt"), ("<=", "le"), ("", "eq"), (">=", "ge"), (">", "gt")):
        said = subprocess.run(["dpkg", "--compare-versions", one, word, other], check=False).returncode == 0
        assert Packages("pkg:deb/debian/x", f"vers:deb/{sign}{other}").holds(found) is said
        if word == "eq":
            assert Packages(f"pkg:deb/debian/x@{quote(other, safe='')}").holds(found) is said
