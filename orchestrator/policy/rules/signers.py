"""Signers: at the time of signing their keys counted; timestamps and log proofs are there where asked for."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.evidence.layout import LAYOUT
from orchestrator.evidence.terms import PROVENANCE
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted, some
from orchestrator.policy.evidence import Evidence, Judged
from orchestrator.policy.trust import LAYOUT_TYPE, TrustedSigner, against, trusted
from orchestrator.policy.validity import Moment
from orchestrator.policy.verdict import Code, Finding, Reason


@dataclass(frozen=True, slots=True)
class Signers:
    """`[[signer]]`, and `timestamp` and `log` of `[require]`."""

    signers: tuple[TrustedSigner, ...]
    timestamp: bool = False
    log: bool = False

    @property
    def name(self) -> str:
        return "signer"

    def judge(self, evidence: Evidence) -> Finding:
        reasons: list[Reason] = []
        names: dict[str, None] = {}
        for judged in evidence.statements:
            entry = trusted(self.signers, judged.signer, judged.statement.predicate_type, judged.file)
            if not isinstance(entry, Reason):
                names[entry.name] = None
            reasons += self.against(judged, evidence.when(judged))
        entry = trusted(self.signers, evidence.layout_signer, LAYOUT_TYPE, LAYOUT)
        if isinstance(entry, Reason):
            reasons.append(entry)
        else:
            # the provenance has it by digest, so it was there when that was signed
            when = evidence.when(evidence.own[PROVENANCE])
            reasons += against(self.signers, entry, evidence.layout_signer, LAYOUT, when)
        saw = f"{counted(len(evidence.statements), 'statement')} signed by {some(list(names))}"
        return Finding(self.name, saw, tuple(dict.fromkeys(reasons)))

    def against(self, judged: Judged, when: Moment) -> Iterator[Reason]:
        """Why a statement that was signed at `when` does not count."""
        entry = trusted(self.signers, judged.signer, judged.statement.predicate_type, judged.file)
        if isinstance(entry, Reason):
            yield entry
            return
        yield from against(self.signers, entry, judged.signer, judged.file, when)
        yield from self._shown(judged, entry)

    def _shown(self, judged: Judged, entry: TrustedSigner) -> Iterator[Reason]:
        if (self.timestamp or entry.timestamp) and judged.time is None:
            why = "; ".join(("", *judged.doubts))
            yield Reason(Code.TIMESTAMP_MISSING, f"{judged.file} has no trusted timestamp{why}")
        if (self.log or entry.log) and not judged.logged:
            yield Reason(
                Code.NOT_IN_LOG,
                f"no log that you trust is said to have {judged.file}: no trusted root names one",
            )
