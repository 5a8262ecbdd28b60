"""The recipe that packs what an npm registry serves once more: its packing step, and nothing before it."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

import tomli_w

from orchestrator.recipe.licences import check_license
from orchestrator.recipe.names import NAME_LIMIT, VERSION_LIMIT
from orchestrator.recipe.values import address
from orchestrator.served.npm import Package
from orchestrator.served.settings import Setting

NPM: Final = "10.8.2"
"""What packs: the last npm that runs on bookworm's Node.js. The tarball's own is not told by registries."""
_LICENCE: Final = "LicenseRef-not-told-in-package-json"
_HOMEPAGE: Final = "https://not-told-in-package-json.invalid/"

SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("npm", NPM, "one for all: no registry tells which packed it", False),
    Setting("npm pack", "--ignore-scripts", "of what the published tarball holds", True),
)
ALONE: Final = (
    "this is the packing step alone, of the files that are served; "
    "whether its source makes these was not tried"
)


def recipe_of(package: Package, npm: str) -> bytes:
    """The recipe's text. `npm`: sha256 of what packs."""
    named, said = package.named, package.said
    values: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9+._-]", "-", named.package).strip("-")[:NAME_LIMIT],
        "version": re.sub(r"[^A-Za-z0-9+._-]", "_", named.version)[:VERSION_LIMIT],
        "summary": f"The npm package {named.package}, packed once more from what is served",
        "homepage": _homepage(said.get("homepage")),
        "license": _licence(said.get("license")),
        "systems": ["x86_64-linux"],
        "sources": {
            "package": {
                "npm": named.package,
                "version": named.version,
                "sha256": package.wanted.digest.hex,
                "unpack": False,
            },
            "npm": {"npm": "npm", "version": NPM, "sha256": npm, "unpack": False},
        },
        "toolchain": {"from": "debian", "packages": ["nodejs"]},
        "build": {"script": _script(package)},
        "artifact": {"format": "file", "path": package.file},
    }
    return tomli_w.dumps(values, multiline_strings=True).encode()


def _script(package: Package) -> str:
    lines = [
        "mkdir /build/npm /build/served $out",
        "tar --no-same-owner -C /build/npm -xf $src_npm",
        "tar --no-same-owner -C /build/served -xf $src_package",
        "cd /build/served/*/",
        "export npm_config_offline=true npm_config_update_notifier=false npm_config_cache=/build/cache",
        "node /build/npm/package/bin/npm-cli.js pack --ignore-scripts --pack-destination /build/work",
        f"mv /build/work/*.tgz $out/{shlex.quote(package.file)}",
    ]
    return "\n".join(lines) + "\n"


def _homepage(text: object) -> str:
    try:
        return str(address("https", "http").func(text if isinstance(text, str) else ""))
    except ValueError:
        return _HOMEPAGE


def _licence(text: object) -> str:
    try:
        return check_license(text if isinstance(text, str) else "")
    except ValueError:
        return _LICENCE
