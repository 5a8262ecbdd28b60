"""A further `[[builder]]` in tally.toml: appended, so that nothing that is written there is lost."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from orchestrator.builders import ssh
from orchestrator.builders.configuration import FILE_NAME, BuilderTable, Configuration, find, parse
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import write_atomically
from orchestrator.ground.plainly import why
from orchestrator.recipe.toml import read_toml

_ANSWER = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class Added:
    """What was written where, and what the user should know."""

    file: Path
    notes: tuple[str, ...]


def as_written(folder: Path, path: Path) -> str:
    """What the tally.toml that counts in `folder` has to say for a file, named as from there."""
    file = find(folder)
    if file is None or file.parent == folder or path.is_absolute() or str(path).startswith("~"):
        return str(path)
    return os.path.relpath(folder / path, file.parent)


def refuse(folder: Path, values: Mapping[str, Any]) -> None:
    """Raises TallyError when `add` would, whatever a host over ssh would say."""
    file = find(folder) or folder / FILE_NAME
    _begin(_read(file), values, file)


def listed(folder: Path, name: str) -> BuilderTable | None:
    """The builder of that name in the tally.toml that counts in `folder`. Raises TallyError."""
    file = find(folder)
    tables = parse(_read(file), file).builder if file else ()
    return next((table for table in tables if table.name == name), None)


def add(folder: Path, values: Mapping[str, Any]) -> Added:
    """Add a builder to the tally.toml that counts in `folder`, or to a new one there.

    `values` are the keys of its table. A host over ssh without `host-key` is asked for it. Where no builder
    was listed before, the two default ones are listed too. Raises TallyError for what cannot be.
    """
    file = find(folder) or folder / FILE_NAME
    text = _read(file)
    tables = _begin(text, values, file)
    table = dict(values)
    notes: tuple[str, ...] = ()
    if str(values["store"]).startswith(ssh.PREFIX) and "host-key" not in values:
        table["host-key"], notes = _ask(ssh.Destination.parse(values["store"]))
    whole = _parse_with(text, [*tables, table], file)
    write_atomically(file, whole.encode())
    return Added(file, (*notes, *_votes(parse(whole, file), file)))


def _votes(now: Configuration, file: Path) -> tuple[str, ...]:
    """How many have to agree from now on, where that has changed."""
    own = now.builder[-1].system
    names = [each.name for each in now.builder if not each.spare and own in (each.systems or (each.system,))]
    if now.quorum is not None or len(names) < 3:
        return ()
    return (
        f"all of {', '.join(names)} have to build and agree now; with a `quorum` in {file.name}, that many",
    )


def _begin(text: str, values: Mapping[str, Any], file: Path) -> list[dict[str, Any]]:
    """What is to be listed before these values, which fit what is there."""
    before = parse(text, file)
    tables: list[dict[str, Any]] = []
    if "builder" not in before.model_fields_set:
        tables += [{"name": each.name, "store": each.store} for each in Configuration().builder]
    _parse_with(text, [*tables, dict(values)], file)
    return tables


def _read(file: Path) -> str:
    return read_toml(file, FILE_NAME)[0] if os.path.lexists(file) else ""


def _parse_with(text: str, tables: list[dict[str, Any]], file: Path) -> str:
    """The text with further tables; it has been read as a configuration."""
    begun = f"{text.rstrip()}\n\n" if text.strip() else ""
    added = "\n".join(f"[[builder]]\n{tomli_w.dumps(each)}" for each in tables)
    whole = f"{begun}{added}"
    try:
        parse(whole, file)
    except TallyError as error:  # it names lines that are not in the file yet
        said = error.message.removeprefix(str(file)).lstrip(":0123456789").strip()
        raise TallyError(f"cannot add the builder {tables[-1]['name']}: {said}", hint=error.hint) from error
    return whole


def _ask(destination: ssh.Destination) -> tuple[str, tuple[str, ...]]:
    """A host's key, as it says itself, and its fingerprint to compare."""
    port = ["-p", str(destination.port)] if destination.port else []
    command = ["ssh-keyscan", "-T", "10", "-t", "ed25519", *port, destination.host.strip("[]")]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _silent(destination, why(error)) from error
    found = re.search(r"^[^#\s]\S* (ssh-ed25519 \S+)", said.stdout, re.MULTILINE)
    if found is None:
        raise _silent(destination, said.stderr.strip() or "nothing answers, or it has no ed25519 key")
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"], input=found.group(1), capture_output=True, text=True, check=False
    )
    fingerprint = next((word for word in shown.stdout.split() if word.startswith("SHA256:")), "unknown")
    return found.group(1), (
        f"{destination.host} shows the host key {fingerprint}",
        "compare that with what its operator says: whoever answered is who is trusted from now on",
    )


def _silent(destination: ssh.Destination, why: str) -> TallyError:
    return TallyError(
        f"{destination.host}, port {destination.port or 22}, does not show its host key: {why}",
        hint="see whether the host is up and its ssh server has that port, or give its key with --host-key",
    )
