"""A policy's review: each piece of advice where it is certain, and none where a release could yet pass."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from work import steps

from orchestrator.ground.digest import Sha256
from orchestrator.log.trusted_root import Authority, LogInstance, TrustedRoot
from orchestrator.policy.document import PolicyDocument
from orchestrator.policy.pattern import Pattern
from orchestrator.policy.policy import Policy
from orchestrator.policy.review.advice import Advice
from orchestrator.policy.review.review import review
from orchestrator.policy.rules.packages import Packages

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LOG = LogInstance("https://log.example", b"key", "", b"id")
AUTHORITY = Authority("https://authority.example", "", "", (b"certificate",))
LOGS = TrustedRoot(tlogs=(LOG,))
CLOCKS = TrustedRoot(timestamp_authorities=(AUTHORITY,))
WHOLE = TrustedRoot((LOG,), (AUTHORITY,), (LOG,), (AUTHORITY,))

SIGNER = '[[signer]]\nname = "us"\nkey = "us"\n'
CI = '[[signer]]\nname = "ci"\nissuer = "https://issuer.example"\nsubject = "who@example.org"\n'
SCAN = "https://example.org/scan/v1"
SCANNER = f'[[signer]]\nname = "scanner"\nkey = "scanner"\nstatements = ["{SCAN}"]\n'


def policy(text: str) -> Policy:
    """A policy whose keys are what their names hash to."""
    document = PolicyDocument.model_validate(tomllib.loads(text))
    return document.policy(lambda said, _: said.encode(), None, "policy.toml", Sha256.of(text.encode()))


def advice(text: str, root: TrustedRoot | None = None, now: datetime = NOW) -> list[Advice]:
    return list(review(policy(text), now, root))


def only(text: str, root: TrustedRoot | None = None) -> Advice:
    found = advice(text, root)
    assert len(found) == 1, found
    assert found[0].hint
    return found[0]


def test_a_plain_policy_gets_none() -> None:
    assert advice(SIGNER) == []


def test_an_empty_one_is_a_verdict_and_no_matter_for_advice() -> None:
    assert advice("") == advice("[require]\nlog = true") == []


@pytest.mark.parametrize(
    ("expires", "told"),
    [("2026-11-24", True), ("2026-11-25", False), ("2026-11-25T12:00:00Z", True), ("2026-11-23", False)],
)
def test_a_policy_that_ends_today(expires: str, told: bool) -> None:
    found = advice(f"expires = {expires}\n{SIGNER}")
    assert [(each.key, "(policy-expired)" in each.sentence) for each in found] == [("expires", True)] * told


class TestTimes:
    @pytest.mark.parametrize(
        ("times", "root", "keys"),
        [
            ("until = 2026-11-23", None, ["signer 'us'.until", "signer"]),
            ("until = 2026-11-23", LOGS, ["signer 'us'.until", "signer"]),
            ("until = 2026-11-23", CLOCKS, []),
            ("until = 2026-11-24", None, []),
            ("from = 2026-01-01", None, ["signer 'us'.from", "signer"]),
            ("from = 2026-01-01", CLOCKS, []),
            ("from = 2027-01-01", CLOCKS, []),
            ("revoked = { at = 2026-01-01, reason = 'x' }", None, ["signer"]),
            ("revoked = { at = 2026-01-01, reason = 'x' }", CLOCKS, []),
            ("revoked = { at = 2027-01-01, reason = 'x' }", None, []),
            (
                "from = 2026-01-01\nrevoked = { at = 2026-01-01, reason = 'x' }",
                CLOCKS,
                ["signer 'us'.revoked", "signer"],
            ),
            ("from = 2026-01-01\nrevoked = { at = 2026-01-02, reason = 'x' }", CLOCKS, []),
        ],
    )
    def test_of_the_only_key(self, times: str, root: TrustedRoot | None, keys: list[str]) -> None:
        assert [each.key for each in advice(f"{SIGNER}{times}\n", root)] == keys

    def test_a_key_that_begins_when_the_policy_is_over(self) -> None:
        text = f"expires = 2027-01-01\n{SIGNER}{CI}from = 2027-01-01T00:00:00Z\n"
        assert advice(text, WHOLE) == []
        assert "ends before that" in only(text.replace("01T00", "02T00"), WHOLE).sentence

    def test_a_key_that_is_over_beside_one_that_is_not(self) -> None:
        old = SIGNER.replace("us", "old")
        assert only(f"{SIGNER}{old}until = 2026-01-01\n").key == "signer 'old'.until"
        assert advice(f"{SIGNER}{old}revoked = {{ at = 2026-01-01, reason = 'x' }}\n") == []

    def test_nobody_is_left(self) -> None:
        dead = "revoked = { at = 2026-01-01, reason = 'x' }\n"
        found = only(f"{SIGNER}{dead}{SIGNER.replace('us', 'them')}{dead}")
        assert "nothing that us or them signs can count" in found.sentence

    def test_an_identitys_certificate_proves_when_it_signed(self) -> None:
        for times in ("until = 2026-01-01", "from = 2026-01-01"):
            assert advice(f"{CI}{times}\n", replace(WHOLE, timestamp_authorities=())) == []


class TestWitnesses:
    @pytest.mark.parametrize(("key", "there"), [("log", LOGS), ("timestamp", CLOCKS)])
    def test_required_of_keys(self, key: str, there: TrustedRoot) -> None:
        text = f"{SIGNER}[require]\n{key} = true"
        lacking = CLOCKS if key == "log" else LOGS
        for root in (None, lacking):
            told, whole = advice(text, root)
            assert (told.key, whole.key) == (f"require.{key}", "signer")
            assert "--trusted-root" in told.hint
        assert advice(text, there) == []
        assert [each.key for each in advice(f"{CI}[require]\n{key} = true", WHOLE)] == []

    @pytest.mark.parametrize(("key", "there"), [("log", LOGS), ("timestamp", CLOCKS)])
    def test_asked_of_one_signer(self, key: str, there: TrustedRoot) -> None:
        text = f"{SIGNER}{SIGNER.replace('us', 'them')}{key} = true\n"
        assert only(text).key == f"signer 'them'.{key}"
        assert advice(text, there) == []

    def test_of_an_identity(self) -> None:
        first, second = advice(CI)
        assert (first.key, second.key) == ("signer 'ci'", "signer")
        assert "no trusted root is named" in first.sentence
        untimed = replace(WHOLE, timestamp_authorities=())
        for part, said in (
            ("certificate_authorities", "no certificate authority"),
            ("ctlogs", "no certificate transparency log"),
            ("tlogs", "no log"),
        ):
            first, _ = advice(CI, replace(untimed, **{part: ()}))
            assert said in first.sentence
        assert advice(CI, WHOLE) == []
        assert advice(f"{CI}log = true\ntimestamp = true\n", replace(WHOLE, timestamp_authorities=())) == []

    def test_of_an_identity_of_an_instance_without_a_log(self) -> None:
        unlogged = replace(WHOLE, tlogs=(), ctlogs=())
        assert advice(CI, unlogged) == []
        told, _ = advice(f"{CI}log = true\n", unlogged)
        assert (told.key, "the trusted root has no log" in told.sentence) == ("signer 'ci'.log", True)

    def test_the_policys_own_root_counts(self) -> None:
        assert list(review(replace(policy(CI), root=WHOLE), NOW)) == []


class TestStatements:
    def test_nobody_may_sign_a_part(self) -> None:
        found = only(f"{SIGNER}statements = ['provenance', 'reproduction', 'sbom']\n")
        assert found.key == "signer.statements"
        assert "may sign layout," in found.sentence
        parts = f"{SIGNER}statements = ['provenance', 'sbom']\n"
        assert advice(f"{parts}{SIGNER.replace('us', 'them')}statements = ['reproduction', 'layout']\n") == []

    def test_a_key_and_an_identity_do_not_share_a_release(self) -> None:
        halves = f"{SIGNER}statements = ['provenance', 'sbom']\n{CI}statements = ['reproduction', 'layout']\n"
        assert "neither alone" in only(halves, WHOLE).sentence

    def test_a_statement_that_nobody_may_sign(self) -> None:
        require = f"[require]\nstatements = ['{SCAN}']\n"
        ours = f"{SIGNER}statements = ['provenance', 'reproduction', 'sbom', 'layout']\n"
        assert only(f"{ours}{require}").key == "require.statements"
        assert advice(f"{ours}{SCANNER}{require}") == []
        assert only(f"{SIGNER}{require}").key == "require.statements", "no more than what a release has"

    def test_a_statement_that_no_rule_asks_for(self) -> None:
        assert only(f"{SIGNER}{SCANNER}").key == "signer 'scanner'.statements"

    def test_an_identity_that_another_takes(self) -> None:
        every = (
            '[[signer]]\nname = "all"\nissuer = "https://issuer.example"\nsubject-pattern = "*@example.org"\n'
        )
        assert only(f"{every}{CI}log = true\n", WHOLE).key == "signer 'ci'"
        assert advice(f"{CI}{every}", WHOLE) == []
        some = f"{every}statements = ['provenance', 'reproduction', 'sbom', 'layout']\n"
        assert only(f"{some}{CI}", WHOLE).key == "signer 'ci'"
        assert advice(some.replace(", 'sbom'", "") + CI, WHOLE) == [], "the second may sign more"
        assert advice(f"{every}{CI.replace('issuer.', 'other.')}", WHOLE) == []
        assert advice(f"{every}{CI.replace('@example.org', '@example.com')}", WHOLE) == []

    @pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 0)])
    def test_an_identity_within_a_revoked_one(self, first: int, second: int) -> None:
        every = (
            '[[signer]]\nname = "all"\nissuer = "https://issuer.example"\nsubject-pattern = "*@example.org"\n'
        )
        revoked = "revoked = { at = 2026-01-01, reason = 'x' }\n"
        dead = (CI, every + revoked)
        found = only(dead[first] + dead[second], WHOLE)
        assert found.key == "signer 'ci'"
        assert "all too, who is revoked" in found.sentence
        within = (CI + revoked, every)
        assert advice(within[first] + within[second], WHOLE) == [], "it counts wherever it stands"


class TestBuilders:
    @staticmethod
    def text(*builders: str, more: str = "") -> str:
        return SIGNER + "".join(f"[[builder]]\n{each}\n" for each in builders) + f"[builders]\n{more}\n"

    @pytest.mark.parametrize(
        ("builders", "more", "key"),
        [
            (["name = 'a'"], "", "builders.quorum"),
            (["name = 'a'"], "per = 'builder'", "builders.quorum"),
            (["name = 'a'", "key = 'b'"], "quorum = 3", "builders.quorum"),
            (["name = 'a'\noperator = 'x'", "key = 'b'\noperator = 'x'"], "", "builders.quorum"),
            (
                ["name = 'a'\noperator = 'x'", "key = 'b'\noperator = 'x'"],
                "per = 'builder'\nindependence = 'separate-operators'",
                "builders.independence",
            ),
            (["name = 'a'", "key = 'b'\nuntil = 2026-01-01"], "", "builder 'key 3e23e816'.until"),
            (["name = 'a'\nkey = 'a'", "name = 'a'\nkey = 'b'"], "per = 'builder'", "builders.quorum"),
            (["name = 'a'\nkey = 'a'\noperator = 'x'", "name = 'a'\nkey = 'b'"], "", "builders.quorum"),
            (["name = 'a'\nkey = 'a'", "name = 'a'\nkey = 'b'\noperator = 'x'"], "", "builders.quorum"),
            (["name = 'a'", "key = 'b'\nrevoked = { at = 2026-01-01, reason = 'x' }"], "", "builders.quorum"),
            (["name = 'a'", "name = 'b'", "name = 'a'\noperator = 'x'"], "per = 'builder'", "builder 'a'"),
            (
                ["name = 'a'\noperator = 'Acme'", "name = 'b'\noperator = 'acme '"],
                "",
                "builder.operator",
            ),
        ],
    )
    def test_what_cannot_be(self, builders: list[str], more: str, key: str) -> None:
        assert advice(self.text(*builders, more=more))[0].key == key

    @pytest.mark.parametrize(
        ("builders", "more"),
        [
            ([], "quorum = 9\nper = 'builder'\nindependence = 'separate-operators'"),
            (["name = 'a'", "key = 'b'"], "per = 'builder'"),
            (
                ["name = 'a'\noperator = 'x'", "key = 'b'\noperator = 'y'"],
                "independence = 'separate-operators'",
            ),
            (
                ["name = 'a'\noperator = 'x'", "key = 'b'"],
                "per = 'builder'\nindependence = 'separate-operators'",
            ),
            (["name = 'a'\noperator = 'x'", "key = 'b'\noperator = 'x'"], "per = 'builder'"),
            (["name = 'a'\nkey = 'a'", "name = 'a'", "name = 'b'"], "per = 'builder'"),
            (
                ["name = 'a'\nkey = 'a'\noperator = 'x'", "name = 'a'\nkey = 'b'\noperator = 'y'"],
                "per = 'builder'",
            ),
        ],
    )
    def test_what_can(self, builders: list[str], more: str) -> None:
        assert advice(self.text(*builders, more=more)) == []

    @pytest.mark.parametrize(
        ("builders", "more", "unnamed"),
        [
            (["name = 'a'", "name = 'b'"], "", "a, b"),
            (["name = 'a'", "name = 'b'"], "quorum = 2\nindependence = 'separate-operators'", "a, b"),
            (["name = 'a'\noperator = 'x'", "name = 'b'"], "", "b"),
        ],
    )
    def test_builders_whose_operator_nobody_names(self, builders: list[str], more: str, unnamed: str) -> None:
        (found,) = advice(self.text(*builders, more=more))
        assert found.key == "builders.quorum"
        assert f"does not say who runs {unnamed}: unless their own links do" in found.sentence
        assert "name the `operator` of each" in found.hint and 'per = "builder"' in found.hint

    def test_nobody_named_and_operators_asked_for(self) -> None:
        (found,) = advice(self.text(more="quorum = 2"))
        assert found.key == "builders.quorum"
        assert "the policy names no builders: unless their own links say" in found.sentence

    def test_a_name_alone_takes_no_link_by_a_key_that_is_named(self) -> None:
        text = self.text("name = 'a'", "name = 'b'", "name = 'c'\nkey = 'c'", more="per = 'builder'")
        assert advice(text) == advice(text.replace("'c'\n", "'a'\n")) == []

    def test_times_are_proven_by_an_authority_or_by_an_identity(self) -> None:
        text = self.text("name = 'a'", "key = 'b'\nfrom = 2026-01-01", more="per = 'builder'")
        assert [each.key for each in advice(text)] == ["builder 'key 3e23e816'.from", "builders.quorum"]
        assert advice(text, CLOCKS) == advice(text.replace(SIGNER, CI), WHOLE) == []


class TestMaterials:
    @pytest.mark.parametrize(
        ("addresses", "said"),
        [
            (["mirror://gnu/**", "mirror://gnu/hello/*"], "'mirror://gnu/hello/*' allows nothing that"),
            (["mirror://gnu/hello/*", "mirror://gnu/**"], "'mirror://gnu/hello/*' allows nothing that"),
            (["mirror://gnu/a", "mirror://gnu/a"], "'mirror://gnu/a' allows nothing that"),
            (["https://example.org/a/../b/*"], "'https://example.org/a/../b/*' allows nothing:"),
            (["https://example.org/%2e%2e/b"], "'https://example.org/%2e%2e/b' allows nothing:"),
            (["https://example.org/a\\\\b"], "allows nothing:"),
            ([], "no release with a source"),
        ],
    )
    def test_addresses(self, addresses: list[str], said: str) -> None:
        listed = ", ".join(f'"{each}"' for each in addresses)
        found = only(f"{SIGNER}[sources]\naddresses = [{listed}]")
        assert found.key == "sources.addresses"
        assert said in found.sentence

    @pytest.mark.parametrize(
        "addresses",
        [
            ["mirror://gnu/**", "mirror://debian/**"],
            ["https://example.org/*/a", "https://example.org/b/*"],
            ["https://example.org/*", "https://example.org/**"][:1],
            ["https://example.org/..*", "https://example.org/a../b", "https://example.org/*.."],
        ],
    )
    def test_addresses_of_which_each_says_something(self, addresses: list[str]) -> None:
        assert advice(f"{SIGNER}[sources]\naddresses = {addresses}") == []

    @pytest.mark.parametrize(
        ("repositories", "said"),
        [
            (
                ["https://example.org/**", "git@example.org:a/b.git"],
                "'https://example.org/a/b' allows nothing",
            ),
            (
                ["https://example.org/a", "ssh://git@example.org/a.git"],
                "'https://example.org/a' allows nothing",
            ),
            (["https://example.org/a/../b"], "'https://example.org/a/../b' allows nothing:"),
            ([], "no release can be accepted"),
        ],
    )
    def test_repositories(self, repositories: list[str], said: str) -> None:
        found = only(f"{SIGNER}[sources]\nrepositories = {repositories}")
        assert found.key == "sources.repositories"
        assert said in found.sentence
        assert advice(f"{SIGNER}[sources]\nrepositories = ['https://a.example.org/*']") == []

    def test_no_digests(self) -> None:
        assert only(f"{SIGNER}[sources]\ndigests = []").key == "sources.digests"
        assert only(f"{SIGNER}[sources]\nkinds = []").key == "sources.kinds"
        assert only(f'{SIGNER}[inputs]\nbelieved = "refuse"\nrebuilt-levels = 1').key == "inputs.believed"
        assert advice(f"{SIGNER}[sources]\nkinds = ['recipe', 'flake']") == []
        assert advice(f"{SIGNER}[sources]\ndigests = ['{'0' * 64}']") == []

    @pytest.mark.parametrize(
        ("tables", "key"),
        [
            (["from = 'debian'", "from = 'debian'\nsuite = 'bookworm'"], "toolchain"),
            (["from = 'debian'\nsuite = 'bookworm'", "from = 'debian'"], "toolchain"),
            (
                [
                    "from = 'debian'\npackages = [{ purl = 'pkg:deb/debian/gcc' }]",
                    "from = 'debian'\nsuite = 'x'\npackages = [{ purl = 'pkg:deb/debian/gcc@12' }]",
                ],
                "toolchain",
            ),
            (["from = 'debian'\nsuite = 'bookwurm'"], "toolchain.suite"),
            (["from = 'nixpkgs'\nrev = '6201e203'"], "toolchain.rev"),
            (["from = 'nixpkgs'\nnar-hash = 'x'"], "toolchain.nar-hash"),
            (["from = 'debian'\npackages = [{ purl = 'pkg:rpm/fedora/gcc' }]"], "toolchain.packages"),
            (["from = 'debian'\npackages = [{ purl = 'pkg:deb/ubuntu/gcc' }]"], "toolchain.packages"),
            (
                ["from = 'debian'\npackages = [{ purl = 'pkg:deb/debian/gcc?distro=bookworm' }]"],
                "toolchain.packages",
            ),
        ],
    )
    def test_toolchains(self, tables: list[str], key: str) -> None:
        assert only(SIGNER + "".join(f"[[toolchain]]\n{each}\n" for each in tables)).key == key

    def test_toolchains_of_which_each_says_something(self) -> None:
        tables = (
            "from = 'debian'",
            "from = 'debian'\nsuite = 'x'\npackages = [{ purl = 'pkg:deb/debian/gcc?arch=amd64' }]",
            f"from = 'nixpkgs'\nrev = '{'0' * 40}'",
            f"from = 'nixpkgs'\nnar-hash = 'sha256-{'A' * 43}='",
        )
        assert advice(SIGNER + "".join(f"[[toolchain]]\n{each}\n" for each in tables)) == []

    @pytest.mark.parametrize(
        ("allowed", "denied", "told"),
        [
            ("purl = 'pkg:deb/debian/xz'", "purl = 'pkg:deb/debian/xz'", True),
            ("purl = 'pkg:deb/debian/xz@5'", "purl = 'pkg:deb/debian/xz'", True),
            ("purl = 'pkg:deb/debian/xz@5'", "purl = 'pkg:deb/debian/xz'\nversions = 'vers:deb/<6'", True),
            ("purl = 'pkg:deb/debian/xz@6'", "purl = 'pkg:deb/debian/xz'\nversions = 'vers:deb/<6'", False),
            ("purl = 'pkg:deb/debian/xz'", "purl = 'pkg:deb/debian/xz'\nversions = 'vers:deb/<6'", False),
            ("purl = 'pkg:deb/debian/xz'", "purl = 'pkg:deb/debian/xz@5'", False),
            ("purl = 'pkg:deb/debian/xz'", "purl = 'pkg:deb/debian/zx'", False),
        ],
    )
    def test_a_package_both_allowed_and_denied(self, allowed: str, denied: str, told: bool) -> None:
        text = f"{SIGNER}[[toolchain]]\nfrom = 'debian'\npackages = [{{ {allowed} }}]\n"
        found = advice(f"{text}[[deny]]\n{denied}\nreason = 'a backdoor'")
        assert [each.key for each in found] == ["toolchain.packages"] * told
        assert all("a backdoor" in each.sentence for each in found)

    @pytest.mark.parametrize(
        ("licences", "keys"),
        [
            ("allowed = ['MIT', 'Zlib']\ndenied = ['Zlib']", ["licences.denied"]),
            ("allowed = ['Zlib']\ndenied = ['Zlib']", ["licences.denied", "licences.allowed"]),
            ("allowed = []", ["licences.allowed"]),
            ("allowed = ['MIT']\ndenied = ['Zlib']", []),
            ("denied = ['Zlib']", []),
        ],
    )
    def test_licences(self, licences: str, keys: list[str]) -> None:
        assert [each.key for each in advice(f"{SIGNER}[licences]\n{licences}")] == keys

    def test_an_unknown_licence_can_be_allowed(self) -> None:
        assert "no release" in only(f"{SIGNER}[licences]\nallowed = []").sentence
        assert "no release" not in only(f"{SIGNER}[licences]\nallowed = []\nunknown = 'allow'").sentence


class TestRules:
    @pytest.mark.parametrize(
        ("cel", "said"),
        [
            ("true", "true of every release"),
            ("true || size(links) > 1", "true of every release"),
            ("size(links) > 1 || true", "true of every release"),
            ("false", "(rule-not-met)"),
            ("1 > 2 && size(links) > 1", "(rule-not-met)"),
            ("1 / 0 == 1", "(rule-error)"),
            ("now < timestamp('2026-01-01T00:00:00Z')", "at this time"),
            ("size(attestations) > 0", "which is empty"),
        ],
    )
    def test_constant(self, cel: str, said: str) -> None:
        found = only(f'{SIGNER}[[rule]]\nname = "x"\ncel = "{cel}"\nmessage = "m"')
        assert found.key == "rule x"
        assert said in found.sentence

    @pytest.mark.parametrize(
        "cel",
        [
            "size(links) > 1",
            "now < timestamp('2036-01-01T00:00:00Z')",
            "artifact.name != 'attestations'",
            "has(artifact.size) || size(links) > 1",
            "1 / 0 == 1 || size(links) > 1",
            "links == links",
        ],
    )
    def test_what_a_release_decides(self, cel: str) -> None:
        assert advice(f'{SIGNER}[[rule]]\nname = "x"\ncel = "{cel}"\nmessage = "m"') == []

    def test_attestations_that_are_shown(self) -> None:
        rule = '[[rule]]\nname = "x"\ncel = "size(attestations) > 0"\nmessage = "m"'
        assert advice(f"{SIGNER}{SCANNER}[require]\nstatements = ['{SCAN}']\n{rule}") == []


PATTERN = st.text(alphabet="ab/*", max_size=7)


@settings(max_examples=400)
@given(PATTERN, PATTERN, st.lists(st.text(alphabet="abc/", max_size=8), max_size=30))
def test_what_covers_another_fits_all_that_it_fits(one: str, other: str, texts: list[str]) -> None:
    covers = Pattern(one).covers(Pattern(other))
    assert not covers or all(Pattern(one).matches(each) for each in texts if Pattern(other).matches(each))


@given(PATTERN)
def test_a_pattern_covers_itself_and_is_covered_by_the_widest(text: str) -> None:
    assert Pattern(text).covers(Pattern(text))
    assert Pattern("**").covers(Pattern(text))
    assert Pattern("*").covers(Pattern(text)) == ("/" not in text and "**" not in text)


def test_covering_takes_few_steps() -> None:
    assert steps(lambda: Pattern("*a" * 250).covers(Pattern("**ab" * 120))) < 3_000_000
    assert steps(lambda: Pattern("**" + "ab*" * 160).covers(Pattern("**" + "*b/a" * 120))) < 3_000_000


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        (Packages("pkg:deb/debian/a"), Packages("pkg:deb/debian/a", "vers:deb/<5"), True),
        (Packages("pkg:deb/debian/a", "vers:deb/<5"), Packages("pkg:deb/debian/a", "vers:deb/<5"), True),
        (Packages("pkg:deb/debian/a", "vers:deb/<5"), Packages("pkg:deb/debian/a", "vers:deb/<4"), False),
        (Packages("pkg:deb/debian/a@1"), Packages("pkg:deb/debian/a@1"), True),
        (Packages("pkg:deb/debian/a@1"), Packages("pkg:deb/debian/a"), False),
        (Packages("pkg:deb/debian/a?arch=amd64"), Packages("pkg:deb/debian/a"), False),
        (Packages("pkg:deb/debian/a"), Packages("pkg:deb/debian/a?arch=amd64"), True),
    ],
)
def test_what_covers_other_packages(one: Packages, other: Packages, covers: bool) -> None:
    assert one.covers(other) is covers


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ("operators = 3", 2),
        ("operators = 2", None),
        ('operators = 3\n[[builder]]\nname = "a"\noperator = "REBUILDER"', 2),
        ('operators = 3\n[[builder]]\nkey = "a"\noperator = "REBUILDER"', 1),
        ('operators = 2\n[[builder]]\nname = "a"\noperator = "Own"\n[builders]\nper = "builder"', None),
    ],
)
def test_a_closure_that_too_few_operators_could_have_made(more: str, most: int | None) -> None:
    rebuilder = '[rebuilders]\nquorum = 0\n[[rebuilder]]\nname = "rebuilder"\nkey = "theirs"\n'
    found = [
        each for each in advice(f"{SIGNER}{rebuilder}[closure]\n{more}") if each.key.startswith("closure")
    ]
    assert [f"no more than {most} of those named" in each.sentence for each in found] == [True] * (
        most is not None
    )


def _shown() -> list[tuple[str, str]]:
    """Every policy in the documentation and the demo, with where it is."""
    found = [(str(path.relative_to(ROOT)), path.read_text()) for path in (ROOT / "demo").glob("*.toml")]
    for page in sorted((ROOT / "docs").rglob("*.md")):
        blocks = re.findall(
            r"^```toml file=\S*policy\.toml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
        )
        found += [(str(page.relative_to(ROOT)), block) for block in blocks]
    return found


@pytest.mark.parametrize(("place", "text"), _shown(), ids=lambda each: each if "\n" not in each else "")
def test_none_on_the_policies_that_we_show(place: str, text: str) -> None:
    root = WHOLE if "issuer" in text else None  # it is named, or given with --trusted-root
    assert advice(text, root) == [], place


def test_policies_are_shown() -> None:
    assert len(_shown()) >= 5
