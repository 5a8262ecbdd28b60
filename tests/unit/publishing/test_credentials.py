"""Credentials for a registry, in the files and by the helpers of docker and podman."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.publishing.registry.credentials import Credentials, credentials_for

HOST = "registry.example.org:5000"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def entry(user: str, secret: str) -> dict[str, str]:
    return {"auth": b64encode(f"{user}:{secret}".encode()).decode()}


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


def helper(home: Path, name: str, script: str) -> None:
    path = home / "bin" / f"docker-credential-{name}"
    write(path, f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_none(home: Path) -> None:
    assert credentials_for(HOST, "a/b") is None


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        (None, "", ".docker/config.json"),
        (None, "", ".config/containers/auth.json"),
        ("DOCKER_CONFIG", "d", "d/config.json"),
        ("XDG_CONFIG_HOME", "c", "c/containers/auth.json"),
        ("XDG_RUNTIME_DIR", "r", "r/containers/auth.json"),
        ("REGISTRY_AUTH_FILE", "own.json", "own.json"),
    ],
)
def test_places(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, value: str, file: str
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, str(home / value))
    write(home / file, {"auths": {HOST: entry("me", "a:b")}})
    assert credentials_for(HOST, "a/b") == Credentials("me", "a:b")
    assert credentials_for("other.example.org", "a/b") is None


@pytest.mark.parametrize("key", [HOST, f"{HOST}/a", f"{HOST}/a/b", f"https://{HOST}", f"https://{HOST}/v2/"])
def test_names_of_a_registry(home: Path, key: str) -> None:
    write(home / ".docker/config.json", {"auths": {key: entry("me", "x")}})
    assert credentials_for(HOST, "a/b") == Credentials("me", "x")


def test_the_most_specific_name_counts(home: Path) -> None:
    auths = {HOST: entry("all", "x"), f"{HOST}/a/b": entry("one", "y")}
    write(home / ".docker/config.json", {"auths": auths})
    assert credentials_for(HOST, "a/b") == Credentials("one", "y")
    assert credentials_for(HOST, "a") == Credentials("all", "x")


def test_an_identity_token(home: Path) -> None:
    write(home / ".docker/config.json", {"auths": {HOST: {"identitytoken": "t"}}})
    assert credentials_for(HOST, "a") == Credentials("", "t", token=True)


@pytest.mark.parametrize("document", [{"credsStore": "mine"}, {"credHelpers": {HOST: "mine"}}])
def test_a_helper(home: Path, document: Any) -> None:
    helper(home, "mine", 'read host; echo "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"$1\\"}"')
    write(home / ".docker/config.json", document | {"auths": {HOST: {}}})
    assert credentials_for(HOST, "a") == Credentials(HOST, "get")


def test_a_helper_that_knows_a_token(home: Path) -> None:
    helper(home, "mine", """echo '{"Username": "<token>", "Secret": "t"}'""")
    write(home / ".docker/config.json", {"credsStore": "mine"})
    assert credentials_for(HOST, "a") == Credentials("", "t", token=True)


def test_a_helper_that_knows_nothing(home: Path) -> None:
    helper(home, "mine", "echo credentials not found in native keychain; exit 1")
    write(home / ".docker/config.json", {"credsStore": "mine"})
    assert credentials_for(HOST, "a") is None


@pytest.mark.parametrize(
    ("document", "script", "said"),
    [
        ({"credsStore": "absent"}, "", "docker-credential-absent, which is not in PATH"),
        ({"credsStore": "../x"}, "", "names no credential helper"),
        ({"credsStore": 1}, "", "names no credential helper"),
        ({"credsStore": "mine"}, "echo locked >&2; exit 1", "failed: locked"),
        ({"credsStore": "mine"}, "echo {}", "gave no credentials"),
        ({"auths": {HOST: {"auth": "?"}}}, "", "is no base64"),
        ({"auths": {HOST: {"auth": "YQ=="}}}, "", "has no password"),
        ("{", "", "no JSON"),
        ("[" * 100_000, "", "no JSON"),
    ],
)
def test_unusable(home: Path, document: Any, script: str, said: str) -> None:
    helper(home, "mine", script)
    write(home / ".docker/config.json", document)
    with pytest.raises(TallyError, match=said) as caught:
        credentials_for(HOST, "a")
    assert caught.value.hint
