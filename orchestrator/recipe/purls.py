"""Package URLs as their specification and its definitions of types spell them. Pure.

Specification: https://github.com/package-url/purl-spec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.recipe.names import normalised
from orchestrator.recipe.purltext import is_purl

if TYPE_CHECKING:
    from packageurl import PackageURL

_LOWER = frozenset({"deb", "golang", "npm", "nuget"})
"""Types whose namespaces and names say the same in upper and lower case; `packageurl` knows the others."""


def package_url(
    kind: str, name: str, version: str | None = None, *, namespace: str | None = None, **qualifiers: str
) -> str:
    """The URL of a package of a type; `qualifiers` by their keys. Raises ValueError when it can have none."""
    from packageurl import PackageURL

    if kind == "pypi" and version is not None:
        version = python_version(version)
    return canonical(PackageURL(kind, namespace, name, version, qualifiers)).to_string()


def parsed(text: str) -> PackageURL:
    """A package URL in the one spelling that its type has for it. Raises ValueError."""
    from packageurl import PackageURL

    if not is_purl(text):
        raise ValueError("it does not begin with pkg:")
    found = canonical(PackageURL.from_string(f"pkg:{text.lstrip()[4:]}"))
    segments = [*(found.namespace or "").split("/"), found.name]
    if any(each in (".", "..") for each in segments) or not "".join(segments).isprintable():
        raise ValueError("its namespace or its name leads elsewhere")
    return found


def canonical(purl: PackageURL) -> PackageURL:
    """What the definitions of purl's types ask for, where `packageurl` leaves it out."""
    namespace, name, version, qualifiers = purl.namespace, purl.name, purl.version, dict(purl.qualifiers)
    if purl.type in _LOWER:
        namespace, name = namespace and namespace.lower(), name.lower()
    elif purl.type == "pypi":
        name = normalised(name)
    elif purl.type == "rpm":
        namespace = namespace and namespace.lower()
        epoch = qualifiers.pop("epoch", None)
        if epoch and version and ":" not in version:
            version = f"{epoch}:{version}"
    return purl._replace(namespace=namespace, name=name, version=version, qualifiers=qualifiers)


def python_version(text: str) -> str:
    """A version as PEP 440 normalises it, `1.0RC1` as `1.0rc1`; others, of old projects, in lower case."""
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text))
    except InvalidVersion:
        return text.lower()


def same_python_version(one: str, other: str) -> bool:
    """Whether two texts are one version by PEP 440, which takes `1.0` for `1.0.0`."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one.lower() == other.lower()
