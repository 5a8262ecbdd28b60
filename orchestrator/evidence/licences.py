"""Licence expressions in the SBOM (SPDX 2.3, annex D), and the texts that LicenseRef-… stands for. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import Material
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.licences import as_references, later_licence

_WORD = re.compile(r"[A-Za-z0-9.+:-]+")
_EXPRESSION = re.compile(r"(\s|[()]|[A-Za-z0-9.+:-])+")
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


def checked(expression: str, owner: str) -> str:
    """An expression made of the characters that one can have. Raises TallyError naming its owner."""
    if not _EXPRESSION.fullmatch(expression) or not _WORD.search(expression):
        raise TallyError(
            f"the licence of {owner} is not an SPDX expression: {expression!r}",
            hint="write one as in https://spdx.org/licenses/, for instance `GPL-3.0-or-later`",
        )
    return expression


def extracted(facts: ReleaseFacts, materials: Sequence[Material]) -> list[dict[str, str]]:
    """Where to read each LicenseRef-… (clause 10), sorted by its name."""
    owners: dict[str, dict[str, None]] = {}
    declared = [(facts.package.license, f"{facts.package.name}'s source")]
    declared += [
        (env.get("tallyLicense"), f"{env.get('tallyName', path)}'s source") for path, env in _built(facts)
    ]
    declared += [(material.license, material.name) for material in materials]
    for expression, owner in declared:
        for word in _WORD.findall(as_references(expression or "")):
            if _REFERENCE.fullmatch(word):
                owners.setdefault(word, {})[owner] = None
    return [
        {
            "licenseId": name,
            "name": name.removeprefix("LicenseRef-"),
            "extractedText": _text(name, list(found)),
        }
        for name, found in sorted(owners.items())
    ]


def _text(name: str, owners: Sequence[str]) -> str:
    where = f"The text is in the copyright file of: {', '.join(owners)}"
    key = later_licence(name)
    return f"{key}+ (SPDX 2.3, annex D): {key}, or a later version of it. {where}" if key else where


def _built(facts: ReleaseFacts) -> list[tuple[str, dict[str, str]]]:
    paths = [path for path in facts.products if path in facts.graph.by_output]
    return [(path, dict(facts.graph.by_output[path].env)) for path in paths]
