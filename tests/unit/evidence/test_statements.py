"""Statements, links and the layout: every field observed, the same bytes for the same observations."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

import pytest
import releases

from orchestrator.evidence import layout as layouts
from orchestrator.evidence import links, provenance, reproduction, statement
from orchestrator.evidence.agreement_record import agreement, identity
from orchestrator.evidence.canonical import MalformedError, render
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.materials import materials_of
from orchestrator.ground.errors import TallyError
from orchestrator.repositories.revision import Revision

FILE = ReleaseFile.of("links/build.00000000.link", b"{}")


@pytest.fixture
def made(tmp_path: Path) -> releases.Made:
    return releases.observed(tmp_path)


def predicate(made: releases.Made) -> dict[str, Any]:
    found = provenance.provenance(made.facts, materials_of(made.facts), [FILE])
    document: dict[str, Any] = json.loads(found.payload)
    assert document["predicate"] == found.predicate
    return document["predicate"]


class TestProvenance:
    def test_every_field_that_slsa_requires(self, made: releases.Made) -> None:
        """https://slsa.dev/spec/v1.0/provenance#schema."""
        found = predicate(made)
        build, run = found["buildDefinition"], found["runDetails"]
        assert build["buildType"] == "https://tallystick.example/build/v1"
        assert build["externalParameters"]["target"] == "pigz"
        assert build["externalParameters"]["recipe"]["digest"]["sha256"]
        assert build["externalParameters"]["lock"]["name"] == "tally.lock"
        assert build["internalParameters"]["package"]["derivation"] == made.facts.package_derivation
        assert build["internalParameters"]["system"] == "x86_64-linux"
        assert run["builder"]["id"] == "https://tallystick.example/orchestrator/v1"
        assert run["builder"]["version"]["tallystick"]
        assert run["metadata"] == {
            "invocationId": made.facts.invocation_id,
            "startedOn": "2026-11-22T09:01:00Z",
            "finishedOn": "2026-11-22T10:00:00Z",
        }
        assert run["byproducts"] == [
            {
                "name": FILE.path,
                "digest": {"sha256": FILE.sha256.hex},
                "mediaType": "application/vnd.in-toto+json",
            }
        ]

    def test_every_material_and_the_files_that_decided(self, made: releases.Made) -> None:
        found = predicate(made)["buildDefinition"]["resolvedDependencies"]
        paths = [each["annotations"]["storePath"] for each in found if "annotations" in each]
        assert paths == [material.path for material in materials_of(made.facts)]
        others = [each["name"] for each in found if "annotations" not in each]
        assert others == ["pigz.toml", "tally.lock", "repository"]
        assert all(each["digest"] for each in found)

    def test_the_commit_of_the_repository(self, made: releases.Made) -> None:
        build = predicate(made)["buildDefinition"]
        uri = f"git+https://git.example.org/pigz@{'c' * 40}"
        commit = {"digest": {"gitCommit": "c" * 40}, "uri": uri}
        told = {"path": "recipes/pigz.toml", "uncommitted": []}
        assert build["externalParameters"]["repository"] == commit | told
        assert build["resolvedDependencies"][2] == commit | {"name": "repository"}

    def test_the_commands_of_everything_that_was_built(self, made: releases.Made) -> None:
        world = releases.World()
        found = predicate(made)["buildDefinition"]["internalParameters"]["commands"]
        assert [each["derivation"] for each in found] == [
            each.path for each in (world.root, world.zlib, world.pigz, world.artifact)
        ]
        for each in found:
            derivation = made.facts.graph[each["derivation"]]
            assert each["command"] == [derivation.builder_executable, *derivation.args]
            assert each["environment"] == derivation.env

    def test_a_repository_without_an_address_and_a_recipe_outside_it(self, made: releases.Made) -> None:
        revision = Revision("c" * 64, None, None, ("pigz.toml", "tally.lock"))
        build = predicate(replace(made, facts=replace(made.facts, revision=revision)))["buildDefinition"]
        assert build["externalParameters"]["repository"] == {
            "digest": {"gitCommit": "c" * 64},
            "uncommitted": ["pigz.toml", "tally.lock"],
        }

    def test_a_material_is_named_by_its_package_url(self, made: releases.Made) -> None:
        found = predicate(made)["buildDefinition"]["resolvedDependencies"]
        zlib = next(each for each in found if each["name"] == "zlib-1.3.tar.gz")
        assert zlib["uri"] == "pkg:generic/zlib@1.3"
        assert zlib["downloadLocation"] == "https://zlib.example.org/zlib-1.3.tar.gz"
        assert zlib["annotations"]["mirrors"] == ["mirror://debian/zlib_1.3.orig.tar.gz"]
        pigz = next(each for each in found if each["name"] == "pigz-2.8.tar.gz")
        assert pigz["uri"] == "mirror://debian/pigz_2.8.tar.gz"
        assert "downloadLocation" not in pigz

    def test_each_builders_nix(self, tmp_path: Path) -> None:
        builders = [
            releases.identity("a"),
            releases.identity("b", nix_version="2.34.8"),
            releases.identity("c"),
        ]
        found = predicate(releases.observed(tmp_path, builders=builders))["runDetails"]["builder"]
        assert found["builderDependencies"] == [
            {"name": "nix", "uri": "pkg:generic/nix@2.34.8", "annotations": {"builders": ["b"]}},
            {"name": "nix", "uri": "pkg:generic/nix@2.8.0", "annotations": {"builders": ["a", "c"]}},
        ]

    def test_what_was_not_there_is_left_out(self, made: releases.Made) -> None:
        package = replace(made.facts.package, version=None)
        facts = replace(made.facts, recipe=None, lock=None, revision=None, package=package)
        found = predicate(replace(made, facts=facts))
        assert set(found["buildDefinition"]["externalParameters"]) == {"target"}
        assert "version" not in found["buildDefinition"]["internalParameters"]["package"]
        text = json.dumps(found)
        assert '""' not in text
        assert "null" not in text

    def test_times_and_ids_aside_two_runs_say_the_same(self, tmp_path: Path) -> None:
        runs = [
            predicate(
                releases.observed(tmp_path / str(number), invocation=str(uuid.uuid4()), finished=finished)
            )
            for number, finished in enumerate((releases.NOW, releases.NOW + timedelta(days=1)))
        ]
        assert runs[0] != runs[1]
        for run in runs:
            del run["runDetails"]["metadata"]
        assert render(runs[0]) == render(runs[1])


