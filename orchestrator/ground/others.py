"""What programs of others are run with: the environment without our secrets, in a folder without files."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.ground.errors import TallyError

_SECRETS = re.compile(
    r"TALLY_KEY_PASSPHRASE|SIGSTORE_ID_TOKEN|ACTIONS_(ID_TOKEN_REQUEST|RUNTIME)_TOKEN|CI_JOB_JWT\w*"
    r"|AWS_(SECRET_ACCESS_KEY|SESSION_TOKEN)|AZURE_CLIENT_SECRET|GOOGLE_\w*TOKEN|VAULT_TOKEN"
)
"""A key's passphrase, what signs in somebody's name, and the credentials of clouds that hold keys."""
_FILES = ("PIP_CONFIG_FILE", "NPM_CONFIG_USERCONFIG", "npm_config_userconfig", "APT_CONFIG")
"""Variables that name a file, which may be relative to the working folder."""


def environment() -> dict[str, str]:
    """This process's variables, without those that only Tallystick has a use for."""
    kept = {name: value for name, value in os.environ.items() if not _SECRETS.fullmatch(name)}
    return kept | {name: str(Path(kept[name]).absolute()) for name in _FILES if kept.get(name)}


@contextmanager
def nowhere() -> Iterator[Path]:
    """An empty folder to run a program in, which finds neither code nor settings there.

    Raises TallyError where none can be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="tally-")
    except OSError as error:
        raise TallyError(f"cannot make a temporary folder: {error.strerror or error}") from error
    with folder as name:
        yield Path(name)
