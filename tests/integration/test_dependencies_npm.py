"""A project of npm by its package-lock.json, from a registry on loopback that wants a token."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loopback import Answer, Asked, Route, Server
from npm_packages import integrity, tarball
from repositories import commit
from states import files_with

if TYPE_CHECKING:
    from tests.conftest import Tally, TallyIn

TOKEN = "npm-token-of-the-tests"
RECIPE = """\
name = "app"
version = "1"
summary = "Depends on packages of npm"
homepage = "https://example.org/"
license = "MIT"

[source]
path = "."

[[dependencies]]
lock = "package-lock.json"

[toolchain]
from = "debian"
packages = ["gcc", "make", "libc6-dev"]

[build]
script = '''
test "$npm_config_cache" = "$HOME/.npm" -a "$npm_config_ignore_scripts" = true
cd $npm_config_cache/_cacache/content-v2/sha512
for file in */*/*; do echo ${file//\\//} $(tar xzOf $file package/index.js); done > $out
'''

[artifact]
format = "nar"
"""


PACKAGES = {
    "@own/a": tarball("@own/a"),
    "b": tarball("b", licence="ISC"),
    "c": tarball("c", licence="GPL-3.0-only"),
}
OTHER = tarball("d")
ELSEWHERE = "?repository_url=http://127.0.0.1:9"
"""Their lock has them from another registry than npm's, and their package URLs say so."""


def entry(name: str, data: bytes, **further: object) -> dict[str, Any]:
    resolved = f"http://127.0.0.1:9/{name}/-/{name.rpartition('/')[2]}-1.0.0.tgz"  # the registry goes first
    return {"version": "1.0.0", "integrity": integrity(data), "resolved": resolved, **further}


def lock_of(**changes: dict[str, Any]) -> dict[str, Any]:
    root = {"dependencies": {"@own/a": "1"}, "devDependencies": {"c": "1"}}
    packages = {
        "": root,
        "node_modules/@own/a": entry("@own/a", PACKAGES["@own/a"], dependencies={"b": "1"}),
        "node_modules/b": entry("b", PACKAGES["b"]),
        "node_modules/@own/a/node_modules/b": entry("b", PACKAGES["b"]),
        "node_modules/@own/a/node_modules/z": {"version": "2.0.0", "inBundle": True},
        "node_modules/c": entry("c", PACKAGES["c"], dev=True),
        "node_modules/f": entry("f", PACKAGES["b"]) | {"resolved": "file:f-1.0.0.tgz"},
    }
    packages |= {f"node_modules/{name}": each for name, each in changes.items()}
    return {"lockfileVersion": 3, "packages": packages}


@pytest.fixture(scope="module")
def npmrc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    def guarded(data: bytes) -> Route:
        def route(asked: Asked) -> Answer:
            right = asked.headers.get("Authorization") == f"Bearer {TOKEN}"
            return Answer(data, 200, "application/octet-stream") if right else Answer(b"who asks?", 401)

        return route

    files = {f"/npm/{name}/-/{name.split('/')[-1]}-1.0.0.tgz": data for name, data in PACKAGES.items()}
    with Server({path: guarded(data) for path, data in files.items()}).running() as server:
        file = tmp_path_factory.mktemp("npm") / "npmrc"
        host = server.address.removeprefix("http:")
        file.write_text(
            f"@own:registry={server.address}/npm\n"
            f"registry={server.address}/npm/\n{host}/npm/:_authToken={TOKEN}\n"
        )
        yield file


