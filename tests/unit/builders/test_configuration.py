"""tally.toml: what it takes and what it refuses."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.builders.configuration import Configuration, find, load
from orchestrator.builders.signing_tables import SigningTable
from orchestrator.ground.errors import TallyError
from orchestrator.keys.kinds import Kind
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.pinning.machine import KERNELS
from orchestrator.signing.summoning import summoned
from orchestrator.signing.witnesses import Witnesses


def test_two_embedded_builders_by_default() -> None:
    configuration = Configuration()
    assert [builder.name for builder in configuration.builder] == ["a", "b"]
    assert configuration.vote == "same-host"


@pytest.mark.parametrize(
    "table",
    [
        {"builder": [{"name": "a"}]},
        {"builder": [{"name": "a"}, {"name": "a"}]},
        {"builder": [{"name": "a"}, {"name": "orchestrator"}]},
        {"builder": [{"name": "a"}, {"name": "../b"}]},
        {"quorum": 1},
        {"dissent": "ignore"},
        {"independence": "total"},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh://b"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://-oProxyCommand=touch"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://b?remote-program=sh"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://b:0"}]},
        {"builder": [{"name": "a", "store": "ssh-ng://b"}, {"name": "b", "store": "ssh-ng://b"}]},
        {"builder": [{"name": "a"}, {"name": "b", "host-key": "ssh-ed25519 AAAA"}]},
        {"builder": [{"name": "a"}, {"name": "b", "link-key": "b.pub"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://b", "host-key": "AAAA\nx"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://b", "key": "b:AAAA"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://b", "features": ["a b"]}]},
        {"builder": [{"name": "a"}, {"name": "b", "spare": True}]},
        {"builder": [{"name": "a"}, {"name": "b", "memory": 4096}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "ssh-ng://b", "kvm": True}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "vm", "memory": 64}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "vm", "disk": 0}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "vm", "systems": ["riscv64-linux"]}]},
        {
            "builder": [
                {"name": "a"},
                {"name": "b", "store": "vm", "systems": list(KERNELS)},
            ]
        },
        {"builder": [{"name": "a"}, {"name": "b", "store": "vm", "ssh-key": "b"}]},
        {"builder": [{"name": "a"}, {"name": "b", "store": "vm", "key": "b:AAAA"}]},
        {"quorum": 3},
        {"surprise": True},
        {"signing": {"passphrase": "x"}},
    ],
)
def test_what_cannot_be_trusted_is_refused(table: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Configuration.model_validate(table)


def test_a_host_elsewhere_makes_hosts_the_votes() -> None:
    tables = [{"name": "a"}, {"name": "b", "store": "ssh-ng://build@b.example.org:2222"}]
    assert Configuration.model_validate({"builder": tables}).vote == "separate-hosts"
    assert Configuration.model_validate({"builder": tables, "independence": "same-host"}).vote == "same-host"


def test_a_virtual_machine_is_on_this_host() -> None:
    tables = [{"name": "a"}, *({"name": name, "store": "vm", "memory": 2048} for name in ("v", "w"))]
    assert Configuration.model_validate({"builder": tables}).vote == "same-host"


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    below = tmp_path / "project" / "below"
    below.mkdir(parents=True)
    assert find(below) is None or tmp_path not in find(below).parents  # type: ignore[union-attr]
    (tmp_path / "project" / "tally.toml").write_text("")
    assert find(below) == tmp_path / "project" / "tally.toml"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize("kind", ["file", "link to ours", "link to theirs"])
def test_another_users_file_is_refused(tmp_path: Path, kind: str) -> None:
    """Whoever may write to /tmp would choose the code that is run in every project below it."""
    nobody, file = 65534, tmp_path / "tally.toml"
    below = tmp_path / "project"
    below.mkdir()
    target = file if kind == "file" else tmp_path / "target.toml"
    target.write_text("quorum = 2\n")
    if kind != "file":
        file.symlink_to(target)
    assert load(below).quorum == 2
    os.chown(target if kind == "link to theirs" else file, nobody, nobody, follow_symlinks=False)
    with pytest.raises(TallyError, match=r"tally\.toml belongs to another user \(uid 65534\)") as caught:
        load(below)
    assert caught.value.hint is not None and str(below) in caught.value.hint
    os.chown(below, nobody, nobody)  # as a checkout that is mounted into a container
    assert load(below).quorum == 2


def test_an_ssh_key_is_found_beside_the_file(tmp_path: Path) -> None:
    remote = 'name = "b"\nstore = "ssh-ng://b"\nssh-key = "keys/b"'
    (tmp_path / "tally.toml").write_text(f'[[builder]]\nname = "a"\n[[builder]]\n{remote}\n')
    (tmp_path / "below").mkdir()
    assert load(tmp_path / "below").builder[1].ssh_key == tmp_path / "keys" / "b"


def test_a_key_is_found_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text('[signing]\nkey = "keys/release.key"\n')
    (tmp_path / "below").mkdir()
    assert load(tmp_path / "below").signing.key == str(tmp_path / "keys" / "release.key")
    assert load(tmp_path / "below").signing.log == "embedded"


def test_a_log_is_what_is_signed_into_unless_none_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text('[signing]\nkey = "release.key"\nlog = "none"\n')
    configuration = load(tmp_path)
    assert configuration.signing.log == "none"
    folder, now = tmp_path / "state" / "log", datetime.now(UTC)
    assert summoned(configuration.signing, folder, Kind.P256, now) == Witnesses()
    assert not folder.exists()
    log = summoned(SigningTable(), folder, Kind.P256, now).log
    assert isinstance(log, EmbeddedLog)
    assert log.folder.path == folder


def test_signatures_that_no_log_takes_are_told_of_before_anything_is_built(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with pytest.raises(TallyError, match="Ed25519") as caught:
        summoned(SigningTable(), tmp_path, Kind.ED25519, now)
    assert caught.value.hint
    assert 'log = "none"' in caught.value.hint
    assert summoned(SigningTable(log="none"), tmp_path, Kind.ED25519, now) == Witnesses()


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[singing]\nlog = 'none'", "tally.toml:1: unknown key `singing`", "did you mean `signing`?"),
        (
            "[signing]\nlog = 'none'\nrequire-commit = true",
            "tally.toml:3: unknown key `signing.require-commit`",
            "`require-commit` belongs at the top of the file, before the first table",
        ),
        (
            "[[builder]]\nname = 'a'\nquorum = 2\n[[builder]]\nname = 'b'",
            "tally.toml:3: unknown key `builder.quorum`",
            "`quorum` belongs at the top of the file, before the first table",
        ),
        (
            "[signing.variation]\nload = false",
            "tally.toml:1: unknown key `signing.variation`",
            "`variation` is a table of the whole file: write [variation]",
        ),
        (
            "[[signing.builder]]\nname = 'a'",
            "tally.toml:1: unknown key `signing.builder`",
            "`builder` is a list of tables of the whole file: write [[builder]]",
        ),
        ("[toolchain]\nsuite = 'testing'", "another release after a while", None),
        ("[toolchain]\nsuites = 'trixie'", "unknown key `toolchain.suites`", "did you mean `suite`?"),
        ("quorm = 2", "tally.toml:1: unknown key `quorm`", "did you mean `quorum`?"),
        ("quorum = 'two'", "tally.toml:1: `quorum`", None),
        ("[[builder]]\nname = 'a'\n[[builder]]\nname = 'a'\n", "two builders have the name a", None),
        ("quorum = ", "not TOML", None),
    ],
)
def test_an_error_names_the_place(tmp_path: Path, text: str, said: str, hint: str | None) -> None:
    (tmp_path / "tally.toml").write_text(text)
    with pytest.raises(TallyError, match=said.replace("[", r"\[")) as caught:
        load(tmp_path)
    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize("what", ["folder", "pipe", "dangling link", "link to itself"])
def test_one_that_cannot_be_read_is_not_passed_over(tmp_path: Path, what: str) -> None:
    (tmp_path / "project").mkdir()
    file = tmp_path / "project" / "tally.toml"
    match what:
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "dangling link":
            file.symlink_to(tmp_path / "nowhere")
        case _:
            file.symlink_to(file)
    with pytest.raises(TallyError, match=r"tally\.toml"):
        load(tmp_path / "project")


@pytest.mark.parametrize(
    ("line", "text", "said"),
    [
        (4, '[[builder]]\nname = "a"\n[[builder]]\nname = "B!"', "`builder.name`"),
        (5, '[[builder]]\nname = "a"\n[[builder]]\nname = "b"\nstor = "vm"', "unknown key `builder.stor`"),
        (3, '[[builder]]\nname = "a"\n[[builder]]\nstore = "vm"', "`builder.name` is missing"),
        (7, '[[builder]]\nname = "a"\n\n[[builder]]\nname = "b"\n[[builder]]\nname = 3', "expected a string"),
        (1, 'builder = [{ name = "a" }, { name = "B!" }]', "`builder.name`"),
        (1, '[[builder]]\nname = "a"\n[[builder]]\nname = "a"', "two builders have the name a"),
    ],
)
def test_a_fault_is_told_with_the_line_of_its_own_table(
    tmp_path: Path, line: int, text: str, said: str
) -> None:
    (tmp_path / "tally.toml").write_text(text)
    with pytest.raises(TallyError) as caught:
        load(tmp_path)
    assert f"tally.toml:{line}: " in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('quorum = "2"', "a whole number, got a string"),
        ("quorum = 2.0", "a whole number, got a number"),
        ("quorum = true", "a whole number, got a boolean"),
        ('[variation]\nload = "yes"', "true or false, got a string"),
        ("[variation]\nload = 1", "true or false, got a number"),
        ('[[builder]]\nname = "a"\ncores = "4"\n[[builder]]\nname = "b"', "a whole number, got a string"),
        ('[[builder]]\nname = "a"\ntimeout = "9"\n[[builder]]\nname = "b"', "a whole number, got a string"),
        ('[[builder]]\nname = "a"\nspare = "no"\n[[builder]]\nname = "b"', "true or false, got a string"),
        ("[signing]\nkey = 3", "a string, got a number"),
        ("[signing]\ntrusted-root = 3", "a file's name, got a number"),
    ],
)
def test_a_value_of_another_type_is_not_read_as_what_it_looks_like(
    tmp_path: Path, text: str, expected: str
) -> None:
    (tmp_path / "tally.toml").write_text(text)
    with pytest.raises(TallyError) as caught:
        load(tmp_path)
    assert f"expected {expected}" in caught.value.message


REMOTE = '[[builder]]\nname = "a"\n[[builder]]\nname = "b"\nstore = "ssh-ng://b"\n'


@pytest.mark.parametrize(
    "text", ['[signing]\nkey = "~nobody-of-that-name/it"', f'{REMOTE}ssh-key = "~nobody-of-that-name/it"']
)
def test_a_home_folder_of_nobody_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "tally.toml").write_text(text)
    with pytest.raises(TallyError, match="home folder of somebody who is not known"):
        load(tmp_path)


@pytest.mark.parametrize("text", ["x." * 100_000 + "x = 1", "[" + "x." * 100_000 + "x]"])
def test_keys_nested_without_end_take_no_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "tally.toml").write_text(text)
    with pytest.raises(TallyError, match="nested too deeply"):
        load(tmp_path)


class TestWitnesses:
    """`[signing]` with a log or an authority by address."""

    ROOT = 'trusted-root = "root.json"\n'

    def table(self, folder: Path, text: str) -> SigningTable:
        (folder / "tally.toml").write_text(f"[signing]\n{text}")
        return load(folder).signing

    def test_addresses_and_the_root_beside_the_file(self, tmp_path: Path) -> None:
        found = self.table(
            tmp_path,
            'log = "https://log.example.org"\ntimestamp = "https://tsa.example.org/api/v1/timestamp"\n'
            + self.ROOT,
        )
        assert found.log == "https://log.example.org"
        assert found.timestamp == "https://tsa.example.org/api/v1/timestamp"
        assert found.trusted_root == tmp_path / "root.json"

    @pytest.mark.parametrize("here", ["127.0.0.1:3000", "localhost", "[::1]:3000", "127.9.9.9"])
    def test_http_is_for_this_machine_alone(self, tmp_path: Path, here: str) -> None:
        assert self.table(tmp_path, f'log = "http://{here}"\n{self.ROOT}').log == f"http://{here}"

    @pytest.mark.parametrize(
        "address",
        [
            "http://log.example.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "ftp://log.example.org",
            "file:///var/log",
            "log.example.org",
            "https://",
            "https:///path",
            "https://log.example.org:port",
            "https://[::1",
            "https://me:secret@log.example.org",
            "https://log.example.org?a=b",
            "https://log.example.org#here",
            "https://log.example.org/ x",
            "Embedded",
            "",
        ],
    )
    @pytest.mark.parametrize("key", ["log", "timestamp"])
    def test_no_address(self, tmp_path: Path, key: str, address: str) -> None:
        with pytest.raises(TallyError, match=rf"tally\.toml:2: `signing\.{key}`") as caught:
            self.table(tmp_path, f'{key} = "{address}"\n{self.ROOT}')
        assert "secret" not in caught.value.message

    @pytest.mark.parametrize("key", ["log", "timestamp"])
    def test_an_address_needs_a_root(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(TallyError, match=f"`{key}` needs `trusted-root`"):
            self.table(tmp_path, f'{key} = "https://log.example.org"\n')

    @pytest.mark.parametrize("key", ["log", "timestamp"])
    def test_an_identitys_instance_has_its_own(self, tmp_path: Path, key: str) -> None:
        with pytest.raises(TallyError, match=f"`{key}` is for signing with a key"):
            self.table(tmp_path, f'{key} = "https://log.example.org"\n{self.ROOT}[signing.keyless]\n')

    @pytest.mark.parametrize("content", [None, "{}", "["])
    def test_a_root_that_is_none(self, tmp_path: Path, content: str | None) -> None:
        if content is not None:
            (tmp_path / "root.json").write_text(content)
        found = self.table(tmp_path, f'log = "https://log.example.org"\n{self.ROOT}')
        with pytest.raises(TallyError, match=r"root\.json") as caught:
            summoned(found, tmp_path / "log", Kind.P256, datetime.now(UTC))
        assert caught.value.hint
