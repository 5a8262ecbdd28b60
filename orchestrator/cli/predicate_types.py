"""What `--type` takes: cosign's short names of predicate types, and any type's whole address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orchestrator.evidence.terms import CYCLONEDX, PROVENANCE, SPDX, SPDX3
from orchestrator.ground.errors import TallyError

_SPDX: Final = (SPDX3, SPDX)
"""cosign writes the address without a version; of a document of SPDX 2.3 in-toto has it with the version."""
SHORT: Final[Mapping[str, tuple[str, ...]]] = {
    "slsaprovenance": ("https://slsa.dev/provenance/v0.2",),
    "slsaprovenance02": ("https://slsa.dev/provenance/v0.2",),
    "slsaprovenance1": (PROVENANCE,),
    "link": ("https://in-toto.io/Link/v1",),
    "spdx": _SPDX,
    "spdxjson": _SPDX,
    "cyclonedx": (CYCLONEDX,),
    "vuln": ("https://cosign.sigstore.dev/attestation/vuln/v1",),
    "openvex": ("https://openvex.dev/ns",),
    "custom": ("https://cosign.sigstore.dev/attestation/v1",),
}
"""What each of cosign's names stands for; any of these will do."""


def asked(written: str | None) -> tuple[str, ...]:
    """The predicate types of which one is wanted. None, where nothing was asked: SLSA provenance v1.

    Raises TallyError for what is neither a known name nor an address, which has a `/` or a `:`.
    """
    if written is None:
        return (PROVENANCE,)
    if written in SHORT:
        return SHORT[written]
    if "/" in written or ":" in written:
        return (written,)
    from difflib import get_close_matches

    near = get_close_matches(written.lower(), list(SHORT), n=1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    raise TallyError(
        f"--type {written[:80]!r} is no type that is known",
        hint=f"{meant}the names are {', '.join(SHORT)}; any other type goes by its address, as {PROVENANCE}",
    )
