"""The names that our evidence uses and that somebody must be able to look up, in docs/predicates/."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

# `.example` is reserved (RFC 2606): nobody can register the name and put other words behind our types
_BASE: Final = "https://tallystick.example"

BUILD_TYPE: Final = f"{_BASE}/build/v1"
"""Of a recipe: docs/predicates/build.md"""
DERIVATION_TYPE: Final = f"{_BASE}/derivation/v1"
"""Of a `.drv`: docs/predicates/derivation.md"""
EXPRESSION_TYPE: Final = f"{_BASE}/expression/v1"
"""Of an attribute of a Nix file: docs/predicates/expression.md"""
FLAKE_TYPE: Final = f"{_BASE}/flake/v1"
"""Of an attribute of a flake: docs/predicates/flake.md"""
TARGET_KINDS: Final = {
    "recipe": BUILD_TYPE,
    "derivation": DERIVATION_TYPE,
    "expression": EXPRESSION_TYPE,
    "flake": FLAKE_TYPE,
}
"""What a policy calls what a release was made from."""
BUILD_TYPES: Final = frozenset(TARGET_KINDS.values())
ORCHESTRATOR: Final = f"{_BASE}/orchestrator/v1"
"""SLSA's `builder.id` of what Tallystick attests: docs/predicates/build.md"""
VERIFIER: Final = f"{_BASE}/verifier/v1"
"""`verifier.id` of what `tally verify --attest` signs: docs/predicates/verification.md"""
DERIVATION_BUILD: Final = f"{_BASE}/derivation/v1"
"""The build of a derivation by nobody who is known, in an SBOM: docs/predicates/spdx3.md"""
SBOM_NAMESPACE: Final = f"{_BASE}/spdx"
"""docs/predicates/spdx.md"""

LOCATIONS: Final = f"{_BASE}/locations/v1"
"""Where a release can be fetched, in a release statement: docs/predicates/locations.md"""

IMAGE_INDEX: Final = f"{_BASE}/image-index/v1"
"""Which releases an OCI index names: docs/predicates/image-index.md"""

SAME_CONTENTS: Final = f"{_BASE}/same-contents/v1"
"""A served file holds what its source makes, in another container: docs/predicates/same-contents.md"""
SAME_CONTENTS_ATTRIBUTE: Final = "CONTENTS_ALONE_REPRODUCED"
"""docs/predicates/same-contents.md; no part of it is the attribute of a reproduction"""

BUILDS: Final = f"{_BASE}/builds/v2"
"""What an operator's builders made of many derivations, an exported ledger: docs/predicates/builds.md"""
BUILDS_1: Final = f"{_BASE}/builds/v1"
"""The same by earlier versions, which did not tell what each was made from."""

REPRODUCIBLE: Final = "REPRODUCIBLE_BUILD"
"""docs/predicates/reproduction.md"""
NOT_REPRODUCED: Final = "BUILD_NOT_REPRODUCED"
"""docs/predicates/disagreement.md; it holds no part of the other, so that no search for that one finds it"""
NAR_SHA256: Final = "narSha256"
"""The key, in a digest set, of the sha256 of a store object's NAR serialisation, in lower-case hexadecimal:
docs/predicates/nar-digest.md"""

PROVENANCE: Final = "https://slsa.dev/provenance/v1"
REPRODUCTION: Final = "https://in-toto.io/attestation/scai/v0.3"
SPDX: Final = "https://spdx.dev/Document/v2.3"
SPDX3: Final = "https://spdx.dev/Document"
CYCLONEDX: Final = "https://cyclonedx.org/bom"
LINK: Final = "https://in-toto.io/attestation/link/v0.3"
PUBLISHED: Final = "https://in-toto.io/attestation/release/v0.1"
VERIFICATION: Final = "https://slsa.dev/verification_summary/v1"
BUNDLES: Final = {
    PROVENANCE: "attestations/provenance.sigstore.json",
    REPRODUCTION: "attestations/reproduction.sigstore.json",
    SPDX: "attestations/sbom-spdx.sigstore.json",
    SPDX3: "attestations/sbom-spdx3.sigstore.json",
    CYCLONEDX: "attestations/sbom-cyclonedx.sigstore.json",
}
"""Where in a release the bundle of each statement is."""
SBOMS: Final = {SPDX: ".spdx.json", SPDX3: ".spdx3.json", CYCLONEDX: ".cdx.json"}
"""How the name of the file in `sbom/` ends that holds the predicate of each type.

Releases that were made before there were three have the first alone."""
STATEMENT: Final = "https://in-toto.io/Statement/v1"

IN_TOTO_PAYLOAD: Final = "application/vnd.in-toto+json"
RELEASE_INDEX: Final = "release.json"
"""What lists every file of a release by its digest."""
SOURCE: Final = "source/"
"""Where a release carries what made it."""
SOURCE_LOCK: Final = "source/tally.lock"
RECIPES: Final = "source/recipes/"
"""Where a release carries its recipes."""
BELIEVED: Final = "believed"
"""The kind of a material that nobody here rebuilt: docs/predicates/build.md"""
REPOSITORY: Final = "repository"
"""What the provenance calls the repository that recipe and lock are from: docs/predicates/build.md"""
STEP: Final = "build"
"""The one step of our layouts, and the first part of a link's file name."""
DISAGREEMENT_STEP: Final = "build-not-reproduced"
"""What a builder's link is called that is evidence of a disagreement. No layout has such a step."""


class Kind(StrEnum):
    """How a material came into the build: docs/predicates/build.md, `annotations.kind`."""

    SOURCE = "source"
    """What the package is made from: fetched, or put into the store with somebody's own derivation."""
    TOOLCHAIN = "toolchain"
    """Fetched: what it is made with."""
    FETCHED = "fetched"
    """Fetched by somebody's own derivation, which does not say which of the two it is."""
    FILE = "file"
    """Put into the store when the derivation was made (Nix's input sources): build scripts and the like."""
    BUILT = "built"
    """Built in the same run by every builder: other recipes, the toolchain's root."""
    BELIEVED = "believed"
    """Taken from a binary cache by a signature that is believed; nobody here built it."""


KINDS: Final = frozenset(Kind)
"""Every kind that our build type knows: a material of another is refused, since no rule would look at it."""
FETCHED_KINDS: Final = frozenset({Kind.SOURCE, Kind.TOOLCHAIN, Kind.FETCHED})
"""The kinds of what was fetched: all others are no files by sha256, and have no address."""
