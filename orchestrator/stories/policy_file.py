"""Reading a policy from disk, with the keys that it names: the edge of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.bundles import trust
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import expanded, shown
from orchestrator.keys import keyfiles
from orchestrator.keys.key import PublicKey
from orchestrator.policy.document import PolicyDocument
from orchestrator.policy.policy import Policy
from orchestrator.recipe.explaining import explain
from orchestrator.recipe.toml import read_toml

_PEM = "-----BEGIN "


def load(path: Path) -> Policy:
    """The policy in a file. One that trusts nobody is read too: to refuse it is the verdict's affair.

    Raises TallyError naming the file, the line, the key and what was expected.
    """
    text, values = read_toml(path, "a policy")
    document = _checked(text, values, path)
    keys: dict[bytes, str] = {}

    def public(said: str, owner: str) -> bytes:
        spki = _public_key(said, owner, path)
        if spki in keys:
            raise TallyError(
                f"{path}: {owner} and {keys[spki]} have one key",
                hint="one party would speak for two: give each key in one place",
            )
        keys[spki] = owner
        return spki

    root = None
    if document.trusted_root is not None:
        root = trust.load(path.parent / expanded(Path(document.trusted_root)))
    return document.policy(public, root, path.name, Sha256.of(text.encode("utf-8")))


def _checked(text: str, values: Mapping[str, Any], path: Path) -> PolicyDocument:
    try:
        return PolicyDocument.model_validate(values)
    except ValidationError as error:
        message, hint = explain(error, text, str(path), PolicyDocument)
        raise TallyError(message, hint=hint) from error


def _public_key(said: str, owner: str, path: Path) -> bytes:
    """A key in PEM, or in a file whose name is relative to the policy's folder."""
    if _PEM not in said:
        if "\n" in said or "\0" in said:
            raise TallyError(
                f"{path}: the key of {owner} is neither a file's name nor PEM: {shown(Path(said))}",
                hint=keyfiles.HINT,
            )
        try:
            return PublicKey.load(path.parent / expanded(Path(said))).spki
        except TallyError as error:
            raise TallyError(
                f"{path}: the key of {owner}: {error.message}",
                hint="mend `key` there: it is the file of a public key, relative to the policy's folder",
            ) from error
    what = f"{path}: the key of {owner}"
    if "PRIVATE KEY" in said:
        raise TallyError(f"{what} is a private one", hint="remove it from the policy, and make a new key")
    if said.count(_PEM) > 1:
        raise TallyError(f"{what} is more than one key", hint="give each signer one key")
    return PublicKey.from_pem(said.encode(), what).spki
