"""Publishing into a registry and the way back: one with referrers, one without, and hostile ones."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import releases
from registries import PASSWORD, USER, FakeRegistry
from releases import files

from orchestrator.cli.show import show
from orchestrator.evidence.canonical import render_document
from orchestrator.evidence.oci import MANIFEST
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.notice import NOTICE
from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import Policy, trusting
from orchestrator.policy.verdict import Code, Failed, Passed, Refused
from orchestrator.publishing import reference
from orchestrator.publishing.destinations.destination import Outgoing
from orchestrator.publishing.destinations.registry import RegistryRepository
from orchestrator.publishing.folder import Folder
from orchestrator.publishing.index import parse as index_parse
from orchestrator.publishing.locations import ByKey
from orchestrator.publishing.registry import archive
from orchestrator.publishing.registry.manifests import BUNDLE, RELEASE
from orchestrator.publishing.sources.registry import RegistrySource
from orchestrator.stories import fetching, publication
from orchestrator.stories.fetching import Asked, Fetched
from orchestrator.stories.publication import Order, Publication

NAME = "pigz-2.8-x86_64-linux"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry().running() as found:
        yield found


@pytest.fixture
def publish(
    release: Path, registry: FakeRegistry, policy: Policy, tmp_path: Path
) -> Callable[..., Publication]:
    def published(where: str | None = None, **more: Any) -> Publication:
        place = reference.parse(where or registry.reference())
        order = replace(Order(release, place, (), policy, releases.NOW), **more)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        try:
            return publication.publish(order, scratch, lambda _: None)
        finally:
            shutil.rmtree(scratch)

    return published


@pytest.fixture
def fetch(policy: Policy, tmp_path: Path) -> Callable[[object], Fetched]:
    asked = Asked(policy, releases.NOW)
    return lambda where: fetching.fetch(reference.parse(str(where)), tmp_path / "out", asked)


Publish = Callable[..., Publication]
Fetch = Callable[[object], Fetched]


def codes(found: Fetched | Publication) -> set[Code]:
    assert isinstance(found.verdict, Failed), found.verdict
    return {each.code for each in found.verdict.reasons}


def attached(registry: FakeRegistry, kind: str) -> list[str]:
    return [
        digest
        for digest, (_, data) in registry.manifests.items()
        if json.loads(data).get("artifactType") == kind and "subject" in json.loads(data)
    ]


class TestUntold:
    """A registry that lists what is attached by the type of its config, which is the same for all of it."""

    @pytest.fixture
    def registry(self) -> Iterator[FakeRegistry]:
        with FakeRegistry(untold=True).running() as found:
            yield found

    def test_there_and_back(
        self, release: Path, registry: FakeRegistry, publish: Publish, fetch: Fetch, key: SigningKey
    ) -> None:
        found = publish(signer=ByKey(key))
        assert found.changed
        assert files(fetch(found.reference).folder) == files(release)
        before = registry.contents
        again = publish(signer=ByKey(key))
        assert (again.changed, registry.contents) == (False, before)

    def test_more_than_are_asked(self, registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
        found = publish()
        manifests = dict(registry.manifests)
        (subject,) = {
            json.loads(data)["subject"]["digest"]
            for _, data in manifests.values()
            if "subject" in json.loads(data)
        }
        config = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": subject, "size": 2}
        for number in range(200):
            other = {"subject": {"digest": subject}, "config": config, "artifactType": f"x/{number}"}
            registry.put_manifest("some/app", MANIFEST, json.dumps(other).encode())
        with pytest.raises(TallyError, match="more than 200 referrers of it whose type it does not tell"):
            fetch(found.reference)


class TestLarge:
    """An artifact that is not hashed again on its way: it leaves as it was verified, or is told."""

    @pytest.fixture
    def release(self, tmp_path: Path, key: SigningKey) -> Path:
        made = releases.observed(tmp_path / "large", content=bytes(range(256)) * 66_000)
        return releases.published(tmp_path / "large", made, key, releases.builder_keys(made)).path

    def test_there_and_back(self, release: Path, publish: Publish, fetch: Fetch) -> None:
        found = publish()
        assert isinstance(found.verdict, Passed)
        assert files(fetch(found.reference).folder) == files(release)

    def test_what_changed_since(self, release: Path, registry: FakeRegistry, publish: Publish) -> None:
        def change(folder: Path) -> tuple[()]:
            artifact = folder / f"{NAME}.tar.gz"
            artifact.write_bytes(b"x" + artifact.read_bytes()[1:])
            return ()

        with pytest.raises(TallyError, match="changed after it was verified"):
            publish(inputs=change)
        assert not registry.tags
        assert all(len(each) < 1_000_000 for each in registry.blobs.values())


@pytest.mark.parametrize("referrers", [True, False])
def test_there_and_back(
    release: Path, registry: FakeRegistry, publish: Publish, fetch: Fetch, key: SigningKey, referrers: bool
) -> None:
    registry.referrers = referrers
    found = publish(signer=ByKey(key))
    assert isinstance(found.verdict, Passed)
    assert found.changed
    assert str(found.reference) == f"{registry.reference()}:{NAME}"
    assert (len(registry.tags) == 1) == referrers
    back = fetch(found.reference)
    assert isinstance(back.verdict, Passed)
    assert files(back.folder) == files(release)
    before = registry.contents
    again = publish(signer=ByKey(key))
    assert isinstance(again.verdict, Passed)
    assert not again.changed
    assert registry.contents == before


def test_what_is_in_a_registry_is_shown_without_its_artifact(
    registry: FakeRegistry,
    publish: Publish,
    key: SigningKey,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = publish(signer=ByKey(key)).reference
    artifact = next(digest for digest, data in registry.blobs.items() if data[:2] == b"\x1f\x8b")
    registry.asked.clear()
    show(str(where))
    out = capsys.readouterr().out
    assert out.startswith("pigz 2.8 for x86_64-linux\n  NOT CHECKED ")
    assert not [each for each in registry.asked if artifact in each]
    _, public = key.write(tmp_path / "key")
    show(str(where), key=[public])
    assert "  VERIFIED " in capsys.readouterr().out
    registry.manifests.clear()
    with pytest.raises(TallyError):
        show(str(where))


UNUSED = (
    "email",
    "encodings.idna",
    "http",
    "orchestrator.keys.signers",
    "orchestrator.policy.given",
    "orchestrator.policy.pattern",
    "orchestrator.policy.rules.closure",
    "orchestrator.policy.rules.rebuilders",
    "orchestrator.signing",
    "orchestrator.stories.image_index",
    "orchestrator.stories.supplying",
    "shutil",
    "ssl",
    "tempfile",
)
"""What a release that is no index of images, over http, needs nothing of."""


def test_judging_imports_no_builder(
    registry: FakeRegistry, publish: Publish, key: SigningKey, tmp_path: Path
) -> None:
    """What reads tally.toml and recipes was half of the time that `tally verify oci://…` took."""
    where = publish().reference
    _, public = key.write(tmp_path / "key")
    code = (
        "import sys; sys.argv = ['tally', *sys.argv[1:]]\n"
        "from orchestrator.cli.main import run\n"
        "try: run()\n"
        "except SystemExit as end: assert not end.code\n"
        "seen = {'pydantic', 'xml.sax', 'orchestrator.evidence.facts', *UNUSED} & set(sys.modules)\n"
        "assert not seen, sorted(seen)\n"
        "assert not [each for each in sys.modules if each.startswith('orchestrator.builders')]"
    ).replace("*UNUSED", f"*{UNUSED}")
    command = [sys.executable, "-c", code, "verify", str(where), "--key", str(public)]
    registry.asked.clear()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    manifests = [each for each in registry.asked if "/manifests/" in each]
    assert len(manifests) == len(set(manifests)), "what was fetched is not fetched again"


@pytest.mark.parametrize("most", [1 << 24, 20_000, 0])
def test_what_is_small_is_judged_from_memory(
    release: Path,
    registry: FakeRegistry,
    publish: Publish,
    policy: Policy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    """The artifact is on the disk, with what is more than a little together; all is judged alike."""
    place = reference.parse(str(publish().reference))
    monkeypatch.setattr(fetching, "_ALL_SMALL", most)
    (tmp_path / "there").mkdir()
    found = fetching.verified(place, tmp_path / "there", Asked(policy, releases.NOW))
    assert isinstance(found.verdict, Passed)
    there, every = files(next((tmp_path / "there").iterdir())), files(release)
    assert there.items() <= every.items()
    artifact = f"{NAME}.tar.gz"
    assert artifact in there
    assert (len(there) == 1, len(there) == len(every)) == (most > 20_000, most == 0)


def test_who_asks_ahead_gets_what_others_get(registry: FakeRegistry, publish: Publish) -> None:
    where = str(publish().reference)
    source = RegistrySource(_registry(where))
    source.begin()
    assert not source.may_be_index()
    assert source.find().index == RegistrySource(_registry(where)).find().index


def test_what_fails_ahead_is_told_when_it_is_waited_for(registry: FakeRegistry, publish: Publish) -> None:
    """Each time, and the registry is asked once."""
    where = publish().reference
    (own,) = attached(registry, RELEASE)
    del registry.manifests[own]
    source = RegistrySource(_registry(str(where)))
    registry.asked.clear()
    source.begin()
    assert not source.may_be_index()
    for _ in range(2):
        with pytest.raises(TallyError, match="no release is attached to"):
            source.find()
    assert len([each for each in registry.asked if "/referrers/" in each]) == 1


def _registry(text: str) -> reference.Registry:
    found = reference.parse(text)
    assert isinstance(found, reference.Registry)
    return found


def test_by_each_name_that_it_has(registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
    publish()
    (own,) = attached(registry, RELEASE)
    for name in ("", f"@{registry.tags[NAME]}", f"@{own}", f":{NAME}@{own}"):
        assert isinstance(fetch(f"{registry.reference()}{name}").verdict, Passed)
    with pytest.raises(TallyError, match="there is no none in"):
        fetch(f"{registry.reference()}:none")


def test_what_is_attached(registry: FakeRegistry, publish: Publish, key: SigningKey) -> None:
    """Each bundle and SBOM for itself, of the artifact that the tag names."""
    publish(signer=ByKey(key))
    kinds: dict[str, int] = {}
    for _, data in registry.manifests.values():
        document = json.loads(data)
        if "subject" in document:
            assert document["subject"]["digest"] == registry.tags[NAME]
            kinds[document["artifactType"]] = kinds.get(document["artifactType"], 0) + 1
        if document["artifactType"] == BUNDLE:
            assert document["annotations"]["dev.sigstore.bundle.content"] == "dsse-envelope"
            assert document["annotations"]["dev.sigstore.bundle.predicateType"].startswith("https://")
            (layer,) = document["layers"]
            assert json.loads(registry.blobs[layer["digest"]])["mediaType"] == BUNDLE
    assert kinds == {
        BUNDLE: 6,
        RELEASE: 1,
        "application/spdx+json": 2,
        "application/vnd.cyclonedx+json": 1,
    }


def test_the_tag_comes_last(registry: FakeRegistry, publish: Publish) -> None:
    publish()
    puts = [each for each in registry.asked if each.startswith("PUT")]
    assert puts[-1].endswith(f"/manifests/{NAME}")
    last_blob = max(place for place, each in enumerate(puts) if "/uploads/" in each)
    first_manifest = min(place for place, each in enumerate(puts) if "/manifests/" in each)
    assert last_blob < first_manifest


def settled(registry: FakeRegistry) -> None:
    """Wait until the server has done with what was sent to it side by side before the error."""
    asked = -1
    while asked != len(registry.asked):
        asked = len(registry.asked)
        time.sleep(0.05)


@pytest.mark.parametrize("number", [0, 3, 10, 22, 25, 28, 31])
@pytest.mark.parametrize("referrers", [True, False])
def test_cut_off_anywhere(
    registry: FakeRegistry, publish: Publish, fetch: Fetch, number: int, referrers: bool
) -> None:
    """Nothing is visible that does not verify, and the same command goes on."""
    registry.referrers = referrers
    counting = {"left": number}

    def cut(handler: Any) -> None:
        handler.error(400, "CUT")

    class Counting(dict[str, Any]):
        def items(self) -> Any:
            last = registry.asked[-1]
            if last.startswith("PUT"):
                counting["left"] -= 1
            return [("PUT", cut)] if counting["left"] < 0 else []

    registry.faults = Counting()
    with pytest.raises(TallyError, match="HTTP status 400"):
        publish()
    registry.faults = {}
    settled(registry)
    if registry.tags.get(NAME):
        assert isinstance(fetch(f"{registry.reference()}:{NAME}").verdict, Passed)
    else:
        with pytest.raises(TallyError, match=f"there is no {NAME}"):
            fetch(f"{registry.reference()}:{NAME}")
    before = set(registry.blobs)
    registry.asked.clear()
    assert isinstance(publish().verdict, Passed)
    uploads = [each for each in registry.asked if each.startswith("PUT") and "/uploads/" in each]
    assert len(uploads) == len(set(registry.blobs) - before), "what was there was put again"


def test_credentials(
    registry: FakeRegistry, publish: Publish, fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.tokens = True
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "none.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(TallyError, match="no credentials for it are here"):
        publish()
    file = tmp_path / "config.json"
    wrong = b64encode(b"somebody:else").decode()
    file.write_text(json.dumps({"auths": {registry.host: {"auth": wrong}}}))
    with pytest.raises(TallyError, match="does not take the credentials"):
        publish()
    right = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    file.write_text(json.dumps({"auths": {registry.host: {"auth": right}}}))
    registry.lasting = 12  # each expires half way, and not under three requests of one thread in a row
    assert isinstance(publish().verdict, Passed)
    registry.tokens, registry.basic = False, True
    assert isinstance(fetch(registry.reference()).verdict, Passed)


def test_a_rate_limit(registry: FakeRegistry, publish: Publish) -> None:
    registry.busy = 3
    assert isinstance(publish().verdict, Passed)
    registry.busy, registry.retry_after = 1, "3600"
    with pytest.raises(TallyError, match="has others wait for 3600 s"):
        publish()


def test_a_server_that_has_us_wait_is_named(
    registry: FakeRegistry, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(NOTICE, "tell", told.append)
    monkeypatch.setattr("time.sleep", lambda _: None)
    registry.busy, registry.retry_after = 1, "20"
    assert isinstance(publish().verdict, Passed)
    (line,) = told
    assert line.endswith("answers 429 and has us wait for 20 s")


def test_read_only(registry: FakeRegistry, publish: Publish) -> None:
    registry.read_only = True
    with pytest.raises(TallyError, match="HTTP status 403: DENIED") as caught:
        publish()
    assert "read-only" in (caught.value.hint or "")
    assert registry.contents == ({}, {}, {})


def test_nobody_there(registry: FakeRegistry, publish: Publish) -> None:
    with pytest.raises(TallyError, match="cannot be reached"):
        publish("oci://127.0.0.1:1/a")


def other_artifact(registry: FakeRegistry) -> str:
    data = json.dumps({"schemaVersion": 2, "artifactType": "x", "config": {}, "annotations": {}}).encode()
    return registry.put_manifest(NAME, MANIFEST, data)["Docker-Content-Digest"]


def test_a_tag_moves_only_when_it_is_said(registry: FakeRegistry, publish: Publish) -> None:
    was = other_artifact(registry)
    with pytest.raises(TallyError, match=f"is another artifact: the tag names the manifest {was}") as caught:
        publish()
    assert "--move-tag" in (caught.value.hint or "")
    assert registry.tags == {NAME: was}
    assert isinstance(publish(move_tag=True).verdict, Passed)
    assert registry.tags[NAME] != was
    assert registry.tags[f"{NAME}-was-{was[7:19]}"] == was


def test_what_a_tag_was_is_not_overwritten(registry: FakeRegistry, publish: Publish) -> None:
    """Somebody may have given that name to something else, and evidence is never lost for it."""
    was = other_artifact(registry)
    kept = f"{NAME}-was-{was[7:19]}"
    another = hashlib.sha256(b"{}").hexdigest()
    registry.manifests[f"sha256:{another}"] = (MANIFEST, b"{}")
    registry.tags[kept] = f"sha256:{another}"
    before = registry.contents
    with pytest.raises(
        TallyError, match=f"is to keep the tag {kept}, and that is there and names sha256:{another}"
    ):
        publish(move_tag=True)
    assert registry.contents == before
    registry.tags[kept] = was
    assert isinstance(publish(move_tag=True).verdict, Passed)
    assert registry.tags[kept] == was
    assert registry.tags[NAME] != was


def test_another_release_of_the_same_artifact(
    registry: FakeRegistry, publish: Publish, fetch: Fetch, key: SigningKey, release: Path, tmp_path: Path
) -> None:
    """As by a job that runs again, and by the version's tag of a commit that was published before."""
    first = publish()
    before = dict(registry.blobs)
    made = releases.observed(tmp_path / "in", invocation="11111111-5a8e-4a5a-9d0f-4f1f6e2b1a11")
    other = releases.published(tmp_path / "other", made, key, releases.builder_keys(made)).path
    again = publish(release=other)
    assert isinstance(again.verdict, Passed)
    assert (again.changed, again.reference) == (False, first.reference)
    assert again.kept == Sha256.of((release / "release.json").read_bytes())
    tagged = publish(f"{registry.reference()}:v2", release=other)
    assert (tagged.changed, tagged.kept) == (True, again.kept)
    assert registry.tags["v2"] == registry.tags[NAME]
    assert registry.blobs == before
    assert isinstance(fetch(f"{registry.reference()}:v2").verdict, Passed)


