"""An npm registry's answer for one version: the tarball that it serves."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.ground.wording import some
from orchestrator.recipe.names import store_name
from orchestrator.recipe.wanted import Wanted
from orchestrator.served.named import NpmName
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

_LARGEST: Final = 1 << 30
_SHOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Package:
    """What there is of one version."""

    named: NpmName
    wanted: Wanted
    said: dict[str, Any]
    """What the registry tells of it: the package.json, and a few things beside."""

    @property
    def file(self) -> str:
        return self.wanted.name


def package_of(named: NpmName, mirrors: Mirrors, sources: Sources) -> Package:
    """The version's tarball, by the digest that the registry tells. Raises TallyError with what there is."""
    reasons = []
    for base in mirrors.bases("npm"):
        address = f"{base}{named.package.replace('/', '%2f')}"
        try:
            said = json.loads(sources.downloader.page(f"{address}/{named.version}")[1])
            integrity = said["dist"].get("integrity") or ""
            told = re.fullmatch(r"sha512-([A-Za-z0-9+/]{86}==)", integrity.split(" ")[0])
        except Absent:
            reasons.append(_instead(named, address, sources))
            continue
        except Unreachable as error:
            reasons.append(f"{without_credentials(base)}: {error}")
            continue
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            reasons.append(f"{without_credentials(base)}: its answer cannot be read as an npm registry's")
            continue
        if told is None:
            raise TallyError(f"{named}: the registry tells no sha512 of its tarball, so nothing holds it")
        return Package(named, _wanted(named, base, base64.b64decode(told[1]), sources), said)
    raise TallyError("\n".join(reasons), hint="check name, version and `npm config get registry`")


def _wanted(named: NpmName, base: str, sha512: bytes, sources: Sources) -> Wanted:
    file = f"{named.package.rpartition('/')[2]}-{named.version}.tgz"
    seen, other, size = hashlib.sha256(), hashlib.sha512(), 0
    try:
        for chunk in sources.downloader.read(f"{base}{named.package}/-/{file}"):
            size += len(chunk)
            if size > _LARGEST:
                raise TallyError(f"{file} is larger than {_LARGEST} bytes")
            seen.update(chunk)
            other.update(chunk)
    except Unreachable as error:
        raise TallyError(f"{file} cannot be had: {error}") from error
    if other.digest() != sha512:
        raise TallyError(f"{file} is not what the registry says that it is: its sha512 is another")
    return Wanted(store_name(file), Sha256(seen.hexdigest()), (f"mirror://npm/{named.package}/-/{file}",))


def _instead(named: NpmName, address: str, sources: Sources) -> str:
    try:
        versions = list(json.loads(sources.downloader.page(address)[1])["versions"])
    except (Unreachable, ValueError, KeyError, TypeError, RecursionError):
        return f"the npm registry has no package {named.package}"
    near = get_close_matches(named.version, versions, n=3)
    newest = [each for each in reversed(versions) if each not in near]
    return f"{named.package} has no version {named.version}; it has {some([*near, *newest], _SHOWN)}"
