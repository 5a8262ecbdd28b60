"""Which package manager a Node project's lock is of, and the release of it that builds by that lock. Pure.

Each is one file of npm's registry: Debian's npm takes 400 packages, and its cache cannot be links into the
store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestrator.projects.tree import Tree


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager."""

    name: str
    """The command."""
    source: tuple[tuple[str, str], ...]
    """The keys of a recipe's source; none: the project has it itself."""
    program: str
    """Its script, from the folder that the source is unpacked beside."""
    install: str
    """The command that installs what the lock pins."""
    run: str
    """The command that runs one of the project's scripts."""
    pack: str | None = None
    """The command that packs a workspace's member, with `{file}` for the archive's name; None: npm's does."""
    lock: str | None = None
    """The file that the project has; None: none, so that nothing is installed."""
    remark: str | None = None
    """What to know of it."""


def _keys(npm: str, version: str, sha256: str) -> tuple[tuple[str, str], ...]:
    return ("npm", npm), ("version", version), ("sha256", sha256)


NPM: Final = Manager(
    "npm",
    _keys("npm", "9.9.4", "640bdd76a0b9d92e9da6e391abae75fd2f168478e416847f3acdb8373737e0ee"),
    "npm/bin/npm-cli.js",
    "npm ci --ignore-scripts",
    "npm run",
)
_PNPM: Final = Manager(
    "pnpm",
    _keys("pnpm", "9.15.9", "cf86a7ad764406395d4286a6d09d730711720acc6d93e9dce9ac7ac4dc4a28a7"),
    "pnpm/bin/pnpm.cjs",
    "pnpm install --frozen-lockfile",
    "pnpm run",
    "pnpm pack --pack-destination $out",
)
_PNPM_10: Final = replace(
    _PNPM,
    source=_keys("pnpm", "10.34.9", "7e8a946108e7baab119e51d27c24d6178b46545422643dbc91e34e2f1ee32e0f"),
)
"""For locks with what pnpm 11 has before them. That one needs a Node that is newer than Debian's."""
_SETTINGS: Final = (
    "pnpm-lock.yaml pins configDependencies as pnpm 11 alone reads them: take that one, and a Node.js of "
    "22.13 or newer in [[toolchain.files]]"
)
_YARN: Final = Manager(
    "yarn",
    _keys("yarn", "1.22.22", "c17d3797fb9a9115bf375e31bfd30058cac6bc9c3b8807a3d8cb2094794b51ca"),
    "yarn/bin/yarn.js",
    "yarn install --frozen-lockfile --offline",
    "yarn run",
)
_BERRIES: Final = {
    ("4", "7", False): ("2.4.2", "7790fe7edbdbc694fce37930914b3450d9454baf2934a906868ef2be7f3cb801"),
    ("4", "8", False): ("3.0.2", "a6072d6536b9ebfa9d4be17e1b6e868c461e0db540247eb4aa5c8f6388046c47"),
    ("5", "8", False): ("3.1.1", "74eb8ebba01ef74d0cb9b85aa5c5aba91e1293acc52d0ebb2b0eaf64e35f43ec"),
    ("6", "8", False): ("3.8.7", "fc06b5df6ee5f43580f7b786cf4bdfcd6de4108827ba7cf85776608b3ab34207"),
    ("8", "10c0", False): ("4.0.2", "455c28177e143d71365b5cdaf24bb9b26744e66aaa47b0b873f5fafa0b931b34"),
    ("8", "10c0", True): ("4.13.0", "7dce807938c446bf520799cb9d653b981c39d63618decc0736a4d06803ceb239"),
    ("9", "10c0", True): ("4.14.1", "050441cd452e222ec1b8409415174e81a15a1e8ca5d76236c89f1a4cc9984bcb"),
    ("10", "10c0", True): ("4.18.1", "f6729593ad4c17784e3d4ade53b3ed684e3dba3af5adb9bebe21bb854fe0b153"),
}
"""A yarn that writes such a lock, by the lock's version, its cacheKey and whether checksums have that, too.

Another would write the lock again, which `--immutable` refuses.
"""
_NEWEST: Final = ("10", "10c0", True)
LOCKS: Final = {
    "npm-shrinkwrap.json": "npm",
    "package-lock.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
}
"""In the order in which the first is taken where package.json does not say (`packageManager`)."""


def manager(tree: Tree, manifest: Mapping[str, Any]) -> Manager:
    """The one that the project's lock is of; npm where there is no lock."""
    said = str(manifest.get("packageManager", "")).partition("@")[0]
    locks = [lock for lock in LOCKS if tree.has(lock)]
    lock = next((each for each in locks if LOCKS[each] == said), next(iter(locks), None))
    if lock is None:
        return NPM
    found = {"npm": NPM, "pnpm": _PNPM, "yarn": _YARN}[LOCKS[lock]]
    if found is _PNPM and (text := tree.read(lock) or "").startswith("---"):
        settings = re.search(r"^ *configDependencies:$", text.partition("\n---\n")[0], re.MULTILINE)
        found = replace(_PNPM_10, remark=_SETTINGS if settings else None)
    if found is _YARN and (metadata := _metadata(tree.read(lock) or "")):
        found = _berry(tree, metadata)
    return replace(found, lock=lock)


def _metadata(text: str) -> tuple[str, str, bool] | None:
    """What a lock of yarn 2 or later says of itself; None: it is yarn 1's."""
    if not re.search(r"^__metadata:", text, re.MULTILINE):
        return None
    version, key, form = (
        re.search(pattern, text, re.MULTILINE)
        for pattern in (r"^  version: (\d+)", r"^  cacheKey: (\S+)", r"^  checksum: \w+/")
    )
    plain = re.sub(r"^10(c\d)?$", "10c0", key[1]) if key else ""  # .yarnrc.yml says how yarn 4 compresses
    return version[1] if version else "", plain, form is not None


def _berry(tree: Tree, metadata: tuple[str, str, bool]) -> Manager:
    """The release that the project has in its repository (`yarnPath`), else one that writes such locks."""
    told = "yarn install --immutable", "yarn run", "yarn pack --out $out/{file}"
    own = re.search(r"^yarnPath: *[\"']?([\w./-]+)[\"']? *$", tree.read(".yarnrc.yml") or "", re.MULTILINE)
    if own is not None and tree.has(own[1]):
        return Manager("yarn", (), own[1], *told)
    version, sha256 = _BERRIES.get(metadata, _BERRIES[_NEWEST])
    return Manager("yarn", _keys("@yarnpkg/cli-dist", version, sha256), "yarn/bin/yarn.js", *told)
