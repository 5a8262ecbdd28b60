"""A release that was really built, from a real closure with an input recipe, before the same programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import strangers

from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey

if TYPE_CHECKING:
    from tests.conftest import TallyIn


@dataclass(frozen=True)
class Built:
    folders: tuple[Path, Path]
    """Of two runs."""
    pub: Path


@pytest.fixture(scope="module")
def built(repository: Path, tally_in: TallyIn, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """pigz, which uses zlib through `inputs`, built twice."""
    folder = tmp_path_factory.mktemp("built")
    private, pub = SigningKey.generate().write(folder / "release")
    found: list[Path] = []
    for run in ("first", "second"):
        tally_in(repository)(
            "build", "recipes/pigz.toml", "--key", private, "--out", folder / run
        ).succeeded()
        found += (folder / run).iterdir()
    return Built((found[0], found[1]), pub)


def test_tally_and_in_toto_accept(built: Built, tally_in: TallyIn, tmp_path: Path) -> None:
    for folder in built.folders:
        tally_in(tmp_path)("verify", folder, "--key", built.pub).succeeded()
        assert strangers.in_toto_verify(folder, built.pub) == (0, "")


def test_cosign_accepts(built: Built, session_state: Path) -> None:
    try:
        cosign = strangers.cosign(session_state)
    except TallyError as error:
        pytest.skip(f"cosign cannot be had here: {error.message}")
    folder = built.folders[0]
    artifact = next(folder.glob("pigz-*"))
    for name, kind in strangers.TYPES.items():
        bundle = folder / "attestations" / f"{name}.sigstore.json"
        code, said = strangers.cosign_verify(cosign, built.pub, bundle, kind, artifact)
        assert code == 0, said


def test_the_spdx_validator_has_nothing_to_say(built: Built) -> None:
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    (path,) = built.folders[0].glob("sbom/*.spdx.json")
    document = parse_file(str(path))
    assert validate_full_spdx_document(document) == []
    names = {package.name for package in document.packages}
    assert {"pigz", "gcc-12", "libc6-dev", "busybox-static", "debian-root"} <= names
    assert all(package.checksums for package in document.packages)


def test_two_runs_make_one_sbom(built: Built) -> None:
    first, second = (next(folder.glob("sbom/*.spdx.json")).read_bytes() for folder in built.folders)
    assert first == second


def test_times_and_ids_aside_two_runs_make_one_provenance(built: Built) -> None:
    """The byproducts hold the digests of what has times in it: links, build records."""
    first, second = (_provenance(folder) for folder in built.folders)
    for each in (first, second):
        del each["predicate"]["runDetails"]["metadata"], each["predicate"]["runDetails"]["byproducts"]
    assert first == second


def _provenance(folder: Path) -> dict[str, Any]:
    from base64 import b64decode

    bundle = json.loads((folder / "attestations" / "provenance.sigstore.json").read_bytes())
    found: dict[str, Any] = json.loads(b64decode(bundle["dsseEnvelope"]["payload"]))
    return found
