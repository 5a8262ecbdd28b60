"""What derivations and store paths are called: names, versions and package URLs. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from orchestrator.evidence.sbom.component import Digest, algorithm, is_nar
from orchestrator.nix.derivation import Derivation, name_of

_VERSION = re.compile(r"-(?=[^a-zA-Z])")
_ARCHIVE = re.compile(r"\.(tar(\.[a-z0-9]+)?|tgz|tbz2|txz|zip|gem|whl|crate|patch|diff|gz|xz|bz2|zst|lz)$")
_DEBIAN = re.compile(r"([a-z0-9][a-z0-9+.-]+)_([^_]+)_[a-z0-9-]+\.deb")
_CPE_PART = r"([*-]|(\?*|\*?)([A-Za-z0-9._-]|\\[\\*?!\"#$%&'()+,/:;<=>@\[\]^`{|}~])+(\?*|\*?))"
_CPE = re.compile(
    rf"cpe:2\.3:[aho*-](:{_CPE_PART}){{5}}:([A-Za-z]{{2,3}}(-([A-Za-z]{{2}}|[0-9]{{3}}))?|[*-])(:{_CPE_PART}){{4}}"
)
_OUTPUTS = re.compile(r"-(bin|debug|dev|devdoc|dist|doc|info|lib|libgcc|man|static|tools)$")


def split(name: str) -> tuple[str, str | None]:
    """Name and version, as Nix's `builtins.parseDrvName` splits them: at the first dash before no letter."""
    found = _VERSION.search(name)
    if found is None or found.start() == 0 or found.end() == len(name):
        return name, None
    return name[: found.start()], name[found.end() :]


def of_derivation(derivation: Derivation, given: Mapping[str, Any]) -> tuple[str, str | None]:
    """Name and version of what a derivation makes. `given` are its attributes.

    Its `pname` counts, not what is before it in the name: people look for `six`, not for `python3.11-six`.
    """
    name, version = (text(given, key) for key in ("tallyName", "tallyVersion"))
    name, version = name or text(given, "pname"), version or text(given, "version")
    if name is None:
        whole = text(given, "name") or derivation.name
        name, found = split(whole)
        if version is not None and version != found:
            name = whole.removesuffix(f"-{version}")
        version = version or found
    return name, version


def of_file(name: str) -> tuple[str, str | None]:
    """Name and version of a fetched file, such as `hello-2.10.tar.gz` or `libc6_2.36-9_amd64.deb`."""
    if found := _DEBIAN.fullmatch(name):
        return found.group(1), found.group(2)
    while found := _ARCHIVE.search(name):
        name = name[: found.start()]
    return split(name)


def of_path(path: str) -> tuple[str, str | None, str | None]:
    """Name, version and output of a store path of which no derivation is known."""
    name, version = split(name_of(path))
    found = _OUTPUTS.search(version or "")
    if version is None or found is None:
        return name, version, None
    return name, version[: found.start()], found.group(1)


def text(given: Mapping[str, Any], key: str) -> str | None:
    """An attribute that is a text; None where it is empty, or something else."""
    value = given.get(key)
    return value if isinstance(value, str) and value else None


def words(given: Mapping[str, Any], *keys: str) -> frozenset[str]:
    """All words of attributes, which are texts or, with `__structuredAttrs`, lists and objects of texts."""
    found: set[str] = set()
    queue = [given[key] for key in keys if key in given]
    while queue:
        value = queue.pop()
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            queue.extend(value)
        elif isinstance(value, dict):
            queue.extend(value.values())
    return frozenset(found)


def cpes(told: Iterable[str]) -> tuple[str, ...]:
    """The texts that are formatted strings of CPE 2.3, each once (NISTIR 7695, 6.2; SPDX 2.3, annex F)."""
    return tuple(dict.fromkeys(text for text in told if _CPE.fullmatch(text)))


def nix_purl(name: str, version: str | None, output: str | None) -> str:
    """The package URL of what a derivation makes: docs/reference/sbom.md has why it looks so."""
    which = f"?output={_quoted(output)}" if output else ""
    return f"pkg:nix/{_quoted(name)}{_at(version)}{which}"


def fetched_purl(name: str, version: str | None, digest: Digest, address: str | None) -> str:
    """The package URL of fetched bytes: `generic`, with the digest of a flat file and the address."""
    qualifiers = []
    if not is_nar(digest):
        qualifiers.append(f"checksum={algorithm(digest)}:{digest.hex}")
    if address is not None:
        qualifiers.append(f"download_url={quote(address, safe='').replace('%3A', ':')}")
    which = f"?{'&'.join(qualifiers)}" if qualifiers else ""
    return f"pkg:generic/{_quoted(name)}{_at(version)}{which}"


def _at(version: str | None) -> str:
    return f"@{_quoted(version)}" if version else ""


def _quoted(text: str) -> str:
    return quote(text, safe="").replace("%3A", ":")
