"""Licence expressions in a bill, and the texts that LicenseRef-… stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.evidence.sbom.component import Component
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.licences import as_references, later_licence

_WORD = re.compile(r"[A-Za-z0-9.+:-]+")
_EXPRESSION = re.compile(r"(\s|[()]|[A-Za-z0-9.+:-])+")
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


def declared(component: Component) -> str | None:
    """A component's licence as an expression that every client reads (SPDX 2.3, annex D).

    Raises TallyError naming the component for what has other characters than an expression can have.
    """
    expression = component.license
    if not expression:
        return None
    if not _EXPRESSION.fullmatch(expression) or not _WORD.search(expression):
        raise TallyError(
            f"the licence of {component.name} is not an SPDX expression: {expression!r}",
            hint="write one as in https://spdx.org/licenses/, for instance `GPL-3.0-or-later`",
        )
    return as_references(expression)


def references(components: Iterable[Component]) -> Mapping[str, str]:
    """Each LicenseRef-… to where its text can be read, sorted by its name (SPDX 2.3, clause 10)."""
    owners: dict[str, dict[str, None]] = {}
    for component in components:
        for word in _WORD.findall(as_references(component.license)) if component.license else ():
            if _REFERENCE.fullmatch(word):
                owners.setdefault(word, {})[component.license_text or component.name] = None
    return {name: _text(name, list(found)) for name, found in sorted(owners.items())}


def _text(name: str, owners: Sequence[str]) -> str:
    where = f"The text is in the copyright file of: {', '.join(owners)}"
    key = later_licence(name)
    return f"{key}+ (SPDX 2.3, annex D): {key}, or a later version of it. {where}" if key else where
