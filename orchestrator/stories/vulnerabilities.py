"""From a target to the published vulnerabilities of what it is made of: offline, from a folder of records."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.evidence.advisories.matching import Looked, Looking, Part
from orchestrator.evidence.advisories.osv import NotOsv
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import shown
from orchestrator.ground.state import State
from orchestrator.run.advisories import advisories, nothing_in
from orchestrator.stories import sbom
from orchestrator.stories.sbom import Asked

_NOT_READ = re.compile(r"\b(was|were) not read\b|ELF files alone")
"""As `Within.unread` says it."""


@dataclass(frozen=True)
class Searched:
    """What a search came to."""

    looked: Looked
    records: int
    unread: tuple[str, ...]
    """What could not be read, of the records and of the target, as sentences."""


def search(state: State, asked: Asked, folder: Path) -> Searched:
    """Look each component of all targets up in the records of a folder. Raises TallyError."""
    parts, warnings = _parts(state, asked)
    looking = Looking(parts)
    unread, records = list(warnings), 0
    for file, record in advisories(folder):
        match record:
            case NotOsv():
                unread.append(f"{file}: {record}")
                continue
            case None:
                pass
            case _:
                looking.look(record)
        records += 1
    if not records and len(unread) == len(warnings):
        raise nothing_in(folder)
    return Searched(looking.done(), records, tuple(unread))


def _parts(state: State, asked: Asked) -> tuple[Sequence[Part], Sequence[str]]:
    """The components that have a package URL; and what could not be read."""
    if sbom.is_release(asked):
        documents = sbom.of_release(sbom.release_folder(asked.targets[0]), asked, [Form.SPDX_2_3])
        try:
            packages = json.loads(documents.data[Form.SPDX_2_3])["packages"]
            return _of_packages(packages), _unread(packages)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TallyError(
                f"the SBOM of {shown(Path(asked.targets[0]))} is not one of a release",
                hint="`tally verify` tells whether it is what was signed",
            ) from error
    bill, warnings = sbom.billed(state, asked)
    return [Part(each.name, each.version, each.purl) for each in bill.components if each.purl], warnings


def _unread(packages: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    """What could not be read when the release was made, as the comments on packages have it."""
    return [
        f"{package['name']}: {line}"
        for package in packages
        for line in package.get("comment", "").splitlines()
        if _NOT_READ.search(line)
    ]


def _of_packages(packages: Sequence[Mapping[str, Any]]) -> Sequence[Part]:
    """Those of an SPDX 2.3 document of ours that can be looked up."""
    return [
        Part(package["name"], package.get("versionInfo"), reference["referenceLocator"])
        for package in packages
        for reference in package.get("externalRefs", ())
        if reference["referenceType"] == "purl"
    ]