def test_the_subjects_are_the_artifact_and_every_nar(made: releases.Made) -> None:
    found = statement.subjects_of(made.facts)
    assert found[made.facts.artifact.file_name] == made.facts.artifact.sha256.hex
    nars = {name: value for name, value in found.items() if name.endswith(".nar")}
    assert nars == {
        f"{path.removeprefix('/nix/store/')}.nar": built.nar_hash.hex
        for path, built in made.facts.products.items()
    }
    assert len(nars) == 2


class TestReproduction:
    def conditions(self, made: releases.Made) -> list[dict[str, Any]]:
        found = reproduction.reproduction(made.facts, {"a": FILE, "b": FILE})
        return [each["conditions"] for each in json.loads(found.payload)["predicate"]["attributes"]]

    def test_one_assertion_a_builder_with_its_link_as_evidence(self, made: releases.Made) -> None:
        found = reproduction.reproduction(made.facts, {"a": FILE, "b": FILE})
        attributes = found.predicate["attributes"]
        assert [each["attribute"] for each in attributes] == ["REPRODUCIBLE_BUILD"] * 2
        assert [each["conditions"]["builder"]["name"] for each in attributes] == ["a", "b"]
        assert attributes[0]["evidence"] == {
            "name": FILE.path,
            "digest": {"sha256": FILE.sha256.hex},
            "mediaType": "application/vnd.in-toto+json",
        }
        assert attributes[0]["target"]["digest"] == {"sha256": made.facts.artifact.sha256.hex}

    def test_independence_is_what_was_observed(self, made: releases.Made, tmp_path: Path) -> None:
        assert self.conditions(made)[0]["agreement"]["independence"] == "same-host"
        there = releases.identity("b", machine_id="0" * 64, store="ssh-ng://b")
        builders = [releases.identity("a"), there]
        apart = releases.observed(tmp_path / "apart", builders=builders)
        assert self.conditions(apart)[0]["agreement"]["independence"] == "separate-hosts"

    def test_in_what_the_builders_differed_is_what_was_observed(self, made: releases.Made) -> None:
        first, second = self.conditions(made)
        assert (first["surroundings"]["buildCores"], second["surroundings"]["buildCores"]) == (4, 2)
        assert first["agreement"]["varied"] == ["build-cores"]

    def test_a_builder_without_a_link(self, made: releases.Made) -> None:
        with pytest.raises(TallyError, match="builder b has no link"):
            reproduction.reproduction(made.facts, {"a": FILE})


