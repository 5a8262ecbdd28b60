"""`tally publish --with-sources`: what a rebuilder needs lies beside the release, by digest.

Ten years on, with nothing left of the network but what was published, a release is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import clouds
import pytest
from clouds import AWS, Cloud
from instances import ALICE, PrivateInstance
from loopback import Server, saying
from projects import Project
from registries import FakeRegistry
from targets import laid_out

from orchestrator.ground.errors import TallyError

if TYPE_CHECKING:
    from tests.conftest import Ran, Tally, TallyIn

pytestmark = pytest.mark.integration

NAME = "whole-1.0-x86_64-linux"
REPRODUCED = f"REPRODUCED  {NAME}\n"
YEARS = 10
WEB = "http://127.0.0.1:8080/"
_SERVED = """
import functools, http.server, subprocess, sys, threading
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""


@dataclass(frozen=True)
class Made:
    """A release by a key and one by an identity, and what their maker gave to everybody."""

    maker: Project
    by_key: Path
    by_identity: Path
    whom: tuple[str, ...]
    """By what the second verifies."""
    given: Path
    """A folder with the public key and the trusted root."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn, repository: Path) -> Made:
    """From a folder of their maker's repository, which nobody else has."""
    folder, given = tmp_path_factory.mktemp("maker"), tmp_path_factory.mktemp("given")
    project = Project(folder, tally_in(folder), repository)
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (folder / "tree").mkdir()
    (folder / "tree/word").write_text("said\n")
    (folder / "tree/run").write_text("#!/bin/sh\n")
    (folder / "tree/run").chmod(0o755)
    (folder / "tree/link").symlink_to("word")
    recipe = project.recipe("whole", "mkdir $out; cp -r tree $out/it", '[sources.tree]\npath = "tree"\n')
    for words in (("init", "-q"), ("add", "recipes", "tree", "tally.lock"), ("commit", "-qm", "all")):
        subprocess.run([*git, *words], check=True)
    by_key = folder / project.build(recipe).succeeded().out.strip()
    with PrivateInstance.running(folder / "instance", rekor_version=2) as instance:
        (folder / "tally.toml").write_text(f'[signing.keyless]\ninstance = "{instance.config()}"\n')
        token = {"SIGSTORE_ID_TOKEN": instance.oidc.token(), "GITHUB_ACTIONS": "", "GITLAB_CI": ""}
        ran = project.tally("build", recipe, "--out", "by-identity", environment=token).succeeded()
        whom = ("--identity", ALICE, "--issuer", instance.oidc.issuer, "--trusted-root", "root.json")
        shutil.copy(instance.root_file(), given / "root.json")
    (folder / "tally.toml").unlink()
    shutil.copy(folder / "release.pub", given)
    return Made(project, by_key, folder / ran.out.strip(), whom, given)


@pytest.fixture
def rebuilder(made: Made, tally_in: TallyIn, tmp_path: Path) -> Tally:
    """Somebody else, with empty stores."""
    shutil.copytree(made.given, tmp_path / "rebuilder")
    return tally_in(tmp_path / "rebuilder", TALLY_STATE=str(tmp_path / "state"))


def published(made: Made, release: Path, where: object, *words: str) -> str:
    """The reference that it is found by; the same command again changes nothing."""
    publish = ("publish", release, where, "--with-sources", *words)
    ran = made.maker.tally(*publish).succeeded()
    assert ran.out.startswith("published: ")
    again = made.maker.tally(*publish).succeeded()
    assert again.out == ran.out.replace("published: ", "there already: ")
    return str(ran.out.removeprefix("published: ").strip())


def listed(www: Path) -> dict[str, Path]:
    """Each published source, by its name, and where it lies."""
    document = json.loads((www / f"{NAME}__sources.json").read_bytes())
    return {each["name"]: www / f"sources__sha256-{each['sha256']}" for each in document["sources"]}


