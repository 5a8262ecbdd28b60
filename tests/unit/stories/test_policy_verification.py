"""Releases against policies, from their bytes: third parties, digests alone, evidence that comes and goes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import disagreements
import policies
import pytest
import releases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import Sha256
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.summary import summary
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.publishing.records import records_of
from orchestrator.signing import bundling
from orchestrator.stories.verification import examine, verify

SCAN = "https://scan.example/v1"
DENYING = [
    '[require]\nstatements = ["https://scan.example/v1"]',
    "[builders]\nquorum = 3",
    '[builders]\nper = "builder"\nquorum = 3',
    "[require]\nlog = true",
    "[require]\ntimestamp = true",
    '[require]\nmaximum-age = "1h"',
    "[sources]\naddresses = []",
    '[[toolchain]]\nfrom = "nixpkgs"',
    '[licences]\nallowed = ["MIT"]',
    '[[deny]]\npurl = "pkg:deb/debian/libc6"\nreason = "no"',
    '[[rule]]\nname = "scanned"\ncel = "size(attestations) > 0"\nmessage = "nobody scanned it"',
    '[[rule]]\nname = "absent"\ncel = "provenance.absent"\nmessage = "no"',
    "expires = 2026-01-01",
]
"""Policies, each of which refuses the release of these tests for one thing."""


@dataclass(frozen=True)
class Release:
    folder: Path
    key: SigningKey
    builders: Mapping[str, SigningKey]
    made: releases.Made

    @property
    def artifact(self) -> Path:
        return self.folder / self.made.facts.artifact.file_name

    @property
    def digest(self) -> Sha256:
        return self.made.facts.artifact.sha256


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("original")
    made = releases.observed(folder / "in", finished=releases.NOW.replace(hour=6))
    key, keys = SigningKey.generate(), releases.builder_keys(made)
    return Release(releases.published(folder / "out", made, key, keys).path, key, keys, made)


@pytest.fixture
def release(original: Release, tmp_path: Path) -> Release:
    folder = tmp_path / original.folder.name
    shutil.copytree(original.folder, folder)
    return replace(original, folder=folder)


def codes(verdict: Verdict) -> list[Code]:
    return [reason.code for reason in verdict.reasons] if isinstance(verdict, Failed) else []


def statement(sha256: str, kind: str = SCAN, predicate: object = None) -> bytes:
    return render(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "what they call it", "digest": {"sha256": sha256}}],
            "predicateType": kind,
            "predicate": {"found": []} if predicate is None else predicate,
        }
    )


def link(of: Release, name: str = "theirs", **changes: str) -> bytes:
    """What another organisation's builder signs."""
    report = of.made.agreed.reports[0]
    report = replace(report, identity=releases.identity(name, **changes))
    record = records_of(of.made.facts)["a"]
    return link_of(report, of.made.facts, materials_of(of.made.facts), record).payload


def enveloped(payload: bytes, key: SigningKey) -> bytes:
    return render(dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=key.public.keyid).document())


def test_the_smallest_policy_and_a_file_that_says_the_same(original: Release, tmp_path: Path) -> None:
    smallest = verify(original.folder, trusting([original.key.public.spki]), releases.NOW)
    assert isinstance(smallest, Passed)
    assert (
        verify(original.folder, policies.policy(tmp_path, policies.signer(original.key)), releases.NOW)
        == smallest
    )


@pytest.mark.parametrize("part", DENYING)
def test_each_of_these_policies_refuses(original: Release, tmp_path: Path, part: str) -> None:
    policy = policies.policy(tmp_path, part, policies.signer(original.key))
    assert len(set(codes(verify(original.folder, policy, releases.NOW)))) == 1


