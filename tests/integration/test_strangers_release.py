"""Key-signed releases of ours, good and bad in many ways, before clients that we did not write.

Each is asked what it can be asked: cosign, sigstore-js and sigstore-python's parts about every bundle,
in-toto-verify about links and layout. What any of them refuses we refuse, as a release and bundle by bundle.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import clients
import corruptions
import pytest
import releases
import strangers
from clients import Asked
from corruptions import CORRUPTIONS, World

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.log.trusted_root import TRUSTED_ROOT, TrustedRoot
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed, Verdict
from orchestrator.stories.foreign_bundle import Accepted, Question, judge
from orchestrator.stories.verification import verify

LEAST = 10
"""In how many ways a release has to be bad in the eyes of each client: else it was not really asked."""
KINDS = {**strangers.TYPES, "provenance": "https://slsa.dev/provenance/v1"}


class Court:
    """Everybody who can be asked, and the release of these tests."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder, self.world = folder, World.new(folder / "world")
        self.cosign = self._had(strangers.cosign, state)
        self.js = self._had(clients.sigstore_js, state)
        self.root = folder / "root.json"
        self.root.write_bytes(TrustedRoot(tlogs=(self.world.log.instance,)).render())
        _, self.pub = self.world.key.write(folder / "release")

    def _had(self, get: object, state: Path) -> Path | None:
        try:
            found: Path = get(state)  # type: ignore[operator]
        except TallyError as error:
            sys.stderr.write(f"notice: a client cannot be had here: {error.message}\n")
            return None
        return found

    def questions(self, folder: Path) -> dict[str, Asked]:
        """About each bundle that is there, if the artifact is."""
        artifact, key = folder / self.world.artifact, self.world.key.public
        return {
            name: Asked(path.read_bytes(), self.root, artifact, key, enveloped=True, kind=kind)
            for name, kind in KINDS.items()
            if (path := folder / "attestations" / f"{name}.sigstore.json").exists() and artifact.exists()
        }

    def opinions(self, folder: Path) -> dict[str, dict[str, str | None]]:
        """What each client says of each bundle, and in-toto-verify of the whole; None is yes."""
        asked = self.questions(folder)
        found: dict[str, dict[str, str | None]] = {
            "sigstore-python": {name: clients.ask_python_of_parts(each) for name, each in asked.items()}
        }
        if self.cosign:
            found["cosign"] = {
                name: clients.ask_cosign(self.cosign, each, self.folder) for name, each in asked.items()
            }
        if self.js and asked:
            found["sigstore-js"] = dict(
                zip(asked, clients.ask_js(self.js, list(asked.values())), strict=True)
            )
        code, said = strangers.in_toto_verify(folder, self.pub)
        (folder / "artifact.link").unlink(missing_ok=True)
        found["in-toto-verify"] = {"": None if code == 0 else said or "no"}
        return found

    def ours(self, folder: Path) -> Verdict | TallyError:
        root = TrustedRoot(tlogs=(self.world.log.instance,))
        try:
            return verify(folder, trusting([self.world.key.public.spki]), releases.NOW, trusted=root)
        except TallyError as error:
            return error

    def ours_of(self, asked: Asked, name: str) -> str | None:
        """What `tally verify --bundle` says of one bundle; None is yes."""
        file = asked.file(self.folder)
        question = Question(asked.artifact, file, self.world.key.public, self.root, (KINDS[name],))
        verdict = judge(question, releases.NOW)
        return None if isinstance(verdict, Accepted) else verdict.reasons[0].sentence


@pytest.fixture(scope="module")
def court(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Court:
    return Court(tmp_path_factory.mktemp("court"), session_state)


def test_the_clients_are_there(court: Court) -> None:
    """Those that are not are told here, once, rather than passed over in silence."""
    missing = [name for name, path in (("cosign", court.cosign), ("sigstore-js", court.js)) if path is None]
    if missing:
        pytest.skip(f"cannot be had here: {', '.join(missing)}")


def test_a_good_release_is_accepted_by_everybody(court: Court, tmp_path: Path) -> None:
    folder = court.world.copy(tmp_path / "good")
    said = court.opinions(folder)
    assert {name: set(each.values()) for name, each in said.items()} == {name: {None} for name in said}
    assert all(each.keys() == KINDS.keys() for name, each in said.items() if name != "in-toto-verify")
    verdict = court.ours(folder)
    assert not isinstance(verdict, Failed | TallyError), verdict
    assert {court.ours_of(each, name) for name, each in court.questions(folder).items()} == {None}


def test_a_good_release_in_a_log_that_is_not_known(court: Court, tmp_path: Path) -> None:
    folder = court.world.copy(tmp_path / "good")
    releases.log_in(tmp_path / "other")
    other = tmp_path / "other" / TRUSTED_ROOT
    key, artifact = court.world.key.public, folder / court.world.artifact
    data = (folder / "attestations" / "provenance.sigstore.json").read_bytes()
    asked = Asked(data, other, artifact, key, enveloped=True)
    assert clients.ask_python_of_parts(asked) is not None
    if court.cosign:
        assert clients.ask_cosign(court.cosign, asked, court.folder) is not None
    if court.js:
        assert clients.ask_js(court.js, [asked]) != [None]
    question = Question(artifact, asked.file(court.folder), key, other, (KINDS["provenance"],))
    assert isinstance(judge(question, releases.NOW), Failed)


def test_what_any_client_refuses_we_refuse(court: Court, tmp_path: Path) -> None:
    refusals: Counter[str] = Counter()
    wrong = []
    for number, name in enumerate(CORRUPTIONS):
        folder = corruptions.corrupted(name, court.world, tmp_path / str(number))
        verdict = court.ours(folder)
        questions = court.questions(folder)
        if not isinstance(verdict, Failed):
            wrong.append(f"{name}: we do not refuse it: {verdict}")
        for client, said in court.opinions(folder).items():
            refusals[client] += any(said.values())
            for bundle, why in said.items():
                if why is None or bundle not in questions:
                    continue
                if court.ours_of(questions[bundle], bundle) is None:
                    wrong.append(f"{name}: {client} refuses the {bundle}, and --bundle accepts it: {why}")
    counts = ", ".join(f"{client} {count}" for client, count in sorted(refusals.items()))
    sys.stdout.write(f"\nof {len(CORRUPTIONS)} bad releases refused: {counts}\n")  # `pytest -s` shows it
    assert not wrong, "\n".join(wrong)
    assert min(refusals.values()) >= LEAST, counts


def digests(folder: Path) -> dict[str, Sha256]:
    return {
        str(path.relative_to(folder)): Sha256.of_file(path) for path in folder.rglob("*") if path.is_file()
    }


def test_every_corruption_is_one(court: Court, tmp_path: Path) -> None:
    for number, name in enumerate(CORRUPTIONS):
        folder = corruptions.corrupted(name, court.world, tmp_path / str(number))
        assert digests(folder) != digests(court.world.good), name
