"""What other operators signed of their builds: taken in by `tally ledger merge`, or given as files.

What is taken in stays as it was signed, in `others/` of the state folder. Its signature is checked each time
that it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from orchestrator.builders.build import Report
from orchestrator.builders.closure_table import RebuilderTable
from orchestrator.evidence import builds, links
from orchestrator.evidence.canonical import MalformedError, decoded, encoded, member, read
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.ledger.entries import Entry, How, Known, Made, made_of
from orchestrator.ledger.operators import Signed
from orchestrator.stories.learning import record_of, report_of

LARGEST: Final = 256 << 20
"""Bytes of what is taken in: a build takes some 500."""
_MOST_LINKS: Final = 100
Paths = Mapping[str, Mapping[str, str]]
"""Derivation to output name to store path."""


class _UnsignedError(TallyError):
    """Nothing there is signed by a key that was given."""


@dataclass(frozen=True)
class Said:
    """What one operator signed: an exported ledger, or the links of builders with their records."""

    operator: str
    keys: tuple[PublicKey, ...]
    document: Mapping[str, Any]
    place: str
    """Where it lies."""

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """What one of the keys has signed. Raises MalformedError or TallyError."""
        if "ledger" in self.document:
            envelope = dsse.read(self._ledger, self.place)
            self._refuse_unsigned([envelope])
            return builds.parse(envelope.payload, self.place)
        found: list[Entry] = []
        for _, report in self._signed_links:
            found += _of_report(report)
        return tuple(found)

    @cached_property
    def digests(self) -> tuple[Sha256, ...]:
        """Of each signed file, as its operator gave it."""
        if "ledger" in self.document:
            return (Sha256.of(self._ledger),)
        pieces = member(self.document, "links", list, self.place)
        return tuple(Sha256.of(decoded(member(each, "link", str, self.place), self.place)) for each in pieces)

    @property
    def whole(self) -> Signed:
        """All of it, whatever it is about."""
        return Signed(self.operator, self.entries, frozenset(each.keyid for each in self.keys))

    def signed(self, paths: Paths) -> Signed:
        """What of it is about these derivations; their outputs' paths tell what links have of inputs."""
        told = [entry for path in paths for entry in self._by_derivation.get(path, ())]
        return replace(self.whole, entries=(*told, *self._used(paths)))

    @cached_property
    def _by_derivation(self) -> Mapping[str, Sequence[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.derivation, []).append(entry)
        return found

    @property
    def _ledger(self) -> bytes:
        return decoded(member(self.document, "ledger", str, self.place), self.place)

    @cached_property
    def _signed_links(self) -> tuple[tuple[Link, Report], ...]:
        """The links that one of the keys signed, each with its builder's report.

        Raises MalformedError or TallyError.
        """
        what = self.place
        pieces = member(self.document, "links", list, what)
        envelopes = [dsse.read(decoded(member(each, "link", str, what), what), what) for each in pieces]
        self._refuse_unsigned(envelopes)
        found = []
        for envelope, piece in zip(envelopes, pieces, strict=True):
            if any(dsse.signed_by(envelope, key) for key in self.keys):
                link = links.parse(envelope.payload, what)
                found.append((link, report_of(link, decoded(member(piece, "record", str, what), what))))
        return tuple(found)

    def _used(self, paths: Paths) -> Iterator[Entry]:
        """What the builders of links had of inputs, of which they signed the hashes: no votes."""
        if "links" not in self.document:
            return
        for link, report in self._signed_links:
            had = {**link.materials, **link.converged}
            builder = _builder_of(report)
            for derivation, outputs in paths.items():
                digests = {name: had.get(path, {}).get(NAR_SHA256) for name, path in outputs.items()}
                made = {
                    name: Made(outputs[name], NarHash(digest), 0, ())
                    for name, digest in digests.items()
                    if digest is not None
                }
                if outputs and len(made) == len(outputs):
                    yield Entry("", builder, derivation, How.HELD, made)

    def _refuse_unsigned(self, envelopes: Sequence[Envelope]) -> None:
        if not any(dsse.signed_by(each, key) for each in envelopes for key in self.keys):
            raise _UnsignedError(
                f"nothing in {self.place} is signed by the key that was given",
                hint="ask its operator which key it is: of a release or a rebuild, those of its builders "
                "count",
            )


def read_from(source: Path, operator: str, keys: Sequence[PublicKey]) -> Said:
    """What an operator signed, from an exported ledger or a folder with `links/`.

    Raises TallyError where nothing there is signed by one of the keys, or what is signed is malformed.
    """
    with _telling_of(source):
        return _checked(Said(operator, tuple(keys), _document_of(source), str(source)))


def given(sources: Iterable[Path], rebuilders: Sequence[RebuilderTable]) -> tuple[Said, ...]:
    """The same of files that are given: each is by the `[[rebuilder]]` whose key signed it.

    Raises TallyError for one that is by none of them.
    """
    keys = [(each, PublicKey.load(each.key)) for each in rebuilders]
    found = []
    for source in sources:
        by = _by_one_of(keys, source) if keys else None
        if by is None:
            raise TallyError(
                f"nothing in {source} is signed by a [[rebuilder]] of tally.toml",
                hint="add a [[rebuilder]] with its operator's key, and `operator`"
                if keys
                else "add a [[rebuilder]] with a `name` and the `key` of whoever signed it",
            )
        found.append(by)
    return tuple(found)


def _by_one_of(keys: Iterable[tuple[RebuilderTable, PublicKey]], source: Path) -> Said | None:
    """What a file says by the first rebuilder whose key signed it; None: it is by none of them."""
    with _telling_of(source):
        document = _document_of(source)
        for rebuilder, key in keys:
            with suppress(_UnsignedError):
                return _checked(Said(rebuilder.runs, (key,), document, str(source)))
    return None


def taken_in(state: State) -> tuple[Said, ...]:
    """All that `tally ledger merge` took in. Raises TallyError for what is not as it was signed."""
    found = []
    for place in sorted(state.others.glob("*.json")):
        what = str(place)
        try:
            document = read(contents(place, 2 * LARGEST), what)
            operator = member(document, "operator", str, what)
            keys = [
                PublicKey.from_pem(str(pem).encode(), what) for pem in member(document, "keys", list, what)
            ]
            assert isinstance(document, dict)
            found.append(_checked(Said(operator, tuple(keys), document, what)))
        except (OSError, ValueError, MalformedError, TallyError) as error:
            raise TallyError(
                f"{place} is not as it was taken in: {why(error)}",
                hint="remove it, and take it in again with `tally ledger merge`",
            ) from error
    return tuple(found)


def paths_of(entries: Iterable[Entry], derivations: Collection[str]) -> Paths:
    """Where the outputs of derivations are, as entries have it."""
    paths: dict[str, dict[str, str]] = {each: {} for each in derivations}
    for entry in entries:
        names = paths.setdefault(entry.derivation, {})
        names.update((name, made.path) for name, made in entry.outputs.items())
    return paths


def _checked(said: Said) -> Said:
    """The same, once all of it was read. Raises MalformedError or TallyError."""
    said.entries  # noqa: B018  (reads and checks all of it)
    return said


@contextmanager
def _telling_of(source: Path) -> Iterator[None]:
    """Raises TallyError for what cannot be read, or is malformed, of a file or folder that was given."""
    try:
        yield
    except MalformedError as error:
        raise TallyError(
            str(error), hint="it has to be as its operator wrote it: by `tally ledger export`, or a release"
        ) from error
    except (OSError, ValueError) as error:
        raise TallyError(f"cannot read {source}: {why(error)}") from error


def _document_of(source: Path) -> dict[str, Any]:
    return _links_of(source) if source.is_dir() else {"ledger": encoded(contents(source, LARGEST))}


def _links_of(folder: Path) -> dict[str, Any]:
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
        data = contents(path, LARGEST)
        link = links.parse(dsse.read(data, str(path)).payload, str(path))
        record = contents(folder / record_of(link), LARGEST)
        pieces.append({"link": encoded(data), "record": encoded(record)})
    return {"links": pieces}


def _of_report(report: Report) -> Iterator[Entry]:
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
