"""Releases that earlier commits made are accepted still: tests/assets/releases/README.md."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import policies
import pytest

from orchestrator.keys.key import PublicKey
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Code, Failed, Passed
from orchestrator.stories.verification import examine, verify

ASSETS = Path(__file__).parents[2] / "assets" / "releases"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
STRICT = """
[require]
statements = ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document/v2.3"]
maximum-age = "90d"
sandbox = ["no-network", "no-host-files", "fixed-uid"]

[[toolchain]]
from = "debian"
suite = "bookworm"

[sources]
digests = ["69093642cc9cc302c44bbf115fc4bab6986fd536862318c4068f7f00fde8f825"]

[[rule]]
name = "has-a-recipe"
cel = "has(provenance.buildDefinition.externalParameters.recipe)"
message = "the provenance names its recipe"
"""


def key(of: Path) -> PublicKey:
    return PublicKey.load(of / "release.pub")


@pytest.fixture(params=sorted(path.name for path in ASSETS.iterdir() if path.is_dir()))
def earlier(request: pytest.FixtureRequest) -> Path:
    return ASSETS / str(request.param)


def release(of: Path) -> Path:
    return next(path.parent for path in of.glob("*/release.json"))


def test_it_is_accepted_by_its_key(earlier: Path) -> None:
    assert isinstance(verify(release(earlier), trusting([key(earlier).spki]), NOW), Passed)


def test_it_is_accepted_by_a_policy_with_many_rules(earlier: Path, tmp_path: Path) -> None:
    policy = policies.policy(tmp_path, policies.signer(key(earlier)), STRICT)
    found = examine(release(earlier), policy, NOW)
    assert isinstance(found.verdict, Passed), found.verdict
    assert len(found.findings) > 5


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("[require]\ncommit = true", Code.UNCOMMITTED),
        ('[sources]\nrepositories = ["https://git.example.org/**"]', Code.SOURCE_NOT_ALLOWED),
    ],
)
def test_what_it_does_not_tell_is_asked_for(earlier: Path, tmp_path: Path, asked: str, code: Code) -> None:
    """What later releases say, and this one does not, has a reason of its own."""
    policy = policies.policy(tmp_path, policies.signer(key(earlier)), asked)
    verdict = verify(release(earlier), policy, NOW)
    assert isinstance(verdict, Failed)
    assert [reason.code for reason in verdict.reasons] == [code]


def test_a_changed_byte_in_it_is_refused(earlier: Path, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    shutil.copytree(release(earlier), folder)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        before = file.read_bytes()
        file.write_bytes(before[:-5] + bytes([before[-5] ^ 1]) + before[-4:])
        assert isinstance(verify(folder, trusting([key(earlier).spki]), NOW), Failed), file
        file.write_bytes(before)
    assert isinstance(verify(folder, trusting([key(earlier).spki]), NOW), Passed)
