"""Provenance by others: what is read of it, and how `tally rebuild` refuses it."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from orchestrator.evidence.foreign_provenance import parse
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import replace
from orchestrator.run.elsewhere import refuse_foreign

OUTPUT = f"/nix/store/{'a' * 32}-hello-2.12"
COMMIT = f"github:owner/repo/{'0' * 40}#hello"
CONTENT = f"sha256-{'A' * 43}="
FLAKE = f"github:owner/repo/{'0' * 40}?dir=a&narHash={quote(CONTENT)}#hello"


def statement(parameters: Any, subject: str = OUTPUT, **more: Any) -> dict[str, Any]:
    definition = {"buildType": "https://example.org/nix/v1", "externalParameters": parameters}
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": subject, "digest": {"sha256": "0" * 64}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": definition},
        **more,
    }


def envelope(document: object) -> dict[str, Any]:
    return {
        "payload": b64encode(json.dumps(document).encode()).decode(),
        "payloadType": "x",
        "signatures": [],
    }


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (statement({"flake": FLAKE}), "and no release"),
        (envelope(statement({"target": {"uri": FLAKE}})), "and no release"),
        ({"dsseEnvelope": envelope(statement([FLAKE]))}, "and no release"),
        (
            statement({"flake": "github:owner/repo/main#hello"}),
            "names no commit of github:owner/repo/main#hello",
        ),
        (statement({"flake": COMMIT}), "names no narHash of that"),
        (statement({"flake": f"github:owner/repo/main?narHash={CONTENT}#x"}), "names no commit of"),
        (statement({"flake": COMMIT.replace("#", "?narHash=sha256-x#")}), "names no narHash"),
        (statement({"flake": FLAKE}, subject="hello"), "names no output path"),
        (statement({"workflow": "build.yml"}), "names no flake's attribute"),
        (statement({}, subject="x"), "names no flake's attribute and no output path"),
        (
            statement(
                {},
                predicateType="https://slsa.dev/provenance/v0.2",
                predicate={"buildType": "old", "invocation": {"parameters": {"flake": FLAKE}}},
            ),
            "is provenance of the build type old, and no release",
        ),
    ],
)
def test_what_it_names_and_lacks(document: object, said: str, tmp_path: Path) -> None:
    file = tmp_path / "provenance.json"
    file.write_text(json.dumps(document))
    with pytest.raises(TallyError) as refused:
        refuse_foreign(file)
    assert said in refused.value.message
    assert refused.value.hint is not None
    if "no release" in said:
        assert f"`tally rebuild {file}`" in refused.value.hint
    if "narHash of that" in said:
        assert f"`tally build '{COMMIT}' --no-sign`" in refused.value.hint
        assert OUTPUT in refused.value.hint


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no JSON",
        b"[]",
        b'{"payload": "no base64!"}',
        b'{"payload": 1}',
        json.dumps(statement({}, predicateType="https://example.org/other")).encode(),
        json.dumps(statement({}, predicate={})).encode(),
        json.dumps(statement({}, predicate=[])).encode(),
    ],
)
def test_what_is_none_is_somebody_elses_error(data: bytes, tmp_path: Path) -> None:
    assert parse(data) is None
    (tmp_path / "file").write_bytes(data)
    refuse_foreign(tmp_path / "file")
    refuse_foreign(tmp_path / "nowhere")
    refuse_foreign(tmp_path)


def test_what_lies_in_a_release_is_the_releases(tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text("{}")
    (tmp_path / "provenance.json").write_text(json.dumps(statement({"flake": FLAKE})))
    refuse_foreign(tmp_path / "provenance.json")


def test_a_tree_is_fetched_by_its_commit_and_has_a_hash() -> None:
    found = parse(json.dumps(statement({"flake": FLAKE})).encode())
    assert found is not None
    assert found.fetched == f"github:owner/repo/{'0' * 40}?dir=a#hello"
    assert found.content == "00" * 32
    assert replace(found, flake=f"git+https://h/r?rev={'0' * 40}&narHash={CONTENT}#x").fetched == (
        f"git+https://h/r?rev={'0' * 40}#x"
    )
    assert replace(found, flake=f"https://h/r?narHash={CONTENT}#x").fetched == "https://h/r#x"


@pytest.mark.parametrize(
    ("digest", "told"),
    [
        ({"sha256": "A" * 64}, ("a" * 64, False)),
        ({"narHash": CONTENT, "sha256": "1" * 64}, ("00" * 32, True)),
        ({"narHash": "none", "sha256": "1" * 64}, ("1" * 64, False)),
        ({"sha512": "1" * 128}, None),
        ({"sha256": 1}, None),
        ("1" * 64, None),
    ],
)
def test_digests_of_outputs(digest: object, told: tuple[str, bool] | None) -> None:
    subjects = [
        {"name": "hello", "uri": OUTPUT, "digest": digest},
        7,
        {"name": "x", "digest": {"sha256": "2"}},
    ]
    found = parse(json.dumps({**statement({"flake": FLAKE}), "subject": subjects}).encode())
    assert found is not None
    assert found.digests == ({} if told is None else {OUTPUT: told})
