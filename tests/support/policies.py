"""Policies for tests: TOML beside the keys that it names."""

from __future__ import annotations

from pathlib import Path

from orchestrator.keys.key import PublicKey, SigningKey
from orchestrator.policy.policy import Policy
from orchestrator.stories.policy_file import load


def pem(key: SigningKey | PublicKey) -> str:
    """A key as it stands in a policy: inline."""
    public = key.public if isinstance(key, SigningKey) else key
    return f'"""\n{public.pem}"""'


def signer(key: SigningKey | PublicKey, name: str = "release", more: str = "") -> str:
    """A [[signer]] with that key."""
    return f'[[signer]]\nname = "{name}"\nkey = {pem(key)}\n{more}\n'


def rebuilders(quorum: int, *names: str) -> str:
    """A policy that asks for rebuilders, whose keys lie beside it, as the publisher's does."""
    every = (f'[[rebuilder]]\nname = "{name}"\nkey = "{name}.pub"\n' for name in names)
    publisher = '[[signer]]\nname = "publisher"\nkey = "release.pub"\n'
    return f"{publisher}[rebuilders]\nquorum = {quorum}\n{''.join(every)}"


def policy(folder: Path, *parts: str) -> Policy:
    """The policy of a file with these parts."""
    file = folder / "policy.toml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(parts))
    return load(file)