def test_somebody_elses_release_of_the_same_artifact(
    registry: FakeRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish()
    stranger = SigningKey.generate()
    made = releases.observed(tmp_path / "in")
    other = releases.published(tmp_path / "other", made, stranger, releases.builder_keys(made)).path
    with pytest.raises(
        TallyError, match=r"another release of the same artifact .* does not verify: "
    ) as caught:
        publish(release=other, policy=trusting([stranger.public.spki], None))
    assert "another repository" in (caught.value.hint or "")


def test_of_two_releases_at_once_everybody_finds_the_same(
    registry: FakeRegistry, publish: Publish, fetch: Fetch, key: SigningKey, tmp_path: Path
) -> None:
    """Each was put while the other was not there yet."""
    made = releases.observed(tmp_path / "in", invocation="11111111-5a8e-4a5a-9d0f-4f1f6e2b1a11")
    other = releases.published(tmp_path / "other", made, key, releases.builder_keys(made)).path
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RegistryRepository, "others", lambda *_: None)
        found = [publish(), publish(release=other), publish()]
    assert all(isinstance(each.verdict, Passed) for each in found)
    assert found[1].kept is None or found[2].kept is None, "one of the two is found"
    assert (found[1].kept is None) != (found[2].kept is None)
    assert isinstance(fetch(registry.reference()).verdict, Passed)


