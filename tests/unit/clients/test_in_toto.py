"""in-toto at the gate: links and layout as its own program reads them, and this process left as it was."""

from __future__ import annotations

import json
import logging
import os
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import in_toto.settings
import pytest
import releases

from orchestrator.clients import links
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind


class Release:
    """What the gate is asked about."""

    def __init__(self, folder: Path, key: SigningKey | None = None) -> None:
        self.made = releases.observed(folder / "in")
        self.key = key or SigningKey.generate()
        found = releases.evidence(self.made, self.key, releases.builder_keys(self.made))
        self.files = [each for each in found.byproducts if each.path.startswith("links/")]
        self.artifact = self.made.artifact
        self.name = self.made.facts.artifact.file_name
        self.scratch = folder / "scratch"
        self.scratch.mkdir()

    def refusal(self, files: Sequence[ReleaseFile] | None = None, key: str | None = None) -> str | None:
        try:
            links.verify(
                self.files if files is None else files,
                self.artifact,
                self.name,
                self.key.public.pem if key is None else key,
                self.scratch,
            )
        except TallyError as error:
            return error.message
        return None


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return Release(tmp_path)


def changed(file: ReleaseFile, **members: object) -> ReleaseFile:
    """The envelope with another payload under the same signature."""
    envelope = json.loads(b"".join(file.chunks()))
    payload = json.dumps(members | {"_type": "link"}).encode()
    return ReleaseFile.of(file.path, json.dumps(envelope | {"payload": b64encode(payload).decode()}).encode())


@pytest.mark.parametrize("kind", [Kind.P256, Kind.ED25519], ids=str)
def test_what_our_code_signs_is_taken(tmp_path: Path, kind: Kind) -> None:
    assert Release(tmp_path, SigningKey.generate(kind)).refusal() is None


def test_the_layouts_key_may_be_among_the_files(release: Release) -> None:
    own = ReleaseFile.of(LAYOUT_KEY, release.key.public.pem.encode())
    links.verify([*release.files, own], release.artifact, release.name, None, release.scratch)


def test_a_refusal_names_the_client_and_its_words(release: Release) -> None:
    said = release.refusal(key=SigningKey.generate().public.pem)
    assert said is not None
    assert said.startswith("in-toto refuses the release's links and layout, so nothing was published:\n  ")
    assert "SignatureVerificationError" in said


def test_a_link_too_few_or_changed_is_refused(release: Release) -> None:
    layout = [each for each in release.files if each.path == LAYOUT]
    first, second = (each for each in release.files if each.path.endswith(".link"))
    assert "LinkNotFoundError" in (release.refusal([*layout, first]) or "")
    harmed = changed(second, name="build", materials={}, products={})
    assert "ThresholdVerificationError" in (release.refusal([*layout, first, harmed]) or "")
    assert "LinkNotFoundError" in (release.refusal(layout) or "")
    assert release.refusal([first, second]), "no layout"


def test_another_artifact_is_refused(release: Release) -> None:
    release.artifact.write_bytes(b"another")
    assert "RuleVerificationError" in (release.refusal() or "")


@pytest.mark.parametrize("name", ["x.link-1.tar.gz", "x-1.linked", "m.pyc", "x~", ".git"])
def test_a_name_that_it_leaves_out_is_refused_beforehand(name: str) -> None:
    with pytest.raises(TallyError, match="no in-toto client finds an artifact called"):
        links.refuse_name(name)


def test_names_that_it_finds_are_not() -> None:
    assert set(links._LEFT_OUT) == set(in_toto.settings.ARTIFACT_EXCLUDE_PATTERNS)
    for name in (
        "pigz-2.8-x86_64-linux.tar.gz",
        "link-1.tar.gz",
        "blinker.tar.gz",
        "x.git",
        "x.pyc.tar.gz",
        "x~1.tar.gz",
    ):
        links.refuse_name(name)


def test_it_leaves_no_trace(release: Release, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Yes or no: the working folder, in-toto's log, the scratch folder and what is printed are as before."""
    logger, before = logging.getLogger("in_toto"), Path.cwd()
    handlers = logger.handlers[:]
    first = next(each for each in release.files if each.path.endswith(".link"))
    for files in (release.files, [first], []):
        release.refusal(files)
        assert Path.cwd() == before
        assert logger.handlers == handlers
        assert list(release.scratch.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_working_folder_that_is_gone_is_no_hindrance(release: Release, tmp_path: Path) -> None:
    gone, before = tmp_path / "gone", Path.cwd()
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        assert release.refusal() is None
        with pytest.raises(FileNotFoundError):
            Path.cwd()
    finally:
        os.chdir(before)


def test_a_folder_that_cannot_be_made_is_told(release: Release) -> None:
    release.scratch.rmdir()
    assert (release.refusal() or "").startswith(f"cannot write {release.scratch}")
