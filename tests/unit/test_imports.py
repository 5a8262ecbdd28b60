"""Import cost is spent only where it is used: what a command must not load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import foreign
import pytest
import releases

CODE = """
import json, sys
sys.argv = {arguments!r}
try:
    from orchestrator.cli.main import run
    run()
except SystemExit:
    pass
finally:
    print(json.dumps(sorted(sys.modules)))
"""

HEAVY = {
    "attr",
    "cel_expr_python",
    "packageurl",
    "univers",
    "cryptography",
    "in_toto",
    "jinja2",
    "license_expression",
    "pydantic",
    "pkcs11",
    "rfc3161_client",
    "rich",
    "securesystemslib",
    "sigstore",
    "spdx_tools",
    "zstandard",
}


def modules(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(arguments=["tally", *arguments])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def loaded(*arguments: str) -> set[str]:
    return {name.partition(".")[0] for name in modules(*arguments)}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--version"], set()),
        (["--help"], {"typer"}),
        (["verify", "nowhere", "--key", "nowhere"], {"typer"}),
        (["policy", "check", "nowhere.toml"], {"typer", "pydantic"}),
        (["plan", "nowhere.toml"], {"typer", "pydantic", "license_expression"}),
    ],
    ids=lambda words: " ".join(sorted(words) if isinstance(words, set) else words),
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], needed: set[str]) -> None:
    found = loaded(*arguments)
    assert "orchestrator" in found
    assert found & (HEAVY | {"typer", "urllib3"}) <= needed, sorted(found & HEAVY)


def test_what_gates_type_most_needs_the_least(tmp_path: Path) -> None:
    """A cold `tally verify` by a key: without Typer, urllib3 and the readers of all forms of keys."""
    release = releases.signed(tmp_path / "release")
    avoided = {"typer", "urllib3", "tempfile", "subprocess", "ssl", "orchestrator.publishing.sources"}
    ciphers = {"cryptography.hazmat.primitives.serialization", "cryptography.hazmat.primitives.ciphers"}
    avoided |= {
        f"orchestrator.policy.{each}" for each in ("given", "pattern", "rules.closure", "rules.rebuilders")
    }
    found = modules("verify", str(release.folder), "--key", str(release.pub))
    assert "orchestrator.policy.verdict" in found
    assert not found & (avoided | ciphers), sorted(found & (avoided | ciphers))
    found = modules("verify", "oci://127.0.0.1:9/nowhere:1", "--key", str(release.pub))
    assert "orchestrator.ground.wire" in found
    avoided = {
        "typer",
        "urllib3",
        "subprocess",
        "pydantic",
        "http",
        "email",
        "ssl",
        "encodings.idna",
    } | ciphers
    assert not found & avoided, sorted(found & avoided)


def test_a_comparison_needs_little(tmp_path: Path) -> None:
    """Two folders with a difference: no Typer, no digests, no temporary files."""
    for side, text in (("a", "one"), ("b", "other")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "file").write_text(text)
    found = modules("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "orchestrator.agreement.cause" in found, "the difference was not found"
    avoided = HEAVY | {"typer", "hashlib", "tempfile", "difflib", "orchestrator.caches.unpacking"}
    assert not found & avoided, sorted(found & avoided)


def test_strangers_bundles_beside_a_release_cost_no_signature(tmp_path: Path) -> None:
    """Of what lies there only a no counts: timestamps and certificates of others are left alone."""
    release = releases.signed(tmp_path / "release")
    made = foreign.Instance(tmp_path / "instance").make(foreign.Recipe(signer="certificate", stamped=True))
    (release.folder / "more.sigstore.json").write_text(json.dumps(made.document))
    found = modules("verify", str(release.folder), "--key", str(release.pub))
    assert "orchestrator.bundles.bundle" in found, "it was not even read"
    assert not found & {"orchestrator.bundles.certified", "cryptography.x509"}
    assert not found & {"in_toto", "spdx_tools", "orchestrator.clients"}, (
        "who publishes asks them, nobody else"
    )
