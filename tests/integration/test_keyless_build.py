"""A release that was really built and signed by an identity, before tally and before others' programs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import clients
import pytest
import strangers
from clients import Asked
from instances import ALICE, PrivateInstance
from loopback import Answer, saying
from projects import Project

from orchestrator.bundles.certificates import Identity
from orchestrator.ground.errors import TallyError

CI = dict.fromkeys(("GITHUB_ACTIONS", "GITLAB_CI", "BUILDKITE", "CIRCLECI", "SIGSTORE_ID_TOKEN"), "")
"""As where there is no CI."""
BROWSER = """\
#!{python}
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(sys.argv[1], timeout=30).read()
"""


@pytest.fixture
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PrivateInstance]:
    generation = getattr(request, "param", 2)
    with PrivateInstance.running(tmp_path / "instance", rekor_version=generation) as found:
        yield found


@pytest.fixture
def recipe(project: Project, instance: PrivateInstance) -> Path:
    """In a project that signs there."""
    table = f'[signing.keyless]\ninstance = "{instance.config()}"\n'
    (project.folder / "tally.toml").write_text(table)
    return project.recipe("small", "mkdir -p $out; echo small > $out/file")


def with_token(instance: PrivateInstance, **claims: Any) -> Mapping[str, str]:
    return {**CI, "SIGSTORE_ID_TOKEN": instance.oidc.token(**claims)}


def whom(instance: PrivateInstance) -> list[str | Path]:
    return ["--identity", ALICE, "--issuer", instance.oidc.issuer, "--trusted-root", instance.root_file()]


@pytest.mark.parametrize("instance", [1, 2], indirect=True, ids=["Rekor v1", "Rekor v2"])
def test_everybody_accepts(
    project: Project, instance: PrivateInstance, recipe: Path, session_state: Path, tmp_path: Path
) -> None:
    ran = project.tally("build", recipe, environment=with_token(instance)).succeeded()
    assert f"will be signed by {ALICE} ({instance.oidc.issuer})" in ran.err
    assert "a and b agree on every bit; signed" in ran.err
    folder = project.folder / ran.out.strip()
    said = project.tally("verify", folder, *whom(instance)).succeeded().out
    assert f"signed by {ALICE} ({instance.oidc.issuer})" in said
    assert "notice" not in said
    assert strangers.in_toto_verify(folder, folder / "links" / "root.pub") == (0, "")
    bundle = folder / "attestations" / "provenance.sigstore.json"
    artifact = next(folder.glob("small-*"))
    project.tally("verify", artifact, "--bundle", bundle, *whom(instance)).succeeded()

    who = Identity(ALICE, instance.oidc.issuer)
    asked = [
        Asked(
            (folder / "attestations" / f"{name}.sigstore.json").read_bytes(),
            instance.root_file(),
            artifact,
            who,
            enveloped=True,
            kind=kind,
        )
        for name, kind in strangers.TYPES.items()
    ]
    assert [clients.ask_python(each) for each in asked] == [None] * len(asked)
    try:
        cosign, js = strangers.cosign(session_state), clients.sigstore_js(session_state)
    except TallyError as error:
        pytest.skip(f"not asked: {error.message}")
    assert [clients.ask_cosign(cosign, each, tmp_path) for each in asked] == [None] * len(asked)
    assert clients.ask_js(js, asked) == [None] * len(asked)
    bob = [replace(each, signer=Identity("bob@example.org", who.issuer)) for each in asked]
    assert None not in [clients.ask_cosign(cosign, each, tmp_path) for each in bob]


def test_again_it_stays_as_it_is(project: Project, instance: PrivateInstance, recipe: Path) -> None:
    first = project.tally("build", recipe, environment=with_token(instance)).succeeded()
    folder = project.folder / first.out.strip()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = project.tally("build", recipe, environment=with_token(instance)).succeeded()
    assert "was there already, and stays as it is" in again.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    bob = with_token(instance, email="bob@example.org")
    refused = project.tally("build", recipe, environment=bob).failed(2)
    assert "not signed by the identity in use" in refused.err
    path = folder / "links" / "root.pub"
    path.write_text(path.read_text() + "\n")
    harmed = project.tally("build", recipe, environment=with_token(instance)).failed(2)
    assert "root.pub is not as its release.json says" in harmed.err


def test_nothing_is_built_for_somebody_who_cannot_sign(
    project: Project, instance: PrivateInstance, recipe: Path
) -> None:
    for environment in (CI, with_token(instance, lasts=-60), with_token(instance, aud="elsewhere")):
        ran = project.tally("build", recipe, environment=environment).failed(2)
        assert "identity" in ran.err
        assert "hint: " in ran.err
        assert "started" not in ran.err
    instance.ca.faults["/api/v2/configuration"] = saying(b'{"issuers": []}')
    ran = project.tally("build", recipe, environment=with_token(instance)).failed(2)
    assert f"takes no tokens of {instance.oidc.issuer}" in ran.err
    assert "started" not in ran.err
    assert project.releases == []


def test_what_fails_after_the_build_can_be_done_again(
    project: Project, instance: PrivateInstance, recipe: Path
) -> None:
    instance.log.faults["/api/v2/log/entries"] = saying(b"out of order", 503)
    ran = project.tally("build", recipe, "--json", environment=with_token(instance)).failed(2)
    (outcome,) = json.loads(ran.out)["outcomes"]
    assert outcome["outcome"] == "unpublished"
    assert "out of order" in outcome["error"]
    assert "run the same command again" in outcome["hint"]
    assert ran.err.count("trying again") == 2
    assert project.releases == []
    instance.log.faults.clear()
    project.tally("build", recipe, environment=with_token(instance)).succeeded()
    assert project.releases == ["small-1.0-x86_64-linux"]


def test_a_ci_jobs_token_that_ends_meanwhile(
    project: Project, instance: PrivateInstance, recipe: Path
) -> None:
    lasting = iter([30.0, 600.0])
    instance.oidc.server.faults["/ambient"] = lambda _: Answer.of(
        {"value": instance.oidc.token(lasts=next(lasting))}
    )
    job = {
        **CI,
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{instance.oidc.issuer}/ambient?api-version=2.0",
    }
    project.tally("build", recipe, environment=job).succeeded()
    assert instance.oidc.server.asked.count("/ambient") == 2
    assert len(instance.issued) == 1


def test_a_login_at_a_terminal(project: Project, instance: PrivateInstance, recipe: Path) -> None:
    browser = project.folder / "browser"
    browser.write_text(BROWSER.format(python=sys.executable))
    browser.chmod(0o755)
    ours, theirs = pty.openpty()
    environment = {**os.environ, **project.tally.environment, **CI, "BROWSER": f"{browser} %s"}
    command = [sys.executable, "-m", "orchestrator.cli", "build", str(recipe)]
    with subprocess.Popen(
        command, cwd=project.folder, env=environment, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE
    ) as process:
        os.close(theirs)
        seen = b""
        try:
            while data := os.read(ours, 4096):
                seen += data
        except OSError:
            pass  # so ends a terminal whose other side was closed
        assert process.wait(timeout=600) == 0, seen
    os.close(ours)
    said = seen.decode()
    assert said.count("for good") == 1, said
    assert "you will log in to sign" in said
    assert f"will be signed by {ALICE}" in said.replace("\r\n", " ").replace("  ", " ")
    assert "/auth" in instance.oidc.server.asked
    (folder,) = (project.folder / "releases").iterdir()
    project.tally("verify", folder, *whom(instance)).succeeded()


def test_options_that_do_not_go_together(project: Project, instance: PrivateInstance, recipe: Path) -> None:
    for options in (["--keyless", "--no-sign"], ["--keyless", "--key", "release.key"]):
        assert "were both given" in project.tally("build", recipe, *options).failed(2).err
    for options in (["--no-sign"], ["--key", "release.key"]):
        ran = project.tally("build", recipe, *options, "--identity-token-fd", "3").failed(2)
        assert "signing without a key" in ran.err
    project.tally("build", recipe, "--key", "release.key").succeeded()
    text = (project.folder / "tally.toml").read_text()
    (project.folder / "tally.toml").write_text(f'[signing]\nkey = "release.key"\n{text}')
    assert "a release has one signer" in project.tally("build", recipe).failed(2).err
