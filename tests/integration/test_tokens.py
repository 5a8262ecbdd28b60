"""Releases signed by keys in a PKCS#11 token: SoftHSM, spoken to by securesystemslib's signer."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import strangers
from projects import Project
from tokens import PIN, WRONG, Desk, Shelf

from orchestrator.builders.configuration import load
from orchestrator.ground import key_address
from orchestrator.keys.key import PublicKey
from orchestrator.run.outcome import Unpublished

if TYPE_CHECKING:
    from tests.conftest import TallyIn


@pytest.fixture
def desk(tmp_path: Path, tally_in: TallyIn) -> Desk:
    found = Desk(tally_in(tmp_path), Shelf.made(tmp_path / "shelf").token("release"))
    found.tally("keys", "generate", "other").succeeded()
    return found


class TestWhereTheKeyIs:
    """One token, and addresses that fit it or do not."""

    def test_by_object_by_id_and_by_all_that_a_token_has(self, desk: Desk) -> None:
        by_object = desk.token.keypair("first", "a1")
        desk.token.keypair("second", "a2")
        (serial,) = desk.token.shelf.serials
        maker = "manufacturer=SoftHSM%20project;model=SoftHSM%20v2"
        every = f"serial={serial};{maker};object=first;id=%a1;type=private"
        for address in (by_object, desk.token.address("id=%A1"), desk.token.address(every)):
            desk.opens(address)
            shown = json.loads(desk("keys", "show", address, "--json", pin=None).succeeded().out)
            assert shown["kind"] == "ecdsa-p256"
        desk("keys", "show", by_object, "--out", "first.pub", pin=None).succeeded()
        first = PublicKey.load(desk.tally.folder / "first.pub")
        assert shown["pem"] == first.pem
        other = desk("keys", "show", desk.token.address("object=second"), pin=None).succeeded().out
        assert first.fingerprint not in other
        again = desk("keys", "show", by_object, "--out", "first.pub", pin=None).failed(2)
        assert "never overwritten" in again.err

    def test_no_such_object_token_or_module(self, desk: Desk) -> None:
        address = desk.token.keypair("first", "a1")
        for wrong, said in (
            (address.replace("object=first", "object=third"), "keys there: 'first' (id a1)"),
            (address.replace("object=first", "object=first;id=%a2"), "keys there: 'first' (id a1)"),
            (address.replace("token=release", "token=retired"), "shows: 'release'"),
            (address.replace("token=release", "token=release;serial=0"), "shows: 'release'"),
            (address.replace("token=release", "token=release;slot-id=7"), "shows: 'release'"),
            (address.replace("libsofthsm2", "nowhere"), "there is no PKCS#11 module"),
            (address.partition("?")[0], "no PKCS#11 module is named"),
        ):
            assert said in desk.refuses(wrong), wrong

    def test_modules_that_are_none(self, desk: Desk) -> None:
        junk = desk.tally.folder / "junk.so"
        junk.write_bytes(b"\x7fELF, and nothing else")
        for module in (junk, Path(sys.executable), desk.tally.folder):
            said = desk.refuses(f"pkcs11:object=first?module-path={module}")
            assert str(module) in said

    def test_the_module_from_the_environment(self, desk: Desk) -> None:
        address, _, module = desk.token.keypair("first").partition("?module-path=")
        Desk(desk.tally, desk.token, {"PYKCS11LIB": module}).opens(address)
        relative = Desk(desk.tally, desk.token, {"PYKCS11LIB": "libsofthsm2.so"})
        assert "is not a whole path" in relative.refuses(address)

    def test_two_keys_that_match(self, desk: Desk) -> None:
        first = desk.token.keypair("same", "a1")
        desk.token.keypair("same", "a2")
        said = desk.refuses(first)
        assert "2 keys in the token 'release'" in said
        assert "'same' (id a1), 'same' (id a2)" in said
        desk.opens(desk.token.address("object=same;id=%a2"))

    def test_two_keys_with_one_id(self, desk: Desk) -> None:
        """securesystemslib's signer would not know which one is meant."""
        first = desk.token.keypair("first", "a1")
        desk.token.keypair("second", "a1")
        assert "several keys in the token 'release' have the id a1" in desk.refuses(first)

    def test_two_tokens(self, desk: Desk) -> None:
        address = desk.token.keypair("first")
        other = desk.token.shelf.token("spare")
        other.keypair("first")
        assert "2 tokens are what" in desk.refuses(address.replace("token=release;", ""))
        desk.opens(address)
        desk.token.shelf.token("release")
        assert "2 tokens are what" in desk.refuses(address)
        found = []
        for serial in desk.token.shelf.serials:
            said = desk.refuses(address.replace("token=release", f"token=release;serial={serial}"))
            found.append("several tokens by the label 'release'" in said)
        assert sorted(found) == [False, True, True], "securesystemslib's signer knows tokens by their label"

    @pytest.mark.parametrize("identifier", ["00", "0001"])
    def test_an_id_that_the_signer_cannot_say(self, desk: Desk, identifier: str) -> None:
        assert f"has the id {identifier}" in desk.refuses(desk.token.keypair("first", identifier))

    @pytest.mark.parametrize(
        ("kind", "name"),
        [("RSA:2048", "RSA"), ("EC:secp384r1", "ecdsa-sha2-nistp384"), ("EC:edwards25519", "Ed25519")],
    )
    def test_a_key_of_another_kind_is_refused_by_its_name(self, desk: Desk, kind: str, name: str) -> None:
        address = desk.token.keypair("first", "01", kind)
        assert f"the key in the token 'release' is of another kind: {name}" in desk.refuses(address)
        assert f"of another kind: {name}" in desk("keys", "show", address).failed(2).err

    def test_a_public_half_of_another_key(self, desk: Desk) -> None:
        """The two halves are found by one id: what they are together, the trial shows."""
        address = desk.token.keypair("first", "a1")
        desk.token.keypair("second", "a2")
        for name, kind in (("first", "pubkey"), ("second", "privkey")):
            desk.token.tool("--delete-object", "--type", kind, "--label", name)
        desk.token.tool("--set-id", "a1", "--type", "pubkey", "--id", "a2")
        assert "is no signature by its public key" in desk.refuses(address)

    def test_a_private_half_without_a_public_one(self, desk: Desk) -> None:
        address = desk.token.keypair("first", "a1")
        desk.token.tool("--delete-object", "--type", "pubkey", "--id", "a1")
        assert "could not find ECDSA key" in desk.refuses(address)


