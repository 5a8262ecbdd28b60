"""Flakes: resolved as Nix does, evaluated purely with their lock as it is, and released."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nix_versions import of_suite
from projects import Project
from targets import laid_out

from orchestrator.nix.command import installed_version, version_tuple

if TYPE_CHECKING:
    from tests.conftest import TallyIn

FLAKE = """\
{
  inputs.words = { url = "path:WORDS"; flake = false; };
  outputs = { self, words }:
    let
      system = "x86_64-linux";
      all = import ./default.nix { inherit system; who = builtins.readFile "${words}/who"; };
    in
    {
      packages.${system} = { inherit (all) two bad; default = all.hello; };
      legacyPackages.${system} = { inherit (all) structured hello; };
      elsewhere.hello = all.hello;
      impure.time = all.hello // { drvPath = toString builtins.currentTime; };
      impure.home = builtins.readFile "/etc/hostname";
      impure.place = (import ./default.nix { inherit system; who = import ./home.nix; }).hello;
      impure.fetched = builtins.fetchTarball "https://example.org/source.tar.gz";
    };
}
"""
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")


def run(folder: Path, *words: str) -> None:
    subprocess.run(words, cwd=folder, check=True, capture_output=True)


def provenance(release: Path) -> Any:
    bundle = json.loads((release / "attestations/provenance.sigstore.json").read_bytes())
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]["buildDefinition"]


def flake_in(folder: Path) -> Path:
    """The tests' packages as a flake with one input, locked and committed."""
    words = folder / "words"
    words.mkdir()
    (words / "who").write_text("you")
    flake = laid_out(folder / "flake")
    (flake / "flake.nix").write_text(FLAKE.replace("WORDS", str(words)))
    run(flake, *GIT, "init", "-q")
    run(flake, *GIT, "add", ".")
    settings = "build-users-group =\nexperimental-features = nix-command flakes\nflake-registry =\n"
    environment = {**os.environ, "NIX_CONF_DIR": "/dev/null", "NIX_CONFIG": settings}
    lock = ["nix", "flake", "lock", "--store", str(folder / "locking")]
    subprocess.run(lock, cwd=flake, check=True, capture_output=True, env=environment)
    run(flake, *GIT, "add", ".")
    run(flake, *GIT, "commit", "-qm", "a flake")
    return flake


@pytest.fixture
def flake(project: Project) -> Path:
    return flake_in(project.folder)


def test_a_flakes_packages_become_signed_releases(project: Project, flake: Path) -> None:
    lock = (flake / "flake.lock").read_bytes()
    run(flake, *GIT, "remote", "add", "origin", "https://git.example.org/flake.git")
    targets = (f"{flake}#", f"git+file://{flake}#two", f"path:{flake}#structured")
    ran = project.tally("build", *targets, "--key", "release.key").succeeded()
    assert ran.err.count("agree on every bit; signed") == 3
    commit = subprocess.check_output([*GIT, "rev-parse", "HEAD"], cwd=flake, text=True).strip()
    for name, attribute in (
        ("hello-1.0", "default"),
        ("two-2.0-bin", "two"),
        ("structured-1.0", "structured"),
    ):
        release = project.folder / "releases" / f"{name}-x86_64-linux"
        project.tally("verify", release, "--key", "release.pub").succeeded()
        definition = provenance(release)
        external = definition["externalParameters"]
        assert definition["buildType"] == "https://tallystick.example/flake/v1"
        assert external["target"] == f"#{attribute}"
        assert external["flake"]["attribute"] == attribute
        assert external["flake"]["locked"]["narHash"].startswith("sha256-")
        assert set(external["flake"]["inputs"]) == {"words"}
        assert str(project.folder) not in json.dumps(definition)
        named = {each["name"]: each for each in definition["resolvedDependencies"]}
        assert len(named["input words"]["digest"]["narSha256"]) == 64
        assert len(named["flake"]["digest"]["narSha256"]) == 64
        bill = json.loads((release / "sbom" / f"{name.split('-')[0]}.cdx.json").read_bytes())["metadata"][
            "component"
        ]
        told = {each["name"]: each["value"] for each in bill["properties"]}
        if attribute == "default":
            assert bill["cpe"] == "cpe:2.3:a:gnu:hello:1.0:*:*:*:*:*:*:*"
            assert re.fullmatch(r"/nix/store/\w{32}-source/default.nix:\d+", told["tallystick:position"])
        else:
            assert not {"cpe"} & bill.keys() | {"tallystick:position"} & told.keys()
        if attribute == "structured":  # a path has no commit
            assert "repository" not in external
        else:
            assert named["flake"]["digest"]["gitCommit"] == commit
            assert external["repository"] == {
                "digest": {"gitCommit": commit},
                "path": "flake.nix",
                "uncommitted": [],
                "uri": f"git+https://git.example.org/flake.git@{commit}",
            }
    assert (flake / "flake.lock").read_bytes() == lock

    policy = project.folder / "policy.toml"
    policy.write_text(
        'name = "t"\n[require]\ncommit = true\n'
        '[sources]\nrepositories = ["https://git.example.org/*"]\n'
        '[[signer]]\nname = "r"\nkey = "release.pub"\n'
    )
    releases = project.folder / "releases"
    project.tally("verify", releases / "hello-1.0-x86_64-linux", "--policy", policy).succeeded()
    project.tally("verify", releases / "structured-1.0-x86_64-linux", "--policy", policy).failed(1)


