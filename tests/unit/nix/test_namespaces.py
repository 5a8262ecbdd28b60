"""Why a kernel says no, told from its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.nix.namespaces import explain


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A kernel with nothing set against user namespaces."""
    for name, value in {
        "sys/user/max_user_namespaces": "15000",
        "sys/kernel/apparmor_restrict_unprivileged_userns": "0",
        "self/status": "Name:\tpython\nSeccomp:\t0\n",
        "self/ns/user": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(value + "\n")
    return tmp_path


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("sys/kernel/unprivileged_userns_clone", "0", "unprivileged_userns_clone is 0"),
        ("sys/user/max_user_namespaces", "0", "max_user_namespaces is 0"),
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor restricts them"),
        ("self/status", "Seccomp:\t2", "seccomp filter"),
    ],
)
def test_the_setting_that_stands_in_the_way_is_named(
    proc: Path, setting: str, value: str, reason: str
) -> None:
    (proc / setting).parent.mkdir(parents=True, exist_ok=True)
    (proc / setting).write_text(value + "\n")
    found = explain("unshare: Operation not permitted", proc)
    assert reason in found.reason
    assert "Operation not permitted" in found.reason
    assert found.hint


def test_a_kernel_without_them(proc: Path) -> None:
    (proc / "self/ns/user").unlink()
    assert "CONFIG_USER_NS" in explain("unshare: Invalid argument", proc).hint


def test_an_unknown_reason_is_said_as_it_came(proc: Path) -> None:
    assert explain("mount: Permission denied", proc).reason == "mount: Permission denied"


def test_a_machine_without_proc(tmp_path: Path) -> None:
    assert explain("unshare: x", tmp_path / "none").reason
