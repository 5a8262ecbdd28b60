"""From anybody's Sigstore bundles to a verdict: the second story, for what is not a release of ours.

Specifications, cited by step: DSSE v1.0.2, the in-toto attestation framework v1, sigstore/protobuf-specs, and
https://github.com/sigstore/architecture-docs/blob/main/client-spec.md, "Verification".
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from orchestrator.bundles import artifact as artifacts
from orchestrator.bundles import bundle as bundles
from orchestrator.bundles import certificates, containers, signature, standing, trust
from orchestrator.bundles.artifact import Artifact, Digested
from orchestrator.bundles.bundle import SigstoreBundle
from orchestrator.bundles.certificates import Identity
from orchestrator.bundles.containers import Part
from orchestrator.bundles.standing import Shown, Standing
from orchestrator.bundles.timestamps import Moment
from orchestrator.evidence import attestation
from orchestrator.evidence.attestation import Attestation
from orchestrator.evidence.canonical import LARGEST_ENVELOPE, MalformedError
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.policy import checks
from orchestrator.policy.verdict import Code, Failed, Reason, Refused

_REFUTING = frozenset({Code.DENIED, Code.BUILDERS_DISAGREE})
_HINT = "a bundle is Sigstore's JSON, as `cosign attest-blob --bundle FILE` and the like write it"


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be decided, and on whose word."""

    target: Path | Sha256
    """The artifact, or its digest where it is not at hand."""
    bundle: Path
    """A file with a bundle, or with several in any form that `containers` knows."""
    signer: PublicKey | Identity
    """Who must have signed."""
    trusted_root: Path | None
    """The keys of logs and authorities; None: those of Sigstore's public instance, which are fetched."""
    predicate_types: tuple[str, ...]
    """What an attestation must state: one of these. A signature over the artifact itself states nothing."""
    statement_demanded: bool = False
    """Somebody asked for the type by name: what states nothing is refused."""
    insecure_ignore_tlog: bool = False
    """Take a key's signature that is in no transparency log, so that only its holder knows of it."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Everything holds."""

    artifact: str
    sha256: str
    signer: PublicKey | Identity
    predicate_type: str | None
    """None: the artifact itself was signed."""
    moments: tuple[Moment, ...]
    """When the signature is proven to have been there."""
    logs: tuple[str, ...]
    notices: tuple[str, ...]


def judge(question: Question, now: datetime) -> Accepted | Failed:
    """Whether the signer signed this artifact, by any bundle of the file. `now` is UTC.

    Raises TallyError when it cannot be decided: a file that is not there, or nothing in it that is a yes, and
    something of a kind that is not judged here.
    """
    return judge_all(question, now).verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found of a file's bundles, each under its name."""

    each: tuple[tuple[str, Accepted | Failed | TallyError], ...]

    @property
    def verdict(self) -> Accepted | Failed:
        """No where one is a signed no about the artifact. Else yes where one holds, whatever the others are.

        Raises TallyError where none does and one is undecided.
        """
        verdicts = [verdict for _, verdict in self.each]
        if refuting := tuple(
            reason
            for verdict in verdicts
            if isinstance(verdict, Failed)
            for reason in verdict.reasons
            if reason.code in _REFUTING
        ):
            return Failed(refuting)
        for verdict in verdicts:
            if isinstance(verdict, Accepted):
                return verdict
        for verdict in verdicts:
            if isinstance(verdict, TallyError):
                raise verdict
        return Failed(
            tuple(reason for verdict in verdicts if isinstance(verdict, Failed) for reason in verdict.reasons)
        )


def judge_all(question: Question, now: datetime) -> Judgement:
    """The same, bundle by bundle. Raises TallyError for a file that is none, or cannot be read."""
    what = question.bundle.name
    try:
        # 1. The bundles, read whole (sigstore_bundle.proto). Nothing in them is believed yet.
        data = read_file(question.bundle, "the bundle ", LARGEST_ENVELOPE, _HINT)
        parts = containers.found(data, what)
        if not parts:
            raise TallyError(f"{what} holds no bundle at all", hint=_HINT)
        # 2. The artifact's digest, from its bytes.
        with _opened(question.target) as artifact:
            public = cache(_public_root)  # once for all of them
            return Judgement(tuple(_one(question, part, artifact, now, what, public) for part in parts))
    except MalformedError as error:
        return Judgement(((what, Failed((Reason(Code.MALFORMED, str(error)),))),))


def _one(
    question: Question, part: Part, artifact: Artifact, now: datetime, what: str, public: Callable[[], bytes]
) -> tuple[str, Accepted | Failed | TallyError]:
    if isinstance(part, TallyError):
        return what, part
    if isinstance(part, MalformedError):
        return what, Failed((Reason(Code.MALFORMED, str(part)),))
    try:
        if part.alone and not (question.insecure_ignore_tlog and isinstance(question.signer, PublicKey)):
            return part.name, _alone(part.name)
        bundle = bundles.of(part.document, part.name)
        return part.name, _judged(question, bundle, artifact, now, part.name, public)
    except Refused as refused:
        return part.name, Failed(refused.reasons)
    except MalformedError as error:
        return part.name, Failed((Reason(Code.MALFORMED, str(error)),))
    except TallyError as error:
        return part.name, error


