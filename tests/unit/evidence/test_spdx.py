"""The SBOM: complete, deterministic, and never claiming what nobody observed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import releases
from work import growth

from orchestrator.dependencies.dependency import Ecosystem
from orchestrator.evidence.canonical import render
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom import spdx2
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.evidence.sbom.spdx2_packages import ARTIFACT, identifier, source_info
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import DerivationGraph
from orchestrator.pinning.depended import Depended
from orchestrator.recipe.licences import check_license

WORLD = releases.World()


def document(made: releases.Made) -> dict[str, Any]:
    return spdx2.document(bill_of(made.facts, materials_of(made.facts)))


@pytest.fixture
def made(tmp_path: Path) -> releases.Made:
    return releases.observed(tmp_path)


def packages(made: releases.Made) -> dict[str, dict[str, Any]]:
    return {package["SPDXID"]: package for package in document(made)["packages"]}


def edges(made: releases.Made) -> set[tuple[str, str, str]]:
    return {
        (each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"])
        for each in document(made)["relationships"]
    }


def test_the_artifact_is_described_with_the_digest_that_users_check(made: releases.Made) -> None:
    assert ("SPDXRef-DOCUMENT", "DESCRIBES", ARTIFACT) in edges(made)
    artifact = packages(made)[ARTIFACT]
    assert artifact["packageFileName"] == "pigz-2.8-x86_64-linux.tar.gz"
    assert artifact["checksums"] == [{"algorithm": "SHA256", "checksumValue": made.facts.artifact.sha256.hex}]
    assert artifact["licenseDeclared"] == "Zlib AND LicenseRef-pigz-notice"
    assert artifact["versionInfo"] == "2.8"


def test_every_input_and_output_is_a_package_with_a_checksum(made: releases.Made) -> None:
    found = packages(made)
    paths = {material.path for material in materials_of(made.facts)} | set(made.facts.products)
    paths -= {made.facts.artifact_output.path}
    assert set(found) == {ARTIFACT, *map(identifier, paths)}
    assert all(package["checksums"][0]["algorithm"] == "SHA256" for package in found.values())


def test_a_nar_is_named_as_one_so_that_its_checksum_is_true(made: releases.Made) -> None:
    package = packages(made)[identifier(WORLD.root.outputs["out"])]
    assert package["packageFileName"].endswith("-debian-root.nar")
    assert "nix-store --dump" in package["comment"]


def test_a_toolchain_package(made: releases.Made) -> None:
    package = packages(made)[identifier(WORLD.gcc.outputs["out"])]
    assert (package["name"], package["versionInfo"]) == ("gcc-12", "12.2.0-14+deb12u1")
    assert package["externalRefs"][0]["referenceLocator"].startswith("pkg:deb/debian/gcc-12@12.2.0")
    assert package["licenseDeclared"] == "GPL-3.0-or-later WITH GCC-exception-3.1"
    assert package["downloadLocation"] == "NOASSERTION"
    assert "mirror://debian/pool/main/g/gcc-12/" in package["sourceInfo"]


def test_a_source_is_said_to_be_fetched_only_where_it_was() -> None:
    for uris, said in ((("mirror://gnu/x.tar.gz",), "Fetched"), ((), "Put into the store")):
        source = Component(
            ref="/nix/store/x-src", role=Role.SOURCE, name="src", path="/nix/store/x-src", uris=uris
        )
        assert str(source_info(source)).startswith(said)


def test_an_address_that_anybody_can_use_is_the_download_location(made: releases.Made) -> None:
    package = packages(made)[identifier(WORLD.zlib_source.outputs["out"])]
    assert package["downloadLocation"] == "https://zlib.example.org/zlib-1.3.tar.gz"


@pytest.mark.parametrize(
    ("element", "kind", "related"),
    [
        (ARTIFACT, "CONTAINS", WORLD.pigz.outputs["out"]),
        (WORLD.pigz.outputs["out"], "GENERATED_FROM", WORLD.pigz_source.outputs["out"]),
        (WORLD.pigz.outputs["out"], "DEPENDS_ON", WORLD.zlib.outputs["out"]),
        (WORLD.zlib.outputs["dev"], "BUILD_DEPENDENCY_OF", WORLD.pigz.outputs["out"]),
        (WORLD.zlib.outputs["out"], "GENERATED_FROM", WORLD.zlib_source.outputs["out"]),
        (WORLD.root.outputs["out"], "BUILD_TOOL_OF", WORLD.pigz.outputs["out"]),
        (WORLD.root.outputs["out"], "BUILD_TOOL_OF", ARTIFACT),
        (WORLD.root.outputs["out"], "CONTAINS", WORLD.libc.outputs["out"]),
        (WORLD.busybox.outputs["out"], "BUILD_TOOL_OF", WORLD.root.outputs["out"]),
        (WORLD.script, "BUILD_TOOL_OF", WORLD.pigz.outputs["out"]),
    ],
)
def test_how_they_hang_together(made: releases.Made, element: str, kind: str, related: str) -> None:
    ids = [each if each == ARTIFACT else identifier(each) for each in (element, related)]
    assert (ids[0], kind, ids[1]) in edges(made)


def test_relationships_name_packages_that_are_there(made: releases.Made) -> None:
    ids = {*packages(made), "SPDXRef-DOCUMENT"}
    assert {end for first, _, second in edges(made) for end in (first, second)} <= ids


def test_a_reference_to_nothing_known_is_refused(made: releases.Made) -> None:
    world = releases.World()
    outputs = {
        **made.agreed.outputs,
        world.pigz.path: {
            "out": releases.made(world.pigz.outputs["out"], references=[releases.store_path("x")])
        },
    }
    with pytest.raises(TallyError, match="not in its build-time closure"):
        document(replace(made, facts=replace(made.facts, agreed=replace(made.agreed, outputs=outputs))))


def test_each_licence_reference_says_where_its_text_is(made: releases.Made) -> None:
    infos = document(made)["hasExtractedLicensingInfos"]
    assert [info["licenseId"] for info in infos] == ["LicenseRef-Carnegie", "LicenseRef-pigz-notice"]
    assert "libc6_2.36-9_amd64.deb" in infos[0]["extractedText"]


def test_a_later_version_is_written_as_a_reference_that_policies_read_back(made: releases.Made) -> None:
    package = replace(made.facts.package, license="Apache-2.0+ OR MIT")
    sbom = document(replace(made, facts=replace(made.facts, package=package)))
    (artifact,) = (each for each in sbom["packages"] if each["SPDXID"] == "SPDXRef-Artifact")
    assert artifact["licenseDeclared"] == "LicenseRef-Apache-2.0-or-later OR MIT"
    assert check_license(artifact["licenseDeclared"]) == "Apache-2.0+ OR MIT"
    texts = {each["licenseId"]: each["extractedText"] for each in sbom["hasExtractedLicensingInfos"]}
    assert texts["LicenseRef-Apache-2.0-or-later"].startswith("Apache-2.0+ (SPDX 2.3, annex D): ")


@pytest.mark.parametrize("licence", ["GPL-3.0-or-later;", "see\x00COPYING", "()", "Zlib/MIT"])
def test_a_licence_that_is_no_expression_is_refused(made: releases.Made, licence: str) -> None:
    package = replace(made.facts.package, license=licence)
    with pytest.raises(TallyError, match="not an SPDX expression"):
        document(replace(made, facts=replace(made.facts, package=package)))


def test_what_is_not_known_is_not_claimed(made: releases.Made) -> None:
    package = replace(made.facts.package, license=None, version=None, summary=None, homepage=None)
    artifact = packages(replace(made, facts=replace(made.facts, package=package)))[ARTIFACT]
    assert artifact["licenseDeclared"] == "NOASSERTION"
    assert {"versionInfo", "summary", "homepage"}.isdisjoint(artifact)
    text = json.dumps(document(made))
    assert '"NONE"' not in text
    assert '""' not in text


def test_another_run_of_the_same_build_gives_the_same_bytes(tmp_path: Path) -> None:
    first = releases.observed(tmp_path / "1")
    later = releases.observed(
        tmp_path / "2",
        builders=[releases.identity("c", kernel="7.0"), releases.identity("d", machine_id="0" * 64)],
        invocation="11111111-1111-4111-8111-111111111111",
        finished=releases.NOW + timedelta(days=400),
    )
    assert render(document(first)) == render(document(later))


def test_another_artifact_gives_another_namespace(tmp_path: Path) -> None:
    found = [document(releases.observed(tmp_path / name, content=name.encode())) for name in ("1", "2")]
    assert found[0]["documentNamespace"] != found[1]["documentNamespace"]


@pytest.mark.parametrize(
    ("epoch", "created"),
    [
        ("1700000000", "2023-11-14T22:13:20Z"),
        (None, "1970-01-01T00:00:01Z"),
        ("", "1970-01-01T00:00:01Z"),
        ("-5", "1970-01-01T00:00:01Z"),
        ("rubbish", "1970-01-01T00:00:01Z"),
        ("999999999999", "9999-12-31T23:59:59Z"),
    ],
)
def test_created_follows_from_the_build(made: releases.Made, epoch: str | None, created: str) -> None:
    env = {name: value for name, value in WORLD.pigz.env.items() if name != "SOURCE_DATE_EPOCH"}
    if epoch is not None:
        env["SOURCE_DATE_EPOCH"] = epoch
    pigz = replace(WORLD.pigz, env=env)
    graph = DerivationGraph({**made.facts.graph.derivations, pigz.path: pigz}, made.facts.graph.roots)
    found = document(replace(made, facts=replace(made.facts, graph=graph)))
    assert found["creationInfo"]["created"] == created


def test_an_image_on_the_toolchains_root_contains_it(made: releases.Made) -> None:
    artifact, root = WORLD.artifact, WORLD.root.outputs["out"]
    assert (ARTIFACT, "CONTAINS", identifier(root)) not in edges(made)
    artifact = replace(artifact, env={**artifact.env, "tallyFormat": "oci", "tallyBase": root})
    graph = DerivationGraph({**made.facts.graph.derivations, artifact.path: artifact}, made.facts.graph.roots)
    found = edges(replace(made, facts=replace(made.facts, graph=graph)))
    assert (ARTIFACT, "CONTAINS", identifier(root)) in found
    assert (identifier(root), "BUILD_TOOL_OF", ARTIFACT) not in found
    assert (identifier(root), "CONTAINS", identifier(WORLD.gcc.outputs["out"])) in found
    assert (identifier(root), "BUILD_TOOL_OF", identifier(WORLD.pigz.outputs["out"])) in found


def test_a_document_of_thousands_takes_linear_time(made: releases.Made) -> None:
    def write(size: int) -> Callable[[], object]:
        parts = [releases.debian(f"part-{number}", "1") for number in range(size)]
        root = releases.derivation(
            "debian-root",
            [(part, ("out",)) for part in parts],
            sources=[WORLD.script],
            tallyKind="toolchain-root",
        )
        root = replace(root, outputs=WORLD.root.outputs)  # for whoever uses it
        derivations = (
            {**made.facts.graph.derivations} | {part.path: part for part in parts} | {root.path: root}
        )
        licences = {part.fixed.digest.hex: "LicenseRef-one AND MIT" for part in parts if part.fixed}
        graph = DerivationGraph(derivations, made.facts.graph.roots)
        large = replace(made, facts=replace(made.facts, graph=graph, licences=licences))
        assert len(document(large)["packages"]) > size
        return lambda: document(large)

    assert growth(write, 400, 8) < 32, "64 where it is the square"


def test_what_a_lock_file_pins_hangs_together_as_it_says(made: releases.Made) -> None:
    zlib, pigz = (each.outputs["out"] for each in (WORLD.zlib_source, WORLD.pigz_source))

    def depended(path: str, name: str, *, direct: bool, shipped: bool, needs: tuple[str, ...]) -> Depended:
        return Depended(path, Ecosystem.NPM, name, "1", direct, shipped, needs)

    locked = (
        depended(pigz, "p", direct=True, shipped=False, needs=(zlib,)),
        depended(zlib, "z", direct=True, shipped=True, needs=(pigz, zlib)),
    )
    made = replace(made, facts=replace(made.facts, dependencies={"pigz": locked}))
    package = identifier(WORLD.pigz.outputs["out"])
    found = edges(made)
    assert {
        (package, "DEPENDS_ON", identifier(zlib)),
        (identifier(pigz), "DEV_DEPENDENCY_OF", package),
        (identifier(zlib), "DEV_DEPENDENCY_OF", identifier(pigz)),  # what builds alone ships nothing
        (identifier(pigz), "DEV_DEPENDENCY_OF", identifier(zlib)),
    } <= found
    (role,) = {
        each.role
        for each in bill_of(made.facts, materials_of(made.facts)).components
        if each.ref in (zlib, pigz)
    }
    assert role is Role.DEPENDENCY