def test_all_that_fail_are_told_with_their_rules(original: Release, tmp_path: Path) -> None:
    parts = [part for part in DENYING if part.startswith("[[")]
    policy = policies.policy(tmp_path, "expires = 2026-01-01", *parts, policies.signer(original.key))
    found = examine(original.folder, policy, releases.NOW)
    assert codes(found.verdict) == [
        Code.POLICY_EXPIRED,
        Code.TOOLCHAIN_NOT_ALLOWED,
        Code.PACKAGE_DENIED,
        Code.RULE_NOT_MET,
        Code.RULE_ERROR,
    ]
    assert isinstance(found.verdict, Failed)
    assert found.verdict.reasons[1].rule == "toolchain"
    assert [each.rule for each in found.findings] == [
        "expires", "signer", "toolchain", "deny", "rule scanned", "rule absent",
    ]  # fmt: skip


def test_a_step_that_refuses_ends_it_and_an_expired_policy_is_told(release: Release, tmp_path: Path) -> None:
    release.artifact.write_bytes(b"another")
    policy = policies.policy(tmp_path, "expires = 2026-01-01", DENYING[6], policies.signer(release.key))
    found = examine(release.folder, policy, releases.NOW)
    assert codes(found.verdict) == [Code.POLICY_EXPIRED, Code.DIGEST_MISMATCH]
    assert found.findings == ()


@pytest.mark.parametrize(
    ("statements", "missing"),
    [
        ('"provenance", "reproduction", "layout"', "sbom-cyclonedx"),
        ('"provenance", "reproduction", "sbom"', "root.layout"),
        ('"https://scan.example/v1"', "provenance"),
    ],
)
def test_a_signer_is_trusted_with_what_the_policy_says_alone(
    original: Release, tmp_path: Path, statements: str, missing: str
) -> None:
    policy = policies.policy(tmp_path, policies.signer(original.key, more=f"statements = [{statements}]"))
    verdict = verify(original.folder, policy, releases.NOW)
    assert codes(verdict) == [Code.UNTRUSTED_SIGNER]
    assert isinstance(verdict, Failed)
    assert missing in verdict.reasons[0].sentence


