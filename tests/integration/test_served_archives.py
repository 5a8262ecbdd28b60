"""Debian's archive and the npm registry as this machine's clients reach them: what is served, and of what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.pinning import debian
from orchestrator.pinning.debian import Apt
from orchestrator.served.buildinfo import Buildinfo
from orchestrator.served.debian import Served, served, surroundings, surroundings_of
from orchestrator.served.named import DebName, NpmName
from orchestrator.served.npm import package_of
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def apt() -> Iterator[Apt]:
    with debian.opened(Mirrors().bases("debian"), "amd64", sources=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def six(apt: Apt) -> Served:
    return served(DebName("python3-six", "1.16.0-4"), apt)


def info_of(one: Served, sha256: str, installed: dict[str, str]) -> Buildinfo:
    return Buildinfo(one.source, one.source_version, {one.binary.file: sha256}, installed, (), None)


def test_a_package_and_its_source(apt: Apt, six: Served) -> None:
    assert six.everywhere
    assert (six.source, six.source_version) == ("six", "1.16.0-4")
    names = [each.name for each in six.files]
    assert names == ["six_1.16.0-4.dsc", "six_1.16.0-4.debian.tar.xz", "six_1.16.0.orig.tar.gz"]
    around = surroundings(six, apt)
    assert {"debhelper", "dh-python", "python3-setuptools", "build-essential"} <= set(around.names)
    assert {"gcc-12", "dpkg", "tar"} <= {each.name for each in around.packages}


@pytest.mark.parametrize(
    ("name", "version", "said", "hint"),
    [
        ("python3-six", "9.9-1", "it has 1.16.0-4", "snapshots"),
        ("python3-sixx", "1.16.0-4", "no package 'python3-sixx'", "did you mean"),
        ("linux-image-arm64", "1", "not for amd64", "for this one"),
    ],
)
def test_what_there_is_instead(apt: Apt, name: str, version: str, said: str, hint: str) -> None:
    with pytest.raises(TallyError) as caught:
        served(DebName(name, version), apt)
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_what_a_buildinfo_names(apt: Apt, six: Served) -> None:
    here = {each.name: each.version for each in apt.resolve(debian.BASE)}
    around = surroundings_of(info_of(six, six.binary.sha256, here), six, [apt], "six.buildinfo")
    assert {each.name: each.version for each in around.packages} == here
    gone = {**here, "gcc-12": "12.2.0-13", "libc6:i386": "2.36-9"}
    with pytest.raises(TallyError, match=r"2 packages that six.buildinfo names") as caught:
        surroundings_of(info_of(six, six.binary.sha256, gone), six, [apt], "six.buildinfo")
    assert "gcc-12 12.2.0-13" in caught.value.message
    with pytest.raises(TallyError, match="of another build"):
        surroundings_of(info_of(six, "0" * 64, here), six, [apt], "six.buildinfo")


def test_a_package_of_npm(tmp_path: Path) -> None:
    mirrors = Mirrors()
    sources = Sources(tmp_path, mirrors)
    package = package_of(NpmName("left-pad", "1.3.0"), mirrors, sources)
    assert package.wanted.digest == Sha256("870c0fe1096223a58d4f8832d08a7e651ea2fcadb8e6877b2fdc26b662d481dd")
    with pytest.raises(TallyError, match=r"has no version 9.9.9; it has 1.3.0"):
        package_of(NpmName("left-pad", "9.9.9"), mirrors, sources)
