"""`tally verify --policy` and `tally policy` as users meet them: exit codes, SARIF, summaries, lists."""

from __future__ import annotations

import base64
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import releases
from releases import Signed

from orchestrator.bundles import own_bundle
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import LogInstance, TrustedRoot, Window
from orchestrator.policy.verdict import Code

if TYPE_CHECKING:
    from tests.conftest import Tally

SIGNER = '[[signer]]\nname = "release"\nkey = "release.pub"\n'


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


@pytest.fixture
def policy(release: Signed, tmp_path: Path) -> Any:
    """Writes a policy beside the release's key, and gives its file."""

    def write(*parts: str) -> Path:
        shutil.copy(release.pub, tmp_path / "release.pub")
        file = tmp_path / "policy.toml"
        file.write_text("\n".join([*parts, SIGNER]))
        return file

    return write


@pytest.fixture
def harmed(release: Signed, tmp_path: Path) -> Path:
    folder = tmp_path / "harmed"
    shutil.copytree(release.folder, folder)
    (folder / release.artifact.name).write_bytes(b"another")
    return folder


DENYING = '[require]\nlog = true\n[[rule]]\nname = "never"\ncel = "false"\nmessage = "not today"'


def test_yes_and_no(tally: Tally, release: Signed, policy: Any) -> None:
    assert "PASSED" in tally("verify", release.folder, "--policy", policy()).succeeded().out
    ran = tally("verify", release.folder, "--policy", policy(DENYING)).failed(1)
    assert ran.out.count("not-in-log: ") == 5
    assert "rule-not-met: never: not today" in ran.out
    (found,) = json.loads(
        tally("verify", release.folder, "--policy", policy(DENYING), "--json").failed(1).out
    )
    assert [each["rule"] for each in found["reasons"]] == ["signer"] * 5 + ["rule never"]


def test_an_empty_and_an_expired_policy(tally: Tally, release: Signed, policy: Any, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    for words in (("verify", release.folder, "--policy", empty), ("policy", "check", empty)):
        assert "policy-empty" in tally(*words).failed(1).out
    old = policy("expires = 2020-01-01")
    for words in (("verify", release.folder, "--policy", old), ("policy", "check", old)):
        assert "policy-expired" in tally(*words).failed(1).out


def test_a_policy_with_a_mistake_decides_nothing(tally: Tally, release: Signed, policy: Any) -> None:
    file = policy("[requires]\nlog = true")
    for words in (("verify", release.folder, "--policy", file), ("policy", "check", file)):
        ran = tally(*words).failed(2)
        assert "policy.toml:1: unknown key `requires`" in ran.err
        assert "did you mean `require`?" in ran.err
        assert ran.out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["RELEASE", "--key", "KEY", "--policy", "POLICY"],
        ["RELEASE"],
        ["RELEASE", "--key", "KEY", "--json", "--sarif"],
        ["RELEASE", "--key", "KEY", "--digest", "abc"],
        ["RELEASE", "--key", "KEY", "--digest", "sha512:abc"],
        ["RELEASE", "--key", "KEY", "--digest", "sha256:ABC"],
        ["RELEASE", "RELEASE", "--key", "KEY", "--digest", "sha256:" + "0" * 64],
        ["RELEASE", "--key", "KEY", "--attest", "new"],
        ["RELEASE", "--key", "KEY", "--attest-key", "KEY"],
        ["RELEASE", "--key", "KEY", "--attest", "KEY", "--attest-key", "KEY"],
        ["RELEASE", "--key", "KEY", "--attest", "new", "--attest-key", "KEY"],
        ["RELEASE", "--key", "KEY", "--evidence", "absent"],
        ["--key", "KEY", "--list", "absent"],
        ["--key", "KEY", "--list", "-"],
        ["RELEASE", "--policy", "absent.toml"],
    ],
)
def test_undecided(tally: Tally, release: Signed, policy: Any, tmp_path: Path, words: list[str]) -> None:
    places = {"RELEASE": str(release.folder), "KEY": str(release.pub), "POLICY": str(policy())}
    ran = tally("verify", *(places.get(word, word) for word in words), folder=tmp_path).failed(2)
    assert ran.out == "" if "--json" not in words else json.loads(ran.out)["code"] == 2
    assert "tally: error: " in ran.err
    assert not (tmp_path / "new").exists()


