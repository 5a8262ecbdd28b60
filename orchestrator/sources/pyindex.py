"""What a Python index says of a project: its files, their digests and upload times, what was withdrawn.

The simple API in JSON (PEP 691, with upload times by PEP 700), else in HTML (PEP 503). The indexes are those
that the machine's own pip asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock as Mutex
from typing import Any, Final
from urllib.parse import urljoin

from packaging.tags import Tag
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.answers import Authorised
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.sources.asking import asking_as
from orchestrator.sources.mirrors import Mirrors, pip_find_links
from orchestrator.sources.registries import Listed, hashed, links, local_files

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_ACCEPT: Final = f"{_JSON}, text/html;q=0.1"
_LARGEST: Final = 64 << 20
_REDIRECTIONS: Final = 8
"""And as often a busy index is asked again."""
_BUSY: Final = (429, 500, 502, 503, 504)
_WAITS: Final = (4.0, 2.0, 1.0)
"""Seconds, the last one first."""
_SDISTS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


@dataclass(frozen=True, slots=True)
class File:
    """One file of a project."""

    name: str
    address: str
    version: Version
    tags: frozenset[Tag]
    """Of a wheel; none for an sdist."""
    sha256: str | None
    uploaded: datetime | None
    """None: the index does not say."""
    yanked: str | None
    """Why it was withdrawn, perhaps in no words; None: it was not."""
    requires_python: str | None

    @property
    def is_wheel(self) -> bool:
        return bool(self.tags)

    @property
    def is_pure(self) -> bool:
        """Whether it is a wheel for every platform."""
        return any(tag.platform == "any" and tag.abi == "none" for tag in self.tags)


class Index:
    """The indexes of one run; each project is asked for once."""

    def __init__(self, mirrors: Mirrors, downloader: Downloader) -> None:
        self._mirrors, self._downloader = mirrors, downloader
        self._known: dict[str, tuple[File, ...]] = {}
        self._apart: dict[str, dict[str, set[str]]] = {}
        self._folders: tuple[str, ...] | None = None
        self._mutex = Mutex()

    def files(self, project: str) -> tuple[File, ...]:
        """Every file of a project that has a version. Raises TallyError where no index knows the project."""
        name = canonicalize_name(project)
        with self._mutex:
            if name in self._known:
                return self._known[name]
        reasons: list[Unreachable] = []
        found: dict[str, File] = {}
        apart: dict[str, set[str]] = {}
        for file in self._asked(name, reasons):
            if file.sha256 is not None:
                apart.setdefault(file.name, set()).add(file.sha256)
            held = found.get(file.name)
            if held is None or (held.uploaded is None and held.sha256 in (None, file.sha256)):
                found[file.name] = file
        if not found:
            raise _nothing(name, reasons)
        with self._mutex:
            self._known[name] = tuple(found.values())
            self._apart[name] = {file: digests for file, digests in apart.items() if len(digests) > 1}
        return self._known[name]

    def apart(self, project: str) -> Mapping[str, set[str]]:
        """Of a project that was asked for: files that several digests were told of, with these."""
        return self._apart.get(canonicalize_name(project), {})

    def digest(self, file: File) -> str | None:
        """The sha256 of a file, which is read where the index does not tell; None: it cannot be."""
        return file.sha256 or hashed(file.address, self._downloader, self._known_addresses())

    def _known_addresses(self) -> tuple[str, ...]:
        """Those of pip's, which may say who asks there."""
        try:
            return (*self._mirrors.bases("pypi"), *(self._folders or ()))
        except TallyError:
            return self._folders or ()

    def _asked(self, name: str, reasons: list[Unreachable]) -> Iterator[File]:
        try:
            bases = self._mirrors.bases("pypi")
        except TallyError as error:
            reasons.append(Unreachable(error.message))
            bases = ()
        with self._mutex:
            if self._folders is None:
                self._folders = pip_find_links()  # pip takes half a second to say it
        for base in (*bases, *self._folders):
            address = base if base not in bases else f"{base}{name}/"
            try:
                yield from self._page(address, name)
            except Absent:
                reasons.append(Absent(f"{without_credentials(base)} has none"))
            except Unreachable as error:
                reasons.append(Unreachable(f"{without_credentials(base)}: {error}"))

    def _page(self, address: str, name: str) -> Iterator[File]:
        if address.startswith("file://"):
            yield from _of_listed(local_files(address, self._downloader), name)
            return
        final, kind, body = self._fetched(address)
        found = _of_json(final, body, name) if "json" in kind else _of_listed(links(final, body), name)
        for file in found:
            if file.address.startswith(("https://", "http://")):  # none of this machine
                yield file

    def _fetched(self, address: str) -> tuple[str, str, bytes]:
        """Where the page was in the end, its media type, its bytes. Raises Unreachable."""
        busy = list(_WAITS)
        for _ in range(_REDIRECTIONS):
            asked = asking_as(address, self._known_addresses())
            headers = {"Accept": _ACCEPT, **(asked.headers if isinstance(asked, Authorised) else {})}
            address = str(asked)
            with self._downloader.exchange("GET", address, headers, named=True) as answer:
                headers = {key.lower(): value for key, value in answer.headers.items()}
                if answer.status in (301, 302, 303, 307, 308) and headers.get("location"):
                    target = urljoin(address, headers["location"])
                    if not target.startswith(("https://", "http://")):
                        raise Unreachable("it redirects to what is no web address")
                    address = target
                    continue
                if answer.status in _BUSY and busy and not self._downloader.stop.wait(busy.pop()):
                    continue
                if answer.status in (404, 410):
                    raise Absent(f"HTTP status {answer.status}")
                if answer.status != 200:
                    raise Unreachable(f"HTTP status {answer.status}")
                return address, headers.get("content-type", ""), answer.small(_LARGEST)
        raise Unreachable("it redirects without an end")


