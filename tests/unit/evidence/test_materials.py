"""Materials: the whole build-time closure, each with the digest that was observed, nothing made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import releases
from work import growth

from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import Material, materials_of
from orchestrator.evidence.terms import Kind
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import DerivationGraph

WORLD = releases.World()


@pytest.fixture
def made(tmp_path: Path) -> releases.Made:
    return releases.observed(tmp_path)


def by_name(made: releases.Made) -> dict[str, Material]:
    return {material.name: material for material in materials_of(made.facts)}


def test_the_whole_closure_is_there_and_the_products_are_not(made: releases.Made) -> None:
    assert {material.path for material in materials_of(made.facts)} == {
        *(each.outputs["out"] for each in (WORLD.gcc, WORLD.libc, WORLD.busybox)),
        *(each.outputs["out"] for each in (WORLD.zlib_source, WORLD.pigz_source, WORLD.root)),
        *WORLD.zlib.outputs.values(),
        WORLD.script,
    }


def test_they_are_sorted_by_store_path(made: releases.Made) -> None:
    paths = [material.path for material in materials_of(made.facts)]
    assert paths == sorted(paths)


def test_a_source(made: releases.Made) -> None:
    assert by_name(made)["zlib-1.3.tar.gz"] == Material(
        path=WORLD.zlib_source.outputs["out"],
        name="zlib-1.3.tar.gz",
        version="1.3",
        digest=Sha256.of(b"zlib-1.3.tar.gz"),
        kind=Kind.SOURCE,
        uris=("https://zlib.example.org/zlib-1.3.tar.gz", "mirror://debian/zlib_1.3.orig.tar.gz"),
        purl="pkg:generic/zlib@1.3",
        license=None,
    )


def test_a_toolchain_package(made: releases.Made) -> None:
    gcc = by_name(made)["gcc-12_12.2.0-14+deb12u1_amd64.deb"]
    assert (gcc.kind, gcc.version) == (Kind.TOOLCHAIN, "12.2.0-14+deb12u1")
    assert gcc.purl == "pkg:deb/debian/gcc-12@12.2.0-14%2Bdeb12u1?arch=amd64"
    assert gcc.license == "GPL-3.0-or-later WITH GCC-exception-3.1"
    assert gcc.digest_set == {"sha256": gcc.digest.hex}


def test_a_nar_hash_is_never_called_a_sha256(made: releases.Made) -> None:
    busybox = by_name(made)["busybox"]
    assert isinstance(busybox.digest, NarHash)
    assert busybox.digest_set == {"narSha256": busybox.digest.hex}


def test_a_built_input_has_the_hash_that_builders_agreed_on(made: releases.Made) -> None:
    path = WORLD.zlib.outputs["dev"]
    zlib = by_name(made)["zlib-1.3-dev"]
    assert (zlib.kind, zlib.version, zlib.license) == (Kind.BUILT, "1.3", "Zlib")
    assert zlib.digest == made.agreed.inputs[path].nar_hash


def test_an_input_source_has_the_hash_from_the_store(made: releases.Made) -> None:
    script = by_name(made)["build.sh"]
    assert (script.kind, script.digest, script.uris, script.purl) == (
        Kind.FILE,
        releases.nar("build.sh"),
        (),
        None,
    )


def test_an_input_that_nobody_hashed_is_refused(made: releases.Made) -> None:
    with pytest.raises(TallyError, match=r"build\.sh is not known"):
        materials_of(replace(made.facts, input_sources={}))
    agreed = replace(made.agreed, inputs={})
    with pytest.raises(TallyError, match="no builder reported"):
        materials_of(replace(made.facts, agreed=agreed))


def test_what_a_fetcher_was_made_from_had_no_say(made: releases.Made) -> None:
    """A fixed output's digest pins its bytes; the closure of nixpkgs's fetchers is not the package's."""
    curl = releases.derivation("curl")
    source = replace(WORLD.pigz_source, input_derivations={curl.path: ("out",)})
    derivations = {**made.facts.graph.derivations, curl.path: curl, source.path: source}
    facts = replace(made.facts, graph=DerivationGraph(derivations, made.facts.graph.roots))
    assert materials_of(facts) == materials_of(made.facts)


class TestSomebodysOwnDerivation:
    """Without our attributes: name and address where the derivation has them, and nothing made up."""

    def _materials(self, made: releases.Made, **env: str) -> Material:
        source = replace(WORLD.pigz_source, env=env)
        derivations = {**made.facts.graph.derivations, source.path: source}
        graph = DerivationGraph(derivations, made.facts.graph.roots)
        facts = replace(made.facts, graph=graph, origins={})
        return next(each for each in materials_of(facts) if each.path == source.outputs["out"])

    def test_as_fetchurl_of_nixpkgs_writes_it(self, made: releases.Made) -> None:
        found = self._materials(
            made, name="pigz-2.8.tar.gz", urls="mirror://a/x https://b.example.org/x", url=""
        )
        assert found.kind is Kind.FETCHED
        assert found.uris == ("mirror://a/x", "https://b.example.org/x")
        assert (found.purl, found.version, found.license) == (None, None, None)

    def test_with_one_address(self, made: releases.Made) -> None:
        assert self._materials(made, url="https://b.example.org/x").uris == ("https://b.example.org/x",)

    def test_with_nothing(self, made: releases.Made) -> None:
        found = self._materials(made)
        assert (found.name, found.uris, found.purl, found.version) == ("pigz-2.8.tar.gz", (), None, None)


def closure(made: releases.Made, size: int) -> ReleaseFacts:
    """Derivations, each using the one before and a source of its own."""
    derivations = dict(made.facts.graph.derivations)
    inputs = dict(made.agreed.inputs)
    below = WORLD.root
    for number in range(size):
        source = releases.fixed(f"source-{number}", "source")
        below = releases.derivation(f"step-{number}", [(below, ("out",)), (source, ("out",))])
        derivations |= {source.path: source, below.path: below}
        inputs[below.outputs["out"]] = releases.made(below.outputs["out"])
    top = releases.derivation("pigz-2.8", [(below, ("out",))], tallyKind="package")
    derivations[top.path] = top
    return replace(
        made.facts,
        graph=DerivationGraph(derivations, made.facts.graph.roots),
        agreed=replace(made.agreed, inputs=inputs),
    )


def test_a_closure_of_thousands_takes_linear_time(made: releases.Made) -> None:
    def gather(size: int) -> Callable[[], object]:
        facts = closure(made, size)
        assert len(materials_of(facts)) > 2 * size
        return lambda: materials_of(facts)

    assert growth(gather, 400, 8) < 32, "64 where it is the square"