class TestLists:
    def test_a_file_and_standard_input(self, tally: Tally, release: Signed, harmed: Path) -> None:
        names = f"\ufeff{release.folder}\n\n{harmed}\r\n{release.artifact}"
        listed = harmed.parent / "list"
        listed.write_text(names)
        for words, stdin in ((["--list", listed], None), (["--list", "-"], names), (["-"], names)):
            ran = tally("verify", *words, "--key", release.pub, stdin=stdin).failed(1)
            assert (ran.out.count("PASSED"), ran.out.count("FAILED")) == (2, 1)

    def test_more_than_one_and_twice_the_same(self, tally: Tally, release: Signed) -> None:
        words = [release.folder, release.folder, "--list", "-", "--key", release.pub, "--json"]
        ran = tally("verify", *words, stdin=f"{release.folder}\n").succeeded()
        assert [each["verdict"] for each in json.loads(ran.out)] == ["passed"] * 3


def test_by_digest(tally: Tally, release: Signed, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    shutil.copytree(release.folder, folder)
    (folder / release.artifact.name).unlink()
    ran = tally("verify", folder, "--digest", f"sha256:{release.sha256}", "--key", release.pub).succeeded()
    assert "notice: " in ran.out and "was left out" in ran.out
    ran = tally("verify", folder, "--digest", f"sha256:{'0' * 64}", "--key", release.pub).failed(1)
    assert "subject-mismatch" in ran.out


class TestSarif:
    @staticmethod
    def run(document: str) -> Any:
        """The one run, having looked at all that code scanning asks of an upload."""
        log = json.loads(document)
        assert log["version"] == "2.1.0"
        assert log["$schema"].endswith("sarif-2.1.0.json")
        (found,) = log["runs"]
        driver = found["tool"]["driver"]
        assert driver["name"] and driver["version"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert sorted(ids) == sorted(set(ids)) == sorted(map(str, Code))
        for rule in driver["rules"]:
            assert all(rule[name]["text"] for name in ("shortDescription", "fullDescription", "help"))
            assert rule["defaultConfiguration"]["level"] == "error"
        for result in found["results"]:
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] == "error"
            assert result["message"]["text"]
            (location,) = result["locations"]
            place = location["physicalLocation"]
            assert place["region"]["startLine"] == 1
            assert place["artifactLocation"]["uri"]
            assert "\\" not in place["artifactLocation"]["uri"]
            assert result["partialFingerprints"]["primaryLocationLineHash"]
        return found

    def test_yes_has_no_results(self, tally: Tally, release: Signed) -> None:
        found = self.run(tally("verify", release.folder, "--key", release.pub, "--sarif").succeeded().out)
        assert found["results"] == []
        assert found["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]

    def test_a_result_for_each_reason(self, tally: Tally, release: Signed, policy: Any) -> None:
        words = ["verify", release.folder.name, "--policy", policy(DENYING), "--sarif"]
        found = self.run(tally(*words, folder=release.folder.parent).failed(1).out)
        assert [each["ruleId"] for each in found["results"]] == ["not-in-log"] * 5 + ["rule-not-met"]
        location = found["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
        assert location == {"uri": release.folder.name}

    def test_what_cannot_be_decided(self, tally: Tally, release: Signed) -> None:
        words = ["verify", "no where", release.folder, "--key", release.pub, "--sarif"]
        found = self.run(tally(*words).failed(2).out)
        (invocation,) = found["invocations"]
        assert invocation["executionSuccessful"] is False
        assert "no where" in invocation["toolExecutionNotifications"][0]["message"]["text"]


class TestSummary:
    @staticmethod
    def read(path: Path, key: SigningKey) -> Any:
        """The statement in a summary, by a signature that holds; with all that the specification requires."""
        parsed = own_bundle.parse(path.read_bytes(), "the summary")
        assert parsed.envelope.payload_type == IN_TOTO_PAYLOAD
        assert dsse.signed_by(parsed.envelope, key.public)
        statement = json.loads(parsed.envelope.payload)
        assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
        predicate = statement["predicate"]
        assert predicate["verifier"]["id"].startswith("https://")
        assert datetime.strptime(predicate["timeVerified"], "%Y-%m-%dT%H:%M:%S%z")
        assert predicate["policy"]["uri"] and len(predicate["policy"]["digest"]["sha256"]) == 64
        assert predicate["resourceUri"].startswith("pkg:generic/")
        return statement

    def test_of_a_yes(self, tally: Tally, release: Signed, policy: Any, tmp_path: Path) -> None:
        key = SigningKey.generate()
        private, _ = key.write(tmp_path / "verifier")
        file = policy('name = "prod"\nuri = "https://example.org/policy.toml"')
        words = ["verify", release.folder, "--policy", file, "--attest", tmp_path / "vsa.json"]
        tally(*words, "--attest-key", private).succeeded()
        statement = self.read(tmp_path / "vsa.json", key)
        assert statement["subject"] == [{"name": release.artifact.name, "digest": {"sha256": release.sha256}}]
        predicate = statement["predicate"]
        assert predicate["verificationResult"] == "PASSED"
        assert predicate["verifiedLevels"] == ["SLSA_BUILD_LEVEL_1", "TALLYSTICK_REPRODUCED_SAME_HOST"]
        import hashlib

        assert predicate["policy"]["uri"] == "https://example.org/policy.toml"
        assert predicate["policy"]["digest"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        judged = {each["uri"]: each["digest"]["sha256"] for each in predicate["inputAttestations"]}
        assert len(judged) == 8
        for name, digest in judged.items():
            assert hashlib.sha256((release.folder / name).read_bytes()).hexdigest() == digest

    def test_of_a_no(self, tally: Tally, release: Signed, harmed: Path, tmp_path: Path) -> None:
        key = SigningKey.generate()
        private, _ = key.write(tmp_path / "verifier")
        words = ["verify", harmed, "--key", release.pub, "--attest-key", private, "--attest"]
        ran = tally(*words, tmp_path / "none.json").failed(1)
        assert "was not written" in ran.err, "what is not even as large as listed is not read"
        assert not (tmp_path / "none.json").exists()
        size = release.artifact.stat().st_size
        (harmed / release.artifact.name).write_bytes(b"x" * size)
        tally(*words, tmp_path / "vsa.json").failed(1)
        statement = self.read(tmp_path / "vsa.json", key)
        import hashlib

        assert statement["subject"][0]["digest"]["sha256"] == hashlib.sha256(b"x" * size).hexdigest()
        predicate = statement["predicate"]
        assert (predicate["verificationResult"], predicate["verifiedLevels"]) == ("FAILED", ["FAILED"])
        assert predicate["https://tallystick.example/verifier/v1#reasons"] == ["digest-mismatch"]

    def test_what_is_made_while_it_judges_is_not_overwritten(self, release: Signed, tmp_path: Path) -> None:
        """Looked at again when it is written: two runs at once cannot both have written their own."""
        from orchestrator.cli import asked, judging
        from orchestrator.ground.errors import TallyError

        out = tmp_path / "vsa.json"
        private = str(release.pub.with_suffix(".key"))
        signing = asked.signing_of(out, private, [release.folder])
        whom = asked.trusted_of([release.pub], None, None)
        asking = asked.asked_of(whom, [release.folder], None, None, None)
        told: list[TallyError] = []
        judging._judge(release.folder, asking, signing, told)
        assert told == []
        first = out.read_bytes()
        judging._judge(release.folder, asking, signing, told)
        assert [each.message for each in told] == [f"{out} is there already"]
        assert out.read_bytes() == first
        assert list(tmp_path.iterdir()) == [out]

    def test_it_is_no_approval_of_a_release(
        self, tally: Tally, release: Signed, policy: Any, tmp_path: Path
    ) -> None:
        """A summary by the release key, put in the place of a statement, is not taken for one."""
        words = ["verify", release.folder, "--policy", policy(), "--attest", tmp_path / "vsa.json"]
        tally(*words, "--attest-key", release.pub.with_suffix(".key")).succeeded()
        folder = tmp_path / "forged"
        shutil.copytree(release.folder, folder)
        shutil.copy(tmp_path / "vsa.json", folder / "attestations/provenance.sigstore.json")
        tally("verify", folder, "--key", release.pub).failed(1)

    def test_strangers_read_it(self, tally: Tally, release: Signed, tmp_path: Path) -> None:
        from sigstore.models import Bundle

        private, _ = SigningKey.generate().write(tmp_path / "verifier")
        words = ["verify", release.folder, "--key", release.pub, "--attest", tmp_path / "vsa.json"]
        tally(*words, "--attest-key", private).succeeded()
        document = json.loads((tmp_path / "vsa.json").read_text())
        assert document["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
        assert base64.b64decode(document["dsseEnvelope"]["payload"])
        # sigstore-python parses every bundle, and takes certificates alone
        with pytest.raises(Exception, match="certificate"):
            Bundle.from_json((tmp_path / "vsa.json").read_bytes())


class TestExplain:
    def test_each_rule(self, tally: Tally, release: Signed, policy: Any) -> None:
        ran = tally("policy", "explain", release.folder, "--policy", policy(DENYING)).failed(1)
        assert "FAIL  signer: 5 statements signed by release" in ran.out
        assert "FAIL  rule never: false" in ran.out
        ran = tally("policy", "explain", release.folder, "--policy", policy(), "--json").succeeded()
        document = json.loads(ran.out)
        assert document["passed"] is True
        assert [(each["rule"], each["holds"]) for each in document["findings"]] == [("signer", True)]

    def test_a_release_that_does_not_get_that_far(self, tally: Tally, harmed: Path, policy: Any) -> None:
        ran = tally("policy", "explain", harmed, "--policy", policy()).failed(1)
        assert "an earlier step refused" in ran.out
        assert "digest-mismatch" in ran.out

    def test_a_failure_is_told_once_and_the_decisive_one_is_named(
        self, tally: Tally, release: Signed, policy: Any
    ) -> None:
        words = ["policy", "explain", release.folder, "--policy", policy(DENYING)]
        out = tally(*words).failed(1).out
        reasons = [line for line in out.split("\n") if "not-in-log: " in line or "rule-not-met: " in line]
        assert len(reasons) == len(set(reasons)) == 6
        assert f"FAILED  {release.folder}\n  decided by signer (not-in-log), the first that fails\n" in out
        assert out.count("hint: the rule's own message") == 1
        document = json.loads(tally(*words, "--json").failed(1).out)
        (found,) = json.loads(tally("verify", *words[2:], "--json").failed(1).out)
        first = found["reasons"][0]
        assert document["decisive"] == {name: first[name] for name in ("code", "rule", "sentence")}

    def test_an_expired_policy_is_told_once(self, tally: Tally, release: Signed, policy: Any) -> None:
        words = ["policy", "explain", release.folder, "--policy", policy("expires = 2020-01-01")]
        out = tally(*words).failed(1).out
        assert out.count("policy-expired: ") == 1
        assert "decided by expires (policy-expired)" in out

    def test_by_digest(self, tally: Tally, release: Signed, policy: Any, tmp_path: Path) -> None:
        folder = tmp_path / "release"
        shutil.copytree(release.folder, folder)
        (folder / release.artifact.name).unlink()
        for verb in (["verify"], ["policy", "explain"]):
            words = [*verb, folder, "--policy", policy()]
            tally(*words).failed(1)
            out = tally(*words, "--digest", f"sha256:{release.sha256}").succeeded().out
            assert "was judged by its digest alone" in out
            assert "subject-mismatch" in tally(*words, "--digest", f"sha256:{'0' * 64}").failed(1).out
            ran = tally(*words, "--digest", "sha256:ABC").failed(2)
            assert "64 lower-case hexadecimal digits" in ran.err

    def test_what_an_earlier_step_found_is_decisive_too(
        self, tally: Tally, harmed: Path, policy: Any
    ) -> None:
        out = tally("policy", "explain", harmed, "--policy", policy(), "--json").failed(1).out
        document = json.loads(out)
        assert (document["findings"], document["decisive"]["code"]) == ([], "digest-mismatch")
        left_out = document["leftOut"]
        assert left_out[0] == "the signatures", "digests are looked at before"
        assert left_out[-1].startswith("the policy's rules: signer")
        said = tally("policy", "explain", harmed, "--policy", policy()).failed(1).out
        assert "It left out:\n  the signatures\n" in said
        assert document["decisive"]["rule"] is None

    def test_check(self, tally: Tally, policy: Any) -> None:
        ran = tally("policy", "check", policy(DENYING)).succeeded()
        assert "signers  release" in ran.out
        document = json.loads(tally("policy", "check", policy(DENYING), "--json").succeeded().out)
        assert document["rules"] == ["signer", "rule never"]


PER_BUILDER = "[builders]\nper = 'builder'\n"
A, B = "[[builder]]\nname = 'a'\n", "[[builder]]\nname = 'b'\n"


class TestCheck:
    def test_warnings_are_no_verdict(self, tally: Tally, policy: Any) -> None:
        file = policy(DENYING)
        ran = tally("policy", "check", file).succeeded()
        assert ran.out.startswith(f"OK  {file}\n")
        assert f"tally: warning: {file}: require.log: `log = true` is met by nothing" in ran.err
        assert ran.err.count("\nhint: ") == ran.err.count("tally: warning: ") == 3
        document = json.loads(tally("policy", "check", file, "--json").succeeded().out)
        assert [each["key"] for each in document["warnings"]] == ["require.log", "signer", "rule never"]
        assert all(each["sentence"] and each["hint"] for each in document["warnings"])
        assert document["reasons"] == []

    def test_none_for_a_policy_that_can_be_met(self, tally: Tally, policy: Any) -> None:
        assert tally("policy", "check", policy()).succeeded().err == ""
        assert json.loads(tally("policy", "check", policy(), "--json").succeeded().out)["warnings"] == []

    def test_by_the_root_that_verify_will_be_given(self, tally: Tally, policy: Any, tmp_path: Path) -> None:
        log = LogInstance("https://log.example", b"key", "", b"id", Window(datetime(2026, 1, 1, tzinfo=UTC)))
        file, root = policy("[require]\nlog = true"), tmp_path / "root.json"
        root.write_bytes(TrustedRoot(tlogs=(log,)).render())
        assert "require.log" in tally("policy", "check", file).succeeded().err
        ran = tally("policy", "check", file, "--trusted-root", root).succeeded()
        assert ran.err == ""
        assert "  trusts   " in ran.out
        own = policy('trusted-root = "root.json"\n[require]\nlog = true')
        ran = tally("policy", "check", own, "--trusted-root", root).failed(2)
        assert "whose word counts is said once" in ran.err

    def test_an_expired_one_says_what_verify_will_say(self, tally: Tally, policy: Any) -> None:
        out = tally("policy", "check", policy("expires = 2020-01-01")).failed(1).out
        assert "policy-expired: policy.toml was to be used until 2020-01-02 00:00 UTC" in out

    @pytest.mark.parametrize(
        ("part", "key", "code"),
        [
            ("[require]\nlog = true", "require.log", "not-in-log"),
            ("[require]\ntimestamp = true", "require.timestamp", "timestamp-missing"),
            ("[[builder]]\nname = 'a'", "builders.quorum", "quorum-not-met"),
            (
                f"{PER_BUILDER}independence = 'separate-operators'\n{A}operator = 'x'\n{B}operator = 'x'",
                "builders.independence",
                "builders-not-independent",
            ),
            (
                f"{PER_BUILDER}{A}from = 2020-01-01\n{B}",
                "builder 'a'.from",
                "timestamp-missing",
            ),
            ("[licences]\nallowed = []", "licences.allowed", "licence-denied"),
            ("[sources]\naddresses = []", "sources.addresses", "material-not-allowed"),
            ("[sources]\ndigests = []", "sources.digests", "material-not-allowed"),
            ("[[toolchain]]\nfrom = 'nixpkgs'\nrev = 'abc'", "toolchain.rev", "toolchain-not-allowed"),
            ("[[rule]]\nname = 'x'\ncel = 'false'\nmessage = 'm'", "rule x", "rule-not-met"),
            ("[[rule]]\nname = 'x'\ncel = '1 / 0 == 1'\nmessage = 'm'", "rule x", "rule-error"),
            (
                "[[rule]]\nname = 'x'\ncel = 'size(attestations) > 0'\nmessage = 'm'",
                "rule x",
                "rule-not-met",
            ),
        ],
    )
    def test_what_is_said_to_be_met_by_nothing_is_not(
        self, tally: Tally, release: Signed, policy: Any, part: str, key: str, code: str
    ) -> None:
        file = policy(part)
        assert f"{file}: {key}: " in tally("policy", "check", file).succeeded().err
        assert f"  {code}: " in tally("verify", release.folder, "--policy", file).failed(1).out

    @pytest.mark.parametrize(
        ("times", "code"),
        [
            ("until = 2020-01-01", "key-expired"),
            ("from = 2020-01-01", "timestamp-missing"),
            ("revoked = { at = 2020-01-01, reason = 'x' }", "key-revoked"),
            ("statements = ['provenance', 'reproduction', 'sbom']", "untrusted-signer"),
        ],
    )
    def test_nor_by_a_signer_who_does_not_count(
        self, tally: Tally, release: Signed, policy: Any, times: str, code: str
    ) -> None:
        file = policy()
        file.write_text(f"{SIGNER}{times}\n")
        assert f"{file}: signer" in tally("policy", "check", file).succeeded().err
        assert f"  {code}: " in tally("verify", release.folder, "--policy", file).failed(1).out


def test_schema(tally: Tally) -> None:
    document = json.loads(tally("schema", "policy").succeeded().out)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"signer", "builders", "require", "rule"} <= set(document["properties"])
    assert document["additionalProperties"] is False
