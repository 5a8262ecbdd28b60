"""package-lock.json: the packages of a Node.js project. Pure.

Format: https://docs.npmjs.com/cli/configuring-npm/package-lock-json; lockfileVersion 1 to 3.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from orchestrator.evidence.vendored.package import (
    NotRead,
    Package,
    counted,
    integrity,
    purl_of,
    vcs_url,
    word,
)

_FOLDER: Final = "node_modules/"


def packages(data: bytes) -> tuple[Package, ...]:
    """The packages that a lock pins and that are not of the project itself. Raises NotRead."""
    try:
        lock = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotRead(f"it is not JSON: {str(error)[:200]}") from error
    if not isinstance(lock, dict):
        raise NotRead("it is no JSON object")
    if isinstance(lock.get("packages"), dict):
        return counted(_by_place(lock["packages"]))
    if isinstance(lock.get("dependencies", {}), dict):
        return counted(_nested(lock.get("dependencies", {})))
    raise NotRead("its `packages` and `dependencies` are no objects")


def _by_place(listed: dict[str, Any]) -> Iterator[Package]:
    """Versions 2 and 3: each by the folder that it is unpacked to."""
    for place, each in listed.items():
        if _FOLDER in place and isinstance(each, dict) and each.get("link") is not True:
            name = each.get("name") or place.rpartition(_FOLDER)[2]
            yield _package(word(name, f"the name of {place[:80]!r}"), each)


def _nested(listed: dict[str, Any]) -> Iterator[Package]:
    """Version 1: each below the one that needs it."""
    queue = [listed]
    while queue:
        for key, each in queue.pop().items():
            if not isinstance(each, dict):
                raise NotRead(f"{key[:80]!r} in it is no object")
            name = key
            below = each.get("dependencies")
            if isinstance(below, dict):
                queue.append(below)
            version = each.get("version")
            if isinstance(version, str) and version.startswith("npm:"):  # an alias: npm:NAME@VERSION
                name, _, version = version.removeprefix("npm:").rpartition("@")
            if not (isinstance(version, str) and version.startswith("file:")):
                yield _package(word(name, "a name in it"), {**each, "version": version})


def _package(name: str, told: dict[str, Any]) -> Package:
    version, resolved = told.get("version"), told.get("resolved")
    if isinstance(version, str) and version.startswith("git") and resolved is None:  # version 1
        version, resolved = version.rpartition("#")[2] or version, version
    version = word(version, f"the version of {name}")
    address = resolved if isinstance(resolved, str) and resolved.isprintable() else ""
    scope, _, short = name.rpartition("/")
    from_git = address.startswith("git")
    return Package(
        name,
        version,
        purl_of(
            "npm",
            short,
            version,
            namespace=scope or None,
            **({"vcs_url": vcs_url(address)} if from_git else {}),
        ),
        integrity(told.get("integrity")),
        f"{short}-{version}.tgz",
        (vcs_url(address) if from_git else address,) if address else (),
    )
