"""The signing gate: nothing is approved but what builders agreed on. There is no way around it.

Every function here takes an `Agreed`, and looks again at what an `Agreed` promises before a key is used. One
takes a disagreement instead: it makes the statement itself, and can sign nothing but that builders disagreed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from orchestrator.agreement.agreement import Agreed, DifferingOutput, Disagreed
from orchestrator.agreement.culprits import earlier
from orchestrator.agreement.independence import Party, one_store, votes
from orchestrator.builders.build import Report
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.evidence import disagreement
from orchestrator.evidence.canonical import LARGEST_PAYLOAD, render
from orchestrator.evidence.disagreement import Observed
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.flatfile import FlatFileHasher
from orchestrator.evidence.layout import LAYOUT, LAYOUT_KEY, Layout
from orchestrator.evidence.links import Link
from orchestrator.evidence.rebuilt import Rebuilt
from orchestrator.evidence.statement import Statement, subjects_of
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD, STEP
from orchestrator.ground import wording
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import SigningKey
from orchestrator.keys.signers import Signer
from orchestrator.served.comparison import of_files
from orchestrator.served.grade import SameContents
from orchestrator.signing import bundling
from orchestrator.signing.hosts import HostSigner
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.signing.witnesses import NOBODY, Witnesses

DISAGREEMENT = "disagreement.sigstore.json"
"""The bundle of a disagreement, in the folder of the kept results."""
SAME_CONTENTS = "attestations/same-contents.sigstore.json"
"""The bundle about a served file whose container alone differs."""
_CHUNK = 1 << 20
_AGAIN = "nothing was signed; run the build again"


def sign_links(
    agreed: Agreed, quorum: int, links: Sequence[Link], keys: Mapping[str, Signer | HostSigner]
) -> dict[str, ReleaseFile]:
    """Each builder's link, signed by that builder's own key: builder name to the file in the release folder.

    Raises TallyError when the agreement does not hold, or two builders have one key.
    """
    _admit(agreed, quorum)
    names = [report.identity.name for report in agreed.reports]
    if sorted(link.builder for link in links) != sorted(names):
        raise _refused("there is not exactly one link from each builder")
    _refuse_one_key(names, keys)
    found = {}
    for link in links:
        public = keys[link.builder].public
        envelope = _signed(link.payload, keys[link.builder])
        found[link.builder] = ReleaseFile.of(
            f"links/{STEP}.{public.keyid[:8]}.link", render(envelope.document())
        )
    return found


def _refuse_one_key(names: Sequence[str], keys: Mapping[str, Signer | HostSigner]) -> None:
    if len({keys[name].public for name in names}) != len(names):
        raise _refused("two builders have the same key, so one party could speak for both")


def _signed(payload: bytes, key: Signer | HostSigner) -> Envelope:
    if isinstance(key, HostSigner):
        return key.sign(payload)
    return dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=key.public.keyid)


def sign_layout(
    agreed: Agreed, quorum: int, layout: Layout, key: Signer | KeylessSigner
) -> tuple[ReleaseFile, ...]:
    """The layout, signed by the release key. Raises TallyError when the agreement does not hold.

    in-toto takes no certificates: where an identity signs, a key that is made here and then forgotten signs
    the layout, and its public half is the second file. The identity signs for both by their digests.
    """
    _admit(agreed, quorum)
    beside: tuple[ReleaseFile, ...] = ()
    if isinstance(key, KeylessSigner):
        key = SigningKey.generate()
        beside = (ReleaseFile.of(LAYOUT_KEY, key.public.pem.encode("ascii")),)
    if layout.threshold != quorum:
        raise _refused(f"the layout asks for {layout.threshold} builders where the quorum is {quorum}")
    if key.public.keyid in layout.keys:
        raise _refused("the release key is a builder's key, so one party would speak for both")
    envelope = dsse.sign(IN_TOTO_PAYLOAD, layout.payload, key, keyid=key.public.keyid)
    return (ReleaseFile.of(LAYOUT, render(envelope.document())), *beside)


def sign(
    agreed: Agreed,
    quorum: int,
    facts: ReleaseFacts,
    artifact: Path,
    statements: Mapping[str, Statement],
    key: Signer | KeylessSigner,
    witnesses: Witnesses = NOBODY,
) -> tuple[ReleaseFile, ...]:
    """One Sigstore bundle per statement, `attestations/NAME.sigstore.json`: signed with the release key, with
    all that the witnesses say of it; or by an identity, whose instance has its own.

    `artifact` is the file that will be published; its bytes are hashed now, and must be the file that the
    statements are about and the store object that every builder made. Raises TallyError otherwise.
    """
    _admit(agreed, quorum)
    if facts.agreed is not agreed or facts.quorum != quorum:
        raise _refused("the statements were made from another agreement than the one to be signed")
    sha256, size, nar_hash = measure(artifact)
    if (sha256, size) != (facts.artifact.sha256, facts.artifact.size):
        raise _refused(
            f"{artifact} is not the file that the evidence is about: {sha256}, "
            f"{wording.counted(size, 'byte')}"
        )
    if nar_hash != facts.artifact_output.nar_hash:
        raise _refused(f"{artifact} is not what the builders agreed on: its NAR hash is {nar_hash}")
    for name, statement in statements.items():
        if dict(statement.subjects) != subjects_of(facts):
            raise _refused(f"the statement {name} is about something else")
        if len(statement.payload) > LARGEST_PAYLOAD:
            raise TallyError(
                f"refusing to sign: the statement {name} takes {len(statement.payload):,} bytes, and "
                f"verifiers read {LARGEST_PAYLOAD:,} (an SBOM of 20,000 packages has fewer)",
                hint="build with fewer packages, or from fewer sources, in a recipe",
            )
    names = sorted(statements)
    bundles = _bundles([statements[name].payload for name in names], key, witnesses)
    return tuple(
        ReleaseFile.of(f"attestations/{name}.sigstore.json", each.render())
        for name, each in zip(names, bundles, strict=True)
    )


def _bundles(payloads: Sequence[bytes], key: Signer | KeylessSigner, witnesses: Witnesses) -> list[Bundle]:
    if isinstance(key, KeylessSigner):
        return key.sign(payloads)
    return bundling.witnessed(payloads, key, witnesses)


def sign_disagreement(
    observed: Observed,
    key: Signer | KeylessSigner,
    keys: Mapping[str, Signer | HostSigner],
    witnesses: Witnesses = NOBODY,
) -> tuple[ReleaseFile, ...]:
    """Evidence that builders disagreed: `link.BUILDER.json` by each builder's own key, and after them
    `disagreement.sigstore.json`, signed and vouched for as a release's bundles are.

    What is signed is made here from the builders' reports. Raises TallyError when they do not differ as the
    disagreement says, and TypeError for anything but a `Disagreed`.
    """
    _admit_disagreed(observed)
    names = [report.identity.name for report in observed.disagreed.reports]
    _refuse_one_key(names, keys)
    if not isinstance(key, KeylessSigner) and key.public in {keys[name].public for name in names}:
        raise _refused("the release key is a builder's key, so one party would speak for both")
    links = {}
    for report in observed.disagreed.reports:
        name = report.identity.name
        envelope = _signed(disagreement.link_of(report, observed), keys[name])
        links[name] = ReleaseFile.of(f"link.{name}.json", render(envelope.document()))
    (signed,) = _bundles([disagreement.disagreement(observed, links)], key, witnesses)
    return (*links.values(), ReleaseFile.of(DISAGREEMENT, signed.render()))


def sign_difference(
    agreed: Agreed,
    quorum: int,
    observed: Observed,
    rebuilt: Rebuilt,
    key: Signer | KeylessSigner,
    keys: Mapping[str, Signer | HostSigner],
    witnesses: Witnesses = NOBODY,
) -> tuple[ReleaseFile, ...]:
    """Evidence that builders agree with one another, and not with a release that they made again.

    Its files are those of a disagreement. Raises TallyError when the agreement does not hold, or the outputs
    that differ are not as it has them.
    """
    _admit(agreed, quorum)
    differing = observed.disagreed.differing
    if observed.disagreed.reports != agreed.reports or not differing:
        raise _refused("what differs from the release is not what the builders agreed on")
    names = [report.identity.name for report in agreed.reports]
    for output in differing:
        made = agreed.outputs[output.derivation][output.output].nar_hash
        others = {side: digest for side, digest in output.hashes.items() if side not in names}
        if (
            {output.hashes.get(name) for name in names} != {made}
            or made in others.values()
            or len(others) != 1
        ):
            raise _refused(f"the release and the builders have other results of {output.path} than is told")
    _refuse_one_key(names, keys)
    links = {}
    for report in agreed.reports:
        envelope = _signed(disagreement.link_of(report, observed), keys[report.identity.name])
        links[report.identity.name] = ReleaseFile.of(
            f"link.{report.identity.name}.json", render(envelope.document())
        )
    (signed,) = _bundles([disagreement.disagreement(observed, links, rebuilt)], key, witnesses)
    return (*links.values(), ReleaseFile.of(DISAGREEMENT, signed.render()))


def sign_same_contents(
    agreed: Agreed,
    quorum: int,
    facts: ReleaseFacts,
    artifact: Path,
    served: Path,
    statement: Callable[[SameContents], bytes],
    key: Signer | KeylessSigner,
    witnesses: Witnesses = NOBODY,
) -> tuple[ReleaseFile, ...]:
    """Evidence that what is served holds what builders agreed on, in another container.

    The two files are compared here again; `statement` makes the payload of what that finds. Raises TallyError
    for any other grade: identical is a reproduction, and different is signed by nobody.
    """
    _admit(agreed, quorum)
    if facts.agreed is not agreed or measure(artifact)[0] != facts.artifact.sha256:
        raise _refused(f"{artifact} is not the file that the evidence is about")
    grade = of_files(artifact, served)
    if not isinstance(grade, SameContents):
        raise _refused(f"{served} and {artifact} have not the same contents in different containers")
    (signed,) = _bundles([statement(grade)], key, witnesses)
    return (ReleaseFile.of(SAME_CONTENTS, signed.render()),)


def measure(path: Path) -> tuple[Sha256, int, NarHash]:
    """A flat file's sha256, size and NAR hash, read once. Raises TallyError when it is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise TallyError(f"cannot read the artifact {path}: {error.strerror or error}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TallyError(
                f"the artifact {path} is not a flat file", hint="choose another [artifact] format"
            )
        hasher = FlatFileHasher(status.st_size, executable=bool(status.st_mode & stat.S_IXUSR))
        while chunk := os.read(descriptor, _CHUNK):
            hasher.update(chunk)
        sha256, nar_hash = hasher.digests()
    except OSError as error:
        raise TallyError(f"cannot read the artifact {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise _refused(f"{path} changed while it was read") from error
    finally:
        os.close(descriptor)
    return sha256, status.st_size, nar_hash


def _admit(agreed: Agreed, quorum: int) -> None:
    """Look again at everything that an `Agreed` promises."""
    if not isinstance(agreed, Agreed):
        raise TypeError(f"only an Agreed is signed, not a {type(agreed).__name__}")
    if quorum < 2:
        raise _refused(f"a quorum of {quorum} is no agreement: two builders is the least")
    if len(agreed.reports) < max(2, quorum):
        raise _refused(
            f"{wording.counted(len(agreed.reports), 'builder')} reported where {max(2, quorum)} must agree"
        )
    counted = votes([Party.of(report.identity) for report in agreed.reports], agreed.vote)
    if counted < max(2, quorum):
        raise _refused(f"the builders that agree have {counted} votes where {max(2, quorum)} are needed")
    _admit_builders(agreed.reports)
    for report in agreed.reports:
        _agrees(agreed, report)
    if not any(agreed.outputs.values()):
        raise _refused("the builders agreed on no output")
    if agreed.converged:
        _admit_converged(agreed)


def _admit_converged(agreed: Agreed) -> None:
    """What was asked for neither is an output that differs nor refers to one, at any remove."""
    unlike = {output.path for output in agreed.converged}
    asked = [built for made in agreed.outputs.values() for built in made.values()]
    found = {built.path: built.references for built in (*agreed.inputs.values(), *asked)}
    seen, queue = set[str](), [built.path for built in asked]
    while queue:
        path = queue.pop()
        if path in unlike:
            raise _refused(
                f"what the builders agreed on has {path} in its closure, and they made different ones"
            )
        if path not in seen:
            seen.add(path)
            queue.extend(found.get(path, ()))


def _admit_builders(reports: Sequence[Report]) -> None:
    """Each is another builder, and has shown its sandbox."""
    for one, other in combinations((report.identity for report in reports), 2):
        if one.name == other.name:
            raise _refused(f"builder {one.name} is there twice")
        if one_store(one, other):
            raise _refused(f"builders {one.name} and {other.name} are one store")
    for report in reports:
        if report.sandbox is None:
            raise _refused(f"builder {report.identity.name} has not shown that its sandbox holds")


def _admit_disagreed(observed: Observed) -> None:
    """Look again at everything that a `Disagreed` promises."""
    disagreed = observed.disagreed
    if not isinstance(disagreed, Disagreed):
        raise TypeError(f"only a Disagreed is signed as one, not a {type(disagreed).__name__}")
    if observed.quorum < 2 or len(disagreed.reports) < observed.quorum:
        raise _refused(f"{wording.counted(len(disagreed.reports), 'builder')} reported, too few to disagree")
    counted = votes([Party.of(report.identity) for report in disagreed.reports], observed.vote)
    if counted < observed.quorum:
        raise _refused(f"the builders have {counted} votes where {observed.quorum} are needed")
    _admit_builders(disagreed.reports)
    for report in disagreed.reports:
        if report.failures:
            raise _refused(f"builder {report.identity.name} failed, which is no disagreement")
    if not disagreed.differing:
        raise _refused("the builders disagree on no output")
    blamed = {output.derivation for output in disagreed.differing if not output.inherited}
    if set(disagreed.root_causes) != blamed:
        raise _refused("the root causes are not those of the outputs that differ")
    for output in disagreed.differing:
        if output.derivation not in observed.derivations:
            raise _refused(f"the digest of {output.derivation} is not known")
        _differs(disagreed, output)


def _differs(disagreed: Disagreed, output: DifferingOutput) -> None:
    """The reports show every result that is told, and results that are not the same."""
    shown: dict[str, NarHash] = {}
    results: set[object] = set()
    for report in disagreed.reports:
        name, made = report.identity.name, disagreement.stored(report, output)
        if made is None:
            continue
        build = report.builds.get(output.derivation)
        second = build.unstable.get(output.output) if build else None
        shown[name] = second.nar_hash if second else made.nar_hash
        results.add((made.path, made.nar_hash, made.references))
        if second:
            shown[earlier(name)] = made.nar_hash
            results.add(second.nar_hash)
    if shown != dict(output.hashes):
        raise _refused(f"the builders' reports tell other results of {output.path}")
    if len(results) < 2:
        raise _refused(f"the builders made the same {output.path}")


def _agrees(agreed: Agreed, report: Report) -> None:
    name = report.identity.name
    for derivation, outputs in agreed.outputs.items():
        build = report.builds.get(derivation)
        if build is None or any(failure.derivation == derivation for failure in report.failures):
            raise _refused(f"builder {name} has no build of {derivation}")
        if build.unstable:
            raise _refused(f"builder {name} did not reproduce its own earlier result of {derivation}")
        for output, agreed_on in outputs.items():
            made = build.outputs.get(output)
            if made is None or (made.path, made.nar_hash) != (agreed_on.path, agreed_on.nar_hash):
                raise _refused(f"builder {name} made another {output} of {derivation}")
    for path, agreed_on in agreed.inputs.items():
        made = report.inputs.get(path)
        if made is None or made.nar_hash != agreed_on.nar_hash:
            raise _refused(f"builder {name} made another {path}, which the build used")


def _refused(why: str) -> TallyError:
    return TallyError(f"refusing to sign: {why}", hint=_AGAIN)
