"""Builders on other hosts: a real sshd, another version of Nix, and what goes wrong on the way and there.

All hosts here run under one kernel, as their boot ids say: they are one vote unless builders are counted.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from believing import built_tools, inputs_table
from caches import SigningKey
from machines import Host, host
from projects import Project
from roots import root_of
from waiting import wait_for

from orchestrator.ground.nar import nar_hash

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="builder hosts need root: mounts and network interfaces are made for them"
)
KEY = SigningKey("ours-1")
EVERY_BUILDER = 'independence = "same-host"\n'


@pytest.fixture(scope="module")
def trixie(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with trixie's Nix, which keeps its store from test to test."""
    folder = tmp_path_factory.mktemp("trixie")
    with host("trixie", root_of("trixie", session_state), folder) as up:
        yield up
    # the kernel takes a namespace apart when it has time
    links = partial(subprocess.run, ["ip", "-o", "link"], capture_output=True, text=True)
    wait_for(lambda: up.interface not in links().stdout, "its network ends with it")
    assert str(folder) not in Path("/proc/mounts").read_text(), "its mounts end with it"


def configure(project: Project, *tables: str, votes: str = EVERY_BUILDER, more: str = "") -> None:
    local = '[[builder]]\nname = "a"\n'
    (project.folder / "tally.toml").write_text("\n".join([votes, more, local, *tables]))


def new(project: Project, name: str, script: str = "") -> Path:
    """A recipe that no store holds yet."""
    return project.recipe(name, f"mkdir $out; echo {secrets.token_hex()} > $out/file\n{script}")


def test_hello_agrees_between_two_versions_of_nix(project: Project, trixie: Host, repository: Path) -> None:
    configure(project, trixie.table())
    hello = project.folder / "recipes" / "hello.toml"
    hello.write_bytes((repository / "recipes" / "hello.toml").read_bytes())
    ran = project.build(hello).succeeded()
    assert "a and trixie agree on every bit; signed" in ran.err
    release = project.folder / "releases" / "hello-2.10-x86_64-linux"
    verdict = project.tally("verify", release, "--key", "release.pub").succeeded()
    assert "a, trixie agree (same-host)" in verdict.out
    seen = {
        name: json.loads((release / "builds" / name / "build.json").read_bytes())["builder"]
        for name in ("a", "trixie")
    }
    assert seen["a"]["nixVersion"] != seen["trixie"]["nixVersion"]
    assert seen["trixie"]["nixVersion"].startswith("2.26")
    assert seen["a"]["machineIdSha256"] != seen["trixie"]["machineIdSha256"]
    assert seen["a"]["bootIdSha256"] == seen["trixie"]["bootIdSha256"], "which is why it is one host"


def test_hosts_under_one_kernel_are_one_vote(project: Project, trixie: Host) -> None:
    configure(project, trixie.table(), votes="")
    ran = project.build(new(project, "onevote")).failed(2)
    assert "vote" in ran.err
    assert project.releases == []


