"""What kind of file a component is delivered as, where its name or its bytes say so. Pure.

Fields: BSI TR-03183-2, version 2.1, section 5.2.2; names: the BSI's CycloneDX property taxonomy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from orchestrator.evidence.sbom.component import Component, is_nar

_ARCHIVE: Final = re.compile(
    r".*\.(tar(\.[a-z0-9]+)?|tgz|tbz2|txz|zip|whl|crate|deb|gem|jar|nar)", re.IGNORECASE
)
_TEXT: Final = re.compile(r".*\.(patch|diff)", re.IGNORECASE)


def is_archive(component: Component) -> bool | None:
    """Whether it holds files, which keep their names in it; None: nothing says so."""
    if component.digest is None:
        return None
    if is_nar(component.digest) or _ARCHIVE.fullmatch(component.hashed_file or ""):
        return True
    return False if _TEXT.fullmatch(component.hashed_file or "") else None


def taxonomy(component: Component) -> Iterator[tuple[str, str]]:
    """Names and values of properties: what is known."""
    if component.hashed_file:
        yield "bsi:component:filename", component.hashed_file
    if component.executable:
        yield "bsi:component:executable", "executable"
    known = is_archive(component)
    if known is not None:
        yield "bsi:component:archive", "archive" if known else "no archive"
    if known:
        yield "bsi:component:structured", "structured"


def purposes(component: Component) -> list[str]:
    """What is known, as SPDX 3.0.1's SoftwarePurpose: in a `container` contents keep their names."""
    found = ["archive", "container"] if is_archive(component) else []
    return [*found, "executable"] if component.executable else found
