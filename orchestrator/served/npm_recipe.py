"""The recipe that packs an npm package: a commit of its repository, or what a registry serves once more.

Either is its packing step, and nothing before it: no script of its runs.
"""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

import tomli_w

from orchestrator.recipe.licences import check_license
from orchestrator.recipe.names import NAME_LIMIT, VERSION_LIMIT
from orchestrator.recipe.values import address
from orchestrator.served.npm import Package
from orchestrator.served.npm_repository import Tree
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


def settings_of(tree: Tree) -> tuple[Setting, ...]:
    """Every setting of packing a repository's commit."""
    found = [
        SETTINGS[0],
        Setting("npm pack", "--ignore-scripts", "what its scripts fetch or run is not pinned", False),
        Setting("commit", tree.source.rev, tree.commit_by, tree.commit_by.startswith("the registry's")),
    ]
    if tree.folder:
        found.append(Setting("folder", tree.folder, "the registry's repository.directory", True))
    return tuple(found)


def unrun_of(tree: Tree) -> tuple[str, ...]:
    """What keeps a difference from being decided: a line each."""
    return tuple(
        f"its package.json has a script {each}, which was not run: mend the recipe to run it"
        for each in tree.scripts
    )


def recipe_of(package: Package, npm: str, tree: Tree | None = None) -> bytes:
    """The recipe's text. `npm`: sha256 of what packs; `tree`: what is packed, else what is served."""
    named, said = package.named, package.said
    whence = "packed once more from what is served"
    source: dict[str, Any] = {
        "npm": named.package,
        "version": named.version,
        "sha256": package.wanted.digest.hex,
        "unpack": False,
    }
    if tree is not None:
        whence, git = f"packed from the commit {tree.source.rev[:12]}", tree.source
        source = {"git": git.git, "rev": git.rev, "nar_sha256": git.nar_sha256}
    values: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9+._-]", "-", named.package).strip("-")[:NAME_LIMIT],
        "version": re.sub(r"[^A-Za-z0-9+._-]", "_", named.version)[:VERSION_LIMIT],
        "summary": f"The npm package {named.package}, {whence}",
        "homepage": _homepage(said.get("homepage")),
        "license": _licence(said.get("license")),
        "systems": ["x86_64-linux"],
        "sources": {
            "package": source,
            "npm": {"npm": "npm", "version": NPM, "sha256": npm, "unpack": False},
        },
        "toolchain": {"from": "debian", "packages": ["nodejs"]},
        "build": {"script": _script(package, tree)},
        "artifact": {"format": "file", "path": package.file},
    }
    return tomli_w.dumps(values, multiline_strings=True).encode()


def _script(package: Package, tree: Tree | None) -> str:
    served = [
        "mkdir /build/served",
        "tar --no-same-owner -C /build/served -xf $src_package",
        "cd /build/served/*/",
    ]
    lines = [
        "mkdir /build/npm $out",
        "tar --no-same-owner -C /build/npm -xf $src_npm",
        *(served if tree is None else _copied(tree)),
        "export npm_config_offline=true npm_config_update_notifier=false npm_config_cache=/build/cache",
        "node /build/npm/package/bin/npm-cli.js pack --ignore-scripts --pack-destination /build/work",
        f"mv /build/work/*.tgz $out/{shlex.quote(package.file)}",
    ]
    return "\n".join(lines) + "\n"


def _copied(tree: Tree) -> list[str]:
    """The tree as the commit has it: what is unpacked by the build is looked into for its top folder."""
    below = f"/build/tree/{tree.folder}".rstrip("/")
    return ["cp -r $src_package /build/tree", "chmod -R u+w /build/tree", f"cd {shlex.quote(below)}"]


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
