"""Provenance by others: what is read of it, and how `tally rebuild` refuses it."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from orchestrator.evidence.foreign_provenance import parse
from orchestrator.ground.errors import TallyError
from orchestrator.run.elsewhere import refuse_foreign

OUTPUT = f"/nix/store/{'a' * 32}-hello-2.12"
FLAKE = f"github:owner/repo/{'0' * 40}#hello"


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
        (statement({"flake": FLAKE}), "which is made again by hand"),
        (envelope(statement({"target": {"uri": FLAKE}})), "which is made again by hand"),
        ({"dsseEnvelope": envelope(statement([FLAKE]))}, "which is made again by hand"),
        (
            statement({"flake": "github:owner/repo/main#hello"}),
            "names no commit of github:owner/repo/main#hello",
        ),
        (statement({"flake": FLAKE}, subject="hello"), "names no output path"),
        (statement({"workflow": "build.yml"}), "names no flake's attribute"),
        (statement({}, subject="x"), "names no flake's attribute and no output path"),
        (
            statement(
                {},
                predicateType="https://slsa.dev/provenance/v0.2",
                predicate={"buildType": "old", "invocation": {"parameters": {"flake": FLAKE}}},
            ),
            "is provenance of the build type old, which",
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
    if "by hand" in said:
        assert f"`tally build '{FLAKE}' --no-sign`" in refused.value.hint
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