def test_what_was_not_observed_is_left_out(tmp_path: Path) -> None:
    said = identity(releases.identity("a", machine_id=None, operator="Ann"))
    assert "machineIdSha256" not in said
    assert said["operator"] == "Ann"


def test_dissent_is_named_with_what_was_made(tmp_path: Path) -> None:
    made = releases.observed(tmp_path)
    other = replace(made.agreed.reports[0], identity=releases.identity("c"))
    facts = replace(made.facts, agreed=replace(made.agreed, dissent=(other,)))
    [recorded] = agreement(facts)["dissent"]
    assert recorded["builder"]["name"] == "c"
    assert recorded["outputs"] == agreement(made.facts)["outputs"]
    assert "dissent" not in agreement(made.facts)


class TestLinks:
    def link(self, made: releases.Made, number: int = 0) -> links.Link:
        return links.link_of(made.agreed.reports[number], made.facts, materials_of(made.facts), [FILE])

    def test_a_link_is_read_back_as_it_was(self, made: releases.Made) -> None:
        assert links.parse(self.link(made).payload, "it") == self.link(made)

    def test_it_is_made_from_that_builders_own_report(self, made: releases.Made) -> None:
        root = releases.World().root.outputs["out"]
        other = replace(made.agreed.reports[1].inputs[root], nar_hash=releases.nar("its own"))
        report = replace(made.agreed.reports[1], inputs={**made.agreed.reports[1].inputs, root: other})
        agreed = replace(made.agreed, reports=(made.agreed.reports[0], report))
        mine = self.link(replace(made, facts=replace(made.facts, agreed=agreed)), 1)
        assert mine.materials[root] == {"narSha256": releases.nar("its own").hex}
        assert self.link(made).materials[root] == {"narSha256": made.agreed.inputs[root].nar_hash.hex}

    def test_what_it_used_and_made(self, made: releases.Made) -> None:
        link = self.link(made)
        assert set(link.materials) == {material.path for material in materials_of(made.facts)}
        assert set(link.products) == {made.facts.artifact.file_name, *made.facts.products}
        document = json.loads(link.payload)
        package = made.facts.graph[made.facts.package_derivation]
        assert document["command"] == [package.builder_executable, *package.args] == list(link.command)
        assert document["environment"]["builder"]["name"] == "a"
        assert document["environment"]["sandbox"]["hostFileVisible"] is False
        assert document["byproducts"]["files"] == {FILE.path: {"sha256": FILE.sha256.hex}}

    @pytest.mark.parametrize("missing", [{"sandbox": None}, {"builds": {}}, {"inputs": {}}], ids=str)
    def test_a_report_that_lacks_what_a_link_says(self, made: releases.Made, missing: Any) -> None:
        report = replace(made.agreed.reports[0], **missing)
        with pytest.raises(TallyError, match="builder a"):
            links.link_of(report, made.facts, materials_of(made.facts), [])

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d.update(_type="layout"),
            lambda d: d.update(name="other"),
            lambda d: d.update(command=[1]),
            lambda d: d.update(command="true"),
            lambda d: d.pop("materials"),
            lambda d: d.update(products=[]),
            lambda d: d.update(command=None),
            lambda d: d["products"].update(x="sha256"),
            lambda d: d["products"].update(x={"sha256": 1}),
            lambda d: d["environment"].pop("builder"),
            lambda d: d.update(environment=None),
        ],
    )
    def test_links_that_are_none(
        self, made: releases.Made, change: Callable[[dict[str, Any]], object]
    ) -> None:
        document = json.loads(self.link(made).payload)
        change(document)
        with pytest.raises(MalformedError, match="it"):
            links.parse(render(document), "it")


