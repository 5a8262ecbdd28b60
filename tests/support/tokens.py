"""PKCS#11 tokens: SoftHSM's, made with OpenSC's pkcs11-tool, each in a folder of its test's."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PIN = "31415926535897932"  # so long that no digest has it by chance
SO_PIN = "27182818284590452"


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
