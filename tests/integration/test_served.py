"""`tally rebuild pypi:NAME==VERSION`: what an index serves, made again from its sdist by real builders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from wheels import OwnIndex, sdist_of
from zip_making import Member, zip_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ran, Tally, TallyIn

PROJECT = b'[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
BACKEND = """
import zipfile

def build_wheel(out, settings, metadata=None):
    {0}
    name = "{1}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(out + "/" + name, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in {2!r}.items():
            info = zipfile.ZipInfo(file, (2024, 5, 17, 10, 20, 30))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o100644 << 16
            archive.writestr(info, data)
    return name
"""
"""A project's own backend: it makes what it is told, after it has done something else."""
RANDOM = """import os
    name = "random-1.0-py3-none-any.whl"
    open(out + "/" + name, "wb").write(os.urandom(9))
    return name"""
MOMENT = (2024, 5, 17, 10, 20, 30)


def files(name: str) -> dict[str, str]:
    return {
        f"{name}.py": "print(1)\n" * 20,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/RECORD": "",
    }


def served(index: OwnIndex, name: str, does: str = "pass", **changed: str) -> None:
    """A project whose sdist makes `files`, and whose wheel is that, but for what is changed."""
    backend = BACKEND.format(does, name, files(name)).encode()
    index.add(
        name, f"{name}-1.0.tar.gz", sdist_of(f"{name}-1.0", {"pyproject.toml": PROJECT, "own.py": backend})
    )
    there = {file: changed.get(file.partition(".")[0], data) for file, data in files(name).items()}
    members = [Member(file, data.encode(), MOMENT) for file, data in there.items()]
    index.add(name, f"{name}-1.0-py3-none-any.whl", zip_of(members))


@pytest.fixture
def index() -> Iterator[OwnIndex]:
    with OwnIndex().served() as index:
        yield index


@pytest.fixture
def rebuilder(tmp_path: Path, tally_in: TallyIn, index: OwnIndex) -> Tally:
    (tmp_path / "tally.toml").write_text(f'[mirrors]\npypi = ["{index.address}"]\n')
    return tally_in(tmp_path)


def told(ran: Ran) -> dict[str, dict[str, Any]]:
    return {each["release"]: each for each in json.loads(ran.out)["rebuilds"]}


@pytest.mark.integration
def test_each_grade_and_whatever_stops_one_stops_no_other(rebuilder: Tally, index: OwnIndex) -> None:
    served(index, "identical")
    served(index, "changed", changed="print(2)\n" * 20)
    served(index, "network", "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')")
    served(
        index,
        "random",
        "import os; open(out + '/random-1.0-py3-none-any.whl', 'wb').write(os.urandom(9)); "
        "return 'random-1.0-py3-none-any.whl'",
    )
    served(index, "compiled")
    index.projects["compiled"] = [
        {**each, "filename": each["filename"].replace("any", "win_amd64")}
        for each in index.projects["compiled"]
    ]
    names = ["identical", "changed", "network", "random", "compiled", "nothing-there"]
    ran = rebuilder("rebuild", *(f"pypi:{each}==1.0" for each in names), "--json", "--junit", "junit.xml")
    assert ran.code == 1
    found = told(ran)
    assert list(found) == [f"pypi:{each}==1.0" for each in names[:3]] + ["pypi:random==1.0"] + [
        f"pypi:{each}==1.0" for each in names[4:]
    ]
    assert {name.partition(":")[2].partition("=")[0]: each["verdict"] for name, each in found.items()} == {
        "identical": "identical",
        "changed": "different",
        "network": "undecided",
        "random": "differs",
        "compiled": "undecided",
        "nothing-there": "undecided",
    }
    same = found["pypi:identical==1.0"]
    assert same["made"] == {"sha256": same["served"]["sha256"]}
    (epoch,) = [each for each in same["settings"] if each["name"] == "SOURCE_DATE_EPOCH"]
    assert epoch["readOffPublishedFile"]
    assert [each["name"] for each in found["pypi:changed==1.0"]["files"]] == ["changed.py"]
    assert "platforms alone" in found["pypi:compiled==1.0"]["message"]
    assert "nothing-there" in found["pypi:nothing-there==1.0"]["message"]
    junit = (rebuilder.folder / "junit.xml").read_text()
    assert 'tests="6" failures="2" errors="3"' in junit


@pytest.mark.integration
def test_a_recipe_that_is_there_is_used_and_told(rebuilder: Tally, index: OwnIndex) -> None:
    served(index, "mended")
    assert rebuilder("rebuild", "pypi:mended==1.0", "--recipe", "made").code == 0
    recipe = rebuilder.folder / "made/mended-1.0/mended.toml"
    assert (recipe.parent / "tally.lock").exists()
    text = recipe.read_text()
    recipe.write_text(text.replace("umask 022\nmkdir $out", "touch /build/made/x\numask 022\nmkdir $out"))
    ran = rebuilder("rebuild", "pypi:mended==1.0", "--recipe", "made", "--json")
    assert ran.code == 0
    (each,) = told(ran).values()
    assert [(one["name"], one["value"]) for one in each["settings"]] == [
        ("recipe", "mended.toml, mended by hand")
    ]
    wheel = each["served"]["sha256"]
    source = next(line for line in text.splitlines() if line.startswith("sha256 = "))
    recipe.write_text(text.replace(source, f'sha256 = "{wheel}"'))
    ran = rebuilder("rebuild", "pypi:mended==1.0", "--recipe", "made")
    assert ran.code == 2
    assert "is the served file itself, which proves nothing" in ran.err


@pytest.mark.integration
def test_real_wheels_and_what_is_signed_of_them(tmp_path: Path, tally_in: TallyIn) -> None:
    tally = tally_in(tmp_path)
    assert tally("keys", "generate", "key").code == 0
    ran = tally(
        *("rebuild", "pypi:idna==3.7", "pypi:six==1.17.0", "--json", "--attest", "signed", "--key", "key.key")
    )
    assert ran.code == 1, ran.err
    idna, six = told(ran).values()
    assert idna["verdict"] == "identical"
    assert idna["served"]["sha256"] == "82fee1fc78add43492d3a1898bfa6d8a904cc97d8427f683ed8e798d07761aa0"
    assert "TZ" in [each["name"] for each in idna["settings"] if each["readOffPublishedFile"]]
    assert six["verdict"] == "same-contents"
    assert six["identicalWithTimesOf"] == [
        f"six-1.17.0.dist-info/{each}" for each in ("LICENSE", "METADATA", "WHEEL", "top_level.txt", "RECORD")
    ]
    assert {each["aspect"] for each in six["container"]} == {"time"}
    signed = tmp_path / "signed"
    assert (signed / "idna-3.7/attestations/reproduction.sigstore.json").exists()
    assert [each.name for each in (signed / "six-1.17.0/attestations").iterdir()] == [
        "same-contents.sigstore.json"
    ]
    wheel = next(tmp_path.joinpath(six["kept"]).glob("served/*.whl"))
    bundle = signed / "six-1.17.0/attestations/same-contents.sigstore.json"
    root = signed / "six-1.17.0/trusted_root.json"
    for kind, code in (
        ("https://tallystick.example/same-contents/v1", 0),
        ("https://in-toto.io/attestation/scai/v0.3", 1),
    ):
        ran = tally(
            *("verify", str(wheel), "--bundle", str(bundle), "--key", "key.pub", "--type", kind),
            *("--trusted-root", str(root)),
        )
        assert ran.code == code, ran.err
