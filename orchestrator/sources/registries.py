"""Where a file of PyPI or npm is: asked of the indexes that the machine's own clients use."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.ground.unreachable import Unreachable
from orchestrator.recipe.names import normalised
from orchestrator.recipe.pypinames import is_of_version
from orchestrator.recipe.recipe import PypiSource
from orchestrator.sources.asking import asking, asking_as
from orchestrator.sources.mirrors import Mirrors, pip_find_links

_SHOWN = 10


class Listed(NamedTuple):
    """One file that an index lists."""

    file: str
    address: str
    sha256: str | None
    yanked: str | None = None
    """Why it was withdrawn, perhaps in no words; None: it was not, or the index does not say."""


def pypi_addresses(url: str, mirrors: Mirrors, downloader: Downloader) -> Iterator[str]:
    """Where the file of `mirror://pypi/…/PROJECT/FILE` may be. Raises Unreachable when no index lists it."""
    project, _, file = url.removeprefix("mirror://pypi/").rpartition("/")
    found = False
    reasons: list[str] = []
    for listed in _listed(normalised(project.rsplit("/", 1)[-1]), mirrors, downloader, reasons):
        if listed.file == file:
            if listed.yanked is not None and not found:
                why = f": {listed.yanked}" if listed.yanked else ""
                NOTICE.tell(f"{file} was yanked by its authors{why}; it is pinned all the same")
            found = True
            yield asking_as(listed.address, _indexes(mirrors))
    if not found:
        raise Unreachable("no index lists it" + "".join(f"; {reason}" for reason in reasons))


def pypi_file(source: PypiSource, mirrors: Mirrors, downloader: Downloader) -> str:
    """The name of the release's file with the digest. Raises TallyError with what there is instead."""
    reasons: list[str] = []
    others = []
    for listed in _listed(normalised(source.pypi), mirrors, downloader, reasons):
        if not is_of_version(listed.file, source.pypi, source.version):
            continue
        digest = listed.sha256 or hashed(listed.address, downloader, _indexes(mirrors))
        if digest == source.sha256:
            return listed.file
        others.append(f"  {listed.file}: {digest or 'it could not be read'}")
    found = "\n".join(
        list(dict.fromkeys(others))[:_SHOWN] or [f"  {reason}" for reason in reasons] or ["  no file"]
    )
    raise TallyError(
        f"{source.pypi} {source.version} has no file on PyPI with sha256 {source.sha256}; it has:\n{found}",
        hint="check the version and the digest",
    )


def npm_addresses(url: str, mirrors: Mirrors, downloader: Downloader) -> Iterator[str]:
    """Where the tarball of `mirror://npm/NAME/-/FILE` may be: its usual place, then the registry's word."""
    path = url.removeprefix("mirror://npm/")
    name, _, file = path.partition("/-/")
    version = file.removesuffix(".tgz").removeprefix(f"{name.rsplit('/', 1)[-1]}-")
    for base in _npm_bases(name, mirrors):
        yield mirrors.npm.authorised(base + path)
        try:
            about = f"{base}{name.replace('/', '%2f')}/{version}"
            _, body = downloader.page(mirrors.npm.authorised(about))
            said = json.loads(body)["dist"]["tarball"]
        except (Unreachable, ValueError, KeyError, TypeError, RecursionError):
            continue  # the usual place has its reason already
        if isinstance(said, str) and said != base + path:
            yield mirrors.npm.authorised(said)


def _npm_bases(name: str, mirrors: Mirrors) -> tuple[str, ...]:
    """The registries of a package: its scope's own where npm has one, and then no other but tally.toml's."""
    own = mirrors.npm.registry_of(name)
    return _bases("npm", mirrors) if own is None else (*mirrors.configured("npm"), own)


def _indexes(mirrors: Mirrors) -> Iterator[str]:
    """Addresses of pip's, with who asks there."""
    try:
        yield from (*mirrors.bases("pypi"), *pip_find_links())
    except TallyError:
        return


def _listed(project: str, mirrors: Mirrors, downloader: Downloader, reasons: list[str]) -> Iterator[Listed]:
    """Every file of a project that the indexes and `find-links` list; what failed is added to `reasons`."""
    try:
        pages = [f"{base}{project}/" for base in _bases("pypi", mirrors)]
    except Unreachable as error:
        reasons.append(str(error))
        pages = []
    for address in [*pip_find_links(), *pages]:
        try:
            if address.startswith("file://"):
                yield from local_files(address, downloader)
            else:
                yield from links(*downloader.page(asking(address)))
        except Unreachable as error:
            reasons.append(f"{without_credentials(address)}: {error}")


def local_files(address: str, downloader: Downloader) -> Iterator[Listed]:
    """What a local folder holds, or the page of an index in it. Raises Unreachable."""
    local = downloader.folder(address)
    if local is not None and not (local / "index.html").exists():
        for path in sorted(local.iterdir()):
            yield Listed(path.name, path.absolute().as_uri(), None)
        return
    yield from links(*downloader.page(f"{address.rstrip('/')}/index.html" if local is not None else address))


def links(address: str, body: bytes) -> Iterator[Listed]:
    """The files of a simple index's page (PEP 503)."""
    reader = _Anchors()
    reader.feed(body.decode("utf-8", "replace"))
    for href, yanked in reader.found:
        try:
            target, fragment = urldefrag(urljoin(address, href))
            file = unquote(urlsplit(target).path.rsplit("/", 1)[-1])
        except ValueError:
            continue
        digest = re.fullmatch(r"sha256=([0-9a-f]{64})", fragment.lower())
        if file:
            yield Listed(file, target, digest[1] if digest else None, yanked)


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            told = dict(attrs)
            yanked = (told["data-yanked"] or "") if "data-yanked" in told else None  # PEP 592
            if href := told.get("href"):
                self.found.append((href, yanked))


def _bases(name: str, mirrors: Mirrors) -> tuple[str, ...]:
    try:
        return mirrors.bases(name)
    except TallyError as error:
        raise Unreachable(error.message) from error


def hashed(address: str, downloader: Downloader, known: Iterable[str]) -> str | None:
    """The sha256 of what is at an address, asked for as one of `known`; None: it cannot be read."""
    seen = hashlib.sha256()
    try:
        for chunk in downloader.read(asking_as(address, known)):
            seen.update(chunk)
    except Unreachable:
        return None
    return seen.hexdigest()
