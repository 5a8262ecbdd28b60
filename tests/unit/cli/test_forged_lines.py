"""What others named or wrote never begins a line of ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import disagreements
import foreign
import pytest
import releases
from releases import Signed

from orchestrator.agreement.cause import Cause
from orchestrator.agreement.difference import Difference
from orchestrator.agreement.trees import Kind
from orchestrator.cli.outcomes import show
from orchestrator.cli.text import harmless, paragraph, print_error
from orchestrator.ground.errors import TallyError
from orchestrator.run.outcome import Refused, Unpublished

if TYPE_CHECKING:
    from tests.conftest import Ran, Tally

FORGED = "zz\nPASSED  evil-1.0\n  artifact  evil.tar.gz"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


def _holds(ran: Ran, first: str) -> None:
    """The name is there, and in one line with what is said of it."""
    lines = f"{ran.out}\n{ran.err}".splitlines()
    assert any(r"zz\x0aPASSED  evil-1.0\x0a" in line for line in lines), lines
    assert not [line for line in lines if line.lstrip().startswith(("PASSED  evil", "artifact  evil"))]
    assert sum(line.startswith(("PASSED", "FAILED")) for line in lines) == 1
    assert ran.out.startswith(first)


def test_a_file_beside_a_release(tally: Tally, signed: Signed, tmp_path: Path) -> None:
    release = shutil.copytree(signed.folder, tmp_path / "release")
    (release / FORGED).touch()
    _holds(tally("verify", release, "--key", signed.pub).succeeded(), "PASSED  ")


def test_a_path_in_an_index(tally: Tally, signed: Signed, tmp_path: Path) -> None:
    release = shutil.copytree(signed.folder, tmp_path / "release")
    document = json.loads((release / "release.json").read_text())
    for name in (FORGED, "x" + FORGED):
        document["files"].append({"path": name, "sha256": "zz", "size": 1})
        (release / "release.json").write_text(json.dumps(document))
        lines = tally("verify", release, "--key", signed.pub).failed(1).out.splitlines()
        assert [line for line in lines if not line.startswith(" ")] == [f"FAILED  {release}"]
        assert not any("  artifact  evil" in line[:14] for line in lines)


def test_a_file_of_evidence(tally: Tally, signed: Signed, tmp_path: Path) -> None:
    (tmp_path / FORGED).write_text("{}")
    _holds(
        tally("verify", signed.folder, "--key", signed.pub, "--evidence", tmp_path).succeeded(), "PASSED  "
    )


def test_policy_explain(tally: Tally, signed: Signed, tmp_path: Path) -> None:
    release = shutil.copytree(signed.folder, tmp_path / "release")
    (release / FORGED).touch()
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[signer]]\nname = "release"\nkey = "{signed.pub}"\n')
    _holds(tally("policy", "explain", release, "--policy", policy).succeeded(), "pass  ")


def test_anybodys_bundle(tally: Tally, tmp_path: Path) -> None:
    instance = foreign.Instance(tmp_path / "instance")
    (tmp_path / "root.json").write_bytes(instance.root.render())
    (tmp_path / "artifact").write_bytes(foreign.ARTIFACT)
    kind = f"https://evil.example/{FORGED}"
    payload = foreign.statement(predicateType=kind)
    made = instance.make(foreign.Recipe(stamped=True, payload=payload))
    (tmp_path / "bundle.json").write_text(json.dumps(made.document))
    (tmp_path / "key.pub").write_text(made.public.pem)
    arguments = [
        *("verify", "--bundle", tmp_path / "bundle.json", tmp_path / "artifact"),
        *("--key", tmp_path / "key.pub", "--trusted-root", tmp_path / "root.json"),
    ]
    _holds(tally(*arguments).failed(1), "FAILED  ")
    _holds(tally(*arguments, "--type", kind).succeeded(), "PASSED  ")


def test_what_a_build_came_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A target of a link, which a builder chose, and an error that spans lines."""
    made = releases.observed(tmp_path)
    found = disagreements.observed(made).disagreed
    link = Difference("x", Kind.TARGET, ("a", "b"), (None, None), None, (FORGED, "b"), Cause.UNKNOWN)
    show(Refused("pigz", found, tmp_path, {each.path: (link,) for each in found.differing}), quiet=False)
    told = capsys.readouterr().err
    assert f"\n    {harmless(link.describe())}\n" in told
    assert "PASSED" not in [line.split()[0] for line in told.splitlines()]
    show(Unpublished("pigz", made.agreed, TallyError(f"it failed:\n{FORGED}", hint="see")), quiet=False)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "  zz",
        "  PASSED  evil-1.0",
        "  artifact  evil.tar.gz",
        "hint: see",
    ]


def test_messages_of_several_lines_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(TallyError("no address gave it:\n  one: gone\nPASSED  x\r\x1b[2K", hint="a\nb"))
    assert capsys.readouterr().err == (
        "tally: error: no address gave it:\n  one: gone\n  PASSED  x\\x0d\\x1b[2K\nhint: a\n  b\n"
    )
    assert paragraph("a\nb", 4) == "a\n    b"
    assert harmless("a\nb\u2028c") == "a\\x0ab\\u2028c"
