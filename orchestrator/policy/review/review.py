"""A policy's review: everything that is certain of it and unlikely to be meant. It changes no verdict. Pure.

It says nothing that rests on a guess: where a release could yet meet a rule, or a rule yet say something,
there is no advice. One that rests on a builder's own word, who runs it, says that it does. A policy that is
empty or has expired is no matter for advice: `Policy.against_itself`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.policy import Policy
from orchestrator.policy.review import builders, materials, signers
from orchestrator.policy.review.advice import Advice, Surroundings
from orchestrator.policy.rules.cel import CelRule
from orchestrator.policy.rules.required import Statements
from orchestrator.policy.validity import shown

_SOON = timedelta(days=1)


def review(policy: Policy, now: datetime, trusted: TrustedRoot | None = None) -> Iterator[Advice]:
    """All advice on a policy, in its tables' order. `now` is UTC.

    `trusted` is the root that `tally verify` will be given, where the policy has none of its own.
    """
    around = Surroundings(now, policy.root or trusted)
    if policy.expires is not None and timedelta(0) < policy.expires - now <= _SOON:
        said = (
            f"it ends on {shown(policy.expires)}; `tally verify` then refuses every release (policy-expired)"
        )
        yield Advice("expires", said, "review the policy, and give it a new `expires`")
    yield from signers.review(policy, around)
    yield from builders.review(policy, around)
    yield from builders.closure(policy)
    yield from materials.review(policy.rules)
    shows = any(isinstance(rule, Statements) for rule in policy.rules)
    for rule in policy.rules:
        if isinstance(rule, CelRule):
            yield from _rule(rule, now, shows=shows)


def _rule(rule: CelRule, now: datetime, *, shows: bool) -> Iterator[Advice]:
    """`shows`: whether any statements are named that rules are shown."""
    match rule.whatever(None):
        case "true":
            said = "it is true of every release, whatever that is: it says nothing"
            yield Advice(rule.name, said, "remove it, or name in it what it is about")
        case str() as given:
            code = "rule-not-met" if given == "false" else "rule-error"
            said = f"it is {given} of every release, whatever that is, so that none can be accepted ({code})"
            yield Advice(rule.name, said, "mend it: an expression is true of every release to be accepted")
        case None:
            if rule.whatever(now) == "false":
                said = (
                    "at this time it is false of every release, so that none can be accepted (rule-not-met)"
                )
                yield Advice(rule.name, said, "mend what it says of `now`")
            elif not shows and rule.uses("attestations"):
                said = "it looks at `attestations`, which is empty: `require.statements` names no statements"
                hint = "name in `require.statements` the types that it is to see"
                yield Advice(rule.name, said, hint)
