"""The archive's answer for one version of a package: the package, and the source that it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.wording import counted, some
from orchestrator.pinning.debian import BASE, Apt, unknown_package
from orchestrator.recipe.lock import DebianPackage
from orchestrator.recipe.names import store_name
from orchestrator.recipe.wanted import Wanted
from orchestrator.served.buildinfo import Buildinfo
from orchestrator.served.control import clauses, paragraphs
from orchestrator.served.named import DebName

_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*")
_AGAIN: Final = re.compile(r"\+b[0-9]+$")
_SHOWN: Final = 8
_MOST: Final = 450  # what a recipe names

ALWAYS: Final = ("build-essential", "fakeroot")
ESSENTIAL: Final = (
    "base-files",
    "dash",
    "debianutils",
    "dpkg",
    "hostname",
    "init-system-helpers",
    "ncurses-base",
    "ncurses-bin",
    "perl-base",
    "sysvinit-utils",
)
"""Of what every machine of Debian's has, what our roots do not hold anyhow."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source package."""

    name: str
    pool: str
    sha256: str

    @property
    def wanted(self) -> Wanted:
        return Wanted(store_name(self.name), Sha256(self.sha256), (f"mirror://debian/{self.pool}",))


@dataclass(frozen=True, slots=True)
class Served:
    """One package of the archive with its source."""

    named: DebName
    binary: DebianPackage
    source: str
    source_version: str
    files: tuple[SourceFile, ...]
    """The `.dsc` first."""
    fields: Mapping[str, str]
    """The source's paragraph in the index."""
    homepage: str | None

    @property
    def again(self) -> bool:
        """Whether the source was built again by itself, under a version of its own (a "binNMU")."""
        return self.named.version != self.source_version and _AGAIN.sub("", self.named.version) == (
            self.source_version
        )

    @property
    def everywhere(self) -> bool:
        """Whether the package is for all architectures."""
        return self.binary.architecture == "all"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a source is built in."""

    names: tuple[str, ...]
    """What it asks for itself, by the packages that were chosen."""
    packages: tuple[DebianPackage, ...]
    """Everything."""


def served(named: DebName, apt: Apt) -> Served:
    """The package and its source, as the signed index has them. Raises TallyError with what there is."""
    binary, source, version = _binary(named, apt)
    fields = _source(source, version, apt)
    digests = [line.split() for line in fields.get("Checksums-Sha256", "").splitlines() if line.strip()]
    folder = fields.get("Directory", "")
    if not digests or not all(len(each) == 3 and _FILE.fullmatch(each[2]) for each in digests):
        raise TallyError(f"the index of Debian {apt.suite} has no digests for the source {source} {version}")
    files = [SourceFile(name, f"{folder}/{name}", digest) for digest, _, name in digests]
    files.sort(key=lambda file: (not file.name.endswith(".dsc"), file.name))
    if not files[0].name.endswith(".dsc"):
        raise TallyError(f"the source {source} {version} has no .dsc in the index of Debian {apt.suite}")
    return Served(named, binary, source, version, tuple(files), fields, fields.get("Homepage"))


def _binary(named: DebName, apt: Apt) -> tuple[DebianPackage, str, str]:
    known = set(apt.told("pkgnames").split())
    if named.package not in known:
        raise _no_package(named, apt, known)
    found = [
        each
        for each in paragraphs(apt.told("show", "--", named.package))
        if each.get("Package") == named.package
    ]
    one = next((each for each in found if each.get("Version") == named.version), None)
    if one is None:
        there = sorted({each["Version"] for each in found if "Version" in each})
        raise TallyError(
            f"Debian {apt.suite} main has no {named.package} {named.version}; it has {some(there, _SHOWN)}",
            hint="a version that left the archive is in its dated snapshots: name one as a mirror "
            "`debian` in tally.toml",
        )
    try:
        binary = DebianPackage(
            name=named.package,
            version=named.version,
            architecture=one["Architecture"],
            pool=one["Filename"],
            sha256=one["SHA256"],
            size=int(one["Size"]),
        )
    except (KeyError, ValueError) as error:
        raise TallyError(f"the index of Debian {apt.suite} has no digest for {named}") from error
    source, _, version = one.get("Source", named.package).partition(" ")
    return binary, source, version.strip("()") or _AGAIN.sub("", named.version)


def _no_package(named: DebName, apt: Apt, known: set[str]) -> TallyError:
    """The error for a package that is not there: one of another architecture is told as such."""
    try:
        sources = list(paragraphs(apt.told("showsrc", "--", named.package)))
    except TallyError:
        sources = []
    for each in sources:
        for line in each.get("Package-List", "").splitlines():
            words = line.split()
            if words[:1] == [named.package]:
                arch = next((w[5:] for w in words if w.startswith("arch=")), "another architecture")
                return TallyError(
                    f"{named.package} is made for {arch.replace(',', ', ')}, and not for {apt.architecture}",
                    hint="name a package for all architectures, or for this one",
                )
    for each in sources:
        made = each.get("Binary", "").replace(",", " ").split()
        if each.get("Package") == named.package and (there := [name for name in made if name in known]):
            return TallyError(
                f"{named.package} is a source package of Debian {apt.suite}: its packages have other names",
                hint=f"name one that it makes: {some([f'deb:{name}' for name in there], _SHOWN)}",
            )
    return unknown_package(named.package, known, apt.suite, apt.architecture)


def _source(name: str, version: str, apt: Apt) -> Mapping[str, str]:
    try:
        found = list(paragraphs(apt.told("showsrc", "--only-source", "--", name)))
    except TallyError:
        found = []
    for each in found:
        if each.get("Version") == version and each.get("Package") == name:
            return each
    there = [each["Version"] for each in found if "Version" in each]
    raise TallyError(
        f"Debian {apt.suite} main does not have the source {name} {version}; it has {some(there, _SHOWN)}"
    )


def surroundings(one: Served, apt: Apt) -> Surroundings:
    """What its build needs, as the suite has it now. Raises TallyError with what cannot be had."""
    kind = "Indep" if one.everywhere else "Arch"
    wanted, but = [], []
    try:
        for field in ("Build-Depends", f"Build-Depends-{kind}"):
            wanted += list(clauses(one.fields.get(field, ""), apt.architecture))
        for field in ("Build-Conflicts", f"Build-Conflicts-{kind}"):
            but += [text for text, _ in clauses(one.fields.get(field, ""), apt.architecture)]
    except ValueError as error:
        raise TallyError(f"{one.source} needs {str(error)!r}, which cannot be read") from error
    beside = (*BASE, *ALWAYS, *ESSENTIAL)
    try:
        packages = apt.satisfied([*beside, *(text for text, _ in wanted)], but)
    except TallyError as error:
        raise TallyError(
            f"what {one.source} {one.source_version} is built with cannot be had from Debian {apt.suite}: "
            f"{error.message}",
            hint="name the packages that it was built with by a .buildinfo file: --buildinfo FILE",
        ) from error
    chosen = {each.name for each in packages}
    provided = _provided(packages, apt)
    names = set()
    for text, alternatives in wanted:
        found = [each.package for each in alternatives if each.package in chosen]
        found += [name for each in alternatives for name in provided.get(each.package, ())]
        if not found:
            raise TallyError(f"{one.source} needs {text}, and nothing that was chosen is that")
        names.add(found[0])
    return Surroundings(tuple(sorted({*names, *ALWAYS, *ESSENTIAL} - {*BASE})), packages)


def surroundings_of(info: Buildinfo, one: Served, archives: Iterable[Apt], place: str) -> Surroundings:
    """What a .buildinfo file names, from any of these archives. Raises TallyError with what none has."""
    if info.source != one.source or one.binary.file not in info.files:
        raise TallyError(
            f"{place} is of the source {info.source} {info.version} and tells nothing of {one.binary.file}",
            hint="give the .buildinfo file of the build that is served",
        )
    if info.files[one.binary.file] != one.binary.sha256:
        raise TallyError(
            f"{place} is of another build: its {one.binary.file} has sha256 {info.files[one.binary.file]}, "
            f"and the one that is served {one.binary.sha256}",
            hint="give the .buildinfo file of the build that is served",
        )
    if len(info.installed) > _MOST:
        raise TallyError(f"{place} names more than {_MOST} packages")
    found: dict[str, DebianPackage] = {}
    base: tuple[DebianPackage, ...] = ()
    for number, apt in enumerate(archives):
        lacking = {name: version for name, version in info.installed.items() if name not in found}
        if not lacking:
            break
        found.update({each.name: each for each in _exactly(lacking, apt)})
        if number == 0:
            base = apt.resolve(BASE)
    lacking = {name: version for name, version in info.installed.items() if name not in found}
    if lacking:
        names = [f"{name} {version}" for name, version in sorted(lacking.items())]
        raise TallyError(
            f"{counted(len(names), 'package')} that {place} names, no archive here has: {some(names, 20)}",
            hint="add a dated snapshot of the archive to tally.toml, under [mirrors], beside `debian`'s own",
        )
    beside = {each.name: each for each in base if each.name not in found}
    packages = sorted([*found.values(), *beside.values()], key=lambda each: each.file)
    return Surroundings(tuple(sorted(info.installed.keys() - {*BASE})), tuple(packages))


def _exactly(wanted: Mapping[str, str], apt: Apt) -> Iterator[DebianPackage]:
    """Those of these packages that an archive has in these versions."""
    known = set(apt.told("pkgnames").split())
    names = sorted(name for name in wanted if name in known)
    if not names:
        return
    for fields in paragraphs(apt.told("show", "--", *names)):
        name = fields.get("Package", "")
        if wanted.get(name) == fields.get("Version") and {"Filename", "SHA256", "Size"} <= fields.keys():
            yield DebianPackage(
                name=name,
                version=fields["Version"],
                architecture=fields["Architecture"],
                pool=fields["Filename"],
                sha256=fields["SHA256"],
                size=int(fields["Size"]),
            )


def _provided(packages: Sequence[DebianPackage], apt: Apt) -> Mapping[str, Sequence[str]]:
    """What packages are also called, and which of them."""
    words = [f"{each.name}={each.version}" for each in packages]
    found: dict[str, list[str]] = {}
    for fields in paragraphs(apt.told("show", "--", *words)):
        for clause in fields.get("Provides", "").split(","):
            if virtual := clause.partition("(")[0].strip():
                found.setdefault(virtual, []).append(fields["Package"])
    return {virtual: sorted(names) for virtual, names in found.items()}
