"""A ledger for others: what was built here, signed; and what other operators signed, taken in and counted.

What is taken in stays as it was signed, in `others/` of the state folder. Its signature is checked each time
that it is read, and nothing of it goes into the ledger's tables.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.builders.build import Report
from orchestrator.evidence import builds, links
from orchestrator.evidence.canonical import MalformedError, decoded, encoded, member, read, render
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD, NAR_SHA256
from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, write_atomically
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.ground.wording import folded
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.keys.signers import Signer
from orchestrator.ledger.course import courses
from orchestrator.ledger.entries import Entry, How, Known, Made, Result, made_of
from orchestrator.ledger.operators import Signed, by_operator
from orchestrator.ledger.reading import Ledger
from orchestrator.ledger.reading import read as reading
from orchestrator.ledger.votes import Count, count
from orchestrator.stories.learning import record_of, report_of

HERE: Final = "here"
"""What the operator of this machine is called where no builder of tally.toml names one."""
_LARGEST: Final = 256 << 20  # bytes of what is taken in: a build takes some 500
_MOST_LINKS: Final = 100
_COUNT: Final = frozenset({How.BUILT, How.CHECKED})


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
            wanted = {path for name in targets for path in ledger.inputs(_result(ledger, name).artifact)}
            entries = list(ledger.entries(sorted(wanted)))
        else:
            entries = [each for run in ledger.runs() for each in ledger.entries_of(run)]
    counted = [each for each in entries if each.how in _COUNT and each.builder.proven and each.outputs]
    try:
        payload = builds.payload_of(counted)
    except ValueError:
        raise TallyError(
            "the ledger has no build to export",
            hint="what counts is what was built or checked in a proven sandbox: see `tally build --deep`",
        ) from None
    envelope = dsse.sign(IN_TOTO_PAYLOAD, payload, signer, keyid=signer.public.keyid)
    return Exported(
        render(envelope.document()) + b"\n",
        len({each.derivation for each in counted}),
        tuple(sorted({each.builder.name for each in counted})),
    )


def merge(state: State, source: Path, operator: str, keys: Sequence[PublicKey]) -> Merged:
    """Take in what an operator signed with one of `keys`: an exported ledger, or a folder with `links/`.

    Raises TallyError where nothing there is signed so, or what is signed is malformed.
    """
    operator = operator.strip()
    _refuse_second_name(state, operator, keys)
    document: dict[str, Any] = {"operator": operator, "keys": [each.pem for each in keys]}
    try:
        document |= _links(source) if source.is_dir() else {"ledger": encoded(contents(source, _LARGEST))}
        entries = _entries(document, str(source))
    except (OSError, ValueError) as error:
        raise TallyError(f"cannot read {source}: {why(error)}") from error
    except MalformedError as error:
        raise TallyError(str(error)) from error
    data = render(document)
    place = state.others / f"{hashlib.sha256(data).hexdigest()}.json"
    if new := not place.exists():
        state.folder("others")
        write_atomically(place, data)
    return Merged(
        operator,
        len({each.derivation for each in entries}),
        tuple(sorted({each.builder.name for each in entries})),
        new,
        tuple(_unlike(state, entries)),
    )


def votes(
    state: State, target: str, needed: int | None, own: Mapping[str, str | None]
) -> tuple[Result, Count]:
    """The votes on a target that was built here, and on its build-time closure.

    `own`: builders of tally.toml to their operators. Raises TallyError for a target that is unknown, and for
    something in `others/` that is not as it was signed.
    """
    with reading(state) as ledger:
        result = _result(ledger, target)
        below = ledger.inputs(result.artifact)
        fixed = ledger.fixed(list(below))
        entries = list(ledger.entries(list(below)))
    signed = [*_own(state, entries, own), *_others(state, below.keys(), entries)]
    return result, count(result.artifact, below, fixed, by_operator(signed), needed)


def _own(state: State, entries: Iterable[Entry], operators: Mapping[str, str | None]) -> Iterator[Signed]:
    """What builders here made, by who runs them."""
    keys = frozenset(PublicKey.load(each).keyid for each in state.keys.glob("builder-*.pub"))
    said: dict[str, list[Entry]] = {}
    for entry in entries:
        operator = entry.builder.operator or operators.get(entry.builder.name) or HERE
        said.setdefault(operator, []).append(entry)
    for operator, those in said.items():
        yield Signed(operator, tuple(those), keys if operator == HERE else frozenset())


def _others(state: State, derivations: Collection[str], known: Iterable[Entry]) -> Iterator[Signed]:
    """What other operators signed of these derivations. Raises TallyError.

    `known` tells the outputs that a link only has by their paths.
    """
    paths: dict[str, dict[str, str]] = {}
    for entry in known:
        names = paths.setdefault(entry.derivation, {})
        names.update((name, made.path) for name, made in entry.outputs.items())
    for place in sorted(state.others.glob("*.json")):
        what = str(place)
        try:
            document = read(contents(place, 2 * _LARGEST), what)
            operator, keys = member(document, "operator", str, what), _keys(document, what)
            entries = [*_entries(document, what), *_used(document, paths, what)]
        except (OSError, ValueError, MalformedError, TallyError) as error:
            raise TallyError(
                f"{place} is not as it was taken in: {why(error)}",
                hint="remove it, and take it in again with `tally ledger merge`",
            ) from error
        entries = [each for each in entries if each.derivation in derivations]
        yield Signed(operator, tuple(entries), frozenset(each.keyid for each in keys))


def _refuse_second_name(state: State, operator: str, keys: Sequence[PublicKey]) -> None:
    """Raises TallyError for a key that is another operator's already: one vote would be two."""
    given = {each.pem for each in keys}
    for place in sorted(state.others.glob("*.json")):
        try:
            document = read(contents(place, 2 * _LARGEST), str(place))
            known = member(document, "operator", str, str(place))
            theirs = given.intersection(map(str, member(document, "keys", list, str(place))))
        except (OSError, ValueError, MalformedError):
            continue  # it is told where votes are counted
        if theirs and folded(known) != folded(operator):
            raise TallyError(
                f"a key that was given is that of the operator {known}, by {place}: each has one vote",
                hint=f"give --operator {shlex.quote(known)}, or remove that file if it is not theirs",
            )