def test_what_differs_over_there_is_kept_here_too(project: Project, trixie: Host) -> None:
    configure(project, trixie.table())
    recipe = project.recipe("random", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    project.build(recipe).failed(1)
    ran = project.build(recipe, more=("--json",)).failed(1)
    [outcome] = json.loads(ran.out)["outcomes"]
    hashes = {name for one in outcome["differing"] for name in one["narSha256"]}
    assert hashes >= {"a", "a (earlier)", "trixie", "trixie (earlier)"}
    kept = sorted(path.read_text() for path in Path(outcome["kept"]).rglob("id"))
    assert len(set(kept)) == 4
    assert project.releases == []


def test_what_is_there_already_is_built_again(project: Project, trixie: Host) -> None:
    configure(project, trixie.table())
    recipe = new(project, "again")
    project.build(recipe).succeeded()
    ran = project.build(recipe).succeeded()
    assert "trixie: started again-1.0 again" in ran.err


def test_a_builder_is_looked_at(project: Project, trixie: Host) -> None:
    configure(project, trixie.table())
    ran = project.tally("builder", "check", "--json").succeeded()
    shown = {each["name"]: each for each in json.loads(ran.out)["builders"]}
    assert shown["trixie"]["works"]
    assert shown["trixie"]["sandbox"]["networkInterfaces"] == ["lo"]
    assert "trixie" in project.tally("builder", "list").succeeded().out
    assert "builder-trixie" in project.tally("doctor").succeeded().out


def test_a_spare_stands_in_for_a_host_that_cannot_be_reached(project: Project, trixie: Host) -> None:
    gone = trixie.table("gone").replace(trixie.address, f"{trixie.address}:9")
    configure(project, gone, '[[builder]]\nname = "b"\nspare = true\n')
    ran = project.build(new(project, "spare")).succeeded()
    assert "trying again" in ran.err
    assert "b: stands in for gone" in ran.err.replace("warning: ", "")
    assert "a and b agree" in ran.err


def test_a_host_that_cannot_be_reached_decides_nothing(project: Project, trixie: Host) -> None:
    configure(project, trixie.table().replace(trixie.address, f"{trixie.address}:9"))
    recipe = new(project, "unreachable")
    ran = project.build(recipe).failed(2)
    assert "Connection refused" in ran.err
    assert project.releases == []
    plan = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]["unreachable"]
    [step] = [step for step in plan["closure"] if step["derivation"] == plan["derivation"]]
    assert step["present"] == {"a": True}, "the other builder's work is kept"


def test_another_host_key_is_another_host(project: Project, trixie: Host, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    kind, other = (tmp_path / "other.pub").read_text().split()[:2]
    configure(project, trixie.table().replace(trixie.host_key, f"{kind} {other}"))
    ran = project.build(new(project, "changed")).failed(2)
    assert "Host key verification failed" in ran.err
    assert "`host-key` in tally.toml" in ran.err


def test_a_builder_that_signs_must_have_signed(project: Project, trixie: Host) -> None:
    trixie.sh(
        "test -e /root/secret || nix-store --generate-binary-cache-key trixie-1 /root/secret /root/public;"
        "cp /etc/nix/nix.conf /root/nix.conf; echo secret-key-files = /root/secret >> /etc/nix/nix.conf"
    )
    try:
        key = trixie.sh("cat /root/public").strip()
        configure(project, trixie.table(key=key))
        project.build(new(project, "signed")).succeeded()
        record = project.folder / "releases" / "signed-1.0-x86_64-linux" / "builds" / "trixie" / "build.json"
        signatures = json.loads(record.read_bytes())["nixSignatures"]
        assert {Path(path).name.split("-", 1)[1] for path in signatures} == {
            "signed-1.0",
            "signed-1.0-x86_64-linux.tar.gz",
        }
        assert all(signature.startswith("trixie-1:") for signature in signatures.values())
        trixie.sh("nix-store --generate-binary-cache-key trixie-1 /root/other /root/other.public")
        configure(project, trixie.table(key=trixie.sh("cat /root/other.public").strip()))
        ran = project.build(new(project, "wrongkey")).failed(2)
        assert "no signature on" in ran.err
    finally:
        trixie.sh("cp /root/nix.conf /etc/nix/nix.conf")
    configure(project, trixie.table(key=key))
    ran = project.build(new(project, "unsigned")).failed(2)
    assert "did not sign" in ran.err
    assert project.releases == ["signed-1.0-x86_64-linux"]


@pytest.mark.parametrize("lie", ["bytes", "database"])
def test_a_store_that_is_not_what_it_says_is_no_witness(project: Project, trixie: Host, lie: str) -> None:
    configure(project, trixie.table())
    recipe = new(project, f"altered-{lie}")
    project.build(recipe).succeeded()
    plan = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]
    path = plan[f"altered-{lie}"]["outputs"]["out"]
    if lie == "bytes":
        trixie.sh(f"chmod u+w {path} {path}/file; echo changed > {path}/file")
    else:
        zeros = f"sha256:{'0' * 64}"
        change = f"update ValidPaths set hash = '{zeros}' where path = '{path}'"
        trixie.sh(f'sqlite3 /nix/var/nix/db/db.sqlite "{change}"')
    ran = project.build(recipe, more=("--out", "again")).failed(2)
    assert f"{path} was altered" in ran.err
    assert not (project.folder / "again").exists()


