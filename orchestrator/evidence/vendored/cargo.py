"""Cargo.lock in a folder of vendored crates: which they are, whether or not it could be built from. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from orchestrator.dependencies.cargo_lock import DEFAULT, Entry, entries
from orchestrator.dependencies.dependency import BadLock
from orchestrator.evidence.vendored.package import NotRead, Package, counted, purl_of, vcs_url, word
from orchestrator.ground.digest import Sha256

_SHA256 = re.compile(r"[0-9a-f]{64}")


def packages(data: bytes) -> tuple[Package, ...]:
    """The crates that a lock pins and that are not of the project itself. Raises NotRead."""
    try:
        return counted(_crates(entries(data, "it")))
    except BadLock as error:
        where = "" if error.line is None else f"line {error.line}: "
        raise NotRead(f"{where}{error.problem}") from error


def _crates(listed: Iterable[Entry]) -> Iterator[Package]:
    for each in listed:
        if each.source is None:
            continue
        name = word(each.name, "the name of a package")
        version = word(each.version, f"the version of {name}")
        qualifiers = {}
        if each.source.startswith("git+"):
            qualifiers["vcs_url"] = vcs_url(each.source)
        elif each.source != DEFAULT:
            qualifiers["repository_url"] = each.source.partition("+")[2] or each.source
        yield Package(
            name,
            version,
            purl_of("cargo", name, version, **qualifiers),
            Sha256(each.checksum) if each.checksum and _SHA256.fullmatch(each.checksum) else None,
            f"{name}-{version}.crate",
            (vcs_url(each.source),) if each.source.startswith("git+") else (),
        )
