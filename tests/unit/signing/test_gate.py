"""The gate: what must not be signed is not signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import releases

from orchestrator.agreement.agreement import Agreed, DifferingOutput, Disagreed, Incomplete
from orchestrator.builders.build import Failure, SecondResult
from orchestrator.bundles import own_bundle
from orchestrator.bundles.material import KeyHint
from orchestrator.evidence import provenance, statement
from orchestrator.evidence.layout import layout_of
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.statement import Statement
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.signing import gate
from orchestrator.signing.witnesses import Witnesses


@pytest.fixture
def made(tmp_path: Path) -> releases.Made:
    return releases.observed(tmp_path)


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


def statements(made: releases.Made) -> dict[str, Statement]:
    return {"provenance": provenance.provenance(made.facts, materials_of(made.facts), [])}


def sign(made: releases.Made, key: SigningKey, quorum: int = 2) -> object:
    return gate.sign(made.agreed, quorum, made.facts, made.artifact, statements(made), key)


def test_what_agrees_is_signed_with_exactly_one_valid_signature(made: releases.Made, key: SigningKey) -> None:
    (file,) = gate.sign(made.agreed, 2, made.facts, made.artifact, statements(made), key)
    assert file.path == "attestations/provenance.sigstore.json"
    found = own_bundle.parse(b"".join(file.chunks()), file.path)
    assert [each.keyid for each in found.envelope.signatures] == [""]
    assert found.signer == KeyHint(key.public.hint)
    assert dsse.signed_by(found.envelope, key.public)
    assert not dsse.signed_by(found.envelope, SigningKey.generate().public)


def test_what_is_signed_is_entered_into_the_log(made: releases.Made, key: SigningKey, tmp_path: Path) -> None:
    log = releases.log_in(tmp_path / "log")
    files = gate.sign(made.agreed, 2, made.facts, made.artifact, statements(made), key, Witnesses(log))
    (found,) = [own_bundle.parse(b"".join(file.chunks()), file.path) for file in files]
    (entry,) = found.entries
    assert entry.body == found.signed(key.public).body()
    with log.reading() as head:
        assert head.size == 1


def test_what_is_not_signed_is_not_entered_either(
    made: releases.Made, key: SigningKey, tmp_path: Path
) -> None:
    log = releases.log_in(tmp_path / "log")
    made.artifact.write_bytes(b"something else")
    with pytest.raises(TallyError, match="refusing to sign"):
        gate.sign(made.agreed, 2, made.facts, made.artifact, statements(made), key, Witnesses(log))
    with log.reading() as head:
        assert head.size == 0


@pytest.mark.parametrize("other", [Disagreed((), (), ()), Incomplete((), {}), None, True, object()])
def test_only_an_agreed_is_taken(made: releases.Made, key: SigningKey, other: object) -> None:
    for attempt in (
        lambda: gate.sign(other, 2, made.facts, made.artifact, statements(made), key),  # type: ignore[arg-type]
        lambda: gate.sign_links(other, 2, [], {}),  # type: ignore[arg-type]
        lambda: gate.sign_layout(other, 2, layout_of(made.facts, {}), key),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="only an Agreed"):
            attempt()


@pytest.mark.parametrize("quorum", [-1, 0, 1, 3])
def test_a_quorum_that_is_none_or_is_not_met(made: releases.Made, key: SigningKey, quorum: int) -> None:
    with pytest.raises(TallyError, match="refusing to sign"):
        sign(replace(made, facts=replace(made.facts, quorum=quorum)), key, quorum)


def test_two_virtual_machines_are_two_stores(tmp_path: Path, key: SigningKey) -> None:
    machines = [releases.identity(name, store="vm") for name in ("v", "w")]
    assert sign(releases.observed(tmp_path, builders=machines), key, 2)


def test_another_quorum_than_in_the_evidence(tmp_path: Path, key: SigningKey) -> None:
    names = [releases.identity(name) for name in "abc"]
    made = releases.observed(tmp_path, builders=names, quorum=3)
    with pytest.raises(TallyError, match="another agreement"):
        sign(made, key, 2)


Change = Callable[[Agreed], Agreed]


def _second(agreed: Agreed, **changes: object) -> Agreed:
    first, second = agreed.reports
    return replace(agreed, reports=(first, replace(second, **changes)))  # type: ignore[arg-type]


def _builds(agreed: Agreed, **changes: object) -> Agreed:
    builds = {path: replace(each, **changes) for path, each in agreed.reports[1].builds.items()}  # type: ignore[arg-type]
    return _second(agreed, builds=builds)


def _with_converged(agreed: Agreed) -> Agreed:
    """An input that differs, to which what was asked for refers by another input."""
    unlike, between = (
        releases.store_path("unlike"),
        releases.made(releases.store_path("between"), references=[releases.store_path("unlike")]),
    )
    hashes = {"a": releases.nar("a"), "b": releases.nar("b")}
    output = DifferingOutput("x.drv", "out", unlike, hashes, inherited=False)
    tied = {
        path: {name: replace(each, references=(between.path,)) for name, each in outputs.items()}
        for path, outputs in agreed.outputs.items()
    }
    reports = tuple(replace(each, inputs={**each.inputs, between.path: between}) for each in agreed.reports)
    inputs = {**agreed.inputs, between.path: between}
    return replace(agreed, reports=reports, inputs=inputs, outputs=tied, converged=(output,))


HARM: dict[str, Change] = {
    "one builder": lambda agreed: replace(agreed, reports=agreed.reports[:1]),
    "no builder": lambda agreed: replace(agreed, reports=()),
    "the same builder twice": lambda agreed: replace(agreed, reports=agreed.reports[:1] * 2),
    "no outputs": lambda agreed: replace(agreed, outputs={}),
    "outputs without any": lambda agreed: replace(agreed, outputs={path: {} for path in agreed.outputs}),
    "no sandbox": lambda agreed: _second(agreed, sandbox=None),
    "no builds": lambda agreed: _second(agreed, builds={}),
    "outputs of one missing": lambda agreed: _builds(agreed, outputs={}),
    "one made another": lambda agreed: _builds(
        agreed, outputs={"out": releases.made(releases.store_path("other"))}
    ),
    "one has another second result": lambda agreed: _builds(
        agreed, unstable={"out": SecondResult(Path("/kept"), releases.nar("x"))}
    ),
    "inputs of one missing": lambda agreed: _second(agreed, inputs={}),
    "inputs of one differ": lambda agreed: _second(
        agreed,
        inputs={path: replace(each, nar_hash=releases.nar("x")) for path, each in agreed.inputs.items()},
    ),
    "what differs below is in the closure": _with_converged,
    "one failed": lambda agreed: _second(
        agreed, failures=tuple(Failure(path, "it failed", (), None) for path in agreed.outputs)
    ),
    "one remote store twice": lambda agreed: replace(
        agreed,
        reports=tuple(
            replace(each, identity=replace(each.identity, store="ssh-ng://one.example.org"))
            for each in agreed.reports
        ),
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_an_agreed_that_does_not_hold(made: releases.Made, key: SigningKey, harm: str) -> None:
    agreed = HARM[harm](made.agreed)
    found = statements(made)
    links = [link_of(each, made.facts, materials_of(made.facts), []) for each in made.agreed.reports]
    keys = releases.builder_keys(made)
    layout = layout_of(made.facts, {each.public.keyid: each.public.pem for each in keys.values()})
    for attempt in (
        lambda: gate.sign(agreed, 2, made.facts, made.artifact, found, key),
        lambda: gate.sign_links(agreed, 2, links, keys),
        lambda: gate.sign_layout(agreed, 2, layout, key),
    ):
        with pytest.raises(TallyError, match="refusing to sign"):
            attempt()


def test_the_artifact_changed_since(made: releases.Made, key: SigningKey) -> None:
    found = statements(made)
    made.artifact.write_bytes(b"another program")
    with pytest.raises(TallyError, match="not the file that the evidence is about"):
        gate.sign(made.agreed, 2, made.facts, made.artifact, found, key)


def test_the_evidence_is_about_a_file_that_no_builder_made(made: releases.Made, key: SigningKey) -> None:
    made.artifact.write_bytes(b"another program")
    sha256, size, _ = gate.measure(made.artifact)
    facts = replace(made.facts, artifact=replace(made.facts.artifact, sha256=sha256, size=size))
    with pytest.raises(TallyError, match="not what the builders agreed on"):
        sign(replace(made, facts=facts), key)


def test_the_mode_changed_since(made: releases.Made, key: SigningKey) -> None:
    made.artifact.chmod(0o755)
    with pytest.raises(TallyError, match="not what the builders agreed on"):
        sign(made, key)


@pytest.mark.parametrize("how", ["absent", "folder", "link", "pipe"])
def test_the_artifact_is_no_flat_file(made: releases.Made, key: SigningKey, how: str, tmp_path: Path) -> None:
    import os

    place = tmp_path / "place"
    {
        "absent": lambda: None,
        "folder": place.mkdir,
        "link": lambda: place.symlink_to(made.artifact),
        "pipe": lambda: os.mkfifo(place),
    }[how]()
    with pytest.raises(TallyError):
        gate.sign(made.agreed, 2, made.facts, place, statements(made), key)


def test_a_statement_that_nobody_would_read(
    made: releases.Made, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "LARGEST_PAYLOAD", 1000)
    with pytest.raises(
        TallyError, match=r"statement provenance takes [\d,]+ bytes, and verifiers read 1,000"
    ):
        sign(made, key)


def test_a_statement_about_something_else(made: releases.Made, key: SigningKey) -> None:
    facts = replace(made.facts, artifact=replace(made.facts.artifact, sha256=Sha256.of(b"other")))
    found = {"provenance": statement.make(facts, "https://example.org/type", {})}
    with pytest.raises(TallyError, match="about something else"):
        gate.sign(made.agreed, 2, made.facts, made.artifact, found, key)


class TestLinks:
    def links(self, made: releases.Made) -> list[object]:
        return [link_of(each, made.facts, materials_of(made.facts), []) for each in made.agreed.reports]

    def test_two_builders_with_one_key(self, made: releases.Made) -> None:
        key = SigningKey.generate()
        with pytest.raises(TallyError, match="the same key"):
            gate.sign_links(made.agreed, 2, self.links(made), {"a": key, "b": key})  # type: ignore[arg-type]

    @pytest.mark.parametrize("number", [0, 1, 3])
    def test_not_one_from_each(self, made: releases.Made, number: int) -> None:
        links = (self.links(made) * 2)[:number]
        with pytest.raises(TallyError, match="one link from each"):
            gate.sign_links(made.agreed, 2, links, releases.builder_keys(made))  # type: ignore[arg-type]

    def test_another_threshold(self, made: releases.Made) -> None:
        layout = layout_of(replace(made.facts, quorum=3), {})
        with pytest.raises(TallyError, match="the quorum is 2"):
            gate.sign_layout(made.agreed, 2, layout, SigningKey.generate())
