"""The story of `tally publish`: verified here, put there, made findable, fetched back, verified again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.filebody import Stamp
from orchestrator.ground.values import dataclass, replace
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Passed, Verdict
from orchestrator.publishing import destinations
from orchestrator.publishing.contents import artifact_of, locate, read_index
from orchestrator.publishing.destinations.destination import Destination, Others, Outgoing, Sign
from orchestrator.publishing.folder import Folder
from orchestrator.publishing.imageindex import Released
from orchestrator.publishing.index import INDEX, name_of
from orchestrator.publishing.inputs import Supplied
from orchestrator.publishing.locations import Stating, signed
from orchestrator.publishing.objects.retention import Keeping
from orchestrator.publishing.reference import Reference
from orchestrator.stories import fetching, supplying
from orchestrator.stories.verification import Examination, examine


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be published, where, and who says that it may be."""

    release: Path
    destination: Reference
    locations: Sequence[str]
    policy: Policy
    now: datetime
    signer: Stating | None = None
    """Who states the locations; None: nobody does."""
    trusted: TrustedRoot | None = None
    move_tag: bool = False
    keeping: Keeping | None = None
    """How long a bucket's objects stay."""
    inputs: Callable[[Path], tuple[Supplied, ...]] | None = None
    """Finds the fixed inputs of the release in a folder; None: they are not published."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of it."""

    verdict: Verdict
    """Of the release here; where that one passed, of the one that was fetched back, if it does not."""
    reference: Reference | None = None
    """What strangers fetch it by; None: it did not verify here, and nothing left."""
    changed: bool = False
    """Whether strangers find something else there than before."""
    kept: Sha256 | None = None
    """The index of the release of the same artifact that is found there in place of this one, if so."""
    own: Released | None = None
    """The release here, as it was judged; None: it did not verify, or its name was not needed."""

    @property
    def released(self) -> Released | None:
        """The release that is found where this one was published."""
        if self.own is None or self.kept is None:
            return self.own
        return replace(self.own, digest=self.kept)


def publish(order: Order, scratch: Path, say: Callable[[str], None]) -> Publication:
    """Publish a release. The same one again changes nothing; where a run was stopped, the next one goes on.

    Raises TallyError where it cannot be decided or done, as where another release has its name.
    """
    destination = destinations.of(
        order.destination, order.locations, move_tag=order.move_tag, keeping=order.keeping
    )
    destination.refuse_unusable()
    release, verdict = verified_here(order)
    if release is None:
        return Publication(verdict)
    if order.inputs is not None:
        release = replace(release, inputs=order.inputs(release.folder.path))
    own = Released(release.name, Sha256.of(release.index.data))
    asked = fetching.Asked(order.policy, order.now, order.trusted)
    with destination.exclusively():
        if (others := destination.others(release)) is not None:
            return replace(_as_another(release, others, asked, scratch, say), own=own)
        there = destination.holds(release)
        say(f"{'looking through' if there else 'publishing'} {release.name} at {order.destination}")
        reference, changed = _put(destination, release, _sign(order, release))
    say(f"fetching {reference} back")
    _, back, there_now = fetching.with_found(reference, scratch, asked, keep=False, used=False)
    if not isinstance(back.verdict, Passed):
        return Publication(back.verdict, reference, changed, own=own)
    kept = _another(release, reference, back)
    supplying.read_back(None if there_now is None else there_now.shelf, release.inputs)
    return Publication(verdict, reference, changed, kept, own)


def _as_another(
    release: Outgoing,
    others: Others,
    asked: fetching.Asked,
    scratch: Path,
    say: Callable[[str], None],
) -> Publication:
    """What the artifact is published with already, where that verifies: its name leads there, too, from now.

    Two builds of one artifact are two releases, and whoever has the artifact's name finds one. Raises
    TallyError where none of them verifies.
    """
    verdicts = []
    for number, each in enumerate(others.references):
        say(f"the artifact of {release.name} is published already: fetching {each}")
        _, back, found = fetching.with_found(
            each, scratch / f"another-{number}", asked, keep=False, used=False
        )
        if isinstance(back.verdict, Passed):
            supplying.read_back(None if found is None else found.shelf, release.inputs)
            reference, changed = others.point()
            return Publication(back.verdict, reference, changed, _another(release, reference, back))
        verdicts.append(back.verdict)
    codes = sorted({str(each.code) for verdict in verdicts for each in verdict.reasons})
    raise TallyError(
        f"another release of the same artifact is published at {others.references[0]}, and does not verify: "
        f"{', '.join(codes)}",
        hint="`tally verify` of that tells why; publish into another repository, or ask who publishes there",
    )


def _another(release: Outgoing, reference: Reference, back: Examination) -> Sha256 | None:
    """The release that strangers find in place of this one, which is of the same artifact; None: this one.

    Raises TallyError where it is of another artifact.
    """
    found = None if back.read is None else Sha256.of(back.read[0].data)
    own = Sha256.of(release.index.data)
    if found == own:
        return None
    artifact = release.index.files[release.index.artifact][0]
    if back.subject is None or back.subject[1] != artifact:
        raise TallyError(
            f"{reference} still names another release: its {INDEX} is {found}, and {own} was published",
            hint="the server took what was sent and did not do it, or somebody publishes there at the same "
            "time: run the command again, or ask its operator",
        )
    return found


def verified_here(order: Order) -> tuple[Outgoing | None, Verdict]:
    """The release as it verified, before the first byte leaves; None where it does not."""
    folder, _ = locate(order.release)
    stamp = _stamp(folder)  # before the first byte is read
    found = examine(folder.path, order.policy, order.now, trusted=order.trusted)
    verdict = found.verdict
    if not isinstance(verdict, Passed):
        return None, verdict
    try:
        index = read_index(folder, None)
        name = name_of(index, folder.path.resolve().name)
    except (MalformedError, OSError) as error:
        raise _changed(order) from error
    if found.read is None or index.data != found.read[0].data:
        raise _changed(order)  # what is published is what was judged, byte for byte
    if index.files[index.artifact][0].hex != verdict.sha256:
        raise _changed(order)
    return Outgoing(folder, name, index, stamp=stamp), verdict


def _stamp(folder: Folder) -> Stamp | None:
    """The artifact's inode; None: there is none that could be published."""
    with suppress(OSError, ValueError):
        return folder.stamp(artifact_of(folder.path))
    return None


def _changed(order: Order) -> TallyError:
    return TallyError(f"{order.release} changed while it was verified", hint="run the command again")


def _put(destination: Destination, release: Outgoing, sign: Sign) -> tuple[Reference, bool]:
    """Inputs, contents, then evidence, then what makes them found: in between, nothing is visible."""
    supplied = destination.supply(release)
    destination.put(release, release.contents)
    destination.put(release, release.evidence)
    reference, changed = destination.finish(release, sign)
    return reference, changed or supplied


def _sign(order: Order, release: Outgoing) -> Sign:
    def sign(before: bytes | None, locations: Sequence[str], more: Mapping[str, str]) -> bytes | None:
        if order.signer is None or not locations:
            return None
        return signed(release.index, release.name, locations, more, order.signer, before)

    return sign
