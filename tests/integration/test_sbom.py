"""`tally sbom` of what lies in real stores."""

from __future__ import annotations

import html
import json
import os
import sqlite3
import subprocess
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import clients
import closures
import pytest
import vendor_folders
from nix_versions import of_suite
from pynixutil import drvparse
from targets import laid_out, nix

from orchestrator.clients import spdx as client
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.nar import nar_hash
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.derivation import parse

pytestmark = pytest.mark.integration
COUNT = 40
NOWHERE = "/nix/store/00000000000000000000000000000000-nowhere-1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> closures.Made:
    return closures.make(tmp_path_factory.mktemp("closure"), COUNT)


def document(ran: Any) -> dict[str, Any]:
    return json.loads(ran.succeeded().out)


def kinds(document: dict[str, Any]) -> set[str]:
    return {each["relationshipType"] for each in document["relationships"]}


class TestADerivation:
    def test_both_closures_whatever_names_them(self, tally: Any, made: closures.Made, tmp_path: Path) -> None:
        store = str(made.store.root)
        found = document(tally("sbom", made.top, "--store", store))
        assert kinds(found) == {
            "DESCRIBES", "DEPENDS_ON", "BUILD_DEPENDENCY_OF", "BUILD_TOOL_OF", "GENERATED_FROM", "PATCH_FOR",
        }  # fmt: skip
        built = [each for each in found["packages"] if "output of its derivation" in each["sourceInfo"]]
        assert len(built) == COUNT
        assert all(each["checksums"][0]["algorithm"] == "SHA256" for each in found["packages"])
        client.validate(json.dumps(found).encode(), "it")
        assert document(tally("sbom", f"{made.top}^out", "--store", store)) == found
        assert document(tally("sbom", made.output, "--store", store)) == found
        (tmp_path / "result").symlink_to(made.output)
        link = str(tmp_path / "result")
        assert document(tally("sbom", link, "--store", store, "--closure", "both")) == found

    def test_one_closure(self, tally: Any, made: closures.Made) -> None:
        asked = ("sbom", made.top, "--store", made.store.root, "--closure")
        assert kinds(document(tally(*asked, "runtime"))) == {"DESCRIBES", "DEPENDS_ON"}
        assert "DEPENDS_ON" not in kinds(document(tally(*asked, "build")))

    def test_it_is_drawn(self, tally: Any, made: closures.Made, tmp_path: Path) -> None:
        asked = ("sbom", made.top, "--store", made.store.root, "--graph", "svg")
        drawn = tally(*asked).succeeded().out
        assert f"all {len(document(tally(*asked[:4]))['packages'])} components" in html.unescape(drawn)
        tally(*asked, "--out", tmp_path / "it.svg").succeeded()
        assert (tmp_path / "it.svg").read_text() == drawn
        assert "do not go together" in tally(*asked, "--format", "cyclonedx").failed(2).err

    def test_a_file_is_written_whole(self, tally: Any, made: closures.Made, tmp_path: Path) -> None:
        out = tmp_path / "x.spdx.json"
        ran = tally("sbom", made.top, "--store", made.store.root, "--out", out).succeeded()
        assert ran.out == ""
        assert out.read_text() == tally("sbom", made.top, "--store", made.store.root).succeeded().out

    def test_ours_and_the_strangers_reader_agree_on_real_derivations(self, made: closures.Made) -> None:
        for file in made.store.physical("/nix/store").glob("*.drv"):
            theirs, ours = drvparse(file.read_text()), parse(f"/nix/store/{file.name}", file.read_text())
            assert ours.env == theirs.env
            assert list(ours.args) == theirs.args
            assert {n: tuple(sorted(o)) for n, o in theirs.input_drvs.items()} == ours.input_derivations
            assert sorted(theirs.input_srcs) == list(ours.input_sources)
            assert {name: each.path for name, each in theirs.outputs.items()} == ours.outputs

    def test_what_is_not_built_is_told_or_refused(self, tally: Any, tmp_path: Path) -> None:
        unbuilt = closures.make(tmp_path / "unbuilt", 3, valid=False)
        asked = ("sbom", unbuilt.top, "--store", unbuilt.store.root)
        found = document(tally(*asked))
        assert "Its runtime closure is not known" in found["comment"]
        assert str(tmp_path) not in json.dumps(found), "the same wherever the store's folder is"
        assert "DEPENDS_ON" not in kinds(found)
        ran = tally(*asked, "--closure", "runtime").failed(2)
        assert "the runtime closure is not known" in ran.err

    def test_a_closure_with_a_missing_derivation(self, tally: Any, tmp_path: Path) -> None:
        broken = closures.make(tmp_path / "broken", 3, valid=False)
        lost = next(iter(broken.store.derivation(broken.top).input_derivations))
        broken.store.physical(lost).unlink()
        ran = tally("sbom", broken.top, "--store", broken.store.root).failed(2)
        assert f"{lost} is not in the store" in ran.err

    def test_the_bytes_of_an_altered_derivation(self, tally: Any, tmp_path: Path) -> None:
        altered = closures.make(tmp_path / "altered", 2, valid=False)
        file = altered.store.physical(altered.top)
        file.chmod(0o644)
        file.write_bytes(file.read_bytes().replace(b"part1", b"part2"))
        ran = tally("sbom", altered.top, "--store", altered.store.root).failed(2)
        assert "was altered" in ran.err
        assert "remove" not in ran.err, "the store is somebody's, and no run makes it anew"

    def test_a_deriver_of_something_else(self, tally: Any, tmp_path: Path) -> None:
        lying = closures.make(tmp_path / "lying", 3)
        other = next(iter(lying.store.derivation(lying.top).input_derivations))
        asked = ("sbom", lying.output, "--store", lying.store.root)
        for deriver in (other, lying.output):
            with closing(sqlite3.connect(lying.store.root / "nix/var/nix/db/db.sqlite")) as made, made:
                made.execute("update ValidPaths set deriver = ? where path = ?", (deriver, lying.output))
            found = document(tally(*asked))
            assert "which is none of its outputs" in found["comment"]
            assert "no build-time closure" in found["comment"]
            assert "none of its outputs" in tally(*asked, "--closure", "build").failed(2).err

    def test_looking_at_a_store_makes_it_no_newer(self, tally: Any, tmp_path: Path) -> None:
        old = closures.make(tmp_path / "old", 2)
        schema = old.store.root / "nix/var/nix/db/schema"
        schema.write_text("9")
        assert "Nix would write one" in tally("sbom", old.output, "--store", old.store.root).failed(2).err
        assert schema.read_text() == "9"


