"""Causes are named on evidence, and `unknown` is said where there is none."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from orchestrator.agreement.cause import Cause
from orchestrator.agreement.difference import differences
from orchestrator.agreement.trees import Side


def cause(folder: Path, one: bytes, other: bytes, name: str = "file") -> Cause:
    for side, content in (("a", one), ("b", other)):
        (folder / side).mkdir()
        (folder / side / name).write_bytes(content)
    (only,) = differences(Side("a", folder / "a"), Side("b", folder / "b"))
    return only.cause


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (b"date: 2026-11-22T21:51:05Z", b"date: 2026-11-22T21:51:06Z", Cause.TIMESTAMP),
        (b"2026-11-22 21:51:05.123456", b"2026-11-22 21:51:05.998877", Cause.TIMESTAMP),
        (b"Sun Nov 22 21:51:05 UTC 2026\n", b"Mon Nov 23 01:00:59 UTC 2026\n", Cause.TIMESTAMP),
        (b"Sun, 22 Nov 2026 21:51:05 +0000", b"Sun, 22 Nov 2026 21:52:05 +0000", Cause.TIMESTAMP),
        (b"\0built\0Nov 22 2026\0", b"\0built\0Nov 23 2026\0", Cause.TIMESTAMP),
        (b"\0at\00021:51:05\0", b"\0at\00021:51:07\0", Cause.TIMESTAMP),
        (b"epoch=1795384265\n", b"epoch=1795384271\n", Cause.TIMESTAMP),
        (b"ns=1795384265123456789\n", b"ns=1795384265923456789\n", Cause.TIMESTAMP),
        (b"build 20261122", b"build 20261123", Cause.TIMESTAMP),
        (b"cores: 2\n", b"cores: 16\n", Cause.CPU_COUNT),
        (b"cores: 1\n", b"cores: 16\n", Cause.CPU_COUNT),
        (b"#define NPROC 2", b"#define NPROC 8", Cause.CPU_COUNT),
        (b"NIX_BUILD_CORES=2", b"NIX_BUILD_CORES=3", Cause.CPU_COUNT),
        (b"hostname=alpha\n", b"hostname=beta\n", Cause.HOST_NAME),
        (b"Linux 6.1.0-13-amd64\n", b"Linux 6.18.44\n", Cause.KERNEL),
        (b"PASS: parse (1043 us)", b"PASS: parse (998 us)", Cause.DURATION),
        (b"finished in 1.25 s", b"finished in 1.31 s", Cause.DURATION),
        (b"/* from gen.127.tmp */", b"/* from gen.131.tmp */", Cause.PROCESS),
        (b"#line 1 /tmp-12345", b"#line 1 /tmp-12399", Cause.PROCESS),
        (b"elapsed: 12", b"elapsed: 13", Cause.DURATION),
        (b"11.81 9.33 10.02", b"14.25 9.92 10.20", Cause.LOAD),
        (b"model name\t: AMD EPYC", b"model name\t: Intel Xeon", Cause.CPU_MODEL),
        (b"pid 8231\n", b"pid 77\n", Cause.PROCESS),
        (b"uptime: 51.2", b"uptime: 9812.7", Cause.UPTIME),
        (b"MemTotal:       24686188 kB", b"MemTotal:       16000000 kB", Cause.MEMORY),
        (b"uid=1000", b"uid=0", Cause.USER),
        (b"from /build/hello-1/x.c", b"from /tmp/nix-build-1/x.c", Cause.BUILD_PATH),
        (b"from /tmp/nix-build-1/x.c", b"from /tmp/nix-build-2/x.c", Cause.BUILD_PATH),
        (b"/tmp/tmp.Ab12Cd34Ef/x", b"/tmp/tmp.Zz98Yy76Xx/x", Cause.RANDOM),
        (b"de305d54-75b4-431b-adb2-eb6b9e546014", b"123e4567-e89b-12d3-a456-426655440000", Cause.RANDOM),
        (b"id 0123456789abcdef0123", b"id fedcba98765432100123", Cause.IDENTIFIER),
        (b"value 17", b"value 18", Cause.UNKNOWN),
        (b"version 2.1.0", b"version 2.1.1", Cause.UNKNOWN),
        (b"phone 5551234567", b"phone 5559999999", Cause.UNKNOWN),
        (b"the date is 2026-11-22, x", b"the date is 2026-11-22, y", Cause.UNKNOWN),
        (b"cores: many\n", b"cores: few\n", Cause.UNKNOWN),
        (b"hello", b"", Cause.UNKNOWN),
        (b"\x00\x01\x02", b"\x00\x01\x03", Cause.UNKNOWN),
    ],
)
def test_text(tmp_path: Path, one: bytes, other: bytes, expected: Cause) -> None:
    assert cause(tmp_path, one, other) == expected


def tar_of(content: bytes, mtime: int, flavour: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=flavour) as archive:
        for name, when in (("first", 1), ("second", mtime)):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), when
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize("flavour", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT])
def test_times_in_a_tar(tmp_path: Path, flavour: int) -> None:
    one, other = (tar_of(b"x" * 1000, when, flavour) for when in (1_000_000, 2_000_000))
    assert cause(tmp_path, one, other) is Cause.TIMESTAMP


def test_content_in_a_tar_is_not_its_time(tmp_path: Path) -> None:
    # the difference lies 140 bytes into a block, where a header would have its time
    one, other = (tar_of(b"x" * 140 + last + b"x" * 2000, 1, tarfile.GNU_FORMAT) for last in (b"1", b"2"))
    assert cause(tmp_path, one, other) is Cause.UNKNOWN


def test_times_in_gzip(tmp_path: Path) -> None:
    one, other = (gzip.compress(b"same", mtime=when) for when in (1, 2))
    assert cause(tmp_path, one, other) is Cause.TIMESTAMP


def test_content_in_gzip_is_unknown(tmp_path: Path) -> None:
    one, other = (gzip.compress(content, mtime=0) for content in (b"same", b"other"))
    assert cause(tmp_path, one, other) is Cause.UNKNOWN


def test_times_in_zip(tmp_path: Path) -> None:
    def zip_of(hour: int) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(zipfile.ZipInfo("x", (2026, 1, 1, hour, 0, 0)), b"x")
        return stream.getvalue()

    assert cause(tmp_path, zip_of(1), zip_of(9)) is Cause.TIMESTAMP


def test_times_in_ar(tmp_path: Path) -> None:
    def ar_of(time: bytes) -> bytes:
        return b"!<arch>\n" + b"x.o/".ljust(16) + time.ljust(12) + b"0     0     100644  2         `\nxx"

    assert cause(tmp_path, ar_of(b"1795384265"), ar_of(b"1795384266"), "x.a") is Cause.TIMESTAMP


@pytest.mark.parametrize(("flags", "expected"), [(0, Cause.TIMESTAMP), (1, Cause.UNKNOWN)])
def test_times_in_python_bytecode(tmp_path: Path, flags: int, expected: Cause) -> None:
    def pyc(source_time: int) -> bytes:
        return (
            b"\xa7\r\r\n" + flags.to_bytes(4, "little") + source_time.to_bytes(4, "little") + b"\0\0\0\0rest"
        )

    assert cause(tmp_path, pyc(1), pyc(2), "x.pyc") is expected


RANDOM = random.Random(9)
COMPRESSED = gzip.compress(RANDOM.randbytes(64), mtime=0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (RANDOM.randbytes(16), RANDOM.randbytes(16), Cause.IDENTIFIER),
        (RANDOM.randbytes(100), RANDOM.randbytes(100), Cause.IDENTIFIER),
        (
            b"\0head" + RANDOM.randbytes(20) + b"tail" * 9,
            b"\0head" + RANDOM.randbytes(20) + b"tail" * 9,
            Cause.IDENTIFIER,
        ),
        (b"key=kP3vX9aQ7LmB2cZr0YtW", b"key=Jd8RfU5sNo1HgT6eViKx", Cause.IDENTIFIER),
        (b"ID=4F1A22B09C3D5E67", b"ID=90ABCDEF12345678", Cause.IDENTIFIER),
        (b"on 29-Nov-2026", b"on 30-Nov-2026", Cause.TIMESTAMP),
        (b"made 29.11.2026.", b"made 30.11.2026.", Cause.TIMESTAMP),
        (COMPRESSED + RANDOM.randbytes(16), COMPRESSED + RANDOM.randbytes(16), Cause.UNKNOWN),
        (RANDOM.randbytes(600), RANDOM.randbytes(600), Cause.UNKNOWN),
        (b"the quick brown fox jumps", b"over lazy dogs, all night", Cause.UNKNOWN),
        (b"\x01\0\0\0\x02\0\0\0", b"\x07\0\0\0\x09\0\0\0", Cause.UNKNOWN),
        (b"a-name-of-Some-File-1.c", b"a-name-of-Some-File-2.c", Cause.UNKNOWN),
    ],
)
def test_bytes_without_sense_are_a_random_value_and_others_are_not(
    tmp_path: Path, one: bytes, other: bytes, expected: Cause
) -> None:
    assert cause(tmp_path, one, other) is expected


def test_a_digest_in_front_does_not_hide_the_date_behind_it(tmp_path: Path) -> None:
    """As in a program, whose build id follows from all the rest of it."""
    same = RANDOM.randbytes(70_000)
    one, other = [
        b"\x7fELF" + RANDOM.randbytes(20) + same + b"\0Nov 29 2026\0" + time + b"\0" + same
        for time in (b"09:15:03", b"09:15:09")
    ]
    assert cause(tmp_path, one, other) is Cause.TIMESTAMP
