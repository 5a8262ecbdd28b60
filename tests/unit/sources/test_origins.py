"""Origins: where each fixed output of one target is from, and of that target alone."""

from __future__ import annotations

from typing import Any

from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.sources.origins import Origin, below, origins_of

ONE, TWO, TREE = "1" * 64, "2" * 64, "3" * 64


def source(name: str, sha256: str, *urls: str, purl: str | None = None, mode: str = "flat") -> dict[str, Any]:
    return {"name": name, "sha256": sha256, "mode": mode, "urls": list(urls), "purl": purl}


def request(**recipes: tuple[list[str], dict[str, Any]]) -> dict[str, Any]:
    return {
        "busybox": source("busybox-1", TREE, "mirror://debian/b.deb", mode="recursive", purl="pkg:deb/b@1"),
        "packages": {"a~1.deb": source("a_1.deb", ONE, "mirror://debian/a~1.deb")},
        "recipes": {
            name: {"inputs": inputs, "sources": sources} for name, (inputs, sources) in recipes.items()
        },
    }


def test_each_has_the_name_that_it_has_where_it_is_from() -> None:
    found = origins_of("x", request(x=([], {"src": source("x.tar", TWO, "https://a/x.tar")})))
    assert found == {
        ("busybox-1", NarHash(TREE)): Origin("busybox-1", ("mirror://debian/b.deb",), "pkg:deb/b@1"),
        ("a_1.deb", Sha256(ONE)): Origin("a~1.deb", ("mirror://debian/a~1.deb",), None),
        ("x.tar", Sha256(TWO)): Origin("x.tar", ("https://a/x.tar",), None),
    }


def test_the_same_bytes_of_two_recipes_have_the_addresses_of_both() -> None:
    asked = request(
        b=(["a"], {"src": source("x.tar", TWO, "https://b/x.tar", "https://a/x.tar", purl="pkg:pypi/x@1")}),
        a=([], {"src": source("x.tar", TWO, "https://a/x.tar")}),
    )
    found = origins_of("b", asked)["x.tar", Sha256(TWO)]
    assert found == Origin("x.tar", ("https://a/x.tar", "https://b/x.tar"), "pkg:pypi/x@1")


def test_what_another_target_of_the_run_says_is_not_told() -> None:
    asked = request(
        a=([], {"src": source("x.tar", TWO, "https://a/x.tar")}),
        other=([], {"src": source("x.tar", TWO, "https://other/x.tar")}),
    )
    assert origins_of("a", asked)["x.tar", Sha256(TWO)].urls == ("https://a/x.tar",)


def test_recipes_below_are_each_there_once() -> None:
    recipes = {"a": {"inputs": ["b", "c"]}, "b": {"inputs": ["c"]}, "c": {"inputs": []}, "d": {"inputs": []}}
    assert below("a", recipes) == ("a", "b", "c")
