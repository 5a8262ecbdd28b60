"""What packages say of themselves, in their own metadata."""

from __future__ import annotations

import pytest

from orchestrator.dependencies import metadata
from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.dependencies.metadata import Metadata


@pytest.mark.parametrize(
    ("ecosystem", "data", "licence"),
    [
        (Ecosystem.NPM, '{"name": "a", "version": "1", "license": "MIT"}', "MIT"),
        (Ecosystem.NPM, '{"name": "a", "version": "1", "license": {"type": "MIT"}}', "MIT"),
        (Ecosystem.NPM, '{"name": "a", "version": "1", "licenses": [{"type": "A"}, "B"]}', "A OR B"),
        (Ecosystem.NPM, '{"name": "a", "version": "1", "licenses": [{"type": "A"}, 3]}', None),
        (Ecosystem.NPM, '\ufeff{"name": "a", "version": "1"}', None),
        (Ecosystem.CARGO, '[package]\nname = "a"\nversion = "1"\nlicense = "MIT/ISC"\n', "MIT OR ISC"),
        (Ecosystem.PYTHON, "Name: a\nVersion: 1\nLicense-Expression: MIT\n\nName: b\n", "MIT"),
        (Ecosystem.PYTHON, "Name: a\nVersion: 1\nLicense: BSD\n", "BSD"),
        (
            Ecosystem.PYTHON,
            "Name: a\nVersion: 1\nLicense: UNKNOWN\nClassifier: License :: OSI :: ISC License (ISCL)\n",
            "ISC",
        ),
        (
            Ecosystem.PYTHON,
            "Name: a\nVersion: 1\nLicense: it\nClassifier: License :: MIT License\nClassifier: License :: X",
            "it",
        ),
    ],
)
def test_metadata(ecosystem: Ecosystem, data: str, licence: str | None) -> None:
    assert metadata.read(ecosystem, data.encode()) == Metadata("a", "1", licence)


@pytest.mark.parametrize("data", [b"", b"[" * 100_000, b"[]", b"\xff"])
def test_what_is_none(data: bytes) -> None:
    assert metadata.read(Ecosystem.NPM, data) is None


def test_whose_it_is() -> None:
    assert Metadata("A_b", "v1.0", None).is_of(Ecosystem.PYTHON, "a-b", "1.0")
    assert Metadata(None, None, None).is_of(Ecosystem.NPM, "a", "1")
    assert Metadata("a", "1.0-RC1", None).is_of(Ecosystem.PYTHON, "a", "1rc1")
    assert not Metadata("a", "1.0+local", None).is_of(Ecosystem.PYTHON, "a", "1.0")
    assert not Metadata("b", "1", None).is_of(Ecosystem.NPM, "a", "1")
    assert not Metadata("a", "2", None).is_of(Ecosystem.NPM, "a", "1")


def test_a_go_module_says_what_it_needs() -> None:
    found = metadata.read(Ecosystem.GO, b"module a\nrequire (\n\tb v1.0.0\n\tc v2.0.0 // indirect\n)\n")
    assert found == Metadata(None, None, None, ("b@v1.0.0", "c@v2.0.0"))
    assert metadata.read(Ecosystem.GO, b"require (") is None
    pattern = metadata.FILES[Ecosystem.GO]
    assert pattern.fullmatch("a.test/b@v1.0.0/go.mod")
    assert not pattern.fullmatch("a.test/b@v1.0.0/sub/go.mod")
    assert not pattern.fullmatch("a.test/b@v1.0.0/x@y/go.mod")