class TestLayout:
    KEYS: ClassVar = {"ab" * 32: "PEM A", "cd" * 32: "PEM B"}

    def test_a_layout_is_read_back_as_it_was(self, made: releases.Made) -> None:
        layout = layouts.layout_of(made.facts, self.KEYS)
        assert layouts.parse(layout.payload, "it") == layout
        assert layout.threshold == 2

    @pytest.mark.parametrize("day", [datetime(2024, 2, 29, tzinfo=UTC), datetime(9990, 12, 31, tzinfo=UTC)])
    def test_it_ends_on_a_day_that_exists(self, tmp_path: Path, day: datetime) -> None:
        made = releases.observed(tmp_path, finished=day)
        layout = layouts.layout_of(made.facts, self.KEYS)
        assert day < layout.expires
        assert layouts.parse(layout.payload, "it") == layout

    @pytest.mark.parametrize("name", ["a*.tar", "a?b", "a[1-9].whl", "[", "plain-1.0.tar.gz"])
    def test_a_name_with_wildcards_matches_itself_alone(self, name: str) -> None:
        rule = layouts.escaped(name)
        assert fnmatch(name, rule)
        for other in ("aX.tar", "aXb", "a5.whl", "a1.whl", "plain-1X0.tar.gz", ""):
            assert not fnmatch(other, rule)

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d.update(_type="link"),
            lambda d: d.update(steps=[]),
            lambda d: d.update(steps=d["steps"] * 2),
            lambda d: d.update(inspect=[]),
            lambda d: d["steps"][0].update(name="other"),
            lambda d: d["steps"][0].update(threshold=True),
            lambda d: d["steps"][0].update(threshold="2"),
            lambda d: d["steps"][0].update(pubkeys=[]),
            lambda d: d["keys"]["ab" * 32].update(keytype="rsa"),
            lambda d: d["keys"]["ab" * 32].update(keyid="cd" * 32),
            lambda d: d["keys"].update({"ef" * 32: {}}),
            lambda d: d.update(expires="2030-13-01T00:00:00Z"),
            lambda d: d.update(expires="never"),
            lambda d: d["inspect"][0].update(expected_materials=[]),
            lambda d: d["inspect"][0]["expected_materials"].pop(),
            lambda d: d["inspect"][0]["expected_materials"].pop(1),
            lambda d: d["inspect"][0]["expected_materials"].append(["REQUIRE", "other"]),
            lambda d: d["inspect"][0]["expected_materials"].insert(0, ["REQUIRE", 1]),
        ],
    )
    def test_layouts_that_are_none(
        self, made: releases.Made, change: Callable[[dict[str, Any]], object]
    ) -> None:
        document = json.loads(layouts.layout_of(made.facts, self.KEYS).payload)
        change(document)
        with pytest.raises(MalformedError, match="it"):
            layouts.parse(render(document), "it")


class TestFacts:
    def test_times_are_utc(self, made: releases.Made) -> None:
        for moment in (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1)))):  # noqa: DTZ001
            with pytest.raises(ValueError, match="UTC"):
                replace(made.facts, started=moment)

    def test_the_agreement_covers_what_is_released(self, made: releases.Made) -> None:
        with pytest.raises(ValueError, match="does not cover"):
            replace(made.facts, package_derivation=releases.store_path("other.drv"))

    def test_an_artifact_is_one_output(self, made: releases.Made) -> None:
        outputs = {name: releases.made(releases.store_path(name)) for name in ("bin", "lib")}
        agreed = replace(
            made.agreed, outputs={**made.agreed.outputs, made.facts.artifact_derivation: outputs}
        )
        with pytest.raises(TallyError, match="2 outputs"):
            _ = replace(made.facts, agreed=agreed).artifact_output


@pytest.mark.parametrize(
    "payload",
    [
        {"_type": "https://in-toto.io/Statement/v0.1"},
        {"subject": []},
        {"subject": [{"name": "a", "digest": {}}]},
        {"subject": [{"name": "a", "digest": {"sha256": "x"}}] * 2},
        {"subject": [{"digest": {"sha256": "x"}}]},
        {"subject": "a"},
        {"predicate": []},
        {"predicateType": None},
    ],
)
def test_statements_that_are_none(payload: dict[str, Any]) -> None:
    good = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "a", "digest": {"sha256": "x"}}],
        "predicateType": "https://example.org/type",
        "predicate": {},
    }
    assert statement.parse(render(good), "it").subjects == {"a": "x"}
    with pytest.raises(MalformedError, match="it"):
        statement.parse(render(good | payload), "it")
