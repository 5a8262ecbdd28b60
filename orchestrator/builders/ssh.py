"""How a builder's host is reached over ssh: options that Nix hands to ssh, and questions asked directly."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.nix import child

PREFIX = "ssh-ng://"
_ADDRESS = re.compile(
    r"ssh-ng://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?"
    r"(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_HOST_KEY = re.compile(r"(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*")
_ODD = re.compile(r"""[\s"'%$\\]""")
_CONNECT = 15  # seconds
_SILENCE = (15, 4)  # seconds between signs of life that a host must give, and how many it may miss
_ANSWER = 60.0  # seconds
_WORK = 1800.0  # seconds: a host may have gigabytes to hash

_HINTS = (
    (
        "host key verification failed",
        "it may be another host; if it was set up anew, put its key into `host-key` in tally.toml",
    ),
    ("permission denied", "the host must let the key in `ssh-key`, or your own ssh key, log in"),
    ("could not resolve", "check the host's name in `store` in tally.toml"),
    ("connection refused", "start the host's ssh server, or mend the port in `store` in tally.toml"),
    ("timed out", "see whether the host is up and can be reached from here"),
    ("no route to host", "see whether the host is up and can be reached from here"),
    ("network is unreachable", "see whether the host is up and can be reached from here"),
    ("tally: not found", "install tally on the host, or remove `link-key` from tally.toml"),
    ("tally: command not found", "install tally on the host, or remove `link-key` from tally.toml"),
    ("nix-daemon: not found", "install Nix on the host, where a login without a terminal finds it"),
    ("nix-daemon: command not found", "install Nix on the host, where a login without a terminal finds it"),
    (
        "build-users-group",
        "make the group nixbld on the host, with users in it, or set `build-users-group =` in its nix.conf",
    ),
    ("lacks a valid signature", "list the user of `store` in trusted-users in the host's nix.conf"),
    ("daemon-socket", "start this machine's nix-daemon, or let `store` in tally.toml be `local`"),
    ("end-of-file", "the connection ended; see whether the host is up, then run the command again"),
)


@dataclass(frozen=True, slots=True)
class Destination:
    """A host, and how to log in. Without `identity` and `known_hosts` the user's own ssh settings count."""

    host: str
    user: str | None = None
    port: int | None = None
    identity: Path | None = None
    known_hosts: Path | None = None
    control: Path | None = None
    """The socket of a connection that all go through, where there is one."""
    alone: bool = False
    """Whether none of the user's own ssh settings count."""

    @classmethod
    def parse(cls, address: str) -> Destination:
        """Read `ssh-ng://[USER@]HOST[:PORT]`. Raises ValueError for anything else."""
        found = _ADDRESS.fullmatch(address)
        if found is None or not 0 < int(found["port"] or 22) < 65536:
            raise ValueError(f"expected local, daemon, vm, or ssh-ng://[USER@]HOST[:PORT]; got {address!r}")
        return cls(found["host"], found["user"], int(found["port"]) if found["port"] else None)

    @property
    def login(self) -> str:
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def options(self) -> tuple[str, ...]:
        """For ssh: no questions, no unknown hosts, and an end to waiting for a host that is silent."""
        interval, missed = _SILENCE
        said = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"ConnectTimeout={_CONNECT}",
            f"ServerAliveInterval={interval}",
            f"ServerAliveCountMax={missed}",
        ]
        found = ["-p", str(self.port)] if self.port else []
        if self.identity:
            found += ["-i", str(self.identity)]
            said.append("IdentitiesOnly=yes")
        if self.known_hosts:
            said += [f"UserKnownHostsFile={self.known_hosts}", "GlobalKnownHostsFile=/dev/null"]
        if self.control:
            said.append(f"ControlPath={self.control}")
        if self.alone:
            found += ["-F", "none"]
        return (*found, *(word for option in said for word in ("-o", option)))

    def environment(self) -> Mapping[str, str]:
        """For Nix, which splits it at spaces and knows no quotes. Raises TallyError where that cannot be."""
        if odd := [option for option in self.options if _ODD.search(option)]:
            raise TallyError(
                f"Nix and ssh cannot be told {odd[0]!r}: it has a blank, a quote, `%` or `$`",
                hint="put the ssh key, and the state folder, where no folder has one of these in its name",
            )
        return {"NIX_SSHOPTS": " ".join(self.options)}

    def store_uri(self, settings: Iterable[tuple[str, str]]) -> str:
        """The store's address, with settings for the Nix over there: ssh-ng hands on none of ours."""
        from urllib.parse import quote

        words = ["nix-daemon", *(word for pair in settings for word in ("--option", *pair))]
        return f"{PREFIX}{self.login}?remote-program={quote(' '.join(words))}"

    def run(self, script: str, *, stdout: IO[bytes] | None = None) -> str | None:
        """What a shell script says on the host; None when no shell is to be had there or it fails."""
        command = ["ssh", *self.options, "-T", self.login, script]
        try:
            done = child.finished(
                command,
                timeout=_ANSWER if stdout is None else None,
                stdout=subprocess.PIPE if stdout is None else stdout,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode != 0:
            return None
        return done.stdout.decode(errors="replace") if stdout is None else ""

    def ask(self, script: str, data: bytes) -> bytes:
        """What a shell script on the host answers to `data`. Raises TallyError with what it said."""
        command = ["ssh", *self.options, "-T", self.login, script]
        try:
            done = child.finished(command, data, _WORK, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TallyError(f"{self.host} does not answer: {why(error)}") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise TallyError(f"`{script}` failed on {self.host}:\n{said}", hint=way_out(said))
        return done.stdout


def is_host_key(text: str) -> bool:
    """Whether a text is a public host key as known_hosts has it: `ssh-ed25519 AAAA…`."""
    return _HOST_KEY.fullmatch(text) is not None


def known_hosts_line(destination: Destination, host_key: str) -> str:
    """The line of a known_hosts file that lets this host in, and no other."""
    host = destination.host.strip("[]")
    place = f"[{host}]:{destination.port}" if destination.port not in (None, 22) else host
    return f"{place} {host_key}\n"


def way_out(said: str) -> str | None:
    """The hint for what ssh, or Nix on the other host, said."""
    lowered = said.lower()
    return next((hint for pattern, hint in _HINTS if pattern in lowered), None)
