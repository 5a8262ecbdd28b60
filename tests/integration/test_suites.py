"""Builds with another release of Debian than the usual one, on real Nix and the real archive.

Trixie changes at each point release, so that its packages are locked here and not in the repository.
"""

from __future__ import annotations

import json
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import targets
from debians import docker_registry, registry
from projects import Project
from snapshots import snapshots
from strangers import cosign, cosign_attestation

from orchestrator.evidence.terms import IMAGE_INDEX
from orchestrator.recipe.lock import read
from orchestrator.recipe.suites import Suite

INDEX = "application/vnd.oci.image.index.v1+json"
TRIXIE = 'from = "debian"\nsuite = "trixie"\npackages = ["gcc", "libc6-dev", "make"]'
TREE = """\
make -j$NIX_BUILD_CORES
make install PREFIX=$out
{ gcc --version; ldd --version; } | grep -E "^(gcc|ldd)" > $out/tools
"""
# Its glibc is newer than that of the machine that runs the tests: what was built is run where it was built.
RUNS = """
[check]
script = 'mkdir -p here/below; $out/bin/tree here | grep -q below'
"""


def _source(recipe: Path) -> str:
    """That of a recipe, or of one that a page shows."""
    text = recipe.read_text()
    return text[text.index("[source]") : text.index("[toolchain]")]


def test_tree_by_trixie_beside_bookworm(project: Project, repository: Path) -> None:
    source = _source(repository / "docs/how-to/add-a-recipe.md")
    tree = project.recipe("tree", TREE, more=source, tail=RUNS)
    tree.write_text(tree.read_text().replace('from = "debian"\npackages = []', TRIXIE))
    usual = project.recipe("usual", "mkdir $out")
    said = project.build(tree, key=False, more=("--no-sign",)).failed(2)
    assert (
        "it holds no packages of Debian trixie for x86_64-linux resolved from: gcc, libc6-dev, make"
        in said.err
    )
    before = read(project.folder / "tally.lock")
    assert "not locked for x86_64-linux in Debian trixie" in project.tally("lock", "--check").failed(1).out

    project.tally("lock").succeeded()
    lock = read(project.folder / "tally.lock")
    assert lock.suite == "bookworm"
    assert lock.set_for([], "x86_64-linux") == before.set_for([], "x86_64-linux")
    found = lock.set_for(["gcc", "libc6-dev", "make"], "x86_64-linux", Suite("trixie"))
    assert found is not None
    assert any("t64_" in file for file in found.packages)
    project.tally("lock", "--check").succeeded()

    built = project.build(tree, usual)
    assert "tree: a and b agree on every bit" in built.succeeded().err
    release = project.folder / "releases/tree-1.0-x86_64-linux"
    with tarfile.open(release / "tree-1.0-x86_64-linux.tar.gz") as archive:
        archive.extractall(project.folder / "unpacked", filter="data")
    unpacked = project.folder / "unpacked/tree-1.0"
    assert (unpacked / "tools").read_text().splitlines()[0].startswith("gcc (Debian 14.")
    # the release carries its part of the lock, and its provenance names the suite
    assert read(release / "source/tally.lock").set == (found,)
    policy = project.folder / "policy.toml"
    for suite, code in (("trixie", 0), ("bookworm", 1)):
        policy.write_text(
            f'[[signer]]\nname = "us"\nkey = "release.pub"\n\n'
            f'[[toolchain]]\nfrom = "debian"\nsuite = "{suite}"\n'
        )
        judged = project.tally("verify", release, "--policy", policy, "--json")
        assert judged.code == code, judged
        assert ("toolchain-not-allowed" in json.dumps(json.loads(judged.out))) is bool(code)


def test_the_usual_suite_of_a_project(project: Project) -> None:
    (project.folder / "tally.lock").unlink()
    (project.folder / "tally.toml").write_text('[toolchain]\nsuite = "trixie"\n')
    project.recipe("a", "mkdir $out")
    project.tally("lock").succeeded()
    lock = read(project.folder / "tally.lock")
    assert (lock.suite, lock.set[0].suite) == ("trixie", None)
    assert "busybox-static_1.37" in lock.busybox[0].package
    (project.folder / "tally.toml").write_text('[toolchain]\nsuite = "bookworm"\n')
    said = project.tally("lock", "--check").failed(1).out
    assert said == "recipes without a suite are locked for Debian trixie, and tally.toml says bookworm\n"