@pytest.mark.parametrize("lie", ["database", "bytes"])
def test_a_nix_that_answers_what_the_other_builder_made_is_no_witness(
    project: Project, trixie: Host, tmp_path: Path, lie: str
) -> None:
    """Between the build and our first question, the host's Nix makes it look as if it had made the same."""
    a = '[[builder]]\nname = "a"\ncores = 3\n'
    (project.folder / "tally.toml").write_text("\n".join([EVERY_BUILDER, a, trixie.table(cores=5)]))
    nonce = secrets.token_hex()
    recipe = project.recipe(f"liar-{lie}", f"mkdir $out; echo {nonce} $NIX_BUILD_CORES > $out/file")
    plan = json.loads(project.tally("plan", recipe, "--json").succeeded().out)["recipes"]
    path = plan[f"liar-{lie}"]["outputs"]["out"]
    (tmp_path / "as-a").mkdir()
    (tmp_path / "as-a" / "file").write_text(f"{nonce} 3\n")
    said_by_a = f"sha256:{nar_hash(tmp_path / 'as-a').hex}"
    pretend = {
        "database": "sqlite3 /nix/var/nix/db/db.sqlite "
        f"\"update ValidPaths set hash = '{said_by_a}' where path = '{path}'\"",
        "bytes": f"chmod u+w {path}/file && echo {nonce} 3 > {path}/file && chmod a-w {path}/file",
    }[lie]
    trixie.sh(
        "cat > /usr/local/bin/nix-daemon <<'END'\n"
        f"#!/bin/sh\nif [ -e {path} ]; then {pretend}; fi > /dev/null 2>&1\n"
        'exec /usr/bin/nix-daemon "$@"\nEND\nchmod +x /usr/local/bin/nix-daemon'
    )
    try:
        ran = project.build(recipe).failed(2)
    finally:
        trixie.sh("rm /usr/local/bin/nix-daemon")
    assert f"{path} was altered" in ran.err
    assert project.releases == []


def test_an_output_from_elsewhere_is_no_build(project: Project, trixie: Host) -> None:
    """An input that the host got from somebody else was not made by it."""
    configure(project, trixie.table())
    below = new(project, "below")
    project.build(below).succeeded()
    plan = json.loads(project.tally("plan", below, "--json").succeeded().out)["recipes"]["below"]
    path = plan["outputs"]["out"]
    # as if it had been substituted: valid, and not built there
    trixie.sh(
        f"nix-store --export {path} > /root/exported; nix-store --delete --ignore-liveness {path};"
        "nix-store --import < /root/exported"
    )
    above = project.recipe("above", "mkdir $out; cp $below/file $out/", more='inputs = ["below"]')
    ran = project.build(above).failed(2)
    assert "from elsewhere" in ran.err
    assert project.releases == ["below-1.0-x86_64-linux"]


def test_a_connection_that_breaks_is_tried_again(project: Project, trixie: Host) -> None:
    configure(project, trixie.table())
    recipe = new(project, "cut", "sleep 4")
    with Meanwhile(trixie, trixie.kill_connections):
        ran = project.build(recipe).succeeded()
    assert "trying again" in ran.err
    assert "a and trixie agree" in ran.err


def test_a_copy_that_is_cut_short_goes_on(project: Project, session_state: Path, tmp_path: Path) -> None:
    """A host that holds nothing yet gets some fifty packages; its connection ends after 3 MB of them."""
    with host("empty", root_of("bookworm", session_state), tmp_path / "empty") as up:
        configure(project, up.table())
        up.sh(
            "cat > /usr/local/bin/nix-daemon <<'END'\n#!/bin/sh\n"
            'test ! -e /root/cut || exec /usr/bin/nix-daemon "$@"\n'
            'stdbuf -o0 head -c 3000000 | /usr/bin/nix-daemon "$@"\n'
            "test $(ls /nix/store | wc -l) -lt 3 || echo $(ls /nix/store | wc -l) > /root/cut\n"
            "END\nchmod +x /usr/local/bin/nix-daemon"
        )
        ran = project.build(new(project, "copied")).succeeded()
        there, now = int(up.sh("cat /root/cut")), int(up.sh("ls /nix/store | wc -l"))
    assert 3 <= there < now / 2, "it was cut in the middle"
    assert "a and empty agree" in ran.err


