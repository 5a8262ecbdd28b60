"""Thousands of harmed policies, trusted roots and others' evidence: none makes a yes of a no, none brings a
traceback, none takes long or much."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import disagreements
import mutants
import policies
import policy_mutants
import pytest
import releases
from figures import Peak
from work import Costliest

from orchestrator.bundles import trust
from orchestrator.evidence.canonical import render
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.verdict import Failed, Passed, Verdict
from orchestrator.signing import bundling
from orchestrator.stories.policy_file import load
from orchestrator.stories.verification import examine, verify

if TYPE_CHECKING:
    from tests.conftest import Tally

COUNT = 2_500
SEED = 20261124
TOML = 7  # lines of Python that tomllib takes for a character of a value: one mutant has a million of them
# Lines of Python, twice what was measured:
MOST_OF_A_POLICY = 950_000  # besides those; a table that is repeated some hundred times takes half of it
MOST_OF_A_ROOT = 32_000
MOST_OF_EVIDENCE = 310_000
MOST = 200 << 10  # KiB
SCAN = "https://scan.example/v1"
T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """A release that the policies accept, and one like it by somebody whom none of them names."""

    folder: Path
    """Where policies are, with the keys that they name."""
    key: SigningKey
    release: Path
    strange: Path
    made: releases.Made
    texts: Mapping[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("policies")
    made = releases.observed(folder / "in")
    key, stranger = SigningKey.generate(), SigningKey.generate()
    builders, log = releases.builder_keys(made), releases.log_in(folder / "log")
    release = releases.published(folder / "out", made, key, builders, log).path
    strange = releases.published(
        folder / "strange", made, stranger, releases.builder_keys(made), releases.log_in(folder / "other")
    ).path
    key.write(folder / "release")
    vouching = "\n".join(
        f'[[builder]]\nname = "{name}"\nkey = {policies.pem(each)}\noperator = "Acme {name}"'
        for name, each in builders.items()
    )
    texts = {
        "smallest": '[[signer]]\nname = "release"\nkey = "release.pub"',
        "builders": f"""name = "builders"
expires = 2036-12-31
{policies.signer(key).strip()}
{vouching}
[builders]
quorum = 2
per = "operator"
[require]
statements = ["provenance", "reproduction", "sbom"]
maximum-age = "90d"
sandbox = ["no-network", "no-host-files", "fixed-uid", "fixed-build-directory", "fixed-host-name"]
log = false""",
        "materials": """uri = "https://example.org/policy.toml"
[[signer]]
name = "release"
key = "release.pub"
until = 2036-12-31
[sources]
addresses = ["mirror://debian/**", "https://zlib.example.org/*.tar.gz"]
[[toolchain]]
from = "debian"
suite = "bookworm"
[licences]
denied = ["AGPL-3.0-only", "GPL-2.0-or-later WITH Classpath-exception-2.0"]
scope = "all"
unknown = "allow"
[[deny]]
purl = "pkg:deb/debian/xz-utils"
versions = "vers:deb/>=5.6.0|<5.6.2"
reason = "a backdoor\"""",
        "expressions": """[[signer]]
name = "release"
key = "release.pub"
[[signer]]
name = "ci"
issuer = "https://issuer.example.org"
subject-pattern = "https://ci.example.org/acme/*/.ci/release.yml@refs/tags/v*"
[[rule]]
name = "two-builders"
cel = "size(links) > 1 && links.all(link, link.builder.system == 'x86_64-linux')"
message = "too few"
[[rule]]
name = "no-telnet"
cel = "!sbom.packages.exists(p, p.name == 'telnet') && now < timestamp('2099-01-01T00:00:00Z')"
message = "telnet"
[[rule]]
name = "our-build"
cel = "provenance.buildDefinition.buildType.startsWith('https://tallystick.example/') && artifact.size > 0"
message = "built otherwise\"""",
    }
    return World(folder, key, release, strange, made, texts)


@dataclass
class Figures:
    """What judging mutants took."""

    what: str
    most: int
    """Lines of Python that judging one may take, besides `free` of each of its bytes."""
    free: int = 0
    count: int = 0
    costliest: Costliest = field(default_factory=Costliest)
    found: Counter[str] = field(default_factory=Counter)
    peak: Peak = field(default_factory=Peak)

    def judged(self, judge: Callable[[T], Verdict], mutant: T) -> Verdict | TallyError:
        """A verdict, or why there is none; anything else ends the test with its traceback."""
        begun = time.thread_time()
        verdict: Verdict | TallyError
        try:
            verdict = judge(mutant)
        except TallyError as error:
            verdict = error
            self.found["undecided"] += 1
        else:
            codes = (
                {str(each.code) for each in verdict.reasons} if isinstance(verdict, Failed) else {"passed"}
            )
            self.found.update(codes)
        self.count += 1
        free = self.free * len(mutant) if isinstance(mutant, bytes) else 0
        self.costliest.took(time.thread_time() - begun, partial(_tried, judge, mutant), free)
        return verdict

    def hold(self) -> None:
        grown, steps = self.peak.grown, self.costliest.steps()
        figures = f"{self.count} {self.what}, {steps} steps at most, {grown / 1024:.0f} MB more"
        sys.stdout.write(f"\n{figures}: {dict(self.found)}\n")  # `pytest -s` shows it
        assert steps < self.most
        assert grown < MOST


def _tried(judge: Callable[[T], Verdict], mutant: T) -> None:
    with contextlib.suppress(TallyError):
        judge(mutant)


def kept(folder: Path, data: bytes) -> Path:
    path = folder / "kept"
    path.write_bytes(data)
    return path


