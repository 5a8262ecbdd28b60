"""The `nixpkgs` toolchain on a small nixpkgs of our own (tests/assets/small-nixpkgs), without network."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from caches import Binary, SigningKey
from lab import Lab, dumped, unpacked
from projects import Project

from orchestrator.ground.nar import nar_hash
from orchestrator.ground.state import State
from orchestrator.nix.command import Nix, NixFailed

if TYPE_CHECKING:
    from tests.conftest import TallyIn

TOOLS = ("bash", "coreutils", "findutils", "gawk", "grep", "gzip", "sed", "tar", "xz-utils", "zstd")
LIBRARIES = (
    *(
        "libacl1",
        "libattr1",
        "libbz2-1.0",
        "libc6",
        "libgmp10",
        "liblz4-1",
        "liblzma5",
        "libmpfr6",
        "libpcre2-8-0",
    ),
    *("libreadline8", "libselinux1", "libsigsegv2", "libtinfo6", "libzstd1", "zlib1g"),
)

SCRIPT = r"""
mkdir $out
cat inside > $out/source
awk=$(command -v gawk) && echo "$awk" > $out/gawk
echo sed | sed s/sed/works/ > $out/sed
printf %s "$QUOTE" > $out/quote
printf '%s %s %s' "$HOME" "$SOURCE_DATE_EPOCH" "$(pwd)" > $out/fixed
cat $library/file $library_dev/file > $out/libraries
if [[ -n ${!tally@} ]]; then exit 1; fi
"""
QUOTE = "' \" ${x} $(y) ''${z} \\ é\n end"


@pytest.fixture(scope="module")
def lab(repository: Path, session_state: Path) -> Iterator[Lab]:
    state = State(session_state)
    with state.scratch("lab-nixpkgs") as scratch:
        yield Lab(repository, state, Nix.find(scratch))


@pytest.fixture(scope="module")
def node(lab: Lab, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The small nixpkgs as flake.lock locks a tree at a path; its tools are in the stores."""
    tree = tmp_path_factory.mktemp("nixpkgs") / "tree"
    shutil.copytree(repository / "tests/assets/small-nixpkgs", tree)
    request = lab.request(any={})
    pinned = request["packages"]
    wanted = [value for file, value in sorted(pinned.items()) if file.split("_")[0] in {*TOOLS, *LIBRARIES}]
    assert len(wanted) == len(TOOLS) + len(LIBRARIES)
    content = {"busybox": _pin(request["busybox"]), "packages": [_pin(each) for each in wanted]}
    (tree / "tools.json").write_text(json.dumps(content))
    lab.supply(request, lab.evaluate(request), lab.store("a"))
    return {"type": "path", "path": str(tree), "narHash": _sri(nar_hash(tree).hex), "lastModified": 1}


def _pin(value: dict[str, Any]) -> dict[str, str]:
    return {key: value[key] for key in ("name", "sha256", "mode")}


def _sri(digest: str) -> str:
    return "sha256-" + base64.b64encode(bytes.fromhex(digest)).decode()


