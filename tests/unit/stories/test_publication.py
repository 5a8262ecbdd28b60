"""Publishing into a static folder, and the way back: killed, full, taken, lied to."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import releases
from loopback import Answer, Server, saying
from releases import files

from orchestrator.ground import inward
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.verdict import Code, Failed, Passed
from orchestrator.publishing import drafts, reference
from orchestrator.publishing.flat import LOCATIONS, flat
from orchestrator.publishing.index import parse as index_parse
from orchestrator.publishing.locations import ByKey, told
from orchestrator.publishing.sources.source import Found
from orchestrator.publishing.sources.static import StaticSource
from orchestrator.stories import fetching, publication
from orchestrator.stories.fetching import Asked, Fetched
from orchestrator.stories.publication import Order, Publication
from orchestrator.stories.verification import Examination, examine

NAME = "pigz-2.8-x86_64-linux"


@pytest.fixture
def www(tmp_path: Path) -> Path:
    return tmp_path / "www"


def publish(release: Path, www: Path, policy: Policy, scratch: Path, **more: Any) -> Publication:
    order = Order(release, reference.parse(f"dir:{www}"), (), policy, releases.NOW)
    scratch.mkdir(exist_ok=True)
    try:
        return publication.publish(replace(order, **more), scratch, lambda _: None)
    finally:
        shutil.rmtree(scratch)


def fetch(where: object, out: Path, policy: Policy) -> Fetched:
    return fetching.fetch(reference.parse(str(where)), out, Asked(policy, releases.NOW))


def codes(found: Fetched | Publication) -> set[Code]:
    assert isinstance(found.verdict, Failed)
    return {each.code for each in found.verdict.reasons}


def test_there_and_back(release: Path, www: Path, policy: Policy, tmp_path: Path) -> None:
    found = publish(release, www, policy, tmp_path / "s")
    assert isinstance(found.verdict, Passed)
    assert found.changed
    assert str(found.reference) == f"dir:{www}#{NAME}"
    assert all("/" not in each for each in files(www))
    back = fetch(found.reference, tmp_path / "out", policy)
    assert isinstance(back.verdict, Passed)
    assert back.folder == tmp_path / "out" / NAME
    assert files(back.folder) == files(release)
    assert fetch(found.reference, tmp_path / "out", policy).kept


def test_what_is_published_is_what_was_judged_byte_for_byte(
    release: Path, www: Path, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Path(shutil.copytree(release, tmp_path / release.name))
    index = release / "release.json"
    own, data = Sha256.of(index.read_bytes()), index.read_bytes()
    found = publish(release, www, policy, tmp_path / "s")
    index.write_bytes(data + b"\n")
    assert found.released is not None
    assert found.released.digest == own, "the folder is not asked a second time"
    index.write_bytes(data)

    def judged(*what: Any, **how: Any) -> Examination:
        seen = examine(*what, **how)
        index.write_bytes(data + b"\n")  # the same document in other bytes
        return seen

    monkeypatch.setattr(publication, "examine", judged)
    with pytest.raises(TallyError, match="changed while it was verified"):
        publish(release, tmp_path / "elsewhere", policy, tmp_path / "s")
    assert not (tmp_path / "elsewhere").exists()


def test_sums_are_those_of_sha256sum(release: Path, www: Path, policy: Policy, tmp_path: Path) -> None:
    publish(release, www, policy, tmp_path / "s")
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=www, check=True)
    listed = {line[66:] for line in (www / "SHA256SUMS").read_text().splitlines()}
    assert listed == set(files(www)) - {"SHA256SUMS", "index.json", "feed.atom"}


def test_again_changes_nothing(release: Path, www: Path, policy: Policy, tmp_path: Path) -> None:
    publish(release, www, policy, tmp_path / "s")
    before = {each: each.stat().st_mtime_ns for each in www.iterdir()}
    found = publish(release, www, policy, tmp_path / "s")
    assert isinstance(found.verdict, Passed)
    assert not found.changed
    assert {each: each.stat().st_mtime_ns for each in www.iterdir()} == before


def test_what_does_not_verify_stays_here(release: Path, www: Path, tmp_path: Path) -> None:
    other = trusting([SigningKey.generate().public.spki], None)
    found = publish(release, www, other, tmp_path / "s")
    assert codes(found) >= {Code.UNTRUSTED_SIGNER}
    assert found.reference is None
    assert not www.exists()


def test_another_release_of_the_name(
    release: Path, www: Path, key: SigningKey, policy: Policy, tmp_path: Path
) -> None:
    publish(release, www, policy, tmp_path / "s")
    before = files(www)
    made = releases.observed(tmp_path / "in", content=b"something else")
    other = releases.published(tmp_path / "other", made, key, releases.builder_keys(made)).path
    with pytest.raises(TallyError, match=f"another release named {NAME}") as caught:
        publish(other, www, policy, tmp_path / "s")
    assert "another version" in (caught.value.hint or "")
    assert files(www) == before


def test_an_artifact_of_another_release_with_its_name(
    release: Path, www: Path, policy: Policy, tmp_path: Path
) -> None:
    """Two releases can have artifacts of one name: the second one's gets its release's name in front."""
    artifact = f"{NAME}.tar.gz"
    publish(release, www, policy, tmp_path / "s")
    index = json.loads((www / "index.json").read_text())
    entry = index["releases"][0]
    entry["name"] = "other-1-x86_64-linux"
    entry["release"]["file"] = flat("other-1-x86_64-linux/release.json")
    (www / "index.json").write_text(json.dumps(index))
    found = publish(release, www, policy, tmp_path / "s")
    assert isinstance(found.verdict, Passed)
    assert flat(f"{NAME}/{artifact}") in files(www)


@contextmanager
def dying(number: int) -> Iterator[None]:
    """A process that kills itself before the file that comes after so many gets its name."""
    left = number

    def hook(event: str, _: object) -> None:
        nonlocal left
        if event in ("os.link", "os.rename"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    yield


def killed(work: Callable[[], object], number: int) -> bool:
    """Whether `work`, in a process of its own, was killed before it came to its end."""
    pid = os.fork()
    if pid == 0:
        try:
            with dying(number):
                work()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("number", range(0, 25, 2))
def test_killed_anywhere(number: int, release: Path, www: Path, policy: Policy, tmp_path: Path) -> None:
    """Nothing is visible that does not verify, and the same command goes on."""
    ended = killed(lambda: publish(release, www, policy, tmp_path / "s"), number)
    assert ended == (number < 24)
    if (www / "index.json").exists():
        assert isinstance(fetch(f"dir:{www}", tmp_path / "out", policy).verdict, Passed)
    else:
        with pytest.raises(TallyError, match="there is no release at"):
            fetch(f"dir:{www}", tmp_path / "out", policy)
    begun = {name: (www / name).stat().st_ino for name in files(www) if "__" in name}
    assert isinstance(publish(release, www, policy, tmp_path / "s").verdict, Passed)
    assert {name: (www / name).stat().st_ino for name in begun} == begun, "it began anew"
    assert len(files(www)) == len(files(release)) + 3, "something was left"


def test_what_a_killed_run_left_of_another_build(
    release: Path, www: Path, key: SigningKey, policy: Policy, tmp_path: Path
) -> None:
    """The same artifact, built and signed again: what no index lists is replaced."""
    assert killed(lambda: publish(release, www, policy, tmp_path / "s"), 18)
    made = releases.observed(tmp_path / "in", invocation="11111111-5a8e-4a5a-9d0f-4f1f6e2b1a11")
    other = releases.published(tmp_path / "other", made, key, releases.builder_keys(made)).path
    assert isinstance(publish(other, www, policy, tmp_path / "s").verdict, Passed)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=www, check=True)


def test_drafts_of_a_killed_run_go_and_what_only_looks_like_one_stays(
    release: Path, www: Path, policy: Policy, tmp_path: Path
) -> None:
    """A file system without files that have no name keeps drafts under a temporary one."""
    www.mkdir()
    drafts = [f".{NAME}__release.json.0.tmp", f".{NAME}__release.json.123.0a1b2c3d.tmp", ".index.json.0.tmp"]
    others = [
        *(".index.json.bak.tmp", ".notes__of-mine.0.tmp", f".{NAME}__notes.0.tmp", "release.json.0.tmp"),
        *(f".{NAME}__release.json.tmp", f".{NAME}__release.json.123.mine.tmp", ".x__y.tmp"),
    ]
    for each in (*drafts, *others):
        (www / each).write_text("mine")
    (www / ".SHA256SUMS.7.tmp").symlink_to(tmp_path / "elsewhere")
    publish(release, www, policy, tmp_path / "s")
    left = {each.name for each in www.iterdir() if each.name.endswith(".tmp")}
    assert left == {*others, ".SHA256SUMS.7.tmp"}


def test_a_file_of_somebody_else_in_the_artifacts_place(
    release: Path, www: Path, policy: Policy, tmp_path: Path
) -> None:
    www.mkdir()
    (www / f"{NAME}.tar.gz").write_bytes(b"mine")
    with pytest.raises(TallyError, match="is another file than the one to be published"):
        publish(release, www, policy, tmp_path / "s")
    assert (www / f"{NAME}.tar.gz").read_bytes() == b"mine"
    assert not (www / "index.json").exists()


@pytest.mark.parametrize("name", [f"{NAME}__release.json", f"{NAME}.tar.gz"])
def test_a_file_that_was_harmed_there_is_put_again(
    release: Path, www: Path, policy: Policy, tmp_path: Path, name: str
) -> None:
    publish(release, www, policy, tmp_path / "s")
    harmed = www / name
    whole = harmed.read_bytes()
    harmed.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    assert codes(fetch(f"dir:{www}", tmp_path / "out", policy)) & {Code.DIGEST_MISMATCH, Code.MALFORMED}
    assert not list((tmp_path / "out").glob("*"))
    assert isinstance(publish(release, www, policy, tmp_path / "s").verdict, Passed)
    assert harmed.read_bytes() == whole


@pytest.mark.parametrize("index", [b"", b"{}", b'{"name": "a site"}'])
def test_a_folder_with_an_index_of_another_kind(
    release: Path, www: Path, policy: Policy, tmp_path: Path, index: bytes
) -> None:
    www.mkdir()
    (www / "index.json").write_bytes(index)
    with pytest.raises(TallyError, match="no folder that releases are published in"):
        publish(release, www, policy, tmp_path / "s")
    assert files(www) == {"index.json": index}


def test_a_release_folder_is_no_place_for_others(release: Path, policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="is a release folder"):
        publish(release, release, policy, tmp_path / "s")


def test_a_file_where_a_folder_is_needed(release: Path, www: Path, policy: Policy, tmp_path: Path) -> None:
    www.write_bytes(b"")
    with pytest.raises(TallyError, match="cannot write"):
        publish(release, www, policy, tmp_path / "s")


def test_a_folder_that_cannot_be_written(release: Path, policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="cannot write"):
        publish(release, Path("/proc/www"), policy, tmp_path / "s")


def test_a_full_disk(
    release: Path, www: Path, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is listed, and once there is room the same command goes on."""
    fsync, left = os.fsync, 12

    def full(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, os.strerror(28))
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(TallyError, match="no room left on the disk"):
            publish(release, www, policy, tmp_path / "s")
    assert not (www / "index.json").exists()
    assert isinstance(publish(release, www, policy, tmp_path / "s").verdict, Passed)


