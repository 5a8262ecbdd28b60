"""What every rule is."""

from __future__ import annotations

from typing import Protocol

from orchestrator.policy.evidence import Evidence
from orchestrator.policy.verdict import Finding


class Rule(Protocol):
    """One rule: a frozen value, made when the policy is read."""

    @property
    def name(self) -> str:
        """What its findings are called: the key or table of the policy that it is from."""

    def judge(self, evidence: Evidence) -> Finding:
        """What it saw and has against it. Raises MalformedError for evidence without what it asks for."""
