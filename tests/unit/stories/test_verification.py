"""Verification: what must pass passes, and no change to any byte of a release ever does."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import policies
import pytest
import releases

from orchestrator.bundles import own_bundle, trust
from orchestrator.evidence.canonical import render, render_document
from orchestrator.evidence.layout import layout_of
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom.forms import Form, statement_name
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.keys.kinds import Kind
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.trusted_root import TRUSTED_ROOT, Authority, TrustedRoot, Window
from orchestrator.policy.policy import trusting
from orchestrator.policy.verdict import Code, Failed, Passed, Verdict
from orchestrator.publishing.folder import DOCUMENT_LIMIT
from orchestrator.publishing.records import records_of
from orchestrator.signing import bundling
from orchestrator.stories.verification import verify

FILES = 22
"""How many files the release of these tests has, its index included."""


@dataclass(frozen=True)
class Release:
    folder: Path
    key: SigningKey
    builders: dict[str, SigningKey]
    made: releases.Made
    log: EmbeddedLog

    def verdict(self, *, asked: str = "", trusted: TrustedRoot | None = None) -> Verdict:
        policy = trusting([self.key.public.spki])
        return verify(self.folder / asked, policy, releases.NOW, trusted=trusted)

    def codes(self, trusted: TrustedRoot | None = None) -> set[Code]:
        verdict = self.verdict(trusted=trusted)
        assert isinstance(verdict, Failed), verdict
        assert all(reason.sentence and reason.hint for reason in verdict.reasons)
        return {reason.code for reason in verdict.reasons}

    def reindex(self, *, drop: str | None = None, add: str | None = None) -> None:
        releases.reindex(self.folder, drop=drop, add=add)

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("original")
    made = releases.observed(folder / "in")
    key, keys, log = SigningKey.generate(), releases.builder_keys(made), releases.log_in(folder / "log")
    return Release(releases.published(folder / "out", made, key, keys, log).path, key, keys, made, log)


@pytest.fixture
def release(original: Release, tmp_path: Path) -> Release:
    """A copy of the release, to be harmed."""
    folder = tmp_path / original.folder.name
    shutil.copytree(original.folder, folder)
    return replace(original, folder=folder)


def test_a_release_passes_and_says_what_it_rests_on(original: Release) -> None:
    verdict = original.verdict()
    assert isinstance(verdict, Passed), verdict
    assert verdict.artifact == "pigz-2.8-x86_64-linux.tar.gz"
    assert verdict.sha256 == original.made.facts.artifact.sha256.hex
    assert verdict.builders == ("a", "b")
    assert verdict.independence == "same-host"
    assert verdict.signers == (original.key.public.fingerprint,)
    (notice,) = verdict.notices
    log = original.log.instance.origin
    assert notice.startswith(
        f"its signatures suffice; only the release says that they are in the log {log}, "
    )
    assert notice.endswith(" with --trusted-root")
    assert original.verdict(asked=verdict.artifact) == verdict


def test_a_manifest_in_a_registry_that_is_not_the_artifacts(tmp_path: Path) -> None:
    """cosign would verify that one by this release's statements."""
    made = releases.observed(tmp_path / "in")
    for name, manifest in (("none", None), ("other", Sha256.of(b"another image"))):
        artifact = replace(made.facts.artifact, manifest=manifest)
        other, key = replace(made, facts=replace(made.facts, artifact=artifact)), SigningKey.generate()
        path = releases.published(tmp_path / name, other, key, releases.builder_keys(made)).path
        verdict = verify(path, trusting([key.public.spki]), releases.NOW)
        if manifest is None:  # as earlier versions made them
            assert isinstance(verdict, Passed)
            continue
        assert isinstance(verdict, Failed)
        assert [each.code for each in verdict.reasons] == [Code.CONTRADICTION]
        assert str(manifest) in verdict.reasons[0].sentence


def test_an_executable_artifact_passes_whatever_a_download_made_of_its_mode(tmp_path: Path) -> None:
    made = releases.observed(tmp_path / "in", executable=True)
    key = SigningKey.generate()
    published = releases.published(tmp_path / "out", made, key, releases.builder_keys(made))
    artifact = published.path / made.facts.artifact.file_name
    assert artifact.stat().st_mode & 0o777 == 0o755
    artifact.chmod(0o644)
    assert isinstance(verify(published.path, trusting([key.public.spki]), releases.NOW), Passed)


def test_an_earlier_release_with_one_form_of_the_sbom_passes_and_is_kept(tmp_path: Path) -> None:
    made, key = releases.observed(tmp_path / "in"), SigningKey.generate()
    keys = releases.builder_keys(made)
    earlier = releases.published(tmp_path / "out", made, key, keys, forms=[Form.SPDX_2_3])
    assert len(list((earlier.path / "sbom").iterdir())) == 1
    assert isinstance(verify(earlier.path, trusting([key.public.spki]), releases.NOW), Passed)
    again = releases.published(tmp_path / "out", made, key, keys)
    assert (again.path, again.kept) == (earlier.path, True)


