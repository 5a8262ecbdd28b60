"""What a verification tells beside its verdict: what is worth knowing, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.bundles.further import Further
from orchestrator.bundles.opened import OpenedBundle
from orchestrator.evidence.terms import BUNDLES, REPRODUCTION
from orchestrator.ground.wording import counted as counted_of
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy import reached
from orchestrator.policy.evidence import Evidence, Judged
from orchestrator.policy.policy import Policy
from orchestrator.policy.rules.builders import Counted
from orchestrator.policy.signer import Signer
from orchestrator.publishing.contents import Contents, not_part
from orchestrator.publishing.index import Index

_STATEMENT = BUNDLES[REPRODUCTION]
"""Where a rebuilder's folder has it, as a release does."""


def left_of(notices: Iterable[str], counted: Iterable[Judged]) -> Iterator[str]:
    """The notices that are not about statements which count elsewhere, nor about a rebuilder's own links.

    Those lie beside such a statement, and are by keys of the rebuilder's builders, which no policy names.
    """
    files = [each.file for each in counted]
    aside = tuple(f"{file} was set aside" for file in files)
    links = tuple(
        f"{file.removesuffix(_STATEMENT)}links/" for file in files if f"/{file}".endswith(f"/{_STATEMENT}")
    )
    for notice in notices:
        name, _, why = notice.partition(" was set aside: ")
        own = (
            name.startswith(links) and name.endswith(".link") and why.startswith("it is not signed by a key")
        )
        if not own and not notice.startswith(aside):
            yield notice


def names_of(policy: Policy, signers: Iterable[Signer]) -> Mapping[str, tuple[str, ...]]:
    """What the policy calls those who signed; nothing where it has no other name than the signer's own."""
    return {
        str(signer): names
        for signer in signers
        if (names := tuple(e.name for e in policy.signers.signers if e.named and e.is_(signer)))
    }


def of_contents(
    index: Index, lying: Sequence[str], contents: Contents, theirs: Further, dissent: Sequence[str]
) -> Iterable[str]:
    if contents.nar_hash is None:
        yield (
            f"{index.artifact} is not there and was judged by its digest alone: whether its bytes are the "
            "store object that was agreed on was left out"
        )
    for builder in dissent:
        yield f"builder {builder} made something else: its dissent is in the signed evidence"
    yield from theirs.notices
    yield from not_part(lying)


def of_depth(reach: reached.Reached | None) -> Iterator[str]:
    if reach is not None:
        yield str(reach)


def of_commands(number: int) -> Iterator[str]:
    if number:
        yield (
            f"{counted_of(number, 'command')} of those in the provenance can be compared with nothing that"
            " builders signed, since what was believed was made by commands that nobody tells"
        )


def of_builders(evidence: Evidence, counted: Sequence[Counted]) -> Iterator[str]:
    links = [each.vouched for each in counted]
    for vouched in evidence.links:
        if vouched not in links:
            yield f"{vouched.file} by builder {vouched.link.builder} has no vote of its own by the policy"


def of_witnesses(
    bundles: Mapping[str, OpenedBundle],
    judged: Mapping[str, Judged],
    own: TrustedRoot,
    trusted: TrustedRoot,
) -> Iterator[str]:
    """What log entries and timestamps do not prove."""
    if any(each.doubts and each.time is None for each in judged.values()):
        yield (
            "there are timestamps by no authority that you trust: they do not prove when it was signed; "
            "give --trusted-root with the authority's certificates from elsewhere"
        )
    if trusted.tlogs:
        return
    if trusted.unlogged and any(each.certified for each in bundles.values()):
        from orchestrator.bundles.trust import NO_LOG

        yield f"signatures by identities are in no transparency log, since {NO_LOG}"
        return
    if own.tlogs:
        names = ", ".join(log.origin for log in own.tlogs)
        yield (
            f"its signatures suffice; only the release says that they are in the log {names}, a list of what "
            "was signed; to check that, too, give the log's key from elsewhere with --trusted-root"
        )
    elif any(each.bundle.entries for each in bundles.values()):
        yield "there are log entries, and no log to check them against: give --trusted-root"
