"""requirements.txt with hashes, as pip reads it. Pure.

Format: https://pip.pypa.io/en/stable/reference/requirements-file-format/ and `pip install --require-hashes`.
It names digests and no files: which files these are, an index says, and `Asked.names` here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from orchestrator.dependencies.dependency import BadLock, Dependency, Ecosystem, Locked, Untold
from orchestrator.dependencies.python.asked import Asked
from orchestrator.dependencies.python.files import (
    PYPI,
    File,
    Pinned,
    checked_url,
    dependency,
    digest_of,
    name_in,
    order_of,
    ordered,
    registry_of,
    urls_of,
)
from orchestrator.dependencies.python.manifest import normalised
from orchestrator.dependencies.python.requirement_lines import logical_lines, users_of
from orchestrator.dependencies.python.walk import holds
from orchestrator.ground.digest import OtherDigest, Sha256
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from packaging.requirements import Requirement

LIMIT: Final = 16 << 20
_MOST: Final = 50
"""Files that one includes."""
_AGAIN: Final = "write it with `pip-compile --generate-hashes` or `uv export`"
_HASH: Final = re.compile(r"\s--hash[= ]\s*(\S+)")
_OPTION: Final = re.compile(r"(-[A-Za-z]|--[a-z-]+)(?:[= ]\s*|(?<=^-.))(.*)")
_NOTHING: Final = ("--require-hashes", "--prefer-binary", "--pre", "--no-index")
"""Options that change nothing where every version and digest is told."""
Beside = Callable[[str], bytes | None]
"""Another file of the repository, by its path from the lock's own folder up; None: there is none."""


@dataclass(frozen=True, slots=True)
class Line:
    """One package that the files pin and that applies, before it is known what its files are called."""

    name: str
    version: str
    place: str
    line: int
    digests: tuple[Sha256 | OtherDigest, ...]
    url: str | None
    via: tuple[str, ...] | None
    """Who needs it, as the comments of pip-compile and uv say; None: they say nothing."""
    binary: bool = True
    source: bool = True
    """Whether wheels, and sdists, may be taken."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the files say together."""

    lines: tuple[Line, ...]
    registries: tuple[str, ...]
    """The indexes that they name, in their order; none: those of whoever asks."""


class _Reading:
    """The state of one reading, over all files that it includes."""

    def __init__(self, asked: Asked, beside: Beside) -> None:
        self.asked, self.beside = asked, beside
        self.found: dict[str, Line] = {}
        self.first: str | None = None
        self.further: list[str] = []
        self.binary: dict[str, bool] = {}
        """By name, `:all:` for others: whether wheels (True) or sdists (False) alone may be taken."""
        self.files = 0


def lines(data: bytes, path: str, place: str, asked: Asked, beside: Beside) -> Requirements:
    """What requirements.txt at `path` in the repository and those that it includes pin. Raises BadLock."""
    reading = _Reading(asked, beside)
    _file(reading, data, path, place, ())
    if not reading.found:
        raise BadLock(place, None, f"it pins nothing for {asked.interpreter.told}", hint=_AGAIN)
    found = tuple(_allowed(reading, line) for line in reading.found.values())
    named = ([reading.first] if reading.first else []) + reading.further
    return Requirements(found, tuple(dict.fromkeys(named)))


def read(data: bytes, path: str, place: str, asked: Asked, beside: Beside) -> Locked:
    """What of the files a Python takes. Raises BadLock."""
    said = lines(data, path, place, asked, beside)
    found = [_dependency(line, said, asked) for line in said.lines]
    known = {each.name: each.key for each in found}
    needs: dict[str, set[str]] = {each.name: set() for each in found}
    told = {line.name: line.via for line in said.lines}
    for each in found:
        for user in told[each.name] or ():
            if user in needs and user != each.name:
                needs[user].add(known[each.name])
    return Locked(
        Ecosystem.PYTHON, ordered(_with(each, told[each.name], needs[each.name], known) for each in found), {}
    )


def _with(
    each: Dependency, via: tuple[str, ...] | None, needs: set[str], known: Mapping[str, str]
) -> Dependency:
    from orchestrator.ground.values import replace

    direct = via is None or any(user not in known for user in via)
    return replace(each, direct=direct, needs=tuple(sorted(needs)))


