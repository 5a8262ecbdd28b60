"""Targets without a recipe: derivations and attributes of files, released and refused."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from caches import Binary, SigningKey, nar_of
from loopback import Answer, Asked, Server
from projects import Project
from targets import laid_out, nix

from orchestrator.ground.nar import nar_hash

DERIVATION = "https://tallystick.example/derivation/v1"
EXPRESSION = "https://tallystick.example/expression/v1"


def provenance(release: Path) -> Any:
    bundle = json.loads((release / "attestations/provenance.sigstore.json").read_bytes())
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]["buildDefinition"]


@pytest.fixture
def packages(project: Project) -> Path:
    """The tests' packages, in the project's folder and at its one commit."""
    folder = laid_out(project.folder / "packages")
    git = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (("init", "-q"), ("add", "."), ("commit", "-qm", "packages")):
        subprocess.run([*git, *words], check=True)
    return folder


def test_a_derivation_and_attributes_of_a_file_become_signed_releases(
    project: Project, packages: Path, session_state: Path
) -> None:
    elsewhere = project.folder / "elsewhere"
    file = packages / "default.nix"
    given = nix(elsewhere, "nix-instantiate", str(file), "-A", "hello")
    (packages / "new.txt").write_text("not committed\n")
    asked = (given, "two", "structured", "-f", packages, "--argstr", "who", "you", "--store", elsewhere)
    ran = project.tally("build", *asked, "--key", "release.key").succeeded()
    assert ran.err.count("agree on every bit; signed") == 3
    assert project.releases == [
        f"{name}-x86_64-linux" for name in ("hello-1.0", "structured-1.0", "two-2.0-bin")
    ]
    osv = project.folder / "osv"
    osv.mkdir()
    package = {"ecosystem": "crates" + ".io", "name": "itoa"}
    affected = {"package": package, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}
    told = {"id": "RUSTSEC-1", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
    (osv / "it.json").write_text(json.dumps(told))
    for name in project.releases:
        release = project.folder / "releases" / name
        project.tally("verify", release, "--key", "release.pub").succeeded()
        definition = provenance(release)
        internal, external = definition["internalParameters"], definition["externalParameters"]
        index = json.loads((release / "release.json").read_bytes())
        if name.startswith("hello"):
            assert definition["buildType"] == DERIVATION
            assert external["target"] == given == internal["package"]["derivation"]
            data = (elsewhere / given[1:]).read_bytes()
            assert external["derivation"]["digest"] == {"sha256": hashlib.sha256(data).hexdigest()}
            assert "repository" not in external
        else:
            assert definition["buildType"] == EXPRESSION
            expression = external["expression"]
            assert expression["attribute"] == name.split("-")[0]
            assert expression["file"] == "default.nix"
            assert expression["arguments"] == {"who": {"string": "you"}}
            assert expression["tree"]["uncommitted"] == external["repository"]["uncommitted"] == ["new.txt"]
            digest = external["repository"]["digest"]["gitCommit"]
            assert expression["tree"]["digest"]["gitCommit"] == digest
            assert str(project.folder) not in json.dumps(definition)
        crates = "pkg:cargo/itoa@1.0.14" in (release / f"sbom/{name.split('-')[0]}.spdx.json").read_text()
        assert crates is name.startswith("two"), "each crate behind the one fixed output is told"
        searched = project.tally("sbom", release, "--vulnerabilities", osv)
        if crates:
            assert "RUSTSEC-1" in searched.failed(1).out
        else:
            assert "0 components compared" in searched.failed(2).err, "nothing of it is in any record"
        # the artifact is the NAR of the output that is installed, and says what its builders made
        made = index["agreement"]["outputs"][internal["package"]["derivation"]]
        output = made["bin" if name.startswith("two") else "out"]
        artifact = release / index["artifact"]["path"]
        assert hashlib.sha256(artifact.read_bytes()).hexdigest() == output["narSha256"]
        # the release alone is enough to have the derivations again
        again = project.folder / f"again-{name}"
        nix(again, "nix-store", "--import", stdin=release / "source" / "derivations.export")
        said = nix(again, "nix-store", "--query", "--outputs", internal["package"]["derivation"])
        assert output["path"] in said.split()
        kinds = {
            each["name"]: each["annotations"]["kind"]
            for each in definition["resolvedDependencies"]
            if "annotations" in each
        }
        assert kinds["tools"] == "built"
        if name.startswith("hello"):
            assert kinds["hello.sh"] == "source", "what somebody's own derivation brings may be its source"

    # a policy that says where sources are from does not accept one that came with the derivation
    policy = project.folder / "policy.toml"
    key = (project.folder / "release.pub").as_posix()
    policy.write_text(
        'name = "t"\n'
        f'[sources]\naddresses = ["https://example.org/*"]\n[[signer]]\nname = "r"\nkey = "{key}"\n'
    )
    release = project.folder / "releases/hello-1.0-x86_64-linux"
    judged = project.tally("verify", release, "--policy", policy).failed(1)
    assert "hello.sh does not say where it is from" in judged.out + judged.err

    # what a builder has built tells its runtime closure, however it is named
    runtime = ("sbom", "-f", packages, "two^bin", "--argstr", "who=you", "--closure", "runtime")
    told = json.loads(project.tally(*runtime).succeeded().out)
    assert "It covers the runtime closure" in told["comment"]
    ran = project.tally(*runtime[:3], "hello", "--argstr", "who=nobody", *runtime[-2:]).failed(2)
    assert "is not built in" in ran.err
    assert "`tally build`" in ran.err
    ran = project.tally("sbom", given, "--store", elsewhere, "--closure", "runtime").failed(2)
    assert f"a builder of this machine has it: --store {session_state / 'stores/a'}" in ran.err

    # by its deriver, in a store that is named, it is the release that is there
    made = json.loads((release / "release.json").read_bytes())["agreement"]["outputs"][given]["out"]["path"]
    listed = project.folder / "list"
    # what is not the first of its derivation's outputs is named after it, and goes beside the other
    named = project.folder / "releases/two-2.0-bin-x86_64-linux"
    two = json.loads((named / "release.json").read_bytes())
    tool = two["agreement"]["outputs"][two["derivations"]["package"]]["bin"]["path"]
    listed.write_text(f"# by their outputs\n{made}\n\n{tool}\n")
    builders = session_state / "stores/a"
    words = ("build", "--targets", listed, "--store", builders, "--key", "release.key")
    assert "already" in project.tally(*words).succeeded().err
    project.tally("verify", named / f"{named.name}.nar", "--key", "release.pub").succeeded()
    assert provenance(named)["internalParameters"]["package"]["version"] == "2.0"
    source = next(each for each in provenance(release)["resolvedDependencies"] if each["name"] == "hello.sh")
    path = source["annotations"]["storePath"]
    ran = project.tally("plan", path, "--store", builders).failed(2)
    assert f"nobody wrote down which derivation made {path}" in ran.err


def test_what_cannot_be_compared_is_refused_in_a_sentence(project: Project, packages: Path) -> None:
    told = {
        "bad.fixed": ("is a fixed output", "what is built from it"),
        "bad.content-addressed": ("'ca-derivations' is disabled", "__contentAddressed"),
        "bad.elsewhere": ("is for powerpc64-linux", "or an attribute for"),
        "bad.broken": ("Package broken-1.0 is marked as broken", "allowBroken = true"),
        "bad.infinite": ("infinite recursion encountered", "default.nix:"),
        "bad.imported": ("during evaluation", "put the file that it makes into the tree"),
        "bad.machines": ("'nixpkgs' was not found", "pin it with -I nixpkgs=PATH"),
        "bad.outside": ("/etc/hostname", "-I NAME=PATH"),
        "bad.fetched": ("unable to download 'http://127.0.0.1:1/tree.tar.gz'", "-I NAME=PATH"),
        "bad.cloned": (
            "fetchGit, fetchTree and getFlake are off",
            "with fetchTarball or fetchurl and a sha256",
        ),
        "bad.read": (
            "fetchGit, fetchTree and getFlake are off",
            "with fetchTarball or fetchurl and a sha256",
        ),
        "bad.long": ("have 210 characters, and at most 199 fit", "shorter name"),
        "bad.placed": ("bad.placed is another derivation in another folder", "toString"),
        **{
            f"bad.{name}": (f"bad.{name} is another derivation in another folder", "toString")
            for name in ("above", "hashed", "length")
        },
        **{  # at a place that no other evaluation has
            f"bad.{name}": (f"bad.{name} is another derivation each time it is evaluated", "currentTime")
            for name in ("home", "library")
        },
        "bad.number": ("is no derivation: its type is int", "error"),
        "bad.misspelt": ("attribute 'curentSystem' missing", "default.nix:"),
        "helo": ("has no attribute helo", "did you mean hello?"),
        "hello.meta.licence": ("there is no licence", "did you mean license?"),
        'bad."': ("open quotation mark", 'a."b.c".d'),
    }
    for attribute, (what, more) in told.items():
        ran = project.tally("plan", "-f", "packages/default.nix", attribute).failed(2)
        assert what in ran.err, (attribute, ran.err)
        assert more in ran.err, (attribute, ran.err)
        assert str(project.folder) not in ran.err.replace(str(packages), ""), ran.err
        assert len(ran.err.splitlines()) < 12, ran.err


def test_what_somebody_gives_cannot_be_of_this_machine(project: Project, packages: Path) -> None:
    words = ("plan", "-f", packages / "default.nix")
    ran = project.tally(*words, "bad.given", "--arg", "who", "toString ./.").failed(2)
    assert "bad.given is another derivation each time it is evaluated" in ran.err
    assert "in --arg, `toString ./.`" in ran.err
    # something that was built and lies in the orchestrator's store, where no other machine has it
    made, state = f"/nix/store/{'1' * 32}-built", project.folder / "state"
    cache = Binary(SigningKey("any-1"))
    cache.add(made, nar_of(b"built"))
    store = state / "stores/orchestrator"
    command = ["nix", "--extra-experimental-features", "nix-command", "copy", "--no-check-sigs", "--from"]
    subprocess.run([*command, cache.into(project.folder / "cache"), "--to", store, made], check=True)
    ran = project.tally(
        *words, "bad.built", "--argstr", "who", made, environment={"TALLY_STATE": str(state)}
    ).failed(2)
    assert f"uses {made} as a source, and its path does not follow from its content" in ran.err


def test_a_derivation_that_cannot_be_had_is_refused(project: Project, packages: Path) -> None:
    elsewhere = project.folder / "elsewhere"
    given = nix(elsewhere, "nix-instantiate", str(packages / "default.nix"), "-A", "random")
    absent = f"/nix/store/{'0' * 32}-absent.drv"
    for words, what in (
        ((absent, "--store", elsewhere), f"{absent} is not in the orchestrator's store or the store"),
        (("/gnu/store/abc-hello.drv",), "is no derivation in /nix/store"),
        (("hello.drv",), "is no derivation in /nix/store"),
    ):
        ran = project.tally("plan", *words).failed(2)
        assert what in ran.err
        assert "hint" in ran.err
    # one whose input is gone from the store that has it
    input_ = next(each for each in nix(elsewhere, "nix-store", "-qR", given).split() if "-tools.drv" in each)
    place = elsewhere / input_[1:]
    kept = place.read_bytes()
    place.parent.chmod(0o755)
    place.chmod(0o644)
    place.unlink()
    ran = project.tally(
        "plan", given, "--store", elsewhere, environment={"TALLY_STATE": str(project.folder / "state")}
    )
    assert "tools.drv" in ran.failed(2).err
    place.write_bytes(kept)
    made = nix(elsewhere, "nix-instantiate", str(packages / "default.nix"), "-A", "two").split("!")[0]
    project.tally("plan", f"{made}^bin", "--store", elsewhere).succeeded()
    ran = project.tally("plan", made, f"{made}^doc", "--store", elsewhere).failed(2)
    assert f"{made} and {made}^doc would both be the release two-2.0-x86_64-linux" in ran.err
    ran = project.tally("plan", made, f"{made}^bin", "--store", elsewhere).succeeded()
    names = re.findall(r"artifact +(\S+)", ran.out)
    assert names == ["two-2.0-x86_64-linux.nar", "two-2.0-bin-x86_64-linux.nar"]
    for both in (("two", "two^doc"), ("two^bin", "two-doc")):
        ran = project.tally("plan", *both, "-f", packages).succeeded()
        assert re.findall(r"artifact +(\S+)", ran.out) == [names[1], names[0]]
    ran = project.tally("plan", f"{made}^man", "--store", elsewhere).failed(2)
    assert "has no output man" in ran.err
    assert "it has bin, doc" in ran.err
    feature = ("--extra-experimental-features", "ca-derivations")
    for name, what in (
        ("content-addressed", "is content-addressed or impure"),
        ("on-content-addressed", "or what it is built with, is content-addressed or impure"),
    ):
        file = str(packages / "default.nix")
        made = nix(elsewhere, "nix-instantiate", *feature, file, "-A", f"bad.{name}")
        ran = project.tally("plan", made, "--store", elsewhere).failed(2)
        assert what in ran.err
        assert "a cache's word for which one it is (a realisation) is not believed" in ran.err
    # builds that differ are told, as of a recipe
    ran = project.tally("build", given, "--store", elsewhere, "--key", "release.key").failed(1)
    assert "DISAGREE" in ran.err
    assert project.releases == []


def test_a_store_that_has_another_source_under_its_path_is_refused(project: Project, packages: Path) -> None:
    elsewhere = project.folder / "elsewhere"
    given = nix(elsewhere, "nix-instantiate", str(packages / "default.nix"), "-A", "hello")
    source = next(each for each in nix(elsewhere, "nix-store", "-qR", given).split() if "-hello.sh" in each)
    file = elsewhere / source[1:]
    file.parent.chmod(0o755)
    file.chmod(0o644)
    file.write_text("echo something else\n")
    file.chmod(0o444)
    size = len(subprocess.check_output(["nix-store", "--dump", file]))
    with closing(sqlite3.connect(elsewhere / "nix/var/nix/db/db.sqlite")) as database, database:
        told = (f"sha256:{nar_hash(file).hex}", size, source)
        database.execute("update ValidPaths set hash = ?, narSize = ?, ca = null where path = ?", told)
    state = project.folder / "state"
    for _ in range(2):
        ran = project.tally("plan", given, "--store", elsewhere, environment={"TALLY_STATE": str(state)})
        assert f"{source} in the store {elsewhere} is not what that path stands for" in ran.failed(2).err
    assert not (state / "stores/orchestrator" / source[1:]).exists()


def test_the_artifact_is_packed_as_asked(project: Project, packages: Path) -> None:
    recipe = project.recipe("small", "mkdir $out; echo small > $out/small")
    both = (recipe, "hello", "-f", packages, "--artifact", "tar.xz", "--key", "release.key")
    assert project.tally("build", *both).succeeded().err.count("agree on every bit; signed") == 2
    assert project.releases == ["hello-1.0-x86_64-linux", "small-1.0-x86_64-linux"]
    for name in project.releases:
        project.tally("verify", project.folder / "releases" / name, "--key", "release.pub").succeeded()
    out = {}
    for wanted, name in (
        ("file:bin/hello", "hello-1.0-x86_64-linux"),
        ("tar.zst", "hello-1.0-x86_64-linux.tar.zst"),
        ("oci", "hello-1.0-x86_64-linux.oci.tar"),
    ):
        words = ("hello", "-f", packages, "--artifact", wanted, "--no-sign", "--json")
        (outcome,) = json.loads(project.tally("build", *words).succeeded().out)["outcomes"]
        out[wanted] = Path(outcome["artifact"])
        assert out[wanted].name.endswith(f"-{name}")
    assert out["file:bin/hello"].read_bytes() == (packages / "hello.sh").read_bytes()
    listed = subprocess.check_output(["tar", "--list", "--zstd", "-f", out["tar.zst"]], text=True)
    assert set(listed.split()) == {"hello-1.0/", "hello-1.0/bin/", "hello-1.0/bin/hello", "hello-1.0/who"}
    assert "index.json" in subprocess.check_output(["tar", "--list", "-f", out["oci"]], text=True).split()
    for wanted, why in (
        ("zip", "'zip' is no form of an artifact"),
        ("file", "needs path"),
        ("file:../x", "path"),
        ("tar.gz:bin/hello", "path is for format"),
    ):
        ran = project.tally("plan", "hello", "-f", packages, "--artifact", wanted).failed(2)
        assert f"--artifact {wanted}: " in ran.err
        assert why in ran.err


def test_evaluation_fetches_what_a_digest_pins_and_nothing_else(
    project: Project, packages: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(8).hex().encode())
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "tree.tar.gz", "tree"], check=True)
    packed = Answer((tmp_path / "tree.tar.gz").read_bytes())
    with Server({"/tree.tar.gz": lambda _: packed}).running() as server:

        def words(attribute: str, digest: str) -> list[str]:
            given = {"address": server.address, "tree-sha256": digest}
            arguments = (word for name, text in given.items() for word in ("--argstr", f"{name}={text}"))
            return [attribute, "-f", str(packages), *arguments]

        ran = project.tally("plan", *words("bad.fetched", "")).failed(2)
        assert f"no sha256 pins what is fetched from {server.address}/tree.tar.gz" in ran.err
        assert "default.nix:" in ran.err
        ran = project.tally("plan", *words("pinned", "0" * 52)).failed(2)
        assert "hash mismatch" in ran.err
        right = words("pinned", nar_hash(tree).hex)
        first = project.tally("plan", *right, "--json").succeeded().out
        asked = len(server.asked)
    # in the store by its digest, it is fetched no more
    assert project.tally("plan", *right, "--json").succeeded().out == first
    assert len(server.asked) == asked


def test_fixed_outputs_are_fetched_once_and_checked(project: Project, packages: Path) -> None:
    unique = os.urandom(8).hex().encode()
    content = {"/one": unique + b" one\n", "/two": unique + b" two\n"}
    sums = {
        "one-sha256": hashlib.sha256(content["/one"]).hexdigest(),
        "two-sha512": hashlib.sha512(content["/two"]).hexdigest(),
    }

    def answer(asked: Asked) -> Answer:
        return Answer(content[asked.path])

    with Server(dict.fromkeys(content, answer)).running() as server:
        given = {"address": server.address, **sums}
        words = ["fetched", "-f", packages, *(w for n, v in given.items() for w in ("--argstr", f"{n}={v}"))]
        wrong = [*words[:-2], "--argstr", f"two-sha512={hashlib.sha512(b'other').hexdigest()}"]
        project.tally("build", *words, "--key", "release.key").succeeded()
        assert server.asked.count("/two") == 1, "each is fetched once, and not by every builder"
        ran = project.tally("build", *wrong, "--key", "release.key", "--out", "others").failed(2)
        assert "cannot fetch 1 fixed output, two" in ran.err
    release = project.folder / "releases/fetched-1.0-x86_64-linux"
    verdict = project.tally("verify", release, "--key", "release.pub").succeeded()
    assert "can be compared with nothing" not in verdict.out + verdict.err, "the sha512 is in the inputs"
    found = {each["name"]: each for each in provenance(release)["resolvedDependencies"]}
    assert found["one"]["digest"] == {"sha256": sums["one-sha256"]}
    assert found["one"]["uri"] == f"{given['address']}/one"
    # what Nix checked by another digest is told by the NAR that all builders had
    assert set(found["two"]["digest"]) == {"narSha256"}
    assert found["one"]["annotations"]["kind"] == found["two"]["annotations"]["kind"] == "fetched"
