"""What a certificate proves is the same for a release and for a bundle by itself (`--bundle`)."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from foreign import Recipe
from forgeries import ALICE, Forger, World

from orchestrator.bundles import chains
from orchestrator.bundles.certificates import Identity
from orchestrator.evidence.terms import BUNDLES, PROVENANCE
from orchestrator.ground.errors import TallyError
from orchestrator.log.trusted_root import TrustedRoot, Window
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed, Passed, Reason
from orchestrator.stories.foreign_bundle import Accepted, Question, judge
from orchestrator.stories.verification import verify

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
PAST = Window(NOW - 300 * DAY, NOW - 200 * DAY)
FUTURE = Window(NOW + 200 * DAY, None)
PRESENT = Window(NOW - DAY, NOW + DAY)
PARTS = ("certificate_authorities", "ctlogs")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.new(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def good(world: World) -> Path:
    return world.good(world.folder / "copy")


def judged(folder: Path, root: TrustedRoot) -> list[Sequence[Reason]]:
    """The reasons against it, as a release and as a bundle; none: it is accepted."""
    now = datetime.now(UTC)
    verdict = verify(folder, trusting([], ALICE), now, trusted=root)
    assert isinstance(verdict, Passed | Failed)
    path = folder.with_name(f"{folder.name}.root.json")
    path.write_bytes(root.render())
    (artifact,) = folder.glob("*.tar.gz")
    who = Identity(ALICE.subject, ALICE.issuer)
    found = judge(Question(artifact, folder / BUNDLES[PROVENANCE], who, path, (PROVENANCE,)), now)
    assert isinstance(found, Accepted | Failed)
    return [each.reasons if isinstance(each, Failed) else () for each in (verdict, found)]


def refused(folder: Path, root: TrustedRoot) -> list[str]:
    """What both say, each with the same code."""
    found = judged(folder, root)
    assert [[str(each.code) for each in reasons] for reasons in found] == [["certificate-invalid"]] * 2
    return [reasons[0].sentence for reasons in found]


@pytest.mark.parametrize("part", PARTS)
class TestWindows:
    def test_inside(self, world: World, good: Path, part: str) -> None:
        (own,) = getattr(world.root, part)
        assert judged(good, replace(world.root, **{part: (replace(own, window=PRESENT),)})) == [(), ()]

    @pytest.mark.parametrize("window", [PAST, FUTURE], ids=["ended", "starts later"])
    def test_outside(self, world: World, good: Path, part: str, window: Window) -> None:
        (own,) = getattr(world.root, part)
        for sentence in refused(good, replace(world.root, **{part: (replace(own, window=window),)})):
            assert "was in use then" in sentence
            assert f"and not on {datetime.now(UTC):%Y-%m-%d}" in sentence

    def test_another_that_is_in_use_does_not_stand_in(self, world: World, good: Path, part: str) -> None:
        (own,), (other,) = getattr(world.root, part), getattr(world.other.root, part)
        for sentence in refused(good, replace(world.root, **{part: (replace(own, window=PAST), other)})):
            assert f"to {PAST.end:%Y-%m-%d}, and not on" in sentence

    def test_one_that_was_taken_into_use_again(self, world: World, good: Path, part: str) -> None:
        (own,) = getattr(world.root, part)
        windows = tuple(replace(own, window=each) for each in (PAST, PRESENT, FUTURE))
        assert judged(good, replace(world.root, **{part: windows})) == [(), ()]


def test_every_proven_moment_counts(world: World, tmp_path: Path) -> None:
    """The log's promise is as good a time as a timestamp: here it is the only one."""
    recipe = Recipe(signer="certificate", entry="dsse 0.0.1")
    folder = world.release(tmp_path / "out", Forger(world.instance, recipe=recipe))
    (own,) = world.root.certificate_authorities
    root = replace(world.root, certificate_authorities=(replace(own, window=PAST),))
    assert judged(folder, world.root) == [(), ()]
    refused(folder, root)


@pytest.mark.parametrize(
    "names",
    [
        [x509.RFC822Name(ALICE.subject), x509.RFC822Name("m@example.org")],
        [x509.UniformResourceIdentifier(ALICE.subject)],
        [x509.DNSName(ALICE.subject)],
    ],
    ids=["two addresses", "an address as URI", "an address as DNS name"],
)
def test_a_certificate_is_for_one_name_of_its_kind(
    world: World, tmp_path: Path, names: Sequence[x509.GeneralName]
) -> None:
    folder = world.release(tmp_path / "out", Forger(world.instance, subject=names))
    for sentence in refused(folder, world.root):
        assert "is not for one URI or one e-mail address" in sentence


def test_no_folder_has_to_be_writable(
    world: World, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that is read-only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    chains._anchors.cache_clear()
    assert judged(good, world.root) == [(), ()]


def test_a_machine_without_room_is_told_as_such(
    world: World, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "memfd_create", full)
    chains._anchors.cache_clear()
    with pytest.raises(TallyError, match=r"the trusted root cannot be used: .*Too many open files"):
        judged(good, world.root)