def _dependency(line: Line, said: Requirements, asked: Asked) -> Dependency:
    registry = registry_of(said.registries[0]) if said.registries else PYPI
    if line.url is not None:
        file = name_in(line.url)
        files = tuple(File(file, digest, (line.url,)) for digest in line.digests[:1])
        registry = line.url
    else:
        files = tuple(
            File(asked.names[digest.hex], digest, urls_of(line.name, asked.names[digest.hex], PYPI, None))
            for digest in line.digests
            if digest.hex in asked.names
        )
        if not files:
            problem = f"nobody has looked up which file of {line.name} {line.version} has which digest"
            raise Untold(line.place, line.line, problem, hint="run `tally lock`")
        if not any(fitting(line, file.name, asked) for file in files):
            told = f"{files[0].name}, the file that is locked, is not for {asked.interpreter.told}"
            raise Untold(line.place, line.line, told, hint="run `tally lock`, which looks for another")
    pinned = Pinned(line.name, line.version, line.line, files, registry)
    return dependency(pinned, asked.interpreter, line.place, _AGAIN)


def fitting(line: Line, file: str, asked: Asked) -> bool:
    """Whether a package's file is for the Python. Raises BadLock for one of another package."""
    return order_of(file, asked.interpreter, line.name, line.version, line.place, line.line) is not None


def _file(reading: _Reading, data: bytes, path: str, place: str, above: tuple[str, ...]) -> None:
    if len(data) > LIMIT:
        problem = f"it is larger than {LIMIT:,} bytes, and not read"
        raise BadLock(place, None, problem, hint="name a smaller file")
    reading.files += 1
    if path in above or reading.files > _MOST:
        problem = "it includes itself" if path in above else f"it includes more than {_MOST} files"
        raise BadLock(place, None, problem, hint="leave out what is included again")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLock(place, line, "not UTF-8", hint="save the file as UTF-8") from error
    physical = text.split("\n")
    for number, end, logical in logical_lines(physical):
        if logical.startswith("-"):
            _option(reading, logical, path, place, number, above)
        elif logical:
            _requirement(reading, logical, place, number, users_of(physical, number, end))


def _option(reading: _Reading, text: str, path: str, place: str, line: int, above: tuple[str, ...]) -> None:
    if text in _NOTHING:
        return
    found = _OPTION.fullmatch(text)
    option, value = (found[1], found[2].strip()) if found else (text, "")
    match option:
        case "-r" | "--requirement":
            _include(reading, value, path, place, line, above)
        case "-i" | "--index-url" | "--pypi-url":
            reading.first = reading.first or checked_url(value, place, line)
        case "--extra-index-url":
            reading.further.append(checked_url(value, place, line))
        case "--no-binary" | "--only-binary":
            for name in value.split(","):
                key = name.strip() if name.strip() == ":all:" else normalised(name.strip())
                reading.binary[key] = option == "--only-binary"
        case "--trusted-host" | "--use-feature" | "--pre" | "--no-index" | "--prefer-binary":
            return
        case "-e" | "--editable":
            raise BadLock(
                place,
                line,
                f"`-e {value[:80]}` is a folder without a digest",
                hint="leave it out: the build has the project itself as its source",
            )
        case _:
            raise BadLock(
                place,
                line,
                f"the option {option[:40]} is not read here",
                hint="leave it out: every line is to be a package with one version and its hashes",
            )


def _include(reading: _Reading, value: str, path: str, place: str, line: int, above: tuple[str, ...]) -> None:
    other = posixpath.normpath(posixpath.join(posixpath.dirname(path), value))
    if "://" in value or posixpath.isabs(other) or other.startswith("..") or not value.isprintable():
        problem = f"`-r {value[:80]}` leads out of the repository"
        raise BadLock(place, line, problem, hint="include files of the repository alone")
    data = reading.beside(other)
    if data is None:
        raise BadLock(
            place, line, f"`-r {value}`: the source has no {other}", hint="commit it, or leave it out"
        )
    _file(reading, data, other, place.replace(path, other, 1), (*above, path))