def test_a_tag_that_moves_meanwhile(registry: FakeRegistry, publish: Publish) -> None:
    def moving(handler: Any) -> None:
        registry.faults.clear()
        other_artifact(registry)
        handler.error(404, "MANIFEST_UNKNOWN")

    registry.faults[f"GET /v2/some/app/manifests/{NAME}"] = moving
    with pytest.raises(TallyError, match="by somebody else"):
        publish()


def test_a_tag_that_does_not_move(
    registry: FakeRegistry, publish: Publish, key: SigningKey, tmp_path: Path
) -> None:
    """A registry that takes a tag and does not set it: what strangers find is the other release."""
    publish()
    was = dict(registry.tags)
    made = releases.observed(tmp_path / "in", content=b"another program")
    other = releases.published(tmp_path / "other", made, key, releases.builder_keys(made)).path
    registry.faults[f"PUT /v2/some/app/manifests/{NAME}"] = lambda handler: handler.say(201)
    with pytest.raises(TallyError, match="still names another release"):
        publish(release=other, move_tag=True)
    assert registry.tags[NAME] == was[NAME]


def test_attachments_that_are_lost(registry: FakeRegistry, publish: Publish) -> None:
    def lost(handler: Any) -> None:
        handler.say(201, OCI_Subject="x")

    registry.faults["PUT /v2/some/app/manifests/sha256:"] = lost
    with pytest.raises(TallyError, match="does not tell of"):
        publish()
    assert registry.tags == {}


