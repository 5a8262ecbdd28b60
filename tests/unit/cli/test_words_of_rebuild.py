"""What `tally rebuild` says of slips and of what does not verify: the way out is one that leads there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import releases
from releases import Signed

from orchestrator.cli.rebuilt import show
from orchestrator.policy.verdict import Code, Failed, Reason
from orchestrator.run.reproduced import Unverified
from orchestrator.stories.rebuild import can_be_built
from orchestrator.stories.verification import Examination

if TYPE_CHECKING:
    from tests.conftest import Tally


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return releases.signed(tmp_path_factory.mktemp("release"))


@pytest.mark.parametrize("buildable", [True, False])
def test_an_option_is_named_only_where_it_helps(buildable: bool, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = Failed((Reason(Code.UNTRUSTED_SIGNER, "it is by another"),))
    show(Unverified("r", verdict, buildable), quiet=False)
    err = capsys.readouterr().err
    assert ("--even-if-unverified" in err) == buildable
    assert "--key" not in err  # which is what signs here, and not whom to trust


def test_a_release_of_another_size_cannot_be_built(release: Signed, tmp_path: Path) -> None:
    nothing_read = Examination(Failed((Reason(Code.DIGEST_MISMATCH, "it is of another size"),)))
    artifact = next(each for each in release.folder.iterdir() if each.name.endswith(".tar.gz"))
    assert can_be_built(release.folder, nothing_read)
    size = artifact.stat().st_size
    with artifact.open("ab") as stream:
        stream.write(b"x")
    assert not can_be_built(release.folder, nothing_read)
    os.truncate(artifact, size)


def test_nothing_is_named(tally: Tally, tmp_path: Path) -> None:
    for command in ("rebuild", "verify"):
        assert "no release was named" in tally(command, folder=tmp_path).failed(2).err


def test_the_key_of_a_rebuilder_is_not_the_release_key(tally: Tally, release: Signed, tmp_path: Path) -> None:
    ran = tally("rebuild", release.folder, "--publisher", release.pub, "--attest", "out", folder=tmp_path)
    assert "tally keys generate keys/rebuilder" in ran.failed(2).err


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["mdurl==0.1.2"], "there is no release 'mdurl==0.1.2'", "did you mean pypi:mdurl==0.1.2?"),
        (["pip:mdurl==0.1.2"], "there is no release", "did you mean pypi:mdurl==0.1.2?"),
        (["pypi:mdurl=0.1.2"], "names no version", "did you mean pypi:mdurl==0.1.2?"),
        (["dh-python=5.2"], "there is no release", "did you mean deb:dh-python=5.2?"),
        (["pypi:a==1", "--publisher", "k.pub"], "--publisher is for releases", "leave it out"),
        (["r", "--key", "k.pub"], "k.pub is a public key", "--publisher k.pub"),
        (["www", "--publisher", "k.pub"], "there is no release.json in www", "dir:www"),
        (["example.org/tools/a:1.0", "--publisher", "k.pub"], "nothing at", "oci://example.org/tools/a:1.0"),
    ],
)
def test_slips(tally: Tally, tmp_path: Path, words: list[str], said: str, hint: str) -> None:
    tally("keys", "generate", "k", folder=tmp_path).succeeded()
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.json").write_text("{}")
    ran = tally("rebuild", *words, folder=tmp_path).failed(2)
    assert said in ran.err
    assert f"hint: {hint}" in ran.err or hint in ran.err.partition("hint: ")[2]


def test_the_option_of_the_other_command(tally: Tally, tmp_path: Path) -> None:
    assert (
        "did you mean --key?" in tally("verify", "r", "--publisher", "k.pub", folder=tmp_path).failed(2).err
    )


def test_a_list_has_comments_and_half_a_name_stops_no_other(tally: Tally, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# nightly\n  # more\npypi:mdurl=0.1.2  # half a name\nodd # \nwww#a\n\n")
    tally("keys", "generate", "k", folder=tmp_path).succeeded()
    ran = tally("rebuild", "--list", "list", "--publisher", "k.pub", folder=tmp_path).failed(2)
    assert [line.split("  ")[:2] for line in ran.out.splitlines()] == [
        ["UNDECIDED", each] for each in ("pypi:mdurl=0.1.2", "odd", "www#a")
    ]
    assert "did you mean pypi:mdurl==0.1.2?" in ran.err