def test_stages_variables_and_artifacts_are_as_with_debian(
    lab: Lab, node: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/inside").write_text("from the source\n")
    nixpkgs = {"from": "nixpkgs", "packages": ["editors.gnused", "gawk"], "nixpkgs": node}
    recipe = {
        "script": SCRIPT,
        "check": "grep -q works $out/sed || exit 1",
        "sources": {"src": lab.add(tmp_path / "tree")},
        "environment": {"QUOTE": QUOTE},
        "inputs": ["library"],
        "toolchain": nixpkgs,
    }
    library = {
        "script": "mkdir $out $dev; echo out > $out/file; echo dev > $dev/file",
        "outputs": ["out", "dev"],
        "toolchain": {**nixpkgs, "packages": []},
    }
    # grep is no package of this recipe: the check fails, and says so
    with pytest.raises(NixFailed, match='the stage "check" failed with exit status 1'):
        lab.build(lab.request(small=recipe, library=library))

    recipe["check"] = 'test "$(< $out/sed)" = works'
    formats = ("tar.gz", "tar.xz", "tar.zst", "nar", "oci", "file")
    recipes = {
        f"small-{index}": {
            **recipe,
            "artifact": {"format": format_, "path": "sed" if format_ == "file" else None},
        }
        for index, format_ in enumerate(formats)
    }
    built = lab.build(lab.request(library=library, **recipes))
    seen = built.output("small-0")
    assert (seen / "source").read_text() == "from the source\n"
    assert (seen / "gawk").read_text().startswith("/nix/store/")
    assert (seen / "quote").read_text() == QUOTE
    assert (seen / "fixed").read_text() == "/build/home 315532800 /build/work"
    assert (seen / "libraries").read_text() == "out\ndev\n"
    for index in range(3):
        folder = unpacked(built.artifact(f"small-{index}"), tmp_path / str(index))
        assert (folder / f"small-{index}-1.0/sed").read_text() == "works\n"
    assert built.artifact("small-3").read_bytes() == dumped(
        built.store, built.evaluated["small-3"].outputs["out"]
    )
    assert (unpacked(built.artifact("small-4"), tmp_path / "oci") / "index.json").is_file()
    assert built.artifact("small-5").read_text() == "works\n"

    artifacts = [each.artifact for each in built.evaluated.values()]
    kinds = {drv.env.get("tallyKind") for drv in built.store.graph(artifacts).derivations.values()}
    assert {"package", "artifact", "source"} <= kinds
    lab.realise(built.store, [each.package for each in built.evaluated.values()], ["--check"])


def test_the_path_of_the_tree_is_no_part_of_a_derivation(
    lab: Lab, node: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(node["path"], tmp_path / "elsewhere")
    moved = {**node, "path": str(tmp_path / "elsewhere")}
    requests = [
        lab.request(x={"toolchain": {"from": "nixpkgs", "packages": ["gawk"], "nixpkgs": each}})
        for each in (node, moved)
    ]
    one, two = (lab.evaluate(request)["x"] for request in requests)
    assert one == two


@pytest.mark.parametrize(
    ("change", "packages", "said"),
    [
        ({}, ["no-such-package"], "asks for no-such-package, which this nixpkgs does not have"),
        ({}, ["editors.emacs"], "asks for editors.emacs, which this nixpkgs does not have"),
        ({"narHash": _sri("0" * 63 + "1")}, ["gawk"], "mismatch"),
    ],
)
def test_what_the_pinned_tree_does_not_have_is_refused(
    lab: Lab, node: dict[str, Any], change: dict[str, str], packages: list[str], said: str
) -> None:
    toolchain = {"from": "nixpkgs", "packages": packages, "nixpkgs": {**node, **change}}
    with pytest.raises(NixFailed) as failure:
        lab.evaluate(lab.request(x={"toolchain": toolchain}))
    assert said in failure.value.message


def test_a_tree_without_its_hash_is_refused(lab: Lab, node: dict[str, Any]) -> None:
    unpinned = {key: value for key, value in node.items() if key != "narHash"}
    with pytest.raises(NixFailed, match="not pinned by its narHash"):
        lab.evaluate(lab.request(x={"toolchain": {"from": "nixpkgs", "packages": [], "nixpkgs": unpinned}}))


def test_a_recipe_is_built_with_what_a_cache_has_of_nixpkgs(
    lab: Lab, node: dict[str, Any], tally_in: TallyIn, tmp_path: Path, repository: Path
) -> None:
    """On stores that hold nothing: its stdenv comes over HTTP, and what that was made from is not needed."""
    request = lab.request(x={"toolchain": {"from": "nixpkgs", "packages": ["gawk"], "nixpkgs": node}})
    [one] = lab.evaluate(request).values()
    built = lab.build(request)
    graph = built.store.graph([one.artifact])
    inputs = [each for each in graph.derivations.values() if each.path not in (one.package, one.artifact)]
    cache = Binary(SigningKey("ours-1"))
    for path in (path for each in inputs for path in each.outputs.values()):
        if not path.endswith(".deb"):
            [info] = built.store.information([path]).values()
            # with the path itself where it refers to itself: the starters of programs do
            itself = [path] if path.endswith("-tools") else []
            cache.add(path, dumped(built.store, path), [*info.references, *itself])
    state = tmp_path / "state"
    project = Project(tmp_path, tally_in(tmp_path, TALLY_STATE=str(state)), repository)
    busybox = request["busybox"]["sha256"]
    shutil.copytree(lab.state.folder("sources") / busybox, state / "sources" / busybox)
    pin = "".join(f"{name} = {json.dumps(value)}\n" for name, value in node.items())
    with (project.folder / "tally.lock").open("a") as lock:
        lock.write(f"\n[nixpkgs]\n{pin}")
    recipe = project.recipe("awkward", "mkdir $out; gawk 'BEGIN { print 1 }' > $out/one")
    text = recipe.read_text().replace('from = "debian"', 'from = "nixpkgs"')
    recipe.write_text(text.replace("packages = []", 'packages = ["gawk"]'))
    with cache.served() as server:
        (project.folder / "tally.toml").write_text(
            f'[inputs]\nfrom = "cache"\ncaches = ["{server.address}"]\nkeys = ["{cache.key.text}"]\n'
        )
        ran = project.build(recipe).succeeded()
        assert "a and b agree on every bit; signed" in ran.err
        assert "started tools" not in ran.err
        asked = len(server.asked)
        again = project.build(recipe, more=("--out", "again")).succeeded()
        assert [each for each in server.asked[asked:] if "/nar/" in each] == [], again.err
    look = "command -v gawk; pwd; build; cat $out/one"
    shell = project.tally("shell", recipe, "--command", look).succeeded()
    said = [line for line in shell.out.splitlines() if "warning: setlocale" not in line]
    assert [line.endswith("/bin/gawk") for line in said[:1]] == [True]
    assert said[1:] == ["/build/work", "1"]
    release = project.folder / "releases/awkward-1.0-x86_64-linux"
    verdict = project.tally("verify", release, "--key", "release.pub").succeeded()
    rebuilt = sum(each.fixed is None for each in inputs)
    assert f"rebuilt 2 of {rebuilt + 2} derivations; {rebuilt} believed from ours-1" in verdict.out
    assert not list((state / "sources").glob("*/*.deb")), "what it was made from is fetched by nobody"
    _made_again_from_a_cache_of_our_own(project, release, cache.key.text, tmp_path, tally_in)


def _made_again_from_a_cache_of_our_own(
    project: Project, release: Path, key: str, tmp_path: Path, tally_in: TallyIn
) -> None:
    """The cache that was believed is gone: what it had and what is needed besides was published with it."""
    own = tmp_path / "own"
    publish = ("publish", release, f"cache+file://{own}", "--key", "release.key", "--with-sources")
    told = project.tally(*publish).succeeded().err
    assert "--with-believed puts them into a Nix cache" in told
    assert "so a rebuilder has to believe those" in told, (
        "nobody has the packages that its tools were made of"
    )
    told = project.tally(*publish, "--with-believed").succeeded().err
    assert "--with-believed puts them into a Nix cache" not in told
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tally.toml").write_text(
        f'[inputs]\nfrom = "cache"\ncaches = ["file://{own}"]\nkeys = ["{key}"]\n'
    )
    shutil.copytree(release, tmp_path / "other/given")
    shutil.copy(project.folder / "release.pub", tmp_path / "other")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    other = tally_in(tmp_path / "other", TALLY_STATE=str(tmp_path / "other/state"), **nowhere)
    ran = other("rebuild", "given", "--publisher", "release.pub").succeeded()
    assert ran.out.startswith("REPRODUCED  awkward-1.0-x86_64-linux\n")


FLAKE = """
{
  inputs.nixpkgs = { url = "path:TREE"; flake = false; };
  outputs = { self, nixpkgs }: {
    packages.x86_64-linux.default =
      let
        pkgs = import nixpkgs { system = "x86_64-linux"; config = { }; overlays = [ ]; };
      in
      pkgs.stdenv.mkDerivation {
        name = "counted-1.0";
        version = "1.0";
        nativeBuildInputs = [ pkgs.gawk ];
        buildCommand = "mkdir $out; gawk 'BEGIN { print 1 }' > $out/one";
      };
  };
}
"""


def test_what_was_published_is_enough_to_make_it_again(
    node: dict[str, Any], tally_in: TallyIn, tmp_path: Path, repository: Path
) -> None:
    """A recipe and a flake, whose nixpkgs was in a folder of their maker's that nobody else has."""
    for name in ("maker", "other"):
        (tmp_path / name).mkdir()
    maker = Project(tmp_path / "maker", tally_in(tmp_path / "maker"), repository)
    tree, www = maker.folder / "tree", tmp_path / "www"
    shutil.copytree(node["path"], tree)
    with (maker.folder / "tally.lock").open("a") as lock:
        pin = {**node, "path": str(tree)}
        lock.write(
            "\n[nixpkgs]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in pin.items())
        )
    recipe = maker.recipe("counting", "mkdir $out; gawk 'BEGIN { print 1 }' > $out/one")
    text = recipe.read_text().replace('from = "debian"', 'from = "nixpkgs"')
    recipe.write_text(text.replace("packages = []", 'packages = ["gawk"]'))
    flake = maker.folder / "flake"
    flake.mkdir()
    (flake / "flake.nix").write_text(FLAKE.replace("TREE", str(tree)))
    nix = ["nix", "--extra-experimental-features", "nix-command flakes"]
    subprocess.run([*nix, "flake", "lock", f"path:{flake}"], check=True, capture_output=True)
    maker.build(recipe).succeeded()
    maker.tally("build", f"path:{flake}#", "--key", "release.key").succeeded()
    names = ("counting-1.0-x86_64-linux", "counted-1.0-x86_64-linux")
    for name in names:
        publish = ("publish", maker.folder / "releases" / name, f"dir:{www}", "--key", "release.key")
        ran = maker.tally(*publish, "--with-sources").succeeded()
        assert "not among the sources" not in ran.err
    for gone in (tree, flake, maker.folder / "releases", maker.folder / "recipes"):
        shutil.rmtree(gone)

    shutil.copy(maker.folder / "release.pub", tmp_path / "other")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    other = tally_in(tmp_path / "other", TALLY_STATE=str(tmp_path / "state"), **nowhere)

    def rebuilt(name: str) -> Any:
        return other("rebuild", f"dir:{www}#{name}", "--publisher", "release.pub", "--json")

    listed = json.loads((www / f"{names[0]}__sources.json").read_bytes())["sources"]
    (nixpkgs,) = (each for each in listed if each["name"] == "source")
    place = www / f"sources__sha256-{nixpkgs['sha256']}"
    place.rename(tmp_path / "aside")
    lost = rebuilt(names[0]).failed(2)
    assert f"no address gave source with NAR hash {nixpkgs['sha256']}:\n" in lost.err
    assert f"dir:{www}#{names[0]}: {place.name} is listed and not there" in lost.err
    (tmp_path / "aside").rename(place)
    (told,) = json.loads(rebuilt(names[0]).succeeded().out)["rebuilds"]
    assert told["verdict"] == "reproduced"
    (found,) = (each for each in told["inputs"] if each["name"] == "source")
    assert (found["narSha256"], found["place"]) == (nixpkgs["sha256"], f"dir:{www}#{names[0]}")
    (told,) = json.loads(rebuilt(names[1]).succeeded().out)["rebuilds"]
    assert told["verdict"] == "reproduced", "a flake's derivations are in its release: no tree is needed"
