"""The bill of derivations and store paths that were read: complete, labelled, and claiming nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import pytest
import releases

from orchestrator.clients import spdx as client
from orchestrator.evidence.sbom import spdx2
from orchestrator.evidence.sbom.bill import Bill, Closure, Kind, Relation
from orchestrator.evidence.sbom.closure import Seen, bill_of, joined
from orchestrator.evidence.sbom.component import Role
from orchestrator.ground.digest import OtherDigest
from orchestrator.nix.derivation import DerivationGraph, FixedOutput
from orchestrator.nix.entry import Entry

V = TypeVar("V")
WORLD = releases.World()
BOTH = frozenset(Closure)
PIGZ, ZLIB = WORLD.pigz.outputs["out"], WORLD.zlib.outputs["out"]
UNKNOWN = releases.store_path("glibc-2.38-44-bin")


def entry(path: str, *references: str) -> Entry:
    return Entry(path, releases.nar(path), references, None)


ENTRIES = {each.path: each for each in (entry(PIGZ, ZLIB), entry(ZLIB, UNKNOWN), entry(UNKNOWN))}
SEEN = Seen((PIGZ,), DerivationGraph(WORLD.graph.derivations, (WORLD.pigz.path,)), ENTRIES, BOTH)


def edges(bill: Bill) -> set[Relation]:
    return set(bill.relations)


def test_both_closures_hang_together() -> None:
    bill = bill_of(SEEN)
    assert edges(bill) >= {
        Relation(PIGZ, Kind.REFERS_TO, ZLIB),
        Relation(ZLIB, Kind.REFERS_TO, UNKNOWN),
        Relation(PIGZ, Kind.BUILD_INPUT, ZLIB),
        Relation(PIGZ, Kind.BUILT_WITH, WORLD.script),
    }
    assert bill.name == "pigz-2.8"
    assert bill.components[0].ref == PIGZ
    assert bill.created == "2023-11-14T22:13:20Z"


def test_a_path_without_a_derivation_says_so() -> None:
    found = bill_of(SEEN).by_ref[UNKNOWN]
    assert (found.name, found.version, found.output, found.role) == ("glibc", "2.38-44", "bin", Role.PATH)
    assert found.purl == "pkg:nix/glibc@2.38-44?output=bin"
    assert found.license is None


def test_only_what_was_asked_for_is_told() -> None:
    build = bill_of(replace(SEEN, closures=frozenset({Closure.BUILD})))
    assert {each.kind for each in build.relations}.isdisjoint({Kind.REFERS_TO})
    assert "no runtime closure" in (build.comment or "")
    runtime = bill_of(replace(SEEN, graph=None, closures=frozenset({Closure.RUNTIME})))
    assert {each.ref for each in runtime.components} == {PIGZ, ZLIB, UNKNOWN}
    assert {each.kind for each in runtime.relations} == {Kind.REFERS_TO}
    assert runtime.builds == ()


def test_sources_and_patches_are_told_from_other_inputs() -> None:
    patch = releases.fixed("fix.patch", url="https://example.org/fix.patch")
    source = WORLD.pigz_source
    env = {**WORLD.pigz.env, "src": source.outputs["out"], "patches": patch.outputs["out"]}
    uses = {**WORLD.pigz.input_derivations, patch.path: ("out",)}
    pigz = replace(WORLD.pigz, env=env, input_derivations=uses)
    graph = {**WORLD.graph.derivations, patch.path: patch, pigz.path: pigz}
    bill = bill_of(replace(SEEN, graph=DerivationGraph(graph, (pigz.path,))))
    assert edges(bill) >= {
        Relation(PIGZ, Kind.GENERATED_FROM, source.outputs["out"]),
        Relation(PIGZ, Kind.PATCHED_BY, patch.outputs["out"]),
    }
    assert "pigz@2.8?checksum=sha256:" in (bill.by_ref[source.outputs["out"]].purl or "")
    assert "download_url=https:" in (bill.by_ref[patch.outputs["out"]].purl or "")


def test_a_content_addressed_output_has_no_path_before_it_is_built() -> None:
    zlib = replace(WORLD.zlib, outputs={"out": "", "dev": ""})
    graph = {**WORLD.graph.derivations, zlib.path: zlib}
    bill = bill_of(replace(SEEN, graph=DerivationGraph(graph, (WORLD.pigz.path,))))
    found = bill.by_ref[f"{zlib.path}^dev"]
    assert (found.path, found.digest, found.name, found.output) == (None, None, "zlib", "dev")


def test_an_asked_for_fixed_output_is_told_and_not_gone_into() -> None:
    source = replace(WORLD.zlib_source, input_derivations={WORLD.root.path: ("out",)})
    graph = {**WORLD.graph.derivations, source.path: source}
    path = source.outputs["out"]
    seen = Seen((path,), DerivationGraph(graph, (source.path,)), {}, frozenset({Closure.BUILD}))
    bill = bill_of(seen)
    assert [each.ref for each in bill.components] == [path]
    assert not bill.relations
    assert not bill.builds


def test_another_digest_is_named_by_its_algorithm() -> None:
    fixed = FixedOutput(WORLD.pigz_source.outputs["out"], OtherDigest("sha512", "ab" * 64, nar=False))
    graph = {**WORLD.graph.derivations, WORLD.pigz_source.path: replace(WORLD.pigz_source, fixed=fixed)}
    document = spdx2.document(bill_of(replace(SEEN, graph=DerivationGraph(graph, (WORLD.pigz.path,)))))
    (package,) = (each for each in document["packages"] if each.get("packageFileName") == "pigz-2.8.tar.gz")
    assert package["checksums"] == [{"algorithm": "SHA512", "checksumValue": "ab" * 64}]


def test_the_stranger_takes_it() -> None:
    client.validate(json.dumps(spdx2.document(bill_of(SEEN))).encode(), "x.spdx.json")


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_what_was_read_changes_nothing(seed: int) -> None:
    shuffled = random.Random(seed)

    def mixed(items: Mapping[str, V]) -> dict[str, V]:
        return dict(shuffled.sample(list(items.items()), len(items)))

    assert SEEN.graph is not None
    derivations = {
        path: replace(each, input_derivations=mixed(each.input_derivations), env=mixed(each.env))
        for path, each in mixed(SEEN.graph.derivations).items()
    }
    again = replace(SEEN, graph=DerivationGraph(derivations, SEEN.graph.roots), entries=mixed(ENTRIES))
    assert bill_of(again) == bill_of(SEEN)
    assert bill_of(again).identity == bill_of(SEEN).identity


def test_what_is_in_several_stores_is_one_bill() -> None:
    graph = DerivationGraph(WORLD.graph.derivations, (WORLD.zlib.path,))
    zlib = Seen((ZLIB,), graph, {path: ENTRIES[path] for path in (ZLIB, UNKNOWN)}, BOTH)
    both = bill_of(joined([SEEN, zlib]))
    assert set(both.subjects) == {PIGZ, ZLIB}
    assert both == bill_of(joined([zlib, SEEN]))
    assert {each.ref for each in bill_of(SEEN).components} <= {each.ref for each in both.components}
    assert edges(bill_of(SEEN)) <= edges(both)
    # what only one of them knows is not claimed of both
    unbuilt = replace(zlib, entries={}, closures=frozenset({Closure.BUILD}))
    assert bill_of(joined([SEEN, unbuilt])).closures == {Closure.BUILD}
    path = Seen((UNKNOWN,), None, {UNKNOWN: ENTRIES[UNKNOWN]}, frozenset({Closure.RUNTIME}))
    with pytest.raises(ValueError, match="no closure is known of all of them"):
        joined([unbuilt, path])
