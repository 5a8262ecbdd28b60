"""Signers: whether those that are trusted can sign a release between them, and what each is trusted with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.policy.policy import Policy
from orchestrator.policy.review.advice import Advice, Surroundings
from orchestrator.policy.review.standing import ROOT, never, revoked
from orchestrator.policy.rules.required import Statements
from orchestrator.policy.trust import RELEASE, TrustedIdentity, TrustedKey, TrustedSigner


def review(policy: Policy, around: Surroundings) -> Iterator[Advice]:
    """What can be said of every `[[signer]]`, and of `timestamp` and `log` of `[require]`."""
    signers = policy.signers.signers
    if not signers:  # the policy is empty, and that is a verdict
        return
    against = {each.name: tuple(_against(each, policy, around)) for each in signers}
    for each in signers:
        yield from against[each.name]
    yield from _unmet(policy, around)
    counting = [each for each in signers if not against[each.name] and _counts(each, policy, around)]
    if not counting:
        said = f"nothing that {_all(signers)} signs can count, so that no release can be accepted"
        yield Advice("signer", said, "trust a signer whose signatures count now")
        return
    yield from _release(counting)
    yield from _shadowed(signers)
    yield from _statements(policy, counting)


def _against(each: TrustedSigner, policy: Policy, around: Surroundings) -> Iterator[Advice]:
    """Why nothing that it signs counts, as far as its own entry says."""
    place, name = f"signer {each.name!r}", each.name
    by_identity = isinstance(each.who, TrustedIdentity)
    if by_identity and (lacking := _lacking(around)):
        said = f"{name} signs by certificates, and {lacking}"
        yield Advice(place, said, ROOT)
    # every certificate that counts has a proven time
    stamped = by_identity or around.clocks
    found = never(place, name, each.validity, stamped=stamped, now=around.now, ends=policy.expires)
    if found is not None:
        yield found
    if by_identity and around.root is None:  # which is said
        return
    if each.log and not around.logs:
        yield Advice(
            f"{place}.log", f"what {name} signs must be in a log, and {_nobody(around, 'log')}", ROOT
        )
    if each.timestamp and not around.clocks and not by_identity:  # whose time is asked for anyhow
        said = f"what {name} signs must have a timestamp, and {_nobody(around, 'timestamp authority')}"
        yield Advice(f"{place}.timestamp", said, ROOT)


def _unmet(policy: Policy, around: Surroundings) -> Iterator[Advice]:
    """What `[require]` asks of signatures by keys, and no root can show."""
    if not any(isinstance(each.who, TrustedKey) for each in policy.signers.signers):
        return
    for key, asked, known, what in (
        ("log", policy.signers.log, around.logs, "log"),
        ("timestamp", policy.signers.timestamp, around.clocks, "timestamp authority"),
    ):
        if asked and not known:
            said = f"`{key} = true` is met by nothing that a key signs, since {_nobody(around, what)}"
            yield Advice(f"require.{key}", said, f"{ROOT}; or leave `{key}` out")


def _counts(each: TrustedSigner, policy: Policy, around: Surroundings) -> bool:
    """Whether it was not revoked, and `[require]` asks nothing of it that cannot be had."""
    if isinstance(each.who, TrustedIdentity):
        return True
    unmet = (policy.signers.log and not around.logs) or (policy.signers.timestamp and not around.clocks)
    return not unmet and not revoked(each.validity, stamped=around.clocks, now=around.now)


def _lacking(around: Surroundings) -> str | None:
    """What a certificate is judged by, and is not there (certificates.py, certified.py)."""
    root = around.root
    if root is None:
        return "no trusted root is named that says whose count"
    unlogged = root.unlogged  # whose timestamps stand for the log
    for what, there in (
        ("certificate authority", root.certificate_authorities),
        ("certificate transparency log", root.ctlogs or unlogged),
        ("log", root.tlogs or unlogged),
    ):
        if not there:
            return f"the trusted root names no {what}, without which none counts"
    return None


def _nobody(around: Surroundings, what: str) -> str:
    return (
        f"no trusted root is named that has a {what}"
        if around.root is None
        else f"the trusted root has no {what}"
    )


def _release(counting: Sequence[TrustedSigner]) -> Iterator[Advice]:
    """Keys share the parts of a release between them; an identity signs all of it (opening.py)."""
    keys = [each for each in counting if isinstance(each.who, TrustedKey)]
    identities = [each for each in counting if isinstance(each.who, TrustedIdentity)]
    lacking = [_unsigned(group) for group in (keys, identities) if group]
    if not all(lacking):
        return
    least = min(lacking, key=len)
    if not _unsigned(counting):
        said = "keys and identities may sign all of a release together, and neither alone, as they have to"
    else:
        said = f"nobody that counts may sign {_all_of(least)}, without which no release is accepted"
    hint = "add it to `statements` of a signer, or leave `statements` out of whose releases they are"
    yield Advice("signer.statements", said, hint)


def _unsigned(group: Sequence[TrustedSigner]) -> list[str]:
    return [name for kind, name in RELEASE.items() if not any(each.may_sign(kind) for each in group)]


def _shadowed(signers: Sequence[TrustedSigner]) -> Iterator[Advice]:
    """An identity's first entry that may sign a statement is asked, and every revocation (`trust`)."""
    for place, each in enumerate(signers):
        if each.validity.revocation is not None:
            continue
        for at, other in enumerate(signers):
            if other.validity.revocation is not None and _within(each, other):
                said = f"whoever is {each.name} is {other.name} too, who is revoked"
                yield Advice(f"signer {each.name!r}", said, "remove it, or revoke those alone who are meant")
                break
            if at < place and _covers(other, each):
                said = f"whoever is {each.name} is {other.name} too, which comes first and is asked alone"
                hint = "remove it, or put it before the other"
                yield Advice(f"signer {each.name!r}", said, hint)
                break


def _within(each: TrustedSigner, other: TrustedSigner) -> bool:
    """Whether everybody who fits one identity fits another."""
    if not isinstance(each.who, TrustedIdentity) or not isinstance(other.who, TrustedIdentity):
        return False
    return other.who.issuer.covers(each.who.issuer) and other.who.subject.covers(each.who.subject)


def _covers(earlier: TrustedSigner, later: TrustedSigner) -> bool:
    return _within(later, earlier) and all(earlier.may_sign(kind) for kind in later.statements or RELEASE)


def _statements(policy: Policy, counting: Sequence[TrustedSigner]) -> Iterator[Advice]:
    required = {kind for rule in policy.rules if isinstance(rule, Statements) for kind in rule.types}
    for kind in sorted(required - set(RELEASE)):
        if not any(each.may_sign(kind) for each in counting):
            said = f"{kind} is required, and nobody that counts may sign it"
            yield Advice("require.statements", said, "add it to `statements` of whom you trust with it")
    for each in policy.signers.signers:
        for kind in sorted((each.statements or frozenset()) - set(RELEASE) - required):
            said = f"{each.name} is trusted with {kind}, which no rule asks for or sees"
            hint = "add it to `require.statements`, or remove it here"
            yield Advice(f"signer {each.name!r}.statements", said, hint)


def _all(signers: Sequence[TrustedSigner]) -> str:
    return _all_of([each.name for each in signers], "or")


def _all_of(names: Sequence[str], word: str = "and") -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
