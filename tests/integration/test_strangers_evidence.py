"""Programs that we did not write accept our releases, unmodified, and refuse harmed ones."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import disagreements
import pytest
import releases
import strangers

from orchestrator.evidence.facts import Package
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.signing import gate


@dataclass(frozen=True)
class Release:
    folder: Path
    pub: Path
    made: releases.Made
    log: EmbeddedLog | None = None

    @property
    def root(self) -> Path:
        return self.folder / TRUSTED_ROOT

    def bundle(self, name: str) -> Path:
        return self.folder / "attestations" / f"{name}.sigstore.json"

    @property
    def artifact(self) -> Path:
        return self.folder / self.made.facts.artifact.file_name


def publish(folder: Path, made: releases.Made, *, logged: bool = True) -> Release:
    key = SigningKey.generate()
    _, pub = key.write(folder / "release")
    log = releases.log_in(folder / "log") if logged else None
    published = releases.published(folder / "out", made, key, releases.builder_keys(made), log)
    return Release(published.path, pub, made, log)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("release")
    return publish(folder, releases.observed(folder / "in"))


@pytest.fixture
def release(original: Release, tmp_path: Path) -> Release:
    folder = tmp_path / original.folder.name
    shutil.copytree(original.folder, folder)
    return replace(original, folder=folder)


@pytest.fixture(scope="module")
def cosign(session_state: Path) -> Path:
    try:
        return strangers.cosign(session_state)
    except TallyError as error:
        pytest.skip(f"cosign cannot be had here: {error.message}")


class TestInToto:
    def verify(self, release: Release, pub: Path | None = None) -> tuple[int, str]:
        return strangers.in_toto_verify(release.folder, pub or release.pub)

    def test_accepts(self, release: Release) -> None:
        assert self.verify(release) == (0, "")

    def test_accepts_again_with_what_it_left_behind(self, release: Release) -> None:
        for _ in range(2):
            assert self.verify(release)[0] == 0
        assert (release.folder / "artifact.link").is_file()

    @pytest.mark.parametrize("name", ["a[1]?*.tar.gz", "what + ever~1.whl"])
    def test_accepts_names_that_are_patterns(self, tmp_path: Path, name: str) -> None:
        made = releases.observed(tmp_path / "in")
        facts = replace(made.facts, artifact=replace(made.facts.artifact, file_name=name))
        release = publish(tmp_path, replace(made, facts=facts))
        assert self.verify(release) == (0, "")
        release.artifact.write_bytes(b"another")
        assert self.verify(release)[0] == 1

    @pytest.mark.parametrize("number", [3, 5])
    def test_accepts_more_builders(self, tmp_path: Path, number: int) -> None:
        builders = [releases.identity(f"builder-{n}") for n in range(number)]
        release = publish(tmp_path, releases.observed(tmp_path / "in", builders=builders, quorum=number))
        assert self.verify(release) == (0, "")
        next(release.folder.glob("links/*.link")).unlink()
        assert "LinkNotFoundError" in self.verify(release)[1]

    @pytest.mark.parametrize("builders", [Kind.P256, Kind.ED25519], ids=str)
    def test_accepts_ed25519(self, tmp_path: Path, builders: Kind) -> None:
        made = releases.observed(tmp_path / "in")
        key = SigningKey.generate(Kind.ED25519)
        _, pub = key.write(tmp_path / "release")
        keys = {name: SigningKey.generate(builders) for name in releases.builder_keys(made)}
        published = releases.published(tmp_path / "out", made, key, keys)
        release = Release(published.path, pub, made, None)
        assert self.verify(release) == (0, "")
        _, other = SigningKey.generate(Kind.ED25519).write(tmp_path / "other")
        assert self.verify(release, other)[0] == 1

    def test_refuses_another_key(self, release: Release, tmp_path: Path) -> None:
        _, pub = SigningKey.generate().write(tmp_path / "other")
        assert self.verify(release, pub)[0] == 1

    def test_refuses_another_artifact(self, release: Release) -> None:
        release.artifact.write_bytes(b"another program")
        code, said = self.verify(release)
        assert (code, "RuleVerificationError" in said) == (1, True)

    @pytest.mark.parametrize("number", [0, 1])
    def test_refuses_when_a_link_is_missing(self, release: Release, number: int) -> None:
        sorted(release.folder.glob("links/*.link"))[number].unlink()
        code, said = self.verify(release)
        assert (code, "LinkNotFoundError" in said) == (1, True)

    @pytest.mark.parametrize("number", [0, 1])
    def test_refuses_when_a_link_is_changed(self, release: Release, number: int) -> None:
        path = sorted(release.folder.glob("links/*.link"))[number]
        document = json.loads(path.read_bytes())
        payload = base64.b64decode(document["payload"]).replace(b'"sha256":"', b'"sha256":"0')
        document["payload"] = base64.b64encode(payload).decode()
        path.write_text(json.dumps(document))
        code, said = self.verify(release)
        assert (code, "ThresholdVerificationError" in said) == (1, True)

    def test_refuses_when_one_builder_signed_twice(self, release: Release) -> None:
        first, second = sorted(release.folder.glob("links/*.link"))
        second.write_bytes(first.read_bytes())
        code, said = self.verify(release)
        assert (code, "ThresholdVerificationError" in said) == (1, True)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Release, disagreements.Signed]:
    """A release, and a disagreement about what is in it, by the same keys."""
    folder = tmp_path_factory.mktemp("disagreement")
    made, key = releases.observed(folder / "in"), SigningKey.generate()
    _, pub = key.write(folder / "release")
    log, builders = releases.log_in(folder / "log"), releases.builder_keys(made)
    published = releases.published(folder / "out", made, key, builders, log)
    signed = disagreements.signed(disagreements.observed(made), key, builders, log)
    return Release(published.path, pub, made, log), signed


class TestDisagreement:
    """A signed disagreement, before programs that know nothing of our attribute."""

    def files(self, signed: disagreements.Signed, folder: Path) -> Path:
        for name, data in {**signed.files, **signed.derivations}.items():
            (folder / name).write_bytes(data)
        return folder / gate.DISAGREEMENT

    @pytest.mark.parametrize("kind", strangers.TYPES.values())
    def test_cosign_takes_it_for_no_approval(
        self, cosign: Path, case: tuple[Release, disagreements.Signed], tmp_path: Path, kind: str
    ) -> None:
        release, signed = case
        bundle = self.files(signed, tmp_path)
        code, said = strangers.cosign_verify(
            cosign, release.pub, bundle, kind, release.artifact, release.root
        )
        assert code == 1, said

    def test_cosign_reads_it_as_what_it_is(
        self, cosign: Path, case: tuple[Release, disagreements.Signed], tmp_path: Path
    ) -> None:
        release, signed = case
        bundle, kind = self.files(signed, tmp_path), strangers.TYPES["reproduction"]
        for name in signed.derivations:
            code, said = strangers.cosign_verify(
                cosign, release.pub, bundle, kind, tmp_path / name, release.root
            )
            assert (code, "Verified OK" in said) == (0, True), said

    def test_in_toto_verify_takes_no_link_of_it(
        self, case: tuple[Release, disagreements.Signed], tmp_path: Path
    ) -> None:
        """Not even where two builders of a layout made one thing of something else."""
        release, signed = case
        folder = tmp_path / "release"
        shutil.copytree(release.folder, folder)
        assert strangers.in_toto_verify(folder, release.pub)[0] == 0
        links = {}
        for name, data in signed.files.items():
            if name.startswith("link."):
                links[json.loads(data)["signatures"][0]["keyid"][:8]] = data
        for path in folder.glob("links/*.link"):
            path.write_bytes(links[path.name.split(".")[1]])
        code, said = strangers.in_toto_verify(folder, release.pub)
        assert (code, "LinkNotFoundError" in said or "Invalid" in said) == (1, True), said


class TestSpdx:
    def test_pyspdxtools_accepts(self, original: Release) -> None:
        (document,) = original.folder.glob("sbom/*.spdx.json")
        assert strangers.pyspdxtools("--infile", document) == (0, "")

    @pytest.mark.parametrize("known", ["all", "least", "later"])
    def test_the_validator_has_nothing_to_say(self, original: Release, tmp_path: Path, known: str) -> None:
        from spdx_tools.spdx.parser.parse_anything import parse_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

        release = original
        if known != "all":
            made = releases.observed(tmp_path / "in")
            later = "(Apache-2.0+ WITH LLVM-exception OR MPL-2.0+) AND EPL-1.0+"
            licence = later if known == "later" else None
            package = Package("pigz", None, "x86_64-linux", license=licence)
            release = publish(
                tmp_path, replace(made, facts=replace(made.facts, package=package, licences={}))
            )
        (path,) = release.folder.glob("sbom/*.spdx.json")
        document = parse_file(str(path))
        assert validate_full_spdx_document(document) == []
        assert len(document.packages) == 1 + 1 + 9

    def test_pyspdxtools_converts_it_to_every_form_and_back(self, original: Release, tmp_path: Path) -> None:
        (path,) = original.folder.glob("sbom/*.spdx.json")
        for suffix in ("spdx", "spdx.yaml", "spdx.xml", "spdx.rdf.xml"):
            out = tmp_path / f"it.{suffix}"
            assert strangers.pyspdxtools("--infile", path, "--outfile", out) == (0, ""), suffix


class TestSigstorePython:
    """sigstore-python takes no self-managed keys, but its models read our bundles."""

    def test_every_bundle_is_one(self, original: Release) -> None:
        from sigstore_models.bundle.v1 import Bundle

        found = sorted(original.folder.glob("attestations/*.sigstore.json"))
        assert len(found) == 5
        for path in found:
            bundle = Bundle.from_json(path.read_text())
            assert bundle.media_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
            assert bundle.dsse_envelope is not None
            assert [each.keyid for each in bundle.dsse_envelope.signatures] == [""]

    def test_the_only_complaint_of_its_verifier_is_the_missing_certificate(self, original: Release) -> None:
        from sigstore.errors import VerificationError
        from sigstore.models import Bundle, InvalidBundle

        text = (original.folder / "attestations" / "provenance.sigstore.json").read_text()
        with pytest.raises((InvalidBundle, VerificationError), match="certificate"):
            Bundle.from_json(text)

    def test_every_statement_is_one(self, original: Release) -> None:
        from sigstore.dsse import Statement

        for path in original.folder.glob("attestations/*.sigstore.json"):
            envelope = json.loads(path.read_text())["dsseEnvelope"]
            statement = Statement(base64.b64decode(envelope["payload"]))
            digest = hashlib.sha256(original.artifact.read_bytes()).hexdigest()
            assert {subject.name: subject.digest.root for subject in statement._inner.subjects}[
                original.artifact.name
            ] == {"sha256": digest}


class TestCosign:
    def verify(
        self, cosign: Path, release: Release, name: str, *, pub: Path | None = None, kind: str | None = None
    ) -> tuple[int, str]:
        kind = kind or strangers.TYPES[name]
        root = release.root if release.root.exists() else None
        return strangers.cosign_verify(
            cosign, pub or release.pub, release.bundle(name), kind, release.artifact, root
        )

    @pytest.mark.parametrize("name", strangers.TYPES)
    def test_accepts(self, cosign: Path, original: Release, name: str) -> None:
        code, said = self.verify(cosign, original, name)
        assert (code, "Verified OK" in said) == (0, True), said

    @pytest.mark.parametrize("name", strangers.TYPES)
    def test_accepts_what_is_in_no_log(self, cosign: Path, tmp_path: Path, name: str) -> None:
        release = publish(tmp_path, releases.observed(tmp_path / "in"), logged=False)
        assert not release.root.exists()
        code, said = self.verify(cosign, release, name)
        assert (code, "Verified OK" in said) == (0, True), said

    def test_refuses_another_key(self, cosign: Path, release: Release, tmp_path: Path) -> None:
        _, pub = SigningKey.generate().write(tmp_path / "other")
        assert self.verify(cosign, release, "provenance", pub=pub)[0] == 1

    def test_accepts_ed25519(self, cosign: Path, tmp_path: Path) -> None:
        made = releases.observed(tmp_path / "in")
        key = SigningKey.generate(Kind.ED25519)
        _, pub = key.write(tmp_path / "release")
        published = releases.published(tmp_path / "out", made, key, releases.builder_keys(made))
        release = Release(published.path, pub, made, None)
        code, said = self.verify(cosign, release, "provenance")
        assert (code, "Verified OK" in said) == (0, True), said

    def test_refuses_another_type(self, cosign: Path, release: Release) -> None:
        assert self.verify(cosign, release, "provenance", kind="spdxjson")[0] == 1

    @pytest.mark.parametrize("harm", [False, True], ids=["good", "harmed"])
    def test_reads_a_summary(
        self, cosign: Path, release: Release, tally: Any, tmp_path: Path, harm: bool
    ) -> None:
        key, pub = SigningKey.generate().write(tmp_path / "verifier")
        words = ["verify", release.folder, "--key", release.pub, "--attest", tmp_path / "vsa.json"]
        tally(*words, "--attest-key", key).succeeded()
        if harm:
            release.artifact.write_bytes(b"another program")
        kind = "https://slsa.dev/verification_summary/v1"
        code, said = strangers.cosign_verify(cosign, pub, tmp_path / "vsa.json", kind, release.artifact)
        assert (code, "Verified OK" in said) == ((1, False) if harm else (0, True)), said
