"""Import cost is spent only where it is used: what a command must not load."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
    "structlog",
    "cryptography",
    "in_toto",
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


def loaded(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(arguments=["tally", *arguments])],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--version"], set()),
        (["--help"], {"typer"}),
        (["verify", "nowhere", "--key", "nowhere"], {"typer", "cryptography"}),
        (["policy", "check", "nowhere.toml"], {"typer", "pydantic"}),
        (["plan", "nowhere.toml"], {"typer", "pydantic", "license_expression"}),
    ],
    ids=" ".join,
)
def test_a_command_loads_only_what_it_needs(arguments: list[str], needed: set[str]) -> None:
    found = loaded(*arguments)
    assert "orchestrator" in found
    assert found & (HEAVY | {"typer", "urllib3"}) <= needed, sorted(found & HEAVY)
