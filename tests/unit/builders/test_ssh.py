"""How hosts are reached: addresses, options, and nothing of ours that a shell could take for its own."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.builders.ssh import Destination, is_host_key, known_hosts_line, way_out
from orchestrator.ground.errors import TallyError


def test_an_address_is_taken_apart() -> None:
    destination = Destination.parse("ssh-ng://build@b.example.org:2222")
    assert (destination.login, destination.port) == ("build@b.example.org", 2222)
    assert Destination.parse("ssh-ng://b").login == "b"
    assert Destination.parse("ssh-ng://[::1]:22").host == "[::1]"


@pytest.mark.parametrize(
    "address",
    ["b", "ssh://b", "ssh-ng://", "ssh-ng://-oX=y", "ssh-ng://a b", "ssh-ng://a;b", "ssh-ng://b:65536",
     "ssh-ng://b:x", "ssh-ng://b?x=y", "ssh-ng://-u@b", "ssh-ng://b\n", "ssh-ng://$(b)"],
)  # fmt: skip
def test_nothing_else_is_an_address(address: str) -> None:
    with pytest.raises(ValueError, match="expected local, daemon, vm, or ssh-ng"):
        Destination.parse(address)


def test_ssh_asks_nobody_and_trusts_only_known_hosts() -> None:
    options = Destination("b", port=2222, identity=Path("/k"), known_hosts=Path("/h")).options
    assert {
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=/h",
        "IdentitiesOnly=yes",
    } <= set(options)
    assert options[:2] == ("-p", "2222")


@pytest.mark.parametrize("folder", ["my keys", "100%", "${HOME}", 'a"b', "it's", "a\tb", "a\nb"])
def test_what_nix_or_ssh_would_take_apart_is_refused(folder: str) -> None:
    with pytest.raises(TallyError, match="cannot be told"):
        Destination("b", identity=Path("/", folder, "b")).environment()
    Destination("b", identity=Path("/my,keys:1=2/b")).environment()


def test_settings_for_the_other_nix_go_into_the_address() -> None:
    uri = Destination("b", "build").store_uri([("substitute", "false"), ("cores", "2")])
    assert uri.startswith("ssh-ng://build@b?")
    [program] = parse_qs(urlsplit(uri).query)["remote-program"]
    assert program == "nix-daemon --option substitute false --option cores 2"


def test_a_known_hosts_line_names_the_port_where_it_is_not_the_usual() -> None:
    assert known_hosts_line(Destination("b", port=22), "ssh-ed25519 A") == "b ssh-ed25519 A\n"
    assert known_hosts_line(Destination("b", port=9), "ssh-ed25519 A") == "[b]:9 ssh-ed25519 A\n"


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "ssh-ed25519 A\nb ssh-ed25519 B", "x ssh-ed25519 A", "ssh-ed25519 A A"]
)
def test_what_is_no_host_key(text: str) -> None:
    assert not is_host_key(text)
    assert is_host_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==")


def test_the_way_out_follows_from_what_ssh_said() -> None:
    assert "another host" in (way_out("Host key verification failed.\r\nerror: cannot connect") or "")
    assert way_out("something else") is None