def _nothing(name: str, reasons: Iterable[Unreachable]) -> TallyError:
    """The error for a project that no index has told of."""
    told = "".join(f"\n  {reason}" for reason in reasons)
    if all(isinstance(each, Absent) for each in reasons):
        hint = "check the name, and which index pip asks: `pip config list`"
        return TallyError(f"no Python index has a project called {name}{told}", hint=hint)
    hint = "check the network, and which index pip asks: `pip config list`"
    return TallyError(
        f"not every Python index could be asked for {name}, and no other has it:{told}", hint=hint
    )


def _of_json(address: str, body: bytes, name: str) -> Iterator[File]:
    try:
        said = json.loads(body)
        files = said["files"]
        for each in files:
            place, digests = urljoin(address, each["url"]), each.get("hashes", {})
            yield from _file(name, each["filename"], place, digests.get("sha256"), each)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreachable("its answer cannot be read as PEP 691 has it") from error


def _of_listed(listed: Iterable[Listed], name: str) -> Iterator[File]:
    for each in listed:
        said = {} if each.yanked is None else {"yanked": each.yanked}
        yield from _file(name, each.file, each.address, each.sha256, said)


def _file(
    project: str, file: str, address: str, sha256: str | None, said: Mapping[str, Any]
) -> Iterator[File]:
    """The file, where its name is one of the project's."""
    try:
        of: str
        tags: frozenset[Tag] = frozenset()
        if file.endswith(".whl"):
            of, version, _, tags = parse_wheel_filename(file)
        elif file.endswith(_SDISTS):
            of, version = _sdist(file, project)
        else:
            return
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return
    if of != project:
        return
    yanked = said.get("yanked", False)
    yield File(
        file,
        address,
        version,
        tags,
        sha256 if isinstance(sha256, str) and re.fullmatch("[0-9a-f]{64}", sha256) else None,
        _moment(said.get("upload-time")),
        None if yanked is False else yanked if isinstance(yanked, str) else "",
        required if isinstance(required := said.get("requires-python"), str) and required else None,
    )


def _sdist(file: str, project: str) -> tuple[str, Version]:
    """The name and version in an sdist's name, old spellings too."""
    stem = file
    for ending in _SDISTS:
        stem = stem.removesuffix(ending)
    try:
        return parse_sdist_filename(f"{stem}.tar.gz")
    except InvalidSdistFilename:
        for dash in re.finditer("-", stem):
            if canonicalize_name(stem[: dash.start()]) == project:
                return canonicalize_name(project), Version(stem[dash.end() :])
        raise


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
