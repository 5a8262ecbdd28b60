"""Builders: whether those that are named can have the votes, and be as far apart, as is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.agreement.independence import SEPARATE_OPERATORS
from orchestrator.ground.wording import folded, some
from orchestrator.policy.policy import Policy
from orchestrator.policy.review.advice import Advice, Surroundings
from orchestrator.policy.review.standing import never, revoked
from orchestrator.policy.rules.builders import Builders, TrustedBuilder

_NAME_THEM = 'name the `operator` of each in its [[builder]], or set `per = "builder"` in [builders]'


def closure(policy: Policy) -> Iterator[Advice]:
    """What can be said of `[closure]`: the release's own builders are one operator unless it names more."""
    asked = policy.closure
    if asked is None:
        return
    own = (
        {folded(each.operator) for each in policy.builders.trusted if each.key and each.operator}
        if policy.builders
        else set()
    )
    others = {folded(each.operator) for each in asked.rebuilders.trusted}
    most = len(others | own) + (not own)
    if most < asked.operators:
        said = (
            f"{asked.operators} operators have to have made each derivation, and no more than {most} of "
            "those named can, the release's own among them (closure-not-agreed)"
        )
        yield Advice("closure.operators", said, "name more operators in [[rebuilder]], or ask for fewer")


def review(policy: Policy, around: Surroundings) -> Iterator[Advice]:
    """What can be said of `[builders]` and every `[[builder]]`. Whom a layout names is not known here."""
    asked = policy.builders
    if asked is None:
        return
    if not asked.trusted:
        if asked.per == "operator":
            said = (
                f"{asked.quorum} operators have to vouch, and the policy names no builders: unless their "
                "own links say who runs them, they are one vote together (quorum-not-met)"
            )
            yield Advice("builders.quorum", said, _NAME_THEM)
        return
    counting: list[TrustedBuilder] = []
    for each in asked.trusted:
        name = _name(each)
        # the times of a release's links are its provenance's, which an identity's certificate proves
        stamped = around.clocks or policy.identities
        against = never(
            f"builder {name!r}", name, each.validity, stamped=stamped, now=around.now, ends=policy.expires
        )
        if against is not None:
            yield against
        elif not revoked(each.validity, stamped=stamped, now=around.now):
            counting.append(each)
    yield from _votes(asked, counting)
    yield from _shadowed(asked.trusted)
    yield from _alike(asked.trusted)


def _votes(asked: Builders, counting: Sequence[TrustedBuilder]) -> Iterator[Advice]:
    """Every entry is at most one builder, and those of one name and operator are one (`Builders`)."""
    counting = [each for place, each in enumerate(counting) if not _repeats(each, counting, place)]
    named = {each.operator for each in counting if each.operator is not None}
    operators = len(named) + sum(each.operator is None for each in counting)
    votes = len(counting) if asked.per == "builder" else operators
    if votes < asked.quorum:
        unit = "builders" if asked.per == "builder" else "operators"
        said = f"{asked.quorum} {unit} have to vouch, and no more than {votes} of those named can"
        yield Advice("builders.quorum", said, f"name more {unit} in [[builder]], or ask for fewer")
    elif asked.independence == SEPARATE_OPERATORS and operators < asked.quorum:
        said = f"{asked.quorum} separate operators are needed, and the builders named have {operators}"
        hint = "name builders of more operators in [[builder]], or ask for `separate-hosts`"
        yield Advice("builders.independence", said, hint)
    elif asked.per == "operator" and max(len(named), 1) < asked.quorum:
        unnamed = some([_name(each) for each in counting if each.operator is None])
        said = (
            f"{asked.quorum} operators have to vouch, and the policy does not say who runs {unnamed}: "
            "unless their own links do, they are one vote together (quorum-not-met)"
        )
        yield Advice("builders.quorum", said, _NAME_THEM)


def _repeats(each: TrustedBuilder, of: Sequence[TrustedBuilder], place: int) -> bool:
    """Whether its links are of a builder that another entry is about, too."""
    same = [(at, other) for at, other in enumerate(of) if at != place and other.name == each.name is not None]
    if each.operator is None and any(other.operator is not None for _, other in same):
        return True
    return any(at < place and other.operator == each.operator for at, other in same)


def _shadowed(trusted: Sequence[TrustedBuilder]) -> Iterator[Advice]:
    """Of those by one name alone, one is asked: the first, or the first that was revoked (`Builders`)."""
    by_name = [each for each in trusted if each.key is None]
    asked: dict[str | None, TrustedBuilder] = {}
    for each in sorted(by_name, key=lambda each: each.validity.revocation is None):
        asked.setdefault(each.name, each)
    for each in by_name:
        if asked[each.name] is not each:
            said = f"another [[builder]] takes every link of {each.name}: it asks for the same name alone"
            yield Advice(f"builder {each.name!r}", said, "remove one of them, or give each its `key`")


def _alike(trusted: Sequence[TrustedBuilder]) -> Iterator[Advice]:
    spelt: dict[str, str] = {}
    for each in trusted:
        if each.operator is None:
            continue
        first = spelt.setdefault(folded(each.operator), each.operator)
        if first != each.operator:
            said = f"{first!r} and {each.operator!r} are two operators, with a vote each"
            yield Advice("builder.operator", said, "write an operator's name in one way")


def _name(each: TrustedBuilder) -> str:
    return each.name or each.operator or "key " + (each.key.signer.fingerprint[:8] if each.key else "")