@pytest.mark.parametrize(
    ("target", "more", "said"),
    [
        (NOWHERE, (), "is not in this machine's store or in"),
        (f"{NOWHERE}.drv", (), "is not in this machine's store or in"),
        ("/nix/store/short-name", (), "is not a store path"),
        (f"{NOWHERE}^out", (), "asks for outputs of something that is no derivation"),
        ("/gnu/store/00000000000000000000000000000000-x.drv", (), "is a derivation outside /nix/store/"),
        ("nothing", (), "there is nothing called nothing"),
        ("recipes/no.toml", (), "there is no recipe file"),
        (NOWHERE, ("--format", "spdx-4"), "spdx-4"),
        (NOWHERE, ("--out", "/"), "/ is a folder"),
    ],
)
def test_bad_input(tally: Any, target: str, more: tuple[str, ...], said: str) -> None:
    ran = tally("sbom", target, *more).failed(2)
    assert said in ran.err
    assert ran.out == ""


def test_an_output_that_a_derivation_does_not_have(tally: Any, made: closures.Made) -> None:
    ran = tally("sbom", f"{made.top}^dev", "--store", made.store.root).failed(2)
    assert "has no output 'dev'" in ran.err
    assert "hint: its outputs are out" in ran.err


class TestVendoredDependencies:
    """Those that lie behind one fixed output, which nobody fetches here."""

    def made(self, folder: Path, harm: bool) -> tuple[ChrootStore, str, dict[str, str]]:
        """A derivation that has every shape as an input, in a store that has them; and their paths."""
        (folder / "scratch").mkdir()
        store = ChrootStore(Nix.find(folder / "scratch"), folder / "store")
        outputs = [vendor_folders.make(name, folder) for name in vendor_folders.EXPECTED]
        if harm:
            (folder / "app-npm-deps/package-lock.json").write_text("{")
        added = store.add_fixed(outputs, recursive=True)
        inputs = " ".join(f'(fixed "{path.name}" "{nar_hash(path).hex}")' for path in outputs)
        said = nix(
            store.root,
            "nix-instantiate",
            "--expr",
            f"""
            let
              fixed = name: outputHash: derivation {{
                inherit name outputHash;
                system = "x86_64-linux";
                builder = "/none";
                outputHashMode = "recursive";
                outputHashAlgo = "sha256";
              }};
            in
            derivation {{
              name = "app-1.0";
              system = "x86_64-linux";
              builder = "/none";
              inputs = [ {inputs} ];
            }}
            """,
        )
        return store, said, {path.split("-", 1)[1]: path for path in added}

    def test_each_is_a_child_of_the_output_that_holds_it(self, tally: Any, tmp_path: Path) -> None:
        store, drv, paths = self.made(tmp_path, harm=False)
        (tmp_path / "out").mkdir()
        forms = [word for form in Form for word in ("--format", form.value)]
        ran = tally("sbom", drv, "--store", store.root, *forms, "--out", tmp_path / "out").succeeded()
        assert ran.err == ""
        found, graph, bom = (
            json.loads((tmp_path / "out" / f"app-1.0{form.suffix}").read_bytes()) for form in Form
        )
        after = {each["ref"]: each.get("dependsOn", []) for each in bom["dependencies"]}
        purls = {each["bom-ref"]: each.get("purl") for each in bom["components"]}
        for name, path in paths.items():
            assert {purls[ref] for ref in after[path]} == vendor_folders.EXPECTED[name]
        told = {each["software_packageUrl"] for each in graph["@graph"] if "software_packageUrl" in each}
        contained = [each for each in found["relationships"] if each["relationshipType"] == "CONTAINS"]
        everything = [purl for each in vendor_folders.EXPECTED.values() for purl in each]
        assert told >= set(everything)
        assert len(contained) == len(everything)
        client.validate(json.dumps(found).encode(), "it")

    def test_a_bad_lock_is_told_and_spoils_no_other(self, tally: Any, tmp_path: Path) -> None:
        store, drv, paths = self.made(tmp_path, harm=True)
        ran = tally("sbom", drv, "--store", store.root, "--format", "cyclonedx").succeeded()
        path = paths["app-npm-deps"]
        assert f"tally: warning: {path}: package-lock.json within it was not read: it is not JSON" in ran.err
        (bad,) = (each for each in json.loads(ran.out)["components"] if each["bom-ref"] == path)
        told = {each["name"]: each["value"] for each in bad["properties"]}
        assert "package-lock.json within it was not read" in told["tallystick:note"]
        assert "pkg:cargo/serde@1.0.219" in ran.out
        assert "pkg:npm" not in ran.out

    def test_vulnerabilities_are_found_offline(self, tally: Any, session_state: Path, tmp_path: Path) -> None:
        store, drv, _ = self.made(tmp_path, harm=False)
        osv = tmp_path / "osv"
        osv.mkdir()
        asked = ("sbom", drv, "--store", store.root, "--vulnerabilities", osv)
        assert f"{osv} holds no OSV record" in tally(*asked).failed(2).err

        def write(name: str, ecosystem: str, package: str, **events: str) -> None:
            affected = {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "SEMVER", "events": [{key: value} for key, value in events.items()]}],
            }
            told = {"id": name, "modified": "2026-01-01T00:00:00Z", "summary": f"{package} [is](bad)"}
            (osv / f"{name}.json").write_text(
                json.dumps({**told, "aliases": ["CVE-2026-1"], "affected": [affected]})
            )

        write("GO-1", "Go", "golang.org/x/net", introduced="0", fixed="0.31.0")
        ran = tally(*asked).succeeded()
        assert ran.out == ""
        assert (
            "0 matches in 1 record; 3 components compared; "
            "there is no record of their ecosystem: 2 cargo, 1 nix, 3 npm, 2 pypi; "
            "not compared: 1 from other registries, 6 without a version"
        ) in ran.err
        write("GO-2", "Go", "github.com/BurntSushi/toml", introduced="1.0.0", fixed="1.4.1")
        write("RUSTSEC-1", "crates" + ".io", "serde", introduced="0", last_affected="1.0.219")
        ran = tally(*asked).failed(1)
        assert [line.split()[:5] for line in ran.out.splitlines()] == [
            ["id", "component", "version", "fixed", "in"],
            ["RUSTSEC-1", "CVE-2026-1", "serde", "1.0.219", "-"],
            ["GO-2", "CVE-2026-1", "github.com/BurntSushi/toml", "v1.4.0", "1.4.1"],
            ["GO-2", "CVE-2026-1", "github.com/BurntSushi/toml", "v1.4.0+incompatible", "1.4.1"],
        ]
        (osv / "bad.json").write_text("{")
        ran = tally(*asked, "--sarif").failed(1)
        found = json.loads(ran.out)
        assert "bad.json: it is not JSON" in ran.err
        results = found["runs"][0]["results"]
        assert [each["ruleId"] for each in results] == ["RUSTSEC-1", "GO-2", "GO-2"]
        assert "bad.json" in json.dumps(found["runs"][0]["invocations"])
        assert clients.ask_sarif_schema(clients.sarif_schema(session_state), [found]) == [[]]
        for name in ("GO-2", "RUSTSEC-1"):
            (osv / f"{name}.json").unlink()
        assert "bad.json" in tally(*asked).failed(2).err, "what could not be read may have said something"
        (osv / "bad.json").unlink()
        (osv / "GO-1.json").unlink()
        write("DSA-1", "Debian:12", "serde", introduced="0")
        assert "0 components compared" in tally(*asked).failed(2).err
        assert "do not go together" in tally(*asked, "--graph", "svg").failed(2).err


