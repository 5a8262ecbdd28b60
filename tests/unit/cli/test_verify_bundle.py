"""`tally verify --bundle` as its users meet it: exit codes, words, JSON, options that do not go together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from authorities import ISSUER, SUBJECT
from foreign import ARTIFACT, Instance, Recipe

from orchestrator.cli import predicate_types
from orchestrator.evidence.terms import NOT_REPRODUCED, REPRODUCIBLE, SBOMS
from orchestrator.ground.digest import Sha256

if TYPE_CHECKING:
    from tests.conftest import Tally

NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


@dataclass(frozen=True)
class Folder:
    """Two good bundles: by a key (`key.pub`), and by a certificate."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    path = tmp_path_factory.mktemp("bundles")
    instance = Instance(path / "instance")
    (path / "artifact").write_bytes(ARTIFACT)
    (path / "root.json").write_bytes(instance.root.render())
    made = instance.make(Recipe(stamped=True))
    (path / "key.pub").write_text(made.public.pem)
    (path / "key.sigstore.json").write_text(json.dumps(made.document))
    made = instance.make(Recipe("message", signer="certificate", stamped=True))
    (path / "keyless.sigstore.json").write_text(json.dumps(made.document))
    return Folder(path)


KEY = ["--bundle", "key.sigstore.json", "--key", "key.pub"]
KEYLESS = ["--bundle", "keyless.sigstore.json", "--identity", SUBJECT, "--issuer", ISSUER]
ROOT = ["--trusted-root", "root.json"]


@pytest.mark.parametrize("signer", [KEY, KEYLESS], ids=["key", "keyless"])
def test_yes(tally: Tally, folder: Folder, signer: list[str]) -> None:
    ran = tally("verify", "artifact", *signer, *ROOT, folder=folder.path).succeeded()
    assert ran.out.startswith("PASSED  artifact\n")
    assert "in log    log2.example.org" in ran.out
    assert "at the latest (https://tsa.example.org)" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("signer", [KEY, KEYLESS], ids=["key", "keyless"])
def test_yes_by_digest_as_json(tally: Tally, folder: Folder, signer: list[str]) -> None:
    digest = str(Sha256.of(ARTIFACT))
    ran = tally("verify", "--digest", digest, *signer, *ROOT, "--json", folder=folder.path).succeeded()
    (found,) = json.loads(ran.out)
    assert (found["verdict"], found["target"], found["logs"]) == ("passed", digest, ["log2.example.org"])


def test_no(tally: Tally, folder: Folder) -> None:
    (folder / "another").write_bytes(b"another")
    ran = tally("verify", "another", *KEY, *ROOT, folder=folder.path).failed(1)
    assert "FAILED  another\n  subject-mismatch: " in ran.out
    assert "hint: " in ran.out
    ran = tally("verify", "another", *KEYLESS, *ROOT, "--json", folder=folder.path).failed(1)
    assert json.loads(ran.out)[0]["reasons"][0]["code"] == "digest-mismatch"


def test_the_type_is_asked_for(tally: Tally, folder: Folder) -> None:
    tally("verify", "artifact", *KEY, *ROOT, "--type", "slsaprovenance1", folder=folder.path).succeeded()
    ran = tally("verify", "artifact", *KEY, *ROOT, "--type", "spdxjson", folder=folder.path).failed(1)
    assert "statement-missing" in ran.out


def test_a_no_about_the_type_says_the_words_that_would_ask_for_it(tally: Tally, folder: Folder) -> None:
    ran = tally("verify", "artifact", *KEY, *ROOT, "--type", "spdxjson", folder=folder.path).failed(1)
    assert "--type asks for https://spdx.dev/Document or https://spdx.dev/Document/v2.3" in ran.out
    hint = ran.out.partition("  hint: ")[2].strip()
    asked = hint.partition("say so: ")[2].split()
    assert asked[0] == "--type"
    tally("verify", "artifact", *KEY, *ROOT, *asked, folder=folder.path).succeeded()


@pytest.mark.parametrize("written", ["spdxjsn", "SpdxJson", "slsaprovenance3", "provenance", ""])
def test_a_slip_in_the_type_is_no_verdict(tally: Tally, folder: Folder, written: str) -> None:
    ran = tally("verify", "artifact", *KEY, *ROOT, "--type", written, folder=folder.path).failed(2)
    assert f"--type {written!r} is no type that is known" in ran.err
    assert "spdxjson, cyclonedx" in ran.err
    assert ("did you mean" in ran.err) == bool(written)


def test_our_sboms_are_of_the_types_that_short_names_ask_for() -> None:
    asked = {kind for name in ("spdx", "spdxjson", "cyclonedx") for kind in predicate_types.asked(name)}
    assert set(SBOMS) == asked
    for name in predicate_types.SHORT:  # whatever a name stands for can be asked for by its address, too
        assert all(predicate_types.asked(kind) == (kind,) for kind in predicate_types.asked(name))


