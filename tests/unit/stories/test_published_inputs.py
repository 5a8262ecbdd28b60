"""Fixed inputs beside a published release: put once, found by digest, fetched when asked for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import releases
from registries import FakeRegistry
from releases import files

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash, restore
from orchestrator.ground.unreachable import Absent, Unreachable
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Code, Failed, Passed
from orchestrator.publishing import inputs, reference, sources
from orchestrator.publishing.inputs import Supplied
from orchestrator.run.inputs import supplied
from orchestrator.run.supplies import Published, of_folder
from orchestrator.stories import fetching, publication
from orchestrator.stories.fetching import Asked, Fetched
from orchestrator.stories.publication import Order, Publication

NAME = "pigz-2.8-x86_64-linux"
TOLD = b"#!/bin/sh\necho told\n"


@pytest.fixture
def given(tmp_path: Path) -> tuple[Supplied, ...]:
    """A file, a folder, and a file that is pinned by another digest."""
    (tmp_path / "file").write_bytes(b"the source")
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/word").write_bytes(b"said")
    (tmp_path / "tree/run").write_bytes(TOLD)
    (tmp_path / "tree/run").chmod(0o755)
    (tmp_path / "tree/link").symlink_to("below/word")
    (tmp_path / "old").write_bytes(b"by sha1")
    other = OtherDigest("sha1", hashlib.sha1(b"else").hexdigest(), nar=False)
    with pytest.raises(TallyError, match="is not what it is pinned as"):
        supplied(tmp_path / "old", "old", other, ())
    sha1 = OtherDigest("sha1", hashlib.sha1(b"by sha1").hexdigest(), nar=False)
    first = supplied(tmp_path / "file", "source.tar.gz", Sha256.of(b"the source"), ("https://example.org/s",))
    return (
        first,
        supplied(tmp_path / "tree", "tree", nar_hash(tmp_path / "tree"), ()),
        supplied(tmp_path / "old", "old", sha1, ()),
    )


def publish(
    where: object, release: Path, policy: Policy, given: tuple[Supplied, ...], scratch: Path
) -> Publication:
    order = Order(
        release,
        reference.parse(str(where)),
        (),
        policy,
        releases.NOW,
        inputs=(lambda _: given) if given else None,
    )
    scratch.mkdir()
    try:
        return publication.publish(order, scratch, lambda _: None)
    finally:
        shutil.rmtree(scratch)


def fetch(where: object, out: Path, policy: Policy, **more: Any) -> Fetched:
    return fetching.fetch(reference.parse(str(where)), out, Asked(policy, releases.NOW, **more))


def shelf_of(where: object) -> Published:
    shelf = sources.of(reference.parse(str(where))).find().shelf
    assert shelf is not None
    return Published(shelf)


@pytest.fixture(params=["dir", "oci", "oci without referrers"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "dir":
        yield f"dir:{tmp_path / 'www'}"
        return
    with FakeRegistry(referrers=request.param == "oci").running() as registry:
        yield registry.reference()


def test_there_and_back(
    where: str, release: Path, policy: Policy, given: tuple[Supplied, ...], tmp_path: Path
) -> None:
    found = publish(where, release, policy, given, tmp_path / "s")
    assert isinstance(found.verdict, Passed)
    assert found.changed
    assert not publish(where, release, policy, given, tmp_path / "s").changed
    assert not publish(where, release, policy, (), tmp_path / "s").changed, "they stay"
    published = shelf_of(found.reference)
    for each in given:
        assert b"".join(published.read(each.input.name, each.input.digest)) == b"".join(each.chunks())
    with pytest.raises(Absent, match="not among the 3 that are published there"):
        list(published.read("none", Sha256.of(b"")))

    plain = fetch(found.reference, tmp_path / "plain", policy)
    assert files(tmp_path / "plain").keys() == {f"{NAME}/{each}" for each in files(release)}
    assert plain.sources is None
    back = fetch(found.reference, tmp_path / "out", policy, sources=True)
    assert (back.sources, back.kept) == (3, False)
    beside = of_folder(back.folder)
    for each in given:
        assert b"".join(beside.read(each.input.name, each.input.digest)) == b"".join(each.chunks())
    # what is missing is fetched again, and what is another one
    (tmp_path / "out" / given[0].input.path).unlink()
    (tmp_path / "out" / given[1].input.path).write_bytes(b"")
    before = files(tmp_path / "out")
    again = fetch(found.reference, tmp_path / "out", policy, sources=True)
    assert (again.sources, again.kept) == (3, True)
    assert len(files(tmp_path / "out")) == len(before) + 1
    # a release that was fetched is published elsewhere with them
    www = tmp_path / "other"
    assert publish(f"dir:{www}", back.folder, policy, given, tmp_path / "s").changed
    assert (www / f"{NAME}__sources.json").read_bytes() == (
        tmp_path / f"out/{NAME}.sources.json"
    ).read_bytes()


def test_a_release_that_is_there_gets_them(
    where: str, release: Path, policy: Policy, given: tuple[Supplied, ...], tmp_path: Path
) -> None:
    found = publish(where, release, policy, (), tmp_path / "s")
    with pytest.raises(Absent, match="no sources are published beside the release"):
        list(shelf_of(found.reference).read(given[0].input.name, given[0].input.digest))
    with pytest.raises(TallyError, match=f"no sources of {NAME} are published at "):
        fetch(found.reference, tmp_path / "out", policy, sources=True)
    assert not list((tmp_path / "out").iterdir()), "whole or not at all"
    assert publish(where, release, policy, given, tmp_path / "s").changed
    assert fetch(found.reference, tmp_path / "out", policy, sources=True).sources == 3


def killed(work: Callable[[], object], number: int) -> bool:
    """Whether `work`, in a process of its own, was killed before so many files and one more were there."""
    pid = os.fork()
    if pid == 0:
        left = number

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event in ("os.link", "os.rename"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 12])
def test_killed_anywhere(
    number: int, release: Path, policy: Policy, given: tuple[Supplied, ...], tmp_path: Path
) -> None:
    """Nothing is visible that does not verify, the sums hold, and the same command goes on."""
    www = tmp_path / "www"
    assert killed(lambda: publish(f"dir:{www}", release, policy, given, tmp_path / "s"), number)
    shutil.rmtree(tmp_path / "s")
    if (www / "SHA256SUMS").exists():
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=www, check=True)
    with pytest.raises(TallyError, match="there is no release at"):
        fetch(f"dir:{www}", tmp_path / "out", policy)
    begun = {each: each.stat().st_ino for each in www.glob("sources__*")}
    assert publish(f"dir:{www}", release, policy, given, tmp_path / "s").changed
    assert {each: each.stat().st_ino for each in begun} == begun, "it began anew"
    assert fetch(f"dir:{www}", tmp_path / "out", policy, sources=True).sources == 3
    assert not list(www.glob(".*")), "something was left"


def test_other_bytes(release: Path, policy: Policy, given: tuple[Supplied, ...], tmp_path: Path) -> None:
    where = f"dir:{tmp_path / 'www'}"
    publish(where, release, policy, given, tmp_path / "s")
    file = tmp_path / "www" / f"sources__sha256-{given[0].input.sha256.hex}"
    file.write_bytes(b"the sauces")
    refused = fetch(where, tmp_path / "out", policy, sources=True)
    assert isinstance(refused.verdict, Failed)
    (reason,) = refused.verdict.reasons
    assert reason.code == Code.DIGEST_MISMATCH
    assert reason.sentence.startswith("source.tar.gz is sent as sha256:")
    assert not (tmp_path / "out" / NAME).exists()
    file.write_bytes(b"the source and more")
    with pytest.raises(Unreachable, match="is sent as more than 10 bytes"):
        list(shelf_of(where).read(given[0].input.name, given[0].input.digest))
    file.unlink()
    with pytest.raises(TallyError, match=r"1 source of .*\nsource.tar.gz, at .* listed and not there"):
        fetch(where, tmp_path / "out", policy, sources=True)
    assert publish(where, release, policy, given, tmp_path / "s").changed, "it is put again"
    assert fetch(where, tmp_path / "out", policy, sources=True).sources == 3


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        (b"{}", "sources.json"),
        (b'{"sourcesFormat": 2, "sources": []}', "is of format 2, which a newer Tallystick wrote"),
        (b"[", "sources.json"),
    ],
)
def test_a_list_that_is_none(
    release: Path, policy: Policy, given: tuple[Supplied, ...], tmp_path: Path, listing: bytes, says: str
) -> None:
    where = f"dir:{tmp_path / 'www'}"
    publish(where, release, policy, given, tmp_path / "s")
    (tmp_path / "www" / f"{NAME}__sources.json").write_bytes(listing)
    with pytest.raises(Unreachable, match=says):
        list(shelf_of(where).read(given[0].input.name, given[0].input.digest))
    with pytest.raises(TallyError, match=says):
        fetch(where, tmp_path / "out", policy, sources=True)


def test_the_list_is_read_as_it_was_written(given: tuple[Supplied, ...]) -> None:
    data = inputs.render(each.input for each in given)
    assert inputs.parse(data) == {each.input.digest: each.input for each in given}
    assert inputs.render(inputs.parse(data).values()) == data
    assert json.loads(data)["sources"][0]["pinned"].startswith("sha1:")


def test_a_nar_is_unpacked_as_it_was_packed(given: tuple[Supplied, ...], tmp_path: Path) -> None:
    (tmp_path / "nar").write_bytes(b"".join(given[1].chunks()))
    with (tmp_path / "nar").open("rb") as stream:
        restore(stream, tmp_path / "again")
    assert (
        nar_hash(tmp_path / "again") == given[1].input.digest == NarHash.of((tmp_path / "nar").read_bytes())
    )
    assert os.access(tmp_path / "again/run", os.X_OK)


def test_a_nar_that_is_none(given: tuple[Supplied, ...], tmp_path: Path) -> None:
    whole = b"".join(given[1].chunks())
    out = whole.replace(b"below", b"../..", 1)
    for number, data in enumerate((whole[:-1], whole + b"x", whole[8:], out, b"")):
        (tmp_path / "nar").write_bytes(data)
        with pytest.raises(ValueError, match=r"it |something"), (tmp_path / "nar").open("rb") as stream:
            restore(stream, tmp_path / f"again{number}")


def test_a_release_by_a_newer_tallystick(release: Path, policy: Policy, tmp_path: Path) -> None:
    """It is neither a yes nor a no, wherever it is."""
    newer = tmp_path / NAME
    shutil.copytree(release, newer)
    index = (newer / "release.json").read_text()
    changed = index.replace('"releaseFormat": 1', '"releaseFormat": 2, "more": 1')
    assert changed != index
    (newer / "release.json").write_text(changed)
    with pytest.raises(
        TallyError, match=f"the release {newer} is of format 2, which a newer Tallystick"
    ) as told:
        publish(f"dir:{tmp_path / 'www'}", newer, policy, (), tmp_path / "s")
    assert told.value.hint == "install a newer Tallystick, and run the command again"
    with pytest.raises(TallyError, match=f"{newer}/release.json is of format 2"):
        fetch(f"dir:{newer}", tmp_path / "out", policy)
    (newer / "release.json").write_text(index.replace('"releaseFormat": 1', '"releaseFormat": 0'))
    found = fetch(f"dir:{newer}", tmp_path / "out", policy)
    assert isinstance(found.verdict, Failed)
    publish(f"dir:{tmp_path / 'www'}", release, policy, (), tmp_path / "s")
    listed = tmp_path / "www/index.json"
    listed.write_text(listed.read_text().replace('"indexFormat": 1', '"indexFormat": 2'))
    for work in (
        lambda: publish(f"dir:{tmp_path / 'www'}", release, policy, (), tmp_path / "s"),
        lambda: fetch(f"dir:{tmp_path / 'www'}", tmp_path / "out", policy),
    ):
        with pytest.raises(TallyError, match=r"www/index.json is of format 2, which a newer"):
            work()
