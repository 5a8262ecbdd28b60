"""Packages by package URL and version range: which are denied, which a toolchain may be made of.

Specifications: package URLs (purl-spec, with its definitions of types), and version ranges (`vers:`,
VERSION-RANGE-SPEC). Names are compared as their type spells them, and versions in the order of their own
kind, as `dpkg` does for `deb`; docs/explanation/dependencies.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from orchestrator.ground.wording import some
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.verdict import Code, Finding, Reason
from orchestrator.recipe.purls import parsed
from orchestrator.recipe.purltext import is_purl
from orchestrator.recipe.versions import ORDERED, ordered, same

if TYPE_CHECKING:
    from packageurl import PackageURL
    from univers.version_range import VersionRange

_LONGEST = 1000


@dataclass(frozen=True)
class Packages:
    """Packages of one type, namespace and name; of some versions, or of all."""

    purl: str
    versions: str | None = None
    """A range such as `vers:deb/>=5.6.0|<5.6.2`; None: the purl's own version, and without one, all."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no package URL or no range."""
        asked = self._purl
        if asked.version is not None and asked.type in ORDERED:
            _ = self._version
        if self.versions is not None:
            if asked.version is not None:
                raise ValueError(f"{self.purl} has a version already; give a version or `versions`")
            scheme = self._range.scheme
            if scheme != asked.type:
                raise ValueError(f"{self.versions} is a range of {scheme} versions, and {self.purl} is none")

    def __str__(self) -> str:
        return self.purl + (f" {self.versions}" if self.versions else "")

    def holds(self, purl: PackageURL) -> bool:
        """Whether a package is one of these. Raises ValueError when its version cannot be compared."""
        if not self._called(purl):
            return False
        if self.versions is None and self._purl.version is None:
            return True
        if purl.version is None:
            raise ValueError("it has no version")
        if self.versions is None:
            return self._is(purl.version)
        return _within(self._range, purl.version)

    def covers(self, other: Packages) -> bool:
        """Whether all that `other` is are surely these too. Of two ranges that is known if they are one."""
        theirs = read(other.purl)
        if other.versions is None and theirs.version is not None:
            try:
                return self.holds(theirs)
            except ValueError:
                return False
        every = self.versions is None and self._purl.version is None
        return self._called(theirs) and (every or self.versions == other.versions is not None)

    def _called(self, purl: PackageURL) -> bool:
        """Whether a package has this type, namespace and name, and these qualifiers."""
        asked = self._purl
        return (purl.type, _path(purl)) == (asked.type, _path(asked)) and all(
            purl.qualifiers.get(name) == value for name, value in asked.qualifiers.items()
        )

    def _is(self, version: str) -> bool:
        """Whether this is the purl's own version, however it is written."""
        if version == self._purl.version or self._purl.type not in ORDERED:
            return version == self._purl.version
        return same(self._version, ordered(self._purl.type, version))

    @cached_property
    def _version(self) -> Any:
        return ordered(self._purl.type, self._purl.version or "")

    @cached_property
    def _purl(self) -> PackageURL:
        return read(self.purl)

    @cached_property
    def _range(self) -> VersionRange:
        from univers.version_range import VersionRange

        try:
            found: Any = VersionRange.from_string(self.versions or "")  # type: ignore[no-untyped-call]
            if not found.constraints or found.version_class is None:
                raise ValueError("it says nothing")
            _check_order(found.constraints)
        except Exception as error:  # its parsers of versions raise what they like, bare Exceptions too
            raise ValueError(
                f"expected a range such as vers:deb/>=1.2|<2.0; got {self.versions!r}: {error}"
            ) from error
        return cast("VersionRange", found)


@lru_cache(maxsize=20_000)
def read(text: str) -> PackageURL:
    """A package URL, in the one spelling that its type has for it. Raises ValueError."""
    if len(text) > _LONGEST:
        raise ValueError("expected a package URL, got something far longer")
    try:
        return parsed(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"expected a package URL such as pkg:deb/debian/NAME; got {text!r}") from error


def _path(purl: PackageURL) -> str:
    """Namespace and name: a `/` between them may be written so that it seems to be in the name."""
    return f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name


def _check_order(constraints: Sequence[Any]) -> None:
    """Raises ValueError for parts that contradict each other (VERSION-RANGE-SPEC, "Normalized, canonical
    representation and validation"); they are in the order of their versions."""
    from univers.version_constraint import validate_comparators

    twice = any(one.version == next_.version for one, next_ in pairwise(constraints))
    try:
        if twice or not validate_comparators(list(constraints)):  # type: ignore[no-untyped-call]
            raise ValueError
    except ValueError:
        said = "in the order of its versions < and > must alternate, = not stand before <, and none be twice"
        raise ValueError(said) from None


def _within(versions: VersionRange, text: str) -> bool:
    """Whether a version is in a range; what is the same as one that the range names counts as that one."""
    try:
        version = versions.version_class(text)  # type: ignore[misc]  # as `_range` has checked
        named = (each.version for each in versions.constraints)
        return next((one for one in named if one and same(one, version)), version) in versions
    except Exception as error:  # as `_range` says
        raise ValueError(f"its version {text!r} cannot be compared") from error


@dataclass(frozen=True, slots=True)
class Denied:
    """One `[[deny]]`."""

    packages: Packages
    why: str


@dataclass(frozen=True, slots=True)
class Deny:
    """Every `[[deny]]`: over the materials of the provenance and the packages of the SBOM."""

    denied: tuple[Denied, ...]

    @property
    def name(self) -> str:
        return "deny"

    def judge(self, evidence: Evidence) -> Finding:
        purls = dict.fromkeys(each.purl for each in evidence.inputs if each.purl)
        purls |= dict.fromkeys(
            address for each in evidence.inputs for address in each.addresses if is_purl(address)
        )
        purls |= dict.fromkeys(purl for each in evidence.components for purl in each.purls)
        reasons = tuple(reason for purl in purls for reason in self._against(purl))
        return Finding(self.name, f"{len(purls)} package URLs", reasons)

    def _against(self, text: str) -> Iterator[Reason]:
        """What cannot be read or compared is not known to be another package, so it is refused as well."""
        try:
            purl = read(text)
        except ValueError as error:
            yield Reason(Code.PACKAGE_DENIED, f"a package cannot be told from those denied: {error}")
            return
        for each in self.denied:
            try:
                if each.packages.holds(purl):
                    yield Reason(Code.PACKAGE_DENIED, f"{text} is denied: {each.why}")
            except ValueError as error:
                yield Reason(Code.PACKAGE_DENIED, f"{text} may be denied ({each.why}): {error}")


def names(packages: tuple[Packages, ...]) -> str:
    """Packages as sentences hold them."""
    return some([str(each) for each in packages])
