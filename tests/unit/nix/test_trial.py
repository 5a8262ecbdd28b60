"""What the trial build writes, and which libraries its shell needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.nix.trial import libraries, read_trial

SEEN = """\
interface lo
interface  eth0
uid 1000
directory /build
host localhost
root build
root etc
variable HOME
variable -x PATH
nested works
"""


def test_every_fact_is_read() -> None:
    trial = read_trial(SEEN)
    assert trial.interfaces == ("eth0", "lo")
    assert (trial.uid, trial.directory, trial.host_name) == (1000, "/build", "localhost")
    assert trial.root_entries == ("build", "etc")
    assert trial.variables == ("HOME", "PATH")
    assert not trial.host_file_visible
    assert trial.nested == "works"


def test_a_visible_host_file_is_not_missed() -> None:
    assert read_trial(SEEN + "hostfile visible\n").host_file_visible


def test_nested_namespaces_are_not_claimed_where_they_were_not_tried() -> None:
    assert read_trial(SEEN.replace("nested works\n", "")).nested is None


@pytest.mark.parametrize("fact", ["interface", "uid", "directory", "host", "root", "variable"])
def test_a_missing_fact_is_never_taken_for_good(fact: str) -> None:
    lines = [line for line in SEEN.splitlines() if not line.startswith(fact)]
    with pytest.raises(TallyError, match="did not say"):
        read_trial("\n".join(lines))


def test_a_number_that_is_none() -> None:
    with pytest.raises(TallyError, match="did not say"):
        read_trial(SEEN.replace("uid 1000", "uid root"))


def test_libraries_of_glibc() -> None:
    said = (
        "\tlinux-vdso.so.1 (0x00007ffc)\n"
        "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2a)\n"
        "\t/lib64/ld-linux-x86-64.so.2 (0x00007f2b)\n"
    )
    assert libraries(said) == [
        ("libc.so.6", Path("/lib/x86_64-linux-gnu/libc.so.6")),
        ("ld-linux-x86-64.so.2", Path("/lib64/ld-linux-x86-64.so.2")),
    ]


def test_libraries_of_musl() -> None:
    said = "\t/lib/ld-musl-x86_64.so.1 (0x7f1)\n\tlibc.musl-x86_64.so.1 => /lib/ld-musl-x86_64.so.1 (0x7f1)\n"
    assert [name for name, _ in libraries(said)] == ["ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"]


def test_a_static_program_has_none() -> None:
    assert libraries("\tnot a dynamic executable\n") == []
