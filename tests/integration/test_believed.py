"""Believed inputs with real Nix: taken from caches into stores, and released with what they are."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from believing import built_tools, inputs_table
from caches import Binary, SigningKey, nar_of
from projects import Project
from releases import fixed, store_path
from states import stores_copied
from targets import laid_out, nix

from orchestrator.builders.build import BuiltPath
from orchestrator.builders.builder import Builder
from orchestrator.builders.host import HostFacts
from orchestrator.builders.vouching import vouching_of_ours
from orchestrator.caches.believed import Beliefs
from orchestrator.caches.cache import Caches
from orchestrator.caches.fixed import take_fixed
from orchestrator.caches.taking import take
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import make_removable
from orchestrator.ground.nar import dump
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix
from orchestrator.nix.derivation import Derivation, FixedOutput
from orchestrator.nix.signature import fingerprint
from orchestrator.nix.store import Store

if TYPE_CHECKING:
    from tests.conftest import TallyIn

KEY = SigningKey("ours-1")
LIBRARY, PROGRAM = store_path("library-1.0"), store_path("program-1.0")
CONTENT = b"the library\n" * 1000


@pytest.fixture
def store(tmp_path: Path) -> ChrootStore:
    (tmp_path / "scratch").mkdir()
    return ChrootStore(Nix.find(tmp_path / "scratch"), tmp_path / "store")


def cache_of(content: bytes = CONTENT) -> Binary:
    found = Binary(KEY)
    # Nix copies in the order of references: the program has a path that sorts before or after its library's
    found.add(LIBRARY, nar_of(content), [LIBRARY], "xz")
    found.add(PROGRAM, nar_of(b"the program"), [LIBRARY, PROGRAM], "zstd")
    return found


def taking(address: str, store: ChrootStore) -> list[str]:
    said: list[str] = []
    caches = Caches((address,), (KEY.public,))
    take(caches, caches.offers([PROGRAM, LIBRARY]), store, said.append)
    return said


def test_believed_paths_come_into_a_store_as_they_were_signed(store: ChrootStore) -> None:
    with cache_of().served() as server:
        assert taking(server.address, store) == ["taking 2 inputs of 0.0 MiB from 1 cache"]
        infos = store.information([LIBRARY, PROGRAM])
        # the database is read here, and Nix says the same of it
        absent = store_path("absent")
        assert infos == Store.information(store, [LIBRARY, PROGRAM])
        assert store.invalid([LIBRARY, absent]) == Store.invalid(store, [LIBRARY, absent]) == {absent}
        assert infos[PROGRAM].references == (LIBRARY,)
        assert store.physical(LIBRARY).read_bytes() == CONTENT
        assert store.nar_hash(LIBRARY) == infos[LIBRARY].nar_hash
        assert not list(store.nix.scratch.glob("believed-*"))
        # nobody built them here, whatever is asked later
        assert store.foreign([LIBRARY, PROGRAM]) == {LIBRARY, PROGRAM}
        made = {path: BuiltPath(path, info.nar_hash, info.nar_size, ()) for path, info in infos.items()}
        assert [LIBRARY in each.reason for each in vouching_of_ours(store)({}, made).failures] == [
            True,
            False,
        ]
        server.asked.clear()
        assert taking(server.address, store) == [], "what is there is not fetched again"
        assert not [each for each in server.asked if each.endswith((".xz", ".zstd"))]
    with cache_of(b"other bytes").served() as server:
        with pytest.raises(TallyError, match="in our store is NAR") as error:
            taking(server.address, store)
        assert LIBRARY in error.value.message
        assert server.address in error.value.message


def test_every_builder_starts_from_the_same_bytes(store: ChrootStore, tmp_path: Path) -> None:
    stores = {name: ChrootStore(store.nix, tmp_path / name) for name in ("a", "b")}
    with cache_of().served() as server:
        taking(server.address, store)
        offers = Caches((server.address,), (KEY.public,)).offers([PROGRAM, LIBRARY])
    with cache_of(b"made by b itself, long ago").served() as server:
        taking(server.address, stores["b"])
    beliefs = Beliefs({path: offer.believed for path, offer in offers.items()})
    a, b = (
        Builder(name, "local", each, tmp_path / "logs", lambda: HostFacts(None, None), vouching_of_ours(each))
        for name, each in stores.items()
    )
    a.receive(store, [], [], beliefs)
    assert stores["a"].physical(LIBRARY).read_bytes() == CONTENT
    with pytest.raises(TallyError, match="in the store of b is NAR") as error:
        b.receive(store, [], [], beliefs)
    assert LIBRARY in error.value.message


@pytest.mark.parametrize("bad", ["truncated", "huge"])
def test_nothing_enters_a_store_where_one_path_is_not_as_signed(store: ChrootStore, bad: str) -> None:
    of = cache_of()
    if bad == "truncated":
        name = f"nar/{PROGRAM[11:43]}.nar.zstd"
        of.files[name] = of.files[name][:-5]
    else:
        of.huge(PROGRAM, 1 << 60)
    with of.served() as server:
        with pytest.raises(TallyError) as error:
            taking(server.address, store)
        if bad == "huge":
            assert not [each for each in server.asked if each.endswith((".xz", ".zstd"))]
    assert f"{PROGRAM} cannot be taken from the cache {server.address}" in error.value.message
    assert store.invalid([LIBRARY, PROGRAM]) == {LIBRARY, PROGRAM}
    assert not store.holds(PROGRAM)


def fixed_outputs(store: ChrootStore, folder: Path) -> dict[str, tuple[Derivation, bytes]]:
    """Derivations of fixed outputs of each kind, with the NARs of what they pin; no store has it."""
    elsewhere = ChrootStore(store.nix, folder / "elsewhere")
    (folder / "tree/below").mkdir(parents=True)
    (folder / "tree/below/file").write_text("in a tree\n")
    found = {}
    for name, content, algorithm in (
        ("one", b"one\n", "sha256"),
        ("two", b"two\n", "sha512"),
        ("tree", None, "sha256"),
    ):
        file = folder / name
        if content is not None:
            file.write_bytes(content)
        [path] = elsewhere.add_fixed([file], recursive=content is None, algorithm=algorithm)
        nar = b"".join(dump(file))
        digest: Sha256 | NarHash | OtherDigest = NarHash.of(nar)
        if content is not None:
            hashed = hashlib.new(algorithm, content).hexdigest()
            digest = Sha256(hashed) if algorithm == "sha256" else OtherDigest(algorithm, hashed, nar=False)
        made = replace(fixed(name), outputs={"out": path}, fixed=FixedOutput(path, digest))
        found[name] = (made, nar)
    return found


def test_a_fixed_output_is_taken_by_its_own_digest(store: ChrootStore, tmp_path: Path) -> None:
    """Nobody signs for it, and nobody is believed."""
    wanted = fixed_outputs(store, tmp_path)
    derivations = [each for each, _ in wanted.values()]
    paths = {name: each.outputs["out"] for name, (each, _) in wanted.items()}
    good, wrong = Binary(KEY), Binary(KEY)
    for name, (_, nar) in wanted.items():
        good.add(paths[name], nar, (), "xz", Sig=None)
        # signed by a key that is believed, and not what the derivation pins
        wrong.add(paths[name], nar_of(b"something else"))
    with good.served() as right, wrong.served() as other:
        errors = take_fixed(Caches((other.address,), (KEY.public,)), derivations, store)
        assert len(errors) == 3
        assert all(other.address in error.message and "pins" in error.message for error in errors)
        assert store.invalid(paths.values()) == set(paths.values()), "nothing of it entered"
        errors = take_fixed(Caches((other.address, right.address), ()), derivations, store)
        assert len(errors) == 3, "what was wrong with the first cache is not forgotten"
    assert store.physical(paths["one"]).read_bytes() == b"one\n"
    assert store.physical(paths["two"]).read_bytes() == b"two\n"
    assert (store.physical(paths["tree"]) / "below/file").read_text() == "in a tree\n"
    assert store.modified(paths.values()) == []
    assert not list(store.nix.scratch.glob("fixed-*"))


def believing(project: Project, *addresses: str, key: SigningKey = KEY) -> None:
    (project.folder / "tally.toml").write_text(inputs_table(key, *addresses))


def test_a_release_names_what_it_believes(project: Project, session_state: Path, tmp_path: Path) -> None:
    tools = built_tools(project, session_state)
    path, other = tools.path, Binary(KEY)
    good, unsigned = tools.cache(KEY), tools.cache(KEY, Sig=None)
    other.add(path, nar_of(b"something else"), tools.references)
    build = ("build", "-f", "packages", "hello", "--key", "release.key")
    with good.served() as server:
        believing(project, server.address)
        planned = project.tally("plan", "-f", "packages", "hello").succeeded().out
        document = json.loads(project.tally("plan", "-f", "packages", "hello", "--json").succeeded().out)
        assert not [each for each in server.asked if "/nar/" in each], "a plan downloads nothing"
        ran = project.tally(*build).succeeded()
        assert "; 1 believed" in ran.err
        release = project.folder / "releases" / project.releases[0]
        said = json.loads((release / "release.json").read_bytes())["agreement"]["inputs"]
        assert said["keys"] == ["ours-1"]
        assert said["paths"] == 1
        assert said["derivations"] == said["rebuilt"] + said["believed"]
        assert said["believed"] == 1
        assert said["levels"] == 0
        bundle = json.loads((release / "attestations/provenance.sigstore.json").read_bytes())
        statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        definition = statement["predicate"]["buildDefinition"]
        [material] = [
            each
            for each in definition["resolvedDependencies"]
            if each.get("annotations", {}).get("kind") == "believed"
        ]
        noted = material["annotations"]
        assert (noted["storePath"], noted["cache"], noted["key"]) == (path, server.address, "ours-1")
        # what stands there is enough to check the signature again
        digest = NarHash(material["digest"]["narSha256"])
        signed = fingerprint(path, digest, noted["narSize"], noted["references"])
        assert KEY.public.verifies(noted["signature"], signed)
        built = [each["derivation"] for each in definition["internalParameters"]["commands"]]
        assert len(built) == said["rebuilt"]
        assert not [each for each in built if each.endswith("-tools.drv")]
        line = f"rebuilt {said['rebuilt']} of {said['derivations']} derivations; 1 believed from ours-1"
        assert line in project.tally("show", release).succeeded().out
        told = f"{said['rebuilt']} of {said['derivations']} derivations to be rebuilt; 1 believed from ours-1"
        assert f"{told} ({server.address})" in planned
        [plan] = document["derivations"].values()
        assert {name: plan["inputs"][name] for name in ("derivations", "rebuilt", "believed", "paths")} == {
            name: said[name] for name in ("derivations", "rebuilt", "believed", "paths")
        }
        assert plan["inputs"]["caches"] == [server.address]
        taken = {"storePath": path, "key": "ours-1", "cache": server.address}
        assert plan["inputs"]["taken"] == [taken]
        unneeded = [each["derivation"] for each in plan["closure"] if not each.get("needed", True)]
        assert [each for each in unneeded if each.endswith("-tools.drv")]
        verified = project.tally("verify", release, "--key", "release.pub").succeeded()
        assert line in verified.out + verified.err

        # the same with that input rebuilt is another story, and another release
        again = (*build[:-2], "--no-sign", "--rebuild", "tools")
        assert "; 0 believed" in project.tally(*again).succeeded().err
        wrong = project.tally(*again[:-1], "tols").failed(2)
        assert "no input has a name like 'tols'" in wrong.err

        # two caches that differ are an honest no; what nobody signed is believed of nobody
        with other.served() as two:
            believing(project, server.address, two.address)
            refused = project.tally(*build).failed(1)
            assert all(name in refused.err for name in (path, server.address, two.address))
            believing(project, two.address)
            refused = project.tally(*build).failed(2)
            assert f"{path} in our store is NAR" in refused.err
    # with that cache gone, what it said and what is there are enough
    believing(project, server.address)
    offline = project.tally(*build, "--out", "offline").succeeded()
    assert f"{server.address} does not answer" in offline.err
    assert "; 1 believed" in offline.err
    believing(project, unsigned.into(tmp_path / "unsigned"))
    refused = project.tally(*build).failed(2)
    assert "nobody signed it there" in refused.err
    (project.folder / "tally.toml").write_text("")
    refused = project.tally(*build, "--rebuild-inputs", "1").failed(2)
    assert "every input is rebuilt anyway" in refused.err


CHAIN = """
let
  pinned = builtins.fromJSON (builtins.readFile ./packages/busybox.json);
  busybox = derivation {
    inherit (pinned) name;
    system = builtins.currentSystem;
    builder = "/this-is-put-into-the-store-by-tally";
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = pinned.sha256;
  };
  made = name: script: derivation {
    inherit name;
    system = builtins.currentSystem;
    builder = "${busybox}/busybox";
    args = [ "sh" "-euc" script ];
  };