class TestThirdParties:
    @staticmethod
    def policy(folder: Path, release: Release, scanner: SigningKey, *more: str) -> Policy:
        theirs = policies.signer(scanner, "scanner", f'statements = ["{SCAN}"]')
        return policies.policy(folder, *more, policies.signer(release.key), theirs)

    def test_a_statement_that_is_required(self, original: Release, tmp_path: Path) -> None:
        scanner = SigningKey.generate()
        policy = self.policy(tmp_path, original, scanner, DENYING[0])
        theirs = bundling.sign(statement(original.digest.hex), scanner).render()
        assert codes(verify(original.folder, policy, releases.NOW)) == [Code.STATEMENT_MISSING]
        found = examine(original.folder, policy, releases.NOW, further={"scan.json": theirs})
        assert isinstance(found.verdict, Passed)
        assert found.attestations["scan.json"] == Sha256.of(theirs)

    @pytest.mark.parametrize(("result", "expected"), [("FAILED", [Code.DENIED]), ("PASSED", [])])
    def test_a_required_statement_that_says_no(
        self, original: Release, tmp_path: Path, result: str, expected: list[Code]
    ) -> None:
        tester = SigningKey.generate()
        kind = "https://in-toto.io/attestation/test-result/v0.1"
        theirs = bundling.sign(statement(original.digest.hex, kind, {"result": result}), tester).render()
        require = f'[require]\nstatements = ["{kind}"]'
        signers = policies.signer(original.key), policies.signer(tester, "tester", f'statements = ["{kind}"]')
        policy = policies.policy(tmp_path, *signers, require)
        found = examine(original.folder, policy, releases.NOW, further={"tests.json": theirs})
        assert codes(found.verdict) == expected

    @pytest.mark.parametrize(
        ("wrap", "aside"),
        [
            (lambda good, bad: render(bad) + b"\n" + render(good) + b"\n", "scans, line 1"),
            (lambda good, bad: render([bad, good]), "scans, bundle 1"),
            (
                lambda good, bad: render({"attestations": [{"bundle": bad}, {"bundle": good}]}),
                "scans, attestation 1",
            ),
            (
                lambda good, bad: render({"attestation_bundles": [{"attestations": [bad, good]}]}),
                "scans, group 1, attestation 1",
            ),
            (lambda good, bad: b"\xef\xbb\xbf" + render(good), None),
        ],
        ids=["lines", "list", "npm", "groups", "mark"],
    )
    def test_a_file_with_several_bundles(
        self, original: Release, tmp_path: Path, wrap: Callable[[Any, Any], bytes], aside: str | None
    ) -> None:
        """Each counts by itself, and the file is what was judged."""
        scanner = SigningKey.generate()
        policy = self.policy(tmp_path, original, scanner, DENYING[0])
        good, bad = (
            json.loads(bundling.sign(statement(original.digest.hex), key).render())
            for key in (scanner, SigningKey.generate())
        )
        scans = wrap(good, bad)
        found = examine(original.folder, policy, releases.NOW, further={"scans": scans})
        assert isinstance(found.verdict, Passed)
        assert found.attestations["scans"] == Sha256.of(scans)
        told = [notice.partition(" was set aside: ") for notice in found.verdict.notices]
        assert [name for name, mark, _ in told if mark] == ([] if aside is None else [aside])
        assert all(
            why.startswith("it is not signed by a key that you trust") for _, mark, why in told if mark
        )
        worse = examine(original.folder, policy, releases.NOW, further={"scans": wrap(bad, bad)})
        assert codes(worse.verdict) == [Code.STATEMENT_MISSING]
        assert "scans" not in worse.attestations

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"-----BEGIN PGP SIGNATURE-----", "an OpenPGP signature, and no bundle; check it with `gpg"),
            (b'{"attestations": [{"bundle_url": "https://example.org"}]}', "fetch it from there"),
            (b'{"signed": {}, "signatures": []}', "metadata of in-toto or TUF"),
            (b"[]", "no bundle at all"),
        ],
    )
    def test_what_holds_no_bundle_is_said_to_be_what_it_is(
        self, original: Release, tmp_path: Path, data: bytes, said: str
    ) -> None:
        policy = self.policy(tmp_path, original, SigningKey.generate())
        verdict = examine(original.folder, policy, releases.NOW, further={"it": data}).verdict
        assert isinstance(verdict, Passed)
        (notice,) = (each for each in verdict.notices if each.startswith("it was set aside: "))
        assert said in notice

    def test_a_no_in_a_file_with_several_is_one(self, original: Release, tmp_path: Path) -> None:
        """Evidence of a disagreement by somebody trusted, in JSON lines behind a bundle of no use."""
        signed = disagreements.signed(
            disagreements.observed(original.made), original.key, releases.builder_keys(original.made)
        ).bundle
        lines = b"".join(render(each) + b"\n" for each in ({"mediaType": "x"}, json.loads(signed)))
        policy = self.policy(tmp_path, original, SigningKey.generate())
        found = examine(original.folder, policy, releases.NOW, further={"all.jsonl": lines})
        assert set(codes(found.verdict)) == {Code.BUILDERS_DISAGREE}

    def test_a_rule_sees_what_is_required_and_nothing_else(self, original: Release, tmp_path: Path) -> None:
        scanner = SigningKey.generate()
        theirs = {"scan.json": bundling.sign(statement(original.digest.hex), scanner).render()}
        clean = "attestations.all(a, size(a.predicate.found) == 0) && size(attestations) == 1"
        rule = f'[[rule]]\nname = "clean"\ncel = "{clean}"\nmessage = "it is not"'
        policy = self.policy(tmp_path / "required", original, scanner, DENYING[0], rule)
        assert isinstance(examine(original.folder, policy, releases.NOW, further=theirs).verdict, Passed)
        policy = self.policy(tmp_path / "not", original, scanner, rule)
        found = examine(original.folder, policy, releases.NOW, further=theirs)
        assert codes(found.verdict) == [Code.RULE_NOT_MET]

    def test_what_is_shown_twice_counts_once(self, original: Release, tmp_path: Path) -> None:
        """Also where it is signed anew, as whoever has the key can: what is counted is what was said."""
        scanner = SigningKey.generate()
        said = [bundling.sign(statement(original.digest.hex), scanner).render() for _ in range(2)]
        theirs = {"one.json": said[0], "two.json": said[0], "three.json": said[1]}
        rule = '[[rule]]\nname = "two"\ncel = "size(attestations) >= 2"\nmessage = "two are needed"'
        policy = self.policy(tmp_path, original, scanner, DENYING[0], rule)
        found = examine(original.folder, policy, releases.NOW, further=theirs)
        assert codes(found.verdict) == [Code.RULE_NOT_MET]

    def test_what_does_not_count_is_set_aside_and_told(self, original: Release, tmp_path: Path) -> None:
        scanner, mallory = SigningKey.generate(), SigningKey.generate()
        policy = self.policy(tmp_path, original, scanner, DENYING[0])
        good = bundling.sign(statement(original.digest.hex), scanner)
        unsigned = json.loads(good.render())
        unsigned["dsseEnvelope"]["signatures"] = []
        worse = {
            "by the release key": bundling.sign(statement(original.digest.hex), original.key).render(),
            "by another": bundling.sign(statement(original.digest.hex), mallory).render(),
            "of another": bundling.sign(statement("0" * 64), scanner).render(),
            "of another type": bundling.sign(
                statement(original.digest.hex, "https://other.example/v1"), scanner
            ).render(),
            "unsigned": render_document(unsigned),
            "rubbish": b"\xff",
            "deep": b"[" * 100_000,
            "list": b"[]",
            "changed": good.render().replace(b"eyJ", b"eyI", 1),
        }
        for name, data in worse.items():
            found = examine(original.folder, policy, releases.NOW, further={name: data})
            assert codes(found.verdict) == [Code.STATEMENT_MISSING], name
            assert name not in found.attestations
        both = worse | {"good": good.render()}
        verdict = examine(original.folder, policy, releases.NOW, further=both).verdict
        assert isinstance(verdict, Passed)
        assert len([notice for notice in verdict.notices if "set aside" in notice]) == len(worse)
        said = "by another was set aside: it is not signed by a key that you trust: it names sha256:"
        assert any(notice.startswith(said) for notice in verdict.notices), "a name is a path, told once"

    @pytest.mark.parametrize(
        ("more", "said", "code"),
        [
            (
                'revoked = { at = 2020-01-01, reason = "stolen" }',
                "was revoked on 2020-01-01 (stolen)",
                Code.KEY_REVOKED,
            ),
            ("until = 2020-01-01", "counts until", Code.KEY_EXPIRED),
            ("from = 2020-01-01", "no timestamp proves", Code.TIMESTAMP_MISSING),
            ("timestamp = true", "has no trusted timestamp", Code.TIMESTAMP_MISSING),
            ("log = true", "no log that you trust", Code.NOT_IN_LOG),
        ],
    )
    def test_one_whose_signer_does_not_count_harms_nothing_and_proves_nothing(
        self, original: Release, tmp_path: Path, more: str, said: str, code: Code
    ) -> None:
        scanner, old = SigningKey.generate(), SigningKey.generate()
        before = policies.signer(old, "before", f'statements = ["{SCAN}"]\n{more}')
        policy = self.policy(tmp_path, original, scanner, DENYING[0], before)
        good = {"good": bundling.sign(statement(original.digest.hex), scanner).render()}
        worse = {"old": bundling.sign(statement(original.digest.hex), old).render()}
        found = examine(original.folder, policy, releases.NOW, further=good | worse)
        assert isinstance(found.verdict, Passed)
        (notice,) = (each for each in found.verdict.notices if "set aside" in each)
        assert notice.startswith("old was set aside") and said in notice
        assert "good" in found.attestations and "old" not in found.attestations
        alone = examine(original.folder, policy, releases.NOW, further=worse).verdict
        assert codes(alone) == [code]
        assert isinstance(alone, Failed)
        assert said in alone.reasons[0].sentence

    def test_a_scanner_cannot_sign_a_release(self, original: Release, tmp_path: Path) -> None:
        other = releases.published(tmp_path / "out", original.made, SigningKey.generate(), original.builders)
        scanner = SigningKey.generate()
        forged = releases.published(tmp_path / "forged", original.made, scanner, original.builders)
        policy = self.policy(tmp_path, original, scanner)
        for folder in (other.path, forged.path):
            assert codes(verify(folder, policy, releases.NOW)) == [Code.UNTRUSTED_SIGNER]

    def test_another_organisations_builder_has_a_vote(self, original: Release, tmp_path: Path) -> None:
        theirs = SigningKey.generate()
        named = [
            f'[[builder]]\nkey = {policies.pem(key)}\noperator = "Ours"' for key in original.builders.values()
        ]
        policy = policies.policy(
            tmp_path,
            policies.signer(original.key),
            *named,
            f'[[builder]]\nkey = {policies.pem(theirs)}\noperator = "Theirs"',
        )
        assert codes(verify(original.folder, policy, releases.NOW)) == [Code.QUORUM_NOT_MET]
        good = {"their.link": enveloped(link(original), theirs)}
        found = examine(original.folder, policy, releases.NOW, further=good)
        assert isinstance(found.verdict, Passed)
        assert found.verdict.builders == ("a", "b", "theirs")
        for worse in (
            enveloped(link(original), SigningKey.generate()),
            enveloped(link(original), original.builders["a"]),
        ):
            found = examine(original.folder, policy, releases.NOW, further={"x": worse})
            assert codes(found.verdict) == [Code.QUORUM_NOT_MET]

    def test_one_builder_has_one_vote_however_often_it_signs(self, original: Release, tmp_path: Path) -> None:
        theirs = SigningKey.generate()
        policy = policies.policy(
            tmp_path,
            policies.signer(original.key),
            '[builders]\nper = "builder"\nquorum = 2',
            f"[[builder]]\nkey = {policies.pem(theirs)}",
        )
        twice = {str(number): enveloped(link(original, f"n{number}"), theirs) for number in range(3)}
        found = examine(original.folder, policy, releases.NOW, further=twice)
        assert codes(found.verdict) == [Code.QUORUM_NOT_MET]

    @pytest.mark.parametrize("call", ["c", "a"])
    @pytest.mark.parametrize(
        ("per", "entries"),
        [
            ("builder", ['name = "c"\nrevoked = { at = 2020-01-01, reason = "stolen" }']),
            ("operator", ['operator = "X"', 'operator = "X"']),
        ],
        ids=["a revoked key", "one operator"],
    )
    def test_a_link_that_takes_the_name_of_another_is_asked_by_its_key(
        self, original: Release, tmp_path: Path, per: str, entries: list[str], call: str
    ) -> None:
        """A [[builder]] by the name alone is whom the layout calls so, and nobody else."""
        keys = [SigningKey.generate() for _ in entries]
        policy = policies.policy(
            tmp_path,
            policies.signer(original.key),
            f'[builders]\nper = "{per}"\n[[builder]]\nname = "a"',
            *(
                f"[[builder]]\nkey = {policies.pem(key)}\n{each}"
                for key, each in zip(keys, entries, strict=True)
            ),
        )
        names = dict(zip([call, "d"], keys, strict=False))
        further = {name: enveloped(link(original, name, operator="Y"), key) for name, key in names.items()}
        found = examine(original.folder, policy, releases.NOW, further=further)
        assert Code.QUORUM_NOT_MET in codes(found.verdict)

    def test_a_builder_that_is_trusted_and_disagrees_is_a_no(self, original: Release, tmp_path: Path) -> None:
        theirs = SigningKey.generate()
        policy = policies.policy(
            tmp_path,
            policies.signer(original.key),
            '[builders]\nper = "builder"',
            *(f"[[builder]]\nkey = {policies.pem(key)}" for key in (*original.builders.values(), theirs)),
        )
        assert isinstance(verify(original.folder, policy, releases.NOW), Passed)
        payload = link(original).replace(original.digest.hex.encode(), b"0" * 64)
        found = examine(original.folder, policy, releases.NOW, further={"x": enveloped(payload, theirs)})
        assert Code.BUILDERS_DISAGREE in codes(found.verdict)

    @pytest.mark.parametrize("builder", ["a", "b"])
    def test_so_is_one_that_has_vouched_and_signs_something_else(
        self, original: Release, tmp_path: Path, builder: str
    ) -> None:
        key = original.builders[builder]
        policy = policies.policy(
            tmp_path, policies.signer(original.key), f"[[builder]]\nkey = {policies.pem(key)}"
        )
        same, other = (
            link(original, builder),
            link(original, builder).replace(original.digest.hex.encode(), b"0" * 64),
        )
        further = {"x": enveloped(same, key), "y": enveloped(other, key)}
        alone = examine(original.folder, policy, releases.NOW).verdict
        again = examine(original.folder, policy, releases.NOW, further={"x": further["x"]}).verdict
        assert codes(again) == codes(alone)
        found = examine(original.folder, policy, releases.NOW, further=further)
        assert Code.BUILDERS_DISAGREE in codes(found.verdict)
        assert found.attestations["y"] == Sha256.of(further["y"])
        assert "x" not in found.attestations
        first = min(original.builders, key=lambda name: original.builders[name].public.keyid)
        said = f"builders {first} and {builder} made another"
        said = f"builder {builder} signed two links" if builder == first else said
        assert said in str(found.verdict)

    def test_so_is_a_third_builder_that_signs_twice(self, original: Release, tmp_path: Path) -> None:
        """Whichever of its two links comes first."""
        theirs = SigningKey.generate()
        policy = policies.policy(
            tmp_path,
            policies.signer(original.key),
            '[builders]\nper = "builder"',
            *(f"[[builder]]\nkey = {policies.pem(key)}" for key in (*original.builders.values(), theirs)),
        )
        good = enveloped(link(original), theirs)
        worse = enveloped(link(original).replace(original.digest.hex.encode(), b"0" * 64), theirs)
        for further in ({"x": good, "y": worse}, {"x": worse, "y": good}):
            found = examine(original.folder, policy, releases.NOW, further=further)
            assert Code.BUILDERS_DISAGREE in codes(found.verdict)