def test_what_is_linked_in_without_a_reference(tally: Any, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/a.c").write_text("int main(void) { return 0; }\n")
    told = {"packages": [{"name": "serde", "version": "1.0.219", "source": "crates" + ".io"}]}
    (tmp_path / "c/section").write_bytes(zlib.compress(json.dumps(told).encode()))
    (tmp_path / "app-1.0/bin").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    subprocess.run(["cc", "a.c", "-o", "a"], cwd=tmp_path / "c", check=True)
    linking = ["objcopy", "--add-section", ".dep-v0=section", "a", "../app-1.0/bin/app"]
    subprocess.run(linking, cwd=tmp_path / "c", check=True)
    (tmp_path / "app-1.0/bin/bad").write_bytes(b"\x7fELF")
    store = ChrootStore(Nix.find(tmp_path / "scratch"), tmp_path / "store")
    (path,) = store.add_fixed([tmp_path / "app-1.0"], recursive=True)
    ran = tally("sbom", path, "--store", store.root).succeeded()
    assert f"tally: warning: {path}: What is linked into bin/bad was not read" in ran.err
    found = json.loads(ran.out)
    (link,) = (each for each in found["relationships"] if each["relationshipType"] == "STATIC_LINK")
    (crate,) = (each for each in found["packages"] if each["SPDXID"] == link["relatedSpdxElement"])
    assert crate["externalRefs"][0]["referenceLocator"] == "pkg:cargo/serde@1.0.219"
    assert "Linked into bin/app, as that says itself." in crate["comment"]
    client.validate(ran.out.encode(), "it")


def test_an_attribute_of_a_file(tally_in: Any, tmp_path: Path) -> None:
    """It is evaluated and not built; what `meta` says is of the package alone."""
    laid_out(tmp_path / "packages")
    forms = [word for form in Form for word in ("--format", form.value)]
    (tmp_path / "out").mkdir()
    asked = ("sbom", "-f", "default.nix", "hello", *forms, "--out", tmp_path / "out")
    tally_in(tmp_path / "packages")(*asked).succeeded()
    found, graph, bom = (
        json.loads((tmp_path / "out" / f"hello-1.0{form.suffix}").read_bytes()) for form in Form
    )
    subject = found["packages"][0]
    cpe, line = "cpe:2.3:a:gnu:hello:1.0:*:*:*:*:*:*:*", "default.nix:"
    assert [each for each in subject["externalRefs"] if each["referenceType"] == "cpe23Type"] == [
        {"referenceCategory": "SECURITY", "referenceType": "cpe23Type", "referenceLocator": cpe}
    ], "what is no CPE is left out"
    assert f"Its expression: {line}" in subject["comment"]
    (third,) = (each for each in graph["@graph"] if each.get("externalIdentifier"))
    assert [each["identifier"] for each in third["externalIdentifier"]] == [cpe]
    assert f"Its expression: {line}" in third["comment"]
    assert bom["metadata"]["component"]["cpe"] == cpe
    told = {each["name"]: each["value"] for each in bom["metadata"]["component"]["properties"]}
    assert told["tallystick:position"].startswith(line)
    assert subject["licenseDeclared"] != "NOASSERTION"
    assert subject["homepage"].startswith("https://")
    assert "Its runtime closure is not known" in found["comment"]
    client.validate(json.dumps(found).encode(), "it")


def test_targets_of_several_kinds_are_one_bill(tally_in: Any, made: closures.Made, tmp_path: Path) -> None:
    """An attribute, a file's that has the same name, and a derivation of a store that somebody names."""
    for name in ("one", "two"):
        laid_out(tmp_path / name)
        flake = (
            '{ outputs = _: { packages.x86_64-linux = import ./default.nix { system = "x86_64-linux"; }; }; }'
        )
        (tmp_path / name / "flake.nix").write_text(flake)
    (tmp_path / "two/hello.sh").write_text("#!/bin/sh\necho another\n")
    tally = tally_in(tmp_path)
    flakes = [f"{tmp_path / name}#hello" for name in ("one", "two")]
    found = document(tally("sbom", *flakes, made.top, "--store", made.store.root))
    described = [each for each in found["relationships"] if each["relationshipType"] == "DESCRIBES"]
    assert len(described) == 2 + len(made.store.derivation(made.top).outputs)
    assert "Its runtime closure is not known" in found["comment"]
    client.validate(json.dumps(found).encode(), "it")


def test_a_name_that_a_registry_would_resolve(tally: Any) -> None:
    assert "and no address" in tally("sbom", "nixpkgs#hello").failed(2).err


@pytest.fixture(scope="module")
def narinfos(made: closures.Made, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cache that has lost its files: whoever downloads one fails."""
    folder = tmp_path_factory.mktemp("cache")
    copy = ["nix", "copy", "--from", made.store.address, "--to", f"file://{folder}", made.output]
    made.store.nix.run(copy)
    for nar in (folder / "nar").iterdir():
        nar.unlink()
    return f"file://{folder}"


class TestABinaryCache:
    def test_a_runtime_closure_needs_its_narinfos_alone(
        self, tally: Any, made: closures.Made, narinfos: str
    ) -> None:
        there = document(tally("sbom", made.output, "--store", narinfos))
        here = document(tally("sbom", made.output, "--store", made.store.root, "--closure", "runtime"))
        assert len(there["packages"]) == COUNT
        assert there["relationships"] == here["relationships"]
        sums = [{each["SPDXID"]: each["checksums"] for each in one["packages"]} for one in (there, here)]
        assert sums[0] == sums[1]
        assert "Its build-time closure is not known" in there["comment"]

    def test_what_it_does_not_have(self, tally: Any, made: closures.Made, narinfos: str) -> None:
        ran = tally("sbom", made.output, "--store", narinfos, "--closure", "build").failed(2)
        assert "the build-time closure of" in ran.err
        assert "is not valid in" in tally("sbom", NOWHERE, "--store", narinfos).failed(2).err
        gone = "file:///nowhere/at/all"
        assert "/nowhere/at/all" in tally("sbom", made.output, "--store", gone).failed(2).err


@pytest.mark.parametrize("suite", ["trixie", "sid"])
def test_every_nix_tells_the_same(tally_in: Any, session_state: Path, tmp_path: Path, suite: str) -> None:
    """Of what is valid and of what is not, which newer ones say in another form."""
    made = closures.make(tmp_path / "made", 4)
    unbuilt = closures.make(tmp_path / "unbuilt", 4, valid=False)
    newer = f"{of_suite(suite, session_state)}:{os.environ['PATH']}"
    for each in (made, unbuilt):
        asked = ("sbom", each.top, "--store", each.store.root)
        ours = tally_in(tmp_path)(*asked).succeeded().out
        assert tally_in(tmp_path, PATH=newer)(*asked).succeeded().out == ours
