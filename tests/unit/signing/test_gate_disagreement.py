"""The gate's other door: it signs that builders disagreed, where they did, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import disagreements
import pytest
import releases

from orchestrator.agreement.agreement import Disagreed, Incomplete
from orchestrator.builders.build import Failure, SecondResult
from orchestrator.bundles import own_bundle
from orchestrator.bundles.material import KeyHint
from orchestrator.evidence import disagreement
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.disagreement import Observed
from orchestrator.evidence.terms import NAR_SHA256, NOT_REPRODUCED, REPRODUCIBLE, REPRODUCTION, STATEMENT
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.signing import gate
from orchestrator.signing.witnesses import Witnesses


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> releases.Made:
    return releases.observed(tmp_path_factory.mktemp("made"))


@pytest.fixture
def observed(made: releases.Made) -> Observed:
    return disagreements.observed(made)


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


KEYS = {name: SigningKey.generate() for name in ("a", "b")}


def test_it_is_one_bundle_and_a_link_from_each_builder(
    observed: Observed, key: SigningKey, tmp_path: Path
) -> None:
    log = releases.log_in(tmp_path / "log")
    signed = disagreements.signed(observed, key, KEYS, log)
    assert sorted(signed.files) == [gate.DISAGREEMENT, "link.a.json", "link.b.json"]
    found = own_bundle.parse(signed.bundle, "it")
    assert found.signer == KeyHint(key.public.hint)
    assert dsse.signed_by(found.envelope, key.public)
    (entry,) = found.entries
    assert entry.body == found.signed(key.public).body()
    with log.reading() as head:
        assert head.size == 1
    for name, builder in KEYS.items():
        envelope = dsse.parse(json.loads(signed.files[f"link.{name}.json"]), name)
        assert dsse.signed_by(envelope, builder.public)


def test_it_says_who_made_what(observed: Observed, key: SigningKey) -> None:
    world = releases.World()
    said = disagreements.signed(observed, key, KEYS).statement
    assert (said["_type"], said["predicateType"]) == (STATEMENT, REPRODUCTION)
    attributes = said["predicate"]["attributes"]
    assert [each["attribute"] for each in attributes] == [NOT_REPRODUCED] * 2
    assert [each["evidence"]["name"] for each in attributes] == ["link.a.json", "link.b.json"]
    assert [each["conditions"]["builder"]["name"] for each in attributes] == ["a", "b"]
    assert [each["conditions"]["surroundings"]["buildCores"] for each in attributes] == [4, 2]
    (record,) = {json.dumps(each["conditions"]["disagreement"]) for each in attributes}
    told = json.loads(record)
    assert told["independence"] == "same-host"
    assert told["varied"] == ["build-cores"]
    assert told["rootCauses"] == [world.pigz.path]
    assert set(told["outputs"]) == {world.pigz.path, world.artifact.path}
    package = told["outputs"][world.pigz.path]["out"]
    assert package["path"] == world.pigz.outputs["out"]
    assert not package["inherited"]
    assert told["outputs"][world.artifact.path]["out"]["inherited"]
    hashes = {name: one[NAR_SHA256] for name, one in package["made"].items()}
    assert hashes == {
        report.identity.name: report.builds[world.pigz.path].outputs["out"].nar_hash.hex
        for report in observed.disagreed.reports
    }
    assert package["made"]["a"]["references"] == [world.zlib.outputs["out"]]


def test_it_is_about_nothing_that_can_be_deployed(
    made: releases.Made, observed: Observed, key: SigningKey
) -> None:
    """No file that a builder made, and no NAR of one, has the `sha256` of a subject: in no part of it."""
    signed = disagreements.signed(observed, key, KEYS)
    derivations = {Sha256.of(data).hex for data in signed.derivations.values()}
    parts = [signed.statement, *(json.loads(signed.files[f"link.{name}.json"]) for name in KEYS)]
    told = [part if "subject" in part else disagreements.payload(part) for part in parts]
    named = [
        each["digest"]["sha256"] for part in told for each in part["subject"] if "sha256" in each["digest"]
    ]
    assert sorted(named) == sorted(derivations)
    for report in made.agreed.reports:
        for build in report.builds.values():
            assert not derivations & {built.nar_hash.hex for built in build.outputs.values()}


def test_no_search_for_an_approval_finds_it(observed: Observed, key: SigningKey) -> None:
    assert REPRODUCIBLE not in json.dumps(disagreements.signed(observed, key, KEYS).statement)


def test_a_builder_that_differs_from_itself_is_there_twice(made: releases.Made, key: SigningKey) -> None:
    world = releases.World()
    first, second = made.agreed.reports
    build = second.builds[world.pigz.path]
    unstable = replace(build, unstable={"out": SecondResult(Path("/kept"), releases.nar("another"))})
    second = replace(second, builds={**second.builds, world.pigz.path: unstable})
    observed = disagreements.observed(made, reports=(first, second))
    signed = disagreements.signed(observed, key, KEYS)
    told = signed.statement["predicate"]["attributes"][0]["conditions"]["disagreement"]["outputs"]
    assert set(told[world.pigz.path]["out"]["made"]) == {"a", "b", "b (earlier)"}
    link = disagreements.payload(json.loads(signed.files["link.b.json"]))
    assert link["predicate"]["byproducts"]["secondResults"] == {
        world.pigz.outputs["out"]: {NAR_SHA256: releases.nar("another").hex}
    }


def test_other_references_alone_are_a_disagreement(made: releases.Made, key: SigningKey) -> None:
    world = releases.World()
    first, second = made.agreed.reports
    build = second.builds[world.pigz.path]
    outputs = {"out": replace(build.outputs["out"], references=())}
    second = replace(second, builds={**second.builds, world.pigz.path: replace(build, outputs=outputs)})
    signed = disagreements.signed(disagreements.observed(made, reports=(first, second)), key, KEYS)
    told = signed.statement["predicate"]["attributes"][0]["conditions"]["disagreement"]["outputs"]
    assert [one["references"] for one in told[world.pigz.path]["out"]["made"].values()] == [
        [world.zlib.outputs["out"]],
        [],
    ]


def test_what_was_read_back_is_what_was_said(observed: Observed, key: SigningKey) -> None:
    signed = disagreements.signed(observed, key, KEYS)
    payload = own_bundle.parse(signed.bundle, "it").envelope.payload
    read = disagreement.parse(payload, "it")
    assert read is not None
    assert read.builders == ("a", "b")
    assert read.paths == {one.path for one in observed.disagreed.differing}
    link = dsse.parse(json.loads(signed.files["link.b.json"]), "it").payload
    told = disagreement.parse_link(link, "it")
    assert told is not None
    assert told.builder == "b"
    assert told.command == tuple(command_of(releases.World().pigz))
    assert told.products == {
        one.path: {NAR_SHA256: one.hashes["b"].hex} for one in observed.disagreed.differing
    }


@pytest.mark.parametrize(
    "other",
    [Incomplete((), {}), None, True, object(), Disagreed((), (), ())],
    ids=lambda each: type(each).__name__,
)
def test_only_a_disagreed_that_holds_is_taken(
    made: releases.Made, observed: Observed, key: SigningKey, other: object
) -> None:
    for instead in (other, made.agreed):
        with pytest.raises((TypeError, TallyError), match=r"only a Disagreed|refusing to sign"):
            gate.sign_disagreement(replace(observed, disagreed=instead), key, KEYS)  # type: ignore[arg-type]


Change = Callable[[Disagreed], Disagreed]


def _second(of: Disagreed, **changes: object) -> Disagreed:
    first, second = of.reports
    return replace(of, reports=(first, replace(second, **changes)))  # type: ignore[arg-type]


def _output(of: Disagreed, **changes: object) -> Disagreed:
    first, *others = of.differing
    return replace(of, differing=(replace(first, **changes), *others))  # type: ignore[arg-type]


HARM: dict[str, Change] = {
    "one builder": lambda of: replace(of, reports=of.reports[:1]),
    "the same builder twice": lambda of: replace(of, reports=of.reports[:1] * 2),
    "no sandbox": lambda of: _second(of, sandbox=None),
    "a failed build": lambda of: _second(of, failures=(Failure(None, "it failed", (), None),)),
    "no output": lambda of: replace(of, differing=(), root_causes=()),
    "an output that does not differ": lambda of: replace(
        of, reports=(of.reports[0], replace(of.reports[0], identity=of.reports[1].identity))
    ),
    "other hashes": lambda of: _output(of, hashes={"a": releases.nar("x"), "b": releases.nar("y")}),
    "the hashes of another builder": lambda of: _output(
        of, hashes={"a": releases.nar("x"), "c": releases.nar("y")}
    ),
    "another derivation": lambda of: _output(of, derivation=releases.store_path("other.drv")),
    "nobody to blame": lambda of: replace(of, root_causes=()),
    "another to blame": lambda of: replace(of, root_causes=(releases.World().artifact.path,)),
    "one remote store twice": lambda of: replace(
        of,
        reports=tuple(
            replace(each, identity=replace(each.identity, store="ssh-ng://one.example.org"))
            for each in of.reports
        ),
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_disagreed_that_does_not_hold(
    observed: Observed, key: SigningKey, harm: str, tmp_path: Path
) -> None:
    log = releases.log_in(tmp_path / "log")
    with pytest.raises(TallyError, match="refusing to sign"):
        gate.sign_disagreement(
            replace(observed, disagreed=HARM[harm](observed.disagreed)), key, KEYS, Witnesses(log)
        )
    with log.reading() as head:
        assert head.size == 0


@pytest.mark.parametrize("quorum", [0, 1, 3])
def test_a_quorum_that_is_none_or_is_not_met(observed: Observed, key: SigningKey, quorum: int) -> None:
    with pytest.raises(TallyError, match="refusing to sign"):
        gate.sign_disagreement(replace(observed, quorum=quorum), key, KEYS)


def test_too_few_votes(observed: Observed, key: SigningKey) -> None:
    with pytest.raises(TallyError, match="1 votes where 2 are needed"):
        gate.sign_disagreement(replace(observed, vote="separate-hosts"), key, KEYS)


def test_one_party_that_would_speak_for_two(observed: Observed, key: SigningKey) -> None:
    for keys in ({"a": KEYS["a"], "b": KEYS["a"]}, {"a": key, "b": KEYS["b"]}):
        with pytest.raises(TallyError, match="one party"):
            gate.sign_disagreement(observed, key, keys)


def test_no_builders_link_of_it_can_be_a_releases(observed: Observed, key: SigningKey) -> None:
    from orchestrator.evidence import links
    from orchestrator.evidence.canonical import MalformedError

    envelope = json.loads(disagreements.signed(observed, key, KEYS).files["link.a.json"])
    with pytest.raises(MalformedError, match="not a link"):
        links.parse(dsse.parse(envelope, "it").payload, "it")
