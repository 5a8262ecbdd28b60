"""The clients of a run: there in time, or a clear error; and the story publishes nothing that one refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import releases

from orchestrator.clients.clients import Clients
from orchestrator.evidence import layout
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom import spdx2_packages
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.run.believing import Decision
from orchestrator.run.outcome import Released
from orchestrator.run.signatories import Signatories
from orchestrator.signing import gate
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.signing.witnesses import Witnesses
from orchestrator.stories import release as story

_ALONE = """
import sys, threading
sys.path.insert(0, {folder!r})
from pathlib import Path
from orchestrator.clients.clients import Clients
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
try:
    with Clients(Path("scratch")) as clients:
        clients.call()
        for thread in threading.enumerate():
            if thread.name == "clients":
                thread.join()
        {then}
except TallyError as error:
    print(error.message, "|", error.hint)
"""


def alone(folder: Path, then: str) -> str:
    """What a process says whose modules are first looked for in `folder`."""
    ran = subprocess.run(
        [sys.executable, "-c", _ALONE.format(folder=str(folder), then=then)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout


@pytest.mark.parametrize(
    ("package", "client"),
    [
        ("spdx_tools", "spdx-tools"),
        ("beartype", "spdx-tools"),
        ("spdx_python_model", "spdx-python-model"),
        ("in_toto", "in-toto"),
    ],
)
def test_a_client_that_cannot_be_imported_is_told_before_anything_is_built(
    tmp_path: Path, package: str, client: str
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('broken here')\n")
    said = alone(tmp_path, "clients.refuse_unusable()")
    assert said.startswith(f"{client} cannot be used here: ")
    assert "install tallystick again" in said
    assert alone(tmp_path, "clients.accept_document(Form.SPDX_2_3, ReleaseFile.of('x', b'{}'))") == said


def test_a_client_that_is_not_installed_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Clients(tmp_path) as clients, pytest.raises(TallyError, match="cannot be used here"):
        clients.call()


def test_a_run_that_ends_waits_for_no_import_and_leaves_no_thread(tmp_path: Path) -> None:
    with Clients(tmp_path) as clients:
        clients.call()
    assert "clients" not in {thread.name for thread in threading.enumerate()}


def test_nobody_is_asked_who_was_not_called(tmp_path: Path) -> None:
    with Clients(tmp_path) as clients, pytest.raises(RuntimeError):
        clients.accept_document(Form.SPDX_2_3, ReleaseFile.of("x", b"{}"))


def test_an_identitys_layout_is_read_before_it_has_a_certificate(tmp_path: Path) -> None:
    made = releases.observed(tmp_path / "in")
    keys = releases.builder_keys(made)
    identity = KeylessSigner(cast("Any", None), cast("Any", None), cast("Any", None))
    facts = made.facts
    links = [link_of(each, facts, materials_of(facts), ()) for each in made.agreed.reports]
    signed = gate.sign_links(made.agreed, facts.quorum, links, keys)
    root = layout.layout_of(facts, {each.public.keyid: each.public.pem for each in keys.values()})
    files = [*signed.values(), *gate.sign_layout(made.agreed, facts.quorum, root, identity)]
    with Clients(tmp_path) as clients:
        clients.call()
        clients.accept_links(facts, files, made.artifact, identity)
        with pytest.raises(TallyError, match="in-toto refuses"):
            clients.accept_links(facts, files[1:], made.artifact, identity)


class Publishing:
    """The story's stage `publish`, on what two builders agreed on, with a key and a log that are real."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = releases.observed(folder / "in")
        self.out, self.keys = folder / "out", folder / "keys"
        self.keys.mkdir()
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.log = releases.log_in(folder / "log")
        self.before = self.logged()
        self.key = SigningKey.generate()
        monkeypatch.setattr(story, "facts_of", lambda *_, **__: self.made.facts)
        monkeypatch.setattr(story, "depth_of", lambda *_: None)

    def logged(self) -> dict[str, bytes]:
        folder = self.log.folder.path
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def publish(self) -> Released:
        signatories = Signatories(self.key, Witnesses(self.log), self.keys)
        anything = cast("Any", SimpleNamespace(store=None))
        order = cast("Any", SimpleNamespace(out=self.out, depth=0))
        target = cast("Any", SimpleNamespace(asked="pigz"))
        facts = self.made.facts
        builders = [
            cast("Any", SimpleNamespace(name=report.identity.name, kind="daemon", store=None))
            for report in facts.agreed.reports
        ]
        with Clients(self.scratch) as clients:
            clients.call()
            run = story.Run(
                anything, anything, builders, Decision(), order, signatories, clients, account=anything
            )
            return story.publish(run, target, facts.agreed, facts.quorum, self.made.artifact, signatories, {})


@pytest.fixture
def publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publishing:
    return Publishing(tmp_path, monkeypatch)


def test_what_both_take_is_published(publishing: Publishing) -> None:
    released = publishing.publish()
    assert (released.folder / "release.json").is_file()
    assert publishing.logged() != publishing.before


def test_an_sbom_that_spdx_tools_alone_refuses_is_never_signed(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spdx2_packages, "_UNKNOWN", "nowhere")
    with pytest.raises(
        TallyError, match=r"spdx-tools refuses sbom/pigz\.spdx\.json, so nothing was published"
    ):
        publishing.publish()
    assert not publishing.out.exists()
    assert publishing.logged() == publishing.before
    assert list(publishing.keys.iterdir()) == [], "no builder's key was even made"


def test_a_layout_that_in_toto_alone_refuses_is_never_logged(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "_YEARS", -30)
    with pytest.raises(TallyError, match="in-toto refuses the release's links and layout") as refused:
        publishing.publish()
    assert "LayoutExpiredError" in refused.value.message
    assert not publishing.out.exists()
    assert publishing.logged() == publishing.before


def test_a_name_that_in_toto_leaves_out_is_never_published(
    publishing: Publishing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own program looks at no file that is called `*.link*` or `*~`: it would refuse such a release."""
    facts = publishing.made.facts
    artifact = replace(facts.artifact, file_name="pigz.linked")
    publishing.made = replace(publishing.made, facts=replace(facts, artifact=artifact))
    with pytest.raises(TallyError, match="RuleVerificationError"):
        publishing.publish()
    assert not publishing.out.exists()
    assert publishing.logged() == publishing.before
