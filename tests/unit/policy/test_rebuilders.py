"""Rebuilders: whose word counts that a release was made again, and when it does not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import releases

from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.rebuilt import Rebuilt
from orchestrator.evidence.reproduction import reproduction
from orchestrator.evidence.served import Served, same_contents
from orchestrator.evidence.statement import parse
from orchestrator.evidence.terms import REPRODUCTION
from orchestrator.ground.digest import Sha256
from orchestrator.ground.values import replace
from orchestrator.keys.key import SigningKey
from orchestrator.policy.evidence import Evidence, Judged
from orchestrator.policy.rules.builders import Builders, TrustedBuilder
from orchestrator.policy.rules.rebuilders import Rebuilders, TrustedRebuilder
from orchestrator.policy.signer import KeySigner
from orchestrator.policy.trust import TrustedKey, TrustedSigner
from orchestrator.policy.validity import Revocation, Validity
from orchestrator.policy.verdict import Code
from orchestrator.served.grade import SameContents

KEYS = {name: SigningKey.generate() for name in ("one", "two", "three")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evidence, Any]:
    of = releases.observed(tmp_path_factory.mktemp("made"))
    return releases.judged(of, SigningKey.generate(), releases.builder_keys(of)), of


def statement(of: Any, index: Sha256 = releases.INDEX_SHA256, *, verified: bool = True) -> Any:
    links = {
        report.identity.name: ReleaseFile.of(f"links/{report.identity.name}.link", b"a link")
        for report in of.facts.agreed.reports
    }
    return reproduction(of.facts, links, Rebuilt(index, verified))


def by(name: str, said: Any) -> Judged:
    return Judged(f"{name}.sigstore.json", said, KeySigner.of(KEYS[name].public.spki))


def rebuilders(quorum: int, **operators: str) -> Rebuilders:
    trusted = [
        TrustedRebuilder(
            TrustedSigner(name, TrustedKey(key.public.spki), statements=frozenset({REPRODUCTION})),
            operators.get(name, name),
        )
        for name, key in KEYS.items()
    ]
    return Rebuilders(tuple(trusted), quorum)


def test_operators_are_counted_once_each(made: tuple[Evidence, Any]) -> None:
    evidence, of = made
    said = statement(of)
    all_three = replace(evidence, rebuilds=tuple(by(name, said) for name in KEYS))
    assert rebuilders(3).judge(all_three).reasons == ()
    assert rebuilders(3).counted(all_three) == ("one", "three", "two")
    (reason,) = rebuilders(3, two="one").judge(all_three).reasons
    assert reason.code is Code.NOT_REPRODUCED
    assert "2 rebuilders that the policy trusts made it again (one, three), where 3 operators have to" in (
        reason.sentence
    )
    twice = replace(evidence, rebuilds=(by("one", said), by("one", said)))
    assert rebuilders(1).judge(twice).holds
    assert not rebuilders(2).judge(twice).holds
    assert (
        not rebuilders(2, one="Acme", two="acme ")
        .judge(replace(all_three, rebuilds=all_three.rebuilds[:2]))
        .holds
    )
    (nobody,) = rebuilders(1).judge(evidence).reasons
    assert "0 rebuilders that the policy trusts made it again (nothing), where 1 operator has to" in (
        nobody.sentence
    )


def test_one_without_the_release_in_hand_counts_for_nothing(made: tuple[Evidence, Any]) -> None:
    evidence, of = made

    def told(judged: Judged, of_: Evidence = evidence) -> str:
        (reason,) = rebuilders(1).judge(replace(of_, rebuilds=(judged,))).reasons
        return reason.sentence

    assert "one.sigstore.json is about another release" in told(by("one", statement(of, Sha256.of(b"x"))))
    plain = evidence.own[REPRODUCTION].statement
    assert "does not say which release it was made from" in told(by("one", plain))
    good = statement(of)
    other = dict(good.predicate)
    first, *more = other["attributes"]
    conditions = {**first["conditions"], "agreement": {**first["conditions"]["agreement"], "outputs": {}}}
    lying = replace(good, predicate={**other, "attributes": [{**first, "conditions": conditions}, *more]})
    assert "does not hold one agreement" in told(by("one", lying))
    alone = replace(good, predicate={**other, "attributes": [{**first, "conditions": conditions}]})
    assert "is about other outputs than the release's" in told(by("one", alone))
    stranger = replace(by("one", good), signer=KeySigner.of(SigningKey.generate().public.spki))
    assert "is by no rebuilder of the policy" in told(stranger)
    maker = replace(evidence, own={**evidence.own, "more": by("one", good)})
    assert "is by one, who made the release itself" in told(by("one", good), maker)


def test_the_releases_own_operators_are_no_rebuilders(made: tuple[Evidence, Any]) -> None:
    evidence, of = made
    first, *more = evidence.links
    link = replace(first.link, identity={**first.link.identity, "operator": "Makers"})
    own = replace(evidence, links=(replace(first, link=link), *more), rebuilds=(by("one", statement(of)),))
    assert rebuilders(1).judge(own).holds
    for spelled in ("Makers", "makers ", "MAKERS"):
        assert not rebuilders(1, one=spelled).judge(own).holds
    # who runs a builder is the policy's word before the release's
    builder = TrustedBuilder(first.link.builder, None, "Acme")
    named = replace(rebuilders(1, one="acme"), builders=Builders((builder,)))
    assert not named.judge(replace(evidence, rebuilds=own.rebuilds)).holds


def test_a_signer_of_the_same_name_is_the_same_party(made: tuple[Evidence, Any]) -> None:
    """With another key: one organisation, however many keys it has."""
    evidence, of = made
    key = SigningKey.generate().public.spki
    signed = replace(evidence, layout_signer=KeySigner.of(key))
    again = replace(signed, rebuilds=(by("one", statement(of)),))
    maker = TrustedSigner("Acme", TrustedKey(key))
    for operator, holds in (("Others", True), ("acme ", False)):
        assert replace(rebuilders(1, one=operator), makers=(maker,)).judge(again).holds is holds
    other = replace(maker, who=TrustedKey(SigningKey.generate().public.spki))  # that signed nothing of it
    assert replace(rebuilders(1, one="acme"), makers=(other,)).judge(again).holds


def test_that_it_had_not_verified_is_told(made: tuple[Evidence, Any]) -> None:
    evidence, of = made
    told = replace(evidence, rebuilds=(by("one", statement(of, verified=False)), by("two", statement(of))))
    found = rebuilders(2).judge(told)
    assert found.holds
    assert found.saw.endswith("made it again (one, two); it had not verified to one")


def test_a_key_that_signed_anything_of_the_release_is_no_rebuilders(made: tuple[Evidence, Any]) -> None:
    evidence, of = made
    again = replace(evidence, rebuilds=(by("one", statement(of)),))
    assert rebuilders(1).judge(again).holds
    signer = again.rebuilds[0].signer
    first, *more = evidence.links
    assert isinstance(signer, KeySigner)
    for own in (
        replace(again, layout_signer=signer),
        replace(again, links=(replace(first, signer=signer), *more)),
    ):
        (reason,) = rebuilders(1).judge(own).reasons
        assert "is by one, who made the release itself" in reason.sentence


def test_keys_count_in_their_time(made: tuple[Evidence, Any], tmp_path: Path) -> None:
    evidence, of = made
    again = replace(evidence, rebuilds=(by("one", statement(of)),))
    (entry, *_) = rebuilders(1).trusted
    for validity in (
        Validity(until=evidence.now - timedelta(days=1)),
        Validity(revocation=Revocation(evidence.now - timedelta(days=1), "stolen")),
    ):
        late = TrustedRebuilder(replace(entry.signer, validity=validity), entry.operator)
        assert not Rebuilders((late,), 1).judge(again).holds
    stamped = TrustedRebuilder(replace(entry.signer, timestamp=True), entry.operator)
    (reason,) = Rebuilders((stamped,), 1).judge(again).reasons
    assert "one.sigstore.json has no trusted timestamp" in reason.sentence
    timed = replace(again, rebuilds=(replace(again.rebuilds[0], time=evidence.now, last=evidence.now),))
    assert Rebuilders((stamped,), 1).judge(timed).holds


def test_what_is_said_of_a_served_file_is_no_word_about_a_release(made: tuple[Evidence, Any]) -> None:
    """Neither identical, which names no release, nor same contents, which is no reproduction."""
    evidence, of = made
    links = {
        report.identity.name: ReleaseFile.of(f"links/{report.identity.name}.link", b"a link")
        for report in of.facts.agreed.reports
    }
    served = Served("pkg:pypi/pigz@2.8", of.facts.artifact.file_name, of.facts.artifact.sha256, [])
    identical = reproduction(of.facts, links, served=served)
    payload = same_contents(of.facts, links, served, SameContents(()))
    alike = parse(payload, "it")
    for said in (identical, alike):
        (reason,) = rebuilders(1).judge(replace(evidence, rebuilds=(by("one", said),))).reasons
        assert reason.code is Code.NOT_REPRODUCED
