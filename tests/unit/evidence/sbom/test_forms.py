"""The three forms of one bill: strangers take each, they say the same, and always in the same bytes."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import releases
import schemas  # noqa: F401  # before what imports jsonschema, too
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from ntia_conformance_checker import SbomChecker
from packageurl import PackageURL
from spdx_python_model.bindings import v3_0_1 as spdx3_model
from work import growth

from orchestrator.clients import spdx as spdx_tools
from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom.bill import Bill, Build, Closure, Kind, Relation
from orchestrator.evidence.sbom.closure import Seen, bill_of
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.forms import Form, statements
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.evidence.sbom.released import bill_of as bill_of_release
from orchestrator.evidence.vendored.package import Package, Within
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.nix.entry import Entry

WORLD = releases.World()
PIGZ = WORLD.pigz.outputs["out"]


def cyclonedx(document: dict[str, Any]) -> None:
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    assert error is None, str(error)


def spdx3(document: dict[str, Any]) -> None:
    """SPDX's own classes, made from its SHACL shapes, refuse what is unknown, lacking or of another type."""
    found = spdx3_model.SHACLObjectSet()
    spdx3_model.JSONLDDeserializer().read(io.BytesIO(json.dumps(document).encode()), found)
    assert not found.missing_ids
    spdx3_model.JSONLDSerializer().write(found, io.BytesIO())  # which is when counts are looked at


STRANGERS: dict[Form, Callable[[dict[str, Any]], None]] = {
    Form.SPDX_2_3: lambda document: spdx_tools.validate(json.dumps(document).encode(), "it"),
    Form.SPDX_3_0_1: spdx3,
    Form.CYCLONEDX: cyclonedx,
}


def closure() -> Bill:
    entries = [Entry(path, releases.nar(path), (), None, ("example-1",)) for path in (PIGZ, WORLD.script)]
    for derivation in (WORLD.zlib, WORLD.root):
        entries += [
            Entry(path, releases.nar(path), (), None, ("example-1",)) for path in derivation.outputs.values()
        ]
    found = {each.path: each for each in entries}
    found[PIGZ] = replace(found[PIGZ], references=(WORLD.zlib.outputs["out"],))
    return bill_of(
        Seen((PIGZ,), DerivationGraph(WORLD.graph.derivations, (WORLD.pigz.path,)), found, frozenset(Closure))
    )


def release(folder: Path) -> Bill:
    made = releases.observed(folder)
    return bill_of_release(made.facts, materials_of(made.facts))


def odd() -> Bill:
    """What is rare: several subjects, no digests, other algorithms, patches, CPEs, a position, parts."""
    path = releases.store_path("x-1")
    ca = f"{releases.store_path('y-1.drv')}^out"
    components = [
        Component(path, "x", Role.OUTPUT, path=path, cpes=("cpe:2.3:a:x:x:1:*:*:*:*:*:*:*",) * 2,
                  digest=OtherDigest("sha512", "ab" * 64, nar=True), position="pkgs/x.nix:3",
                  license="Apache-2.0+ OR LicenseRef-x", homepage="http://localhost/", summary="x “y”"),
        Component(ca, "y", Role.OUTPUT, digest=None),
        Component("fix", "fix.patch", Role.FETCHED, digest=OtherDigest("blake3", "00", nar=False)),
        Component("md5", "old.tar.gz", Role.FETCHED, digest=OtherDigest("md5", "0" * 32, nar=False),
                  file_name="old.tar.gz", uris=("https://example.org/old.tar.gz",), supplier="example.org"),
    ]  # fmt: skip
    components += [
        Component(f"{path}#{name}", name, Role.VENDORED, version="1", notes=("One.", "Two."))
        for name in ("a+b", "a-b", "@a/b")
    ]
    relations = [Relation(path, Kind.PATCHED_BY, "fix"), Relation(ca, Kind.GENERATED_FROM, "md5")]
    relations += [Relation(path, Kind.CONTAINS, each.ref) for each in components[4:]]
    components.append(Component(f"{ca}#a+b", "a+b", Role.LINKED, version="2", purl="pkg:cargo/a@2"))
    relations.append(Relation(ca, Kind.LINKS, f"{ca}#a+b"))
    builds = [Build(releases.store_path("y-1.drv"), "x86_64-linux", None, (), (ca,))]
    return Bill.of("x and 1 more", [path, ca], components, relations, builds, comment="Odd.")


@pytest.fixture(params=["closure", "release", "odd"])
def bill(request: pytest.FixtureRequest, tmp_path: Path) -> Bill:
    return {"closure": closure, "release": lambda: release(tmp_path), "odd": odd}[request.param]()


@pytest.mark.parametrize("form", Form)
def test_a_stranger_takes_it(bill: Bill, form: Form) -> None:
    STRANGERS[form](form.document(bill))


