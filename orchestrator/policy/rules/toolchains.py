"""Toolchains: what the release was made with is one that the policy allows, pin by pin (`[[toolchain]]`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.evidence.terms import BELIEVED
from orchestrator.ground.wording import counted, some
from orchestrator.policy.evidence import Evidence, Input
from orchestrator.policy.rules.packages import Packages, read
from orchestrator.policy.verdict import Code, Finding, Reason


@dataclass(frozen=True, slots=True)
class AllowedToolchain:
    """One `[[toolchain]]`. What is None or empty is not asked for."""

    from_: Literal["containers", "debian", "files", "nixpkgs"]
    suite: str | None = None
    rev: str | None = None
    nar_hash: str | None = None
    packages: tuple[Packages, ...] = ()
    image: str | None = None

    def is_(self, recorded: Mapping[str, Any]) -> bool:
        asked = {
            "from": self.from_,
            "suite": self.suite,
            "rev": self.rev,
            "narHash": self.nar_hash,
            "image": self.image,
        }
        return all(recorded.get(name) == value for name, value in asked.items() if value is not None)

    def covers(self, other: AllowedToolchain) -> bool:
        """Whether `other` allows nothing beside this one, and pins nothing that this one does not."""
        pins = (
            (self.suite, other.suite),
            (self.rev, other.rev),
            (self.nar_hash, other.nar_hash),
            (self.image, other.image),
        )
        if self.from_ != other.from_ or any(ours not in (None, theirs) for ours, theirs in pins):
            return False
        if not other.packages:
            return True
        return bool(self.packages) and all(
            any(each.covers(package) for each in self.packages) for package in other.packages
        )

    def __str__(self) -> str:
        pins = [pin for pin in (self.suite, self.rev, self.nar_hash, self.image) if pin is not None]
        return " ".join(
            [
                self.from_,
                *pins,
                *([f"with {counted(len(self.packages), 'package')}"] if self.packages else []),
            ]
        )

    def holds(self, text: str) -> bool:
        """Whether one of its packages is this. What cannot be read or compared is none of them."""
        for each in self.packages:
            try:
                if each.holds(read(text)):
                    return True
            except ValueError:
                continue
        return False


@dataclass(frozen=True, slots=True)
class Toolchains:
    """Every `[[toolchain]]`."""

    allowed: tuple[AllowedToolchain, ...]

    @property
    def name(self) -> str:
        return "toolchain"

    def judge(self, evidence: Evidence) -> Finding:
        recorded = evidence.toolchains
        if not recorded:
            said = "the provenance does not say which toolchain it was made with"
            return Finding(self.name, "nothing", (Reason(Code.TOOLCHAIN_NOT_ALLOWED, said),))
        reasons: list[Reason] = []
        used: list[AllowedToolchain] = []
        for each in recorded:
            fitting = [allowed for allowed in self.allowed if allowed.is_(each)]
            used += fitting
            if not fitting:
                said = f"it was made with {_shown(each)}, which the policy does not allow"
                reasons.append(Reason(Code.TOOLCHAIN_NOT_ALLOWED, said))
        packages = [each for each in evidence.inputs if each.kind == "toolchain"]
        # only Debian's are recorded as packages, and without their suite: once pinned, each is asked for
        if pinned := [each for each in used if each.packages]:
            reasons += _packages(packages, pinned)
            if any(each.kind == BELIEVED for each in evidence.inputs):
                said = "inputs of it were believed, so that nobody tells which packages they were made with"
                reasons.append(Reason(Code.TOOLCHAIN_NOT_ALLOWED, said))
        saw = f"{some([_shown(each) for each in recorded])}; {counted(len(packages), 'package')}"
        return Finding(self.name, saw, tuple(reasons))


def _packages(found: list[Input], pinned: list[AllowedToolchain]) -> Iterator[Reason]:
    for each in found:
        purl = each.purl
        if purl is None or not any(allowed.holds(purl) for allowed in pinned):
            said = f"its toolchain has {purl or each.name}, which the policy does not list"
            yield Reason(Code.TOOLCHAIN_NOT_ALLOWED, said)


def _shown(recorded: Mapping[str, Any]) -> str:
    pins = [str(recorded[name]) for name in ("suite", "rev", "narHash", "image") if name in recorded]
    return " ".join([str(recorded["from"]), *pins])