def test_locations_are_signed_and_add_up(
    release: Path, www: Path, key: SigningKey, policy: Policy, tmp_path: Path
) -> None:
    for place in ("https://a.example/r/", "https://b.example/r/"):
        found = publish(release, www, policy, tmp_path / "s", locations=(place,), signer=ByKey(key))
        assert found.changed
    assert not publish(release, www, policy, tmp_path / "s", locations=(place,), signer=ByKey(key)).changed
    assert not publish(release, www, policy, tmp_path / "s").changed
    index = StaticSource(reference.Static(f"file://{www}/")).find().index
    data = (www / flat(f"{NAME}/{LOCATIONS}")).read_bytes()
    assert told(data, index, ByKey(key)) == ("https://a.example/r/", "https://b.example/r/")
    with pytest.raises(ValueError, match="not signed by the key"):
        told(data, index, ByKey(SigningKey.generate()))


def test_a_release_folder_itself_can_be_fetched(release: Path, policy: Policy, tmp_path: Path) -> None:
    found = fetch(f"dir:{release}", tmp_path / "out", policy)
    assert isinstance(found.verdict, Passed)
    assert files(found.folder) == files(release)


def test_which_of_several(release: Path, www: Path, policy: Policy, tmp_path: Path) -> None:
    publish(release, www, policy, tmp_path / "s")
    index = json.loads((www / "index.json").read_text())
    index["releases"].append(index["releases"][0] | {"name": "other"})
    (www / "index.json").write_text(json.dumps(index))
    with pytest.raises(TallyError, match="has several releases") as caught:
        fetch(f"dir:{www}", tmp_path / "out", policy)
    assert f"#{NAME}" in (caught.value.hint or "")
    with pytest.raises(TallyError, match="no release none"):
        fetch(f"dir:{www}#none", tmp_path / "out", policy)
    with pytest.raises(TallyError, match="no release with sha256:"):
        fetch(f"dir:{www}#{Sha256.of(b'')}", tmp_path / "out", policy)
    assert isinstance(fetch(f"dir:{www}#{NAME}", tmp_path / "out", policy).verdict, Passed)
    # what is called otherwise than it calls itself is not taken by that name
    assert codes(fetch(f"dir:{www}#other", tmp_path / "out", policy)) == {Code.MALFORMED}