@pytest.mark.parametrize("form", Form)
def test_a_stranger_refuses_what_is_none(form: Form) -> None:
    document = form.document(closure())
    if form is Form.SPDX_3_0_1:
        del document["@graph"][0]["createdBy"]
    else:
        document["SPDXID" if form is Form.SPDX_2_3 else "serialNumber"] = "it"
    with pytest.raises(Exception):  # noqa: B017, PT011  each has errors of its own
        STRANGERS[form](document)


def digests(form: Form, document: dict[str, Any]) -> set[tuple[str, str | None, str | None]]:
    """Name, version and sha256 of each component, as the form has them."""
    if form is Form.CYCLONEDX:
        parts = [*document["components"], document["metadata"]["component"]]
        return {
            (each["name"], each.get("version"), (each.get("hashes") or [{}])[0].get("content"))
            for each in parts
        }
    if form is Form.SPDX_3_0_1:
        parts = [each for each in document["@graph"] if each["type"] == "software_Package"]
        return {
            (
                each["name"],
                each.get("software_packageVersion"),
                (each.get("verifiedUsing") or [{}])[0].get("hashValue"),
            )
            for each in parts
        }
    return {
        (each["name"], each.get("versionInfo"), (each.get("checksums") or [{}])[0].get("checksumValue"))
        for each in document["packages"]
    }


def test_the_forms_tell_of_the_same_components(tmp_path: Path) -> None:
    for one in (closure(), release(tmp_path)):
        told = [digests(form, form.document(one)) for form in Form]
        assert told[0] == told[1] == told[2]
        assert len(told[0]) > 5


def test_the_build_profile_and_the_formulation_have_each_builders_builds(tmp_path: Path) -> None:
    one = release(tmp_path)
    assert {each.builder for each in one.builds} == {"a", "b"}
    graph = Form.SPDX_3_0_1.document(one)["@graph"]
    builds = [each for each in graph if each["type"] == "build_Build"]
    assert len(builds) == len(one.builds)
    relations = {each["relationshipType"] for each in graph if "relationshipType" in each}
    assert {"hasInput", "hasOutput", "invokedBy", "generates", "usesTool", "dependsOn"} <= relations
    (formula,) = Form.CYCLONEDX.document(one)["formulation"]
    assert len(formula["workflows"]) == len(one.builds)
    assert "builder" in json.dumps(formula)


def test_what_is_used_at_build_time_alone_is_told_from_what_is_needed_to_run() -> None:
    document = Form.CYCLONEDX.document(closure())
    scopes = {each["bom-ref"]: each["scope"] for each in document["components"]}
    assert scopes[WORLD.zlib.outputs["out"]] == "required"
    assert scopes[WORLD.root.outputs["out"]] == "excluded"
    graph = Form.SPDX_3_0_1.document(closure())["@graph"]
    assert {each["scope"] for each in graph if "scope" in each} == {"build", "runtime"}


def test_what_is_within_another_has_an_id_of_its_own_and_says_what_no_field_has() -> None:
    for form in Form:
        text = json.dumps(form.document(odd()))
        assert text.count("One.") == 3
    ids = {each["SPDXID"] for each in Form.SPDX_2_3.document(odd())["packages"]}
    assert len(ids) == len(odd().components)
    scopes = {
        each["name"]: each.get("scope")
        for each in Form.CYCLONEDX.document(replace(odd(), subjects=odd().subjects[1:]))["components"]
    }
    assert (scopes["x"], scopes["a-b"]) == ("excluded", None), "whether it is linked in, nobody saw"
    assert scopes["a+b"] == "required", "it says itself that it is"


def test_a_release_tells_of_parts_of_what_it_has_and_of_nothing_else(tmp_path: Path) -> None:
    made = releases.observed(tmp_path)
    materials = materials_of(made.facts)
    product = next(each for each in made.facts.products if each != made.facts.artifact_output.path)
    within = Within((Package("serde", "1", "pkg:cargo/serde@1"),), ("One file was not read.",))
    source = materials[0].path
    parts = Parts({source: within, "/nix/store/elsewhere": within}, {product: within})
    bill = bill_of_release(made.facts, materials, parts)
    part = "#pkg:cargo/serde@1"
    assert {each for each in bill.relations if part in each.related} == {
        Relation(source, Kind.CONTAINS, source + part),
        Relation(product, Kind.LINKS, product + part),
    }
    assert bill.by_ref[product].notes == bill.by_ref[source].notes == within.unread
    assert len(parts.warnings) == 3
    for form in Form:
        STRANGERS[form](form.document(bill))


