"""Cargo.lock: the crates of a Rust project. Pure.

Format: https://doc.rust-lang.org/cargo/guide/cargo-toml-vs-cargo-lock.html; versions 1 to 4.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from orchestrator.evidence.vendored.package import NotRead, Package, counted, purl_of, vcs_url, word
from orchestrator.ground.digest import Sha256
from orchestrator.ground.toml_depth import too_deep

_DEFAULT: Final = "registry+https://github.com/rust-lang/crates.io-index"
"""What Cargo writes for its default registry, wherever it fetches from."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def packages(data: bytes) -> tuple[Package, ...]:
    """The crates that a lock pins and that are not of the project itself. Raises NotRead."""
    try:
        text = data.decode()
        if too_deep(text):
            raise NotRead("it is nested too deeply")
        lock = tomllib.loads(text)
    except NotRead:
        raise
    except (ValueError, RecursionError) as error:
        raise NotRead(f"it is not TOML: {str(error)[:200]}") from error
    listed = lock.get("package", [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise NotRead("its `package` is no list of tables")
    metadata = lock.get("metadata")
    return counted(_crates(listed, metadata if isinstance(metadata, dict) else {}))


def _crates(listed: list[dict[str, Any]], metadata: Mapping[str, Any]) -> Iterator[Package]:
    for number, each in enumerate(listed, 1):
        source = each.get("source")
        if not isinstance(source, str):  # the project's own, by path
            continue
        name = word(each.get("name"), f"the name of its package {number}")
        version = word(each.get("version"), f"the version of {name}")
        checksum = each.get("checksum", metadata.get(f"checksum {name} {version} ({source})"))  # version 1
        qualifiers = {}
        if source.startswith("git+"):
            qualifiers["vcs_url"] = vcs_url(source)
        elif source != _DEFAULT:
            qualifiers["repository_url"] = source.partition("+")[2] or source
        yield Package(
            name,
            version,
            purl_of("cargo", name, version, **qualifiers),
            Sha256(checksum) if isinstance(checksum, str) and _SHA256.fullmatch(checksum) else None,
            f"{name}-{version}.crate",
            (vcs_url(source),) if source.startswith("git+") else (),
        )