class TestWhoCounts:
    """What is told of builders, and signed in a summary, is of those that the policy counts."""

    @staticmethod
    def made(folder: Path) -> tuple[Release, list[str]]:
        """By a and b, on one host, and mallory, who says it is not; and a policy that trusts a and b."""
        one = {"boot_id": "1" * 64, "operator": "Acme"}
        far = {"boot_id": "2" * 64, "machine_id": "3" * 64, "operator": "Nobody"}
        builders = [releases.identity(name, **one) for name in "ab"]
        of = releases.observed(
            folder / "in",
            builders=[*builders, releases.identity("mallory", store="ssh-ng://elsewhere", **far)],
        )
        key, keys = SigningKey.generate(), releases.builder_keys(of)
        release = Release(releases.published(folder / "out", of, key, keys).path, key, keys, of)
        trusted = [f'[[builder]]\nname = "{name}"\nkey = {policies.pem(keys[name])}' for name in "ab"]
        return release, [policies.signer(key), *trusted]

    def test_nobody_else_makes_them_independent(self, tmp_path: Path) -> None:
        release, parts = self.made(tmp_path)
        policy = policies.policy(tmp_path, *parts, '[builders]\nper = "builder"')
        verdict = verify(release.folder, policy, releases.NOW)
        assert isinstance(verdict, Passed)
        assert (verdict.builders, verdict.independence) == (("a", "b"), "same-host")
        assert [told for told in verdict.notices if "mallory has no vote" in told]
        said = summary("pigz", release.digest, verdict, policy, {}, releases.NOW)
        assert json.loads(said)["predicate"]["verifiedLevels"][1] == "TALLYSTICK_REPRODUCED_SAME_HOST"

    def test_without_builders_in_the_policy_the_layouts_count(self, tmp_path: Path) -> None:
        release, parts = self.made(tmp_path)
        verdict = verify(release.folder, policies.policy(tmp_path, parts[0]), releases.NOW)
        assert isinstance(verdict, Passed)
        assert verdict.builders == ("a", "b", "mallory")
        assert verdict.independence == "separate-operators"


