"""Where a crate is: asked of the registry that a lock names, or of what stands in for it on this machine.

https://doc.rust-lang.org/cargo/reference/registry-index.html
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock as Mutex
from typing import Any, Final

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.answers import Authorised
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.ground.values import dataclass
from orchestrator.repositories.git import git
from orchestrator.sources.cargo_settings import CargoSettings, settings
from orchestrator.sources.mirrors import Mirrors

_URL: Final = re.compile(r"(?:mirror://cargo/|(.+)#)([A-Za-z0-9_-]+)/(?:\2)-(.+)\.crate")
_MARKERS: Final = re.compile(r"\{(crate|version|prefix|lowerprefix|sha256-checksum)\}")
_MOST: Final = 1 << 20


def is_crate(url: str) -> bool:
    """Whether an address is one that `Crates` looks up."""
    return url.startswith(("mirror://cargo/", "sparse+", "registry+"))


class Crates:
    """The registries of one run: each is asked once where its files are. From any thread."""

    def __init__(self, mirrors: Mirrors, downloader: Downloader) -> None:
        self._mirrors, self._downloader = mirrors, downloader
        self._mutex = Mutex()
        self._settings: CargoSettings | None = None
        self._configs: dict[str, _Config | Unreachable] = {}

    def addresses(self, url: str, sha256: str) -> Iterator[str]:
        """Where the crate of an address that a lock's reader made may be. Raises Unreachable."""
        found = _URL.fullmatch(url)
        if found is None:
            raise Unreachable("it is no crate's address")
        index, name, version = found.groups()
        reasons = []
        for each in self._indexes(index):
            try:
                yield from self._at(each, name, version, sha256)
            except Unreachable as error:
                reasons.append(f"{without_credentials(each)}: {error}")
        if reasons:
            raise Unreachable("; ".join(reasons))

    def _indexes(self, index: str | None) -> tuple[str, ...]:
        try:
            if index is None:
                return tuple(_as_index(each) for each in self._mirrors.bases("cargo"))
            with self._mutex:
                self._settings = self._settings or settings()
            return self._settings.instead_of(index) or (index,)
        except TallyError as error:
            raise Unreachable(error.message) from error

    def _at(self, index: str, name: str, version: str, sha256: str) -> Iterator[str]:
        if index.startswith("file://"):  # a local registry
            yield f"{index.rstrip('/')}/{name}-{version}.crate"
            return
        config = self._config(index)
        if index.startswith("sparse+"):
            self._look(config, index.removeprefix("sparse+"), name, version, sha256)
        yield config.asked(_filled(config.files, name, version, sha256))

    def _look(self, config: _Config, base: str, name: str, version: str, sha256: str) -> None:
        """Tell that a version was yanked. Raises Unreachable where the index has it with other bytes."""
        try:
            _, body = self._downloader.page(config.asked(f"{base}{prefix(name.lower())}/{name.lower()}"))
            lines = [json.loads(line) for line in body.splitlines() if line.strip()]
            said = next(each for each in lines if each["vers"] == version and each["name"] == name)
        except Absent as error:
            raise Absent(f"its index has no {name}") from error
        except StopIteration:
            raise Absent(f"its index has no {name} {version}") from None
        except (Unreachable, ValueError, KeyError, TypeError, RecursionError):
            return  # the file itself may be had all the same
        if said.get("yanked") is True:
            NOTICE.tell(f"{name} {version} was yanked by its authors; the lock pins it all the same")
        if isinstance(told := said.get("cksum"), str) and told != sha256:
            raise Unreachable(f"its index has {name} {version} with the checksum {told[:64]}, not {sha256}")

    def _config(self, index: str) -> _Config:
        with self._mutex:
            if index not in self._configs:
                try:
                    self._configs[index] = self._asked(index)
                except Unreachable as error:
                    self._configs[index] = error
            found = self._configs[index]
        if isinstance(found, Unreachable):
            raise type(found)(*found.args)
        return found

    def _asked(self, index: str) -> _Config:
        self._settings = self._settings or settings()
        token = self._settings.tokens.get(index) or self._settings.tokens.get(index.rstrip("/"))
        if index.startswith("sparse+"):
            address = f"{index.removeprefix('sparse+')}config.json"
            try:
                _, body = self._downloader.page(address)
            except Unreachable:
                if token is None:
                    raise
                _, body = self._downloader.page(_with(address, token))
        else:
            body = _of_git(index.removeprefix("registry+").rstrip("/"))
        try:
            said: Mapping[str, Any] = json.loads(body)
            files = said["dl"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unreachable("its config.json does not say where files are") from error
        if not isinstance(files, str):
            raise Unreachable("its config.json does not say where files are")
        return _Config(files, token if said.get("auth-required") is True else None)


@dataclass(frozen=True, slots=True)
class _Config:
    """What a registry says of itself."""

    files: str
    """Where files are; may hold markers."""
    token: str | None
    """What it wants to be asked with."""

    def asked(self, address: str) -> str:
        return address if self.token is None else _with(address, self.token)


def _with(address: str, token: str) -> Authorised:
    try:
        return Authorised(address, {"Authorization": token})
    except ValueError as error:
        raise Unreachable(str(error)) from error


def _as_index(base: str) -> str:
    """An address of the mirror `cargo` as lock files spell an index; a folder of crates stays one."""
    if base.startswith(("sparse+", "registry+", "file://")):
        return base.rstrip("/") if base.startswith("registry+") else base
    return f"sparse+{base}"


def prefix(name: str) -> str:
    """The folder of a name's file in an index ("Index files")."""
    return {1: "1", 2: "2", 3: f"3/{name[:1]}"}.get(len(name), f"{name[:2]}/{name[2:4]}")


def _filled(files: str, name: str, version: str, sha256: str) -> str:
    values = {
        "crate": name,
        "version": version,
        "prefix": prefix(name),
        "lowerprefix": prefix(name.lower()),
        "sha256-checksum": sha256,
    }
    if not _MARKERS.search(files):
        return f"{files}/{name}/{version}/download"
    return _MARKERS.sub(lambda found: values[found[1]], files)


def _of_git(address: str) -> bytes:
    """`config.json` at the top of an index that is a git repository. Its other files are not fetched."""
    try:
        with tempfile.TemporaryDirectory(prefix="tallystick-index-") as name:
            repository = Path(name)
            git(repository, "init", "--quiet", "--template=")
            git(repository, "remote", "add", "--", "origin", address)
            partly = ("--no-tags", "--depth=1", "--filter=blob:none")
            git(repository, "fetch", "--quiet", *partly, "origin", "HEAD", fetching=True)
            return git(repository, "cat-file", "blob", "FETCH_HEAD:config.json", fetching=True).encode()
    except (TallyError, OSError) as error:
        said = error.message if isinstance(error, TallyError) else str(error)
        raise Unreachable(f"its index could not be read: {said}") from error
