"""`[inputs]` of a policy: what may be believed, on releases that believed and on one that did not."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import policies
import pytest
import releases
from caches import SigningKey as CacheKey
from releases import CACHE, believing

from orchestrator.evidence.terms import PROVENANCE, REPRODUCTION
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace as replaced
from orchestrator.keys.key import SigningKey
from orchestrator.policy.evidence import Evidence
from orchestrator.policy.verdict import Code

KEY = SigningKey.generate()
OTHER = CacheKey(CACHE.name)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    of = releases.observed(tmp_path_factory.mktemp("plain"))
    return releases.judged(of, KEY, releases.builder_keys(of))


@pytest.fixture(scope="module")
def believed(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    of = believing(releases.observed(tmp_path_factory.mktemp("believed")))
    return releases.judged(of, KEY, releases.builder_keys(of))


@pytest.fixture
def judge(tmp_path: Path) -> Any:
    def found(evidence: Evidence, part: str) -> list[tuple[Code, str]]:
        findings = policies.policy(tmp_path, part, policies.signer(KEY)).judge(evidence)
        return [(why.code, why.sentence) for each in findings for why in each.reasons]

    return found


ALLOWED = f'[inputs]\nkeys = ["{OTHER.text}", "{CACHE.text}"]'
REFUSED = {
    "nothing may be": ('believed = "refuse"', "2 inputs of it were believed"),
    "not by that key": (f'keys = ["{OTHER.text}"]', "is believed from cache-1, by no signature of a key"),
    "by no key": ("keys = []", "by no signature of a key of the policy"),
    "not so close": ("rebuilt-levels = 1", "1 level of inputs have to be rebuilt, and 0 are"),
}


@pytest.mark.parametrize("asked", REFUSED)
def test_what_may_not_be_believed_is_refused(
    plain: Evidence, believed: Evidence, judge: Any, asked: str
) -> None:
    lines, said = REFUSED[asked]
    assert judge(plain, f"[inputs]\n{lines}") == [], "where all was rebuilt, nothing was believed"
    found = judge(believed, f"[inputs]\n{lines}")
    assert {code for code, _ in found} == {Code.INPUTS_BELIEVED}
    assert said in found[0][1]
    # with what else the policy says, a no stays a no
    assert found[0] in judge(believed, f"[inputs]\n{lines}\n{'' if 'keys' in lines else ALLOWED[9:]}")


def test_what_may_be_believed_is_accepted(believed: Evidence, judge: Any) -> None:
    assert judge(believed, ALLOWED) == []
    assert judge(believed, '[[toolchain]]\nfrom = "debian"') == []


def test_a_toolchain_by_its_packages_refuses_what_was_believed(believed: Evidence, judge: Any) -> None:
    packages = '{ purl = "pkg:deb/debian/gcc-12" }, { purl = "pkg:deb/debian/libc6" }, '
    packages += '{ purl = "pkg:deb/debian/busybox-static" }'
    [(code, said)] = judge(believed, f'[[toolchain]]\nfrom = "debian"\npackages = [{packages}]')
    assert code is Code.TOOLCHAIN_NOT_ALLOWED
    assert "were believed" in said


def test_levels_that_the_commands_refute_do_not_count(believed: Evidence, judge: Any) -> None:
    of = believed.own[REPRODUCTION]
    predicate = deepcopy(dict(of.statement.predicate))
    for each in predicate["attributes"]:
        each["conditions"]["agreement"]["inputs"]["levels"] = 99
    lie = {**believed.own, REPRODUCTION: replaced(of, statement=replaced(of.statement, predicate=predicate))}
    [(code, said)] = judge(replace(believed, own=lie), "[inputs]\nrebuilt-levels = 1")
    assert code is Code.INPUTS_BELIEVED
    assert "and 0 are" in said


CHANGES: dict[str, Any] = {
    "another hash": lambda each: each["digest"].update(narSha256="0" * 64),
    "no hash": lambda each: each.update(digest={"sha256": "0" * 64}),
    "a hash that is none": lambda each: each["digest"].update(narSha256="zz"),
    "another path": lambda each: each["annotations"].update(storePath=releases.store_path("other")),
    "another size": lambda each: each["annotations"].update(narSize=1),
    "other references": lambda each: each["annotations"].update(references=[]),
    "another's signature": lambda each: each["annotations"].update(signature=OTHER.sign("x")),
    "no signature": lambda each: each["annotations"].pop("signature"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_signature_counts_over_what_the_provenance_says(
    believed: Evidence, judge: Any, change: str
) -> None:
    of = believed.own[PROVENANCE]
    predicate = deepcopy(dict(of.statement.predicate))
    dependencies = predicate["buildDefinition"]["resolvedDependencies"]
    CHANGES[change](
        next(each for each in dependencies if each.get("annotations", {}).get("kind") == "believed")
    )
    statement = replaced(of.statement, predicate=predicate)
    own = {**believed.own, PROVENANCE: replaced(of, statement=statement)}
    found = judge(replace(believed, own=own), ALLOWED)
    assert {code for code, _ in found} <= {Code.INPUTS_BELIEVED, Code.MALFORMED}
    assert found


@pytest.mark.parametrize(
    "part", ["", 'believed = "allow"', 'keys = ["x"]', "rebuilt-levels = -1", "from = 1"]
)
def test_a_table_that_says_nothing_or_nonsense_is_an_error(believed: Evidence, judge: Any, part: str) -> None:
    with pytest.raises(TallyError):
        judge(believed, f"[inputs]\n{part}")