PATCHED = """\
{
  outputs = { self }: {
    packages.x86_64-linux.default = derivation {
      name = "it";
      system = "x86_64-linux";
      builder = "/bin/sh";
      version = builtins.readFile ./version;
      patches = if builtins.pathExists ./security.patch then [ ./security.patch ] else [ ];
      self = [ self.rev self.revCount self.lastModified self.narHash ];
    };
  };
}
"""


def git_settings(folder: Path, kind: str) -> None:
    """What makes `git archive` write other bytes than the commit's, while `git status` is clean."""
    own, home = folder / "flake" / ".git", folder / "home"
    (home / ".config" / "git").mkdir(parents=True)
    match kind:
        case "info/attributes":
            (own / "info" / "attributes").write_text("security.patch export-ignore\n")
        case "~/.config/git/attributes":
            (home / ".config" / "git" / "attributes").write_text("security.patch export-ignore\n")
        case "autocrlf":
            (home / ".gitconfig").write_text("[core]\n\tautocrlf = true\n")
        case "filter":
            (own / "info" / "attributes").write_text("version filter=other\n")
            run(folder / "flake", "git", "config", "filter.other.smudge", f"touch {folder}/ran; echo other")
        case "replace":
            ids = [
                subprocess.check_output([*GIT, *words], cwd=folder / "flake", input=b"other\n")
                .decode()
                .strip()
                for words in (("rev-parse", "HEAD:version"), ("hash-object", "-w", "--stdin"))
            ]
            run(folder / "flake", "git", "replace", *ids)
        case "tag":  # which `export-subst` names
            run(folder / "flake", "git", "tag", "v1")


@pytest.mark.parametrize("address", ["{}", "git+file://{}"])
@pytest.mark.parametrize(
    "kind", ["info/attributes", "~/.config/git/attributes", "autocrlf", "filter", "replace", "tag"]
)
def test_a_commit_is_its_own_bytes_whatever_git_is_set_to(
    kind: str, address: str, tmp_path: Path, tally_in: TallyIn
) -> None:
    flake = tmp_path / "flake"
    flake.mkdir()
    (flake / "flake.nix").write_text(PATCHED)
    (flake / "version").write_text("$Format:%D$\n")
    (flake / "security.patch").write_text("patch\n")
    (flake / ".gitattributes").write_text("version export-subst\nflake.nix eol=crlf\n")
    run(flake, *GIT, "init", "-q")
    run(flake, *GIT, "add", ".")
    run(flake, *GIT, "commit", "-qm", "a flake")
    word = address.format(flake)

    def derivation() -> str:
        ran = tally_in(tmp_path, HOME=str(tmp_path / "home"))("plan", "--json", word).succeeded()
        assert "uncommitted" not in ran.err
        return str(json.loads(ran.out)["derivations"][word]["derivation"])

    before = derivation()
    git_settings(tmp_path, kind)
    assert derivation() == before
    assert not (tmp_path / "ran").exists(), "a program that a repository names"


PLACED = """\
{
  outputs = { self }:
    let
      made = given: derivation { name = "it"; system = "x86_64-linux"; builder = "/bin/sh"; inherit given; };
    in {
      packages.x86_64-linux = {
        home = made (builtins.stringLength (import ./home.nix));
        length = made (builtins.stringLength (toString ./.));
        part = made (builtins.match ".*(stat).*" (toString ./.) != null);
        stored = made "${./home.nix}";
      };
    };
}
"""