def test_whom_a_policy_trusts_with_the_sbom_may_sign_all_its_forms(original: Release, tmp_path: Path) -> None:
    more = 'statements = ["provenance", "reproduction", "layout", "sbom"]'
    policy = policies.policy(tmp_path, policies.signer(original.key, more=more))
    assert isinstance(verify(original.folder, policy, releases.NOW), Passed)


@pytest.mark.parametrize("builders", [Kind.P256, Kind.ED25519], ids=str)
def test_a_release_signed_with_ed25519_passes(tmp_path: Path, builders: Kind) -> None:
    made = releases.observed(tmp_path / "in")
    key = SigningKey.generate(Kind.ED25519)
    keys = {name: SigningKey.generate(builders) for name in releases.builder_keys(made)}
    folder = releases.published(tmp_path / "out", made, key, keys).path
    assert isinstance(verify(folder, trusting([key.public.spki]), releases.NOW), Passed)
    other = SigningKey.generate(Kind.ED25519)
    assert isinstance(verify(folder, trusting([other.public.spki]), releases.NOW), Failed)


def _flip(position: float) -> Callable[[Path], None]:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[int(position * (len(data) - 1))] ^= 0x01
        path.write_bytes(data)

    return flip


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _link(path: Path) -> None:
    elsewhere = path.parent / ".elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere.name)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARM: dict[str, Callable[[Path], None]] = {
    "first byte": _flip(0),
    "a third in": _flip(0.33),
    "middle": _flip(0.5),
    "last byte": _flip(1),
    "truncated": _truncate,
    "emptied": _empty,
    "appended to": _append,
    "deleted": Path.unlink,
    "made a link": _link,
    "made a pipe": _pipe,
    "made a folder": _folder,
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("number", range(FILES))
def test_no_harm_to_any_file_goes_unnoticed(release: Release, number: int, harm: str) -> None:
    assert len(release.files) == FILES
    victim = release.files[number]
    HARM[harm](victim)
    try:
        verdict = release.verdict()
    except TallyError:
        # only without an index is there no release to say no to
        assert (victim.name, harm) == ("release.json", "deleted")
    else:
        assert isinstance(verdict, Failed), f"{victim} {harm}"
        assert all(reason.sentence for reason in verdict.reasons)


@pytest.mark.parametrize("number", range(FILES))
def test_no_file_can_stand_for_another(release: Release, number: int) -> None:
    victim, other = release.files[number], release.files[(number + 1) % FILES]
    data = victim.read_bytes()
    victim.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert isinstance(release.verdict(), Failed)


def _others(release: Release, *names: str) -> list[Path]:
    return [each for each in release.files if each.name not in names]


@pytest.mark.parametrize("number", range(FILES - 1))
@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_an_index_that_fits_the_harm_does_not_help(release: Release, number: int, position: float) -> None:
    victim = _others(release, "release.json")[number]
    _flip(position)(victim)
    release.reindex()
    assert isinstance(release.verdict(), Failed)


@pytest.mark.parametrize("number", range(FILES - 2))
def test_taking_evidence_away_never_helps(release: Release, number: int) -> None:
    victim = _others(release, "release.json", release.made.facts.artifact.file_name)[number]
    name = victim.relative_to(release.folder).as_posix()
    victim.unlink()
    release.reindex(drop=name)
    assert isinstance(release.verdict(), Failed)


def test_every_bit_of_the_index_counts(release: Release) -> None:
    path = release.folder / "release.json"
    data = path.read_bytes()
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        path.write_bytes(changed)
        assert isinstance(release.verdict(), Failed), position


