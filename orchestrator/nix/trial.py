"""Try Nix's sandbox in a scratch store, with nothing but this machine's own shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, write_scratch
from orchestrator.ground.plainly import why
from orchestrator.nix.chroot import ChrootStore

EXPRESSION = Path(__file__).with_name("trial.nix")
_LARGEST = 1 << 20  # bytes of what it saw; it takes some kilobytes
_LDD_TIMEOUT = 30.0  # seconds
_LIBRARY = re.compile(r"^\s*(?:(?P<name>\S+) => )?(?P<path>/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a build saw from inside the sandbox."""

    interfaces: tuple[str, ...]
    uid: int
    directory: str
    host_name: str
    root_entries: tuple[str, ...]
    variables: tuple[str, ...]
    host_file_visible: bool
    nested: str | None
    """What a user namespace within the sandbox said: `works`, or why not. None where it was not tried."""


DECLARED = frozenset({"name", "system", "hostFile", "tools", "start", "builder", "out"})
"""The variables that the trial's derivation itself sets."""


def try_sandbox(store: ChrootStore, system: str) -> Trial:
    """Build the trial in `store`, a scratch store. Raises TallyError, mostly with what Nix said."""
    folder = store.nix.scratch / "trial-tools"
    loader = _gather_tools(folder)
    host_file = store.nix.scratch / "host-file"
    write_scratch(host_file, "no build may read this\n")
    arguments = {"tools": str(folder), "system": system, "loader": loader, "hostFile": str(host_file)}
    named = [word for name, value in arguments.items() for word in ("--argstr", name, value)]
    derivation = store.nix.run(store.command("nix-instantiate", str(EXPRESSION), *named)).split()[-1]
    output = store.nix.run(store.command("nix-store", "--realise", derivation)).split()[-1]
    return read_trial(contents(store.physical(output), _LARGEST).decode(errors="replace"))


def read_trial(text: str) -> Trial:
    """Read what trial.sh wrote. Raises TallyError when a fact is missing."""
    facts: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        facts.setdefault(key, []).append(value)
    try:
        return Trial(
            interfaces=tuple(sorted(name.strip() for name in facts["interface"])),
            uid=int(facts["uid"][0]),
            directory=facts["directory"][0],
            host_name=facts["host"][0],
            root_entries=tuple(sorted(facts["root"])),
            variables=tuple(sorted(name.removeprefix("-x ") for name in facts["variable"])),
            host_file_visible="hostfile" in facts,
            nested=facts["nested"][0] if "nested" in facts else None,
        )
    except (KeyError, ValueError) as error:
        raise TallyError(f"the trial build did not say what it saw: {why(error)}") from error


def _gather_tools(folder: Path) -> str:
    """Copy the shell, `unshare` and their libraries; gives the name of the dynamic loader, empty for none."""
    folder.mkdir()
    programs = {"sh": Path("/bin/sh")}
    if unshare := shutil.which("unshare"):
        programs["unshare"] = Path(unshare)
    loader = ""
    for name, program in programs.items():
        try:
            shutil.copyfile(program, folder / name)
            for file_name, library in libraries(_ldd(program)):
                shutil.copyfile(library, folder / file_name)
                if file_name.startswith("ld-"):
                    loader = file_name
        except OSError as error:
            raise TallyError(f"cannot copy {program} for a trial build: {why(error)}") from error
    for file in folder.iterdir():
        file.chmod(0o555)
    return loader


def libraries(said: str) -> Sequence[tuple[str, Path]]:
    """Name and place of each library in what `ldd` says; nothing for a static program."""
    return [(Path(m["name"] or m["path"]).name, Path(m["path"])) for m in _LIBRARY.finditer(said)]


def _ldd(program: Path) -> str:
    try:
        # its status is 1 for a static program, which is as good
        said = subprocess.run(
            ["ldd", str(program)], capture_output=True, text=True, timeout=_LDD_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TallyError(f"cannot tell the libraries of {program}: {why(error)}") from error
    return said.stdout