class TestByDigest:
    def test_without_the_artifact(self, release: Release) -> None:
        policy = trusting([release.key.public.spki])
        release.artifact.unlink()
        assert codes(verify(release.folder, policy, releases.NOW)) == [Code.FILE_MISSING]
        verdict = verify(release.folder, policy, releases.NOW, release.digest)
        assert isinstance(verdict, Passed)
        assert verdict.sha256 == release.digest.hex
        assert any("was left out" in notice for notice in verdict.notices)

    def test_its_size_is_nobodys_word(self, release: Release, tmp_path: Path) -> None:
        """The index tells a size, and is not signed."""
        rule = '[[rule]]\nname = "small"\ncel = "artifact.size < 5000"\nmessage = "it is too large"'
        policy = policies.policy(tmp_path / "policy", rule, policies.signer(release.key))
        assert isinstance(verify(release.folder, policy, releases.NOW, release.digest), Passed)
        size = release.artifact.stat().st_size
        release.artifact.unlink()
        index = release.folder / "release.json"
        index.write_bytes(index.read_bytes().replace(b'"size": %d' % size, b'"size": 1'))
        found = codes(verify(release.folder, policy, releases.NOW, release.digest))
        assert found == [Code.RULE_ERROR]

    def test_with_it_nothing_is_left_out(self, release: Release) -> None:
        policy = trusting([release.key.public.spki])
        verdict = verify(release.folder, policy, releases.NOW, release.digest)
        assert isinstance(verdict, Passed)
        assert verdict.notices == ()
        release.artifact.write_bytes(b"another")
        found = codes(verify(release.folder, policy, releases.NOW, release.digest))
        assert found == [Code.DIGEST_MISMATCH]

    def test_of_another(self, release: Release) -> None:
        policy = trusting([release.key.public.spki])
        for gone in (False, True):
            if gone:
                release.artifact.unlink()
            found = codes(verify(release.folder, policy, releases.NOW, Sha256("0" * 64)))
            assert found == [Code.SUBJECT_MISMATCH]

    def test_the_index_alone_proves_no_digest(self, release: Release) -> None:
        """The index is not signed: with another digest in it, the statements are about another file."""
        release.artifact.unlink()
        index = release.folder / "release.json"
        index.write_bytes(index.read_bytes().replace(release.digest.hex.encode(), b"0" * 64))
        policy = trusting([release.key.public.spki])
        found = codes(verify(release.folder, policy, releases.NOW, Sha256("0" * 64)))
        assert found == [Code.SUBJECT_MISMATCH] * 5

    def test_a_link_in_its_place(self, release: Release) -> None:
        policy = trusting([release.key.public.spki])
        release.artifact.unlink()
        release.artifact.symlink_to("/absent")
        found = codes(verify(release.folder, policy, releases.NOW, release.digest))
        assert found == [Code.UNSAFE_NAME]