def test_a_full_disk_over_there_decides_nothing(project: Project, trixie: Host) -> None:
    configure(project, trixie.table())
    recipe = new(project, "large", "head -c 600000000 /dev/zero > $out/large; rm $out/large")
    used = int(trixie.sh("df --output=used --block-size=M /run/disk | tail -n 1 | tr -d M"))
    trixie.resize(f"{used + 400}m")  # enough for what it is built from
    try:
        ran = project.build(recipe, more=("--builder", "a", "--builder", "trixie")).failed(2)
    finally:
        trixie.resize(trixie.size)
    assert "trixie: started large" in ran.err, "there was room until then"
    assert "No space left on device" in ran.err
    assert project.releases == []


def test_a_build_that_says_nothing_for_too_long_is_ended(project: Project, trixie: Host) -> None:
    configure(project, trixie.table(max_silent=2))
    recipe = new(project, "silent", 'test "$(uname -n)" = localhost; sleep 8')
    ran = project.build(recipe).failed(2)
    assert "silen" in ran.err
    assert project.releases == []


def test_a_derivation_that_kills_all_it_can_kills_itself(project: Project, trixie: Host) -> None:
    configure(project, trixie.table())
    # what its output goes through is among what it can kill
    project.build(new(project, "killer", "kill -9 -1; kill -9 $$; sleep 10")).failed(2)
    assert project.releases == []
    configure(project, trixie.table())
    project.build(new(project, "afterwards")).succeeded()


def test_a_host_that_is_started_anew_in_the_middle(
    project: Project, session_state: Path, tmp_path: Path
) -> None:
    root = root_of("bookworm", session_state)
    with host("short-lived", root, tmp_path / "short-lived") as up:
        configure(project, up.table())
        recipe = new(project, "rebooted", "sleep 3")
        with Meanwhile(up, up.reboot):
            ran = project.build(recipe).failed(2)
    assert "short-lived" in ran.err
    assert project.releases == []


@pytest.fixture
def with_tally(session_state: Path, tmp_path: Path, repository: Path) -> Iterator[Host]:
    """A host on which `tally` is installed: this very checkout and this Python."""
    python = Path(sys.base_prefix)
    if python == Path("/usr"):
        pytest.skip("the distribution's own Python cannot be shown to another root")
    mounts = tuple(dict.fromkeys((python, Path(sys.prefix), repository)))
    with host("signer", root_of("bookworm", session_state), tmp_path / "signer", mounts=mounts) as up:
        run = f'#!/bin/sh\nPYTHONPATH={repository} exec {sys.executable} -B -m orchestrator.cli "$@"\n'
        up.sh(f"cat > /usr/bin/tally <<'END'\n{run}END\nchmod +x /usr/bin/tally; tally --version")
        yield up