class TestThePin:
    def test_from_a_file_descriptor(self, desk: Desk) -> None:
        address = desk.token.keypair("first", "01", "EC:prime256v1", "--private")
        command = ("build", "none.toml", "--key", address, "--passphrase-fd", "0")
        (desk.tally.folder / "none.toml").write_text("")
        wrong = desk(*command, pin=None, stdin=f"{WRONG}\n").failed(2)
        assert "the token 'release' is not opened by this PIN" in wrong.err
        right = desk(*command, pin=None, stdin=f"{PIN}\n").failed(2)
        assert "there is no tally.lock" in right.err, "the key is tried before anything else is read"

    def test_from_a_file_that_the_address_names(self, desk: Desk) -> None:
        desk.token.keypair("first")
        (desk.tally.folder / "pin").write_text(f"{PIN}\n")
        address = desk.token.address("object=first", f"&pin-source=file:{desk.tally.folder}/pin")
        desk.opens(address, pin=None)
        desk.opens(address, pin=WRONG)  # what the address says comes before the environment
        (desk.tally.folder / "pin").write_text(f"{WRONG}\n")
        assert "not opened by this PIN" in desk.refuses(address, pin=None)
        (desk.tally.folder / "pin").write_text("")
        assert "pin is empty" in desk.refuses(address, pin=None)
        (desk.tally.folder / "pin").unlink()
        assert "cannot read the PIN's file" in desk.refuses(address, pin=None)

    def test_from_the_person_at_the_terminal(self, desk: Desk) -> None:
        address = desk.token.keypair("first")
        (desk.tally.folder / "none.toml").write_text("")
        for pin, said in ((WRONG, "not opened by this PIN"), (PIN, "there is no tally.lock")):
            told = at_a_terminal(desk, pin, "build", "none.toml", "--key", address)
            assert "PIN of the token 'release': " in told
            assert said in told
            assert pin not in told

    @pytest.mark.parametrize("pin", [WRONG, "1", "x" * 300, "ümlaut", "\udcff"])
    def test_a_wrong_one(self, desk: Desk, pin: str) -> None:
        said = desk.refuses(desk.token.keypair("first"), pin=pin)
        assert "the token 'release'" in said
        assert len(pin) == 1 or pin not in said

    def test_nobody_to_ask(self, desk: Desk) -> None:
        assert "the token 'release' needs a PIN" in desk.refuses(desk.token.keypair("first"), pin=None)

    def test_one_in_the_open(self, desk: Desk) -> None:
        desk.token.keypair("first")
        address = desk.token.address("object=first", f"&pin-value={PIN}")
        assert "has the PIN in it" in desk.refuses(address)
        (desk.tally.folder / "none.toml").write_text("")
        (desk.tally.folder / "tally.toml").write_text(f'[signing]\nkey = "{address}"\n')
        said = desk("build", "none.toml").failed(2).err
        assert "tally.toml:2: `signing.key`: the PKCS#11 address has the PIN in it" in said

    def test_a_public_half_that_only_the_pin_shows(self, desk: Desk) -> None:
        address = desk.token.keypair("first", "a1", "EC:prime256v1", "--private")
        assert "needs a PIN" in desk("keys", "show", address, pin=None).failed(2).err
        desk("keys", "show", address).succeeded()
        desk.opens(address)