# hostile registries


def test_what_a_registry_says_is_one_line(registry: FakeRegistry, fetch: Fetch) -> None:
    told = json.dumps({"errors": [{"code": "X", "message": "no\n  PASSED  all good\x1b[31m"}]}).encode()
    registry.faults["GET /v2"] = lambda handler: handler.say(403, told)
    with pytest.raises(TallyError, match="HTTP status 403") as caught:
        fetch(f"{registry.reference()}:{NAME}")
    assert caught.value.message.isprintable()


def test_answers_that_are_nested_without_end(registry: FakeRegistry, fetch: Fetch) -> None:
    deep = b"[" * 200_000
    registry.tokens = True
    registry.faults["GET /token"] = lambda handler: handler.say(200, deep)
    with pytest.raises(TallyError, match="gives no token that can be read"):
        fetch(registry.reference())
    registry.tokens = False
    registry.faults["GET /v2"] = lambda handler: handler.say(403, deep)
    with pytest.raises(TallyError, match="HTTP status 403"):
        fetch(registry.reference())


def test_what_comes_back_is_verified(registry: FakeRegistry, publish: Publish) -> None:
    registry.faults["GET /v2/some/app/blobs/"] = lambda handler: handler.say(200, b"something else")
    found = publish()
    assert codes(found) == {Code.DIGEST_MISMATCH}
    assert found.reference is not None