def test_a_cache_is_for_nix(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="is a Nix cache: it has store paths, and no release") as caught:
        fetch(f"cache+file://{tmp_path}", tmp_path / "out", policy)
    assert "`nix copy --from` and `nix store verify` read it" in (caught.value.hint or "")


def test_by_the_digest_of_its_index(release: Path, policy: Policy, tmp_path: Path) -> None:
    digest = Sha256.of((release / "release.json").read_bytes())
    assert isinstance(fetch(f"dir:{release}#{digest}", tmp_path / "out", policy).verdict, Passed)
    other = Sha256.of(b"")
    assert codes(fetch(f"dir:{release}#{other}", tmp_path / "other", policy)) == {Code.DIGEST_MISMATCH}


def test_another_release_where_it_goes(release: Path, policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "out" / NAME).mkdir(parents=True)
    with pytest.raises(TallyError, match="is another release than the one to be fetched"):
        fetch(f"dir:{release}", tmp_path / "out", policy)


class Web:
    """A web server with a published release, whose answers can be replaced."""

    def __init__(self, www: Path) -> None:
        self.server = Server({f"/r/{name}": saying(data) for name, data in files(www).items()})

    def lie(self, path: str, answer: Answer) -> None:
        self.server.faults[f"/r/{flat(f'{NAME}/{path}')}"] = lambda _: answer


