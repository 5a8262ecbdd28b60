"""What a release says of itself, and what is no release that says anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from releases import believing, builder_keys, observed, published, signed, with_toolchain
from schemas import Draft202012Validator

from orchestrator.cli.show import show
from orchestrator.cli.shown_graph import dot, tree
from orchestrator.cli.shown_page import page
from orchestrator.cli.text import believed
from orchestrator.evidence.shown import Graph, Node, Shown, ShownBundle
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.reached import recorded
from orchestrator.stories.showing import shown


@pytest.fixture
def release(tmp_path: Path) -> Path:
    made = believing(observed(tmp_path / "in"))
    return published(tmp_path / "out", made, SigningKey.generate(), builder_keys(made)).path


def test_a_release_tells_of_itself(release: Path, tmp_path: Path) -> None:
    found = shown(release)
    assert (found.name, found.version, [each.name for each in found.builders]) == ("pigz", "2.8", ["a", "b"])
    assert str(recorded(found.agreement)) == "rebuilt 3 of 4 derivations; 1 believed from cache-1"
    assert shown(release / found.artifact.path, str(release)) == found
    assert {each.store_path[44:] for each in found.believed} == {"zlib-1.3", "zlib-1.3-dev"}
    assert {(each.key, each.cache) for each in found.believed} == {("cache-1", "https://cache")}
    assert found.verified is False
    assert found.unreadable == ()
    origin = found.origin
    assert (origin.kind, origin.target, origin.recipe, origin.lock) == (
        "recipe",
        "pigz",
        "pigz.toml",
        "tally.lock",
    )
    assert origin.repository is not None
    assert origin.repository.uri == f"git+https://git.example.org/pigz@{'c' * 40}"
    assert origin.licence == "Zlib AND LicenseRef-pigz-notice"
    assert {each.name for each in found.sources} == {"pigz-2.8.tar.gz"}
    assert found.materials == {"believed": 2, "built": 1, "file": 1, "source": 1, "toolchain": 3}
    made = observed(tmp_path / "two")
    plain = published(tmp_path / "plain", made, SigningKey.generate(), builder_keys(made)).path
    assert recorded(shown(plain).agreement) is None


def test_what_is_believed_is_told_by_name(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(str(release))
    assert "  believed    2 store paths: zlib-1.3, zlib-1.3-dev\n" in capsys.readouterr().out
    show(str(release), json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["believed"] == [each.model_dump(by_alias=True) for each in shown(release).believed]
    paths = [f"/nix/store/{number:032}-input-{number:02}" for number in range(22)]
    assert believed(paths).startswith("22 store paths: input-00, input-01, ")
    assert believed(paths).endswith("input-19 and 2 more")


def test_a_provenance_that_cannot_be_read_is_an_error(release: Path) -> None:
    provenance = release / "attestations/provenance.sigstore.json"
    for text in ("{}", '{"dsseEnvelope": {"payload": "%"}}', '{"dsseEnvelope": {"payload": "e30="}}'):
        provenance.write_text(text)
        with pytest.raises(TallyError, match="cannot be shown: ") as error:
            shown(release)
        assert "attestations/provenance.sigstore.json" in error.value.message
    provenance.unlink()
    with pytest.raises(
        TallyError, match=r"attestations/provenance\.sigstore\.json cannot be read: No such file"
    ):
        shown(release)


def test_what_else_cannot_be_read_is_told_beside_what_can(release: Path) -> None:
    bundles = release / "attestations"
    (bundles / "reproduction.sigstore.json").write_text("torn")
    (bundles / "sbom-spdx.sigstore.json").unlink()
    link = next((release / "links").glob("*.link"))
    link.write_bytes(link.read_bytes()[:100])
    found = shown(release)
    assert found.builders == ()
    assert len(found.unreadable) == 3
    screen = "\n".join(page(found))
    assert "unreadable" in screen
    assert str(link.relative_to(release)) in screen
    assert "a, b agree (same-host)" in screen


def test_a_screen_and_its_document_say_what_is_not_checked(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(str(release)) == ExitCode.YES
    out = capsys.readouterr().out
    assert "VERIFIED" not in out
    assert out.splitlines()[1].startswith("  NOT CHECKED nothing of this is verified")
    assert "signed by   key " in out
    show(str(release), json=True, graph=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["verified"], document["verification"]) == (False, None)
    schema = Shown.model_json_schema(by_alias=True, mode="serialization")
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)
    nodes = {each["id"]: each for each in document["graph"]["nodes"]}
    package = document["derivations"]["package"]
    assert package in nodes[document["graph"]["root"]]["inputs"]
    assert [nodes[each]["kind"] for each in nodes[package]["inputs"]] == [
        "source",
        "believed",
        "believed",
        "file",
        "derivation",
    ]
    assert nodes[nodes[package]["inputs"][-1]]["name"] == "debian-root"


def test_with_a_key_it_says_whether_it_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = signed(tmp_path)
    assert show(str(made.folder), key=[made.pub]) == ExitCode.YES
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("  VERIFIED    signed by ")
    assert "NOT CHECKED" not in out
    show(str(made.folder), key=[made.pub], json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is True
    assert document["verification"]["verdict"] == "passed"
    made.artifact.write_bytes(b"another program")
    assert show(str(made.folder), key=[made.pub]) == ExitCode.NO
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("  FAILED ")
    assert "digest-mismatch" in out
    (made.folder / "attestations/provenance.sigstore.json").unlink()
    assert show(str(made.folder), key=[made.pub]) == ExitCode.NO
    assert capsys.readouterr().out.startswith("FAILED  ")


def test_a_reference_is_shown_without_its_artifact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = signed(tmp_path)
    made.artifact.unlink()
    assert show(f"dir:{made.folder}") == ExitCode.YES
    assert capsys.readouterr().out.startswith("pigz 2.8 for x86_64-linux\n")
    (made.folder / "attestations/provenance.sigstore.json").write_text("{}")
    with pytest.raises(
        TallyError, match=r"cannot be shown: attestations/provenance\.sigstore\.json is sent as"
    ):
        show(f"dir:{made.folder}")
    with pytest.raises(TallyError):
        show(f"dir:{tmp_path}/nowhere")


def test_a_bundle_is_shown_by_its_own_word(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = release / "attestations/provenance.sigstore.json"
    assert show(str(bundle)) == ExitCode.YES
    out = capsys.readouterr().out
    assert "states      provenance (https://slsa.dev/provenance/v1)" in out
    assert "pigz-2.8-x86_64-linux.tar.gz sha256:" in out
    assert out.splitlines()[1].startswith("  NOT CHECKED nothing of this is verified")
    show(str(bundle), json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is False
    Draft202012Validator(ShownBundle.model_json_schema(by_alias=True, mode="serialization")).validate(
        document
    )
    with pytest.raises(TallyError, match="is a bundle, and those options are about releases"):
        show(str(bundle), graph=True)
    torn = tmp_path / "torn.sigstore.json"
    torn.write_bytes(bundle.read_bytes()[:-20])
    with pytest.raises(TallyError, match="cannot be shown: "):
        show(str(torn))


def test_the_screen_of_many_materials_is_bounded(tmp_path: Path) -> None:
    made = observed(tmp_path / "in")
    made = replace(made, facts=with_toolchain(made.facts, ["MIT"] * 3000))
    release = published(tmp_path / "out", made, SigningKey.generate(), builder_keys(made)).path
    found = shown(release, graph=True)
    assert found.materials["toolchain"] == 3000
    assert len(page(found)) < 24
    assert max(map(len, page(found))) <= 240
    assert found.graph is not None
    assert len(found.graph.nodes) > 3000


def test_a_tree_shows_each_once_and_ends() -> None:
    chain = [
        Node(id=str(each), name=f"n{each}", kind="derivation", inputs=(str(each + 1),)) for each in range(500)
    ]
    end = Node(id="500", name='a"\\\n\x1b[2J', kind="file", inputs=())
    lines = list(tree(Graph(root="0", nodes=(*chain, end))))
    assert len(lines) == 65
    assert lines[-1].endswith("(deeper: --dot has all)")
    ring = [chain[0], chain[1].model_copy(update={"inputs": ("0", "500")}), end]
    assert list(tree(Graph(root="0", nodes=tuple(ring))))[2] == "    ├── n0 (above)"
    drawn = dot(Graph(root="0", nodes=tuple(ring)))
    assert '"500" [label="a\\"\\\\\\\\x0a\\\\x1b[2J [file]"' in drawn
    assert "\x1b" not in drawn


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a format of later": lambda document: document.update(releaseFormat=2),
    "numbers that do not add up": lambda document: document["agreement"]["inputs"].update(rebuilt=9),
    "no agreement": lambda document: document.pop("agreement"),
    "builders that are none": lambda document: document["agreement"].update(builders=[1]),
    "no artifact": lambda document: document["artifact"].update(path="elsewhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_cannot_be_read_is_an_error(release: Path, change: str) -> None:
    index = release / "release.json"
    document = json.loads(index.read_bytes())
    CHANGES[change](document)
    index.write_text(json.dumps(document))
    with pytest.raises(TallyError, match=r"cannot be shown: |which a newer Tallystick wrote") as error:
        shown(release)
    assert str(release) in error.value.message


def test_what_is_no_release_has_nothing_to_show(release: Path, tmp_path: Path) -> None:
    for target in (tmp_path / "absent", tmp_path):
        with pytest.raises(TallyError, match=r"nothing at|not a release"):
            shown(target)
    with pytest.raises(TallyError, match=r"no evidence is about release\.json"):
        shown(release / "release.json")
