"""Faults in the files that people write: every key with every kind of wrong value, told in our own words.

Each model is read whole, from a file, with one value of it changed: nothing but a TallyError may come of
that, it names the file, and it holds none of the words that pydantic has for its own errors.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import _pydantic_core

from orchestrator.builders import configuration
from orchestrator.builders.configuration import Configuration
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import LogInstance, TrustedRoot, Window
from orchestrator.policy.document import PolicyDocument
from orchestrator.policy.review.review import review
from orchestrator.recipe import lock, recipe
from orchestrator.recipe.lock import Lock
from orchestrator.recipe.recipe import Recipe
from orchestrator.stories.policy_file import load as load_policy

HEX = "0" * 64
NIX_KEY = "d:" + "A" * 43 + "="
BUILDER = {"name": "c", "operator": "Acme", "cores": 1, "max-jobs": 1, "features": ["kvm"]}
POLICY: dict[str, Any] = {
    "name": "production",
    "uri": "https://example.org/policy.toml",
    "expires": date(2036, 12, 31),
    "trusted-root": "root.json",
    "signer": [
        {
            "name": "key",
            "key": "release.pub",
            "from": date(2026, 1, 1),
            "until": date(2036, 1, 1),
            "revoked": {"at": date(2035, 1, 1), "reason": "lost"},
            "timestamp": True,
            "log": True,
        },
        {
            "name": "ci",
            "issuer": "https://issuer.example",
            "subject": "who@example.org",
            "statements": ["sbom"],
        },
        {
            "name": "pattern",
            "issuer-pattern": "https://issuer.example/*",
            "subject-pattern": "*@example.org",
        },
    ],
    "builder": [{"name": "a", "operator": "Acme"}],
    "builders": {"quorum": 2, "per": "builder", "independence": "same-host"},
    "require": {
        "statements": ["sbom"],
        "timestamp": True,
        "log": True,
        "maximum-age": "3d",
        "sandbox": ["fixed-uid"],
        "commit": True,
    },
    "sources": {
        "addresses": ["mirror://gnu/**"],
        "repositories": ["https://example.org/**"],
        "digests": [HEX],
        "kinds": ["recipe"],
    },
    "inputs": {"believed": "allow", "keys": [NIX_KEY], "rebuilt-levels": 1},
    "rebuilders": {"quorum": 1},
    "closure": {"operators": 2, "dissent": "refuse"},
    "rebuilder": [{"name": "r", "key": "rebuilder.pub", "operator": "R", "log": True}],
    "toolchain": [
        {"from": "debian", "suite": "bookworm", "packages": [{"purl": "pkg:deb/debian/gcc"}]},
        {"from": "nixpkgs", "rev": "0" * 40, "nar-hash": "sha256-x"},
        {"from": "containers", "image": f"registry.example/tools@sha256:{HEX}"},
    ],
    "licences": {"allowed": ["MIT"], "denied": ["Zlib"], "scope": "all", "unknown": "deny"},
    "deny": [{"purl": "pkg:deb/debian/xz-utils", "versions": "vers:deb/<5", "reason": "old"}],
    "rule": [{"name": "small", "cel": "artifact.size < 9", "message": "too large"}],
}
TALLY: dict[str, Any] = {
    "quorum": 2,
    "independence": "same-host",
    "dissent": "refuse",
    "require-commit": True,
    "closure": {"operators": 2, "dissent": "tell", "evidence": ["theirs.json"]},
    "rebuilder": [{"name": "r", "key": "rebuilder.pub", "operator": "R"}],
    "builder": [
        {"name": "a"},
        {"name": "b", "store": "vm", "memory": 2048, "disk": 8, "kvm": True, "spare": False},
        BUILDER | {"store": "daemon", "max-silent": 1, "timeout": 1, "systems": ["x86_64-linux"]},
        BUILDER
        | {
            "name": "d",
            "store": "ssh-ng://d.example",
            "key": NIX_KEY,
            "ssh-key": "d",
            "host-key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43,
            "link-key": "d.pub",
            "builders": "@/etc/nix/machines",
        },
    ],
    "mirrors": {"gnu": ["https://gnu.example/"]},
    "inputs": {"from": "cache", "caches": ["https://cache.example"], "keys": [NIX_KEY]},
    "signing": {
        "key": "release.key",
        "log": "https://log.example",
        "timestamp": "https://clock.example",
        "trusted-root": "root.json",
    },
    "variation": {
        "build-cores": True,
        "cpu-affinity": True,
        "build-directory": True,
        "directory-order": True,
        "start": True,
        "uptime": True,
        "kernel-release": True,
        "load": True,
    },
    "toolchain": {"suite": "trixie", "security": True, "updates": True, "snapshot": "20261101T000000Z"},
    "webhook": [{"url": "https://hook.example/x", "secret": "hook.secret", "every": True}],
}
KEYLESS = {
    "signing": {
        "keyless": {
            "instance": "public",
            "identity": "who@example.org",
            "issuer": "https://issuer.example",
        }
    }
}
RECIPE: dict[str, Any] = {
    "name": "hello",
    "version": "1.0",
    "summary": "Greets",
    "homepage": "https://example.org",
    "license": "MIT",
    "systems": ["x86_64-linux"],
    "inputs": ["zlib"],
    "outputs": ["out"],
    "sources": {
        "one": {
            "url": ["https://example.org/a", "mirror://gnu/a"],
            "sha256": HEX,
            "name": "a.tar",
            "unpack": True,
        },
        "two": {
            "git": "https://example.org/b",
            "rev": "0" * 40,
            "nar_sha256": HEX,
            "submodules": True,
            "lfs": True,
        },
        "three": {"path": "src"},
        "four": {"pypi": "rich", "version": "1", "sha256": HEX},
        "five": {"npm": "left-pad", "version": "1", "sha256": HEX},
    },
    "toolchain": {"from": "debian", "packages": ["gcc"]},
    "build": {"env": {"A": "b"}, "script": "make"},
    "check": {"script": "make check"},
    "artifact": {"format": "file", "path": "bin/hello"},
}
SINGLE = {key: value for key, value in RECIPE.items() if key != "sources"} | {"source": {"path": "src"}}
DEPENDENT = SINGLE | {
    "dependencies": [
        {"lock": "poetry.lock", "kind": "python", "source": "src", "extras": ["x"], "groups": ["dev"]},
        {"lock": "other/uv.lock", "package": "app", "venv": True, "python": "3.11.2"},
        {"lock": "yarn.lock", "source": "src", "member": "packages/app"},
    ],
    "toolchain": {
        "from": "files",
        "suite": "trixie",
        "security": True,
        "updates": True,
        "snapshot": "20261101T000000Z",
        "files": [
            {
                "url": "https://example.org/go.tar.gz",
                "sha256": HEX,
                "name": "go.tar.gz",
                "to": "/opt/go",
                "path": ["bin"],
                "system": "x86_64-linux",
            }
        ],
    },
}
CONTAINED = SINGLE | {"toolchain": {"from": "containers", "image": f"registry.example/tools@sha256:{HEX}"}}
IMAGE = SINGLE | {
    "artifact": {
        "format": "oci",
        "base": "toolchain",
        "root": "image",
        "entrypoint": ["$out/bin/hello"],
        "cmd": ["--help"],
        "env": {"LANG": "C"},
        "user": "1000:100",
        "working_dir": "/data",
        "exposed_ports": ["8080/tcp"],
        "volumes": ["/data"],
        "stop_signal": "SIGTERM",
        "labels": {"org.opencontainers.image.title": "hello"},
    }
}
LOCK: dict[str, Any] = {
    "version": 1,
    "suite": "bookworm",
    "package": [
        {
            "name": "bash",
            "version": "5",
            "architecture": "amd64",
            "pool": "pool/main/b/bash/bash_5_amd64.deb",
            "sha256": HEX,
            "size": 1,
            "license": "MIT",
            "snapshot": "20261101T000000Z",
            "source_version": "5-1",
        }
    ],
    "security": True,
    "updates": True,
    "snapshot": "20261101T000000Z",
    "set": [
        {"system": "x86_64-linux", "request": ["bash"], "base": [], "packages": ["bash_5_amd64.deb"]},
        {
            "system": "x86_64-linux",
            "suite": "trixie",
            "security": True,
            "updates": True,
            "snapshot": "20261101T000000Z",
            "request": ["bash"],
            "base": [],
            "packages": ["bash_5_amd64.deb"],
        },
    ],
    "container": [
        {
            "image": f"registry.example/tools@sha256:{HEX}",
            "system": "x86_64-linux",
            "manifest": HEX,
            "path": ["/bin"],
            "layer": [{"sha256": HEX, "size": 1, "kind": "tar"}],
        }
    ],
    "told": {"hello": {"src/requirements.txt": {HEX: "a-1.whl"}}},
    "followed": {"hello": {"src/uv.lock": HEX}},
    "machine": [
        {"system": "x86_64-linux", "request": ["bash"], "base": ["bash"], "packages": ["bash_5_amd64.deb"]},
    ],
    "busybox": [{"system": "x86_64-linux", "package": "bash_5_amd64.deb", "nar_sha256": HEX}],
    "source": {
        "hello": {"src": {"kind": "url", "sha256": HEX, "nar_sha256": HEX, "rev": "0" * 40, "file": "a"}}
    },
    "nixpkgs": {"type": "github", "lastModified": 1, "rev": "0" * 40, "shallow": True},
}


def _policy(path: Path) -> None:
    """A policy as `tally policy check` reads it: its review ends in no traceback either."""
    list(review(load_policy(path), datetime(2026, 11, 24, tzinfo=UTC)))


def _files(folder: Path) -> None:
    """What the documents name."""
    SigningKey.generate().write(folder / "release")
    SigningKey.generate().write(folder / "rebuilder")
    log = LogInstance("https://log.example", b"key", "", b"id", Window(datetime(2026, 1, 1, tzinfo=UTC)))
    (folder / "root.json").write_bytes(TrustedRoot(tlogs=(log,)).render())


DOCUMENTS: Mapping[str, tuple[type[BaseModel], Callable[[Path], object], list[dict[str, Any]]]] = {
    "policy.toml": (PolicyDocument, _policy, [POLICY]),
    "tally.toml": (Configuration, lambda path: configuration.load(path.parent), [TALLY, KEYLESS]),
    "recipe.toml": (Recipe, recipe.load, [RECIPE, SINGLE, IMAGE, DEPENDENT, CONTAINED]),
    "tally.lock": (Lock, lock.read, [LOCK]),
}
VALUES: tuple[Any, ...] = (
    True, 0, 1, -1, 16**5000, 1.5, float("nan"), "", "x", "X y", "a\0b", "\n", "9" * 6000, "https://",
    [], [0], ["x", "x"], [[]], [{}], {}, {"x": 1}, {"x y": {"x": []}}, date(2026, 1, 1), time(12),
    datetime(2026, 1, 1), datetime(1, 1, 1, tzinfo=UTC),  # noqa: DTZ001  it is what a policy must refuse
)  # fmt: skip


def _phrases() -> Iterator[str]:
    """What pydantic says, without the parts that differ from error to error, and what Python does."""
    for each in _pydantic_core.list_all_errors():
        for part in re.split(r"\{[^}]*\}", each["message_template_python"]):
            if " " in part.strip() and len(part.strip()) > 8:
                yield part.strip().lower()
    yield from ("pydantic", "nonetype", "object at 0x", "sys.", "expected something else")


PHRASES = re.compile("|".join(map(re.escape, sorted(set(_phrases())))))


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return f"0x{value:x}" if value >= 10**30 else str(value)
        case str():
            return json.dumps(value)
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
        case date() | time():
            return value.isoformat()
    return str(value)


def _text(document: Mapping[str, Any]) -> str:
    """One line for each key of the top."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in document.items())


