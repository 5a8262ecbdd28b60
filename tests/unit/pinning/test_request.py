"""From recipes and lock to the request: the contract with the Nix side, field by field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.pinning.depended import Dependencies
from orchestrator.pinning.request import request_for
from orchestrator.recipe.archives import ENDINGS
from orchestrator.recipe.graph import load_folder
from orchestrator.recipe.lock import Busybox, DebianPackage, DebianSet, Lock, NixpkgsPin, SourcePin, read
from orchestrator.recipe.recipe import Recipe
from orchestrator.recipe.wanted import fixed_outputs
from orchestrator.sources.pathsource import PathPin

SYSTEM: Final = "x86_64-linux"
DIGEST, OTHER, REV = "a" * 64, "b" * 64, "c" * 40
BASH = DebianPackage(
    name="bash",
    version="1:5.2~rc1+b1",
    architecture="amd64",
    pool="pool/main/b/bash/bash_5.2~rc1+b1_amd64.deb",
    sha256=DIGEST,
    size=1,
)
BOX = DebianPackage(
    name="busybox-static",
    version="1:1.35",
    architecture="amd64",
    pool="pool/main/b/busybox/busybox-static_1.35_amd64.deb",
    sha256=OTHER,
    size=1,
)


def _recipe(**further: object) -> Recipe:
    values = {
        "name": "hello",
        "version": "2.10",
        "summary": "A program",
        "homepage": "https://example.org/",
        "license": "MIT",
        "toolchain": {"from": "debian", "packages": ["make", "gcc"]},
        "build": {"script": "make", "env": {"B": "2", "A": "1"}},
    }
    return Recipe.model_validate(values | further)


def _lock(**sources: SourcePin) -> Lock:
    return Lock(
        package=(BASH, BOX),
        set=(DebianSet(system=SYSTEM, request=("gcc", "make"), base=(), packages=(BASH.file,)),),
        busybox=(Busybox(system=SYSTEM, package=BOX.file, nar_sha256=OTHER),),
        source={"hello": sources},
        nixpkgs=NixpkgsPin.model_validate({"type": "github", "rev": REV}),
    )


def test_a_url_source_and_the_debian_toolchain() -> None:
    recipe = _recipe(
        source={"url": ["mirror://gnu/hello/hello-2.10.tar.gz"], "sha256": DIGEST}, check={"script": "true"}
    )
    request = request_for(
        ["hello"], {"hello": recipe}, _lock(src=SourcePin(kind="url", sha256=DIGEST)), SYSTEM
    )
    assert request == json.loads(json.dumps(request))
    assert request["system"] == SYSTEM
    assert request["targets"] == ["hello"]
    assert request["recipes"] == {
        "hello": {
            "name": "hello",
            "version": "2.10",
            "summary": "A program",
            "homepage": "https://example.org/",
            "license": "MIT",
            "sources": {
                "src": {
                    "name": "hello-2.10.tar.gz",
                    "sha256": DIGEST,
                    "mode": "flat",
                    "urls": ["mirror://gnu/hello/hello-2.10.tar.gz"],
                    "purl": None,
                    "kind": "source",
                    "unpack": True,
                }
            },
            "toolchain": {"from": "debian", "packages": [BASH.file]},
            "inputs": [],
            "outputs": ["out"],
            "environment": {"A": "1", "B": "2"},
            "script": "make",
            "check": "true",
            "artifact": {"format": "tar.gz", "path": None},
        }
    }
    bash = {
        "name": "bash_5.2_rc1+b1_amd64.deb",
        "sha256": DIGEST,
        "mode": "flat",
        "urls": ["mirror://debian/pool/main/b/bash/bash_5.2~rc1+b1_amd64.deb"],
        "purl": "pkg:deb/debian/bash@1:5.2~rc1%2Bb1?arch=amd64",
        "kind": "toolchain",
    }
    assert request["packages"] == {BASH.file: bash}
    assert request["busybox"]["mode"] == "recursive"
    assert request["busybox"]["sha256"] == OTHER
    assert request["busybox"]["name"] == "busybox-1_1.35"


def test_every_other_kind_of_source() -> None:
    recipe = _recipe(
        sources={
            "tree": {"git": "https://example.org/x.git", "rev": REV, "nar_sha256": DIGEST},
            "sdist": {"pypi": "Flit_Core", "version": "3.9.0", "sha256": DIGEST},
            "tarball": {"npm": "@scope/left-pad", "version": "1.3.0", "sha256": DIGEST},
            "own": {"path": "lib"},
        }
    )
    lock = _lock(
        tree=SourcePin(kind="git", nar_sha256=DIGEST, rev=REV),
        sdist=SourcePin(kind="pypi", sha256=DIGEST, file="flit_core-3.9.0-py3-none-any.whl"),
        tarball=SourcePin(kind="npm", sha256=DIGEST),
    )
    pins = {("hello", "own"): PathPin("hello-own", NarHash(OTHER), f"path:lib@{REV}", dirty=False)}
    sources = request_for(["hello"], {"hello": recipe}, lock, SYSTEM, pins)["recipes"]["hello"]["sources"]
    told = {name: (s["name"], s["mode"], s["urls"], s["purl"], s["unpack"]) for name, s in sources.items()}
    assert told == {
        "tree": ("x", "recursive", [f"git+https://example.org/x.git@{REV}"], None, True),
        "sdist": (
            "flit_core-3.9.0-py3-none-any.whl",
            "flat",
            ["mirror://pypi/flit-core/flit_core-3.9.0-py3-none-any.whl"],
            "pkg:pypi/flit-core@3.9.0",
            False,
        ),
        "tarball": (
            "left-pad-1.3.0.tgz",
            "flat",
            ["mirror://npm/@scope/left-pad/-/left-pad-1.3.0.tgz"],
            "pkg:npm/%40scope/left-pad@1.3.0",
            True,
        ),
        "own": ("hello-own", "recursive", [f"path:lib@{REV}"], None, True),
    }


def test_the_nixpkgs_toolchain_carries_the_locked_node() -> None:
    recipe = _recipe(toolchain={"from": "nixpkgs", "packages": ["gcc"]})
    request = request_for(["hello"], {"hello": recipe}, _lock(), SYSTEM)
    assert request["recipes"]["hello"]["toolchain"] == {
        "from": "nixpkgs",
        "packages": ["gcc"],
        "nixpkgs": {"type": "github", "rev": REV},
    }
    assert request["packages"] == {}


def test_inputs_come_along_and_nothing_else() -> None:
    recipes = {
        "hello": _recipe(inputs=["zlib"]),
        "zlib": _recipe(name="zlib", outputs=["out", "dev"]),
        "other": _recipe(name="other", toolchain={"from": "debian", "packages": ["not-locked"]}),
    }
    request = request_for(["hello"], recipes, _lock(), SYSTEM)
    assert list(request["recipes"]) == ["zlib", "hello"]
    assert request["recipes"]["zlib"]["outputs"] == ["out", "dev"]


@pytest.mark.parametrize(
    ("source", "pin", "says"),
    [
        ({"url": "mirror://gnu/x", "sha256": DIGEST}, None, "source src: the lock does not know it"),
        (
            {"npm": "x", "version": "1", "sha256": DIGEST},
            SourcePin(kind="npm", sha256=OTHER),
            f"its digest is {DIGEST} and {OTHER}",
        ),
        (
            {"url": "mirror://gnu/x", "sha256": DIGEST},
            SourcePin(kind="npm", sha256=DIGEST),
            "of kind url and was locked as npm",
        ),
        (
            {"git": "https://example.org/x", "rev": REV, "nar_sha256": DIGEST},
            SourcePin(kind="git", nar_sha256=DIGEST, rev="d" * 40),
            "its revision is",
        ),
        (
            {"pypi": "x", "version": "1", "sha256": DIGEST},
            SourcePin(kind="pypi", sha256=DIGEST),
            "does not say which file",
        ),
        (
            {"pypi": "x", "version": "1.1", "sha256": DIGEST},
            SourcePin(kind="pypi", sha256=DIGEST, file="x-1.0.tar.gz"),
            "it is version 1.1 and x-1.0.tar.gz was locked",
        ),
        (
            {"npm": "@s/x", "version": "1.1", "sha256": DIGEST},
            SourcePin(kind="npm", sha256=DIGEST, file="x-1.0.tgz"),
            "it is version 1.1 and x-1.0.tgz was locked",
        ),
    ],
)
def test_a_lock_that_does_not_fit_a_source(source: dict[str, str], pin: SourcePin | None, says: str) -> None:
    lock = _lock(**({"src": pin} if pin else {}))
    with pytest.raises(TallyError) as caught:
        request_for(["hello"], {"hello": _recipe(source=source)}, lock, SYSTEM)
    assert caught.value.message.startswith("tally.lock does not fit the recipe hello: ")
    assert says in caught.value.message
    assert caught.value.hint == "run `tally lock`"


def test_a_digest_that_is_not_the_locked_one_is_told_with_what_the_lock_found() -> None:
    lock = _lock(src=SourcePin(kind="url", sha256=OTHER))
    with pytest.raises(TallyError) as caught:
        request_for(
            ["hello"], {"hello": _recipe(source={"url": "mirror://gnu/x", "sha256": DIGEST})}, lock, SYSTEM
        )
    said = caught.value
    assert said.message.startswith(f"the recipe hello says sha256 {DIGEST} for its source src; ")
    assert said.message.endswith(f"the address gave {OTHER}")
    assert "run `tally lock`" in str(said.hint)
    assert f"write {OTHER}" in str(said.hint)


def test_a_lock_without_the_packages_the_busybox_or_nixpkgs() -> None:
    recipe = _recipe(toolchain={"from": "debian", "packages": ["gcc", "cmake"]})
    with pytest.raises(TallyError, match="no packages of Debian bookworm for x86_64-linux resolved from"):
        request_for(["hello"], {"hello": recipe}, _lock(), SYSTEM)
    with pytest.raises(TallyError, match="pins no busybox for x86_64-linux"):
        request_for(["hello"], {"hello": _recipe()}, _lock().model_copy(update={"busybox": ()}), SYSTEM)
    bare = _lock().model_copy(update={"nixpkgs": None})
    with pytest.raises(TallyError, match="it pins no nixpkgs"):
        request_for(["hello"], {"hello": _recipe(toolchain={"from": "nixpkgs"})}, bare, SYSTEM)


def test_a_recipe_for_another_system() -> None:
    with pytest.raises(TallyError, match="is not for x86_64-linux") as caught:
        request_for(["hello"], {"hello": _recipe(systems=["aarch64-linux"])}, _lock(), SYSTEM)
    assert caught.value.hint is not None
    assert "aarch64-linux" in caught.value.hint


def test_what_must_be_fetched_each_once() -> None:
    source = {"url": "mirror://gnu/x.tar.gz", "sha256": DIGEST}
    recipes = {"hello": _recipe(source=source, inputs=["two"]), "two": _recipe(name="two", source=source)}
    lock = _lock(src=SourcePin(kind="url", sha256=DIGEST))
    lock = lock.model_copy(update={"source": {"hello": lock.source["hello"], "two": lock.source["hello"]}})
    wanted = fixed_outputs(request_for(["hello"], recipes, lock, SYSTEM))
    assert [(each.name, type(each.digest)) for each in wanted] == [
        ("bash_5.2_rc1+b1_amd64.deb", Sha256),
        ("busybox-1_1.35", NarHash),
        ("x.tar.gz", Sha256),
    ]
    assert wanted[1].package is not None
    assert wanted[1].package.digest == Sha256(OTHER)


def test_the_repositorys_recipes_fit_its_lock(repository: Path) -> None:
    recipes = load_folder(repository / "recipes")
    lock = read(repository / "tally.lock")
    pinned: Dependencies = {name: [] for name, recipe in recipes.items() if recipe.dependencies}
    one = request_for(sorted(recipes), recipes, lock, SYSTEM, dependencies=pinned)
    again = dict(reversed(recipes.items()))
    assert one == request_for(sorted(again), again, lock, SYSTEM, dependencies=pinned)
    assert "hello" in one["recipes"]


def _url_source(url: str | list[str], **keys: Any) -> tuple[str, bool]:
    recipe = _recipe(source={"url": url, "sha256": DIGEST, **keys})
    lock = _lock(src=SourcePin(kind="url", sha256=DIGEST))
    source = request_for(["hello"], {"hello": recipe}, lock, SYSTEM)["recipes"]["hello"]["sources"]["src"]
    return source["name"], source["unpack"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_is_told_in_any_case(ending: str) -> None:
    for name in (f"x-1{ending}", f"x-1{ending.upper()}"):
        assert _url_source(f"https://example.org/{name}") == (name, True)


@pytest.mark.parametrize(
    ("url", "keys", "named"),
    [
        ("https://example.org/x/1.0/download", {}, ("download", False)),
        ("https://example.org/x/1.0/download", {"unpack": True}, ("download", True)),
        ("https://example.org/x/1.0/download", {"name": "x-1.0.crate"}, ("x-1.0.crate", True)),
        ("https://example.org/get?file=x-1.0.tar.gz", {}, ("get", False)),
        ("https://example.org/get?file=x-1.0.tar.gz", {"name": "x-1.0.tar.gz"}, ("x-1.0.tar.gz", True)),
        (["https://example.org/download", "https://example.org/x.tgz"], {}, ("x.tgz", True)),
        ("https://example.org/x.zip", {"unpack": False}, ("x.zip", False)),
        ("https://example.org/x.gz", {}, ("x.gz", False)),
        ("https://example.org/x.whl", {"unpack": True}, ("x.whl", True)),
    ],
)
def test_a_recipe_says_what_an_address_does_not(
    url: str | list[str], keys: dict[str, Any], named: tuple[str, bool]
) -> None:
    assert _url_source(url, **keys) == named


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "x\n", "é", "x" * 201])
def test_a_files_name_is_one(name: str) -> None:
    with pytest.raises(ValueError, match="a file's name of letters, digits"):
        _url_source("https://example.org/download", name=name)


def test_the_schema_tells_the_endings() -> None:
    told = json.dumps(Recipe.model_json_schema())
    assert all(ending in told for ending in ENDINGS)
