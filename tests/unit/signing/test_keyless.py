"""Signing without a key that lasts, by an unmodified sigstore-python, against an instance on loopback."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import releases
from authorities import new_key
from instances import ALICE, PrivateInstance
from loopback import IN_ITS_BODY, IN_ITS_HEADERS, Answer, Asked, dripping, hanging, saying
from rekors import Rekor2
from services import ENTRIES, RekorServer

from orchestrator.bundles import own_bundle
from orchestrator.bundles.material import Certificates
from orchestrator.ground.errors import TallyError
from orchestrator.policy.policy import trusting
from orchestrator.policy.signer import IdentitySigner
from orchestrator.policy.verdict import Passed
from orchestrator.signing import instance, keyless
from orchestrator.signing.instance import Instance
from orchestrator.signing.keyless import KeylessSigner, Wanted
from orchestrator.signing.login import Origin, login_of
from orchestrator.stories.verification import verify

CI = (
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "BUILDKITE",
    "CIRCLECI",
    "SIGSTORE_ID_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
)
AMAZING = (
    b'{"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "x", "digest": {"sha256": "%s"}}], '
)
STATEMENT = AMAZING % (b"ab" * 32) + b'"predicateType": "https://example.org/x", "predicate": {}}'


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateInstance]:
    with PrivateInstance.running(tmp_path_factory.mktemp("instance")) as found:
        yield found


@pytest.fixture
def private(running: PrivateInstance, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateInstance]:
    """The instance, as good as new, in a world without CI."""
    for name in CI:
        monkeypatch.delenv(name, raising=False)
    yield running
    for server in (running.ca, running.log, running.clock, running.oidc.server):
        server.faults.clear()
        server.asked.clear()
    running.leaf.clear()
    running.issued.clear()


def refused(call: Callable[[], object]) -> TallyError:
    with pytest.raises(TallyError) as caught:
        call()
    assert caught.value.message
    assert caught.value.hint
    assert "Traceback" not in caught.value.message
    assert "eyJ" not in caught.value.message + caught.value.hint, "a token must never be shown"
    return caught.value


class TestSigning:
    def test_one_certificate_signs_all_statements_of_a_release(
        self, private: PrivateInstance, tmp_path: Path
    ) -> None:
        made = releases.observed(tmp_path / "in")
        signer = private.signer()
        path = releases.published(tmp_path / "out", made, signer, releases.builder_keys(made)).path
        assert len(private.issued) == 1
        assert private.log.asked == ["/api/v2/log/entries"] * 5
        leaves = set()
        for file in (path / "attestations").iterdir():
            found = own_bundle.parse(file.read_bytes(), file.name)
            assert found.render() == file.read_bytes()
            assert isinstance(found.signer, Certificates)
            assert (len(found.entries), len(found.timestamps)) == (1, 1)
            leaves.add(found.signer.leaf)
        assert len(leaves) == 1
        who = IdentitySigner(private.oidc.issuer, ALICE)
        assert signer.signed_as == who
        verdict = verify(path, trusting([], who), datetime.now(UTC), trusted=private.root)
        assert isinstance(verdict, Passed), verdict

    def test_the_same_release_again_stays_as_it_is(self, private: PrivateInstance, tmp_path: Path) -> None:
        made = releases.observed(tmp_path / "in")
        keys = releases.builder_keys(made)
        first = releases.published(tmp_path / "out", made, private.signer(), keys)
        assert not first.kept
        assert releases.published(tmp_path / "out", made, private.signer(), keys).kept
        bob = private.signer(email="bob@example.org")
        with pytest.raises(TallyError, match="not signed by the identity in use"):
            releases.published(tmp_path / "out", made, bob, keys)

    @pytest.mark.parametrize("stamped", [True, False], ids=["with timestamps", "without"])
    def test_into_a_log_of_the_first_generation(self, tmp_path: Path, stamped: bool) -> None:
        """As the public instance's is: its promise tells the time."""
        with PrivateInstance.running(tmp_path / "instance", rekor_version=1) as private:
            signer = private.signer(config=private.config() if stamped else private.config(tsaUrls=[]))
            made = releases.observed(tmp_path / "in")
            path = releases.published(tmp_path / "out", made, signer, releases.builder_keys(made)).path
            found = own_bundle.parse((path / "attestations/provenance.sigstore.json").read_bytes(), "it")
            (entry,) = found.entries
            assert (entry.kind, entry.version) == ("dsse", "0.0.1")
            assert entry.promise
            assert len(found.timestamps) == int(stamped)
            who = trusting([], signer.signed_as)
            verdict = verify(path, who, datetime.now(UTC), trusted=private.root)
            assert isinstance(verdict, Passed), verdict

    def test_a_workflow(self, private: PrivateInstance) -> None:
        """A certificate names it as GitHub's tokens do, which this issuer is not."""
        signer = private.signer(job_workflow_ref="acme/app/.github/workflows/b.yml@refs/heads/main")
        error = refused(lambda: signer.sign([STATEMENT]))
        assert "https://github.com/acme/app/.github/workflows/b.yml@refs/heads/main" in error.message
        assert "set `identity`" in (error.hint or "")
        named = KeylessSigner(
            signer.instance,
            Wanted(identity="https://github.com/acme/app/.github/workflows/b.yml@refs/heads/main"),
            signer.login,
        )
        assert named.sign([STATEMENT])[0].envelope.payload == STATEMENT


