"""Rebuilders: enough others have made the release again, and signed that it came out the same."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.rebuilt import rebuilt_in
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted, folded, some
from orchestrator.policy.evidence import Evidence, Judged
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.signer import Signer
from orchestrator.policy.trust import TrustedKey, TrustedSigner, against, trusted
from orchestrator.policy.validity import Moment
from orchestrator.policy.verdict import Code, Finding, Reason

_WHAT = "the reproduction statement"


@dataclass(frozen=True, slots=True)
class TrustedRebuilder:
    """One `[[rebuilder]]`."""

    signer: TrustedSigner
    operator: str
    """Who runs it, as the policy's author knows: rebuilders of one are one vote."""


@dataclass(frozen=True, slots=True)
class Rebuilders:
    """`[rebuilders]` and every `[[rebuilder]]`."""

    trusted: tuple[TrustedRebuilder, ...] = ()
    quorum: int = 1
    builders: Builders | None = None
    """The policy's builders: who runs these outweighs what the release says."""
    makers: tuple[TrustedSigner, ...] = ()
    """The policy's signers: one that signed the release is no rebuilder of it under the same name either."""

    @property
    def name(self) -> str:
        return "rebuilders"

    @property
    def signers(self) -> tuple[TrustedSigner, ...]:
        return tuple(each.signer for each in self.trusted)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Their keys, as SubjectPublicKeyInfo in DER."""
        return tuple(each.signer.who.spki for each in self.trusted if isinstance(each.signer.who, TrustedKey))

    def trusts(self, signer: Signer, kind: str, what: str) -> Iterator[Reason]:
        """The reason, if there is one, for which a signer is no rebuilder of the policy's."""
        found = trusted(self.signers, signer, kind, what)
        if isinstance(found, Reason):
            yield found

    def judge(self, evidence: Evidence) -> Finding:
        names = self.counted(evidence)
        told = (
            f"{counted(len(names), 'rebuilder')} that the policy trusts made it again ({some(list(names))})"
            f"{self._unverified(evidence)}"
        )
        if len(names) >= self.quorum:
            return Finding(self.name, told)
        aside = [f"; {reason}" for each in evidence.rebuilds for reason in self._against(each, evidence)]
        need = f"where {counted(self.quorum, 'operator')} {'has' if self.quorum == 1 else 'have'} to"
        return Finding(self.name, told, (Reason(Code.NOT_REPRODUCED, f"{told}, {need}{''.join(aside[:3])}"),))

    def counted(self, evidence: Evidence) -> tuple[str, ...]:
        """The operators whose word counts, each once, sorted."""
        found = {
            folded(entry.operator): entry.operator
            for each in evidence.rebuilds
            if (entry := self._entry(each)) is not None and not any(self._against(each, evidence))
        }
        return tuple(sorted(found.values()))

    def _unverified(self, evidence: Evidence) -> str:
        """Who made it again though it did not verify to them: the bits are the same, and they say so."""
        found = {
            entry.operator
            for each in evidence.rebuilds
            if (entry := self._entry(each)) is not None and not any(self._against(each, evidence))
            if (said := rebuilt_in(each.statement.predicate, each.file)) is not None and not said.verified
        }
        return f"; it had not verified to {some(sorted(found))}" if found else ""

    def _entry(self, judged: Judged) -> TrustedRebuilder | None:
        return next((each for each in self.trusted if each.signer.is_(judged.signer)), None)

    def _against(self, judged: Judged, evidence: Evidence) -> Iterator[str]:
        """Why a statement does not count, each beginning with its file."""
        entry = self._entry(judged)
        if entry is None:
            yield f"{judged.file} is by no rebuilder of the policy"
            return
        when = Moment(evidence.now, judged.time, claimed=None, last=judged.last)
        for reason in against(self.signers, entry.signer, judged.signer, judged.file, when):
            yield reason.sentence
        if entry.signer.timestamp and judged.time is None:
            yield f"{judged.file} has no trusted timestamp"
        if entry.signer.log and not judged.logged:
            yield f"no log that you trust is said to have {judged.file}"
        if judged.signer in makers(evidence) or folded(entry.operator) in self._own(evidence):
            yield f"{judged.file} is by {entry.signer.name}, who made the release itself"
        yield from _against_content(judged, evidence)

    def _own(self, evidence: Evidence) -> frozenset[str]:
        """Who runs the release's own builders, as these say, and as the policy does; who signed it."""
        signed = makers(evidence)
        found = {folded(one.name) for one in self.makers if any(one.is_(each) for each in signed)}
        for each in evidence.links:
            if not each.theirs:
                by_policy = None if self.builders is None else self.builders.operator_of(each)
                said = (each.link.identity.get("operator"), by_policy)
                found.update(folded(one) for one in said if isinstance(one, str) and one)
        return frozenset(found)


def _against_content(judged: Judged, evidence: Evidence) -> Iterator[str]:
    predicate = judged.statement.predicate
    try:
        rebuilt = rebuilt_in(predicate, judged.file)
        outputs = _outputs(predicate)
    except MalformedError as error:
        yield str(error)
        return
    if rebuilt is None:
        yield f"{judged.file} does not say which release it was made from"
    elif rebuilt.index != evidence.index:
        yield f"{judged.file} is about another release of that artifact"
    if outputs != _outputs(evidence.reproduction):
        yield f"{judged.file} is about other outputs than the release's"


def _outputs(predicate: object) -> object:
    """What builders agreed on, the same in every assertion. Raises MalformedError."""
    attributes = member(predicate, "attributes", list, _WHAT)
    found = [
        member(
            member(member(each, "conditions", dict, _WHAT), "agreement", dict, _WHAT), "outputs", dict, _WHAT
        )
        for each in attributes
    ]
    if not found or any(each != found[0] for each in found):
        raise MalformedError(f"{_WHAT} does not hold one agreement")
    return found[0]


def makers(evidence: Evidence) -> frozenset[Signer]:
    """Whose keys and identities signed the release: its statements, its layout, its builders' links."""
    links = (each.signer for each in evidence.links if not each.theirs)
    return frozenset(
        [*(each.signer for each in evidence.own.values()), evidence.layout_signer, *links],
    )