def test_a_bundle_without_a_log_entry_says_the_ways_on(tally: Tally, folder: Folder) -> None:
    document = json.loads((folder.path / "key.sigstore.json").read_text())
    document["verificationMaterial"]["tlogEntries"] = []
    (folder.path / "unlogged.json").write_text(json.dumps(document))
    words = ["--bundle", "unlogged.json", *KEY[2:]]
    ran = tally("verify", "artifact", *words, *ROOT, folder=folder.path).failed(1)
    assert "not-in-log" in ran.out
    assert "give --insecure-ignore-tlog" in ran.out
    tally("verify", "artifact", *words, *ROOT, "--insecure-ignore-tlog", folder=folder.path).succeeded()


@pytest.mark.parametrize("kind", ["https://example.org/scan/v1", "slsaprovenance1"])
def test_what_states_nothing_is_of_no_type(tally: Tally, folder: Folder, kind: str) -> None:
    ran = tally("verify", "artifact", *KEYLESS, *ROOT, "--type", kind, folder=folder.path).failed(1)
    assert "statement-missing: keyless.sigstore.json signs the artifact and states nothing" in ran.out
    ran = tally("verify", "artifact", *KEYLESS, *ROOT, folder=folder.path).succeeded()
    assert "states    nothing" in ran.out


def test_a_log_entry_is_not_looked_at_only_where_that_is_asked_for(tally: Tally, folder: Folder) -> None:
    ran = tally("verify", "artifact", *KEY, "--insecure-ignore-tlog", folder=folder.path).succeeded()
    assert "notice: key.sigstore.json: log entry and timestamps were not looked at" in ran.out


@pytest.mark.parametrize("signer", [KEY, KEYLESS], ids=["key", "keyless"])
def test_without_a_trusted_root_and_without_a_network(
    tally: Tally, folder: Folder, tmp_path: Path, signer: list[str]
) -> None:
    environment = {**NOWHERE, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    ran = tally("verify", "artifact", *signer, "--json", folder=folder.path, environment=environment).failed(
        2
    )
    assert json.loads(ran.out)[0]["verdict"] == "undecided"
    assert "cannot be fetched" in ran.err
    assert "--trusted-root" in ran.err


def test_a_file_with_several_tells_of_each(tally: Tally, folder: Folder) -> None:
    names = ("keyless.sigstore.json", "key.sigstore.json")
    (folder / "all.jsonl").write_text("".join(f"{(folder / name).read_text()}\n" for name in names))
    asked = ["artifact", "--bundle", "all.jsonl", "--key", "key.pub", *ROOT]
    ran = tally("verify", *asked, folder=folder.path).succeeded()
    assert ran.out.startswith("PASSED  artifact\n")
    assert "  of 2 bundles\n    all.jsonl, line 1: untrusted-signer: " in ran.out
    assert "    all.jsonl, line 2: holds, and states https://slsa.dev/provenance/v1\n" in ran.out
    (found,) = json.loads(tally("verify", *asked, "--json", folder=folder.path).succeeded().out)
    assert (found["verdict"], [each["verdict"] for each in found["bundles"]]) == (
        "passed",
        ["failed", "passed"],
    )
    (folder / "another").write_bytes(b"another")
    ran = tally("verify", "another", *asked[1:], folder=folder.path).failed(1)
    assert ran.out.count("FAILED") == 1
    assert "untrusted-signer: all.jsonl, line 1" in ran.out
    assert "subject-mismatch: all.jsonl, line 2" in ran.out


@pytest.mark.parametrize("depth", [300, 2600, 5000])
def test_what_is_nested_too_deeply_is_that_line_alone(tally: Tally, folder: Folder, depth: int) -> None:
    """Also where Python would still go down: a command is allowed more calls within calls than a test."""
    good = (folder / "key.sigstore.json").read_text()
    deep = f'{good[:-1]},"x":{"[" * depth}{"]" * depth}}}'
    (folder / "deep.jsonl").write_text(f"{good}\n{deep}\n")
    ran = tally(
        "verify", "artifact", "--bundle", "deep.jsonl", *KEY[2:], *ROOT, folder=folder.path
    ).succeeded()
    assert "    deep.jsonl: malformed: deep.jsonl, line 2 is nested too deeply\n" in ran.out
    (folder / "deep.jsonl").write_text(deep)
    ran = tally("verify", "artifact", "--bundle", "deep.jsonl", *KEY[2:], *ROOT, folder=folder.path).failed(1)
    assert "malformed: deep.jsonl is nested too deeply\n  hint: get it again; " in ran.out


def test_what_is_no_bundle_is_undecided(tally: Tally, folder: Folder) -> None:
    (folder / "a.asc").write_text("-----BEGIN PGP SIGNATURE-----\n")
    asked = ["artifact", "--bundle", "a.asc", "--key", "key.pub", *ROOT]
    ran = tally("verify", *asked, folder=folder.path).failed(2)
    assert "a.asc is an OpenPGP signature, and no bundle" in ran.err
    assert "gpg --verify" in ran.err
    ran = tally("verify", *asked, "--json", folder=folder.path).failed(2)
    (found,) = json.loads(ran.out)
    assert found == {
        "target": "artifact",
        "verdict": "undecided",
        "error": "refused",
        "message": "a.asc is an OpenPGP signature, and no bundle",
        "hint": "check it with `gpg --verify`",
        "code": 2,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["artifact", "--bundle", "key.sigstore.json"], "who must have signed"),
        (["artifact", *KEY, "--key", "key.pub"], "who must have signed"),
        (["artifact", *KEY, "--identity", "me"], "who must have signed"),
        (["artifact", *KEYLESS[:-2]], "--identity needs --issuer"),
        (
            ["artifact", "--bundle", "keyless.sigstore.json", "--identity", "", "--issuer", ""],
            "--identity needs --issuer",
        ),
        (["artifact", *KEYLESS, "--insecure-ignore-tlog"], "worth nothing without"),
        (["artifact", "artifact", *KEY], "about one artifact"),
        (KEY, "about one artifact"),
        (["artifact", *KEY, "--digest", "sha256:" + "0" * 64], "about one artifact"),
        ([*KEY, "--digest", "sha256:0"], "no digest"),
        ([*KEY, "--digest", "sha512:" + "0" * 128], "no digest"),
        (["nowhere", *KEY, *ROOT], "cannot read nowhere"),
        (["artifact", "--bundle", "nowhere", "--key", "key.pub"], "cannot read the bundle nowhere"),
        (["artifact", *KEY, "--trusted-root", "nowhere"], "cannot read nowhere"),
        (["artifact", "--bundle", "key.sigstore.json", "--key", "nowhere"], "cannot read the key"),
        (["artifact", "--key", "key.pub", "--identity", "me"], "--identity needs --issuer"),
        (["artifact", "--key", "key.pub", "--insecure-ignore-tlog"], "name it with --bundle"),
    ],
)
def test_undecided(tally: Tally, folder: Folder, arguments: list[str], said: str) -> None:
    ran = tally("verify", *arguments, folder=folder.path).failed(2)
    assert ran.out == ""
    assert said in ran.err


