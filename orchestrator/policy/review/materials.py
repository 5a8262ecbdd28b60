"""Sources, toolchains, licences, packages: what contradicts itself, fits nothing, or is said twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from orchestrator.policy.pattern import Pattern
from orchestrator.policy.review.advice import Advice
from orchestrator.policy.rules import packages
from orchestrator.policy.rules.inputs import Inputs
from orchestrator.policy.rules.licences import Licences
from orchestrator.policy.rules.packages import Deny
from orchestrator.policy.rules.repository import Repositories
from orchestrator.policy.rules.rule import Rule
from orchestrator.policy.rules.sources import Addresses, Digests, Kinds
from orchestrator.policy.rules.toolchains import AllowedToolchain, Toolchains
from orchestrator.recipe.detours import plain
from orchestrator.recipe.names import meant_suite

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAR_HASH = re.compile(r"sha256-[A-Za-z0-9+/]{43}=")
_Of = TypeVar("_Of")


def review(rules: Sequence[Rule]) -> Iterator[Advice]:
    """What can be said of `[sources]`, `[inputs]`, `[[toolchain]]`, `[licences]` and `[[deny]]`."""
    deny = next((rule for rule in rules if isinstance(rule, Deny)), Deny(()))
    for rule in rules:
        match rule:
            case Addresses():
                yield from _addresses(rule.patterns)
            case Repositories():
                yield from _repositories(rule.patterns)
            case Digests() if not rule.allowed:
                yield _no_source("digests")
            case Kinds() if not rule.allowed:
                said = "the list is empty, so that no release can be accepted"
                yield Advice("sources.kinds", said, "list what is allowed, or leave `kinds` out")
            case Toolchains():
                yield from _toolchains(rule.allowed, deny)
            case Inputs(refused=True) if rule.keys is not None or rule.levels:
                said = "nothing may be believed, so that `keys` and `rebuilt-levels` say nothing"
                yield Advice("inputs.believed", said, "leave it out, or leave out the others")
            case Licences():
                yield from _licences(rule)
            case _:
                pass


def _addresses(patterns: Sequence[Pattern]) -> Iterator[Advice]:
    if not patterns:
        yield _no_source("addresses")
    for each in patterns:
        if not plain(each.text):
            said = f"{each.text!r} allows nothing: addresses with `.`, `..` or a backslash are refused"
            yield Advice("sources.addresses", said, "write the folder that is meant")
    for each, other in _covered(patterns, Pattern.covers):
        said = f"{each.text!r} allows nothing that {other.text!r} does not allow"
        yield Advice("sources.addresses", said, "remove one of them")


def _repositories(patterns: Sequence[Pattern]) -> Iterator[Advice]:
    if not patterns:
        said = "the list is empty, so that no release can be accepted"
        yield Advice("sources.repositories", said, "list what is allowed, or leave `repositories` out")
    for each in patterns:
        if not plain(each.text):
            said = f"{each.text!r} allows nothing: addresses with `.`, `..` or a backslash are refused"
            yield Advice("sources.repositories", said, "write the folder that is meant")
    for each, other in _covered(patterns, Pattern.covers):
        said = f"{each.text!r} allows nothing that {other.text!r} does not allow"
        yield Advice("sources.repositories", said, "remove one of them")


def _no_source(key: str) -> Advice:
    said = "the list is empty, so that no release with a source can be accepted"
    return Advice(f"sources.{key}", said, f"list what is allowed, or leave `{key}` out")


def _toolchains(allowed: Sequence[AllowedToolchain], deny: Deny) -> Iterator[Advice]:
    for each in allowed:
        for key, pin, shape, expected in (
            ("rev", each.rev, _COMMIT, "a whole commit id, 40 lower-case hexadecimal digits"),
            ("nar-hash", each.nar_hash, _NAR_HASH, "a hash as flake.lock has it, sha256-…="),
        ):
            if pin is not None and not shape.fullmatch(pin):
                said = f"no toolchain has {pin!r}, which is not {expected}"
                yield Advice(f"toolchain.{key}", said, "copy it from flake.lock")
        if each.suite is not None and (near := meant_suite(each.suite)):
            said = f"no toolchain is of a suite {each.suite!r}"
            yield Advice("toolchain.suite", said, f"did you mean {near!r}?")
        for package in each.packages:
            purl = packages.read(package.purl)
            if (purl.type, purl.namespace) != ("deb", "debian") or purl.qualifiers.keys() - {"arch"}:
                said = f"no package of a Debian toolchain is {package.purl}"
                hint = "write it as pkg:deb/debian/NAME, with no qualifier but `arch`"
                yield Advice("toolchain.packages", said, hint)
            if denied := next((one for one in deny.denied if one.packages.covers(package)), None):
                said = f"{package} is allowed, and denied by [[deny]] ({denied.why}), which outweighs it"
                yield Advice("toolchain.packages", said, "remove one of the two")
    for each, other in _covered(allowed, AllowedToolchain.covers):
        said = f"a [[toolchain]] ({each}) allows nothing that another ({other}) does not allow"
        yield Advice("toolchain", said, "remove it, or give the other its pins")


def _licences(rule: Licences) -> Iterator[Advice]:
    if rule.allowed is None:
        return
    for each in sorted(rule.allowed & rule.denied):
        said = f"{each} is both allowed and denied: it is denied"
        yield Advice("licences.denied", said, "remove it from one of the two lists")
    if rule.allowed <= rule.denied:
        which = "no licence is allowed"
        but = (
            ", so that no release can be accepted" if rule.unknown == "deny" else " but one that is not known"
        )
        yield Advice("licences.allowed", which + but, "list what is allowed, or leave `allowed` out")


def _covered(of: Sequence[_Of], covers: Callable[[_Of, _Of], bool]) -> Iterator[tuple[_Of, _Of]]:
    """Each that another covers wholly, with that; of two that cover each other the later."""
    for place, each in enumerate(of):
        for at, other in enumerate(of):
            if at != place and covers(other, each) and (at < place or not covers(each, other)):
                yield each, other
                break
