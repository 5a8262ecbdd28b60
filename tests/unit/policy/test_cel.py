"""Rules in CEL: what is not plainly true is a no, and nothing takes long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import releases
from work import steps

from orchestrator.evidence.terms import PROVENANCE, SPDX
from orchestrator.keys.key import SigningKey
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.rules.cel import CelRule
from orchestrator.policy.verdict import Code, Finding


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    made = releases.observed(tmp_path_factory.mktemp("made"))
    return releases.judged(made, SigningKey.generate(), releases.builder_keys(made))


def judged(evidence: Evidence, expression: str) -> Finding:
    return CelRule.compile("a-rule", expression, "it is so").judge(evidence)


def told(evidence: Evidence, expression: str) -> Code | None:
    finding = judged(evidence, expression)
    return None if finding.holds else finding.reasons[0].code


@pytest.mark.parametrize(
    "expression",
    [
        "true",
        "artifact.name.startsWith('pigz-2.8') && size(artifact.sha256) == 64 && artifact.size > 0",
        "provenance.buildDefinition.internalParameters.quorum >= 2",
        "provenance.buildDefinition.resolvedDependencies.exists(d, has(d.uri) && d.uri.contains('deb'))",
        "reproduction.attributes.all(a, a.attribute == 'REPRODUCIBLE_BUILD')",
        "sbom.spdxVersion == 'SPDX-2.3'",
        "links.all(l, l.builder.system == 'x86_64-linux' && !l.sandbox.hostFileVisible)",
        "size(attestations) == 0",
        "now - timestamp(provenance.runDetails.metadata.finishedOn) < duration('24h')",
    ],
)
def test_what_it_can_see(evidence: Evidence, expression: str) -> None:
    assert told(evidence, expression) is None


def test_a_no_has_the_rules_own_message(evidence: Evidence) -> None:
    (reason,) = judged(evidence, "size(links) > 2").reasons
    assert (reason.code, reason.sentence) == (Code.RULE_NOT_MET, "a-rule: it is so")


@pytest.mark.parametrize(
    "expression",
    [
        "provenance.absent == 1",
        "!has(provenance.absent.further)",
        "links[99].builder.name == 'a'",
        "1 / (size(links) - size(links)) == 1",
        "provenance.buildDefinition",
        "provenance.buildDefinition.buildType",
        "provenance.buildDefinition.internalParameters.quorum",
        "links.all(a, " + "sbom.packages.all(b, " * 5 + "true" + ")" * 6,
        "sbom.name.matches('(a{1000}){1000}')",
        "sbom.name + 1 == sbom.name",
    ],
)  # fmt: skip
def test_an_error_is_a_no_and_never_a_yes(evidence: Evidence, expression: str) -> None:
    assert told(evidence, expression) is Code.RULE_ERROR


def over(*sizes: int) -> str:
    """An expression that is true, by a loop in a loop over lists of these sizes."""
    loops = [f"{list(range(size))}.all({name}, " for name, size in zip("abcdefg", sizes, strict=False)]
    return "".join(loops) + "true" + ")" * len(loops)


@pytest.mark.parametrize(
    ("sizes", "ends"),
    [((99, 99), True), ((10, 10, 90), True), ((10, 10, 100), False), ((100, 100), False), ((9,) * 7, False)],
)
def test_an_expression_takes_ten_thousand_steps_at_most(
    evidence: Evidence, sizes: tuple[int, ...], ends: bool
) -> None:
    """Those of its loops, which the library counts: one that counts no more must not come in unseen."""
    if ends:
        assert told(evidence, over(*sizes)) is None
    else:
        (reason,) = judged(evidence, over(*sizes)).reasons
        assert reason.code is Code.RULE_ERROR
        assert "Iteration budget exceeded" in reason.sentence


def test_our_own_steps_follow_from_the_evidence_and_not_from_the_expression(evidence: Evidence) -> None:
    few = steps(lambda: judged(evidence, "size(sbom.packages) > 0"))
    many = "sbom.packages.all(a, " + "sbom.packages.all(b, " * 5 + "true" + ")" * 6
    assert steps(lambda: judged(evidence, many)) < few + 100
    own = evidence.own[SPDX]
    packages = own.statement.predicate["packages"]
    predicate = {**own.statement.predicate, "packages": packages * 100}
    larger = replace(own, statement=replace(own.statement, predicate=predicate))
    grown = replace(evidence, own={**evidence.own, SPDX: larger})
    assert steps(lambda: judged(grown, "size(sbom.packages) > 0")) < 110 * few


@pytest.mark.parametrize(
    "expression",
    ["", "((", "unknown == 1", "'text'", "1 + 1", "[true]", "x" * 5000, "(" * 3000 + "true" + ")" * 3000,
     "size(links)", "!" * 3999],
)  # fmt: skip
def test_what_cannot_be_a_rule_is_refused_when_it_is_read(expression: str) -> None:
    with pytest.raises(ValueError, match=r"CEL|characters|true or false"):
        CelRule.compile("a-rule", expression, "it is so")


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"a": [found]}
    return found


@pytest.mark.parametrize(
    "more",
    [nested(3000), {"a": "\ud800"}, {"a": 1 << 70}, {"\ud800": 1}, {"a": "b\0c"}, {"b\0c": 1}],
    ids=["deep", "half", "huge", "key", "nul", "nul-key"],
)
def test_evidence_that_the_library_cannot_take(evidence: Evidence, more: dict[str, Any]) -> None:
    own = evidence.own[PROVENANCE]
    statement = replace(own.statement, predicate={**own.statement.predicate, "more": more})
    hostile = replace(evidence, own={**evidence.own, PROVENANCE: replace(own, statement=statement)})
    assert told(hostile, "has(provenance.more)") is Code.RULE_ERROR


def test_text_of_all_kinds_arrives_whole(evidence: Evidence) -> None:
    own = evidence.own[PROVENANCE]
    statement = replace(own.statement, predicate={"text": 'é\x01𝄞"'})
    other = replace(evidence, own={**evidence.own, PROVENANCE: replace(own, statement=statement)})
    assert told(other, 'provenance.text == "\\u00e9\\u0001\\U0001d11e\\""') is None
