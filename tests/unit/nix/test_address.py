"""Addresses of stores, as users write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.nix.address import checked, folder_of


@pytest.mark.parametrize(
    "address", ["auto", "daemon", "local", "ssh-ng://h", "https://h/c", "s3://b?region=x"]
)
def test_what_is_not_in_a_folder_is_for_nix_to_open(address: str) -> None:
    assert folder_of(address) is None
    assert checked(address) == address


@pytest.mark.parametrize("form", ["{}", "./{}", "/{}", "file://{}", "local?root={}", "h:80", "{}?x=y", "foo"])
def test_where_there_is_nothing_nothing_is_made(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        TallyError, match=r"there is no (store|binary cache) in|no address of a store"
    ) as refused:
        checked(form.format(tmp_path / "no"))
    assert refused.value.hint is not None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_named_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/nix/store").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    (tmp_path / "c/nix-cache-info").touch()
    monkeypatch.chdir(tmp_path)
    assert checked("a") == checked("./a") == checked(f"file://{tmp_path}/a") == str(tmp_path / "a")
    assert checked(f"local?root={tmp_path}/a") == f"local?root={tmp_path}/a"
    assert checked(f"file://{tmp_path}/c") == f"file://{tmp_path}/c"
