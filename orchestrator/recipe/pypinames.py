"""What names of files on PyPI say (PEP 427, PEP 625, and what came before them). Pure."""

from __future__ import annotations

import re

from orchestrator.recipe.names import normalised
from orchestrator.recipe.purls import same_python_version

_ENDING = re.compile(r"\.(?:(whl|egg|exe|msi)|tar|tar\.[a-z0-9]+|tgz|tbz|tbz2|txz|zip)$", re.IGNORECASE)
"""Of a release's files: the built ones have tags behind the version."""


def is_of_version(file: str, project: str, version: str) -> bool:
    """Whether a file's name is one of the project's at this version."""
    project = normalised(project)
    found = _ENDING.search(file)
    if found is None:
        return False
    stem, built = file[: found.start()], found[1] is not None
    for dash in re.finditer("-", stem):
        if normalised(stem[: dash.start()]) == project:
            rest = stem[dash.end() :]
            if same_python_version(rest.split("-", 1)[0] if built else rest, version):
                return True
    return False