@pytest.mark.skipif(version_tuple(installed_version()) >= (2, 20), reason="this Nix tells no places")
def test_what_depends_on_a_place_is_refused(tmp_path: Path, tally_in: TallyIn) -> None:
    flake = tmp_path / "flake"
    flake.mkdir()
    (flake / "flake.nix").write_text(PLACED)
    (flake / "home.nix").write_text("toString ~/.\n")
    tally = tally_in(tmp_path, TALLY_STATE=str(tmp_path / "state"))
    for name in ("home", "length", "part"):
        ran = tally("plan", f"path:{flake}#{name}").failed(2)
        assert f"#{name} is another derivation in another folder, so nobody can make it again" in ran.err
        assert "hint: it has `toString ./.`, `~/.` or the like" in ran.err
    tally("plan", f"path:{flake}#stored").succeeded()


def planned(project: Project, *words: object) -> Mapping[str, Any]:
    ran = project.tally("plan", "--json", *words).succeeded()
    return json.loads(ran.out)["derivations"]


def test_attributes_are_found_as_nix_finds_them_and_what_cannot_be_had_is_told(
    project: Project, flake: Path
) -> None:
    inside = flake / "deep" / "er"
    inside.mkdir(parents=True)
    found = planned(project, f"{flake}#hello", f"{flake}#two")
    hello = found[f"{flake}#hello"]["derivation"]
    for word in (f"{flake}", f"{flake}#elsewhere.hello", f"{flake}#.legacyPackages.x86_64-linux.hello"):
        assert planned(project, word)[word]["derivation"] == hello
    names = {
        each["name"]
        for each in json.loads(project.tally("sbom", f"{flake}#hello").succeeded().out)["packages"]
    }
    assert {"hello", "tools"} <= {name.split("-1.0")[0] for name in names}
    assert not any("debian" in name for name in names), "what would pack it is no part of it"
    # from a folder within, as Nix looks upwards for flake.nix; a file that git does not know changes nothing
    (flake / "untracked").write_text("x")
    ran = project.tally("plan", "--json", ".#hello", folder=inside).succeeded()
    assert hello in ran.out
    # uncommitted, and the same with every Nix: no commit, and the bytes as they lie there
    (flake / "hello.sh").write_text("#!/bin/sh\necho changed\n")
    assert planned(project, f"{flake}#hello")[f"{flake}#hello"]["derivation"] != hello

    for word, what, more in (
        (f"{flake}#helo", "has no attribute helo", "did you mean hello?"),
        (f"{flake}#bad.broken", "default.nix:", "marked as broken"),
        (f"{flake}#bad.infinite", "infinite recursion", "default.nix:"),
        (f"{flake}#bad.imported", "during evaluation", "hint"),
        (f"{flake}#impure.time", "currentTime", "flake.nix:"),
        (f"{flake}#impure.home", "/etc/hostname", "flake.nix:"),
        (f"{flake}#impure.fetched", "sha256", "flake.nix:"),
        (f"{flake}#impure.place", "lace", "hint"),
        (f"{flake}?narHash=sha256-x#hello", "has a narHash in its address", "leave it out"),
        (f"{flake}#bad", "is no derivation: its type is set", "name an attribute of it"),
        ("nixpkgs#hello", "a name for a registry", "github:NixOS/nixpkgs/COMMIT#hello"),
        (f"{flake}/none#hello", "none", "error"),
    ):
        ran = project.tally("plan", word).failed(2)
        assert what in ran.err, (word, ran.err)
        assert more in ran.err, (word, ran.err)
        assert len(ran.err.splitlines()) < 12, ran.err

    text = (flake / "flake.nix").read_text()
    (flake / "flake.nix").write_text(
        text.replace(str(project.folder / "words"), str(project.folder / "flake"))
    )
    ran = project.tally("plan", f"{flake}#hello").failed(2)
    assert "has a flake.lock that does not fit its inputs" in ran.err
    (flake / "flake.nix").write_text(text)
    lock = (flake / "flake.lock").read_text()
    (flake / "flake.lock").write_text(lock.replace('"locked"', '"unlocked"'))
    ran = project.tally("plan", f"{flake}#hello").failed(2)
    assert "the node words has no `locked` with a type" in ran.err
    (flake / "flake.lock").unlink()
    (flake / "flake.lock").symlink_to("/dev/zero")
    ran = project.tally("plan", f"{flake}#hello").failed(2)
    assert "is a link" in ran.err
    (flake / "flake.lock").unlink()
    ran = project.tally("plan", f"{flake}#hello").failed(2)
    assert "has no flake.lock, and evaluation writes none" in ran.err
    assert "`nix --extra-experimental-features 'nix-command flakes' flake lock`" in ran.err
    assert not (flake / "flake.lock").exists()


