"""PKCS#11 tokens: SoftHSM's, made with OpenSC's pkcs11-tool, each in a folder of its test's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Ran, Tally

PIN = "31415926535897932"  # so long that no digest has it by chance
SO_PIN = "27182818284590452"
WRONG = "14142135623730950"


def softhsm() -> Path:
    """SoftHSM's module, wherever the distribution has it."""
    places = [*Path("/usr/lib").glob("softhsm/*2.so"), *Path("/usr/lib").glob("*/softhsm/*2.so")]
    return places[0].resolve()


@dataclass(frozen=True)
class Shelf:
    """A folder with tokens, as SoftHSM sees them: to it, they are all plugged in."""

    folder: Path

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    @property
    def environment(self) -> Mapping[str, str]:
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    @classmethod
    def made(cls, folder: Path) -> Shelf:
        shelf = cls(folder)
        shelf.tokens.mkdir(parents=True)
        Path(shelf.environment["SOFTHSM2_CONF"]).write_text(
            f"directories.tokendir = {shelf.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        return shelf

    def token(self, label: str) -> Token:
        """A new token."""
        words = ["softhsm2-util", "--init-token", "--free", "--label", label]
        self.run(*words, "--pin", PIN, "--so-pin", SO_PIN)
        return Token(self, label)

    @property
    def serials(self) -> list[str]:
        """Of all tokens."""
        shown = self.run("softhsm2-util", "--show-slots")
        return re.findall(r"Serial number: *(\S+)$", shown, re.MULTILINE)

    def run(self, *words: str | Path) -> str:
        done = subprocess.run(words, env={**self.environment, "PATH": "/usr/bin:/bin"}, capture_output=True)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout.decode()


@dataclass(frozen=True)
class Token:
    shelf: Shelf
    label: str

    def keypair(self, name: str, identifier: str = "01", kind: str = "EC:prime256v1", *more: str) -> str:
        """A new key pair's address. `identifier` is in hexadecimal."""
        self.tool("--keypairgen", "--key-type", kind, "--label", name, "--id", identifier, *more)
        return self.address(f"object={name}")

    def tool(self, *words: str | Path) -> str:
        place: tuple[str | Path, ...] = ("--module", softhsm(), "--token-label", self.label)
        return self.shelf.run("pkcs11-tool", *place, "--login", "--pin", PIN, *words)

    def address(self, attributes: str, query: str = "") -> str:
        return f"pkcs11:token={self.label};{attributes}?module-path={softhsm()}{query}"


@dataclass(frozen=True)
class Desk:
    """`tally` with tokens plugged in, and whoever knows their PIN."""

    tally: Tally
    token: Token
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *words: str | Path, pin: str | None = PIN, stdin: str | None = None) -> Ran:
        given = {} if pin is None else {"TALLY_KEY_PASSPHRASE": pin}
        environment = {**self.token.shelf.environment, **self.environment, **given}
        ran = self.tally(*words, environment=environment, stdin=stdin)
        assert not any(secret in ran.out + ran.err for secret in (PIN, WRONG))
        return ran

    def tried(self, address: str, pin: str | None = PIN) -> str:
        """What the quickest command says that signs: of a release that is none, once the key has signed."""
        (self.tally.folder / "empty").mkdir(exist_ok=True)
        command = ["verify", "empty", "--key", "other.pub", "--attest", "out.json", "--attest-key", address]
        return self(*command, pin=pin).failed(2).err

    def opens(self, address: str, pin: str | None = PIN) -> None:
        said = self.tried(address, pin)
        assert "no release.json in empty" in said, said

    def refuses(self, address: str, pin: str | None = PIN) -> str:
        said = self.tried(address, pin)
        assert "no release.json in empty" not in said, said
        return said
