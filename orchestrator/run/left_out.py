"""What a rebuilder of a release needs, and does not find among its published sources: a line each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from orchestrator.bundles import own_bundle
from orchestrator.evidence import statement
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.terms import BUNDLES, PROVENANCE
from orchestrator.ground.wording import counted
from orchestrator.run.claim import Claim

_WHAT = "the provenance"


def left_out(
    claim: Claim, trees: Sequence[str], believed: Collection[str] = (), fixed: Sequence[str] = ()
) -> Iterator[str]:
    """Each with where a rebuilder has it from.

    `trees` are the narHashes of those of nixpkgs that are not in our store, `believed` the believed inputs
    that are not published, `fixed` the names of fixed inputs that only believed inputs were made from, and
    that cannot be had.
    """
    for tree in trees:
        yield (
            f"not among the sources of {claim.name}: the tree of nixpkgs that its recipe is evaluated with "
            f"({tree}); Nix fetches that from where flake.lock says"
        )
    if believed:
        yield (
            f"not among the sources of {claim.name}: {counted(len(believed), 'input')} believed of a cache, "
            f"{min(believed)} among them; a rebuilder believes them of the same cache, "
            "or builds them. --with-believed puts them into a Nix cache"
        )
    if fixed:
        yield (
            f"not among the sources of {claim.name}: {counted(len(fixed), 'fixed input')} that believed "
            f"inputs were made from, {min(fixed)} among them, which cannot be had; so a rebuilder has to "
            "believe those"
        )


def believed_of(claim: Claim) -> set[str]:
    """The store paths that the release's builders did not build."""
    name = BUNDLES[PROVENANCE]
    try:
        said = statement.parse(own_bundle.parse(claim.read(name), name).envelope.payload, name).predicate
        definition = member(said, "buildDefinition", dict, _WHAT)
        listed = [each.get("annotations") for each in member(definition, "resolvedDependencies", list, _WHAT)]
        return {str(each["storePath"]) for each in listed if isinstance(each, dict) and "signature" in each}
    except (MalformedError, AttributeError, KeyError):
        return set()  # `tally verify` says what it is