def _alone(what: str) -> TallyError:
    return TallyError(
        f"{what} is a DSSE envelope by itself, without a log entry, and without whose it is",
        hint="get the bundle; or judge the signature alone with --key and --insecure-ignore-tlog",
    )


def _judged(
    question: Question,
    bundle: SigstoreBundle,
    artifact: Artifact,
    now: datetime,
    what: str,
    public: Callable[[], bytes],
) -> Accepted:
    # 3. The signature, over the exact bytes, by the given key or the certificate's (DSSE, protocol.md).
    key = signature.key_of(question.signer, bundle, what)
    signed = signature.verify(bundle, key, artifact, what)

    # 4. When it was there: every timestamp over it holds (RFC 3161; client-spec, "Establishing a Time").
    # 5. The log: each entry is about exactly this, and in a log that is trusted (RFC 6962, 2.1; client-spec).
    ignoring = question.insecure_ignore_tlog and isinstance(question.signer, PublicKey)
    trusted = trust.of(question.trusted_root, bundle, public, insecure_ignore_tlog=ignoring, what=what)
    proven = Standing()
    if trusted.root is not None:
        logged = signature.logged(bundle, key, signed, artifact)
        proven = standing.verify(Shown(bundle.entries, bundle.timestamps), logged, trusted.root, now, what)

    # 6. The certificate: the instance's, valid at those times, of exactly this identity (RFC 5280, 6962).
    if isinstance(question.signer, Identity):
        if trusted.root is None or not proven.moments:
            raise Refused(Reason(Code.TIMESTAMP_MISSING, f"nothing proves when {what} was signed"))
        certificates.verify(bundle, question.signer, trusted.root, proven.moments, what)

    # 7. The statement's type, 8. its subject: this artifact, and 9. what it says (in-toto, statement.md).
    predicate_type = None
    if isinstance(bundle.content, Envelope):
        predicate_type = _stated(bundle.content, question, artifact, what)
    elif question.statement_demanded:
        told = f"{what} signs the artifact and states nothing, and {_wanted(question)}"
        way = "leave --type out, if a signature over the file itself is enough"
        raise Refused(Reason(Code.STATEMENT_MISSING, told, way_out=way))
    return Accepted(
        artifact=artifact.name,
        sha256=artifact.sha256.hex,
        signer=question.signer,
        predicate_type=predicate_type,
        moments=proven.moments,
        logs=proven.logs,
        notices=trusted.notices,
    )


def _public_root() -> bytes:
    """The trusted root of Sigstore's public instance. Raises TallyError without a network."""
    from orchestrator.signing import instance  # which nothing else here needs

    return instance.public_root()


def _wanted(question: Question) -> str:
    types = " or ".join(question.predicate_types)
    return (
        f"--type asks for {types}" if question.statement_demanded else f"without --type it has to be {types}"
    )


def _stated(envelope: Envelope, question: Question, artifact: Artifact, what: str) -> str:
    """The predicate type of a statement about the artifact. Raises Refused or MalformedError."""
    if envelope.payload_type != IN_TOTO_PAYLOAD:
        told = f"{what} holds no in-toto statement, but {envelope.payload_type!r}"
        way = "ask whoever signed it for an in-toto statement; what other documents say is not judged"
        raise Refused(Reason(Code.STATEMENT_MISSING, told, way_out=way))
    statement = attestation.parse(envelope.payload, what)
    if statement.predicate_type not in question.predicate_types:
        told = f"{what} states {statement.predicate_type}, and {_wanted(question)}"
        way = f"if that is the statement you want, say so: --type {shlex.quote(statement.predicate_type)}"
        raise Refused(Reason(Code.STATEMENT_MISSING, told, way_out=way))
    _about(statement, artifact, what)
    against = checks.denied_by(what, statement.predicate_type, statement.predicate)
    # of a derivation nobody asks whether it is good, only what its builders signed: disagreement.md
    if against is not None and not (against.code is Code.BUILDERS_DISAGREE and _is_derivation(artifact)):
        raise Refused(against)
    return statement.predicate_type


def _is_derivation(artifact: Artifact) -> bool:
    return artifact.name.endswith(".drv")


def _about(statement: Attestation, artifact: Artifact, what: str) -> None:
    """Raises Refused for a statement about something else."""
    # a digest set matches by any of its algorithms (digest_set.md)
    for algorithm in ("sha256",) if statement.has("sha256") else ("sha512", "sha384"):
        digest = artifact.digest(algorithm) if statement.has(algorithm) else None
        if digest is not None and statement.about(algorithm, digest):
            return
    named = str(artifact.sha256)
    told = named if artifact.name == named else f"{artifact.name} ({named})"
    raise Refused(Reason(Code.SUBJECT_MISMATCH, f"{what} is not about {told}"))


@contextmanager
def _opened(target: Path | Sha256) -> Iterator[Artifact]:
    if isinstance(target, Sha256):
        yield Digested(target)
        return
    with artifacts.opened(target) as found:
        yield found