class TestReasons:
    def test_another_artifact(self, release: Release) -> None:
        (release.folder / release.made.facts.artifact.file_name).write_bytes(b"another program")
        assert release.codes() == {Code.DIGEST_MISMATCH}
        release.reindex()
        assert release.codes() == {Code.SUBJECT_MISMATCH}

    def test_a_file_that_the_release_is_not_about(self, release: Release) -> None:
        (release.folder / "evil.tar.gz").write_bytes(b"evil")
        verdict = release.verdict(asked="evil.tar.gz")
        assert isinstance(verdict, Failed)
        assert [reason.code for reason in verdict.reasons] == [Code.SUBJECT_MISMATCH]

    def test_another_key(self, release: Release) -> None:
        verdict = verify(release.folder, trusting([SigningKey.generate().public.spki]), releases.NOW)
        assert isinstance(verdict, Failed)
        assert {reason.code for reason in verdict.reasons} == {Code.UNTRUSTED_SIGNER}

    def test_a_policy_that_trusts_nobody(self, original: Release) -> None:
        verdict = verify(original.folder, trusting([]), releases.NOW)
        assert isinstance(verdict, Failed)
        assert [reason.code for reason in verdict.reasons] == [Code.POLICY_EMPTY]

    def test_one_of_several_keys_is_enough(self, release: Release) -> None:
        keys = [SigningKey.generate().public.spki, release.key.public.spki]
        assert isinstance(verify(release.folder, trusting(keys), releases.NOW), Passed)

    def test_everything_signed_again_by_somebody_else(self, release: Release, tmp_path: Path) -> None:
        mallory = SigningKey.generate()
        other = releases.published(tmp_path / "other", release.made, mallory, release.builders, release.log)
        assert replace(release, folder=other.path).codes() == {Code.UNTRUSTED_SIGNER}

    def test_a_signature_over_other_bytes(self, release: Release) -> None:
        self._resign(release, "provenance", lambda payload: payload.replace(b'"pigz"', b'"zgip"'), sign=False)
        assert release.codes() == {Code.SIGNATURE_INVALID}

    def test_no_signature(self, release: Release) -> None:
        path = release.folder / "attestations" / "provenance.sigstore.json"
        document = json.loads(path.read_bytes())
        document["dsseEnvelope"]["signatures"] = []
        path.write_bytes(render_document(document))
        release.reindex()
        assert release.codes() == {Code.UNSIGNED}

    def test_two_signatures(self, release: Release) -> None:
        path = release.folder / "attestations" / "provenance.sigstore.json"
        document = json.loads(path.read_bytes())
        document["dsseEnvelope"]["signatures"] *= 2
        path.write_bytes(render_document(document))
        release.reindex()
        assert release.codes() == {Code.MALFORMED}

    @pytest.mark.parametrize("name", ["attestations/provenance.sigstore.json", "links/root.layout"])
    def test_half_a_letter(self, release: Release, name: str) -> None:
        """JSON can have one, and what cannot be written is no document of ours."""
        path = release.folder / name
        before = b'"hint": "' if name.endswith(".json") else b'"keyid":"'
        path.write_bytes(path.read_bytes().replace(before, before + b"\\ud800", 1))
        release.reindex()
        assert release.codes() == {Code.MALFORMED}

    def test_half_a_letter_for_a_builders_key(self, release: Release) -> None:
        path = release.folder / "links/root.layout"
        payload = json.loads(dsse.parse(json.loads(path.read_bytes()), "layout").payload)
        for key in payload["keys"].values():
            key["keyval"]["public"] = "\ud800"
        signed = dsse.sign(
            IN_TOTO_PAYLOAD, json.dumps(payload).encode(), release.key, keyid=release.key.public.keyid
        )
        path.write_bytes(render(signed.document()))
        release.reindex()
        assert release.codes() == {Code.MALFORMED}

    @pytest.mark.parametrize("name", ["provenance", "reproduction", "sbom-spdx"])
    def test_a_statement_is_missing(self, release: Release, name: str) -> None:
        path = f"attestations/{name}.sigstore.json"
        (release.folder / path).unlink()
        assert release.codes() == {Code.FILE_MISSING}
        release.reindex(drop=path)
        assert release.codes() == {Code.STATEMENT_MISSING}

    def test_a_statement_is_there_twice(self, release: Release) -> None:
        again = "attestations/again.sigstore.json"
        shutil.copy(release.folder / "attestations/provenance.sigstore.json", release.folder / again)
        release.reindex(add=again)
        assert release.codes() == {Code.CONTRADICTION}

    @pytest.mark.parametrize("form", Form)
    def test_another_sbom(self, release: Release, form: Form) -> None:
        path = release.folder / "sbom" / f"pigz{form.suffix}"
        path.write_bytes(path.read_bytes().replace(b"Zlib", b"MIT0"))
        release.reindex()
        assert release.codes() == {Code.SBOM_MISMATCH}

    @pytest.mark.parametrize("form", [Form.SPDX_3_0_1, Form.CYCLONEDX])
    def test_a_form_of_the_sbom_that_nobody_signed(self, release: Release, form: Form) -> None:
        name = f"attestations/{statement_name(form)}.sigstore.json"
        (release.folder / name).unlink()
        release.reindex(drop=name)
        assert release.codes() == {Code.SBOM_MISMATCH}

    @pytest.mark.parametrize("form", [Form.SPDX_3_0_1, Form.CYCLONEDX])
    def test_a_signed_form_of_the_sbom_without_its_file(self, release: Release, form: Form) -> None:
        name = f"sbom/pigz{form.suffix}"
        (release.folder / name).unlink()
        release.reindex(drop=name)
        assert release.codes() == {Code.FILE_MISSING}

    @pytest.mark.parametrize("form", [Form.SPDX_3_0_1, Form.CYCLONEDX])
    def test_a_form_of_the_sbom_in_anothers_place(self, release: Release, form: Form) -> None:
        (other,) = set(Form) - {Form.SPDX_2_3, form}
        bundles = release.folder / "attestations"
        shutil.copy(
            bundles / f"{statement_name(other)}.sigstore.json",
            bundles / f"{statement_name(form)}.sigstore.json",
        )
        release.reindex()
        assert release.codes() == {Code.CONTRADICTION, Code.STATEMENT_MISSING}

    def test_another_log(self, release: Release) -> None:
        (release.folder / "builds" / "a" / "log.zst").write_bytes(b"all went well")
        release.reindex()
        assert release.codes() == {Code.DIGEST_MISMATCH}

    def test_a_listed_file_that_nothing_signed_speaks_for(self, release: Release) -> None:
        (release.folder / "README").write_text("trust me")
        release.reindex(add="README")
        assert release.codes() == {Code.NOT_COVERED}

    def test_an_unlisted_file_is_ignored_and_told(self, release: Release) -> None:
        (release.folder / "artifact.link").write_text("what in-toto-verify leaves")
        verdict = release.verdict()
        assert isinstance(verdict, Passed)
        assert verdict.notices[1:] == ("not part of the release, and counts for nothing: artifact.link",)

    def test_an_index_that_says_something_else(self, release: Release) -> None:
        path = release.folder / "release.json"
        path.write_bytes(
            path.read_bytes().replace(b'"independence": "same-host"', b'"independence": "other"')
        )
        assert release.codes() == {Code.INDEX_MISMATCH}

    def test_an_index_in_another_order(self, release: Release) -> None:
        path = release.folder / "release.json"
        path.write_text(json.dumps(json.loads(path.read_bytes())))
        assert release.codes() == {Code.INDEX_MISMATCH}

    @pytest.mark.parametrize(
        "name", ["../evil", "/etc/passwd", "a//b", "./a", "links/../x", "a\\b", "a\nb", ""]
    )
    def test_names_that_lead_out(self, release: Release, name: str) -> None:
        path = release.folder / "release.json"
        document = json.loads(path.read_bytes())
        document["files"].append({"path": name, "sha256": "0" * 64, "size": 1})
        path.write_bytes(render_document(document))
        assert release.codes() == {Code.UNSAFE_NAME}

    def test_a_folder_that_is_a_link(self, release: Release) -> None:
        (release.folder / "sbom").rename(release.folder.parent / "elsewhere")
        (release.folder / "sbom").symlink_to("../elsewhere")
        assert release.codes() == {Code.UNSAFE_NAME}

    def test_a_name_that_is_there_twice(self, release: Release) -> None:
        path = release.folder / "release.json"
        path.write_bytes(
            path.read_bytes().replace(b'  "name": "pigz",', b'  "name": "pigz",\n  "name": "pigz",')
        )
        assert release.codes() == {Code.MALFORMED}

    @pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b"null", b"[" * 100_000, b'{"a": NaN}'])
    @pytest.mark.parametrize(
        "name", ["release.json", "attestations/provenance.sigstore.json", "links/root.layout"]
    )
    def test_rubbish(self, release: Release, name: str, data: bytes) -> None:
        (release.folder / name).write_bytes(data)
        if name != "release.json":
            release.reindex()
        assert release.codes() == {Code.MALFORMED}

    def test_a_document_beyond_all_measure(self, release: Release) -> None:
        with (release.folder / "sbom" / "pigz.spdx.json").open("r+b") as stream:
            stream.truncate(DOCUMENT_LIMIT + 1)
        assert release.codes() == {Code.DIGEST_MISMATCH}
        release.reindex()
        assert release.codes() == {Code.MALFORMED}

    def test_documents_that_are_too_much_together(self, release: Release) -> None:
        index = release.folder / "release.json"
        document = json.loads(index.read_bytes())
        for number in range(3):
            name = f"sbom/{number}.json"
            with (release.folder / name).open("wb") as stream:
                stream.truncate(DOCUMENT_LIMIT // 2)
            document["files"].append({"path": name, "sha256": "0" * 64, "size": DOCUMENT_LIMIT // 2})
        index.write_bytes(render_document(document))
        assert release.codes() == {Code.MALFORMED}

    def test_an_artifact_of_another_size_is_not_even_read(self, release: Release) -> None:
        with (release.folder / release.made.facts.artifact.file_name).open("r+b") as stream:
            stream.truncate(1 << 40)
        assert release.codes() == {Code.DIGEST_MISMATCH}

    def test_a_socket_in_place_of_a_file(self, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
        name = "attestations/provenance.sigstore.json"
        (release.folder / name).unlink()
        monkeypatch.chdir(release.folder)  # a socket's name has at most 107 letters
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(name)
        assert release.codes() == {Code.UNSAFE_NAME}

    def test_bundles_that_have_changed_their_places(self, release: Release) -> None:
        one, other = (
            release.folder / "attestations" / f"{name}.sigstore.json"
            for name in ("provenance", "reproduction")
        )
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)
        release.reindex()
        assert release.codes() == {Code.CONTRADICTION}

    def test_a_bundle_under_another_name(self, release: Release) -> None:
        there = release.folder / "attestations" / "provenance.sigstore.json"
        there.rename(there.with_name("other.json"))
        release.reindex(drop="attestations/provenance.sigstore.json", add="attestations/other.json")
        assert release.codes() == {Code.CONTRADICTION}

    def test_a_bundle_that_says_that_somebody_else_signed(self, release: Release) -> None:
        path = release.folder / "attestations" / "provenance.sigstore.json"
        document = json.loads(path.read_bytes())
        document["dsseEnvelope"]["signatures"][0]["keyid"] = "somebody else"
        path.write_bytes(render_document(document))
        release.reindex()
        assert release.codes() == {Code.MALFORMED}

    @staticmethod
    def _resign(release: Release, name: str, change: Callable[[bytes], bytes], *, sign: bool = True) -> None:
        """Change a statement, and sign it with the release key or leave the old signature on it."""
        path = release.folder / "attestations" / f"{name}.sigstore.json"
        old = own_bundle.parse(path.read_bytes(), name)
        changed = change(old.envelope.payload)
        assert changed != old.envelope.payload
        if sign:
            (new,) = bundling.logged([bundling.sign(changed, release.key)], release.key.public, release.log)
        else:
            new = replace(old, envelope=replace(old.envelope, payload=changed))
        path.write_bytes(new.render())
        release.reindex()

    @pytest.mark.parametrize(
        ("name", "old", "new", "code"),
        [
            ("provenance", b"pigz-2.8.nar", b"pigz-2.9.nar", Code.CONTRADICTION),
            ("provenance", b'"storePath":"/nix/store/', b'"storePath":"/nix/other/', Code.CONTRADICTION),
            ("provenance", b'"command":["/bin/sh","-eu"', b'"command":["/bin/sh","-ex"', Code.CONTRADICTION),
            ("provenance", b'"commands":[', b'"orders":[', Code.CONTRADICTION),
            (
                "provenance",
                b'"recipe":{"digest":{"sha256":"',
                b'"recipe":{"digest":{"sha256":"0',
                Code.CONTRADICTION,
            ),
            ("provenance", b'"quorum":2', b'"quorum":3', Code.CONTRADICTION),
            ("reproduction", b'"kernel":"6.1.0"', b'"kernel":"6.1.1"', Code.CONTRADICTION),
            ("reproduction", b'"builders":["a","b"]', b'"builders":["a","c"]', Code.CONTRADICTION),
            (
                "reproduction",
                b'"independence":"same-host"',
                b'"independence":"separate-hosts"',
                Code.CONTRADICTION,
            ),
            ("reproduction", b'"varied":["build-cores"]', b'"varied":["clock-year"]', Code.CONTRADICTION),
            ("reproduction", b'"buildCores":2', b'"buildCores":4', Code.CONTRADICTION),
            ("reproduction", b'"buildCores":2', b'"buildCores":[]', Code.MALFORMED),
            ("reproduction", b"REPRODUCIBLE_BUILD", b"REPRODUCIBLE_BUILT", Code.MALFORMED),
            ("reproduction", b'"builders":["a","b"]', b'"builders":[{},"b"]', Code.CONTRADICTION),
            ("provenance", b'"byproducts":[', b'"byproducts":["x",', Code.MALFORMED),
            ("provenance", b'"derivation":"', b'"derivation":"\\ud800', Code.MALFORMED),
            ("provenance", b'"byproducts":[', b'"byproducts":[null,', Code.MALFORMED),
        ],
    )
    def test_the_signer_contradicts_the_builders(
        self, release: Release, name: str, old: bytes, new: bytes, code: Code | None
    ) -> None:
        """Even the release key's owner cannot make evidence say what the builders' links do not."""
        self._resign(release, name, lambda payload: payload.replace(old, new))
        if code is None:
            assert isinstance(release.verdict(), Passed)
        else:
            assert release.codes() == {code}

    def test_a_build_type_that_is_not_known_is_undecided(self, release: Release) -> None:
        """Our fields would be looked for in vain, and a policy would find nothing against it."""
        old, new = b"tallystick.example/build/v1", b"tallystick.example/build/v2"
        self._resign(release, "provenance", lambda payload: payload.replace(old, new))
        with pytest.raises(TallyError, match=r"build/v2.*not know"):
            release.verdict()

    def _rebuilt(self, release: Release, change: Callable[[Any], Any]) -> None:
        """Change the provenance's `buildDefinition`, and sign it again."""

        def changed(payload: bytes) -> bytes:
            document = json.loads(payload)
            change(document["predicate"]["buildDefinition"])
            return render_document(document)

        self._resign(release, "provenance", changed)

    @pytest.mark.parametrize(
        ("of", "said"),
        [
            (lambda build: build["externalParameters"]["repository"], "repository"),
            (lambda build: build["resolvedDependencies"][2], "repository"),
            (lambda build: build["resolvedDependencies"][1], "lock"),
            (lambda build: build["resolvedDependencies"][0], "recipe"),
        ],
    )
    def test_parameters_and_dependencies_name_different_things(
        self, release: Release, of: Callable[[Any], Any], said: str
    ) -> None:
        """The commit of the one place is the commit of the other; so are recipe and lock."""

        def digest(build: Any) -> None:
            digests = of(build)["digest"]
            digests.update({name: "0" * len(value) for name, value in digests.items()})

        self._rebuilt(release, digest)
        verdict = release.verdict()
        assert isinstance(verdict, Failed)
        assert f"resolvedDependencies name another {said}" in verdict.reasons[0].sentence
        assert release.codes() == {Code.CONTRADICTION}

    @pytest.mark.parametrize(
        "change",
        [
            lambda build: build["externalParameters"].pop("repository"),
            lambda build: build["resolvedDependencies"].pop(2),
            lambda build: build["resolvedDependencies"].insert(2, build["resolvedDependencies"][2]),
            lambda build: build["resolvedDependencies"][2].pop("uri"),
        ],
    )
    def test_a_commit_is_named_in_both_places_or_in_none(
        self, release: Release, change: Callable[[Any], Any]
    ) -> None:
        self._rebuilt(release, change)
        assert release.codes() == {Code.CONTRADICTION}


class TestLinks:
    def _links(self, release: Release) -> list[Path]:
        return sorted((release.folder / "links").glob("*.link"))

    def test_one_is_missing(self, release: Release) -> None:
        victim = self._links(release)[0]
        victim.unlink()
        release.reindex(drop=f"links/{victim.name}")
        assert release.codes() == {Code.QUORUM_NOT_MET}

    def test_one_builder_signs_twice(self, release: Release) -> None:
        first, second = self._links(release)
        second.write_bytes(first.read_bytes())
        release.reindex()
        assert release.codes() == {Code.QUORUM_NOT_MET}

    def test_one_under_another_name(self, release: Release) -> None:
        first = self._links(release)[0]
        first.rename(first.with_name("build.00000000.link"))
        release.reindex(drop=f"links/{first.name}", add="links/build.00000000.link")
        assert release.codes() == {Code.MALFORMED}

    def test_by_somebody_whom_the_layout_does_not_name(self, release: Release) -> None:
        first = self._links(release)[0]
        envelope = dsse.parse(json.loads(first.read_bytes()), "link")
        mallory = SigningKey.generate()
        forged = dsse.sign(envelope.payload_type, envelope.payload, mallory, keyid=mallory.public.keyid)
        first.write_bytes(render(forged.document()))
        release.reindex()
        assert release.codes() == {Code.UNTRUSTED_SIGNER}

    def test_changed_and_signed_by_somebody_else_in_a_builders_name(self, release: Release) -> None:
        first = self._links(release)[0]
        envelope = dsse.parse(json.loads(first.read_bytes()), "link")
        keyid = envelope.signatures[0].keyid
        forged = dsse.sign(envelope.payload_type, envelope.payload + b" ", SigningKey.generate(), keyid=keyid)
        first.write_bytes(render(forged.document()))
        release.reindex()
        assert release.codes() == {Code.SIGNATURE_INVALID}

    def test_one_builder_says_otherwise(self, release: Release) -> None:
        """A link by the builder's own key that dissents, even when the release key signed for it."""
        facts = release.made.facts
        report = facts.agreed.reports[1]
        builds = {
            path: replace(
                build, outputs={n: replace(o, nar_hash=releases.nar("x")) for n, o in build.outputs.items()}
            )
            for path, build in report.builds.items()
        }
        link = link_of(
            replace(report, builds=builds),
            facts,
            materials_of(facts),
            records_of(facts)[report.identity.name],
        )
        key = release.builders[report.identity.name]
        envelope = dsse.sign("application/vnd.in-toto+json", link.payload, key, keyid=key.public.keyid)
        (release.folder / "links" / f"build.{key.public.keyid[:8]}.link").write_bytes(
            render(envelope.document())
        )
        release.reindex()
        assert release.codes() == {Code.BUILDERS_DISAGREE}

    def test_a_layout_that_one_builder_would_satisfy(self, release: Release) -> None:
        facts = replace(release.made.facts, quorum=1)
        builder = release.builders["a"].public
        self._replace_layout(release, layout_of(facts, {builder.keyid: builder.pem}).payload)
        other = release.builders["b"].public.keyid[:8]
        (release.folder / "links" / f"build.{other}.link").unlink()
        release.reindex(drop=f"links/build.{other}.link")
        assert release.codes() == {Code.QUORUM_NOT_MET}

    def test_a_layout_that_names_one_key_twice(self, release: Release) -> None:
        builder = release.builders["a"].public
        keys = {builder.keyid: builder.pem, "0" * 64: builder.pem}
        self._replace_layout(release, layout_of(release.made.facts, keys).payload)
        assert release.codes() == {Code.MALFORMED}

    def test_a_layout_about_another_artifact(self, release: Release) -> None:
        facts = release.made.facts
        other = replace(facts, artifact=replace(facts.artifact, file_name="other.tar.gz"))
        keys = {each.public.keyid: each.public.pem for each in release.builders.values()}
        self._replace_layout(release, layout_of(other, keys).payload)
        assert release.codes() == {Code.CONTRADICTION}

    def test_the_layout_is_gone(self, release: Release) -> None:
        (release.folder / "links" / "root.layout").unlink()
        release.reindex(drop="links/root.layout")
        assert release.codes() == {Code.FILE_MISSING}

    def test_the_layout_has_ended(self, release: Release) -> None:
        later = releases.NOW + timedelta(days=366 * 21)
        verdict = verify(release.folder, trusting([release.key.public.spki]), later)
        assert isinstance(verdict, Failed)
        assert {reason.code for reason in verdict.reasons} == {Code.LAYOUT_EXPIRED}

    @staticmethod
    def _replace_layout(release: Release, payload: bytes) -> None:
        key = release.key
        envelope = dsse.sign("application/vnd.in-toto+json", payload, key, keyid=key.public.keyid)
        (release.folder / "links" / "root.layout").write_bytes(render(envelope.document()))
        release.reindex()


def _is_json(data: bytes | bytearray) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


class TestLog:
    """What is entered in a log, and what is not; adding and removing log entries never helps."""

    def _change(self, release: Release, name: str, change: Callable[[list[Any]], list[Any]]) -> None:
        path = release.folder / "attestations" / f"{name}.sigstore.json"
        document = json.loads(path.read_bytes())
        material = document["verificationMaterial"]
        material["tlogEntries"] = change(material["tlogEntries"])
        path.write_bytes(render_document(document))
        release.reindex()

    def _root(self, release: Release) -> TrustedRoot:
        return TrustedRoot(tlogs=(release.log.instance,))

    def test_a_root_from_elsewhere_says_what_the_release_alone_cannot(self, original: Release) -> None:
        verdict = original.verdict(trusted=self._root(original))
        assert isinstance(verdict, Passed)
        assert verdict.notices == ()

    def test_the_log_of_somebody_else_is_not_enough(self, original: Release, tmp_path: Path) -> None:
        other = releases.log_in(tmp_path / "other").instance
        assert original.codes(TrustedRoot(tlogs=(other,))) == {Code.NOT_IN_LOG}

    def test_a_root_without_logs_asks_for_none(self, original: Release) -> None:
        assert isinstance(original.verdict(trusted=TrustedRoot()), Passed)

    def test_such_a_root_is_not_taken_from_a_file(self, original: Release, tmp_path: Path) -> None:
        """Nobody gives one on purpose; it is one whose `tlogs` are misspelt."""
        text = TrustedRoot(tlogs=(original.log.instance,)).render()
        (tmp_path / "root.json").write_bytes(text)
        assert trust.load(tmp_path / "root.json").tlogs
        for name, says in ((b"tLogs", "'tlogs' must be meant"), (b"x", "names no log and no authority")):
            (tmp_path / "root.json").write_bytes(text.replace(b'"tlogs"', b'"%b"' % name))
            with pytest.raises(TallyError, match=says):
                trust.load(tmp_path / "root.json")

    def test_nor_is_one_that_names_certificate_authorities_alone(self, tmp_path: Path) -> None:
        root = TrustedRoot(certificate_authorities=(Authority("https://ca", "", "", (b"1",)),))
        (tmp_path / "root.json").write_bytes(root.render())
        with pytest.raises(TallyError, match="certificate authorities, and no log and no timestamp"):
            trust.load(tmp_path / "root.json")

    def test_a_trusted_key_whose_time_is_over(self, original: Release) -> None:
        ended = replace(original.log.instance, window=Window(None, releases.NOW - timedelta(days=1)))
        assert original.codes(TrustedRoot(tlogs=(ended,))) == {Code.TIMESTAMP_MISSING}

    @pytest.mark.parametrize("name", ["provenance", "reproduction", "sbom-spdx"])
    def test_no_entry(self, release: Release, name: str) -> None:
        """The signed trusted root says that there is a log: no policy is needed to miss an entry."""
        self._change(release, name, lambda entries: [])
        assert release.codes() == {Code.NOT_IN_LOG}
        assert release.codes(self._root(release)) == {Code.NOT_IN_LOG}

    def test_the_entry_of_another_bundle(self, release: Release) -> None:
        path = release.folder / "attestations/sbom-spdx.sigstore.json"
        foreign = json.loads(path.read_bytes())["verificationMaterial"]["tlogEntries"]
        self._change(release, "provenance", lambda entries: foreign)
        assert release.codes() == {Code.NOT_IN_LOG}

    @pytest.mark.parametrize(
        ("place", "value"),
        [
            (["logIndex"], "0"),
            (["kindVersion", "version"], "0.0.1"),
            (["integratedTime"], "1700000000"),
            (["inclusionProof", "treeSize"], "2"),
            (["inclusionProof", "hashes"], []),
            (["inclusionProof", "checkpoint", "envelope"], "unsigned"),
        ],
    )
    def test_an_entry_that_does_not_hold(self, release: Release, place: list[str], value: object) -> None:
        def change(entries: list[Any]) -> list[Any]:
            part = entries[0]
            for step in place[:-1]:
                part = part[step]
            assert part.get(place[-1]) != value
            part[place[-1]] = value
            return entries

        self._change(release, "sbom-spdx", change)
        assert release.codes() == {Code.LOG_PROOF_INVALID}

    def test_an_entry_about_something_else(self, release: Release) -> None:
        self._change(release, "sbom-spdx", lambda entries: [{**entries[0], "canonicalizedBody": "e30="}])
        assert release.codes() == {Code.NOT_IN_LOG}

    def test_every_bit_of_an_entry_counts(self, release: Release) -> None:
        path = release.folder / "attestations/reproduction.sigstore.json"
        data = path.read_bytes()
        start = data.index(b'"tlogEntries"')
        assert data.index(b'"dsseEnvelope"') < start, "the entries are the last thing in it"
        for position in range(start, len(data.rstrip(b" ]}\n")), 11):
            changed = bytearray(data)
            changed[position] ^= 1 << (position % 7)
            path.write_bytes(changed)
            release.reindex()
            meant = json.loads(data) if _is_json(changed) else None
            if meant is not None and json.loads(changed) == meant:
                continue  # one blank for another
            assert isinstance(release.verdict(), Failed), data[position - 20 : position + 20]

    def test_the_same_entry_twice(self, release: Release) -> None:
        self._change(release, "provenance", lambda entries: entries * 2)
        assert release.codes() == {Code.MALFORMED}

    def test_without_the_trusted_root_entries_and_all(self, release: Release) -> None:
        """The provenance is signed for a trusted root, so that it cannot go."""
        for name in ("provenance", "reproduction", "sbom-spdx"):
            self._change(release, name, lambda entries: [])
        (release.folder / TRUSTED_ROOT).unlink()
        release.reindex(drop=TRUSTED_ROOT)
        assert release.codes() == {Code.FILE_MISSING}

    @pytest.mark.parametrize("kept", [True, False])
    def test_another_trusted_root(self, release: Release, tmp_path: Path, kept: bool) -> None:
        other = releases.log_in(tmp_path / "other").instance
        logs = (other, release.log.instance) if kept else (other,)
        (release.folder / TRUSTED_ROOT).write_bytes(TrustedRoot(tlogs=logs).render())
        release.reindex()
        assert release.codes() == {Code.DIGEST_MISMATCH if kept else Code.NOT_IN_LOG}

    def test_a_trusted_root_that_asks_for_nothing(self, release: Release) -> None:
        (release.folder / TRUSTED_ROOT).write_bytes(TrustedRoot().render())
        release.reindex()
        assert release.codes() == {Code.DIGEST_MISMATCH}

    def test_a_trusted_root_that_is_rubbish(self, release: Release) -> None:
        (release.folder / TRUSTED_ROOT).write_bytes(b"{}")
        release.reindex()
        assert release.codes() == {Code.MALFORMED}

    def test_a_bundle_that_was_signed_again_and_not_entered(self, release: Release) -> None:
        """By the release key itself: another signature is another entry."""
        path = release.folder / "attestations/provenance.sigstore.json"
        old = own_bundle.parse(path.read_bytes(), "it")
        path.write_bytes(
            replace(bundling.sign(old.envelope.payload, release.key), entries=old.entries).render()
        )
        release.reindex()
        assert release.codes() == {Code.NOT_IN_LOG}


class TestWithoutALog:
    """Releases of earlier versions, and of those who want none."""

    @pytest.fixture
    def release(self, tmp_path: Path) -> Release:
        made = releases.observed(tmp_path / "in")
        key, keys = SigningKey.generate(), releases.builder_keys(made)
        path = releases.published(tmp_path / "out", made, key, keys).path
        return Release(path, key, keys, made, releases.log_in(tmp_path / "log"))

    def test_it_passes_as_ever(self, release: Release) -> None:
        verdict = release.verdict()
        assert isinstance(verdict, Passed)
        assert verdict.notices == ()
        assert not (release.folder / TRUSTED_ROOT).exists()

    def test_whoever_trusts_a_log_finds_it_in_none(self, release: Release) -> None:
        assert release.codes(TrustedRoot(tlogs=(release.log.instance,))) == {Code.NOT_IN_LOG}

    def test_entries_that_were_added_later_change_nothing_by_themselves(self, release: Release) -> None:
        for path in sorted((release.folder / "attestations").iterdir()):
            (new,) = bundling.logged(
                [own_bundle.parse(path.read_bytes(), "it")], release.key.public, release.log
            )
            path.write_bytes(new.render())
        release.reindex()
        verdict = release.verdict()
        assert isinstance(verdict, Passed)
        assert verdict.notices == (
            "there are log entries, and no log to check them against: give --trusted-root",
        )
        verdict = release.verdict(trusted=TrustedRoot(tlogs=(release.log.instance,)))
        assert isinstance(verdict, Passed)
        assert verdict.notices == ()

    def test_a_trusted_root_that_nothing_signed_speaks_for(self, release: Release) -> None:
        (release.folder / TRUSTED_ROOT).write_bytes(TrustedRoot().render())
        release.reindex(add=TRUSTED_ROOT)
        assert release.codes() == {Code.NOT_COVERED}


class TestUndecided:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(TallyError, match="nothing at"):
            verify(tmp_path / "absent", trusting([SigningKey.generate().public.spki]), releases.NOW)

    def test_not_a_release(self, tmp_path: Path) -> None:
        with pytest.raises(TallyError, match=r"no release\.json"):
            verify(tmp_path, trusting([SigningKey.generate().public.spki]), releases.NOW)