def test_a_suite_that_there_is_not(project: Project) -> None:
    recipe = project.recipe("a", "mkdir $out")
    recipe.write_text(recipe.read_text().replace("packages = []", 'suite = "nonesuch"'))
    before = (project.folder / "tally.lock").read_bytes()
    assert "the archive has bookworm, trixie" in project.tally("lock").failed(2).err
    assert (project.folder / "tally.lock").read_bytes() == before


def test_what_changed_since_an_earlier_lock(project: Project) -> None:
    tally, file = project.tally, project.folder / "tally.lock"
    project.recipe("a", "mkdir $out")
    libc = next(each for each in read(file).package if each.name == "libc6")
    older = file.read_text().replace(libc.version, "2.36-9").replace(libc.sha256, "0" * 64)
    (project.folder / "old.lock").write_text(older)
    tracker = project.folder / "tracker.json"
    release = {"bookworm": {"status": "resolved", "fixed_version": "2.36-9+deb12u1"}}
    tracker.write_text(json.dumps({"glibc": {"CVE-2023-0000": {"releases": release}}, "other": {}}))
    before = file.read_bytes()
    said = tally("lock", "--since", "old.lock", "--security-tracker", tracker).succeeded().out
    assert f"  up    libc6 2.36-9 -> {libc.version}; closes CVE-2023-0000\n" in said
    assert "Debian bookworm (a" in said
    told = json.loads(tally("lock", "--since", "old.lock", "--json").succeeded().out)["changes"]
    assert {each["change"] for found in told["toolchains"] for each in found["packages"]} == {"up"}
    assert "pins what" in tally("lock", "--since", file).succeeded().err
    assert file.read_bytes() == before
    tracker.write_text("[]")
    assert (
        "no dump of the security tracker"
        in tally("lock", "--since", "old.lock", "--security-tracker", tracker).failed(2).err
    )
    for words in (
        ("--check", "--update-all"),
        ("--since", "old.lock", "--vm"),
        ("--check", "--since", "old.lock"),
    ):
        assert "changes nothing, so it does not go with" in tally("lock", *words).failed(2).err
    assert "--check makes none" in tally("lock", "--check", "--security-tracker", tracker).failed(2).err
    tally("lock", "--since", "none.lock").failed(2)


def test_security_updates_as_of_a_snapshot(project: Project) -> None:
    recipe = project.recipe("a", "mkdir $out")
    today = datetime.now(UTC).replace(microsecond=0)
    time, later, before = (f"{today + timedelta(days=days):%Y%m%dT%H%M%SZ}" for days in (0, 1, -400))
    keys = f'suite = "bookworm"\nsecurity = true\nsnapshot = "{time}"'
    recipe.write_text(recipe.read_text().replace("packages = []", keys))
    said = project.tally("lock").failed(2).err
    assert "in snapshots of the archive, and nobody has said where these are" in said
    with snapshots(time) as server:
        settings = f'[mirrors]\ndebian-snapshot = ["{server.address}"]\n'
        (project.folder / "tally.toml").write_text(settings)
        project.tally("lock").succeeded()
        dists = [each.removeprefix("/archive/") for each in server.asked if "/dists/" in each]
        # a time of which there is none
        recipe.write_text(recipe.read_text().replace(time, later))
        assert "no address gave a signed index of Debian bookworm" in project.tally("lock").failed(2).err
        recipe.write_text(recipe.read_text().replace(later, time))
    with snapshots(before) as server:  # whoever serves them gives another index than that of then
        recipe.write_text(recipe.read_text().replace(time, before))
        (project.folder / "tally.toml").write_text(f'[mirrors]\ndebian-snapshot = ["{server.address}"]\n')
        assert "the index of bookworm" in (said := project.tally("lock").failed(2).err)
        assert "was made later" in said
        recipe.write_text(recipe.read_text().replace(before, time))
        (project.folder / "tally.toml").write_text(settings)
    assert f"debian/{time}/dists/bookworm/InRelease" in dists
    assert f"debian-security/{time}/dists/bookworm-security/InRelease" in dists
    lock = read(project.folder / "tally.lock")
    found = lock.set_for([], "x86_64-linux", Suite("bookworm", security=True, snapshot=time))
    assert found is not None
    secure = next(lock.packages[each] for each in found.packages if "/updates/" in lock.packages[each].pool)
    plain = f"mirror://debian/{secure.pool.replace('updates/', '')}"
    dated = f"mirror://debian-snapshot/debian-security/{time}/{secure.pool}"
    closure = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]["a"]["closure"]
    urls = next(each["urls"] for each in closure if secure.sha256 in str(each.get("digest")))
    assert urls == [f"mirror://debian-security/{secure.pool}", plain, dated]