def project(folder: Path, lock: dict[str, Any]) -> Path:
    (folder / "recipes").mkdir(parents=True)
    (folder / "recipes/app.toml").write_text(RECIPE)
    (folder / "package.json").write_text(json.dumps(lock["packages"][""]))
    (folder / "package-lock.json").write_text(json.dumps(lock, indent=1))
    root = Path(__file__).resolve().parents[2]
    (folder / "tally.lock").write_bytes((root / "tally.lock").read_bytes())
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.fixture(scope="module")
def keys(tally_in: TallyIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    tally_in(folder)("keys", "generate", folder / "release").succeeded()
    return folder


@pytest.fixture(scope="module")
def release(npmrc: Path, keys: Path, tally_in: TallyIn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm") / "app"
    tally = tally_in(project(folder, lock_of()), npm_config_userconfig=str(npmrc))
    out = folder / "releases"
    tally("build", "recipes/app.toml", "--key", keys / "release.key", "--out", out).succeeded()
    [found] = out.iterdir()
    return Path(found)


def test_the_build_finds_every_tarball_once(release: Path) -> None:
    [artifact] = release.glob("*.nar")
    for name, data in PACKAGES.items():
        line = f"{sha512(data).hexdigest()} // {name}\n".encode()
        assert artifact.read_bytes().count(line) == 1


def test_materials_have_the_digest_of_the_lock_and_a_sha256(release: Path) -> None:
    bundle = json.loads((release / "attestations/provenance.sigstore.json").read_text())
    statement = json.loads(b64decode(bundle["dsseEnvelope"]["payload"]))
    found = {
        each["uri"]: each["digest"]
        for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        if each.get("uri", "").startswith("pkg:npm/")
    }
    assert {purl: each["sha512"] for purl, each in found.items()} == {
        f"pkg:npm/%40own/a@1.0.0{ELSEWHERE}": sha512(PACKAGES["@own/a"]).hexdigest(),
        f"pkg:npm/b@1.0.0{ELSEWHERE}": sha512(PACKAGES["b"]).hexdigest(),
        f"pkg:npm/c@1.0.0{ELSEWHERE}": sha512(PACKAGES["c"]).hexdigest(),
    }
    assert all("sha256" in each for each in found.values())


def test_the_sbom_tells_what_is_shipped(release: Path) -> None:
    bill = json.loads((release / "sbom/app.cdx.json").read_text())
    found = {
        each["purl"].removesuffix(ELSEWHERE): each
        for each in bill["components"]
        if each.get("purl", "").startswith("pkg:npm") and each["purl"].endswith(ELSEWHERE)
    }
    scopes = {purl: each["scope"] for purl, each in found.items()}
    assert scopes == {
        "pkg:npm/%40own/a@1.0.0": "required",
        "pkg:npm/b@1.0.0": "required",
        "pkg:npm/c@1.0.0": "excluded",
    }
    assert found["pkg:npm/c@1.0.0"]["licenses"][0]["expression"] == "GPL-3.0-only"
    after = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert found["pkg:npm/b@1.0.0"]["bom-ref"] in after[found["pkg:npm/%40own/a@1.0.0"]["bom-ref"]]


def test_the_sbom_of_the_recipe_tells_the_same(release: Path, npmrc: Path, tally_in: TallyIn) -> None:
    """Without a key or a build, of what the store has by now."""
    tally = tally_in(release.parents[1], npm_config_userconfig=str(npmrc))
    told = tally("sbom", "recipes/app.toml", "--format", "cyclonedx").succeeded().out

    def of_npm(bill: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
        after = {each["ref"]: len(each.get("dependsOn", ())) for each in bill["dependencies"]}
        return {
            each["purl"]: (*map(each.get, ("name", "version", "scope", "licenses")), after[each["bom-ref"]])
            for each in bill["components"]
            if each.get("purl", "").startswith("pkg:npm/")
        }

    found = of_npm(json.loads((release / "sbom/app.cdx.json").read_text()))
    assert len(found) > 3
    assert of_npm(json.loads(told)) == found


def test_what_lies_in_others_is_a_component_of_them(release: Path) -> None:
    bill = json.loads((release / "sbom/app.cdx.json").read_text())
    found = {each.get("purl"): each for each in bill["components"]}
    held = found["pkg:npm/z@2.0.0"]["bom-ref"], found["pkg:npm/f@1.0.0"]["bom-ref"]
    assert held[0].startswith(found[f"pkg:npm/%40own/a@1.0.0{ELSEWHERE}"]["bom-ref"])
    assert "-app-src" in held[1] or "src" in held[1]
    document = json.loads((release / "sbom/app.spdx.json").read_text())
    names = {each["SPDXID"]: each["name"] for each in document["packages"]}
    contained = {
        (names[each["spdxElementId"]], names[each["relatedSpdxElement"]])
        for each in document["relationships"]
        if each["relationshipType"] == "CONTAINS"
    }
    assert ("a", "z") in contained
    assert "f" in {what for _, what in contained}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('[[deny]]\npurl = "pkg:npm/z"\nreason = "nor that"', "nor that"),  # within another
        ('[[deny]]\npurl = "pkg:npm/b"\nreason = "not this one"', "not this one"),
        ('[licences]\ndenied = ["ISC"]', "b 1.0.0 is ISC"),  # users get it
        ('[licences]\ndenied = ["GPL-3.0-only"]\nscope = "all"', "c 1.0.0 is GPL-3.0-only"),
    ],
)
def test_policies_see_them(
    rule: str, said: str, release: Path, keys: Path, tally: Tally, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[signer]]\nname = "us"\nkey = "{keys / "release.pub"}"\n\n{rule}\n')
    assert said in tally("verify", release, "--policy", policy).failed(1).out


SHIPS = """
mkdir -p $out/node_modules/c
tar xzf $npm_config_cache/_cacache/content-v2/sha512/DIGEST -C $out/node_modules/c --strip-components 1
"""


def test_no_package_that_users_get_is_called_excluded(
    npmrc: Path, keys: Path, tally_in: TallyIn, tmp_path: Path
) -> None:
    folder = project(tmp_path / "app", lock_of())
    recipe = (folder / "recipes/app.toml").read_text()
    digest = sha512(PACKAGES["c"]).hexdigest()
    script = SHIPS.replace("DIGEST", f"{digest[:2]}/{digest[2:4]}/{digest[4:]}")
    recipe = recipe.replace(recipe.split("'''")[1], script).replace('"nar"', '"tar.gz"')
    (folder / "recipes/app.toml").write_text(recipe)
    commit(folder)
    tally = tally_in(folder, npm_config_userconfig=str(npmrc))
    done = tally("build", "recipes/app.toml", "--key", keys / "release.key", "--out", tmp_path / "out")
    assert "app: users get c 1.0.0, which the lock has for development" in done.succeeded().err
    [release] = (tmp_path / "out").iterdir()
    bill = json.loads((release / "sbom/app.cdx.json").read_text())
    [c] = [each for each in bill["components"] if each.get("purl") == f"pkg:npm/c@1.0.0{ELSEWHERE}"]
    assert c["scope"] == "required"
    policy = tmp_path / "policy.toml"
    policy.write_text(
        f'[[signer]]\nname = "us"\nkey = "{keys / "release.pub"}"\n\n[licences]\ndenied = ["GPL-3.0-only"]\n'
    )
    judged = tally("verify", release, "--policy", policy).failed(1).out
    assert "c 1.0.0 is GPL-3.0-only" in judged


def test_it_is_made_again_from_itself(release: Path, keys: Path, tally: Tally) -> None:
    said = tally("rebuild", release, "--publisher", keys / "release.pub").succeeded()
    assert "REPRODUCED" in said.out


def test_no_token_is_written_anywhere(release: Path, session_state: Path) -> None:
    assert files_with(TOKEN.encode(), release, *(session_state / each for each in ("log", "logs"))) == []


BAD = {
    "no-integrity": ({"c": {"version": "1.0.0"}}, "line ", "it has no integrity"),
    "nobody-has-it": (
        {"e": entry("e", b"e")},
        "package-lock.json in the source src of app, line ",
        ": no address gave e-1.0.0.tgz with sha512",
    ),
    "other-bytes": (
        {"c": entry("c", OTHER, dev=True)},
        "package-lock.json in the source src of app, line ",
        "c-1.0.0.tgz: its sha512 is ",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_followed(case: str, npmrc: Path, tally_in: TallyIn, tmp_path: Path) -> None:
    changes, *said = BAD[case]
    tally = tally_in(project(tmp_path / "app", lock_of(**changes)), npm_config_userconfig=str(npmrc))
    ran = tally("build", "recipes/app.toml", "--no-sign").failed(2)
    assert all(each in ran.err for each in said), ran.err
    assert "hint: " in ran.err
    assert TOKEN not in ran.err
    assert not (tmp_path / "app/releases").exists()
