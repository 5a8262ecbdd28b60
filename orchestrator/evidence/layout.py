"""The in-toto layout of a release: whose links count, how many must agree, and on what. Pure.

Specification: https://github.com/in-toto/docs/blob/master/in-toto-spec.md, section 4.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from orchestrator.evidence.canonical import MalformedError, member, moment, read, render
from orchestrator.evidence.functionary import functionary, pem_of
from orchestrator.evidence.terms import STEP
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:  # who only reads evidence needs nothing of how it is made
    from orchestrator.evidence.facts import ReleaseFacts

LAYOUT: Final = "links/root.layout"
LAYOUT_KEY: Final = "links/root.pub"
"""The public half of the key that signed the layout, where no key of the signer's own did."""
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
INSPECTION: Final = "artifact"
_YEARS: Final = 20
"""A layout must end (section 4.3.1). Whether a release is too old is for a policy to say, not for its
evidence, so the end is far; until then an archive verifies with unmodified clients."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a verifier needs of a layout. `keys` is key id to public key in PEM."""

    keys: Mapping[str, str]
    threshold: int
    expires: datetime
    artifact: str
    payload: bytes
    command: tuple[str, ...] = ()
    """What the step is expected to run; empty in releases of earlier versions."""


def layout_of(facts: ReleaseFacts, keys: Mapping[str, str]) -> Layout:
    """The layout of a release. `keys` is key id to public key (PEM), one per builder."""
    from orchestrator.evidence.canonical import seconds
    from orchestrator.evidence.commands import package_command

    name = facts.artifact.file_name
    finished = facts.finished
    expires = finished.replace(year=min(finished.year + _YEARS, 9999), day=min(finished.day, 28))
    rule = escaped(name)
    document = {
        "_type": "layout",
        "readme": f"{facts.quorum} of {len(keys)} builders must have made {name} bit for bit.",
        "expires": seconds(expires),
        "keys": {keyid: functionary(keyid, pem) for keyid, pem in keys.items()},
        "steps": [
            {
                "_type": "step",
                "name": STEP,
                "pubkeys": sorted(keys),
                "threshold": facts.quorum,
                "expected_command": package_command(facts),
                "expected_materials": [["ALLOW", "/nix/store/*"], ["DISALLOW", "*"]],
                "expected_products": [["CREATE", rule], ["CREATE", "/nix/store/*"], ["DISALLOW", "*"]],
            }
        ],
        "inspect": [
            {
                "_type": "inspection",
                "name": INSPECTION,
                # in-toto records the folder before and after a command; recording is all we want of it
                "run": ["true"],
                "expected_materials": [
                    ["REQUIRE", name],
                    ["MATCH", rule, "WITH", "PRODUCTS", "FROM", STEP],
                    ["DISALLOW", rule],
                ],
                "expected_products": [],
            }
        ],
    }
    command = tuple(package_command(facts))
    return Layout(keys, facts.quorum, expires, name, render(document), command)


def escaped(name: str) -> str:
    """A file name as a rule that matches it alone: in-toto's rules are fnmatch patterns."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def parse(payload: bytes, what: str) -> Layout:
    """Read a layout of ours back from signed bytes; it must be one that `layout_of` could have made.

    Raises MalformedError.
    """
    document = read(payload, what)
    if member(document, "_type", str, what) != "layout":
        raise MalformedError(f"{what} is not an in-toto layout")
    steps, inspections = member(document, "steps", list, what), member(document, "inspect", list, what)
    if len(steps) != 1 or len(inspections) != 1:
        raise MalformedError(f"{what} does not have one step and one inspection")
    step = steps[0]
    if member(step, "name", str, what) != STEP:
        raise MalformedError(f"{what} has no step {STEP!r}")
    keys = _keys(document, what)
    if sorted(keys) != member(step, "pubkeys", list, what):
        raise MalformedError(f"{what} names other keys for its step than it holds")
    return Layout(
        keys=keys,
        threshold=member(step, "threshold", int, what),
        expires=_moment(member(document, "expires", str, what), what),
        artifact=_artifact(inspections[0], what),
        payload=payload,
        command=_command(step, what),
    )


def _command(step: Any, what: str) -> tuple[str, ...]:
    found = member(step, "expected_command", list, what)
    if not all(isinstance(each, str) for each in found):
        raise MalformedError(f"{what} expects a command that is no list of texts")
    return tuple(found)


def _keys(document: dict[str, Any], what: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for keyid, key in member(document, "keys", dict, what).items():
        found[keyid] = pem_of(keyid, key, what)
    return found


def _artifact(inspection: object, what: str) -> str:
    """The file that the inspection requires and matches with the step's products."""
    rules = member(inspection, "expected_materials", list, what)
    required = [
        rule[1] for rule in rules if isinstance(rule, list) and len(rule) == 2 and rule[0] == "REQUIRE"
    ]
    if len(required) != 1 or not isinstance(required[0], str):
        raise MalformedError(f"{what} does not require one artifact")
    rule = escaped(required[0])
    if ["MATCH", rule, "WITH", "PRODUCTS", "FROM", STEP] not in rules or ["DISALLOW", rule] not in rules:
        raise MalformedError(f"{what} does not match the artifact with what the builders made")
    return required[0]


def _moment(text: str, what: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise MalformedError(f"{what} has no time where its end should be: {text!r}")
    return moment(text, what)