def test_other_bytes_for_a_digest(registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
    publish()
    for digest, data in registry.blobs.items():
        if len(data) > 1000:
            registry.blobs[digest] = data[:-1] + bytes([data[-1] ^ 1])
    assert codes(fetch(registry.reference())) == {Code.DIGEST_MISMATCH}


def test_another_manifest_for_a_digest(registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
    publish()
    (own,) = attached(registry, RELEASE)
    kind, data = registry.manifests[own]
    registry.manifests[own] = (kind, data + b" ")
    assert codes(fetch(f"{registry.reference()}@{own}")) == {Code.DIGEST_MISMATCH}


def test_a_referrer_of_another_subject(registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
    publish()
    (own,) = attached(registry, RELEASE)
    named = {"mediaType": MANIFEST, "digest": own, "size": 1, "artifactType": RELEASE}
    index = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
    other = other_artifact(registry)
    registry.faults["GET /v2/some/app/referrers/"] = lambda handler: handler.say(200, index)
    found = fetch(f"{registry.reference()}@{other}")
    assert codes(found) == {Code.SUBJECT_MISMATCH}


def test_a_release_attached_to_another_artifact(
    registry: FakeRegistry, publish: Publish, fetch: Fetch
) -> None:
    """A release that verifies, attached to what is not its artifact: strangers would get that instead."""
    publish()
    (own,) = attached(registry, RELEASE)
    other = other_artifact(registry)
    document = json.loads(registry.manifests[own][1])
    document["subject"]["digest"] = other
    registry.put_manifest("moved", MANIFEST, json.dumps(document).encode())
    assert codes(fetch(f"{registry.reference()}@{other}")) == {Code.SUBJECT_MISMATCH}


def test_many_referrers(registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
    publish()
    named = {
        "mediaType": MANIFEST,
        "digest": "sha256:" + "a" * 64,
        "size": 1,
        "artifactType": RELEASE,
    }
    index = json.dumps({"schemaVersion": 2, "manifests": [named] * 10_000}).encode()
    registry.faults["GET /v2/some/app/referrers/"] = lambda handler: handler.say(200, index)
    with pytest.raises(TallyError, match="more than 2000 referrers"):
        fetch(registry.reference())


def test_pages_of_referrers(registry: FakeRegistry, publish: Publish) -> None:
    registry.page = 2
    publish()
    before = registry.contents
    assert not publish().changed
    assert registry.contents == before


def test_pages_without_end(registry: FakeRegistry, publish: Publish, fetch: Fetch) -> None:
    publish()
    index = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    path = "/v2/some/app/referrers/x"
    registry.faults["GET /v2/some/app/referrers/"] = lambda handler: handler.say(
        200, index, Link=f'<{path}>; rel="next"'
    )
    with pytest.raises(TallyError, match="more than 2000 referrers"):
        fetch(registry.reference())


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("file:///etc/passwd", "which is not followed"),
        ("/v2/some/app/blobs/again", "redirects more than"),
    ],
)
def test_redirections(registry: FakeRegistry, publish: Publish, fetch: Fetch, to: str, said: str) -> None:
    publish()
    registry.faults["GET /v2/some/app/blobs/"] = lambda handler: handler.say(307, Location=to)
    with pytest.raises(TallyError, match=said):
        fetch(registry.reference())


def test_no_release_there(registry: FakeRegistry, fetch: Fetch) -> None:
    other_artifact(registry)
    with pytest.raises(TallyError, match="no release is attached to"):
        fetch(f"{registry.reference()}:{NAME}")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"schemaVersion": 2}', b"\xff", b"[" * 100_000])
def test_manifests_that_are_none(registry: FakeRegistry, fetch: Fetch, data: bytes) -> None:
    registry.manifests["x"] = (MANIFEST, data)
    registry.tags["t"] = "x"
    try:
        found = fetch(f"{registry.reference()}:t")
    except TallyError:
        return
    assert codes(found) == {Code.MALFORMED}


# images


def image(path: Path) -> str:
    """An archive of an image with one layer; its manifest's digest."""
    blobs: dict[str, bytes] = {}

    def blob(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    config = blob(b'{"architecture":"amd64","os":"linux"}', "application/vnd.oci.image.config.v1+json")
    layer = blob(b"layer" * 1000, "application/vnd.oci.image.layer.v1.tar")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    named = blob(json.dumps(manifest).encode(), MANIFEST)
    index = json.dumps({"schemaVersion": 2, "manifests": [named]}).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in [("index.json", index), *((f"blobs/sha256/{d}", b) for d, b in blobs.items())]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(named["digest"])


def test_an_image_is_read_from_its_archive(tmp_path: Path) -> None:
    digest = image(tmp_path / "a.oci.tar")
    found = archive.image_in(tmp_path / "a.oci.tar")
    assert str(found.manifest.digest) == digest
    assert [Sha256.of(b"".join(found.chunks(each))) for each in found.blobs] == [
        each.digest for each in found.blobs
    ]


def test_an_image_is_published_as_the_image_that_it_is(
    release: Path, registry: FakeRegistry, key: SigningKey, tmp_path: Path
) -> None:
    folder = tmp_path / "release"
    shutil.copytree(release, folder)
    digest = image(folder / "app.oci.tar")
    data = (folder / "app.oci.tar").read_bytes()
    index = index_parse((release / "release.json").read_bytes())
    listed = {name: each for name, each in index.files.items() if name != index.artifact}
    listed["app.oci.tar"] = (Sha256.of(data), len(data))
    document = {**index.document, "artifact": {"path": "app.oci.tar"}}
    document["files"] = [
        {"path": path, "sha256": sha256.hex, "size": size} for path, (sha256, size) in listed.items()
    ]
    index = index_parse(render_document(document))
    outgoing = Outgoing(Folder(folder), NAME, index)
    place = reference.parse(registry.reference())
    assert isinstance(place, reference.Registry)
    destination = RegistryRepository(place)
    destination.put(outgoing, outgoing.contents)
    destination.put(outgoing, outgoing.evidence)
    found, _ = destination.finish(outgoing, lambda *_: None)
    assert registry.tags[NAME] == digest
    source = RegistrySource(found).find()
    assert source.index.data == index.data
    assert source.check is not None
    source.check(folder)
    (folder / "app.oci.tar").write_bytes(b"another")
    with pytest.raises(Refused):
        source.check(folder)


@pytest.mark.parametrize("harm", ["members", "size", "ending", "digest", "layer"])
def test_hostile_archives(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "a.oci.tar"
    image(path)
    data = bytearray(path.read_bytes())
    if harm == "members":
        with tarfile.open(path, "w") as tar:
            for number in range(10_001):
                tar.addfile(tarfile.TarInfo(str(number)))
    elif harm == "size":
        data[124:136] = b"77777777777\0"
        path.write_bytes(data)
    elif harm == "ending":
        path.write_bytes(data[:700])
    elif harm == "digest":
        path.write_bytes(data.replace(b'"schemaVersion": 2, "mediaType"', b'"schemaVersion": 3, "mediaType"'))
    else:
        path.write_bytes(data.replace(b'"size": 5000', b'"size": 4999'))
    with pytest.raises(ValueError, match=r"archive|index\.json"):
        archive.image_in(path)


@pytest.mark.parametrize("data", [b"", b"no tar", b"\0" * 10240])
def test_what_is_no_image(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.oci.tar").write_bytes(data)
    with pytest.raises(ValueError, match="archive"):
        archive.image_in(tmp_path / "a.oci.tar")


def test_a_registry_without_referrers_is_asked_for_them_once_a_run(
    registry: FakeRegistry, publish: Publish, key: SigningKey
) -> None:
    registry.referrers = False
    publish(signer=ByKey(key))
    asked = [each for each in registry.asked if "/referrers/" in each]
    assert len(asked) == 2, "once to publish, and once to fetch it back"


def test_what_fails_among_others_leaves_nothing_to_be_found(registry: FakeRegistry, publish: Publish) -> None:
    """Files are put at the same time: whichever fails, the others end, and no manifest is there."""
    registry.faults["PUT /v2/some/app/blobs/uploads/"] = lambda handler: handler.error(507, "QUOTA")
    with pytest.raises(TallyError, match="QUOTA"):
        publish()
    assert registry.manifests == {}
    registry.faults.clear()
    assert publish().changed
