"""A ledger for others: what was built here, signed; and what other operators signed, taken in.

Nothing of what is taken in goes into the ledger's tables.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.evidence import builds
from orchestrator.evidence.canonical import MOST_MARKS, MalformedError, marks_in, member, read, render
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, write_atomically
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted, folded
from orchestrator.keys import dsse
from orchestrator.keys.key import PublicKey
from orchestrator.keys.signers import Signer
from orchestrator.ledger.entries import Entry, How
from orchestrator.ledger.named import result_of
from orchestrator.ledger.reading import read as reading
from orchestrator.ledger.resolving import resolved
from orchestrator.stories.others import LARGEST, read_from


@dataclass(frozen=True, slots=True)
class Exported:
    """What was signed."""

    data: bytes
    """The envelope, as a file has it."""
    derivations: int
    builders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Merged:
    """What was taken in."""

    operator: str
    derivations: int
    builders: tuple[str, ...]
    new: bool
    """Whether it was not there already."""
    unlike: tuple[str, ...]
    """Derivations of which builders here made something else."""


def export(state: State, targets: Sequence[str], signer: Signer) -> Exported:
    """All that builders here built in proven sandboxes, of these targets' closures or of everything.

    Raises TallyError for an unknown target, and where there is nothing.
    """
    with reading(state) as ledger:
        if targets:
            wanted = {path for name in targets for path in ledger.inputs(result_of(ledger, name).artifact)}
            entries = list(ledger.entries(sorted(wanted)))
        else:
            entries = [each for run in ledger.runs() for each in ledger.entries_of(run)]
        inputs = ledger.direct_inputs(sorted({each.derivation for each in entries}))
    told = [each for each in resolved(entries, inputs) if each.builder.proven and each.outputs]
    try:
        payload = builds.payload_of(told)
    except ValueError:
        raise TallyError(
            "the ledger has no build to export",
            hint="what counts is what was built or checked in a proven sandbox: see `tally build --deep`",
        ) from None
    if marks_in(payload) > MOST_MARKS:
        raise TallyError(
            f"what the ledger has of {counted(len(told), 'build')} is more than is read of one file",
            hint="name targets, and sign several files: `tally ledger export TARGET --key KEY --out FILE`",
        )
    envelope = dsse.sign(IN_TOTO_PAYLOAD, payload, signer, keyid=signer.public.keyid)
    return Exported(
        render(envelope.document()) + b"\n",
        len({each.derivation for each in told}),
        tuple(sorted({each.builder.name for each in told})),
    )


def merge(state: State, source: Path, operator: str, keys: Sequence[PublicKey]) -> Merged:
    """Take in what an operator signed with one of `keys`: an exported ledger, or a folder with `links/`.

    Raises TallyError where nothing there is signed so, or what is signed is malformed.
    """
    operator = operator.strip()
    _refuse_second_name(state, operator, keys)
    said = read_from(source, operator, keys)
    data = render({"operator": operator, "keys": [each.pem for each in keys], **said.document})
    place = state.others / f"{hashlib.sha256(data).hexdigest()}.json"
    if new := not place.exists():
        state.folder("others")
        write_atomically(place, data)
    return Merged(
        operator,
        len({each.derivation for each in said.entries}),
        tuple(sorted({each.builder.name for each in said.entries})),
        new,
        tuple(_unlike(state, said.entries)),
    )


def _refuse_second_name(state: State, operator: str, keys: Sequence[PublicKey]) -> None:
    """Raises TallyError for a key that is another operator's already: one vote would be two."""
    given = {each.pem for each in keys}
    for place in sorted(state.others.glob("*.json")):
        try:
            document = read(contents(place, 2 * LARGEST), str(place))
            known = member(document, "operator", str, str(place))
            theirs = given.intersection(map(str, member(document, "keys", list, str(place))))
        except (OSError, ValueError, MalformedError):
            continue  # it is told where votes are counted
        if theirs and folded(known) != folded(operator):
            raise TallyError(
                f"a key that was given is that of the operator {known}, by {place}: each has one vote",
                hint=f"give --operator {shlex.quote(known)}, or remove that file if it is not theirs",
            )


def _unlike(state: State, entries: Sequence[Entry]) -> Iterator[str]:
    """Derivations of which builders here made something else."""
    if not state.ledger.exists():
        return
    theirs: dict[str, set[str]] = {}
    for entry in entries:
        theirs.setdefault(entry.derivation, set()).update(_hashes(entry))
    with reading(state) as ledger:
        mine: dict[str, set[str]] = {}
        for entry in ledger.entries(sorted(theirs)):
            if entry.how is not How.FAILED:
                mine.setdefault(entry.derivation, set()).update(_hashes(entry))
    yield from (path for path, hashes in sorted(mine.items()) if hashes != theirs[path])


def _hashes(entry: Entry) -> set[str]:
    return {f"{name} {made.path} {made.nar_hash.hex}" for name, made in entry.outputs.items()}