class TestMonotonic:
    """Evidence by nobody whom the policy trusts never turns a no into a yes, nor does the loss of any."""

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(data=st.data())
    def test_no_stays_no(
        self, original: Release, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        work = tmp_path_factory.mktemp("work")
        parts = data.draw(st.lists(st.sampled_from(DENYING), min_size=1, max_size=1))
        policy = policies.policy(work / "policy", *parts, policies.signer(original.key))
        assert isinstance(verify(original.folder, policy, releases.NOW), Failed)
        folder = work / "release"
        shutil.copytree(original.folder, folder)
        index = json.loads((folder / "release.json").read_bytes())
        names = [entry["path"] for entry in index["files"]]
        for name in data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
            (folder / name).unlink()
        mallory = SigningKey.generate()
        theirs = {
            "attestations/more.sigstore.json": bundling.sign(
                statement(original.digest.hex), mallory
            ).render(),
            "links/build.00000000.link": enveloped(link(original), mallory),
            "more.txt": b"more",
        }
        added = data.draw(st.lists(st.sampled_from(sorted(theirs)), unique=True))
        for name in added:
            (folder / name).write_bytes(theirs[name])
        if data.draw(st.booleans()):  # the index is not signed: it can be made to fit
            there = sorted(
                path.relative_to(folder).as_posix()
                for path in folder.rglob("*")
                if path.is_file() and path.name != "release.json"
            )
            index["files"] = [
                {
                    "path": name,
                    "sha256": Sha256.of_file(folder / name).hex,
                    "size": (folder / name).stat().st_size,
                }
                for name in there
            ]
            (folder / "release.json").write_bytes(render_document(index))
        further = {
            name: theirs[name] for name in data.draw(st.lists(st.sampled_from(sorted(theirs)), unique=True))
        }
        digest = data.draw(st.sampled_from([None, original.digest]))
        verdict = examine(folder, policy, releases.NOW, digest, further).verdict
        assert isinstance(verdict, Failed)


_ODD = {
    "half a letter": b'"\\ud800"',
    "half a letter as a name": b'{"\\udfff": 1}',
    "deep lists": b"[" * 5_000 + b"]" * 5_000,
    "deep objects": b'{"a":' * 300 + b"1" + b"}" * 300,
    "a huge number": b"9" * 5_000,
    "a number past every float": b"1e999999",
    "no number": b"NaN",
    "NUL": b'"a\\u0000b"',
    "nothing": b"null",
    "a number": b"7",
    "a text": b'"x"',
    "a list": b"[[]]",
    "an object": b'{"a": {}}',
}
_AROUND = {
    "alone": b"%s",
    "a bundle": b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":%s}',
    "its content": b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":%s}',
    "its type": b'{"mediaType":%s,"dsseEnvelope":{}}',
    "an envelope": b'{"payload":"e30=","payloadType":%s,"signatures":[{"sig":"AA=="}]}',
    "its payload": b'{"payload":%s,"payloadType":"a/b","signatures":[{"sig":"AA=="}]}',
    "its signatures": b'{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[%s]}',
    "npm's": b'{"attestations":[{"bundle":%s}]}',
    "PEP 740's": b'{"version":%s,"verification_material":%s,"envelope":%s}',
    "groups of it": b'{"attestation_bundles":[{"attestations":[%s]},%s]}',
    "cosign's": b'{"base64Signature":%s,"cert":%s,"rekorBundle":%s}',
    "lines": b'{"mediaType":"x"}\n%s\n',
}


@pytest.mark.parametrize("around", _AROUND)
def test_a_bad_file_of_evidence_is_a_notice_that_names_it(original: Release, around: str) -> None:
    """Whoever can put a file beside the evidence must not be able to stop the verdict."""
    policy = trusting([original.key.public.spki])
    for odd, data in _ODD.items():
        whole = _AROUND[around].replace(b"%s", data)
        found = examine(original.folder, policy, releases.NOW, further={f"odd {odd}.json": whole})
        assert isinstance(found.verdict, Passed), odd
        assert any(f"odd {odd}.json" in each for each in found.verdict.notices), odd