@pytest.fixture
def web(release: Path, www: Path, policy: Policy, tmp_path: Path) -> Iterator[Web]:
    publish(release, www, policy, tmp_path / "s")
    found = Web(www)
    with found.server.running():
        yield found


PROVENANCE = "attestations/provenance.sigstore.json"


def test_over_the_web(web: Web, release: Path, policy: Policy, tmp_path: Path) -> None:
    found = fetch(f"{web.server.address}/r", tmp_path / "out", policy)
    assert isinstance(found.verdict, Passed)
    assert files(found.folder) == files(release)


@pytest.mark.parametrize(
    ("path", "answer", "code", "word"),
    [
        (PROVENANCE, Answer(b"{}"), Code.DIGEST_MISMATCH, "is sent as sha256:"),
        (PROVENANCE, Answer(b"a" * (1 << 20)), Code.DIGEST_MISMATCH, "is sent as more than"),
        (PROVENANCE, Answer(b"", 404), Code.FILE_MISSING, "listed and not there"),
        ("release.json", Answer(b"{}"), Code.DIGEST_MISMATCH, "release.json is sha256:"),
        ("release.json", Answer(b" " * (5 << 20)), Code.DIGEST_MISMATCH, "more than"),
    ],
)
def test_lies(
    web: Web, policy: Policy, tmp_path: Path, path: str, answer: Answer, code: Code, word: str
) -> None:
    web.lie(path, answer)
    found = fetch(f"{web.server.address}/r/", tmp_path / "out", policy)
    assert codes(found) == {code}
    assert isinstance(found.verdict, Failed)
    assert word in found.verdict.reasons[0].sentence
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Answer(b"", 500), "HTTP status 500"),
        (Answer(b"", 403), "HTTP status 403"),
        (Answer(b"", 302, location="file:///etc/passwd"), "redirects to file:///etc/passwd"),
        (Answer(b"", 429, retry_after="9999"), "longer than 30 s"),
    ],
)
def test_what_cannot_be_decided(web: Web, policy: Policy, tmp_path: Path, answer: Answer, word: str) -> None:
    web.lie(PROVENANCE, answer)
    with pytest.raises(TallyError, match=word):
        fetch(f"{web.server.address}/r/", tmp_path / "out", policy)
    assert not list((tmp_path / "out").glob("*"))