def _requirement(reading: _Reading, text: str, place: str, line: int, via: tuple[str, ...] | None) -> None:
    told = _HASH.findall(text)
    bare = _HASH.sub("", text).strip()
    if re.search(r"\s--?[a-z]", bare):
        option = re.search(r"\s(--?[a-z-]+)", bare)
        problem = f"the option {option[1] if option else ''} of one package is not read here"
        raise BadLock(place, line, problem, hint="leave it out, and say in the script what it is for")
    requirement = _parsed(bare, place, line)
    name = normalised(requirement.name)
    try:
        applies = holds(str(requirement.marker) if requirement.marker else None, reading.asked.interpreter)
    except ValueError as error:
        raise BadLock(place, line, str(error), hint=_AGAIN) from error
    version, url = _version(requirement, name, place, line)
    if not told:
        raise BadLock(place, line, f"{name} has no `--hash`", hint=_AGAIN)
    if not applies:
        return
    digests = tuple(dict.fromkeys(digest_of(each, place, line, name) for each in told))
    held = reading.found.get(name)
    if held is not None and (held.version, held.digests) != (version, digests):
        problem = f"{name} is pinned twice: also at {held.place}, line {held.line}"
        raise BadLock(place, line, problem, hint="keep one of the two")
    if held is None:
        reading.found[name] = Line(name, version, place, line, digests, url, via)


def _parsed(bare: str, place: str, line: int) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    if re.match(r"(git|hg|svn|bzr)\+", bare):
        problem = "a repository's tree has no digest here, and a branch can move"
        raise BadLock(place, line, problem, hint=_AS_SOURCE)
    if bare.startswith((".", "/", "~", "file:")) or _is_path(bare):
        problem = f"{bare[:80]!r} is a file or a folder of a machine"
        raise BadLock(place, line, problem, hint="install it in the script, from the source itself")
    try:
        return Requirement(bare)
    except (InvalidRequirement, RecursionError) as error:
        said = str(error).partition("\n")[0]
        raise BadLock(place, line, f"{bare[:80]!r} is no requirement: {said}", hint=_AGAIN) from error


def _is_path(bare: str) -> bool:
    return "@" not in bare and bare.partition("[")[0].endswith((".whl", ".gz", ".zip"))


_AS_SOURCE: Final = "give it as a source of the recipe: [sources.NAME] with git, rev and nar_sha256"


def _version(requirement: Requirement, name: str, place: str, line: int) -> tuple[str, str | None]:
    if requirement.url is not None:
        if "+" in requirement.url.partition(":")[0]:
            problem = f"{name} comes from a repository: its tree has no digest here, and a branch can move"
            raise BadLock(place, line, problem, hint=_AS_SOURCE)
        url = checked_url(requirement.url, place, line)
        return _version_in(name_in(url), name, place, line), url
    pins = [each for each in requirement.specifier if each.operator in ("==", "===")]
    if len(pins) != 1 or len(list(requirement.specifier)) != 1 or pins[0].version.endswith(".*"):
        said = str(requirement.specifier) or "any version"
        raise BadLock(
            place, line, f"{name} is not pinned: {said}, where `==` and one version belong", hint=_AGAIN
        )
    return pins[0].version, None


def _version_in(file: str, name: str, place: str, line: int) -> str:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        parse_sdist_filename,
        parse_wheel_filename,
    )

    try:
        return str(parse_wheel_filename(file)[1] if file.endswith(".whl") else parse_sdist_filename(file)[1])
    except (InvalidSdistFilename, InvalidWheelFilename) as error:
        problem = f"{file[:80]!r}, the file of {name}, is neither a wheel nor an sdist by its name"
        raise BadLock(place, line, problem, hint="name a file that pip can take") from error


def _allowed(reading: _Reading, line: Line) -> Line:
    from orchestrator.ground.values import replace

    wheels = reading.binary.get(line.name, reading.binary.get(":all:"))
    return line if wheels is None else replace(line, binary=wheels, source=not wheels)


__all__ = ["Beside", "Line", "Requirements", "fitting", "lines", "read"]
