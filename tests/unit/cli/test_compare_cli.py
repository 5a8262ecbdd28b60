"""`tally compare` as its user has it: what it prints, and its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import releases
from registries import FakeRegistry

from orchestrator.cli.compare import compare
from orchestrator.evidence.oci import MANIFEST
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.keys.key import SigningKey


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("TALLY_STATE", str(tmp_path / "state"))
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "same").write_text("same")
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_the_same(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*sides) == ExitCode.YES
    assert capsys.readouterr() == ("", "they are the same\n")


def test_a_difference(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    for side, said in zip(sides, ("2026-11-29", "2026-11-30"), strict=True):
        Path(side, "note").write_text(f"made {said}\n\x1b[31m\n")
    assert compare(*sides) == ExitCode.NO
    assert capsys.readouterr() == (
        "note\n  line 1, offset 13: `made 2026-11-29` in A, `made 2026-11-30` in B; looks like a timestamp\n",
        "1 file differs, in 1 place\n",
    )


def test_as_json(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(sides[0], "only\x1b\n").write_text("x")
    assert compare(*sides, json=True) == ExitCode.NO
    document = json.loads(capsys.readouterr().out)
    (place,) = document.pop("places")
    assert document == {"result": "different", "between": list(sides), "complete": True}
    assert (place["file"], place["aspect"], place["values"]) == (
        "only\\x1b\\n",
        "missing",
        ["a file", "nothing"],
    )


def test_no_time(sides: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(*sides, max_time=0, json=True) == ExitCode.UNDECIDED
    document = json.loads(capsys.readouterr().out)
    assert (document["result"], document["complete"], document["places"]) == ("undecided", False, [])


@pytest.mark.parametrize("word", ["no/such", "/nix/store/x", "/nix/store/" + "a" * 32 + "-x/../../y"])
def test_what_is_no_side(sides: tuple[str, str], word: str) -> None:
    with pytest.raises(TallyError) as caught:
        compare(sides[0], word)
    assert caught.value.exit_code == ExitCode.UNDECIDED


def test_links_to_the_sides_are_followed_and_links_within_are_not(
    sides: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(sides[0])
    assert compare(str(tmp_path / "link"), sides[1]) == ExitCode.YES
    Path(sides[0], "same").unlink()
    Path(sides[0], "same").symlink_to(f"{sides[1]}/same")
    assert compare(*sides) == ExitCode.NO


def test_too_many_stores(sides: tuple[str, str]) -> None:
    with pytest.raises(TallyError, match="too often"):
        compare(*sides, store=["1", "2", "3"])


def test_a_page(sides: tuple[str, str], tmp_path: Path) -> None:
    for side, said in zip(sides, ("<script>alert(1)</script>", "\u202e\x1b[31m"), strict=True):
        Path(side, "<b>\"'&").write_text(said)
    Path(sides[0], "only").touch()
    assert compare(*sides, html=tmp_path / "page.html") == ExitCode.NO
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page.replace("&lt;script", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;&quot;&#x27;&amp;" in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "://" not in page
    assert page.count("<table>") == page.count("</table>") == 2


def test_a_page_that_cannot_be_written(sides: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TallyError, match=r"page\.html"):
        compare(*sides, html=tmp_path / "file/page.html")


def test_an_image_from_a_registry(sides: tuple[str, str]) -> None:
    with FakeRegistry().running() as registry:
        for tag, env in (("1", "A=1"), ("2", "A=2")):
            config, layer = json.dumps({"config": {"Env": [env]}}).encode(), b"no archive"
            parts = []
            for data in (config, layer):
                digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
                registry.blobs[digest] = data
                parts.append({"mediaType": "application/x", "digest": digest, "size": len(data)})
            manifest = {"schemaVersion": 2, "config": parts[0], "layers": parts[1:]}
            registry.put_manifest(tag, MANIFEST, json.dumps(manifest).encode())
        one, other = (f"{registry.reference()}:{tag}" for tag in ("1", "2"))
        assert compare(one, f"{registry.reference()}@{registry.tags['1']}") == ExitCode.YES
        assert compare(one, other) == ExitCode.NO
        with pytest.raises(TallyError, match="there is no 3"):
            compare(one, f"{registry.reference()}:3")
        registry.blobs = dict.fromkeys(registry.blobs, b"other")
        with pytest.raises(TallyError, match="other bytes"):
            compare(one, other)


def test_too_little_memory(sides: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def hungry(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("orchestrator.stories.compare.places", hungry)
    assert compare(*sides, max_memory=64) == ExitCode.UNDECIDED


def test_what_is_no_file_is_never_the_same(
    sides: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for side in sides:
        os.mkfifo(f"{side}/pipe")
    assert compare(*sides, json=True) == ExitCode.UNDECIDED
    document = json.loads(capsys.readouterr().out)
    assert document["unfinished"].endswith(f"it is no file, folder or symbolic link: {sides[0]}/pipe")
    Path(sides[0], "z").write_text("1")
    Path(sides[1], "z").write_text("2")
    assert compare(*sides, json=True) == ExitCode.NO, "what follows is compared all the same"
    document = json.loads(capsys.readouterr().out)
    assert (document["complete"], [each["file"] for each in document["places"]]) == (False, ["z"])
    assert compare(f"{sides[0]}/pipe", f"{sides[1]}/pipe") == ExitCode.UNDECIDED


def test_what_goes_away_meanwhile_is_never_the_same(
    sides: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr("orchestrator.agreement.trees.Node.open", gone)
    assert compare(*sides) == ExitCode.UNDECIDED


def test_folders_with_an_index_that_is_none_are_folders(sides: tuple[str, str]) -> None:
    for side, said in zip(sides, ("{", '{"artifact": {"path": "../x"}}'), strict=True):
        Path(side, "release.json").write_text(said)
    assert compare(*sides) == ExitCode.NO


def test_a_page_is_not_written_over_what_is_compared(sides: tuple[str, str]) -> None:
    one, other = Path(sides[0], "same"), Path(sides[1], "same")
    for page in (one, other.parent / ".." / "b" / "same"):
        with pytest.raises(TallyError, match="would be written over"):
            compare(str(one), str(other), html=page)
    assert one.read_text() == other.read_text() == "same"


def test_two_builds_of_one_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its artifact comes first, by one name, and once; where it is the same, that is said."""
    monkeypatch.setenv("TALLY_STATE", str(tmp_path / "state"))
    made = releases.observed(tmp_path / "in")
    one, other = (
        releases.published(tmp_path / side, made, SigningKey.generate(), releases.builder_keys(made)).path
        for side in ("one", "other")
    )
    assert compare(str(one), str(other)) == ExitCode.NO
    out, err = capsys.readouterr()
    assert "the artifact is the same, and what lies beside it is not\n" in err
    artifact = f"{one.name}.tar.gz"
    assert f"{artifact}\n" not in out.splitlines(keepends=True)
    with (other / artifact).open("ab") as stream:
        stream.write(b"x")
    assert compare(str(one), str(other), json=True) == ExitCode.NO
    document = json.loads(capsys.readouterr().out)
    assert document["artifact"] == "different"
    files = [place["file"] for place in document["places"]]
    assert (files[0], files.count(artifact)) == (artifact, 1)