def test_a_redirection_inwards_is_not_followed(
    web: Web, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a public host to a cloud's metadata address: here 127.0.0.1 is taken for public."""
    monkeypatch.setattr(inward, "is_inward", lambda address: address != "127.0.0.1")
    with Server({}, host="127.0.0.2").running() as inside:
        web.lie(PROVENANCE, Answer(b"", 302, location=f"{inside.address}/latest/meta-data"))
        with pytest.raises(TallyError, match="inside this network"):
            fetch(f"{web.server.address}/r/", tmp_path / "out", policy)
        assert inside.asked == []


def test_more_than_there_is_room_for(
    web: Web, policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = os.statvfs(tmp_path)
    room = os.statvfs_result((1, 1, *found[2:4], 1, *found[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    with pytest.raises(TallyError, match="has room for 1"):
        fetch(f"{web.server.address}/r/", tmp_path / "out", policy)


def unlisted_name(path: Path, name: str) -> None:
    document = json.loads((path / "release.json").read_bytes())
    document["files"].append({"path": name, "sha256": Sha256.of(b"x").hex, "size": 1})
    (path / "release.json").write_text(json.dumps(document))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//x", "."])
def test_names_that_lead_out(release: Path, policy: Policy, tmp_path: Path, name: str) -> None:
    copy = tmp_path / NAME
    shutil.copytree(release, copy)
    unlisted_name(copy, name)
    assert codes(fetch(f"dir:{copy}", tmp_path / "out", policy)) == {Code.UNSAFE_NAME}


def test_a_file_that_is_a_folder_too(release: Path, policy: Policy, tmp_path: Path) -> None:
    index = index_parse((release / "release.json").read_bytes())
    listed = {name: (Sha256.of(b"x"), 1) for name in (*index.files, f"{PROVENANCE}/x")}
    found = Found(NAME, replace(index, files=listed), lambda _: iter([b"x"]))
    verdict = fetching.judged(found, tmp_path, Asked(policy, releases.NOW)).verdict
    assert isinstance(verdict, Failed)
    assert {each.code for each in verdict.reasons} == {Code.MALFORMED}


def test_files_that_no_folder_can_have(release: Path, policy: Policy, tmp_path: Path) -> None:
    """They are told in words, by `tally verify REFERENCE` as by `tally fetch`."""

    def verified(name: str) -> Examination:
        copy = tmp_path / f"{len(name)}" / NAME
        shutil.copytree(release, copy)
        unlisted_name(copy, name)
        there = tmp_path / f"there-{len(name)}"
        return fetching.verified(reference.parse(f"dir:{copy}"), there, Asked(policy, releases.NOW))

    assert isinstance(verified("release.json/x").verdict, Failed)
    with pytest.raises(TallyError, match="File name too long"):
        verified("/".join(["n" * 255] * 16))


def test_an_old_release_by_the_name_of_a_new_one(
    release: Path, www: Path, policy: Policy, tmp_path: Path
) -> None:
    """Its artifact's name, which is signed, says of which version it is; whoever lists it does not."""
    publish(release, www, policy, tmp_path / "s")
    new = "pigz-2.8-4-x86_64-linux"
    listing = json.loads((www / "index.json").read_bytes())
    (entry,) = listing["releases"]
    for file in www.glob(f"{NAME}__*"):
        file.rename(www / file.name.replace(NAME, new))
    entry["name"], entry["version"] = new, "2.8-4"
    entry["release"]["file"] = entry["release"]["file"].replace(NAME, new)
    (www / "index.json").write_text(json.dumps(listing))
    assert codes(fetch(f"dir:{www}#{new}", tmp_path / "out", policy)) == {Code.MALFORMED}


def test_a_draft_that_is_gone_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run was done with it, between a look at the folder and the next."""
    out = tmp_path / "out"
    with drafts.draft_of(out, "mine") as draft:
        gone = Path(draft)
    there, is_folder = Path.glob, Path.is_dir
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter([*there(self, pattern), gone]))
    monkeypatch.setattr(Path, "is_dir", lambda self: self == gone or is_folder(self))
    with drafts.draft_of(out, "mine") as draft:
        assert draft.exists() and not gone.exists()


def test_what_was_fetched_before_and_is_harmed_is_named(
    release: Path, www: Path, policy: Policy, tmp_path: Path
) -> None:
    """The release that is published is whole."""
    publish(release, www, policy, tmp_path / "s")
    found = fetch(f"dir:{www}", tmp_path / "out", policy)
    (found.folder / f"{NAME}.tar.gz").write_bytes(b"harmed")
    again = fetch(f"dir:{www}", tmp_path / "out", policy)
    assert (again.kept, again.folder, codes(again)) == (True, found.folder, {Code.DIGEST_MISMATCH})
