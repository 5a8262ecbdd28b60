"""What the machine's own npm is told of registries: where those of scopes are, and who asks.

Formats: https://docs.npmjs.com/cli/configuring-npm/npmrc; whose token goes where: `auth.js` of
npm-registry-fetch. Only the user's and the machine's own files are read: a project's could name any variable.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from orchestrator.ground.answers import Authorised
from orchestrator.ground.files import contents
from orchestrator.ground.values import dataclass, field

_LARGEST: Final = 1 << 20
_ENVIRONMENT: Final = "npm_config_"
_VARIABLE: Final = re.compile(r"(?<!\\)\$\{([^}?]+)(\?)?\}")


@dataclass(frozen=True)
class NpmSettings:
    """npm's keys and their values, what stands in the environment winning."""

    values: Mapping[str, str] = field(repr=False)
    """Tokens are among them."""

    def registry_of(self, name: str) -> str | None:
        """The registry of a package's scope, ending in a slash; None: the usual one."""
        scope = name.partition("/")[0] if name.startswith("@") else ""
        found = self.values.get(f"{scope}:registry", "") if scope else ""
        return f"{found.rstrip('/')}/" if found.startswith(("http://", "https://")) else None

    def authorised(self, address: str) -> str:
        """The address, asked for with the token that npm has for it, where it has one."""
        word = self._authorization(address)
        if word is None:
            return address
        try:
            return Authorised(address, {"Authorization": word})
        except ValueError:  # others could read it on the way
            return address

    def _authorization(self, address: str) -> str | None:
        parts = urlsplit(address)
        path = f"{parts.path.rpartition('/')[0]}/"
        while parts.netloc:
            place = f"//{parts.netloc}{path}"
            for base in (place, place.rstrip("/")):
                if (found := self._of(base)) is not None:
                    return found
            if path == "/":
                return None
            path = f"{path.rstrip('/').rpartition('/')[0]}/"
        return None

    def _of(self, base: str) -> str | None:
        if token := self.values.get(f"{base}:_authToken"):
            return f"Bearer {token}"
        if basic := self.values.get(f"{base}:_auth"):
            return f"Basic {basic}"
        user, password = (self.values.get(f"{base}:{key}") for key in ("username", "_password"))
        if not user or not password:
            return None
        try:
            both = f"{user}:{b64decode(password, validate=True).decode()}"
        except ValueError:
            return None
        return f"Basic {b64encode(both.encode()).decode()}"


def settings(files: tuple[Path, ...], environment: Mapping[str, str] = os.environ) -> NpmSettings:
    """What npm is told by these files, the later ones winning. One that cannot be read says nothing."""
    found: dict[str, str] = {}
    for file in files:
        try:
            text = contents(file, _LARGEST).decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
        found.update(_lines(text, environment))
    for name, value in environment.items():
        if name.startswith((f"{_ENVIRONMENT}//", f"{_ENVIRONMENT}@")) and value:
            found[name.removeprefix(_ENVIRONMENT)] = value
    return NpmSettings(found)


def is_npm_tarball(url: str) -> bool:
    """Whether an address is of the form that npm's registries have for tarballs."""
    return url.startswith(("https://", "http://")) and "/-/" in url and url.endswith(".tgz")


def _lines(text: str, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, mark, value = line.strip().partition("=")
        if mark and key[:1] not in (";", "#", "["):
            yield key.strip(), _expanded(value.strip().strip("\"'"), environment)


def _expanded(value: str, environment: Mapping[str, str]) -> str:
    """With variables in their places; one that is not set stays as it is written, as npm has it."""
    return _VARIABLE.sub(lambda found: environment.get(found[1], "" if found[2] else found[0]), value)
