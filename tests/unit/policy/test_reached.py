"""A release with believed inputs: what its evidence says, and that its two statements hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from caches import SigningKey as CacheKey
from releases import CACHE, NOW, Made, believing, builder_keys, evidence, observed, published, store_path

from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import Kind
from orchestrator.ground.values import replace as replaced
from orchestrator.keys.key import SigningKey
from orchestrator.policy import reached
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Code, Passed, Reason
from orchestrator.publishing.records import records_of
from orchestrator.stories.verification import verify

LINE = "rebuilt 3 of 4 derivations; 1 believed from cache-1"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return believing(observed(tmp_path / "in"))


def test_it_verifies_and_says_how_deep_it_reaches(made: Made, tmp_path: Path) -> None:
    key = SigningKey.generate()
    folder = published(tmp_path / "out", made, key, builder_keys(made)).path
    verdict = verify(folder, trusting([key.public.spki]), NOW)
    assert isinstance(verdict, Passed), verdict
    assert LINE in verdict.notices
    plain = published(tmp_path / "plain", observed(tmp_path / "two"), key, builder_keys(made)).path
    verdict = verify(plain, trusting([key.public.spki]), NOW)
    assert isinstance(verdict, Passed)
    assert not [each for each in verdict.notices if "derivations" in each]


def test_what_a_believed_input_was_made_from_is_no_material(made: Made) -> None:
    kinds = {each.name: each.kind for each in materials_of(made.facts)}
    assert kinds["zlib-1.3"] is kinds["zlib-1.3-dev"] is Kind.BELIEVED
    assert kinds["debian-root"] is Kind.BUILT
    assert "zlib-1.3.tar.gz" not in kinds
    assert kinds["build.sh"] is Kind.FILE


Change = Callable[[dict[str, Any], dict[str, Any]], object]


def _believed(provenance: dict[str, Any]) -> list[dict[str, Any]]:
    dependencies = provenance["buildDefinition"]["resolvedDependencies"]
    return [each for each in dependencies if each.get("annotations", {}).get("kind") == "believed"]


def _agreement(reproduction: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = reproduction["attributes"][0]["conditions"]["agreement"]
    return found


def _rename(provenance: dict[str, Any], reproduction: dict[str, Any], key: str) -> None:
    for each in _believed(provenance):
        each["annotations"]["key"] = key
    _agreement(reproduction)["inputs"]["keys"] = [key]


CHANGES: dict[str, Change] = {
    "no word of it": lambda p, r: _agreement(r).pop("inputs"),
    "more rebuilt": lambda p, r: _agreement(r)["inputs"].update(rebuilt=4, believed=0),
    "fewer paths": lambda p, r: _agreement(r)["inputs"].update(paths=1),
    "another key": lambda p, r: _agreement(r)["inputs"].update(keys=["cache-2"]),
    "no key": lambda p, r: _agreement(r)["inputs"].update(keys=[]),
    "a key that the materials do not have": lambda p, r: _believed(p)[0]["annotations"].update(key="other"),
    "a material less": lambda p, r: _believed(p)[0]["annotations"].update(kind="built"),
    "nothing believed": lambda p, r: _agreement(r)["inputs"].update(derivations=3, believed=0),
    "a key that did not sign, everywhere": lambda p, r: _rename(p, r, "cache.nixos.org-1"),
    "references that are none": lambda p, r: _believed(p)[0]["annotations"].update(references=[1]),
    "a size that is none": lambda p, r: _believed(p)[0]["annotations"].update(narSize="1"),
    "a sum that is none": lambda p, r: _agreement(r)["inputs"].update(derivations=900),
    "less than none": lambda p, r: _agreement(r)["inputs"].update(paths=-1),
    "numbers that are none": lambda p, r: _agreement(r)["inputs"].update(rebuilt="3"),
    "a material without its key": lambda p, r: _believed(p)[0]["annotations"].pop("key"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_statements_that_do_not_hold_together_are_a_no(made: Made, change: str) -> None:
    statements = evidence(made, SigningKey.generate(), builder_keys(made)).statements
    pair = statements["provenance"], statements["reproduction"]
    assert list(reached.inputs(*pair)) == []
    assert str(reached.reach(pair[1])) == LINE
    predicates = [deepcopy(dict(each.predicate)) for each in pair]
    CHANGES[change](*predicates)
    changed = [replace_predicate(*each) for each in zip(pair, predicates, strict=True)]
    try:
        codes = [reason.code for reason in reached.inputs(changed[0], changed[1])]
    except MalformedError:
        return
    assert set(codes) == {Code.CONTRADICTION}


def test_links_and_provenance_believe_the_same(made: Made) -> None:
    statements = evidence(made, SigningKey.generate(), builder_keys(made)).statements
    pair = statements["provenance"], statements["reproduction"]
    facts = made.facts
    told, records = materials_of(facts), records_of(facts)
    one, other = (link_of(each, facts, told, records[each.identity.name]) for each in made.agreed.reports)
    assert len(one.believed) == 2
    assert list(reached.inputs(*pair, [one, other])) == []
    for member, value in LIES.items():
        lie = {path: {**dict(said), member: value} for path, said in one.believed.items()}
        assert _codes(reached.inputs(*pair, [one, replaced(other, believed=lie)])) >= {Code.CONTRADICTION}
    for fewer in (dict(list(one.believed.items())[:1]), {}):
        lying = replaced(other, believed=fewer)
        assert _codes(reached.inputs(*pair, [lying])) == {Code.CONTRADICTION}
        assert _codes(reached.inputs(*pair, [one, lying])) == {Code.CONTRADICTION}


LIES: dict[str, Any] = {
    "signature": "cache-1:",
    "key": f"cache.nixos.org-1:{CACHE.text.partition(':')[2]}",
    "narSize": 1,
    "references": [],
}


def test_one_name_is_one_key_in_all_links(made: Made) -> None:
    statements = evidence(made, SigningKey.generate(), builder_keys(made)).statements
    pair = statements["provenance"], statements["reproduction"]
    told, records = materials_of(made.facts), records_of(made.facts)
    links = [link_of(each, made.facts, told, records[each.identity.name]) for each in made.agreed.reports]
    theirs = {path: {**said, "key": CacheKey(CACHE.name).text} for path, said in links[1].believed.items()}
    [reason] = reached.inputs(*pair, [links[0], replaced(links[1], believed=theirs)])
    assert "other keys" in reason.sentence


def test_links_of_earlier_versions_tell_of_no_belief(made: Made) -> None:
    """Their commands do not tell their inputs either."""
    statements = evidence(made, SigningKey.generate(), builder_keys(made)).statements
    told, records = materials_of(made.facts), records_of(made.facts)
    links = [link_of(each, made.facts, told, records[each.identity.name]) for each in made.agreed.reports]
    earlier = [replaced(each, believed={}) for each in links]
    predicate = deepcopy(dict(statements["provenance"].predicate))
    for each in predicate["buildDefinition"]["internalParameters"]["commands"]:
        each.pop("inputs", None)
    provenance = replace_predicate(statements["provenance"], predicate)
    assert list(reached.inputs(provenance, statements["reproduction"], earlier)) == []
    assert _codes(reached.inputs(provenance, statements["reproduction"], [links[0], earlier[1]]))


@pytest.mark.parametrize(
    ("uses", "levels"),
    [
        ({"package": ["library"], "library": ["base"]}, 1),
        ({"package": ["library", "base"], "library": ["base"]}, 0),
        ({"package": ["library"], "library": ["lower"], "lower": ["base"], "other": ["base"]}, 2),
        ({"package": ["library"], "library": ["package", "base"]}, 1),
        ({"package": ["library"], "library": [], "other": ["base"]}, None),
        ({}, None),
    ],
)
def test_levels_by_the_commands(made: Made, uses: dict[str, list[str]], levels: int | None) -> None:
    of = evidence(made, SigningKey.generate(), builder_keys(made)).statements["provenance"]
    predicate = deepcopy(dict(of.predicate))
    definition = predicate["buildDefinition"]
    [first, *_] = _believed(predicate)
    definition["resolvedDependencies"] = [first]
    first["annotations"]["storePath"] = store_path("base")
    definition["internalParameters"] |= {
        "package": {"derivation": store_path("package.drv")},
        "commands": [
            {
                "derivation": store_path(f"{name}.drv"),
                "command": ["sh", "-c", " ".join(map(store_path, used))],
                "environment": {"out": store_path(name)},
            }
            for name, used in uses.items()
        ],
    }
    assert reached.levels(replace_predicate(of, predicate)) == levels


def _codes(reasons: Iterable[Reason]) -> set[Code]:
    return {each.code for each in reasons}


def replace_predicate(statement: Statement, predicate: dict[str, Any]) -> Statement:
    return replaced(statement, predicate=predicate)
