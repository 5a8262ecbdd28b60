"""From a release's bytes to a verdict: the second of the two stories, a line a step.

Needs the release folder and public keys, and nothing else: no Nix, no network, no state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from orchestrator.errors import TallyError
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.terms import PROVENANCE, REPRODUCTION, SPDX
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy import checks
from orchestrator.policy.verdict import Code, Failed, Passed, Reason, Refused, Verdict
from orchestrator.publishing.contents import locate, read_contents, read_index, unlisted
from orchestrator.publishing.folder import Folder
from orchestrator.publishing.index import index_of
from orchestrator.signing.keys import PublicKey
from orchestrator.signing.opening import (
    OpenedBundle,
    open_bundles,
    open_layout,
    open_links,
    open_trusted_root,
    unlogged,
)


def verify(
    target: Path, keys: Sequence[PublicKey], now: datetime, trusted: TrustedRoot | None = None
) -> Verdict:
    """Whether a release, or the artifact in one, is what its builders agreed on and a trusted key signed.

    `target` is a release folder, or the artifact's path inside one; `now` is UTC. `trusted`, a trusted root
    from elsewhere than the release, names logs that its bundles have to be in. Raises TallyError when it
    cannot be decided: no release there, no key, or the machine would not let a file be read.
    """
    if not keys:
        raise TallyError("there is no key to trust", hint="name the publisher's public key with --key")
    folder, asked = locate(target)
    try:
        return _verdict(folder, asked, keys, now, trusted or TrustedRoot())
    except Refused as refused:
        return Failed(refused.reasons)
    except MalformedError as error:
        return Failed((Reason(Code.MALFORMED, str(error)),))
    except OSError as error:
        raise TallyError(
            f"cannot read {error.filename or target} in {target}: {error.strerror or error}"
        ) from error


def _verdict(
    folder: Folder, asked: str | None, keys: Sequence[PublicKey], now: datetime, trusted: TrustedRoot
) -> Verdict:
    # 1. The index says what to look for; nothing in it is believed yet.
    index = read_index(folder, asked)

    # 2. Every listed file's digest, from its bytes.
    contents = read_contents(folder, index)
    _hold(checks.digests(index.files, contents.measured))
    artifact, sha256 = index.artifact, contents.measured[index.artifact][0]

    # 3. Each bundle's signature, over the exact bytes, by a trusted key (DSSE; Sigstore bundle v0.3).
    bundles = open_bundles(contents.below("attestations/"), keys)
    statements = {name: each.statement for name, each in bundles.items()}

    # 4. Each bundle's entry in a log: of those in the release's own trusted root, which only shows that the
    #    release is whole, and of those that the caller trusts (Rekor v2; RFC 9162, 2.1.3.2).
    own = open_trusted_root(contents.documents)
    for logs in filter(None, (own.tlogs, trusted.tlogs)):
        _hold(unlogged(bundles, logs, now))

    # 5. Every needed statement, about this artifact (in-toto Statement v1; SLSA v1.0, verifying artifacts).
    _hold(checks.required(statements))
    _hold(checks.subjects(statements, artifact, sha256))
    by_type = {statement.predicate_type: statement for statement in statements.values()}
    provenance, reproduction = by_type[PROVENANCE], by_type[REPRODUCTION]

    # 6. The SBOM in the folder is the one that was signed.
    _hold(checks.sbom(by_type[SPDX], contents.below("sbom/")))

    # 7. The layout by a trusted key; links by enough distinct keys that it names (in-toto 1.0, 4.3 and 5.2).
    layout = open_layout(contents.documents, keys)
    opened = open_links(contents.below("links/"), layout)
    links = [each.link for each in opened]
    _hold(checks.quorum(layout, links, now))

    # 8. The links agree: with one another, with the artifact, and with both statements.
    _hold(checks.agreement(layout, links, artifact, sha256))
    _hold(checks.products(links[0], provenance, artifact))
    _hold(
        checks.reproduction(
            reproduction, {each.file: each.link for each in opened}, layout, contents.measured
        )
    )

    # 9. Every listed file is signed for, and the index says what the signed evidence says.
    _hold(checks.coverage(provenance, artifact, frozenset(statements), contents.measured))
    _hold(checks.index(index.data, index_of(provenance, reproduction, contents.measured)))

    # 10. The artifact is the store object that was agreed on, executable or not: downloads lose that bit.
    agreed = checks.agreed_artifact(provenance, reproduction)
    if contents.nar_hash.hex not in agreed:
        executable = folder.measure_artifact(artifact, executable=True)[2]
        _hold(checks.nar_of_artifact(agreed, executable))

    return Passed(
        artifact=artifact,
        sha256=sha256.hex,
        builders=tuple(sorted(link.builder for link in links)),
        independence=checks.independence(links, layout),
        signers=tuple(sorted({each.key.fingerprint for each in bundles.values()})),
        notices=(
            *map(_dissenting, checks.dissent(reproduction)),
            *_log_notices(bundles, own, trusted),
            *unlisted(folder, index),
        ),
    )


def _dissenting(builder: str) -> str:
    return f"builder {builder} made something else: its dissent is in the signed evidence"


def _log_notices(
    bundles: Mapping[str, OpenedBundle], own: TrustedRoot, trusted: TrustedRoot
) -> Iterator[str]:
    """What the log's proofs do not prove."""
    if trusted.tlogs:
        return
    if own.tlogs:
        names = ", ".join(log.origin for log in own.tlogs)
        yield (
            f"the log {names} is known by the release's own word alone, which proves nothing about the log; "
            "give --trusted-root with the log's key from elsewhere"
        )
    elif any(each.bundle.entries for each in bundles.values()):
        yield "there are log entries, and no log to check them against: give --trusted-root"


def _hold(reasons: Iterable[Reason]) -> None:
    """Go on only when a check has nothing against it."""
    if found := tuple(reasons):
        raise Refused(*found)