def _line_by_line(read: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    """Reads such a text as `read` does, a line that it has read before from memory: texts differ in one."""
    one = cache(read)

    def loads(text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            for line in text.splitlines():
                found |= one(line)
        except ValueError:
            return read(text)
        return found

    return loads


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield (*path, key)
        yield from _places(each, (*path, key))


def _changed(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document with one value changed, left out, or with a key that nobody knows."""
    for path in _places(document):
        for value in (*VALUES, None):
            found, inside = _opened(document, path[:-1])
            if value is None:
                del inside[path[-1]]
            else:
                inside[path[-1]] = value
            yield f"{path}: {str(value)[:20] if not isinstance(value, int) else 'a number'}", found
    for path in [(), *_places(document)]:
        for key in ("surprise", "Bad Name", "", "a\0b"):
            found, inside = _opened(document, path)
            if isinstance(inside, dict):
                inside[key] = "x"
                yield f"{path}: {key!r} more", found


def _opened(document: dict[str, Any], path: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """A copy to change at that place, and what is there: all else is shared with the document."""
    found = copy.copy(document)
    inside: Any = found
    for key in path:
        inside[key] = copy.copy(inside[key])
        inside = inside[key]
    return found, inside


def _names(schema: Mapping[str, Any]) -> set[str]:
    models = [schema, *schema.get("$defs", {}).values()]
    return {name for each in models for name in each.get("properties", {})}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_key_is_tried(name: str) -> None:
    model, _, documents = DOCUMENTS[name]
    tried = {key for document in documents for path in _places(document) for key in path}
    assert _names(model.model_json_schema()) <= tried


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_fault_is_told_in_pydantics_words(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tomllib, "loads", _line_by_line(tomllib.loads))
    _, load, documents = DOCUMENTS[name]
    _files(tmp_path)
    file = tmp_path / name
    told = {}
    for how, changed in (each for document in documents for each in _changed(document)):
        file.write_text(_text(changed))
        try:
            load(file)
        except TallyError as error:
            told[how] = error
    assert len(told) > 500
    for how, error in told.items():
        said = f"{error.message}\n{error.hint or ''}".replace(str(tmp_path), "")
        assert str(tmp_path) in error.message, (how, said)
        assert not PHRASES.search(said.lower()), (how, said)
        lines = error.message.split("\n")
        assert len(lines) == len(set(lines)), (how, said)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_without_a_fault_they_are_read(name: str, tmp_path: Path) -> None:
    """Else every fault above could be another one than was meant."""
    _, load, documents = DOCUMENTS[name]
    _files(tmp_path)
    for document in documents:
        (tmp_path / name).write_text(_text(document))
        load(tmp_path / name)
