"""Credentials for a registry, where docker and podman keep theirs: files, and the helpers that these name.

Formats: containers-auth.json(5), and docker's config.json with its credential helpers' protocol. Nothing is
ever taken from the command line, and nothing written.
"""

from __future__ import annotations

import json
import os
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, shown
from orchestrator.ground.values import dataclass, field

_LARGEST = 1 << 20
_HELPER = re.compile(r"[A-Za-z0-9._-]{1,100}")
_PATIENCE = 60  # seconds: a helper may ask its user
_BY_TOKEN = "<token>"


@dataclass(frozen=True)
class Credentials:
    """A user and a password, or an identity token in place of both."""

    user: str
    secret: str = field(repr=False)
    token: bool = False
    """Whether the secret is an identity token (docker's `identitytoken`)."""


def credentials_for(host: str, repository: str) -> Credentials | None:
    """What the first file that knows the registry says. Raises TallyError for one that cannot be used."""
    for path in _files(os.environ):
        try:
            data = contents(path, _LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise _unusable(path, str(error)) from error
        try:
            document = json.loads(data)
            found = _in(document, host, repository, path) if isinstance(document, dict) else None
        except (ValueError, RecursionError) as error:
            raise _unusable(path, "it is no JSON that has credentials") from error
        if found is not None:
            return found
    return None


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """In podman's order, whose last one is docker's."""
    if named := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    home = Path(environment.get("HOME") or "/")
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json"
    yield Path(environment.get("DOCKER_CONFIG") or home / ".docker") / "config.json"


def _in(document: dict[str, Any], host: str, repository: str, path: Path) -> Credentials | None:
    helpers = document.get("credHelpers")
    helper = helpers.get(host) if isinstance(helpers, dict) else None
    if helper is not None:
        return _asked(helper, host, path)
    auths = document.get("auths")
    for key in _keys(host, repository):
        entry = auths.get(key) if isinstance(auths, dict) else None
        if isinstance(entry, dict) and (found := _entry(entry, key, path)) is not None:
            return found
    if (store := document.get("credsStore")) is not None:
        return _asked(store, host, path)
    return None


def _keys(host: str, repository: str) -> Iterator[str]:
    """The most specific name first: podman has credentials for a part of a registry."""
    parts = repository.split("/")
    yield from ("/".join([host, *parts[:length]]) for length in range(len(parts), 0, -1))
    yield from (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/", f"http://{host}")


def _entry(entry: dict[str, Any], key: str, path: Path) -> Credentials | None:
    if isinstance(token := entry.get("identitytoken"), str) and token:
        return Credentials("", token, token=True)
    said = entry.get("auth")
    if isinstance(said, str) and said:
        try:
            user, colon, secret = b64decode(said, validate=True).decode().partition(":")
        except ValueError as error:
            raise _unusable(path, f"`auth` of {key} is no base64") from error
        if not colon:
            raise _unusable(path, f"`auth` of {key} has no password")
        return Credentials(user, secret.rstrip("\0"))
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Credentials(entry["username"], entry["password"])
    return None


def _asked(helper: object, host: str, path: Path) -> Credentials | None:
    """What a helper knows; None where it says that it knows nothing."""
    if not isinstance(helper, str) or not _HELPER.fullmatch(helper):
        raise _unusable(path, f"{str(helper)[:80]!r} names no credential helper")
    import subprocess

    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=host.encode(), capture_output=True, timeout=_PATIENCE, check=False
        )
    except FileNotFoundError as error:
        raise TallyError(
            f"{shown(path)} names the credential helper {program}, which is not in PATH",
            hint="install it, or log in without it",
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TallyError(f"the credential helper {program} gave no answer", hint="run it by hand") from error
    if done.returncode != 0:
        said = (done.stdout or done.stderr).decode(errors="replace").strip()
        if "credentials not found" in said:
            return None
        raise TallyError(f"the credential helper {program} failed: {said[:200]}", hint="log in again")
    try:
        found = json.loads(done.stdout)
        user, secret = str(found["Username"]), str(found["Secret"])
    except (ValueError, KeyError, TypeError) as error:
        raise TallyError(
            f"the credential helper {program} gave no credentials", hint="log in again"
        ) from error
    return Credentials("", secret, token=True) if user == _BY_TOKEN else Credentials(user, secret)


def _unusable(path: Path, why: str) -> TallyError:
    return TallyError(f"the credentials in {shown(path)} cannot be used: {why}", hint="log in again")