def test_other_systems_than_this_machines(project: Project) -> None:
    tiny = project.recipe(
        "tiny",
        "mkdir $out; uname -m > $out/machine",
        more='systems = ["x86_64-linux", "i686-linux", "aarch64-linux"]',
    )
    said = project.build(tiny, key=False, more=("--no-sign", "--system", "i686-linux")).failed(2)
    assert "no packages of Debian bookworm for i686-linux" in said.err
    project.tally("lock").succeeded()
    lock = read(project.folder / "tally.lock")
    assert {each.system for each in lock.set} == {"x86_64-linux", "i686-linux", "aarch64-linux"}
    assert {each.system for each in lock.busybox} == {"x86_64-linux", "i686-linux", "aarch64-linux"}
    arm = project.tally("plan", tiny, "--system", "aarch64-linux").succeeded().out
    assert "tiny-1.0-aarch64-linux.tar.gz" in arm
    assert (
        "did you mean 'aarch64-linux'?"
        in project.tally("plan", tiny, "--system", "arch64-linux").failed(2).err
    )

    # who does not build for it is not asked
    said = project.build(tiny, more=("--system", "aarch64-linux")).failed(2)
    assert "there is no builder for aarch64-linux" in said.err
    assert '`systems = ["aarch64-linux"]` in a [[builder]]' in said.err
    both = '[[builder]]\nname = "{}"\nsystems = ["x86_64-linux", "i686-linux"]\n'
    (project.folder / "tally.toml").write_text(both.format("a") + '[[builder]]\nname = "b"\n')
    said = project.build(tiny, more=("--system", "i686-linux")).failed(2)
    assert "a is the only builder for i686-linux, and has nobody to agree with" in said.err
    said = project.build(tiny, more=("--system", "i686-linux", "--builder", "a", "--builder", "b")).failed(2)
    assert "builder b does not build for i686-linux" in said.err

    # a release for each; this machine's kernel runs both
    (project.folder / "tally.toml").write_text(both.format("a") + both.format("b"))
    project.build(tiny, more=("--system", "x86_64-linux", "--system", "i686-linux")).succeeded()
    assert project.releases == ["tiny-1.0-i686-linux", "tiny-1.0-x86_64-linux"]
    for name, machine in zip(project.releases, ("i686", "x86_64"), strict=True):
        with tarfile.open(project.folder / "releases" / name / f"{name}.tar.gz") as archive:
            member = archive.extractfile("tiny-1.0/machine")
            assert member is not None
            assert member.read().decode() == f"{machine}\n"
    old = project.folder / "releases/tiny-1.0-i686-linux"
    project.tally("verify", old, "--key", "release.pub").succeeded()
    again = project.tally("rebuild", old, "--publisher", "release.pub")
    assert "reproduced" in again.succeeded().out.lower()