def at_a_terminal(desk: Desk, typed: str, *words: str) -> str:
    """What a person sees who types one line."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.cli", *words],
        cwd=desk.tally.folder,
        env={**os.environ, **desk.tally.environment, **desk.token.shelf.environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while b"PIN of" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, typed.encode() + b"\n")
        while data := os.read(ours, 4096):
            seen += data
    except OSError:  # how a terminal ends on Linux
        pass
    finally:
        process.wait(60)
        os.close(ours)
    return seen.decode()


def test_a_release_by_a_token_is_taken_by_everybody(project: Project, session_state: Path) -> None:
    begun = project.folder.stat().st_mtime
    desk = Desk(project.tally, Shelf.made(project.folder / "shelf").token("release"))
    address = desk.token.keypair("release key", "a1").replace(" ", "%20")
    desk("keys", "show", address, "--out", "token.pub", pin=None).succeeded()
    pub = project.folder / "token.pub"
    (project.folder / "tally.toml").write_text(f'[signing]\nkey = "{address}"\n')
    recipe = project.recipe("vaulted", "mkdir $out; echo inside > $out/file")
    desk("build", recipe).succeeded()
    folder = project.folder / "releases" / "vaulted-1.0-x86_64-linux"

    project.tally("verify", folder, "--key", "token.pub").succeeded()
    project.tally("verify", folder, "--key", "release.pub").failed(1)
    strangers.accept(folder, pub, project.folder / "release.pub", session_state)

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    logs = [path for path in (session_state / "logs").iterdir() if path.stat().st_mtime >= begun]
    written = [*before.values(), *(each.read_bytes() for path in logs for each in path.rglob("*.log"))]
    assert len(written) > len(before)
    assert not any(PIN.encode() in data for data in written)
    assert "already" in desk("build", recipe).succeeded().err
    assert {path: path.read_bytes() for path in before} == before


def test_a_token_that_is_pulled_out_loses_nothing(
    project: Project, session_state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key was there when the run began, and is gone when the builders agree."""
    from orchestrator.ground.state import State
    from orchestrator.run.asked import RecipeFile
    from orchestrator.run.order import Order
    from orchestrator.stories.release import release

    shelf = Shelf.made(project.folder / "shelf")
    address = shelf.token("release").keypair("release")
    recipe = project.recipe("pulled", "mkdir $out; echo pulled > $out/file")
    for name, value in {**shelf.environment, "TALLY_KEY_PASSPHRASE": PIN}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.folder)
    order = Order((RecipeFile(recipe),), project.folder / "releases", key_address.parse(address), sign=True)
    away = shelf.folder / "away"

    def pull(builder: str, event: object) -> None:
        with suppress(FileNotFoundError):  # each builder has a thread of its own
            shelf.tokens.rename(away)

    (outcome,) = release(State(session_state), load(project.folder), order, pull, lambda _: None)
    assert isinstance(outcome, Unpublished), outcome
    assert "the token 'release'" in outcome.error.message
    assert outcome.error.hint
    assert PIN not in f"{outcome.error.message}{outcome.error.hint}"
    assert project.releases == []

    away.rename(shelf.tokens)
    ran = project.tally("build", recipe, "--key", address)
    assert ran.succeeded().out.strip() == "releases/pulled-1.0-x86_64-linux"