def _links(folder: Path) -> dict[str, Any]:
    """The links of a folder with their builders' records, as they lie there."""
    found = sorted((folder / "links").glob("*.link"))
    if not found:
        raise TallyError(
            f"{folder} has no links",
            hint="give a release, what `tally rebuild --attest` wrote, or an exported ledger",
        )
    if len(found) > _MOST_LINKS:
        raise TallyError(f"{folder} has more than {_MOST_LINKS} links")
    pieces = []
    for path in found:
        data = contents(path, _LARGEST)
        link = links.parse(dsse.read(data, str(path)).payload, str(path))
        record = contents(folder / record_of(link), _LARGEST)
        pieces.append({"link": encoded(data), "record": encoded(record)})
    return {"links": pieces}


def _entries(document: object, what: str) -> tuple[Entry, ...]:
    """What one of the operator's keys has signed. Raises MalformedError or TallyError."""
    keys = _keys(document, what)
    assert isinstance(document, dict)
    if "ledger" in document:
        envelope = dsse.read(decoded(member(document, "ledger", str, what), what), what)
        _refuse_unsigned([envelope], keys, what)
        return builds.parse(envelope.payload, what)
    found: list[Entry] = []
    for envelope, record in _signed_links(document, keys, what):
        found += _of_link(envelope, record, what)
    return tuple(found)


def _keys(document: object, what: str) -> list[PublicKey]:
    return [PublicKey.from_pem(str(pem).encode(), what) for pem in member(document, "keys", list, what)]


def _signed_links(document: object, keys: Sequence[PublicKey], what: str) -> Iterator[tuple[Envelope, bytes]]:
    """The links that one of the keys signed, each with its builder's record. Raises TallyError for none."""
    pieces = member(document, "links", list, what)
    envelopes = [dsse.read(decoded(member(each, "link", str, what), what), what) for each in pieces]
    _refuse_unsigned(envelopes, keys, what)
    for envelope, piece in zip(envelopes, pieces, strict=True):
        if any(dsse.signed_by(envelope, key) for key in keys):
            yield envelope, decoded(member(piece, "record", str, what), what)


def _used(document: object, paths: Mapping[str, Mapping[str, str]], what: str) -> Iterator[Entry]:
    """What the builders of links had of inputs, of which they signed the hashes: no votes."""
    if not isinstance(document, dict) or "links" not in document:
        return
    for envelope, record in _signed_links(document, _keys(document, what), what):
        link = links.parse(envelope.payload, what)
        had = {**link.materials, **link.converged}
        builder = _builder_of(report_of(link, record))
        for derivation, outputs in paths.items():
            digests = {name: had.get(path, {}).get(NAR_SHA256) for name, path in outputs.items()}
            made = {
                name: Made(outputs[name], NarHash(digest), 0, ())
                for name, digest in digests.items()
                if digest is not None
            }
            if len(made) == len(outputs):
                yield Entry("", builder, derivation, How.HELD, made)


def _refuse_unsigned(envelopes: Sequence[Envelope], keys: Sequence[PublicKey], what: str) -> None:
    if not any(dsse.signed_by(each, key) for each in envelopes for key in keys):
        raise TallyError(
            f"nothing in {what} is signed by the key that was given",
            hint="ask its operator which key it is: of a release or a rebuild, those of its builders count",
        )


def _of_link(envelope: Envelope, record: bytes, what: str) -> Iterator[Entry]:
    report = report_of(links.parse(envelope.payload, what), record)
    builder = _builder_of(report)
    for build in report.builds.values():
        made = made_of(build.outputs)
        yield Entry("", builder, build.derivation, How.BUILT, made, build.started, build.finished)


def _builder_of(report: Report) -> Known:
    identity = report.identity
    return Known(
        identity.name,
        "signed",
        nix_version=identity.nix_version,
        machine_id=identity.machine_id,
        boot_id=identity.boot_id,
        system=identity.system,
        proven=report.sandbox is not None,
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


def _result(ledger: Ledger, target: str) -> Result:
    """The last result of a target. Raises TallyError where it was never built here."""
    for course in courses(ledger.results(whole=False)):
        if target in course.known_as:
            return course.results[-1]
    raise TallyError(
        f"nothing that was built here is called {target!r}", hint="`tally history` lists all that was"
    )
