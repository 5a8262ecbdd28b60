"""Package URLs are written in the one spelling that their type has, and read back as the same."""

from __future__ import annotations

import pytest

from orchestrator.policy.rules.packages import read
from orchestrator.recipe.purls import package_url


@pytest.mark.parametrize(
    ("kind", "name", "version", "more", "url"),
    [
        ("pypi", "Ruamel.yaml__Clib", "2023.07.22", {}, "pkg:pypi/ruamel-yaml-clib@2023.7.22"),
        ("pypi", "x", "1.0RC1", {}, "pkg:pypi/x@1.0rc1"),
        ("pypi", "x", "1!2+A", {}, "pkg:pypi/x@1%212%2Ba"),
        ("pypi", "x", "2004D", {}, "pkg:pypi/x@2004d"),
        ("npm", "JSONStream", "1.0.0-RC.1", {}, "pkg:npm/jsonstream@1.0.0-RC.1"),
        ("npm", "Pad", "1", {"namespace": "@Scope"}, "pkg:npm/%40scope/pad@1"),
        (
            "deb",
            "libstdc++6",
            "1:2.0~rc1+b1",
            {"namespace": "debian", "arch": "amd64"},
            "pkg:deb/debian/libstdc%2B%2B6@1:2.0~rc1%2Bb1?arch=amd64",
        ),
        ("generic", "g++", None, {"checksum": "sha256:00"}, "pkg:generic/g%2B%2B?checksum=sha256:00"),
        ("generic", "a b", "", {}, "pkg:generic/a%20b"),
    ],
)
def test_one_spelling(kind: str, name: str, version: str | None, more: dict[str, str], url: str) -> None:
    assert package_url(kind, name, version, **more) == url
    assert read(url).to_string() == url
