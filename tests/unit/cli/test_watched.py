"""By what a run of many releases that was stopped is known again."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cli.watched import many_of
from orchestrator.keys.key import SigningKey
from orchestrator.stories.policy_file import load

POLICY = '[[signer]]\nname = "Acme"\nkey = "acme.pub"\n'


def test_another_key_behind_the_same_policy_is_another_run(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    found = []
    keys = [SigningKey.generate().public.pem for _ in range(2)]
    for key in (*keys, keys[0]):
        (tmp_path / "acme.pub").write_text(key)
        many = many_of(True, None, None, None, [Path("dir")], load(tmp_path / "policy.toml"))
        assert many is not None
        found.append(many.key)
    assert found[0] == found[2] != found[1]


def test_other_evidence_is_another_run() -> None:
    found = [many_of(True, None, None, None, [], ("no.json", data)) for data in (b"1", b"2", b"1")]
    assert found[0] == found[2] != found[1]
