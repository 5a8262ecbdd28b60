"""Wheels, and what is installed from them: the packages of a Python project. Pure.

Formats: https://packaging.python.org/specifications/, "Binary distribution format" and "Core metadata".
"""

from __future__ import annotations

from orchestrator.evidence.vendored.package import NotRead, Package, purl_of, word
from orchestrator.ground.digest import Sha256
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.purls import same_python_version


def of_wheel(file: str, metadata: bytes, digest: Sha256 | None) -> Package:
    """A wheel's file, by its METADATA. Raises NotRead where the two are not of one project."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    try:
        name, version, _, _ = parse_wheel_filename(file)
    except InvalidWheelFilename as error:
        raise NotRead(str(error)) from error
    found = of_metadata(metadata, digest, file)
    if canonicalize_name(found.name) != name or not same_python_version(found.version, str(version)):
        raise NotRead(f"its METADATA is of {found.name} {found.version}")
    return found


def of_sdist(file: str, digest: Sha256 | None) -> Package | None:
    """A source distribution by its name; None: it is something else."""
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    try:
        name, version = parse_sdist_filename(file)
    except InvalidSdistFilename:
        return None
    return Package(name, str(version), purl_of("pypi", name, str(version)), digest, file)


def of_metadata(data: bytes, digest: Sha256 | None = None, file: str | None = None) -> Package:
    """What METADATA says. Raises NotRead where it has no name or version."""
    told: dict[str, str] = {}
    for line in data.decode(errors="replace").splitlines():
        if not line:  # the description follows
            break
        key, mark, value = line.partition(":")
        if mark and key[:1].strip():
            told.setdefault(key.lower(), value.strip())
    name = word(told.get("name"), "its name")
    version = word(told.get("version"), f"the version of {name}")
    try:
        license_ = check_license(told["license-expression"]) if "license-expression" in told else None
    except ValueError:
        license_ = None
    return Package(name, version, purl_of("pypi", name, version), digest, file, license=license_)