def test_a_host_signs_its_own_link_with_a_key_that_stays_there(
    project: Project, with_tally: Host, session_state: Path
) -> None:
    tools = built_tools(project, session_state)
    (project.folder / "signer.pub").write_text(with_tally.sh("tally attest --public-key"))
    configure(project, with_tally.table(link_key="signer.pub"))
    project.build(new(project, "attested")).succeeded()
    release = project.folder / "releases" / "attested-1.0-x86_64-linux"
    project.tally("verify", release, "--key", "release.pub").succeeded()
    keyid = json.loads(project.tally("keys", "show", "signer.pub", "--json").succeeded().out)["intotoKeyid"]
    assert (release / "links" / f"build.{keyid[:8]}.link").exists()
    state = Path(project.tally.environment["TALLY_STATE"])
    assert not (state / "keys" / "builder-signer.key").exists(), "no key of ours speaks for it"

    lottery = project.recipe("hostlottery", "mkdir $out; cat /proc/sys/kernel/random/uuid > $out/id")
    ran = project.build(lottery, more=("--attest-disagreement", "--json")).failed(1)
    [outcome] = json.loads(ran.out)["outcomes"]
    signed = json.loads((Path(outcome["kept"]) / "link.signer.json").read_bytes())
    assert [each["keyid"] for each in signed["signatures"]] == [keyid], outcome

    project.tally("keys", "generate", "other").succeeded()
    configure(project, with_tally.table(link_key="other.pub"))
    ran = project.build(new(project, "otherkey")).failed(2)
    assert "is not signed by the key in `link-key`" in ran.err
    assert project.releases == ["attested-1.0-x86_64-linux"]

    link = json.loads((release / "links" / f"build.{keyid[:8]}.link").read_bytes())
    payload = base64.b64decode(link["payload"])
    for old, other in (
        (b'"sha256":"', b'"sha256":"0'),
        (b"/nix/store/", b"/nix/store/0"),
        (b"link", b"knil"),
    ):
        refused_to_sign(with_tally, payload.replace(old, other))

    # what its host did not build, it signs for where a key that the link names has signed it
    with tools.cache(KEY).served() as server:
        table = inputs_table(KEY, server.address)
        configure(project, with_tally.table(link_key="signer.pub"), more=table)
        project.tally("build", "-f", "packages", "hello", "--key", "release.key").succeeded()
    release = project.folder / "releases" / "hello-1.0-x86_64-linux"
    verdict = project.tally("verify", release, "--key", "release.pub").succeeded()
    assert "1 believed from ours-1" in verdict.out
    with_tally.sh(f"nix-store --check-validity {tools.path}")
    link = json.loads((release / "links" / f"build.{keyid[:8]}.link").read_bytes())
    payload = base64.b64decode(link["payload"])
    said = json.loads(payload)["byproducts"]["believed"][tools.path]
    assert asked_to_sign(with_tally, payload).returncode == 0
    stranger = SigningKey("ours-1")
    for true, lie in (
        (said["key"], stranger.text),
        (said["signature"], stranger.sign("anything")),
        (f'"narSize":{said["narSize"]}', f'"narSize":{said["narSize"] + 1}'),
        ('"believed":', '"taken":'),
    ):
        assert payload.count(true.encode()) == 1, payload
        refused_to_sign(with_tally, payload.replace(true.encode(), lie.encode()))


def test_a_host_without_tally_cannot_sign(project: Project, trixie: Host) -> None:
    project.tally("keys", "generate", "trixie").succeeded()
    configure(project, trixie.table(link_key="trixie.pub"))
    ran = project.build(new(project, "unattested")).failed(2)
    assert "install tally on the host" in ran.err
    assert project.releases == []


def refused_to_sign(on: Host, link: bytes) -> None:
    done = asked_to_sign(on, link)
    assert done.returncode == 2, done.stderr
    assert b"refusing to sign" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def asked_to_sign(on: Host, link: bytes) -> subprocess.CompletedProcess[bytes]:
    known = on.folder / "known_hosts"
    known.write_text(f"{on.address} {on.host_key}\n")
    options = ["-i", str(on.identity_file), "-o", f"UserKnownHostsFile={known}"]
    command = ["ssh", *options, f"root@{on.address}", "tally attest"]
    return subprocess.run(command, input=link, capture_output=True, check=False)


class Meanwhile:
    """Does something to a host while it builds a recipe that sleeps for some seconds."""

    def __init__(self, on: Host, act: Callable[[], object]) -> None:
        self._on, self._act = on, act
        self._thread = threading.Thread(target=self._watch)
        self._failed: list[BaseException] = []

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *raised: object) -> None:
        self._thread.join()
        assert not self._failed, self._failed

    def _sleeps(self) -> bool:
        return re.search(r"^sleep \d$", self._on.sh("ps -eo args"), re.MULTILINE) is not None

    def _watch(self) -> None:
        try:
            wait_for(self._sleeps, "it never comes to that")
            self._act()
        except BaseException as error:  # noqa: BLE001  handed to the test
            self._failed.append(error)
