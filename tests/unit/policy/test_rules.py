"""Each rule says yes to what it allows and no, with its code, to all else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import policies
import pytest
import releases
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from orchestrator.builders.build import Identity
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.terms import (
    DERIVATION_TYPE,
    EXPRESSION_TYPE,
    FETCHED_KINDS,
    FLAKE_TYPE,
    KINDS,
    PROVENANCE,
    SPDX,
    TARGET_KINDS,
)
from orchestrator.keys.key import SigningKey
from orchestrator.policy import checks
from orchestrator.policy.evidence import Evidence, inputs_of
from orchestrator.policy.signer import IdentitySigner, KeySigner
from orchestrator.policy.verdict import Code, Finding, Reason

KEY = SigningKey.generate()
MATERIALS = ("buildDefinition", "resolvedDependencies")
SPELT: tuple[Callable[[str], str], ...] = (str.upper, str.title, " {}".format, "{}\n".format, "{}s".format)
"""Other spellings of a word."""
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    of = releases.observed(tmp_path_factory.mktemp("made"))
    return releases.judged(of, KEY, releases.builder_keys(of))


def with_builders(
    folder: Path, *builders: Identity, quorum: int = 2
) -> tuple[Evidence, dict[str, SigningKey]]:
    of = releases.observed(folder, builders=builders, quorum=quorum)
    keys = releases.builder_keys(of)
    return releases.judged(of, KEY, keys), keys


@pytest.fixture
def found(tmp_path: Path) -> Any:
    """What the rules of a policy with these parts find."""

    def judge(evidence: Evidence, *parts: str, signer: str = "") -> Sequence[Finding]:
        return policies.policy(tmp_path, *parts, policies.signer(KEY, more=signer)).judge(evidence)

    return judge


@pytest.fixture
def codes(found: Any) -> Any:
    def judge(evidence: Evidence, *parts: str, signer: str = "") -> list[Code]:
        findings = found(evidence, *parts, signer=signer)
        assert all(why.rule == each.rule for each in findings for why in each.reasons)
        return [why.code for each in findings for why in each.reasons]

    return judge


def stamped(evidence: Evidence, moment: Any, *, logged: bool = False) -> Evidence:
    own = {kind: replace(each, time=moment, logged=logged) for kind, each in evidence.own.items()}
    return replace(evidence, own=own)


def changed(evidence: Evidence, kind: str, *path: Any, to: Any) -> Evidence:
    """Evidence in which one statement says something else."""
    import copy

    predicate = copy.deepcopy(dict(evidence.own[kind].statement.predicate))
    place: Any = predicate
    for part in path[:-1]:
        place = place[part]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    statement = replace(evidence.own[kind].statement, predicate=predicate)
    return replace(evidence, own={**evidence.own, kind: replace(evidence.own[kind], statement=statement)})


def test_all_failing_rules_are_told_and_in_order(made: Evidence, codes: Any) -> None:
    assert codes(
        made,
        '[require]\nlog = true\nstatements = ["https://scan.example/v1"]',
        '[sources]\naddresses = ["mirror://gnu/**"]',
        '[[toolchain]]\nfrom = "nixpkgs"',
        '[[rule]]\nname = "never"\ncel = "false"\nmessage = "no"',
    ) == [
        *[Code.NOT_IN_LOG] * 5,
        Code.STATEMENT_MISSING,
        *[Code.MATERIAL_NOT_ALLOWED] * 2,
        Code.TOOLCHAIN_NOT_ALLOWED,
        Code.RULE_NOT_MET,
    ]


class TestSigners:
    def test_windows(self, made: Evidence, codes: Any) -> None:
        assert codes(made) == codes(made, signer="until = 2026-11-22") == []
        assert set(codes(made, signer="until = 2026-11-21")) == {Code.KEY_EXPIRED}
        assert set(codes(made, signer="from = 2026-11-01")) == {Code.TIMESTAMP_MISSING}

    def test_revocation(self, made: Evidence, codes: Any) -> None:
        revoked = 'revoked = { at = 2026-11-01, reason = "lost" }'
        assert set(codes(made, signer=revoked)) == {Code.KEY_REVOKED}
        assert codes(stamped(made, releases.NOW - 40 * DAY), signer=revoked) == []
        assert set(codes(stamped(made, releases.NOW), signer=revoked)) == {Code.KEY_REVOKED}

    def test_the_layout_is_proven_by_the_provenances_timestamp(self, made: Evidence, codes: Any) -> None:
        ended = "until = 2026-11-21"
        assert codes(stamped(made, releases.NOW - 5 * DAY), signer=ended) == []
        partly = stamped(made, releases.NOW - 5 * DAY)
        own = {**partly.own, PROVENANCE: made.own[PROVENANCE]}
        assert codes(replace(partly, own=own), signer=ended) == [Code.KEY_EXPIRED] * 2

    def test_timestamps_and_logs(self, made: Evidence, codes: Any) -> None:
        for table, entry in (("timestamp", ""), ("", "timestamp = true")):
            asked = f"[require]\n{table} = true" if table else ""
            assert codes(made, asked, signer=entry) == [Code.TIMESTAMP_MISSING] * 5
            assert codes(stamped(made, releases.NOW), asked, signer=entry) == []
        for table, entry in (("log", ""), ("", "log = true")):
            asked = f"[require]\n{table} = true" if table else ""
            assert codes(made, asked, signer=entry) == [Code.NOT_IN_LOG] * 5
            assert codes(stamped(made, None, logged=True), asked, signer=entry) == []

    @pytest.mark.parametrize("first", [0, 1])
    @pytest.mark.parametrize(
        "alice",
        [
            'subject = "alice@example.org"',
            'subject-pattern = "a*@example.org"',
            'subject = "alice@example.org"\nstatements = ["https://scan.example/v1"]',
        ],
        ids=["herself", "by a pattern", "with something else"],
    )
    def test_no_entry_hides_the_revocation_of_an_identity(
        self, made: Evidence, codes: Any, alice: str, first: int
    ) -> None:
        """Neither one before it nor one after it, and each revocation by its own time."""

        def asked(by: str, *more: str) -> list[Code]:
            who = IdentitySigner("https://issuer.example", by)
            own = {kind: replace(each, signer=who, time=releases.NOW) for kind, each in made.own.items()}
            return codes(replace(made, own=own, layout_signer=who), *more)

        entry = '[[signer]]\nname = "{}"\nissuer = "https://issuer.example"\n{}\n'
        every = entry.format("everybody", 'subject-pattern = "*@example.org"')
        revoked = entry.format("alice", alice) + 'revoked = { at = 2026-01-01, reason = "lost" }'
        parts = [every, revoked] if first else [revoked, every]
        assert asked("bob@example.org", *parts) == asked("alice@example.org", every) == []
        assert set(asked("alice@example.org", *parts)) == {Code.KEY_REVOKED}
        assert asked("alice@example.org", *(each.replace("2026-01-01", "2027-01-01") for each in parts)) == []
        later = every + 'revoked = { at = 2027-01-01, reason = "lost" }'
        parts = [later, revoked] if first else [revoked, later]
        assert set(asked("alice@example.org", *parts)) == {Code.KEY_REVOKED}

    def test_somebody_else(self, made: Evidence, codes: Any) -> None:
        assert codes(replace(made, layout_signer=KeySigner("00"))) == [Code.UNTRUSTED_SIGNER]


class TestBuilders:
    def test_operators_have_to_be_known(self, made: Evidence, codes: Any) -> None:
        assert codes(made, "[builders]") == [Code.QUORUM_NOT_MET]
        assert codes(made, '[builders]\nper = "builder"') == []
        assert codes(made, '[builders]\nper = "builder"\nquorum = 3') == [Code.QUORUM_NOT_MET]

    def test_operators_are_counted_once(self, tmp_path: Path, codes: Any) -> None:
        who = [releases.identity(name, operator=org) for name, org in (("a", "X"), ("b", "X"), ("c", "Y"))]
        three, _ = with_builders(tmp_path / "three", *who)
        assert codes(three, "[builders]") == []
        assert codes(three, "[builders]\nquorum = 3") == [Code.QUORUM_NOT_MET]
        two, _ = with_builders(tmp_path / "two", *who[:2])
        assert codes(two, "[builders]") == [Code.QUORUM_NOT_MET]

    def test_one_unknown_operator_may_be_the_other(self, tmp_path: Path, codes: Any) -> None:
        who = [releases.identity("a", operator="X"), releases.identity("b")]
        evidence, keys = with_builders(tmp_path / "made", *who)
        assert codes(evidence, "[builders]") == [Code.QUORUM_NOT_MET]
        named = [f'[[builder]]\nname = "{name}"\nkey = {policies.pem(key)}' for name, key in keys.items()]
        assert codes(evidence, *named) == [Code.QUORUM_NOT_MET]
        assert codes(evidence, named[0], named[1] + '\noperator = "Y"') == []
        assert codes(evidence, named[0], named[1] + '\noperator = "X"') == [Code.QUORUM_NOT_MET]

    def test_the_policys_word_on_operators_outweighs_the_evidences(self, tmp_path: Path, codes: Any) -> None:
        who = [releases.identity("a", operator="X"), releases.identity("b", operator="Y")]
        evidence, _ = with_builders(tmp_path / "made", *who)
        assert codes(evidence, "[builders]") == []
        both = [f'[[builder]]\nname = "{name}"\noperator = "One Org"' for name in "ab"]
        assert codes(evidence, *both) == [Code.QUORUM_NOT_MET]

    def test_only_those_that_are_named_count(self, tmp_path: Path, codes: Any) -> None:
        evidence, keys = with_builders(tmp_path / "made", releases.identity("a"), releases.identity("b"))
        per = '[builders]\nper = "builder"'
        by_key = [f"[[builder]]\nkey = {policies.pem(key)}" for key in keys.values()]
        assert codes(evidence, per, *by_key) == []
        assert codes(evidence, per, by_key[0]) == [Code.QUORUM_NOT_MET]
        other = f'[[builder]]\nname = "b"\nkey = {policies.pem(SigningKey.generate())}'
        assert codes(evidence, per, by_key[0], other) == [Code.QUORUM_NOT_MET]

    def test_a_revoked_builder_has_no_vote(self, tmp_path: Path, codes: Any) -> None:
        evidence, _ = with_builders(tmp_path / "made", releases.identity("a"), releases.identity("b"))
        revoked = '[[builder]]\nname = "b"\nrevoked = { at = 2026-11-01, reason = "broken into" }'
        found = codes(evidence, '[builders]\nper = "builder"', '[[builder]]\nname = "a"', revoked)
        assert found == [Code.KEY_REVOKED, Code.QUORUM_NOT_MET]
        before = stamped(evidence, releases.NOW - 40 * DAY)
        assert codes(before, '[builders]\nper = "builder"', '[[builder]]\nname = "a"', revoked) == []

    def test_a_name_alone_takes_no_link_by_a_key_that_is_named(self, tmp_path: Path, codes: Any) -> None:
        """Not even where the layout gives that key the name."""
        evidence, keys = with_builders(tmp_path / "made", releases.identity("a"), releases.identity("b"))
        per = '[builders]\nper = "builder"'
        by_name = [f'[[builder]]\nname = "{name}"' for name in "ab"]
        revoked = 'revoked = { at = 2020-01-01, reason = "stolen" }'
        assert codes(evidence, per, *by_name) == []
        by_key = f"[[builder]]\nkey = {policies.pem(keys['b'])}\n"
        assert codes(evidence, per, *by_name, by_key) == []
        assert codes(evidence, per, *by_name, by_key + revoked) == [Code.KEY_REVOKED, Code.QUORUM_NOT_MET]
        for more in ("", revoked):
            other = f'{by_key}name = "c"\n{more}'
            assert codes(evidence, per, *by_name, other) == [Code.QUORUM_NOT_MET]

    @pytest.mark.parametrize("first", [0, 1])
    def test_of_two_by_one_name_the_revoked_is_asked(self, tmp_path: Path, codes: Any, first: int) -> None:
        evidence, _ = with_builders(tmp_path / "made", releases.identity("a"), releases.identity("b"))
        two = [
            '[[builder]]\nname = "b"',
            '[[builder]]\nname = "b"\nrevoked = { at = 2020-01-01, reason = "x" }',
        ]
        parts = ['[builders]\nper = "builder"', '[[builder]]\nname = "a"', two[first], two[1 - first]]
        assert codes(evidence, *parts) == [Code.KEY_REVOKED, Code.QUORUM_NOT_MET]

    @pytest.mark.parametrize(
        ("old", "new", "holds"),
        [
            ("Acme", "Acme", False),
            (None, None, False),
            ("Acme", None, False),
            (None, "Acme", False),
            ("Acme", "Example University", True),
        ],
    )
    @pytest.mark.parametrize("per", ["builder", "operator"])
    def test_one_name_is_one_builder_by_whatever_key(
        self, tmp_path: Path, found: Any, per: str, old: str | None, new: str | None, holds: bool
    ) -> None:
        """Unless the policy says that two run builders of it; what a link claims tells none apart."""
        ours, keys = with_builders(tmp_path / "new", releases.identity("a"), releases.identity("x"))
        claims = releases.identity("a", operator="Another")
        theirs, others = with_builders(tmp_path / "old", claims, releases.identity("y"))
        links = (*ours.links, replace(theirs.links[0], theirs=True))
        named = [
            f'[[builder]]\nname = "a"\nkey = {policies.pem(of["a"])}\n'
            + (f'operator = "{operator}"' if operator else "")
            for of, operator in ((others, old), (keys, new))
        ]
        findings = found(replace(ours, links=links), f'[builders]\nper = "{per}"', *named)
        reasons = [reason for finding in findings for reason in finding.reasons]
        assert [reason.code for reason in reasons] == [Code.QUORUM_NOT_MET] * (not holds)
        assert all("2 links by a are one builder's" in reason.sentence for reason in reasons)

    def test_a_link_by_the_name_of_another_takes_no_vote_away(self, tmp_path: Path, codes: Any) -> None:
        ours = [releases.identity("a", operator="Acme"), releases.identity("d")]
        evidence, keys = with_builders(tmp_path / "ours", *ours)
        theirs, others = with_builders(tmp_path / "x", releases.identity("a"), releases.identity("y"))
        more = replace(evidence, links=(replace(theirs.links[0], theirs=True), *evidence.links))
        named = [
            f"[[builder]]\nkey = {policies.pem(key)}\n{operator}"
            for key, operator in (
                (keys["a"], ""),
                (keys["d"], 'operator = "X"'),
                (others["a"], 'operator = "X"'),
            )
        ]
        assert codes(evidence, *named) == codes(more, *named) == []

    def test_an_old_key_makes_no_builder_independent_of_itself(self, tmp_path: Path, found: Any) -> None:
        far = {"machine_id": "8" * 64, "boot_id": "8" * 64}
        ours, keys = with_builders(tmp_path / "new", releases.identity("a"), releases.identity("b"))
        theirs, others = with_builders(
            tmp_path / "old", releases.identity("a", **far), releases.identity("y")
        )
        links = (replace(theirs.links[0], theirs=True), *ours.links)
        every = [("a", keys["a"], ""), ("b", keys["b"], ""), ("a", others["a"], 'operator = "Acme"')]
        named = [
            f'[[builder]]\nname = "{name}"\nkey = {policies.pem(key)}\n{more}' for name, key, more in every
        ]
        (finding,) = [
            each
            for each in found(replace(ours, links=links), '[builders]\nper = "builder"', *named)
            if each.rule == "builders"
        ]
        assert finding.saw == "a, b: 2 builders, same-host"

    def test_independence(self, made: Evidence, tmp_path: Path, codes: Any) -> None:
        per = '[builders]\nper = "builder"\nindependence = '
        assert codes(made, per + '"same-host"') == []
        assert codes(made, per + '"separate-hosts"') == [Code.BUILDERS_NOT_INDEPENDENT]
        far = [
            releases.identity(name, store=f"ssh-ng://{name}", machine_id=name * 64, boot_id=name * 64)
            for name in "ab"
        ]
        evidence, _ = with_builders(tmp_path / "far", *far)
        assert codes(evidence, per + '"separate-hosts"') == []
        assert codes(evidence, per + '"separate-operators"') == [Code.BUILDERS_NOT_INDEPENDENT]
        named = [f'[[builder]]\nname = "{name}"\noperator = "{name}"' for name in "ab"]
        assert codes(evidence, per + '"separate-operators"', *named) == []


class TestTheirs:
    @pytest.mark.parametrize(
        ("ids", "level"),
        [
            ({"machine_id": "9" * 64, "boot_id": "9" * 64}, "separate-operators"),
            ({"machine_id": None, "boot_id": None}, "same-host"),
            ({"boot_id": "9" * 64}, "same-host"),
            ({"store": "vm", "machine_id": "9" * 64, "boot_id": "9" * 64}, "same-host"),
            (
                {"store": "vm", "machine_id": "9" * 64, "boot_id": "9" * 64, "host_id": "8" * 64},
                "separate-operators",
            ),
        ],
        ids=[
            "another machine",
            "shows no ids",
            "our machine",
            "virtual, on no machine",
            "virtual, elsewhere",
        ],
    )
    def test_another_organisations_local_store_is_on_its_own_machine(
        self, tmp_path: Path, found: Any, ids: dict[str, str | None], level: str
    ) -> None:
        ours, _ = with_builders(tmp_path / "ours", releases.identity("a"), releases.identity("b"))
        theirs, keys = with_builders(
            tmp_path / "theirs", releases.identity("c", **ids), releases.identity("d")
        )
        link = replace(theirs.links[0], theirs=True)
        parts = [
            '[[builder]]\nname = "a"\noperator = "Ours"',
            f'[[builder]]\nkey = {policies.pem(keys["c"])}\noperator = "Theirs"',
        ]
        (finding,) = [
            each
            for each in found(replace(ours, links=(*ours.links, link)), *parts)
            if each.rule == "builders"
        ]
        assert finding.holds
        assert finding.saw == f"a, c: 2 operators, {level}"


class TestRequired:
    def test_statements(self, made: Evidence, codes: Any) -> None:
        assert codes(made, '[require]\nstatements = ["provenance", "reproduction", "sbom"]') == []
        assert codes(made, '[require]\nstatements = ["https://x.example/v1"]') == [Code.STATEMENT_MISSING]

    def test_age(self, made: Evidence, codes: Any) -> None:
        asked = '[require]\nmaximum-age = "30d"'
        assert codes(made, asked) == []
        assert codes(replace(made, now=releases.NOW + 30 * DAY - timedelta(hours=1)), asked) == []
        assert codes(replace(made, now=releases.NOW + 31 * DAY), asked) == [Code.TOO_OLD]
        assert codes(replace(made, now=releases.NOW - DAY), asked) == [Code.TOO_OLD]
        # a later end than the builders have makes it no younger
        later = changed(made, PROVENANCE, "runDetails", "metadata", "finishedOn", to="2026-12-20T10:00:00Z")
        assert codes(replace(later, now=releases.NOW + 31 * DAY), asked) == [Code.TOO_OLD]
        # a timestamp that makes it older counts where it cannot be taken away
        older = stamped(made, releases.NOW - 31 * DAY)
        assert codes(older, asked) == []
        assert codes(older, asked + "\ntimestamp = true") == [Code.TOO_OLD]

    @pytest.mark.parametrize("said", ["yesterday", "2026-11-22T10:00:00", 5, None, "9999-99-99T00:00:00Z"])
    def test_an_age_that_cannot_be_told(self, made: Evidence, codes: Any, said: Any) -> None:
        of = changed(made, PROVENANCE, "runDetails", "metadata", "finishedOn", to=said)
        assert Code.MALFORMED in codes(of, '[require]\nmaximum-age = "30d"')

    @pytest.mark.parametrize(
        ("name", "member", "value"),
        [
            ("no-network", "networkInterfaces", ["lo", "eth0"]),
            ("no-network", "networkInterfaces", None),
            ("no-host-files", "hostFileVisible", True),
            ("no-host-files", "hostFileVisible", 0),
            ("fixed-uid", "uid", 0),
            ("fixed-build-directory", "buildDirectory", "/tmp/nix-build"),
            ("fixed-host-name", "hostName", "builder7"),
        ],
    )
    def test_sandbox(self, made: Evidence, codes: Any, name: str, member: str, value: Any) -> None:
        asked = f'[require]\nsandbox = ["{name}"]'
        assert codes(made, asked) == []
        first, *rest = made.links
        sandbox = {**first.link.sandbox, member: value}
        if value is None:
            del sandbox[member]
        worse = replace(first, link=replace(first.link, sandbox=sandbox))
        assert codes(replace(made, links=(worse, *rest)), asked) == [Code.SANDBOX_NOT_SHOWN]


class TestSources:
    ALL = '[sources]\naddresses = ["https://zlib.example.org/*", "mirror://debian/*"]'

    def test_addresses(self, made: Evidence, codes: Any) -> None:
        assert codes(made, self.ALL) == []
        assert codes(made, '[sources]\naddresses = ["mirror://debian/*"]') == [Code.MATERIAL_NOT_ALLOWED]
        assert codes(made, "[sources]\naddresses = []") == [Code.MATERIAL_NOT_ALLOWED] * 2

    @pytest.mark.parametrize(
        ("uri", "holds"),
        [
            ("mirror://debian/x", True),
            ("mirror://debian/../x", False),
            ("mirror://debian/%2e%2e", False),
            ("mirror://debian/..?file=x", False),
            ("mirror://debian/..@" + "a" * 40, False),
            ("mirror://debian.evil.example/x", False),
            ("mirror://debian/x/y", False),
            ("", False),
            (None, False),
        ],
    )
    def test_one_address(self, made: Evidence, codes: Any, uri: str | None, holds: bool) -> None:
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        place = next(n for n, each in enumerate(dependencies) if each["name"] == "pigz-2.8.tar.gz")
        of = changed(made, PROVENANCE, "buildDefinition", "resolvedDependencies", place, "uri", to=uri)
        assert (codes(of, self.ALL) == []) is holds

    @pytest.mark.parametrize("kind", [*TARGET_KINDS, "other"])
    def test_kinds(self, made: Evidence, codes: Any, kind: str) -> None:
        said = TARGET_KINDS.get(kind, "https://example.org/build")
        evidence = changed(made, PROVENANCE, "buildDefinition", "buildType", to=said)
        for allowed in TARGET_KINDS:
            asked = f"[sources]\nkinds = ['{allowed}']"
            assert codes(evidence, asked) == ([] if kind == allowed else [Code.SOURCE_NOT_ALLOWED])
        assert codes(evidence, f"[sources]\nkinds = {list(TARGET_KINDS)}") == (
            [] if kind in TARGET_KINDS else [Code.SOURCE_NOT_ALLOWED]
        )

    def test_digests(self, made: Evidence, codes: Any) -> None:
        digests = [next(iter(each.digests.values())) for each in made.inputs if each.kind == "source"]
        assert codes(made, f"[sources]\ndigests = {digests}") == []
        assert codes(made, f"[sources]\ndigests = {digests[:1]}") == [Code.MATERIAL_NOT_ALLOWED]

    @pytest.mark.parametrize("value", [[], {}, 1, None])
    def test_a_digest_that_is_no_text(self, made: Evidence, codes: Any, value: Any) -> None:
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        place = next(n for n, each in enumerate(dependencies) if each["name"] == "pigz-2.8.tar.gz")
        digest = {"sha256": value}
        of = changed(made, PROVENANCE, "buildDefinition", "resolvedDependencies", place, "digest", to=digest)
        assert codes(of, f'[sources]\ndigests = ["{"0" * 64}"]') == [Code.MALFORMED]


class TestKinds:
    """Rules look at materials by their kind, so no material has a kind by which none looks at it."""

    RULES = (TestSources.ALL, "[sources]\ndigests = []", '[[toolchain]]\nfrom = "debian"')

    @given(kind=st.text(max_size=12) | st.sampled_from([f(kind) for kind in KINDS for f in SPELT]))
    @settings(
        max_examples=40,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        deadline=None,
    )
    def test_an_unknown_kind(self, made: Evidence, kind: str) -> None:
        assume(kind not in KINDS)
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        for place in (n for n, each in enumerate(dependencies) if "annotations" in each):
            of = changed(made, PROVENANCE, *MATERIALS, place, "annotations", "kind", to=kind)
            with pytest.raises(MalformedError, match="kind"):
                _ = of.inputs

    @pytest.mark.parametrize("rule", RULES)
    def test_each_rule_says_no(self, made: Evidence, codes: Any, rule: str) -> None:
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        place = next(n for n, each in enumerate(dependencies) if each["name"] == "pigz-2.8.tar.gz")
        of = changed(made, PROVENANCE, *MATERIALS, place, "annotations", "kind", to="Source")
        assert codes(of, rule) == [Code.MALFORMED]

    @pytest.mark.parametrize("kind", sorted(KINDS - FETCHED_KINDS))
    def test_what_was_fetched_is_not_called_otherwise(self, made: Evidence, kind: str) -> None:
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        for place, each in enumerate(dependencies):
            if each.get("annotations", {}).get("kind") in FETCHED_KINDS:
                of = changed(made, PROVENANCE, *MATERIALS, place, "annotations", "kind", to=kind)
                with pytest.raises(MalformedError, match=re.escape(each["name"])):
                    _ = of.inputs

    @pytest.mark.parametrize("lacking", ["kind", "storePath"])
    def test_a_material_says_what_it_is_and_where(self, made: Evidence, lacking: str) -> None:
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        for place in (n for n, each in enumerate(dependencies) if "annotations" in each):
            of = changed(made, PROVENANCE, *MATERIALS, place, "annotations", lacking, to=None)
            with pytest.raises(MalformedError, match=lacking):
                products_of(made, of).__next__()

    def test_no_material_is_there_twice(self, made: Evidence) -> None:
        """The second could say something else of the one that the links name."""
        dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
        again = {**dependencies[-1], "name": "another"}
        of = changed(made, PROVENANCE, *MATERIALS, to=[*dependencies, again])
        found = products_of(made, of)
        assert [each.code for each in found] == [Code.CONTRADICTION]


@pytest.mark.parametrize("spelt", ["PKG:deb/debian/gcc-12@1", " pkg:deb/Debian/GCC-12@1", "pkg:%64eb/x"])
@pytest.mark.parametrize("where", ["uri", "downloadLocation", "annotations/mirrors", "the SBOM", "of a type"])
def test_a_denied_package_is_found_however_and_wherever_it_is_spelt(
    made: Evidence, codes: Any, where: str, spelt: str
) -> None:
    dependencies = made.provenance["buildDefinition"]["resolvedDependencies"]
    number = next(n for n, each in enumerate(dependencies) if each["name"].startswith("pigz-2"))
    if where == "the SBOM" or where == "of a type":
        kind = "PURL" if where == "the SBOM" else "other"
        place = next(n for n, each in enumerate(made.sbom["packages"]) if "externalRefs" in each)
        reference = {"referenceCategory": "OTHER", "referenceType": kind, "referenceLocator": spelt}
        of = changed(made, SPDX, "packages", place, "externalRefs", to=[reference])
    elif where == "annotations/mirrors":
        of = changed(made, PROVENANCE, *MATERIALS, number, "annotations", "mirrors", to=[spelt])
    else:
        of = changed(made, PROVENANCE, *MATERIALS, number, where, to=spelt)
    denied = '[[deny]]\npurl = "pkg:deb/debian/gcc-12"\nversions = "vers:deb/<2"\nreason = "a backdoor"'
    assert codes(of, denied) == [Code.PACKAGE_DENIED]


def products_of(made: Evidence, of: Evidence) -> Iterator[Reason]:
    statement = of.own[PROVENANCE].statement
    return checks.products(made.links[0].link, statement, made.artifact, inputs_of(statement.predicate))


class TestCommit:
    PLACE = ("buildDefinition", "externalParameters", "repository")
    CLEAN = "[require]\ncommit = true"

    @staticmethod
    def of(*patterns: str) -> str:
        return f"[sources]\nrepositories = {list(patterns)}"

    @pytest.mark.parametrize(
        "pattern",
        [
            "https://git.example.org/pigz",
            "https://git.example.org/pigz.git",
            "git+https://git.example.org/*",
            "ssh://git@git.example.org/pigz.git",
            "ssh://git@git.example.org:22/pigz.git",
            "https://git.example.org:443/pigz",
            "git@git.example.org:pigz.git",
            "https://GIT.example.org/**",
        ],
    )
    def test_a_repository_however_it_is_written(self, made: Evidence, codes: Any, pattern: str) -> None:
        assert codes(made, self.of("https://elsewhere.example.org/x", pattern)) == []

    @pytest.mark.parametrize(
        "pattern",
        [
            "https://git.example.org/pig",
            "https://git.example.org/pigz/*",
            "https://git.example.org.evil.example/*",
            "https://git.example.org:8443/pigz",
            "https://example.org/pigz",
            "http://git.example.org/**",
            "git://git.example.org/pigz",
            "ssh://git@git.example.org:2222/pigz.git",
        ],
    )
    def test_another_repository(self, made: Evidence, codes: Any, pattern: str) -> None:
        assert codes(made, self.of(pattern)) == [Code.SOURCE_NOT_ALLOWED]

    @pytest.mark.parametrize(
        ("address", "holds"),
        [
            ("git+ssh://git.example.org/pigz.git", True),
            ("git+ssh://git.example.org:2222/pigz", False),
            ("git+http://git.example.org/pigz/", False),
            ("git+http://git.example.org:443/pigz/", False),
            ("git+git://git.example.org/pigz", False),
            ("git+https://git.example.org/x/../pigz", False),
            ("git+https://git.example.org/pigz%2f..%2fevil", False),
            ("git+https://git.example.org:8443/pigz", False),
            ("git+https://user@git.example.org@evil.example/pigz", False),
            ("pigz", False),
            ("", False),
        ],
    )
    def test_what_the_provenance_says(self, made: Evidence, codes: Any, address: str, holds: bool) -> None:
        said = changed(made, PROVENANCE, *self.PLACE, "uri", to=f"{address}@{'c' * 40}")
        wanted = self.of("https://git.example.org/pigz", "https://git.example.org/pigz%2f*")
        assert codes(said, wanted) == ([] if holds else [Code.SOURCE_NOT_ALLOWED])

    def test_without_an_address_or_a_commit(self, made: Evidence, codes: Any, found: Any) -> None:
        asked = self.of("https://git.example.org/**")

        def hint(evidence: Evidence) -> str:
            (why,) = [why for each in found(evidence, asked) for why in each.reasons]
            return str(why.hint)

        nowhere = changed(made, PROVENANCE, *self.PLACE, "uri", to=None)
        assert codes(nowhere, asked) == [Code.SOURCE_NOT_ALLOWED]
        assert hint(nowhere).startswith("in that repository `git remote add origin ADDRESS`")
        assert codes(nowhere, self.CLEAN) == []
        none = changed(made, PROVENANCE, *self.PLACE, to=None)
        assert codes(none, asked) == [Code.SOURCE_NOT_ALLOWED]
        assert hint(none).startswith("build it in a git repository; there `git remote add")
        assert codes(none, self.CLEAN) == [Code.UNCOMMITTED]
        assert codes(none, "[require]\ncommit = false") == []

    def test_an_address_of_another_commit(self, made: Evidence, codes: Any) -> None:
        said = f"git+https://git.example.org/pigz@{'d' * 40}"
        other = changed(made, PROVENANCE, *self.PLACE, "uri", to=said)
        assert codes(other, self.CLEAN) == [Code.MALFORMED]

    @pytest.mark.parametrize("commit", ["", "main", "HEAD", "c" * 39, "C" * 40, "c" * 41, "c" * 40 + "\n"])
    def test_what_is_no_commit(self, made: Evidence, codes: Any, commit: str) -> None:
        of = changed(made, PROVENANCE, *self.PLACE, "digest", "gitCommit", to=commit)
        of = changed(of, PROVENANCE, *self.PLACE, "uri", to=f"git+https://git.example.org/pigz@{commit}")
        assert codes(of, self.CLEAN) == [Code.MALFORMED]
        assert codes(of, self.of("https://git.example.org/**")) == [Code.MALFORMED]

    def test_a_recipe_that_no_commit_has(self, made: Evidence, codes: Any) -> None:
        outside = changed(made, PROVENANCE, *self.PLACE, "path", to=None)
        assert codes(outside, self.CLEAN) == [Code.UNCOMMITTED]

    @pytest.mark.parametrize(
        ("place", "said"),
        [
            (("repository", "path"), ""),
            (("repository", "path"), "recipes/pigz.toml/"),
            (("repository", "path"), "docs/README.md"),
            (("repository", "path"), "recipes/PIGZ.toml"),
            (("recipe", "name"), "PIGZ.toml"),
            (("recipe",), None),
            (("lock",), None),
        ],
    )
    def test_a_commit_that_need_not_have_it(
        self, made: Evidence, codes: Any, place: tuple[str, ...], said: str | None
    ) -> None:
        """A path to something else, or no recipe and no lock that the commit could have."""
        of = changed(made, PROVENANCE, "buildDefinition", "externalParameters", *place, to=said)
        assert codes(of, self.CLEAN) == [Code.UNCOMMITTED]

    @pytest.mark.parametrize(
        ("kind", "told", "path", "holds"),
        [
            (FLAKE_TYPE, {"flake": {}}, "flake.nix", True),
            (FLAKE_TYPE, {"flake": {"directory": "a"}}, "a/flake.nix", True),
            (FLAKE_TYPE, {"flake": {"directory": "a"}}, "flake.nix", False),
            (FLAKE_TYPE, {"flake": {}}, "README.md", False),
            (EXPRESSION_TYPE, {"expression": {"file": "a/default.nix"}}, "a/default.nix", True),
            (EXPRESSION_TYPE, {"expression": {"file": "a/default.nix"}}, "a", True),
            (EXPRESSION_TYPE, {"expression": {"file": "default.nix"}}, ".", True),
            (EXPRESSION_TYPE, {"expression": {"file": "a/default.nix"}}, "b/default.nix", False),
            (DERIVATION_TYPE, {"derivation": {}}, "x.drv", False),
        ],
    )
    def test_a_commit_of_a_target_without_a_recipe(
        self, made: Evidence, codes: Any, kind: str, told: Any, path: str, holds: bool
    ) -> None:
        of = changed(made, PROVENANCE, "buildDefinition", "buildType", to=kind)
        of = changed(of, PROVENANCE, *self.PLACE, "path", to=path)
        ((name, said),) = told.items()
        of = changed(of, PROVENANCE, "buildDefinition", "externalParameters", name, to=said)
        assert codes(of, self.CLEAN) == ([] if holds else [Code.UNCOMMITTED])

    def test_changes(self, made: Evidence, found: Any) -> None:
        changes = changed(made, PROVENANCE, *self.PLACE, "uncommitted", to=["tally.lock"])
        (finding,) = [each for each in found(changes, self.CLEAN) if each.rule == "require.commit"]
        (reason,) = finding.reasons
        assert reason.code is Code.UNCOMMITTED
        assert reason.sentence == f"not as the commit {'c' * 40} has it: tally.lock"
        assert finding.saw == f"the commit {'c' * 40}, and changes of tally.lock"


class TestToolchains:
    def test_pins(self, made: Evidence, codes: Any) -> None:
        assert codes(made, '[[toolchain]]\nfrom = "debian"') == []
        assert codes(made, '[[toolchain]]\nfrom = "debian"\nsuite = "bookworm"') == []
        assert codes(made, '[[toolchain]]\nfrom = "debian"\nsuite = "sid"') == [Code.TOOLCHAIN_NOT_ALLOWED]
        assert codes(made, '[[toolchain]]\nfrom = "nixpkgs"\nrev = "00"') == [Code.TOOLCHAIN_NOT_ALLOWED]

    def test_nixpkgs(self, made: Evidence, codes: Any) -> None:
        pinned = [{"from": "nixpkgs", "rev": "6201", "narHash": "sha256-x"}]
        of = changed(made, PROVENANCE, "buildDefinition", "internalParameters", "toolchains", to=pinned)
        assert codes(of, '[[toolchain]]\nfrom = "nixpkgs"\nrev = "6201"\nnar-hash = "sha256-x"') == []
        assert codes(of, '[[toolchain]]\nfrom = "nixpkgs"\nrev = "6202"') == [Code.TOOLCHAIN_NOT_ALLOWED]

    @pytest.mark.parametrize("said", [None, [], [{"from": 5}], "debian"])
    def test_what_does_not_say(self, made: Evidence, codes: Any, said: Any) -> None:
        of = changed(made, PROVENANCE, "buildDefinition", "internalParameters", "toolchains", to=said)
        (code,) = codes(of, '[[toolchain]]\nfrom = "debian"')
        assert code in (Code.TOOLCHAIN_NOT_ALLOWED, Code.MALFORMED)

    def test_packages(self, made: Evidence, codes: Any) -> None:
        names = ("gcc-12", "libc6", "busybox-static")
        listed = ", ".join(f'{{ purl = "pkg:deb/debian/{name}" }}' for name in names)
        assert codes(made, f'[[toolchain]]\nfrom = "debian"\npackages = [{listed}]') == []
        old = listed.replace('libc6"', 'libc6", versions = "vers:deb/<2.30"')
        found = codes(made, f'[[toolchain]]\nfrom = "debian"\npackages = [{old}]')
        assert found == [Code.TOOLCHAIN_NOT_ALLOWED]

    @pytest.mark.parametrize("other", ['from = "nixpkgs"\nrev = "6201"', 'from = "debian"\nsuite = "trixie"'])
    def test_another_toolchain_that_is_allowed_takes_no_pin_away(
        self, made: Evidence, codes: Any, other: str
    ) -> None:
        used = [
            {"from": "debian", "suite": "bookworm"},
            {"from": "nixpkgs", "rev": "6201"},
            {"from": "debian", "suite": "trixie"},
        ]
        said = used[:2] if "nixpkgs" in other else used[::2]
        of = changed(made, PROVENANCE, "buildDefinition", "internalParameters", "toolchains", to=said)

        def pinned(*names: str) -> list[Code]:
            listed = ", ".join(f'{{ purl = "pkg:deb/debian/{name}" }}' for name in names)
            debian = f'[[toolchain]]\nfrom = "debian"\nsuite = "bookworm"\npackages = [{listed}]'
            found: list[Code] = codes(of, debian, f"[[toolchain]]\n{other}")
            return found

        assert pinned("gcc-12", "libc6", "busybox-static") == []
        assert pinned("gcc-12", "busybox-static") == [Code.TOOLCHAIN_NOT_ALLOWED]


class TestLicences:
    def test_scope(self, made: Evidence, codes: Any) -> None:
        shipped = '["Zlib", "LicenseRef-pigz-notice"]'
        assert codes(made, f"[licences]\nallowed = {shipped}") == []
        assert codes(made, '[licences]\nallowed = ["Zlib"]') != []
        assert codes(made, f'[licences]\nallowed = {shipped}\nscope = "artifact"') == []
        assert set(codes(made, f'[licences]\nallowed = {shipped}\nscope = "all"')) == {Code.LICENCE_DENIED}

    def test_what_is_needed_at_run_time_counts(self, made: Evidence, codes: Any) -> None:
        packages = made.sbom["packages"]
        place = next(n for n, each in enumerate(packages) if each["SPDXID"].endswith("-zlib-1.3"))
        of = changed(made, SPDX, "packages", place, "licenseDeclared", to="GPL-3.0-only")
        assert codes(of, '[licences]\ndenied = ["GPL-3.0-only"]') == [Code.LICENCE_DENIED]
        assert codes(of, '[licences]\ndenied = ["GPL-3.0-only"]\nscope = "artifact"') == []

    def test_the_artifact_and_its_package_are_one(self, made: Evidence, found: Any) -> None:
        _, finding = found(made, '[licences]\nallowed = ["MIT"]\nscope = "artifact"')
        assert finding.saw.startswith("1 package: ")
        _, both = found(made, '[licences]\nallowed = ["MIT"]')
        own = [each for each in made.components if each.spdx_id in made.shipped]
        assert both.saw.startswith(f"{len(own) - 1} packages: ")
        assert len(both.reasons) == len({each.licence for each in own})

    def test_they_are_told_in_the_order_of_licences_and_names(self, made: Evidence, found: Any) -> None:
        rule = '[licences]\nallowed = ["MIT"]\nscope = "all"'
        packages = made.sbom["packages"]
        turned = changed(made, SPDX, "packages", to=packages[::-1])
        told = [finding for _, finding in (found(made, rule), found(turned, rule))]
        assert told[0] == told[1]
        assert any(each["licenseDeclared"] == "NOASSERTION" for each in packages)
        assert told[0].reasons[-1].sentence.endswith("is not known")
        assert all(each.sentence.endswith("does not allow") for each in told[0].reasons[:-1])


class TestDenied:
    def test_by_range(self, made: Evidence, codes: Any) -> None:
        deny = '[[deny]]\npurl = "pkg:deb/debian/libc6"\nversions = "vers:deb/{}"\nreason = "CVE"'
        assert codes(made, deny.format("<2.36-9")) == []
        assert codes(made, deny.format("<=2.36-9")) == [Code.PACKAGE_DENIED]

    def test_in_the_sbom_too(self, made: Evidence, codes: Any) -> None:
        deny = '[[deny]]\npurl = "pkg:generic/pigz"\nreason = "no"'
        assert codes(made, deny) == [Code.PACKAGE_DENIED]

    def test_what_cannot_be_read(self, made: Evidence, codes: Any) -> None:
        of = changed(made, SPDX, "packages", 0, "externalRefs", 0, "referenceLocator", to="pkg:")
        deny = '[[deny]]\npurl = "pkg:deb/debian/absent"\nreason = "no"'
        assert codes(made, deny) == []
        assert codes(of, deny) == [Code.PACKAGE_DENIED]


SHAPES: list[Any] = [None, [], {}, "x", 5, [5], {"a": 5}, ["x"], [[]], [{}], [{"annotations": 5}], True]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (PROVENANCE, ["buildDefinition"]),
        (PROVENANCE, ["buildDefinition", "resolvedDependencies"]),
        (PROVENANCE, ["buildDefinition", "resolvedDependencies", 3]),
        (PROVENANCE, ["buildDefinition", "externalParameters"]),
        (PROVENANCE, ["buildDefinition", "externalParameters", "repository"]),
        (PROVENANCE, ["buildDefinition", "externalParameters", "repository", "digest"]),
        (PROVENANCE, ["buildDefinition", "externalParameters", "repository", "uncommitted"]),
        (PROVENANCE, ["buildDefinition", "internalParameters"]),
        (PROVENANCE, ["runDetails"]),
        (PROVENANCE, ["runDetails", "metadata"]),
        (SPDX, ["packages"]),
        (SPDX, ["packages", 0]),
        (SPDX, ["packages", 0, "externalRefs"]),
        (SPDX, ["relationships"]),
        (SPDX, ["relationships", 0]),
    ],
    ids=str,
)
def test_evidence_of_another_shape_is_a_no_and_no_traceback(
    made: Evidence, codes: Any, kind: str, path: list[Any]
) -> None:
    rules = (
        '[require]\nmaximum-age = "30d"\ncommit = true',
        TestSources.ALL + '\nrepositories = ["https://git.example.org/*"]',
        '[[toolchain]]\nfrom = "debian"',
        '[licences]\nallowed = ["Zlib", "LicenseRef-pigz-notice"]',
        '[[deny]]\npurl = "pkg:deb/debian/x"\nreason = "no"',
    )
    assert codes(made, *rules) == []
    for shape in SHAPES:
        found = codes(changed(made, kind, *path, to=shape), *rules)
        if shape not in (None, []):  # what is absent or empty can be no reason
            assert found, shape
