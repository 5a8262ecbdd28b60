"""The release folder: whole or not at all, never overwritten, and left by nobody half-written."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import releases
import zstandard
from work import growth

from orchestrator.evidence.canonical import render_document
from orchestrator.evidence.facts import InputFile, ReleaseFile
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom.forms import Form
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.evidence.terms import BUILD_TYPE, FLAKE_TYPE
from orchestrator.evidence.vendored.package import Package, Within
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.publishing import contents, directory, drafts
from orchestrator.publishing.directory import Published
from orchestrator.publishing.folder import Folder, Held, TooLargeError, UnsafeNameError, checked
from orchestrator.publishing.records import records_of
from orchestrator.publishing.remarks import differ_by_places
from orchestrator.repositories.revision import Revision

SUPPORT = Path(releases.__file__).parent


@pytest.fixture
def made(tmp_path: Path) -> releases.Made:
    return releases.observed(tmp_path / "in")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate()


def publish(out: Path, made: releases.Made, key: SigningKey) -> Published:
    return releases.published(out, made, key, releases.builder_keys(made))


def test_everything_is_there_and_nothing_else(out: Path, made: releases.Made, key: SigningKey) -> None:
    published = publish(out, made, key)
    assert published == Published(out / "pigz-2.8-x86_64-linux", kept=False)
    assert [path.name for path in out.iterdir()] == ["pigz-2.8-x86_64-linux"]
    names = {
        path.relative_to(published.path).as_posix() for path in published.path.rglob("*") if path.is_file()
    }
    links = {name for name in names if name.endswith(".link")}
    assert len(links) == 2
    assert names - links == {
        "release.json", "pigz-2.8-x86_64-linux.tar.gz", "sbom/pigz.spdx.json", "links/root.layout",
        "attestations/provenance.sigstore.json", "attestations/reproduction.sigstore.json",
        "attestations/sbom-spdx.sigstore.json", "attestations/sbom-spdx3.sigstore.json",
        "attestations/sbom-cyclonedx.sigstore.json", "sbom/pigz.spdx3.json", "sbom/pigz.cdx.json",
        "builds/a/build.json", "builds/a/log.zst", "builds/b/build.json", "builds/b/log.zst",
        *(file.path for file in releases.SOURCE),
    }  # fmt: skip
    listed = {entry["path"] for entry in json.loads((published.path / "release.json").read_text())["files"]}
    assert listed == names - {"release.json"}
    assert published.path.stat().st_mode & 0o777 == 0o755


def test_the_log_is_each_builders_own_and_whole(out: Path, made: releases.Made, key: SigningKey) -> None:
    folder = publish(out, made, key).path
    for name in ("a", "b"):
        with zstandard.open(folder / "builds" / name / "log.zst", "rt") as stream:
            text = stream.read()
        assert text.count(f"built by {name}\n") == 40  # once for each of two derivations
        assert f"==> {made.facts.package_derivation}\n" in text


def test_the_same_release_again_is_kept_as_it_is(
    out: Path, made: releases.Made, key: SigningKey, tmp_path: Path
) -> None:
    first = publish(out, made, key)
    before = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    later = releases.observed(
        tmp_path / "later",
        invocation="11111111-1111-4111-8111-111111111111",
        finished=releases.NOW + timedelta(1),
    )
    assert publish(out, later, key) == Published(first.path, kept=True)
    assert {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()} == before


def test_what_no_verifier_would_read_is_not_written(
    out: Path, made: releases.Made, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "DOCUMENT_LIMIT", 5000)
    with pytest.raises(TallyError, match="is not written: its documents are larger than 5000 bytes"):
        publish(out, made, key)
    assert not out.exists()


class TestOtherContent:
    def ask(self, out: Path, made: releases.Made) -> None:
        """What is certain before anything is built."""
        facts = made.facts
        name = facts.release_name
        directory.refuse_of_other_derivations(
            out, name, facts.package_derivation, facts.artifact_derivation, BUILD_TYPE
        )

    def test_what_may_be_the_same_is_built(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        self.ask(out, made)
        folder = publish(out, made, key).path
        self.ask(out, made)
        (folder / "release.json").write_text("{")
        self.ask(out, made)

    def refused(self, out: Path, made: releases.Made, key: SigningKey, says: str) -> None:
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with pytest.raises(TallyError, match="not this release") as caught:
            publish(out, made, key)
        assert says in caught.value.message
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    def test_another_artifact(self, out: Path, made: releases.Made, key: SigningKey, tmp_path: Path) -> None:
        publish(out, made, key)
        other = releases.observed(tmp_path / "other", content=b"other")
        is_, wanted = made.facts.artifact.sha256.hex, other.facts.artifact.sha256.hex
        self.refused(out, other, key, f"its artifact's sha256 is {is_}, not {wanted}")

    def test_other_inputs_believed(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        publish(out, made, key)
        self.refused(
            out,
            releases.believing(made),
            key,
            "its builders rebuilt every input, and those of this run rebuilt ",
        )

    @pytest.mark.parametrize("derivation", ["package_derivation", "artifact_derivation"])
    def test_another_derivation_is_told_in_words(
        self, out: Path, made: releases.Made, key: SigningKey, derivation: str
    ) -> None:
        folder = publish(out, made, key).path
        index = folder / "release.json"
        path = getattr(made.facts, derivation)
        index.write_bytes(index.read_bytes().replace(path.encode(), b"/nix/store/another.drv"))
        what = derivation.partition("_")[0]
        with pytest.raises(TallyError) as caught:
            publish(out, made, key)
        told = f"its {what}'s derivation is /nix/store/another.drv, not {path}"
        assert told in caught.value.message
        with pytest.raises(TallyError) as before:
            self.ask(out, made)
        assert told in before.value.message
        assert "give the recipe another `version`" in str(before.value.hint)
        evaluated = directory._another(folder, [told], FLAKE_TYPE).hint
        assert ("another version" in str(evaluated)) is (what == "package"), "which another one would be"
        assert "{" not in caught.value.message

    def test_another_key(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        publish(out, made, key)
        self.refused(out, made, SigningKey.generate(), "not signed by the key in use")

    def test_another_sbom(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        publish(out, made, key)
        facts = replace(made.facts, package=replace(made.facts.package, summary="Something else"))
        self.refused(out, replace(made, facts=facts), key, "its sbom/pigz.spdx.json is another")

    def test_where_it_is_from_is_told_and_is_no_other_content(
        self, out: Path, made: releases.Made, key: SigningKey
    ) -> None:
        first = publish(out, made, key)
        origins = {path: replace(origin, urls=("https://elsewhere.example.org/x",), purl=origin.purl)
                   for path, origin in made.facts.origins.items()}  # fmt: skip
        revision = Revision("d" * 40, None, None, ("tally.lock",))
        lock = InputFile("tally.lock", Sha256.of(b"another"))
        facts = replace(made.facts, origins=origins, revision=revision, lock=lock)
        again = publish(out, replace(made, facts=facts), key)
        assert (again.path, again.kept) == (first.path, True)
        assert again.remarks == (
            "its lock was another text, of which the same is built",
            f"it names the commit {'c' * 12} of git+https://git.example.org/pigz, and this run the commit "
            + "d" * 12,
            "it says that all is as committed; in this run tally.lock is not as committed",
        )
        unknown = publish(out, replace(made, facts=replace(made.facts, revision=None)), key)
        assert [remark.split(", and ")[-1] for remark in unknown.remarks[:1]] == ["this run no commit"]

    def test_parts_that_another_run_could_look_at_are_no_other_content(
        self, out: Path, made: releases.Made, key: SigningKey
    ) -> None:
        """A builder's files lie on one machine and not on another, and earlier releases tell of no parts."""
        source = next(iter(made.facts.origins))
        within = Within((Package("serde", "1", "pkg:cargo/serde@1"),))
        materials = materials_of(made.facts)
        with_parts, without = (
            render_document(Form.SPDX_2_3.document(bill_of(made.facts, materials, parts)))
            for parts in (Parts({source: within}), Parts())
        )
        assert with_parts != without
        assert differ_by_places(with_parts, without)
        other = Parts({source: within}, programs=frozenset())
        facts = replace(made.facts, package=replace(made.facts.package, summary="Something else"))
        assert not differ_by_places(
            without, render_document(Form.SPDX_2_3.document(bill_of(facts, materials, other)))
        )
        with pytest.raises(ValueError, match="no objects"):
            differ_by_places(without, without.replace(b'"relationships": [', b'"relationships": [3, ', 1))

    def test_a_dissent_that_was_not_there(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        publish(out, made, key)
        other = replace(made.agreed.reports[0], identity=releases.identity("c"))
        facts = replace(made.facts, agreed=replace(made.agreed, dissent=(other,)))
        self.refused(out, replace(made, facts=facts), key, "its agreement has other dissent")

    def test_a_harmed_release(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        folder = publish(out, made, key).path
        (folder / "builds" / "a" / "log.zst").write_bytes(b"")
        self.refused(out, made, key, "its builds/a/log.zst is not as its release.json says")

    def test_a_statement_is_gone(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        folder = publish(out, made, key).path
        (folder / "attestations" / "provenance.sigstore.json").unlink()
        self.refused(out, made, key, "its attestations/provenance.sigstore.json cannot be read")

    @pytest.mark.parametrize("what", ["folder", "file", "dangling link"])
    def test_something_else_altogether(
        self, out: Path, made: releases.Made, key: SigningKey, what: str
    ) -> None:
        target = out / made.facts.release_name
        out.mkdir()
        if what == "folder":
            target.mkdir()
            (target / "thesis.odt").write_text("precious")
        elif what == "file":
            target.write_text("precious")
        else:
            target.symlink_to("nowhere")
        self.refused(out, made, key, "no readable release.json")


class TestHalfWritten:
    def nothing_there(self, out: Path) -> None:
        assert not out.exists() or list(out.iterdir()) == []

    def test_an_artifact_that_changes_while_it_is_copied(
        self, out: Path, made: releases.Made, key: SigningKey
    ) -> None:
        evidence = releases.evidence(made, key, releases.builder_keys(made))
        made.artifact.write_bytes(b"another program")
        with pytest.raises(TallyError, match="changed after it was signed for"):
            directory.publish(
                out,
                made.facts,
                made.artifact,
                evidence.statements["provenance"],
                evidence.statements["reproduction"],
                [*evidence.byproducts, *evidence.bundles],
                key.public,
            )
        self.nothing_there(out)

    @pytest.mark.parametrize("out", ["/proc/nope", "/proc/self/nope/deeper", "/sys/nope"])
    def test_what_refuses_even_root_is_known_before_anything_is_built(self, out: str) -> None:
        with pytest.raises(TallyError, match=f"cannot write {out}"):
            drafts.refuse_unusable(Path(out))

    def test_what_can_be_written_is_left_as_it_was(self, tmp_path: Path) -> None:
        drafts.refuse_unusable(tmp_path / "releases" / "deeper")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
    def test_a_disk_that_refuses(
        self, out: Path, made: releases.Made, key: SigningKey, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fsync(descriptor: int) -> None:
            raise OSError(number, os.strerror(number))

        evidence = releases.evidence(made, key, releases.builder_keys(made))
        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(TallyError, match=r"cannot write|no room left"):
            self._publish(out, made, evidence, key)
        self.nothing_there(out)

    def test_an_interruption(self, out: Path, made: releases.Made, key: SigningKey) -> None:
        def chunks() -> Iterator[bytes]:
            yield b"the first half"
            raise KeyboardInterrupt

        evidence = releases.evidence(made, key, releases.builder_keys(made))
        evidence = replace(evidence, bundles=[*evidence.bundles, ReleaseFile("z", Sha256.of(b""), 0, chunks)])
        with pytest.raises(KeyboardInterrupt):
            self._publish(out, made, evidence, key)
        self.nothing_there(out)

    @staticmethod
    def _publish(out: Path, made: releases.Made, evidence: releases.Evidence, key: SigningKey) -> Published:
        return directory.publish(
            out,
            made.facts,
            made.artifact,
            evidence.statements["provenance"],
            evidence.statements["reproduction"],
            [*evidence.byproducts, *evidence.bundles],
            key.public,
        )


def killed(folder: Path, out: Path, after: int) -> int:
    """Publish in another process, which kills itself at a call of fsync; how it ended."""
    made = releases.observed(folder)
    child = os.fork()
    if child == 0:
        fsync, left = os.fsync, after

        def dying(descriptor: int) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            fsync(descriptor)

        try:
            os.fsync = dying  # type: ignore[assignment]
            releases.published(out, made, SigningKey.generate(), releases.builder_keys(made))
        finally:
            os._exit(0)  # it must not go on as pytest
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("after", [0, 1, 5, 12, 13, 16])
def test_a_killed_run_leaves_no_release_and_the_next_one_cleans_up(
    out: Path, made: releases.Made, key: SigningKey, after: int, tmp_path: Path
) -> None:
    assert killed(tmp_path / "killed", out, after) == -signal.SIGKILL
    left = list(out.iterdir())
    assert [path.name for path in left if not path.name.startswith(".")] == []
    assert len(left) == 1
    assert not publish(out, made, key).kept
    assert [path.name for path in out.iterdir()] == [made.facts.release_name]


def test_a_draft_in_use_is_nobodys_to_remove(out: Path, made: releases.Made, key: SigningKey) -> None:
    with drafts.draft_of(out, made.facts.release_name) as draft:
        publish(out, made, key)
        assert draft.is_dir()
    assert [path.name for path in out.iterdir()] == [made.facts.release_name]


def test_runs_at_the_same_time_make_one_release(out: Path, made: releases.Made, key: SigningKey) -> None:
    keys = releases.builder_keys(made)
    found: list[Published] = []
    threads = [
        threading.Thread(target=lambda: found.append(releases.published(out, made, key, keys)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert sorted(each.kept for each in found) == [False, *[True] * 5]
    assert [path.name for path in out.iterdir()] == [made.facts.release_name]


def test_a_log_that_is_gone(made: releases.Made) -> None:
    for report in made.agreed.reports:
        for build in report.builds.values():
            build.log.unlink(missing_ok=True)
    with pytest.raises(TallyError, match="cannot read the build log"):
        records_of(made.facts)


LARGE = """
    import sys
    sys.path.insert(0, {support!r})
    from dataclasses import replace
    from pathlib import Path
    import releases
    from orchestrator.signing import gate
    from orchestrator.keys.key import SigningKey
    from orchestrator.policy.policy import trusting
    from orchestrator.stories.verification import verify
    from orchestrator.policy.verdict import Passed

    folder = Path(sys.argv[1])
    made = releases.observed(folder)
    with made.artifact.open("wb") as stream:
        stream.truncate({size})
    sha256, size, nar_hash = gate.measure(made.artifact)
    agreed = made.agreed
    built = replace(made.facts.artifact_output, nar_hash=nar_hash)
    outputs = {{**agreed.outputs, made.facts.artifact_derivation: {{"out": built}}}}
    reports = tuple(
        replace(r, builds={{**r.builds, made.facts.artifact_derivation: replace(
            r.builds[made.facts.artifact_derivation], outputs={{"out": built}})}}) for r in agreed.reports)
    artifact = replace(made.facts.artifact, sha256=sha256, size=size, manifest=None)
    facts = replace(made.facts, artifact=artifact,
                    agreed=replace(agreed, outputs=outputs, reports=reports))
    made = replace(made, facts=facts)
    key = SigningKey.generate()
    published = releases.published(folder / "out", made, key, releases.builder_keys(made))
    assert isinstance(verify(published.path, trusting([key.public.spki]), releases.NOW), Passed)
    # not getrusage: its maximum is the parent's too, from before exec
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def test_a_large_artifact_is_streamed(tmp_path: Path) -> None:
    """Signed, published and verified within 150 MB, whatever its size."""
    program = textwrap.dedent(LARGE).format(support=str(SUPPORT), size=192 << 20)
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "large")], capture_output=True, text=True, check=True
    )
    shutil.rmtree(tmp_path / "large")
    assert int(ended.stdout) < 150_000  # kB


class TestReading:
    @pytest.mark.parametrize(
        "name", ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a\0b", "a\nb", "a\\b"]
    )
    def test_names_that_are_none(self, name: str) -> None:
        with pytest.raises(UnsafeNameError):
            checked(name)

    def test_names_that_are_too_much(self) -> None:
        for name in ("a" * 256, "é" * 128, "/".join("a" * 17)):
            with pytest.raises(UnsafeNameError):
                checked(name)

    def test_a_limit(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"12345")
        assert Folder(tmp_path).read("a", 5) == b"12345"
        with pytest.raises(TooLargeError):
            Folder(tmp_path).read("a", 4)


@pytest.mark.parametrize("size", [(1 << 24) - 1, 1 << 24, (1 << 24) + 5])
@pytest.mark.parametrize("executable", [True, False])
def test_a_large_artifact_is_hashed_as_a_small_one(tmp_path: Path, size: int, executable: bool) -> None:
    """From 16 MiB on two threads do it."""
    import hashlib

    from orchestrator.evidence.flatfile import FlatFileHasher
    from orchestrator.publishing.folder import Folder

    data = hashlib.shake_128(b"large").digest(size)
    (tmp_path / "large").write_bytes(data)
    hasher = FlatFileHasher(size, executable=executable)
    hasher.update(data)
    sha256, nar_hash = hasher.digests()
    assert Folder(tmp_path).measure_artifact("large", executable=executable) == (sha256, size, nar_hash)


def test_a_walk_grows_with_the_number_of_folders_and_not_with_its_square(tmp_path: Path) -> None:
    def walk(many: int) -> Callable[[], object]:
        folder = tmp_path / str(many)
        for number in range(many):
            (folder / str(number)).mkdir(parents=True)
        (folder / "zz").touch()
        assert list(Folder(folder).names()) == ["zz"]
        return lambda: list(Folder(folder).names())

    assert growth(walk, 400, 16) < 80, "256 where it is the square"


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for folder in ("b", "open/closed"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").touch()
    (tmp_path / "open/closed").chmod(0)
    (tmp_path / "b/file").chmod(0)
    tmp_path.chmod(0o755)
    child = os.fork()
    if child == 0:  # in a process of its own, which gives root's rights up when it has them
        os.chdir(tmp_path)
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            named = list(Folder(Path()).names()) == ["b/file", "open/closed/"]
            Folder(Path()).read("b/file", 1)
        except PermissionError as error:
            os._exit(0 if named and error.filename == "b/file" else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    (tmp_path / "open/closed").chmod(0o755)


def test_a_folder_deeper_than_names_are(tmp_path: Path) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    try:
        (name,) = Folder(tmp_path).names()
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # deeper than pytest's own clearing goes
    assert 1800 < name.count("d/") < 2100
    assert name.strip("d/") == ""


def test_what_is_in_memory_reads_as_from_a_folder(out: Path, made: releases.Made, key: SigningKey) -> None:
    """Every file of a release alike, whatever is asked of it, and those that stayed on the disk as well."""
    release = publish(out, made, key).path
    names = list(Folder(release).names())
    data = {name: (release / name).read_bytes() for name in names}
    some = release.parent / "some"
    for name in names[::2]:
        (some / name).parent.mkdir(parents=True, exist_ok=True)
        (some / name).write_bytes(data[name])
    on_disk, held = Folder(release), Held(some, {name: data[name] for name in names[1::2]})

    def asked(folder: Folder, name: str) -> list[object]:
        size = len(data.get(name, b""))
        ask: list[Callable[[], object]] = [
            lambda: folder.read(name, 1 << 26),
            lambda: folder.read(name, 1 << 26, size),
            lambda: folder.read(name, 1 << 26, size + 1),
            lambda: folder.read(name, max(size - 1, 0)),
            lambda: folder.size(name),
            lambda: folder.measure(name),
            lambda: folder.measure(name, size + 1),
            lambda: folder.lacks(name),
        ]
        return [outcome(each) for each in ask]

    def outcome(ask: Callable[[], object]) -> object:
        try:
            return ask()
        except (OSError, ValueError) as error:
            return type(error), str(error)

    for name in [*names, "none", "../x"]:
        assert asked(held, name) == asked(on_disk, name)
    assert list(held.names()) == sorted(names)