@dataclass(frozen=True)
class TenYearsOn:
    """A machine whose one interface is loopback, with a folder served on it, and whose clock is late."""

    rebuilder: Tally
    www: Path
    clock: Path
    """The library that is asked for the date in libc's place."""

    def __call__(self, *words: str) -> Ran:
        from tests.conftest import Ran, command

        apart = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--net", "--map-root-user"]
        inside = [*apart, "sh", "-euc", 'ip link set lo up; exec "$@"', "sh"]
        late = ["env", f"LD_PRELOAD={self.clock}", f"LATE_BY={YEARS * 365 * 24 * 3600}"]
        done = subprocess.run(
            [*inside, sys.executable, "-c", _SERVED, self.www, *late, *command(), *words],
            cwd=self.rebuilder.folder,
            env={
                **os.environ,
                **self.rebuilder.environment,
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Ran(tuple(words), done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    built = tmp_path_factory.mktemp("clock") / "late.so"
    source = repository / "tests/support/late.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", built, source, "-ldl"], check=True)
    return built


def test_ten_years_on(made: Made, rebuilder: Tally, clock: Path, tmp_path: Path) -> None:
    www = tmp_path / "www"
    published(made, made.by_key, f"dir:{www}", "--key", "release.key")
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=www, check=True)
    late, there = TenYearsOn(rebuilder, www, clock), listed(www)
    asked = ("rebuild", WEB, "--publisher", "release.pub")

    # one is missing: it is named, with every place where it was looked for
    name = next(each for each in there if each.startswith("coreutils"))
    whole = there[name].read_bytes()
    there[name].unlink()
    lost = late(*asked).failed(2)
    assert lost.out == f"UNDECIDED  {WEB}\n"
    assert f"no address gave {name} with sha256 " in lost.err
    assert f"  {WEB}#{NAME}: {there[name].name} is listed and not there" in lost.err
    assert f"/{name}: " in lost.err.partition(there[name].name)[2], "a mirror was asked, too"
    assert lost.err.count("no address gave") == 1

    # one has another byte: it is refused by its digest, and named
    there[name].write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    flipped = late(*asked).failed(2)
    assert f"no address gave {name} with sha256 " in flipped.err
    assert f"  {WEB}#{NAME}: its sha256 is " in flipped.err
    assert not list((tmp_path / "state/sources").glob(f"*/{name}"))

    there[name].write_bytes(whole)
    rebuilder("keys", "generate", "own").succeeded()
    ran = late(*asked, "--attest", "again", "--key", "own.key").succeeded()
    assert ran.out.startswith(REPRODUCED)
    assert f"1 input found in {WEB}#{NAME}" in ran.err, "the others were fetched before"
    built = json.loads((rebuilder.folder / "again" / NAME / "builds/a/build.json").read_bytes())
    year = str(datetime.now(UTC).year + YEARS)
    assert any(each.name.startswith(year) for each in (tmp_path / "state/logs").iterdir())
    assert year in json.dumps(built), "the clock was not late"


def test_ten_years_on_by_an_identity(made: Made, rebuilder: Tally, clock: Path, tmp_path: Path) -> None:
    """Its certificate was valid for ten minutes, as those that stamped it and its log attest."""
    www = tmp_path / "www"
    whom = (*made.whom[:-1], str(made.given / "root.json"))
    policy = made.maker.folder / "by-identity.toml"
    policy.write_text(f'[[signer]]\nname = "maker"\nsubject = "{ALICE}"\nissuer = "{made.whom[3]}"\n')
    published(made, made.by_identity, f"dir:{www}", "--policy", str(policy), *whom[4:])
    ran = TenYearsOn(rebuilder, www, clock)("rebuild", WEB, *made.whom).succeeded()
    assert ran.out.startswith(REPRODUCED)
    assert f"inputs found in {WEB}#{NAME}" in ran.err


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(referrers=False).running() as found:
        yield found


NOWHERE = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1"}
"""No mirror answers."""


def test_from_a_registry(made: Made, rebuilder: Tally, registry: FakeRegistry) -> None:
    where = published(made, made.by_key, registry.reference(), "--key", "release.key")
    ran = rebuilder("rebuild", where, "--publisher", "release.pub", environment=NOWHERE).succeeded()
    assert ran.out.startswith(REPRODUCED)
    assert f"found in {where}" in ran.err