def test_what_nix_evaluates_for_another_system(project: Project) -> None:
    """`builtins.currentSystem`, and the names before a flake's attribute, are those that were asked for."""
    builder = '[[builder]]\nname = "{}"\nsystems = ["x86_64-linux", "i686-linux"]\n'
    (project.folder / "tally.toml").write_text(builder.format("a") + builder.format("b"))
    file = targets.laid_out(project.folder / "targets") / "default.nix"
    expression, other = ("-f", file, "hello"), ("--system", "i686-linux")
    wrong = project.tally("plan", *expression, "--argstr", "system", "x86_64-linux", *other).failed(2)
    assert "is for x86_64-linux, and this run for i686-linux" in wrong.err
    (file.parent / "flake.nix").write_text(
        '{ outputs = _: { packages.i686-linux.hello = (import ./. { system = "i686-linux"; }).hello; }; }'
    )
    there = project.tally("plan", f"{file.parent}#hello", *other).succeeded().out
    assert "hello-1.0-i686-linux" in there
    project.tally("plan", f"{file.parent}#hello").failed(2)

    project.tally("build", *expression, *other, "--key", "release.key").succeeded()
    release = project.folder / "releases" / "hello-1.0-i686-linux"
    index = json.loads((release / "release.json").read_bytes())
    assert index["system"] == "i686-linux"
    again = project.tally("rebuild", release, "--publisher", "release.pub").succeeded()
    assert "reproduced" in again.out.lower()
    derivation = index["derivations"]["package"]
    assert derivation in there, "it is the flake's, too"
    assert derivation in project.tally("plan", derivation, *other).succeeded().out
    assert "give `--system i686-linux`" in project.tally("plan", derivation).failed(2).err


def test_one_name_for_images_of_two_systems(project: Project, session_state: Path, tmp_path: Path) -> None:
    systems = ("x86_64-linux", "i686-linux")
    builder = f'[[builder]]\nname = "{{}}"\nsystems = {json.dumps(systems)}\n'
    (project.folder / "tally.toml").write_text(builder.format("a") + builder.format("b"))
    tail = '[artifact]\nformat = "oci"\nentrypoint = ["$out/bin/hi"]\n'
    script = "mkdir -p $out/bin; uname -m > $out/bin/hi"
    made = project.recipe("image", script, more=f"systems = {json.dumps(systems)}", tail=tail)
    project.tally("lock").succeeded()
    project.build(made, more=("--system", systems[0], "--system", systems[1])).succeeded()
    with registry(docker_registry(session_state), tmp_path / "registry") as host:
        for name in project.releases:
            there = (f"oci://{host}/some/app", "--key", "release.key", "--index", "1.0")
            said = project.tally("publish", project.folder / "releases" / name, *there).succeeded()
            assert f"index: oci://{host}/some/app:1.0@sha256:" in said.out
        with urlopen(
            Request(f"http://{host}/v2/some/app/manifests/1.0", headers={"Accept": INDEX})
        ) as answer:
            index = json.loads(answer.read())
        platforms = {each["platform"]["architecture"]: each["digest"] for each in index["manifests"]}
        assert platforms.keys() == {"386", "amd64"}
        # each image is verified by its digest, as its release is
        one = f"oci://{host}/some/app@{platforms['386']}"
        project.tally("verify", one, "--key", "release.pub").succeeded()
        # and the index by the statement about it, with the release behind each image
        whole = f"oci://{host}/some/app:1.0"
        said = project.tally("verify", whole, "--key", "release.pub").succeeded().out
        assert [f"({each} of {whole})" in said for each in ("linux/386", "linux/amd64")] == [True, True]
        assert said.count("PASSED") == 2
        named = whole.removeprefix("oci://")
        key = project.folder / "release.pub"
        code, told = cosign_attestation(cosign(session_state), key, IMAGE_INDEX, named, tmp_path)
        assert code == 0, told
        project.tally("keys", "generate", "other").succeeded()
        said = project.tally("verify", whole, "--key", "other.pub").failed(1).out
        assert "nobody whom you trust has signed whose they are" in said
        said = project.tally("verify", whole, "--key", "release.pub", "--digest", f"sha256:{'0' * 64}")
        assert "an index names several images" in said.failed(2).err
        said = project.tally(
            "publish", project.folder / "releases" / name, f"dir:{tmp_path}/x", "--index", "1"
        )
        assert "--index is not for a static folder" in said.failed(2).err
