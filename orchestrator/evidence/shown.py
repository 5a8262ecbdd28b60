"""What a release says of itself, for people and as JSON. Values only; being here verifies nothing of it.

Its JSON Schema is what `tally schema show` prints; docs/reference/show.md tells of each field.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from orchestrator.evidence.part import Count, Part

FORMAT: Final = 1


class File(Part):
    """A file, by its digest."""

    path: str
    sha256: str
    size: Count


class Derivations(Part):
    """Store paths of `.drv` files."""

    package: str
    artifact: str | None = None
    """What packed the artifact."""


class Repository(Part):
    """Which commit recipe and lock are from."""

    commit: str
    uri: str | None = None
    """Null: the clone had no remote that others can reach."""
    uncommitted: tuple[str, ...] = ()
    """The files that are not as the commit has them."""


class Origin(Part):
    """What the release was made from, and when."""

    kind: Literal["recipe", "derivation", "expression", "flake"] | None
    """Null: a kind that is not known here."""
    target: str
    """What the user asked for."""
    recipe: str | None = None
    lock: str | None = None
    repository: Repository | None = None
    toolchains: tuple[dict[str, str], ...] = ()
    """`from`, and its pins, as `suite` or `rev`."""
    licence: str | None = None
    """The package's, as its recipe has it."""
    started: str | None = None
    finished: str | None = None
    tallystick: str | None = None
    """The version that made it."""


class Material(Part):
    """One thing that it was made from."""

    name: str
    kind: str
    digest: str
    """`sha256:HEX`, or `narSha256:HEX`."""
    uri: str | None = None
    """A package URL, else the first address."""
    store_path: str | None = None


class Believed(Part):
    """An input that no builder here built: taken from a cache, by a signature."""

    store_path: str
    key: str
    """The name of the key that was believed."""
    cache: str


class Builder(Part):
    """Who built, as the reproduction statement has it."""

    name: str
    store: str | None = None
    operator: str | None = None
    """Null: nobody is named."""
    nix_version: str | None = None
    system: str | None = None
    kernel: str | None = None
    cpu_model: str | None = None
    emulated: bool = False
    """Whether its processor is known to have been a program."""


class Signature(Part):
    """Who is said to have signed a file. Whether that is so, verifying says."""

    file: str
    kind: Literal["statement", "link", "layout"]
    predicate_type: str | None = None
    """A statement's."""
    builder: str | None = None
    """A link's."""
    key: str | None = None
    """The sha256 of the signer's public key where a bundle hints at it, else the key's in-toto id."""
    identity: str | None = None
    """Whom the signer's certificate names."""
    issuer: str | None = None
    log_entries: Count = 0
    timestamps: Count = 0


class Reason(Part):
    """Why it does not verify."""

    code: str
    sentence: str
    hint: str


class Verification(Part):
    """What came of verifying it, which was asked for with keys, an identity or a policy."""

    verdict: Literal["passed", "failed"]
    signers: tuple[str, ...] = ()
    rebuilders: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


class Node(Part):
    """A derivation that was built, or a material."""

    id: str
    """A derivation's `.drv`, or a material's store path."""
    name: str
    kind: str
    """`derivation`, or a material's kind."""
    inputs: tuple[str, ...] = ()
    """Ids of what it is given: of those that its command names."""


class Graph(Part):
    """The build-time closure, down to fixed outputs and to what is believed."""

    root: str
    """What made the artifact."""
    nodes: tuple[Node, ...]


class Shown(Part):
    """A release, by its own word."""

    show_format: Literal[1] = FORMAT
    target: str
    """What was asked for."""
    name: str
    version: str | None = None
    system: str
    artifact: File
    derivations: Derivations
    agreement: dict[str, Any]
    """As `release.json` has it: docs/predicates/reproduction.md."""
    origin: Origin
    materials: dict[str, Count]
    """How many of each kind."""
    sources: tuple[Material, ...] = ()
    """The materials that the package is made from."""
    believed: tuple[Believed, ...] = ()
    builders: tuple[Builder, ...] = ()
    signatures: tuple[Signature, ...] = ()
    files: tuple[File, ...] = ()
    unreadable: tuple[str, ...] = ()
    """What could not be read, and why: nothing above is from there."""
    graph: Graph | None = None
    """Null: not asked for."""
    verified: bool = False
    """Whether all of it verified in this run, by the keys, the identity or the policy that were given."""
    verification: Verification | None = None
    """Null: nobody asked for it."""


class ShownBundle(Part):
    """A Sigstore bundle, by its own word."""

    show_format: Literal[1] = FORMAT
    target: str
    bundle_version: str
    signature: Signature
    subjects: dict[str, str]
    """Name to digest, `sha256:HEX`: what it is about."""
    verified: Literal[False] = False