def _ca(route: Callable[[Asked], Answer]) -> Callable[[PrivateInstance], None]:
    return lambda private: private.ca.faults.update({"/api/v2/signingCert": route})


def _log(route: Callable[[Asked], Answer]) -> Callable[[PrivateInstance], None]:
    return lambda private: private.log.faults.update({"/api/v2/log/entries": route})


def _clock(route: Callable[[Asked], Answer]) -> Callable[[PrivateInstance], None]:
    return lambda private: private.clock.faults.update({"/api/v1/timestamp": route})


def _leaf(**leaf: Any) -> Callable[[PrivateInstance], None]:
    return lambda private: private.leaf.update(leaf)


def _elsewhere(private: PrivateInstance) -> None:
    """Another log answers for this one."""
    private.log.faults[ENTRIES] = RekorServer(Rekor2(host="127.0.0.1")).enter


def _first_entry_again(private: PrivateInstance) -> None:
    given: list[Answer] = []

    def route(asked: Asked) -> Answer:
        given.append(private.rekor_server.enter(asked))
        return given[0]

    private.log.faults[ENTRIES] = route


CHAIN: dict[str, Any] = {"signedCertificateEmbeddedSct": {"chain": {"certificates": []}}}
ENDLESS = b" " * (5 << 20)
FAULTS: dict[str, tuple[Callable[[PrivateInstance], None], str]] = {
    "the CA says 401": (_ca(saying(b'{"message": "who are you?"}', 401)), "who are you?"),
    "the CA says 403 in HTML": (_ca(saying(b"<h1>forbidden</h1>", 403)), "forbidden"),
    "the CA says 500": (_ca(saying(b"", 500)), "500"),
    "the CA talks garbage": (_ca(saying(b"\x00\xff")), "gave no certificate"),
    "the CA says nothing": (_ca(saying(b"")), "gave no certificate"),
    "the CA gives no chain": (_ca(saying(b"{}")), "missing certificate chain"),
    "the CA gives an empty chain": (_ca(saying(json.dumps(CHAIN).encode())), "too short"),
    "the CA gives a list": (_ca(saying(b"[]")), "gave no certificate"),
    "the CA hangs": (_ca(hanging(3)), "timed out"),
    "a certificate for another identity": (_leaf(subject="mallory@example.org"), "mallory@example.org"),
    "a certificate by another issuer": (_leaf(issuer="https://elsewhere.example.org"), "elsewhere"),
    "a certificate for another key": (_leaf(key=new_key().public_key()), ""),
    "a certificate without a timestamp": (_leaf(sct="none"), "signed certificate timestamp"),
    "a certificate with another log's timestamp": (_leaf(sct="forged"), "SCT"),
    "the log says 500": (_log(saying(b"out of order", 500)), "500"),
    "the log says 409": (_log(saying(b"again?", 409)), "409"),
    "the log talks garbage": (_log(saying(b"{")), "did not take"),
    "the log says nothing": (_log(saying(b"{}")), ""),
    "the log hangs": (_log(hanging(3)), "timed out"),
    "another log answers": (_elsewhere, "refusing"),
    "the log gives one entry for all": (_first_entry_again, "refusing"),
    "the authority says 500": (_clock(saying(b"", 500)), "gave no timestamp"),
    "the authority talks garbage": (_clock(saying(b"noon")), "gave no timestamp"),
    "the CA talks without end": (_ca(saying(ENDLESS)), "larger than 4 MB"),
    "the log talks without end": (_log(saying(ENDLESS, 201)), "larger than 4 MB"),
    "the authority talks without end": (_clock(saying(ENDLESS)), "larger than 4 MB"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_an_instance_can_do_wrong(
    private: PrivateInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(instance, "_PATIENCE", (1.0, 0.5))
    monkeypatch.setattr(keyless, "_DELAYS", ())
    break_it, says = FAULTS[name]
    made = releases.observed(tmp_path / "in")
    keys, signer = releases.builder_keys(made), private.signer()
    break_it(private)
    error = refused(lambda: releases.published(tmp_path / "out", made, signer, keys))
    assert says in error.message
    assert "run the same command again" in (error.hint or "") or "set `identity`" in (error.hint or "")
    assert not (tmp_path / "out").exists(), "nothing may be written"
    for server in (private.ca, private.log, private.clock):
        server.faults.clear()
    private.leaf.clear()
    assert not releases.published(tmp_path / "out", made, signer, keys).kept


@pytest.mark.parametrize("start", [0, 40, -12])
def test_an_instance_that_repeats_the_token(private: PrivateInstance, start: int) -> None:
    def route(asked: Asked) -> Answer:
        token = asked.headers["Authorization"].removeprefix("Bearer ")
        return Answer(f"what is {token[start:]} and {token[:9]}?".encode(), 401)

    private.ca.faults["/api/v2/signingCert"] = route
    signer = private.signer()
    message = refused(lambda: signer.sign([STATEMENT])).message
    assert "it answered: what is [the token] and [the token]?" in message
    token = str(signer.login.token)
    assert not any(token[at : at + 9] in message for at in range(len(token) - 8))


@pytest.mark.parametrize("beginning", [IN_ITS_HEADERS, IN_ITS_BODY], ids=["headers", "body"])
@pytest.mark.parametrize(
    ("member", "version", "path"), [("caUrls", 1, ""), ("rekorTlogUrls", 2, ""), ("tsaUrls", 1, "/t")]
)
def test_an_answer_that_drips(
    private: PrivateInstance,
    monkeypatch: pytest.MonkeyPatch,
    beginning: bytes,
    member: str,
    version: int,
    path: str,
) -> None:
    monkeypatch.setattr(instance, "_WHOLE", 0.6)
    monkeypatch.setattr(keyless, "_DELAYS", ())
    always = {"start": "2020-01-01T00:00:00Z"}
    with dripping(beginning) as address:
        named = {"url": address + path, "majorApiVersion": version, "validFor": always, "operator": "tests"}
        signer = private.signer(private.config(**{member: [named]}))
        assert "takes too long" in refused(lambda: signer.sign([STATEMENT])).message


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("where", ["/api/v2/signingCert", "/api/v2/log/entries", "/api/v1/timestamp"])
def test_what_passes_by_is_tried_again(
    private: PrivateInstance, monkeypatch: pytest.MonkeyPatch, where: str, status: int
) -> None:
    monkeypatch.setattr(keyless, "_DELAYS", (0.0, 0.0))
    servers = {"/api/v2/signingCert": private.ca, "/api/v2/log/entries": private.log}
    server = servers.get(where, private.clock)
    said: list[str] = []

    def route(asked: Asked) -> Answer:
        if server.asked.count(where) == 2:
            server.faults.clear()
        return Answer(b"later", status)

    server.faults[where] = route
    signer = private.signer()
    signer.say = said.append
    (found,) = signer.sign([STATEMENT])
    assert found.envelope.payload == STATEMENT
    assert len(said) == 2
    assert "trying again" in said[0]
    assert server.asked.count(where) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_does_not_pass_by_is_not(private: PrivateInstance, status: int) -> None:
    private.ca.faults["/api/v2/signingCert"] = saying(b"no", status)
    signer = private.signer()
    refused(lambda: signer.sign([STATEMENT]))
    assert private.ca.asked == ["/api/v2/signingCert"]


def test_another_authoritys_timestamp(private: PrivateInstance, tmp_path: Path) -> None:
    from authorities import Tsa

    other = Tsa(tmp_path / "tsa")
    private.clock.faults["/api/v1/timestamp"] = lambda asked: Answer(other.reply(asked.body))
    signer = private.signer()
    assert "timestamp 1" in refused(lambda: signer.sign([STATEMENT])).message


@pytest.mark.parametrize("server", ["ca", "log"])
def test_a_server_that_is_gone(
    private: PrivateInstance, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setattr(keyless, "_DELAYS", ())
    gone = [{"url": "http://127.0.0.1:9", "majorApiVersion": {"ca": 1, "log": 2}[server]}]
    gone[0] |= {"validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "tests"}
    config = private.config(**{{"ca": "caUrls", "log": "rekorTlogUrls"}[server]: gone})
    login = login_of(private.oidc.token(), Origin.GIVEN)
    signer = KeylessSigner(Instance.load(config), Wanted(config), login)
    assert "refused" in refused(lambda: signer.sign([STATEMENT])).message


class TestTokens:
    def test_what_is_read_from_one(self, private: PrivateInstance) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        found = login_of(private.oidc.token(lasts=300), Origin.GIVEN)
        assert (found.issuer, found.names) == (private.oidc.issuer, (ALICE,))
        assert found.audiences == ("sigstore",)
        assert before <= found.expires - timedelta(seconds=300) <= datetime.now(UTC)
        assert "eyJ" not in repr(found)

    @pytest.mark.parametrize(
        ("claims", "says"),
        [
            ({"lasts": -60}, "expired"),
            ({"aud": "elsewhere"}, "udience"),
            ({"aud": None}, "aud"),
            ({"iss": None}, "iss"),
            ({"sub": None}, "sub"),
            ({"iat": 9999999999}, "iat"),
            ({"exp": "soon"}, ""),
            ({"iss": 7}, ""),
        ],
        ids=str,
    )
    def test_good_for_nothing(self, private: PrivateInstance, claims: dict[str, Any], says: str) -> None:
        token = private.oidc.token(**claims)
        error = refused(lambda: login_of(token, Origin.GIVEN))
        assert "good for nothing" in error.message
        assert says in error.message

    @pytest.mark.parametrize(
        "raw", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\N{SNOWMAN}.e30.x", "." * 9]
    )
    def test_no_token_at_all(self, raw: str) -> None:
        assert "good for nothing" in refused(lambda: login_of(raw, Origin.GIVEN)).message

    @pytest.mark.parametrize(
        ("claims", "names"),
        [
            ({"email": "a@example.org"}, ("a@example.org",)),
            ({"email": "a@example.org", "email_verified": False}, ()),
            ({"email": "a@example.org\n"}, ()),
            ({"email": None, "sub": "https://spiffe.example.org/x"}, ("https://spiffe.example.org/x",)),
            ({"email": None, "sub": "org/1/project/2"}, ()),
            (
                {"email": None, "ci_config_ref_uri": "gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main"},
                ("https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main",),
            ),
            (
                {
                    "iss": "https://token.actions.githubusercontent.com",
                    "job_workflow_ref": "a/b/.github/workflows/c.yml@refs/tags/v1",
                    "sub": "repo:a/b:ref:refs/tags/v1",
                },
                ("https://github.com/a/b/.github/workflows/c.yml@refs/tags/v1",),
            ),
            ({"iss": "https://token.actions.githubusercontent.com"}, ()),
        ],
        ids=str,
    )
    def test_whom_a_certificate_will_name(
        self, private: PrivateInstance, claims: dict[str, Any], names: tuple[str, ...]
    ) -> None:
        assert login_of(private.oidc.token(**claims), Origin.GIVEN).names == names

    def test_who_vouched_behind_a_federation(self, private: PrivateInstance) -> None:
        token = private.oidc.token(federated_claims={"connector_id": "https://accounts.example.org"})
        assert login_of(token, Origin.GIVEN).issuer == "https://accounts.example.org"


def opened(private: PrivateInstance, **wanted: Any) -> KeylessSigner:
    said: list[str] = []
    signer = KeylessSigner.opened(Wanted(wanted.pop("instance", private.config()), **wanted), said.append)
    assert any(ALICE in each for each in said)
    return signer


class TestBeforeBuilding:
    def test_from_the_environment(self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token() + "\n")
        signer = opened(private, identity=ALICE, issuer=private.oidc.issuer)
        assert private.ca.asked == ["/api/v2/configuration"]
        assert signer.sign([STATEMENT])

    def test_from_a_descriptor(self, private: PrivateInstance) -> None:
        assert opened(private, token_fd=_pipe(private.oidc.token())).login.origin is Origin.GIVEN

    @pytest.mark.parametrize("given", ["", "\N{SNOWMAN}", "x" * 70_000])
    def test_a_descriptor_without_a_token(self, private: PrivateInstance, given: str) -> None:
        with pytest.raises(TallyError, match="gave no identity token"):
            opened(private, token_fd=_pipe(given))

    def test_a_descriptor_that_is_none(self, private: PrivateInstance) -> None:
        assert "cannot be read" in refused(lambda: opened(private, token_fd=9999)).message

    def test_nobody_is_there(self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        with Path(os.devnull).open() as nothing:
            monkeypatch.setattr("sys.stdin", nothing)
            error = refused(lambda: opened(private))
        assert "no identity to sign with" in error.message
        assert "id-token: write" in (error.hint or "")

    def test_ci_without_the_permission(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        error = refused(lambda: opened(private))
        assert "ACTIONS_ID_TOKEN_REQUEST_TOKEN" in error.message
        assert "id-token: write" in (error.hint or "")

    @pytest.mark.parametrize(
        ("wanted", "says"),
        [
            ({"identity": "bob@example.org"}, "bob@example.org is to sign"),
            ({"identity": ALICE + "\n"}, "is to sign"),
            ({"issuer": "https://accounts.example.org"}, "is to vouch"),
        ],
        ids=str,
    )
    def test_somebody_else(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str], says: str
    ) -> None:
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token())
        assert says in refused(lambda: opened(private, **wanted)).message

    def test_a_token_that_does_not_tell(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token(email=None))
        assert "does not tell" in refused(lambda: opened(private)).message

    def test_a_token_that_ends_at_once(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token(lasts=20))
        assert "too soon" in refused(lambda: opened(private)).message

    @pytest.mark.parametrize(
        ("issuers", "says"),
        [
            ([], "takes no tokens of"),
            ([{"issuerUrl": "https://accounts.example.org", "audience": "sigstore"}], "takes no tokens of"),
            ([{"wildcardIssuerUrl": "https://*.example.org", "audience": "sigstore"}], "takes no tokens of"),
            ([{"issuerUrl": "ISSUER", "audience": "elsewhere"}], "takes tokens for 'elsewhere'"),
            (["x", 7, None], "takes no tokens of"),
            ("x", "does not say whose"),
        ],
        ids=str,
    )
    def test_an_issuer_that_is_not_accepted(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch, issuers: object, says: str
    ) -> None:
        body = json.dumps({"issuers": issuers}).replace("ISSUER", private.oidc.issuer).encode()
        private.ca.faults["/api/v2/configuration"] = saying(body)
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token())
        assert says in refused(lambda: opened(private)).message

    def test_issuers_by_wildcard(self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        port = private.oidc.issuer.rpartition(":")[2]
        body = {"issuers": [{"wildcardIssuerUrl": f"http://*.*.*.*:{port}", "audience": "sigstore"}]}
        private.ca.faults["/api/v2/configuration"] = saying(json.dumps(body).encode())
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token())
        opened(private)

    @pytest.mark.parametrize("answer", [saying(b"", 404), saying(b"{"), saying(b"[]"), saying(b"{}")])
    def test_an_authority_that_says_nothing_of_use(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Asked], Answer]
    ) -> None:
        private.ca.faults["/api/v2/configuration"] = answer
        monkeypatch.setenv("SIGSTORE_ID_TOKEN", private.oidc.token())
        assert "does not say whose tokens it takes" in refused(lambda: opened(private)).message


def _pipe(text: str) -> int:
    """A descriptor that gives this text, and then ends; a thread writes, as pipes are small."""
    import threading

    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as stream:
            try:
                stream.write(text.encode())
            except BrokenPipeError:
                pass

    threading.Thread(target=feed, daemon=True).start()
    return read


class TestLongBuilds:
    """Tokens that end while hours are spent on building."""

    def ci(self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "x")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{private.oidc.issuer}/ambient?api=2.0")

    def test_a_ci_job_gets_another(self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ci(private, monkeypatch)
        private.oidc.server.faults["/ambient"] = lambda _: Answer.of({"value": private.oidc.token(lasts=30)})
        signer = opened(private)
        assert signer.login.origin is Origin.AMBIENT
        private.oidc.server.faults.clear()
        assert signer.sign([STATEMENT])
        assert private.oidc.server.asked.count("/ambient") == 2
        assert signer.sign([STATEMENT])
        assert private.oidc.server.asked.count("/ambient") == 2

    def test_but_not_as_somebody_else(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ci(private, monkeypatch)
        private.oidc.server.faults["/ambient"] = lambda _: Answer.of({"value": private.oidc.token(lasts=30)})
        signer = opened(private)
        other = private.oidc.token(email="mallory@example.org")
        private.oidc.server.faults["/ambient"] = lambda _: Answer.of({"value": other})
        assert "mallory" in refused(lambda: signer.sign([STATEMENT])).message
        assert private.issued == []

    def test_and_not_where_there_is_none_any_more(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.ci(private, monkeypatch)
        private.oidc.server.faults["/ambient"] = lambda _: Answer.of({"value": private.oidc.token(lasts=30)})
        signer = opened(private)
        private.oidc.server.faults["/ambient"] = saying(b"later", 503)
        assert "this CI job has no identity" in refused(lambda: signer.sign([STATEMENT])).message

    def test_a_given_token_that_has_ended(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signer = private.signer(lasts=30)
        error = refused(lambda: signer.sign([STATEMENT]))
        assert "ended at" in error.message
        assert "run the same command again" in (error.hint or "")
        assert private.issued == []


class TestInstances:
    def test_the_public_one_without_a_network(
        self, private: PrivateInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            monkeypatch.setenv(name, str(tmp_path))
        error = refused(lambda: Instance.load("public"))
        assert "cannot be fetched" in error.message
        assert "needs a network" in (error.hint or "")

    @pytest.mark.parametrize("name", ["tuf-repo-cdn.sigstore.dev", "tuf-repo-cdn.sigstage.dev"])
    def test_the_public_ones_as_sigstore_python_ships_them(self, tmp_path: Path, name: str) -> None:
        """What they are made of today is what we read: their addresses, their logs and authorities."""
        import sigstore

        store = Path(sigstore.__file__).parent / "_store" / f"https%3A%2F%2F{name}"
        parts = {"trustedRoot": "trusted_root.json", "signingConfig": "signing_config.v0.2.json"}
        document: dict[str, Any] = {
            part: json.loads((store / file).read_text()) for part, file in parts.items()
        }
        document["mediaType"] = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
        path = tmp_path / "instance.json"
        path.write_text(json.dumps(document))
        found = Instance.load(path)
        assert found.oidc_address.startswith("https://")
        said = document["trustedRoot"]
        assert len(found.root.tlogs) == len(said["tlogs"])
        assert len(found.root.timestamp_authorities) == len(said["timestampAuthorities"])
        assert found.context()

    def test_no_such_file(self, tmp_path: Path) -> None:
        assert "cannot read" in refused(lambda: Instance.load(tmp_path / "absent.json")).message

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"mediaType": "x"}', "\N{SNOWMAN}" * 9])
    def test_no_configuration(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "instance.json"
        path.write_text(text)
        assert str(path) in refused(lambda: Instance.load(path)).message

    def test_far_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "instance.json"
        path.write_bytes(b" " * (5 << 20))
        assert "far too large" in refused(lambda: Instance.load(path)).message

    @pytest.mark.parametrize("what", ["caUrls", "rekorTlogUrls"])
    def test_one_without_a_part(self, private: PrivateInstance, what: str) -> None:
        path = private.config(**{what: []})
        assert "cannot be signed with" in refused(lambda: Instance.load(path)).message

    @pytest.mark.parametrize(
        "address",
        ["http://fulcio.example.org", "http://127.0.0.1.example.org", "ftp://127.0.0.1", "file:///etc"],
    )
    def test_addresses_where_a_token_would_be_read(self, private: PrivateInstance, address: str) -> None:
        always = {"start": "2020-01-01T00:00:00Z"}
        service = {"url": address, "majorApiVersion": 1, "validFor": always, "operator": "tests"}
        path = private.config(caUrls=[service])
        assert address in refused(lambda: Instance.load(path)).message

    def test_nowhere_to_log_in(self, private: PrivateInstance) -> None:
        found = Instance.load(private.config(oidcUrls=[]))
        assert "no address where people log in" in refused(lambda: found.oidc_address).message

    def test_its_root_is_what_verifiers_need(self, private: PrivateInstance) -> None:
        assert Instance.load(private.config()).root.render() == private.root.render()
