"""The resolver around apt, with stand-ins for apt's programs: what they are given, what failures become."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.pinning import debian


def _program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """apt that lists one package, and records its configuration."""
    folder = tmp_path / "bin"
    folder.mkdir()
    keyring = tmp_path / "keys.gpg"
    keyring.write_bytes(b"")
    monkeypatch.setattr(debian, "KEYRING", keyring)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    _program(
        folder,
        "apt-config",
        """echo 'Acquire::http::Proxy "http://proxy.example:3142";'
echo 'Acquire::AllowInsecureRepositories "true";'
echo 'Acquire::https::Verify-Peer "false";'
echo 'APT::Update::Post-Invoke:: "touch /harm";'
echo 'Dir::State "/var/lib/apt";'""",
    )
    _program(
        folder,
        "apt-get",
        f"""cp $APT_CONFIG {tmp_path}/apt.conf; cp $(dirname $APT_CONFIG)/sources.list {tmp_path}/sources.list
case "$*" in
update*) ;;
*) echo 'Inst make (4.3-4.1 Debian:12/oldstable [amd64])'; echo 'Inst odd:amd64 (1:2 Debian:12 [all])' ;;
esac""",
    )
    _program(
        folder,
        "apt-cache",
        f"""case $1 in
pkgnames) echo make; echo odd ;;
*) printf 'Package: make\\nVersion: 4.3-4.1\\nArchitecture: amd64\\n'
   printf 'Filename: pool/main/m/make.deb\\nSize: 7\\n'
   printf 'SHA256: {"a" * 64}\\nDescription: x\\n\\n'
   printf 'Package: odd\\nVersion: 1:2\\nArchitecture: all\\n'
   printf 'Filename: pool/main/o/odd.deb\\nSize: 8\\nSHA256: {"b" * 64}\\n' ;;