def test_a_toolchains_root_contains_all_that_it_is_put_together_of(tmp_path: Path) -> None:
    """Archives of upstream's and layers, too, which images have that are based on it; its tools are none."""
    facts = releases.observed(tmp_path).facts
    root, archive = WORLD.root, WORLD.busybox.outputs["out"]
    for name, kind in (
        ("tallyArchives", Kind.CONTAINS),
        ("tallyLayers", Kind.CONTAINS),
        ("x", Kind.BUILT_WITH),
    ):
        packed = replace(root, env={**root.env, name: f"{WORLD.gcc.outputs['out']} {archive}"})
        graph = DerivationGraph({**facts.graph.derivations, root.path: packed}, facts.graph.roots)
        bill = bill_of_release(replace(facts, graph=graph), materials_of(facts))
        found = {
            each.kind for each in bill.relations if each == Relation(root.outputs["out"], each.kind, archive)
        }
        assert found == {kind}, name


def test_the_package_urls_are_read_by_a_stranger() -> None:
    for component in closure().components:
        if component.purl:
            assert PackageURL.from_string(component.purl).to_string() == component.purl


def test_the_minimum_elements_are_there(tmp_path: Path) -> None:
    """NTIA's: what nobody observed, as a supplier, is lacking and never made up."""
    runtime = [each for each in closure().components if each.role is Role.OUTPUT and each.version]
    bill = Bill.of("pigz-2.8", [PIGZ], runtime, [each for each in closure().relations if each.related in {
        one.ref for one in runtime} and each.kind is Kind.REFERS_TO])  # fmt: skip
    file = tmp_path / "pigz.spdx.json"
    for expected, one in ((True, bill), (False, replace(bill, components=tuple(
        replace(each, supplier=None) for each in bill.components)))):  # fmt: skip
        file.write_bytes(render_document(Form.SPDX_2_3.document(one)))
        checked = SbomChecker(str(file))
        assert checked.compliant is expected
        assert not checked.components_without_versions
        assert not checked.components_without_identifiers


names = st.text("abc-.1", min_size=1, max_size=6)


@st.composite
def bills(draw: Any) -> tuple[list[Component], list[Relation]]:
    refs = draw(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True))
    components = [
        Component(
            releases.store_path(f"n{number}"), draw(names), draw(st.sampled_from(Role)),
            version=draw(names | st.none()), path=releases.store_path(f"n{number}"),
            digest=draw(st.sampled_from([None, NarHash.of(b"x"), Sha256.of(b"y")])), file_name="f",
            supplier=draw(names | st.none()), license=draw(st.sampled_from([None, "MIT", "LicenseRef-x"])),
        )
        for number in refs
    ]  # fmt: skip
    ends = st.sampled_from([each.ref for each in components])
    return components, draw(st.lists(st.builds(Relation, ends, st.sampled_from(Kind), ends), max_size=12))


@given(bills(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_same_bytes_whatever_the_order(
    made: tuple[list[Component], list[Relation]], chance: random.Random
) -> None:
    components, relations = made
    ref = components[0].ref
    builds = [Build(f"{drv}.drv", "x86_64-linux", name, (), (ref,)) for drv in "xy" for name in "ab"]
    one = Bill.of("n", [ref], components, relations, builds)
    mixed = chance.sample(components, len(components))
    twice = chance.sample(relations * 2, 2 * len(relations))
    other = Bill.of("n", [ref] * 2, mixed, twice, chance.sample(builds, len(builds)))
    for form in Form:
        assert render(form.document(one)) == render(form.document(other))


@pytest.mark.parametrize("form", Form)
def test_the_work_grows_with_the_size_and_no_faster(form: Form) -> None:
    def of(count: int) -> Callable[[], object]:
        paths = [releases.store_path(f"n{number}") for number in range(count)]
        components = [
            Component(path, "n", Role.OUTPUT, path=path, digest=NarHash.of(path.encode())) for path in paths
        ]
        relations = [
            Relation(paths[number], Kind.REFERS_TO, paths[max(0, number - back)])
            for number in range(count)
            for back in range(1, 6)
        ]
        bill = Bill.of("n", paths[-1:], components, relations)
        return lambda: form.document(bill)

    assert growth(of, 400, 8) < 16, "64 where it is quadratic"


def test_a_form_that_is_larger_than_verifiers_read_is_left_out(tmp_path: Path) -> None:
    made = releases.observed(tmp_path)
    bill = bill_of_release(made.facts, materials_of(made.facts))
    whole = statements(made.facts, bill)
    sizes = {form: len(each.payload) for form, each in whole.items()}
    assert list(whole) == list(Form)
    assert {form: each.predicate for form, each in whole.items()} == {f: f.document(bill) for f in Form}
    smaller = statements(made.facts, bill, limit=sizes[Form.SPDX_3_0_1] - 1)
    assert Form.SPDX_3_0_1 not in smaller
    assert list(statements(made.facts, bill, limit=0)) == [Form.SPDX_2_3]
