"""The same bundles, good and harmed, before us and before Sigstore's own clients.

What any client refuses we refuse, and what all of them accept we accept: each in its own mode, with a key or
with a certificate, with a log or without.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bundle_mutants
import clients
import foreign
import harms
import pytest
import strangers
from authorities import ISSUER, SUBJECT
from clients import Asked
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from foreign import ARTIFACT, PROVENANCE, Instance, Recipe
from harms import Patient
from rekors import b64

from orchestrator.bundles.certificates import Identity
from orchestrator.ground.errors import TallyError
from orchestrator.keys.dsse import pae
from orchestrator.stories.foreign_bundle import Accepted, Question, judge

EVERYONE = frozenset({"cosign", "sigstore-js", "sigstore-python"})
WITHOUT_PYTHON = EVERYONE - {"sigstore-python"}
"""It takes no keys."""
RECIPES: dict[Recipe, frozenset[str]] = {
    Recipe(): WITHOUT_PYTHON,
    Recipe(version="0.3 alternative", stamped=True): WITHOUT_PYTHON,
    Recipe(version="0.2", entry="dsse 0.0.1"): WITHOUT_PYTHON,
    Recipe(version="0.1", entry="intoto 0.0.2"): WITHOUT_PYTHON,
    Recipe("message", entry="hashedrekord 0.0.1"): WITHOUT_PYTHON,
    Recipe("message"): WITHOUT_PYTHON,
    Recipe(signer="rsa"): WITHOUT_PYTHON,
    Recipe("message", signer="rsa", entry="hashedrekord 0.0.1"): WITHOUT_PYTHON,
    # cosign has P-384 with SHA-256, and sigstore-js hashes envelopes with SHA-256 whatever the key
    Recipe("message", signer="p384", entry="hashedrekord 0.0.1"): frozenset({"sigstore-js"}),
    # sigstore-go and sigstore-python know no such entries
    Recipe(entry="dsse 0.0.2"): frozenset({"sigstore-js"}),
    Recipe(entry=None): WITHOUT_PYTHON,
    Recipe(signer="ed25519", entry=None): WITHOUT_PYTHON,
    # sigstore-js hashes artifacts before it looks at the key
    Recipe("message", signer="ed25519", entry=None): frozenset({"cosign"}),
    Recipe(signer="certificate", stamped=True): EVERYONE,
    Recipe("message", signer="certificate", stamped=True): EVERYONE,
    Recipe(signer="certificate", version="0.2", entry="dsse 0.0.1"): EVERYONE,
    Recipe("message", signer="certificate", version="0.1", entry="hashedrekord 0.0.1"): EVERYONE,
    # as sigstore-python signed until 2024
    Recipe(
        "message", "certificate", "hashedrekord 0.0.1", version="0.1", key="p384", hash="sha256"
    ): EVERYONE,
    Recipe(signer="certificate", key="p384", hash="sha256", version="0.2", entry="dsse 0.0.1"): EVERYONE,
    # sigstore-python takes no such entries
    Recipe(signer="certificate", version="0.2", entry="intoto 0.0.2", repeated=2): WITHOUT_PYTHON,
}
"""Which bundles, and who takes them when they are good."""
STRICTER = frozenset(
    {
        # what a proof says of its tree its checkpoint says too, and some look only there
        "a larger tree",
        "another root",
        # clients leave it to their callers what a payload of in-toto's media type is
        "a payload that is no statement",
    }
)
"""What every client passes over that takes the bundle, and we do not."""


@dataclass
class Court:
    """Everybody who can be asked."""

    folder: Path
    instance: Instance
    other: Instance
    cosign: Path | None
    js: Path | None

    @property
    def root(self) -> Path:
        return self.folder / "root.json"

    @property
    def artifact(self) -> Path:
        return self.folder / "artifact"

    def asked(self, bundle: bytes, recipe: Recipe, made: foreign.Made) -> Asked:
        signer = Identity(SUBJECT, ISSUER) if recipe.signer == "certificate" else made.public
        return Asked(
            bundle, self.root, self.artifact, signer, recipe.content == "dsse", recipe.entry is not None
        )

    def opinions(self, questions: list[Asked], who: frozenset[str]) -> list[dict[str, str | None]]:
        """What each client says to each question; None is yes."""
        found: list[dict[str, str | None]] = [{} for _ in questions]
        if "sigstore-js" in who and self.js:
            for opinion, said in zip(found, clients.ask_js(self.js, questions), strict=True):
                opinion["sigstore-js"] = said
        for opinion, asked in zip(found, questions, strict=True):
            if "cosign" in who and self.cosign:
                opinion["cosign"] = clients.ask_cosign(self.cosign, asked, self.folder)
            if "sigstore-python" in who:
                opinion["sigstore-python"] = clients.ask_python(asked)
        return found

    def ours(self, asked: Asked) -> str | None:
        question = Question(
            asked.artifact,
            asked.file(self.folder),
            asked.signer,
            asked.root,
            (PROVENANCE,),
            insecure_ignore_tlog=not asked.logged,
        )
        try:
            verdict = judge(question, dt.datetime.now(dt.UTC))
        except TallyError as error:
            return f"undecided: {error.message}"
        return None if isinstance(verdict, Accepted) else "; ".join(each.sentence for each in verdict.reasons)


def had(get: Callable[[Path], Path], state: Path) -> Path | None:
    try:
        return get(state)
    except TallyError as error:
        sys.stderr.write(f"notice: a client cannot be had here: {error.message}\n")
        return None


@pytest.fixture(scope="module")
def court(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Court:
    folder = tmp_path_factory.mktemp("court")
    found = Court(
        folder,
        Instance(folder / "ours"),
        Instance(folder / "theirs"),
        had(strangers.cosign, session_state),
        had(clients.sigstore_js, session_state),
    )
    found.root.write_bytes(found.instance.root.render())
    found.artifact.write_bytes(ARTIFACT)
    return found


def patient(court: Court, recipe: Recipe) -> Patient:
    made = court.instance.make(recipe)
    twin = court.instance.make(recipe, b"another artifact", key=made.key)
    return Patient(recipe, made, twin, court.instance.make(recipe), court.instance, court.other)


def test_the_clients_are_there(court: Court) -> None:
    """Those that are not are told here, once, rather than passed over in silence."""
    missing = [name for name, path in (("cosign", court.cosign), ("sigstore-js", court.js)) if path is None]
    if missing:
        pytest.skip(f"cannot be had here: {', '.join(missing)}")


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_good_bundle_is_accepted_by_everybody(court: Court, recipe: Recipe) -> None:
    made = court.instance.make(recipe)
    asked = court.asked(json.dumps(made.document).encode(), recipe, made)
    assert court.ours(asked) is None
    (opinion,) = court.opinions([asked], RECIPES[recipe])
    assert opinion, "nobody was asked"
    assert set(opinion.values()) == {None}, opinion


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_we_refuse_what_anybody_refuses_and_accept_what_all_accept(court: Court, recipe: Recipe) -> None:
    sick = patient(court, recipe)
    cases = list(harms.applicable(sick))
    questions = [court.asked(data, recipe, sick.made) for _, data in cases]
    wrong = []
    for (name, _), asked, opinion in zip(
        cases, questions, court.opinions(questions, RECIPES[recipe]), strict=True
    ):
        ours = court.ours(asked)
        if ours is None and any(opinion.values()):
            wrong.append(f"{name}: we accept what is refused: {opinion}")
        agreed = len(opinion) > 1 and not any(opinion.values())  # one client alone is no "all"
        if ours is not None and agreed and name not in STRICTER:
            wrong.append(f"{name}: we refuse what is accepted by {sorted(opinion)}: {ours}")
    assert not wrong, "\n".join(wrong)
    assert len(cases) >= (10 if recipe.entry is None else 15)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_the_mutants_that_we_accept_are_accepted(court: Court, recipe: Recipe) -> None:
    made = court.instance.make(recipe)
    accepted = [
        asked
        for data in bundle_mutants.mutants(made.document, 300, seed=2)
        if court.ours(asked := court.asked(data, recipe, made)) is None
    ][:20]
    for asked, opinion in zip(accepted, court.opinions(accepted, RECIPES[recipe]), strict=True):
        assert not any(opinion.values()), (asked.bundle, opinion)


def test_rsa_signatures_with_the_other_padding_are_refused_as_cosign_refuses_them(court: Court) -> None:
    recipe = Recipe(signer="rsa", entry=None)
    made = court.instance.make(recipe)
    assert isinstance(made.key, rsa.RSAPrivateKey)
    padded = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    signature = made.key.sign(pae(foreign.IN_TOTO, foreign.statement()), padded, hashes.SHA256())
    made.document["dsseEnvelope"]["signatures"][0]["sig"] = b64(signature)
    asked = court.asked(json.dumps(made.document).encode(), recipe, made)
    assert court.ours(asked) is not None
    if court.cosign:
        assert clients.ask_cosign(court.cosign, asked, court.folder) is not None
