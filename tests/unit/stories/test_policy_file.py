"""`policy.toml`: what it means, and that nothing in it is passed over in silence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import policies
import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import Policy
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.signer import IdentitySigner, KeySigner
from orchestrator.policy.trust import TrustedIdentity
from orchestrator.policy.verdict import Code

NOW = datetime(2026, 11, 22, tzinfo=UTC)
IDENTITY = '[[signer]]\nname = "ci"\nissuer = "https://issuer.example"\nsubject = "who@example.org"\n'


def refused(folder: Path, *parts: str) -> TallyError:
    with pytest.raises(TallyError) as caught:
        policies.policy(folder, *parts)
    assert str(folder) in caught.value.message
    return caught.value


def test_a_key_in_a_file_and_inline(tmp_path: Path) -> None:
    key, other = SigningKey.generate(), SigningKey.generate()
    key.write(tmp_path / "keys" / "release")
    text = '[[signer]]\nname = "release"\nkey = "keys/release.pub"\n'
    found = policies.policy(tmp_path, text, policies.signer(other, "other"))
    assert found.keys == (key.public.spki, other.public.spki)
    assert found.name == "policy.toml"
    assert not list(found.against_itself(NOW))


def test_an_empty_policy_trusts_nobody(tmp_path: Path) -> None:
    for text in ("", 'name = "x"', "[require]\nlog = true", "[builders]\nquorum = 2"):
        (reason,) = policies.policy(tmp_path, text).against_itself(NOW)
        assert reason.code is Code.POLICY_EMPTY


@pytest.mark.parametrize(
    ("expires", "expired"),
    [
        ("2026-11-21", True),
        ("2026-11-22", False),
        ("2026-11-22T00:00:00Z", True),
        ("2026-11-22T00:00:01Z", False),
        ("2026-11-22T01:00:00+02:00", True),
    ],
)
def test_it_expires(tmp_path: Path, expires: str, expired: bool) -> None:
    found = policies.policy(tmp_path, f"expires = {expires}", IDENTITY)
    assert [reason.code for reason in found.against_itself(NOW)] == [Code.POLICY_EXPIRED] * expired


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("signers = []", "unknown key `signers`"),
        ("[[signer]]\nnam = 'x'", "unknown key `signer.nam`"),
        ("[require]\nmaximum_age = '3d'", "unknown key `require.maximum_age`"),
        ("[require]\nmaximum-age = '3 days'", "hours, days or weeks"),
        ("[require]\nmaximum-age = 3", "expected a string"),
        ("[require]\nsandbox = ['no-netwrok']", "no-network"),
        ("[require]\nstatements = ['provenence']", "URI of a predicate type"),
        ("[builders]\nquorum = 1", "expected a number of at least 2; got 1"),
        ("[builders]\nquorum = true", "quorum"),
        ("[builders]\nquorum = '2'", "policy.toml:2: `builders.quorum`: expected a whole number"),
        ("[require]\ntimestamp = 'yes'", "policy.toml:2: `require.timestamp`: expected true or false"),
        ("[require]\nlog = 1", "policy.toml:2: `require.log`: expected true or false"),
        ("[builders]\nindependence = 'separate-host'", "separate-hosts"),
        ("[[builder]]\noperator = 'x'", "expected a `key`, a `name`, or both"),
        ("[[signer]]\nname = 'x'\nkey = 'nope.pub'", "policy.toml: the key of signer x: cannot read the key"),
        ("[[signer]]\nname = 'x'", "one `issuer` with one `subject`"),
        ("[[signer]]\nname = 'x'\nissuer = 'https://a.example'", "one `issuer` with one `subject`"),
        ("[[signer]]\nname = 'x'\nkey = 'a'\nissuer = 'https://a.example'\nsubject = 'b'", "not both"),
        ("[[signer]]\nname = 'x'\nissuer = 'https://a.example'\nsubject = '*@b.example'", "-pattern"),
        ("[[signer]]\nname = 'x'\nissuer = 'https://a.example'\nsubject-pattern = '**'", "everything"),
        ("[[signer]]\nname = 'x'\nissuer = 'a'\nsubject = 'b'\nsubject-pattern = 'c'", "one `subject`"),
        ("[[signer]]\nname = 'x'\nissuer = 'a'\nsubject = 'b'\nstatements = []", "at least 1"),
        (IDENTITY + IDENTITY, "have the name"),
        (IDENTITY + "from = 2026-02-01\nuntil = 2026-01-01", "would never count"),
        (IDENTITY + "until = '2026-01-01'", "without quotes"),
        (IDENTITY + "until = 2026-01-01T00:00:00", "with its offset"),
        (IDENTITY + "until = 9999-12-31", "between the years"),
        (IDENTITY + "revoked = { at = 2026-01-01 }", "`signer.revoked.reason` is missing"),
        ("[sources]\naddresses = ['https://*.example/x']", "wildcard in its host"),
        ("[sources]\naddresses = ['https:**']", "wildcard in its host"),
        (
            "[[signer]]\nname = 'x'\nissuer-pattern = 'https://accounts.example*'\nsubject = 'b'",
            "write scheme and host out",
        ),
        ("[[signer]]\nname = 'x'\nissuer = 'https://a.example'\nsubject-pattern = 'http**'", "no host"),
        ("[sources]\ndigests = ['sha256:aa']", "sha256"),
        ("[licences]\nallowed = ['MIT OR Zlib']", "list each"),
        ("[licences]\nallowed = ['Apache']", "did you mean"),
        ("[licences]\nscope = 'all'", "`allowed`, `denied`"),
        ("[[deny]]\npurl = 'xz'\nreason = 'x'", "package URL"),
        ("[[deny]]\npurl = 'pkg:deb/debian/xz'\nversions = '<6'\nreason = 'x'", "vers:deb"),
        ("[[deny]]\npurl = 'pkg:deb/debian/xz'\nversions = 'vers:deb/<5|<7'\nreason = 'x'", "must alternate"),
        ("[[deny]]\npurl = 'pkg:alpm/arch/xz'\nversions = 'vers:alpm/<5|<7'\nreason = 'x'", "must alternate"),
        ("[[deny]]\npurl = 'pkg:deb/debian/xz'\nversions = 'vers:deb/>5|!=5'\nreason = 'x'", "none be twice"),
        ("[[deny]]\npurl = 'pkg:nuget/x'\nversions = 'vers:nuget/<abc'\nreason = 'x'", "vers:nuget/<abc"),
        ("[[deny]]\npurl = 'pkg:deb/debian/xz'", "`deny.reason` is missing"),
        ("[[toolchain]]\nfrom = 'nixpkgs'\nsuite = 'bookworm'", "nixpkgs by `rev`"),
        ("[[toolchain]]\nfrom = 'fedora'", "'debian'"),
        ("[[rule]]\nname = 'x'\ncel = '(('\nmessage = 'm'", "not CEL"),
        ("[[rule]]\nname = 'x'\ncel = '1'\nmessage = 'm'", "true or false"),
        ("[[rule]]\nname = 'X y'\ncel = 'true'\nmessage = 'm'", "rule.name"),
        ("x = [", "not TOML"),
    ],
)
def test_mistakes_name_the_place_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text).message


def test_a_key_that_is_misspelt_gets_a_suggestion(tmp_path: Path) -> None:
    assert refused(tmp_path, "[signer]\nname = 'x'").hint == (
        "write [[signer]], with two brackets: there may be several"
    )
    assert refused(tmp_path, "[[signers]]\nname = 'x'").hint == "did you mean `signer`?"
    assert refused(tmp_path, "[require]\nmax-age = '3d'").hint == "did you mean `maximum-age`?"


class TestKeys:
    def test_absent_private_and_rubbish(self, tmp_path: Path) -> None:
        SigningKey.generate().write(tmp_path / "release")
        private = (tmp_path / "release.key").read_text()
        for said in ("absent.pub", "release.key", "policy.toml", "."):
            refused(tmp_path, f'[[signer]]\nname = "x"\nkey = "{said}"')
        assert "private" in refused(tmp_path, f'[[signer]]\nname = "x"\nkey = """{private}"""').message
        refused(tmp_path, '[[signer]]\nname = "x"\nkey = "-----BEGIN PUBLIC KEY-----"')
        two = (tmp_path / "release.pub").read_text() * 2
        assert "more than one" in refused(tmp_path, f'[[signer]]\nname = "x"\nkey = """{two}"""').message

    def test_one_key_in_two_places(self, tmp_path: Path) -> None:
        key = SigningKey.generate()
        assert (
            "have one key" in refused(tmp_path, policies.signer(key), policies.signer(key, "again")).message
        )
        builder = f"[[builder]]\nkey = {policies.pem(key)}"
        assert "have one key" in refused(tmp_path, policies.signer(key), builder).message
        assert "have one key" in refused(tmp_path, IDENTITY, builder, builder).message


class TestIdentities:
    @staticmethod
    def trusts(found: Policy, issuer: str, subject: str) -> list[Code]:
        return [each.code for each in found.trusts(IdentitySigner(issuer, subject), "layout", "x")]

    def test_exact(self, tmp_path: Path) -> None:
        found = policies.policy(tmp_path, IDENTITY)
        (entry,) = found.signers.signers
        assert isinstance(entry.who, TrustedIdentity)
        assert self.trusts(found, "https://issuer.example", "who@example.org") == []
        whom = IdentitySigner("https://issuer.example", "who@example.org")
        assert [each.code for each in found.trusts(whom, "https://scan.example/v1", "x")] == [
            Code.UNTRUSTED_SIGNER
        ], "without `statements`: what a release has, and no third party's"
        assert self.trusts(found, "https://issuer.example", "other@example.org") == [Code.IDENTITY_MISMATCH]
        assert self.trusts(found, "https://issuer.example/", "who@example.org") == [Code.UNTRUSTED_SIGNER]
        assert [each.code for each in found.trusts(KeySigner("00"), "layout", "x")] == [Code.UNTRUSTED_SIGNER]

    def test_by_pattern(self, tmp_path: Path) -> None:
        workflow = "https://ci.example/org/repo/.ci/release.yml@refs/tags/"
        found = policies.policy(
            tmp_path,
            f'[[signer]]\nname = "ci"\nissuer-pattern = "https://issuer.example/*"\n'
            f'subject-pattern = "{workflow}*"',
        )
        assert self.trusts(found, "https://issuer.example/eu", workflow + "v1") == []
        assert self.trusts(found, "https://issuer.example/eu", workflow + "v1/x") == [Code.IDENTITY_MISMATCH]
        assert self.trusts(found, "https://issuer.example.evil.example/eu", workflow + "v1") == [
            Code.UNTRUSTED_SIGNER
        ]

    def test_for_some_statements_alone(self, tmp_path: Path) -> None:
        found = policies.policy(tmp_path, IDENTITY + 'statements = ["https://scan.example/v1", "layout"]')
        who = IdentitySigner("https://issuer.example", "who@example.org")
        assert not list(found.trusts(who, "https://scan.example/v1", "x"))
        assert not list(found.trusts(who, "layout", "x"))
        (reason,) = found.trusts(who, "https://slsa.dev/provenance/v1", "x")
        assert reason.code is Code.UNTRUSTED_SIGNER


def test_builders_default_to_two_operators(tmp_path: Path) -> None:
    found = policies.policy(tmp_path, IDENTITY, '[[builder]]\nname = "a"')
    assert isinstance(found.builders, Builders)
    assert (found.builders.quorum, found.builders.per) == (2, "operator")
    assert policies.policy(tmp_path, IDENTITY).builders is None


TOOLCHAINS = "[[toolchain]]\nfrom = 'debian'\n[[toolchain]]\nfrom = 'debian'\n[[toolchain.packages]]\n"


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (6, "[[signer]]\nnam = 'x'", "unknown key `signer.nam`"),
        (6, "[require]\nlog = 1", "`require.log`: expected true or false, got a number"),
        (6, "[builders]\nquorum = '2'", "`builders.quorum`: expected a whole number, got a string"),
        (8, "[[signer]]\nname = 'x'\nkey = 'x.pub'\nlog = 'no'", "expected true or false, got a string"),
        (10, f"{TOOLCHAINS}purl = 3", "`toolchain.packages.purl`"),
    ],
)
def test_a_fault_is_told_with_the_line_of_its_own_table(
    tmp_path: Path, line: int, text: str, said: str
) -> None:
    error = refused(tmp_path, f"{IDENTITY}{text}")
    assert f"policy.toml:{line}: " in error.message
    assert said in error.message


def test_a_key_in_a_home_folder_of_nobody_is_told(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="home folder of somebody who is not known"):
        policies.policy(tmp_path, "[[signer]]\nname = 'x'\nkey = '~nobody-of-that-name/x.pub'")