SUMMARY = "https://slsa.dev/verification_summary/v1"
SCAI = "https://in-toto.io/attestation/scai/v0.3"


@pytest.mark.parametrize(
    ("kind", "good", "bad", "code", "says"),
    [
        (
            SUMMARY,
            {"verificationResult": "PASSED"},
            {"verificationResult": "FAILED"},
            "denied",
            "its verificationResult is FAILED",
        ),
        (
            SCAI,
            {"attributes": [{"attribute": REPRODUCIBLE}]},
            {"attributes": [{"attribute": NOT_REPRODUCED}]},
            "builders-disagree",
            "says that builders made different things of it",
        ),
    ],
)
def test_a_signed_no_is_no_yes_and_outweighs_one(
    tally: Tally, tmp_path: Path, kind: str, good: object, bad: object, code: str, says: str
) -> None:
    """Of the type that was asked for, about this very file."""
    instance, rows = Instance(tmp_path / "instance"), []
    for name, predicate in {"good": good, "bad": bad}.items():
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "artifact", "digest": {"sha256": Sha256.of(ARTIFACT).hex}}],
            "predicateType": kind,
            "predicate": predicate,
        }
        payload = json.dumps(statement).encode()
        made = instance.make(Recipe(signer="certificate", stamped=True, payload=payload))
        (tmp_path / f"{name}.json").write_text(json.dumps(made.document))
        rows.append(json.dumps(made.document))
    (tmp_path / "both.jsonl").write_text("\n".join(rows))
    (tmp_path / "root.json").write_bytes(instance.root.render())
    (tmp_path / "artifact").write_bytes(ARTIFACT)
    for name, status in {"good.json": 0, "bad.json": 1, "both.jsonl": 1}.items():
        words = ["--bundle", name, *KEYLESS[2:], "--type", kind, *ROOT]
        ran = tally("verify", "artifact", *words, folder=tmp_path)
        assert ran.code == status, ran.out + ran.err
        assert (code in ran.out and says in ran.out) == (status == 1)


def test_a_key_costs_no_import_of_sigstore(folder: Folder) -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.argv = ['tally', 'verify', *sys.argv[1:]]\n"
        "from orchestrator.cli.main import run\n"
        "try: run()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'sigstore', 'pydantic'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, "artifact", *KEY, *ROOT]
    subprocess.run(command, cwd=folder.path, check=True, stdout=subprocess.DEVNULL)


def test_what_sigstores_client_logs_does_not_reach_the_terminal(folder: Folder) -> None:
    """It warns of a key in the root that it cannot use, which decided nothing."""
    import subprocess
    import sys

    document = json.loads((folder / "root.json").read_text())
    odd = json.loads(json.dumps(document["ctlogs"][0]))
    odd["publicKey"]["keyDetails"] = "PKIX_ED25519_PH"
    document["ctlogs"].append(odd)
    (folder / "odd.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "orchestrator.cli", "verify", "artifact", *KEYLESS]
    ran = subprocess.run(
        [*command, "--trusted-root", "odd.json"], cwd=folder.path, check=True, capture_output=True, text=True
    )
    assert ran.stdout.startswith("PASSED")
    assert ran.stderr == ""