in rec {
  library = made "library" "echo honest > $out";
  middle = made "middle" "read word < ${library}; echo $word > $out";
  program = made "program" "read word < ${middle}; echo $word > $out";
}
"""


def test_what_was_believed_once_never_passes_for_built(
    tally_in: TallyIn, repository: Path, toolchain_state: Path, new_state: Path, tmp_path: Path
) -> None:
    """Another input that was built with it, and does not refer to it, neither."""
    (tmp_path / "project").mkdir()
    tally = tally_in(tmp_path / "project", TALLY_STATE=str(new_state))
    project = Project(tmp_path / "project", tally, repository)
    laid_out(project.folder / "packages")
    file = project.folder / "chain.nix"
    file.write_text(CHAIN)
    library = nix(tmp_path / "aside", "nix-instantiate", "--eval", str(file), "-A", "library.outPath").strip(
        '"'
    )
    cache = Binary(KEY)
    cache.add(library, nar_of(b"evil\n"))
    build = ("build", "-f", "chain.nix", "program", "--key", "release.key", "--out")

    def content(out: str) -> bytes:
        (artifact,) = (project.folder / out).glob("*/*.nar")
        return artifact.read_bytes()

    believing(project, cache.into(tmp_path / "cache"))
    assert "; 1 believed" in tally(*build, "first").succeeded().err
    assert b"evil" in content("first")
    for out, more, table in (("second", ("--rebuild", "library"), True), ("third", (), False)):
        if not table:
            # the same once more, after another run that believes it
            for name in ("a", "b"):
                make_removable(new_state / "stores" / name)
                shutil.rmtree(new_state / "stores" / name)
            stores_copied(toolchain_state, new_state, ("a", "b"))
            tally(*build, "again").succeeded()
            (project.folder / "tally.toml").unlink()
        ran = tally(*build, out, *more).succeeded()
        assert "a: deleted 4 store paths that stood on a cache's word, to build them here" in ran.err
        assert all(f"a: started {name}" in ran.err for name in ("library", "middle", "program"))
        assert b"honest" in content(out)
        assert b"evil" not in content(out)
        assert "rebuilt every input" in tally("show", *(project.folder / out).iterdir()).succeeded().out

    # with what was built there, the cache's word is an honest no
    believing(project, f"file://{tmp_path / 'cache'}")
    refused = tally(*build, "fourth").failed(2)
    assert f"{library} in the store of" in refused.err