def test_from_a_bucket(
    made: Made, rebuilder: Tally, repository: Path, session_state: Path, tmp_path: Path
) -> None:
    try:
        interpreter = clouds.python(session_state)
    except TallyError as error:
        pytest.skip(f"the clouds' libraries cannot be had here: {error.message}")
    with clouds.moto(interpreter) as address:
        cloud = Cloud(interpreter, repository, {**AWS, "AWS_ENDPOINT_URL": address})
        place = f"{{'LocationConstraint': '{AWS['AWS_DEFAULT_REGION']}'}}"
        make = f"Bucket='sources', ObjectLockEnabledForBucket=True, CreateBucketConfiguration={place}"
        run = f"import boto3; boto3.client('s3').create_bucket({make})"
        cloud.code(run, tmp_path).succeeded()
        maker = Cloud(interpreter, repository, {**cloud.environment, "TALLY_STATE": str(session_state)})
        publish = ("publish", made.by_key, "s3://sources/tools", "--with-sources", "--key", "release.key")
        locked = ("--retain", "30d", "--mode", "compliance")
        ran = maker.tally(*publish, *locked, folder=made.maker.folder).succeeded()
        assert ran.out == f"published: s3://sources/tools#{NAME}\n"
        again = maker.tally(*publish, *locked, folder=made.maker.folder).succeeded()
        assert again.out == f"there already: s3://sources/tools#{NAME}\n"
        other = Cloud(interpreter, repository, {**cloud.environment, **rebuilder.environment})
        asked = ("rebuild", "s3://sources/tools", "--publisher", "release.pub")
        ran = other.tally(*asked, folder=rebuilder.folder).succeeded()
    assert ran.out.startswith(REPRODUCED)
    assert "found in s3://sources/tools" in ran.err


def test_from_a_folder_that_was_fetched(made: Made, rebuilder: Tally, tmp_path: Path) -> None:
    where = published(made, made.by_key, f"dir:{tmp_path / 'www'}", "--key", "release.key")
    fetched = rebuilder("fetch", where, "--key", "release.pub", "--with-sources", "--out", "out").succeeded()
    assert f"  sources   {len(listed(tmp_path / 'www'))}, in out/sources\n" in fetched.out
    shutil.rmtree(tmp_path / "www")
    asked = ("rebuild", f"out/{NAME}", "--publisher", "release.pub")
    ran = rebuilder(*asked, environment=NOWHERE).succeeded()
    assert ran.out.startswith(REPRODUCED)
    assert f"found in dir:{rebuilder.folder / 'out'}" in ran.err


FLAKE = """
{{
  outputs = _: {{
    packages.x86_64-linux.default =
      (import ./default.nix {{
        system = "x86_64-linux";
        address = "{address}";
        one-sha256 = "{one}";
        two-sha512 = "{two}";
      }}).fetched;
  }};
}}
"""


def test_a_flakes_fixed_outputs(
    tmp_path: Path, tally_in: TallyIn, repository: Path, rebuilder: Tally
) -> None:
    """One by sha256 and one by sha512, from a server that is gone since."""
    (tmp_path / "maker").mkdir()
    maker = Project(tmp_path / "maker", tally_in(tmp_path / "maker"), repository)
    one, two = (os.urandom(8).hex().encode() for _ in range(2))
    flake = laid_out(maker.folder / "flake")
    with Server({"/one": saying(one), "/two": saying(two)}).running() as server:
        sums = {"one": hashlib.sha256(one).hexdigest(), "two": hashlib.sha512(two).hexdigest()}
        (flake / "flake.nix").write_text(FLAKE.format(address=server.address, **sums))
        maker.tally("build", f"path:{flake}#", "--key", "release.key").succeeded()
    www = tmp_path / "www"
    release = maker.folder / "releases/fetched-1.0-x86_64-linux"
    publish = ("publish", release, f"dir:{www}", "--key", "release.key", "--with-sources")
    maker.tally(*publish).succeeded()
    document = json.loads((www / "fetched-1.0-x86_64-linux__sources.json").read_bytes())
    there = {each["name"]: each for each in document["sources"]}
    assert there["two"]["pinned"] == f"sha512:{sums['two']}"
    shutil.copy(maker.folder / "release.pub", rebuilder.folder)
    asked = ("rebuild", f"dir:{www}", "--publisher", "release.pub", "--json")
    file = www / f"sources__sha256-{there['two']['sha256']}"
    file.write_bytes(two[:-1] + b"!")
    lost = rebuilder(*asked, environment=NOWHERE).failed(2)
    assert "cannot fetch 1 fixed output, two" in lost.err
    assert f"two, at dir:{www}#fetched-1.0-x86_64-linux: its sha512 is " in lost.err
    file.write_bytes(two)
    ran = rebuilder(*asked, environment=NOWHERE).succeeded()
    (told,) = json.loads(ran.out)["rebuilds"]
    assert told["verdict"] == "reproduced"
    assert [each["name"] for each in told["inputs"]] == ["two"], "the others were fetched before"
    assert told["inputs"][0]["digest"] == f"sha512:{sums['two']}"


