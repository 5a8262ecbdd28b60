"""Builders: enough of those that the policy trusts vouch for the artifact, and they are far enough apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from orchestrator.agreement.independence import LEVELS, Level
from orchestrator.evidence import agreement_record
from orchestrator.ground import wording
from orchestrator.ground.values import dataclass, replace
from orchestrator.ground.wording import some
from orchestrator.policy.evidence import Evidence, Vouched
from orchestrator.policy.trust import TrustedKey
from orchestrator.policy.validity import ALWAYS, Validity
from orchestrator.policy.verdict import Code, Finding, Reason

_NAME_THEM = (
    "in the policy, name the `operator` of each in its [[builder]]; or, if builders of one operator are "
    'enough, count every builder with `per = "builder"` in [builders]'
)


@dataclass(frozen=True, slots=True)
class TrustedBuilder:
    """One `[[builder]]`: by its key, by the name in its link, or by both."""

    name: str | None
    key: TrustedKey | None
    operator: str | None
    """Who runs it, as the policy's author knows; it outweighs what the evidence says."""
    validity: Validity = ALWAYS

    def is_(self, vouched: Vouched) -> bool:
        """Whether the link is this builder's. A name alone is the layout's word, not of others."""
        if self.key is None:
            return not vouched.theirs and self.name == vouched.link.builder
        return self.key.signer == vouched.signer and self.name in (None, vouched.link.builder)


@dataclass(frozen=True, slots=True)
class Counted:
    """A builder that the policy counts, by one link of its own."""

    vouched: Vouched
    operator: str | None
    """Who runs it, by the policy, else by its link; None: nobody says."""
    named: str | None
    """Who runs it, by the policy alone."""
    links: int = 1
    """How many links by its name count as this one."""

    @property
    def name(self) -> str:
        return self.vouched.link.builder


@dataclass(frozen=True, slots=True)
class Builders:
    """`[builders]` and every `[[builder]]`. Without any of these, whom the layout names is trusted."""

    trusted: tuple[TrustedBuilder, ...] = ()
    quorum: int = 2
    per: Literal["operator", "builder"] = "operator"
    independence: Level | None = None

    @property
    def name(self) -> str:
        return "builders"

    def judge(self, evidence: Evidence) -> Finding:
        reasons = [reason for vouched in evidence.links for reason in self._against(vouched, evidence)]
        counted = self.counted(evidence)
        names = [each.name for each in counted]
        votes = self._votes([each.operator for each in counted])
        told = wording.counted(votes, self.per)
        if votes < self.quorum:
            reasons.append(
                Reason(
                    Code.QUORUM_NOT_MET,
                    f"{told} that the policy trusts vouch{'es' if votes == 1 else ''} for it "
                    f"({some(names)}), "
                    f"where {self.quorum} are needed{_repeated(counted)}{self._unknown(counted)}",
                    way_out=_NAME_THEM if self._unknown(counted) else None,
                )
            )
        reasons += self._apart(counted)
        saw = f"{some(names)}: {told}, {self.level(counted)}"
        return Finding(self.name, saw, tuple(reasons))

    def counted(self, evidence: Evidence) -> tuple[Counted, ...]:
        """Every builder whose link counts, once, in the order of their names."""
        found: list[Counted] = []
        for vouched in evidence.links:
            entry = self._entry(vouched)
            if (self.trusted and entry is None) or any(self._against(vouched, evidence)):
                continue
            named = entry.operator if entry is not None else None
            found.append(Counted(vouched, named or _claimed(vouched), named))
        return tuple(sorted(_once(found), key=lambda each: each.name))

    def level(self, counted: Sequence[Counted]) -> Level:
        """How independent these builders are, for the policy's quorum."""
        identities = [_identity(each.vouched, each.operator) for each in counted]
        return agreement_record.independence(identities, self.quorum)

    def operator_of(self, vouched: Vouched) -> str | None:
        """Who runs the builder of a link, by the policy alone; None: it names nobody."""
        entry = self._entry(vouched)
        return None if entry is None else entry.operator

    def _entry(self, vouched: Vouched) -> TrustedBuilder | None:
        """The `[[builder]]` that is asked: one with its key, if any; of two by one name, a revoked one."""
        by_key = [each for each in self.trusted if each.key and each.key.signer == vouched.signer]
        fitting = [each for each in by_key or self.trusted if each.is_(vouched)]
        return min(fitting, key=lambda each: each.validity.revocation is None, default=None)

    def _against(self, vouched: Vouched, evidence: Evidence) -> Iterator[Reason]:
        if (entry := self._entry(vouched)) is not None:
            name, when = f"builder {vouched.link.builder}", evidence.when_vouched(vouched)
            yield from entry.validity.against(name, vouched.file, when)

    def _votes(self, operators: Sequence[str | None]) -> int:
        """Builders of one operator have one vote, and one whose operator is not known may be any other's."""
        if self.per == "builder":
            return len(operators)
        known = len({operator for operator in operators if operator is not None})
        return known or min(1, len(operators))

    def _unknown(self, counted: Sequence[Counted]) -> str:
        unknown = [each.name for each in counted if each.operator is None]
        if self.per == "builder" or not unknown:
            return ""
        return (
            f"; nobody says who runs {some(unknown)}, and builders whose operator nobody names are one vote"
        )

    def _apart(self, counted: Sequence[Counted]) -> Iterator[Reason]:
        if self.independence is None:
            return
        level = self.level(counted)
        if LEVELS.index(level) < LEVELS.index(self.independence):
            yield Reason(
                Code.BUILDERS_NOT_INDEPENDENT,
                f"its builders are {level}, where {self.independence} is needed",
            )


def _once(links: Iterable[Counted]) -> Iterator[Counted]:
    """One link for each builder, the release's own first.

    One name is one builder, whatever keys it signs by, unless the policy names another operator for each.
    What comes by its name takes no vote away: who runs it, the first link says, if it does.
    """
    builders: dict[tuple[str, str | None], list[Counted]] = {}
    for each in sorted(links, key=lambda each: each.named is None):
        same = (key for key in builders if key[0] == each.name and each.named in (None, key[1]))
        builders.setdefault(next(same, (each.name, each.named)), []).append(each)
    for (_, named), found in builders.items():
        first = min(found, key=lambda each: each.vouched.theirs)
        yield replace(first, operator=first.operator or named, links=len(found))


def _repeated(counted: Sequence[Counted]) -> str:
    return "".join(
        f"; {each.links} links by {each.name} are one builder's" for each in counted if each.links > 1
    )


def _identity(vouched: Vouched, operator: str | None) -> dict[str, Any]:
    """Who a builder is, for the comparison of hosts."""
    found = dict(vouched.link.identity)
    if operator is not None:
        found["operator"] = operator
    # a virtual machine has ids of its own, made up at its start
    telling = {
        "machineIdSha256",
        "bootIdSha256",
        *(["hostMachineIdSha256"] if found.get("store") == "vm" else []),
    }
    if vouched.theirs and telling <= found.keys():
        # `local` is their machine and not the orchestrator's: the ids tell whether these are one
        found["store"] = f"{vouched.signer}: {found.get('store')}"
    return found


def _claimed(vouched: Vouched) -> str | None:
    operator = vouched.link.identity.get("operator")
    return operator if isinstance(operator, str) and operator else None