def test_the_policies_accept_the_one_and_refuse_the_other(world: World) -> None:
    for name, text in world.texts.items():
        path = world.folder / f"{name}.toml"
        path.write_text(text)
        assert isinstance(verify(world.release, load(path), releases.NOW), Passed), name
        assert isinstance(verify(world.strange, load(path), releases.NOW), Failed), name


@pytest.mark.parametrize("whose", ["accepted", "strange"])
def test_no_mutant_of_a_policy_accepts_what_none_of_them_names(
    world: World, tmp_path: Path, whose: str
) -> None:
    """Of the accepted release a mutant may say anything, as it is a policy of its own; but say it."""
    file = world.folder / "mutant.toml"
    figures = Figures(f"mutants of policies, the {whose} release", MOST_OF_A_POLICY, TOML)
    release = world.strange if whose == "strange" else world.release

    def judge(policy: bytes) -> Verdict:
        file.write_bytes(policy)
        return verify(release, load(file), releases.NOW)

    for mutant in policy_mutants.mutants(world.texts, SEED, COUNT):
        verdict = figures.judged(judge, mutant.data)
        if mutant.never or whose == "strange":
            said = f"{mutant.how} in {mutant.policy} was accepted"
            assert not isinstance(verdict, Passed), f"{said}; it is kept as {kept(tmp_path, mutant.data)}"
        if mutant.never:
            said = f"{mutant.how} in {mutant.policy} was read as a policy"
            assert isinstance(verdict, TallyError), f"{said}; it is kept as {kept(tmp_path, mutant.data)}"
    figures.hold()
    assert figures.found["undecided"] < figures.count, "some are policies still"
    assert figures.found["untrusted-signer" if whose == "strange" else "passed"]


def test_the_command_says_of_mutants_what_the_library_does(world: World, tally: Tally) -> None:
    """Exit codes and no traceback, of some; each is a process."""
    file = world.folder / "mutant.toml"
    codes: Counter[int] = Counter()
    for mutant in policy_mutants.mutants(world.texts, SEED + 1, 40):
        file.write_bytes(mutant.data)
        ran = tally("verify", world.strange, "--policy", file)
        assert ran.code in (1, 2), mutant.how
        assert "Traceback" not in ran.err, mutant.how
        assert ("hint:" in ran.out + ran.err) or ran.code == 2, mutant.how
        codes[ran.code] += 1
    assert set(codes) == {1, 2}


def test_no_mutant_of_a_trusted_root_accepts_what_is_in_another_log(world: World, tmp_path: Path) -> None:
    """The release is in a log that the root does not name: no mutant of the root names it."""
    other = (world.strange / TRUSTED_ROOT).read_bytes()
    policy = trusting([world.key.public.spki])
    figures = Figures("mutants of a trusted root", MOST_OF_A_ROOT)
    file = tmp_path / TRUSTED_ROOT

    def judge(data: bytes) -> Verdict:
        file.write_bytes(data)
        return verify(world.release, policy, releases.NOW, trusted=trust.load(file))

    assert isinstance(judge((world.release / TRUSTED_ROOT).read_bytes()), Passed)
    for mutant in mutants.mutants({TRUSTED_ROOT: other}, SEED + 2, 1_000):
        verdict = figures.judged(judge, mutant.data)
        said = f"{mutant.how} was accepted"
        assert not isinstance(verdict, Passed), f"{said}; it is kept as {kept(tmp_path, mutant.data)}"
    figures.hold()
    assert figures.found["not-in-log"]


def test_no_mutant_of_others_evidence_makes_a_yes_of_a_no(world: World, tmp_path: Path) -> None:
    """What a policy asks for is there about another artifact, by another key, of another kind."""
    scanner = SigningKey.generate()
    policy = policies.policy(
        tmp_path / "policy",
        policies.signer(world.key),
        policies.signer(scanner, "scanner", f'statements = ["{SCAN}"]'),
        f'[require]\nstatements = ["{SCAN}"]',
    )
    sha256 = world.made.facts.artifact.sha256.hex

    def scan(digest: str, key: SigningKey, kind: str = SCAN) -> bytes:
        subject = [{"name": "it", "digest": {"sha256": digest}}]
        said = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": kind}
        return bundling.sign(render({**said, "predicate": {"found": []}}), key).render()

    refuted = disagreements.signed(
        disagreements.observed(world.made), SigningKey.generate(), releases.builder_keys(world.made)
    )
    documents = {
        "about another artifact": scan("0" * 64, scanner),
        "by another key": scan(sha256, SigningKey.generate()),
        "of another type": scan(sha256, scanner, "https://other.example/v1"),
        "a disagreement": refuted.bundle,
        "a link": next(world.release.glob("links/*.link")).read_bytes(),
        "a bundle of the release": (world.release / "attestations/provenance.sigstore.json").read_bytes(),
    }
    figures = Figures("mutants of others' evidence", MOST_OF_EVIDENCE)

    def judge(further: Mapping[str, bytes], policy: Policy = policy) -> Verdict:
        return examine(world.release, policy, releases.NOW, further=further).verdict

    assert isinstance(judge({"it": scan(sha256, scanner)}), Passed)
    assert isinstance(judge(documents), Failed)
    for mutant in mutants.mutants(documents, SEED + 3, 1_500):
        verdict = figures.judged(judge, {**documents, mutant.file: mutant.data})
        said = f"{mutant.how} in {mutant.file!r} was accepted"
        assert not isinstance(verdict, Passed), f"{said}; it is kept as {kept(tmp_path, mutant.data)}"
        assert isinstance(verdict, Failed), "others' evidence is set aside, and never keeps us from deciding"
    figures.hold()