esac""",
    )
    return folder


def test_what_apt_chose_is_taken_from_its_index(programs: Path) -> None:
    with debian.opened(["http://archive.example/debian/"], "amd64") as apt:
        found = apt.resolve(["make", "make"])
    assert [(p.name, p.version, p.architecture, p.file, p.size, p.sha256[0]) for p in found] == [
        ("make", "4.3-4.1", "amd64", "make.deb", 7, "a"),
        ("odd", "1:2", "all", "odd.deb", 8, "b"),
    ]


def test_a_candidate_is_one_package_of_the_index(programs: Path) -> None:
    with debian.opened(["http://archive.example/debian/"], "amd64") as apt:
        _program(programs, "apt-get", "exit 1")
        found = apt.candidate("odd")
        assert (found.name, found.version, found.file, found.sha256[0]) == ("odd", "1:2", "odd.deb", "b")
        with pytest.raises(TallyError, match="has no package 'mak'"):
            apt.candidate("mak")
        _program(programs, "apt-cache", "test $1 = pkgnames && exec echo make; exit 0")
        with pytest.raises(TallyError, match="has no digest for make"):
            apt.candidate("make")


def test_of_the_machines_settings_only_the_way_to_the_archive_is_used(programs: Path, tmp_path: Path) -> None:
    with debian.opened(["http://archive.example/debian/"], "arm64", "trixie") as apt:
        folder = apt.folder
    settings = (tmp_path / "apt.conf").read_text()
    assert 'Acquire::http::Proxy "http://proxy.example:3142";' in settings
    assert "Post-Invoke" not in settings
    assert "Verify-Peer" not in settings
    assert 'AllowInsecureRepositories "true"' not in settings
    assert f'Dir::State "{folder}/state";' in settings
    assert '"/var/lib/apt"' not in settings
    source = (tmp_path / "sources.list").read_text()
    assert (
        source == f"deb [arch=arm64 signed-by={debian.KEYRING}] http://archive.example/debian trixie main\n"
    )
    assert not folder.exists()


def test_what_of_a_suite_is_read(programs: Path, tmp_path: Path) -> None:
    with debian.opened(["http://a.example/"], "amd64", updates=True, security=["http://s.example/"]):
        pass
    lines = [line.split("] ")[1] for line in (tmp_path / "sources.list").read_text().splitlines()]
    assert lines == [
        "http://a.example bookworm main",
        "http://a.example bookworm-updates main",
        "http://s.example bookworm-security main",
    ]


def test_an_address_that_fails_is_followed_by_the_next(programs: Path) -> None:
    _program(
        programs,
        "apt-get",
        "grep -q first $(dirname $APT_CONFIG)/sources.list && { echo 'E: no luck' >&2; exit 100; }; exit 0",
    )
    with debian.opened(["http://first.example/", "http://second.example/"], "amd64"):
        pass
    with pytest.raises(TallyError) as caught, debian.opened(["http://first.example/"], "amd64"):
        pass
    assert "  http://first.example/: apt-get update failed: E: no luck" in caught.value.message


@pytest.mark.parametrize(
    ("suite", "says"),
    [
        ("buster", "Debian buster has ended; the archive has bookworm, trixie"),
        ("nonesuch", "the archive has bookworm, trixie: `suite` in the recipe"),
        ("trixei", "did you mean 'trixie'?"),
    ],
)
def test_a_suite_that_is_not_there(
    programs: Path, monkeypatch: pytest.MonkeyPatch, suite: str, says: str
) -> None:
    _program(
        programs, "apt-get", "echo \"E: The repository 'x' does not have a Release file.\" >&2; exit 100"
    )
    _program(programs, "apt-helper", "case $2 in */bookworm/*|*/trixie/*) ;; *) exit 1 ;; esac")
    monkeypatch.setattr(debian, "_HELPER", str(programs / "apt-helper"))
    with pytest.raises(TallyError) as caught, debian.opened(["http://a.example/"], "amd64", suite):
        pass
    assert says in (caught.value.hint or "")


def test_a_suite_without_what_every_build_gets(programs: Path) -> None:
    with (
        debian.opened(["http://archive.example/"], "amd64", "bullseye") as apt,
        pytest.raises(TallyError, match="bullseye cannot be built with: it has no bash, which every"),
    ):
        apt.resolve(["bash"])


@pytest.mark.parametrize("name", ["mak", "make-", "make+", "make/sid", "make=1", "^make$", "-o", "", "Make"])
def test_names_that_apt_would_take_for_something_else(programs: Path, name: str) -> None:
    with (
        debian.opened(["http://archive.example/"], "amd64") as apt,
        pytest.raises(TallyError, match="has no package") as caught,
    ):
        apt.resolve([name])
    if name in ("mak", "make-", "make+"):
        assert caught.value.hint == "did you mean 'make'?"


def test_an_index_without_a_digest(programs: Path) -> None:
    _program(
        programs,
        "apt-cache",
        'test $1 = pkgnames && exec echo make\nprintf "Package: make\\nVersion: 1\\nArchitecture: all\\n"',
    )
    with (
        debian.opened(["http://archive.example/"], "amd64") as apt,
        pytest.raises(TallyError, match="has no digest for make"),
    ):
        apt.resolve(["make"])


def test_no_apt_no_keys_no_such_suite(
    programs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (
        pytest.raises(TallyError, match="not the name of a Debian suite"),
        debian.opened(["x"], "amd64", "a b"),
    ):
        pass
    monkeypatch.setattr(debian, "KEYRING", tmp_path / "none")
    with pytest.raises(TallyError, match="archive keys are not here"), debian.opened(["x"], "amd64"):
        pass
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TallyError, match="needs apt") as caught, debian.opened(["x"], "amd64"):
        pass
    assert caught.value.hint is not None
    assert "building from an existing tally.lock needs no apt" in caught.value.hint


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("Date: Sat, 31 Oct 2026 02:53:00 UTC", None),
        ("Date: Sat, 31 Oct 2026 02:53:00 UTC\nValid-Until: Sat, 07 Nov 2026 02:53:00 UTC", None),
        ("Date: Sun, 01 Nov 2026 00:00:01 UTC", "bookworm was made later, Sun, 01 Nov"),
        (
            "Date: Thu, 01 Oct 2026 02:53:00 UTC\nValid-Until: Thu, 08 Oct 2026 02:53:00 UTC",
            "not valid any more",
        ),
        ("Date: some day", "does not say when it was made"),
        ("Origin: Debian", "does not say when it was made"),
    ],
)
def test_the_index_of_a_moment(said: str, refused: str | None) -> None:
    moment, text = (
        datetime(2026, 11, 1, tzinfo=UTC),
        f"Suite: oldstable\nCodename: bookworm\n{said}\nSHA256:\n",
    )
    if refused is None:
        debian.refuse_other_moment(text, moment)
        return
    with pytest.raises(TallyError, match=refused):
        debian.refuse_other_moment(text, moment)
