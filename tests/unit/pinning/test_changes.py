"""What changed from one lock to another, in words, and which vulnerabilities with it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.pinning import tracker
from orchestrator.pinning.changes import Changes, changes
from orchestrator.recipe.lock import Busybox, Container, DebianPackage, DebianSet, Lock, NixpkgsPin, SourcePin
from orchestrator.recipe.part import System
from orchestrator.recipe.recipe import Recipe

SYSTEM: System = "x86_64-linux"


def package(name: str, version: str, source: str = "", **more: str) -> DebianPackage:
    plain = version.rpartition(":")[2]
    return DebianPackage(
        name=name,
        version=version,
        architecture="amd64",
        pool=f"pool/main/x/{source or name}/{name}_{plain}_amd64.deb",
        sha256=more.pop("sha256", f"{sum(map(ord, name + version)):064x}"),
        size=1,
        **more,
    )


def lock(*packages: DebianPackage, request: tuple[str, ...] = ("gcc",), **more: Any) -> Lock:
    files = tuple(each.file for each in packages)
    found = DebianSet(system=SYSTEM, request=request, base=(), packages=files)
    return Lock(package=packages, set=(found,)).model_copy(update=more)


def recipe(name: str, *tools: str, **more: Any) -> Recipe:
    values = {
        "name": name,
        "version": "1",
        "summary": "A test",
        "homepage": "https://example.org/",
        "license": "MIT",
        "toolchain": {"from": "debian", "packages": list(tools), **more},
        "build": {"script": "true"},
    }
    return Recipe.model_validate(values)


USERS = {"a": recipe("a", "gcc"), "b": recipe("b", "gcc"), "c": recipe("c", "make")}


def lines(old: Lock, new: Lock) -> list[str]:
    return list(changes(old, new, USERS).lines())


def test_each_way_that_a_package_goes() -> None:
    old = lock(
        package("gone", "1"), package("less", "1:1"), package("more", "1.0~rc1-1"), package("stays", "1")
    )
    new = lock(
        package("come", "2"),
        package("less", "2"),
        package("more", "1.0-1"),
        package("stays", "1"),
    )
    assert lines(old, new) == [
        "gcc on x86_64-linux, Debian bookworm (a, b): 1 up, 1 down, 1 in, 1 out",
        "  up    more 1.0~rc1-1 -> 1.0-1",
        "  down  less 1:1 -> 2",
        "  in    come 2",
        "  out   gone 1",
    ]
    assert lines(old, old) == []
    same = lock(package("stays", "1", sha256="1" * 64))
    assert lines(lock(package("stays", "1")), same)[1] == "  again stays 1 -> 1"


def test_a_list_or_a_suite_that_changed_is_compared_with_the_one_before() -> None:
    old, new = lock(package("gcc", "1")), lock(package("gcc", "2"), request=("gcc", "make"))
    assert lines(old, new) == [
        "gcc, make on x86_64-linux, Debian bookworm, instead of gcc on x86_64-linux: 1 up",
        "  up    gcc 1 -> 2",
    ]
    assert lines(old, lock(package("gcc", "2"), suite="trixie"))[0] == (
        "gcc on x86_64-linux, Debian bookworm -> Debian trixie (a, b): 1 up"
    )
    other = lock(package("make", "2"), request=("make",))
    assert lines(old, other) == [
        "make on x86_64-linux, Debian bookworm (c), new: 1 in",
        "gcc on x86_64-linux, Debian bookworm, locked no more: 1 out",
    ]


def test_toolchains_with_one_change_are_told_of_once() -> None:
    def both(version: str) -> Lock:
        libc, make = package("libc6", version), package("make", "4")
        one = DebianSet(system=SYSTEM, request=("gcc",), base=(), packages=(libc.file,))
        two = DebianSet(system=SYSTEM, request=("make",), base=(), packages=(libc.file, make.file))
        machine = DebianSet(system=SYSTEM, request=("nix-bin",), base=(), packages=(make.file,))
        return Lock(package=(libc, make), set=(one, two), machine=(machine,))

    assert lines(both("1"), both("2")) == [
        "gcc on x86_64-linux; make on x86_64-linux, Debian bookworm (a, b, c): 1 up",
        "  up    libc6 1 -> 2",
    ]


def test_what_is_no_toolchain() -> None:
    old_box, new_box = package("busybox-static", "1"), package("busybox-static", "2")
    old = lock(
        old_box,
        busybox=(Busybox(system=SYSTEM, package=old_box.file, nar_sha256="0" * 64),),
        source={"a": {"src": SourcePin(kind="url", sha256="1" * 64)}},
    )
    new = lock(
        new_box,
        set=(),
        busybox=(Busybox(system=SYSTEM, package=new_box.file, nar_sha256="1" * 64),),
        source={"a": {"src": SourcePin(kind="git", nar_sha256="2" * 64, rev="3" * 40)}},
        nixpkgs=NixpkgsPin.model_validate({"type": "github", "rev": "4" * 40}),
    )
    assert lines(old, new)[1:] == [
        "busybox on x86_64-linux: 1 -> 2",
        f"a: source src: url {'1' * 64} -> git {'3' * 40}",
        f"nixpkgs: in {'4' * 40}",
    ]
    assert f"nixpkgs: out {'4' * 40}" in lines(new, old)


def test_an_image_that_is_new_or_gone() -> None:
    image = Container(image="a.b/c@sha256:1", system=SYSTEM, manifest="1" * 64, layer=())
    with_it = lock(package("x", "1"), container=(image,))
    assert lines(lock(package("x", "1")), with_it) == ["the image a.b/c@sha256:1 on x86_64-linux: in"]
    assert lines(with_it, lock(package("x", "1"))) == ["the image a.b/c@sha256:1 on x86_64-linux: out"]


TRACKER = {
    "glibc": {
        "CVE-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "2.36-9+deb12u2"}}},
        "CVE-2": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "0"}}},
        "CVE-3": {
            "releases": {
                "bookworm": {"status": "open"},
                "trixie": {"status": "resolved", "fixed_version": "2.41-1"},
            }
        },
        "CVE-4": {"releases": {"trixie": {"status": "open"}}},
        "CVE-5": {"releases": {"bookworm": {"status": "undetermined"}}},
        "CVE-6": {"description": "of no release"},
        "CVE-7": {
            "releases": {
                "bookworm": {"status": "resolved", "fixed_version": "2.36-9+deb12u9"},
                "trixie": {"status": "open"},
            }
        },
    },
    "other": {"CVE-8": {"releases": {}}},
}


def judged(old: Lock, new: Lock, told: object = TRACKER) -> Changes:
    found = changes(old, new, USERS)
    known = tracker.read(json.dumps(told).encode(), "dump.json", tracker.sources_of(found))
    return tracker.with_vulnerabilities(found, known)


def test_vulnerabilities_that_are_closed_and_opened() -> None:
    before = lock(package("libc6", "2.36-9+deb12u1", "glibc"))
    after = lock(package("libc6", "2.36-9+deb12u2+b1", "glibc"))
    assert list(judged(before, after).lines())[1].endswith("deb12u2+b1; closes CVE-1")
    assert list(judged(after, before).lines())[1].endswith("deb12u1; opens CVE-1")
    # each release by what is said of itself: CVE-4 says nothing of bookworm
    newer = lock(package("libc6", "2.41-12", "glibc"), suite="trixie")
    fixed = lock(package("libc6", "2.36-9+deb12u10", "glibc"))
    assert list(judged(fixed, newer).lines())[1].endswith("-> 2.41-12; closes CVE-3; opens CVE-7")
    (found,) = judged(before, after).document()["toolchains"]
    assert found["packages"][0]["closed"] == ["CVE-1"]
    assert (found["recipes"], found["before"], found["after"]) == (["a", "b"], "bookworm", "bookworm")


def test_of_versions_that_are_not_the_sources_own() -> None:
    told = {
        "gcc-defaults": {
            "CVE-1": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1.203"}}}
        }
    }
    old = lock(package("gcc", "4:12", "gcc-defaults", source_version="1.202"))
    new = lock(package("gcc", "4:13", "gcc-defaults", source_version="1.203"))
    assert list(judged(old, new, told).lines())[1].endswith("closes CVE-1")
    silent = lock(package("gcc", "4:12", "gcc-defaults"))
    assert (
        "nobody can tell which vulnerabilities changed of gcc" in list(judged(silent, new, told).lines())[-1]
    )
    moved = lock(package("gcc", "4:13", "gcc-new"))
    assert "it has another source now" in list(judged(silent, moved, told).lines())[-1]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is no JSON object"),
        (b"[]", "it is no JSON object"),
        (b'{"a": {}', "it ends at character 8"),
        (b'{"a" {}}', "a name and a colon belong at character 5"),
        (b'{"glibc": []}', "has no identifiers with releases"),
        (b'{"glibc": {"CVE-1": {"releases": {"bookworm": 1}}}}', "has no identifiers with releases"),
        (b'{"glibc": {"CVE-1": 1}}', "has no identifiers with releases"),
        (b'{"a": ' + b"[" * 100_000, "no dump of the security tracker"),
        (b"\xff", "no dump of the security tracker"),
        (b"{1: 2}", "a name and a colon"),
    ],
)
def test_what_is_no_dump(data: bytes, says: str) -> None:
    with pytest.raises(TallyError) as caught:
        tracker.read(data, "dump.json", {"glibc"})
    assert caught.value.message.startswith("dump.json: ")
    assert says in caught.value.message


def test_a_dump_with_nothing_in_it() -> None:
    assert tracker.read(b" { } ", "dump.json", {"glibc"}) == {}