def test_from_a_nix_cache(made: Made, rebuilder: Tally, tmp_path: Path) -> None:
    """Stock Nix takes them without a key: each path follows from its content."""
    cache = tmp_path / "cache"
    publish = ("publish", made.by_key, f"cache+file://{cache}", "--key", "release.key", "--with-sources")
    ran = made.maker.tally(*publish).succeeded()
    assert ran.out.startswith("published: ")
    assert made.maker.tally(*publish).succeeded().out.startswith("there already: ")
    fixed = [each.read_text() for each in cache.glob("*.narinfo") if "\nCA: fixed:" in each.read_text()]
    assert all(each.count("\nSig: ") == 1 for each in fixed), "no builder made them"
    tree = next(each for each in fixed if "-tree\n" in each)
    assert "\nCA: fixed:r:sha256:" in tree
    path = tree.partition("\n")[0].removeprefix("StorePath: ")
    nix = ["nix", "--extra-experimental-features", "nix-command", "copy", "--from", f"file://{cache}"]
    subprocess.run([*nix, "--to", str(tmp_path / "store"), path], check=True, capture_output=True)
    assert (tmp_path / "store" / path[1:] / "word").read_text() == "said\n"

    key = ran.out.rpartition("signed by: ")[2].strip()
    settings = f'[inputs]\nfrom = "cache"\ncaches = ["file://{cache}"]\nkeys = ["{key}"]\n'
    (rebuilder.folder / "tally.toml").write_text(settings)
    shutil.copytree(made.by_key, rebuilder.folder / "given")
    asked = ("rebuild", "given", "--publisher", "release.pub", "--json")
    again = rebuilder(*asked, environment=NOWHERE).succeeded()
    (told,) = json.loads(again.out)["rebuilds"]
    assert told["verdict"] == "reproduced"
    assert {each["place"] for each in told["inputs"]} == {f"file://{cache}"}
    assert len(told["inputs"]) == len(fixed)
    (word,) = (each for each in told["inputs"] if each["name"] == "whole-tree")
    assert word.keys() == {"name", "narSha256", "place"}


def test_a_release_of_the_first_versions_has_none(
    tally_in: TallyIn, repository: Path, tmp_path: Path
) -> None:
    """It does not carry what made it; published without them it is as before."""
    old = repository / "tests/assets/releases/without-source"
    publisher = tally_in(tmp_path)
    publish = ("publish", old / "greeting-1.0-x86_64-linux", "dir:www", "--key", old / "release.pub")
    refused = publisher(*publish, "--with-sources").failed(2)
    assert "has no folder source/, so it cannot be made again from itself" in refused.err
    assert "leave --with-sources out" in refused.err
    assert not (tmp_path / "www").exists()
    publisher(*publish).succeeded()
    lacks = publisher("fetch", "dir:www", "--key", old / "release.pub", "--with-sources").failed(2)
    assert "no sources of greeting-1.0-x86_64-linux are published at dir:" in lacks.err
    assert not list((tmp_path / "releases").iterdir())
