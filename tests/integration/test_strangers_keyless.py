"""Forged releases by an identity before Sigstore's own clients and in-toto: what one refuses, we refuse."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import clients
import pytest
import strangers
from clients import Asked
from forgeries import ALICE, FORGERIES, World

from orchestrator.bundles.certificates import Identity
from orchestrator.evidence.layout import LAYOUT_KEY
from orchestrator.ground.errors import TallyError
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.stories.verification import verify

SURE = {"cosign": 20, "sigstore-js": 20, "sigstore-python": 20, "in-toto-verify": 1}
"""How many of the forgeries each refuses at least: else it was not really asked."""


def opinions(
    world: World, folder: Path, cosign: Path | None, js: Path | None, scratch: Path
) -> dict[str, str | None]:
    """What each client says of a release: its first no, or None for yes."""
    root = world.folder / "root.json"
    root.write_bytes(world.root.render())
    artifact = folder / world.made.facts.artifact.file_name
    asked = [
        Asked(path.read_bytes(), root, artifact, Identity(ALICE.subject, ALICE.issuer), True, kind=kind)
        for name, kind in strangers.TYPES.items()
        if (path := folder / "attestations" / f"{name}.sigstore.json").exists()
    ]

    def first(found: list[str | None]) -> str | None:
        return next((said for said in found if said is not None), None)

    said: dict[str, str | None] = {"sigstore-python": first([clients.ask_python(each) for each in asked])}
    if cosign is not None:
        said["cosign"] = first([clients.ask_cosign(cosign, each, scratch) for each in asked])
    if js is not None:
        said["sigstore-js"] = first(clients.ask_js(js, asked))
    if (folder / LAYOUT_KEY).exists():
        code, words = strangers.in_toto_verify(folder, folder / LAYOUT_KEY)
        (folder / "artifact.link").unlink(missing_ok=True)
        said["in-toto-verify"] = None if code == 0 else words
    return said


def test_what_any_of_them_refuses_we_refuse(
    tmp_path: Path, session_state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World.new(tmp_path / "world")
    cosign = js = None
    try:
        cosign, js = strangers.cosign(session_state), clients.sigstore_js(session_state)
    except TallyError as error:
        with capsys.disabled():
            print(f"\nnot asked: {error.message}")  # noqa: T201  a notice that must be seen

    def ours(folder: Path) -> Passed | Failed:
        return verify(folder, trusting([], ALICE), dt.datetime.now(dt.UTC), trusted=world.root)

    good = world.good(tmp_path / "good")
    everybody = opinions(world, good, cosign, js, tmp_path)
    assert set(everybody.values()) == {None}, everybody
    assert isinstance(ours(good), Passed)

    refusals: dict[str, list[str]] = {name: [] for name in everybody}
    for number, (name, (code, make)) in enumerate(FORGERIES.items()):
        folder = make(world, tmp_path / str(number))
        verdict = ours(folder)
        for client, said in opinions(world, folder, cosign, js, tmp_path).items():
            if said is not None:
                refusals[client].append(name)
                assert isinstance(verdict, Failed), f"{client} refuses {name}, and we do not: {said}"
        assert isinstance(verdict, Failed), name
        assert {str(each.code) for each in verdict.reasons} == {code}
    with capsys.disabled():
        counts = ", ".join(f"{name} {len(found)}" for name, found in refusals.items())
        print(f"\nof {len(FORGERIES)} forgeries refused: tally {len(FORGERIES)}, {counts}")  # noqa: T201
    for name, found in refusals.items():
        assert len(found) >= SURE[name], (name, found)