def test_every_nix_makes_the_same_derivations(tmp_path: Path, tally_in: TallyIn, session_state: Path) -> None:
    flake = flake_in(tmp_path)
    committed = tmp_path / "committed"
    run(tmp_path, *GIT, "clone", "-q", str(flake), str(committed))
    (committed / ".gitattributes").write_text("who export-ignore\n*.nix eol=crlf\n*.sh export-subst\n")
    (committed / "hello.sh").write_text("#!/bin/sh\necho '$Format:%D$'\n")
    text = (committed / "default.nix").read_text()
    (committed / "default.nix").write_text(text.replace('package "hello-1.0"', 'package "held-1.0"'))
    run(committed, *GIT, "add", ".")
    run(committed, *GIT, "commit", "-qm", "attributes")
    (flake / "hello.sh").write_text("#!/bin/sh\necho changed\n")
    words = ("plan", "--json", f"{flake}#hello", f"{committed}#hello", "two", "structured", "-f", flake)
    said = {}
    for suite in ("", "trixie", "sid"):
        path = f"{of_suite(suite, session_state)}:{os.environ['PATH']}" if suite else os.environ["PATH"]
        state = tmp_path / f"state-{suite}"
        ran = tally_in(tmp_path, PATH=path, TALLY_STATE=str(state))(*words).succeeded()
        planned = json.loads(ran.out)["derivations"]
        said[suite] = {
            name: (each["derivation"], each["artifact"]["derivation"]) for name, each in planned.items()
        }
    assert said[""] == said["trixie"] == said["sid"]
    assert len(said[""]) == 4


def test_two_revisions_are_compared_by_evaluation_alone(project: Project, flake: Path) -> None:
    first = subprocess.check_output([*GIT, "rev-parse", "HEAD"], cwd=flake, text=True).strip()
    (flake / "default.nix").write_text((flake / "default.nix").read_text().replace("hello-1.0", "hello-1.1"))
    text = (flake / "flake.nix").read_text()
    more = 'new = all.two; broken = throw "it is broken"; };'
    (flake / "flake.nix").write_text(text.replace("default = all.hello; };", f"default = all.hello; {more}"))
    run(flake, *GIT, "commit", "-qam", "another")
    old, new = f"git+file://{flake}?rev={first}#", f"{flake}#"

    told = json.loads(project.tally("compare", old, new, "--json").failed(1).out)["packages"]
    found = {each["target"]: each for each in told}
    assert {name: each["change"] for name, each in found.items()} == {
        "bad": "unknown",
        "broken": "lacking",
        "default": "derivation",
        "new": "lacking",
        "two": "same",
    }
    assert found["default"]["inputs"] == [["hello-1.0", "hello-1.1"]]
    assert found["default"]["derivations"][0] != found["default"]["derivations"][1]
    assert found["broken"]["verdicts"] == [None, "does not evaluate"]
    assert not (project.folder / "releases").exists()

    ran = project.tally("compare", f"{old}default", f"{new}default").failed(1)
    assert "default: derivation (evaluates and evaluates)\n    hello-1.0 -> hello-1.1" in ran.out
    assert "2 of 3 packages the same" in project.tally("compare", old, old).failed(2).out, (
        "`bad` is no package"
    )
    assert "1 of 1 package the same" in project.tally("compare", f"{old}two", f"{new}two").succeeded().out
    half = project.tally("compare", old, f"{new}default").failed(2)
    assert "are one thing and a whole flake" in half.err
    alone = project.tally("compare", old, str(flake)).failed(2)
    assert "is a flake, and what it is to be compared with is none" in alone.err
    lost = project.tally("compare", old, new, "--system", "riscv64-linux").failed(2)
    assert "has no packages for riscv64-linux" in lost.err
