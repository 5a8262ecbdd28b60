"""Releases by a key, in a Rekor v2 and with timestamps, before others' programs: what one refuses, we do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import clients
import pytest
import releases
import strangers
from clients import Asked
from services import Services
from witness_harms import BUNDLE, HARMS, Case

from orchestrator.ground.errors import TallyError
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Failed, Passed
from orchestrator.stories.verification import verify

SURE = {"cosign": 20, "sigstore-js": 20}
"""How many of the harms each refuses at least: else it was not really asked."""


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("case")
    with Services.running(folder) as services:
        yield Case.new(folder, services)


@pytest.fixture(scope="module")
def programs(session_state: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, fetch in (("cosign", strangers.cosign), ("sigstore-js", clients.sigstore_js)):
        try:
            found[name] = fetch(session_state)
        except TallyError as error:
            print(f"\nnot asked: {error.message}")  # noqa: T201  a notice that must be seen
    if not found:
        pytest.skip("no client can be had here")
    return found


def opinions(
    case: Case, folder: Path, kinds: dict[str, str], programs: dict[str, Path]
) -> dict[str, list[str | None]]:
    """What each client says of the release's bundles of these kinds."""
    asked = [
        Asked(
            (folder / f"attestations/{name}.sigstore.json").read_bytes(),
            case.services.root_file(), case.artifact, case.key.public, enveloped=True, kind=kind,
        )
        for name, kind in kinds.items()
    ]  # fmt: skip
    found: dict[str, list[str | None]] = {}
    if "sigstore-js" in programs:
        found["sigstore-js"] = clients.ask_js(programs["sigstore-js"], asked)
    if "cosign" in programs:
        found["cosign"] = [
            clients.ask_cosign(programs["cosign"], each, case.services.folder) for each in asked
        ]
    return found


def test_every_client_takes_every_bundle(case: Case, programs: dict[str, Path]) -> None:
    found = opinions(case, case.folder, strangers.TYPES, programs)
    assert found == {name: [None] * len(strangers.TYPES) for name in programs}


def test_the_embedded_log_with_timestamps(case: Case, programs: dict[str, Path], tmp_path: Path) -> None:
    log = releases.log_in(tmp_path / "log")
    keys = releases.builder_keys(case.made)
    folder = releases.published(tmp_path / "out", case.made, case.key, keys, log, case.services.clock).path
    root = folder / "trusted_root.json"
    asked = [
        Asked(
            path.read_bytes(),
            root,
            case.artifact,
            case.key.public,
            enveloped=True,
            kind=strangers.TYPES[name],
        )
        for name in strangers.TYPES
        for path in [folder / f"attestations/{name}.sigstore.json"]
    ]
    if "sigstore-js" in programs:
        assert clients.ask_js(programs["sigstore-js"], asked) == [None] * len(asked)
    if "cosign" in programs:
        assert [clients.ask_cosign(programs["cosign"], each, tmp_path) for each in asked] == [None] * len(
            asked
        )


def test_what_any_of_them_refuses_we_refuse(
    case: Case, programs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    policy = trusting([case.key.public.spki])
    refusals: dict[str, list[str]] = {name: [] for name in programs}
    assert isinstance(verify(case.folder, policy, now, trusted=case.root), Passed)
    folders = {name: case.harmed(name, tmp_path / str(number)) for number, name in enumerate(HARMS)}
    for name, folder in folders.items():
        assert isinstance(verify(folder, policy, now, trusted=case.root), Failed), name
    asked = [
        Asked(
            (folder / BUNDLE).read_bytes(), case.services.root_file(), case.artifact, case.key.public,
            enveloped=True,
        )
        for folder in folders.values()
    ]  # fmt: skip
    if "sigstore-js" in programs:
        said = clients.ask_js(programs["sigstore-js"], asked)
        refusals["sigstore-js"] = [name for name, each in zip(folders, said, strict=True) if each]
    if "cosign" in programs:
        for name, each in zip(folders, asked, strict=True):
            if clients.ask_cosign(programs["cosign"], each, tmp_path):
                refusals["cosign"].append(name)
    with capsys.disabled():
        counts = ", ".join(f"{name} {len(found)}" for name, found in refusals.items())
        print(f"\nof {len(HARMS)} harms to log and timestamp refused: tally {len(HARMS)}, {counts}")  # noqa: T201
    for name, found in refusals.items():
        assert len(found) >= SURE[name], (name, found)
