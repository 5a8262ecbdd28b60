"""What other parties say of an artifact: their bundles and links, beside the release and not in it.

Two things here can make a release worse: a builder whom the policy names and who made something else, also
one that has vouched in the release; and evidence of somebody whom the policy trusts that builders disagreed,
also by a key that was revoked since: no time has to be proven of a no.
What is not signed by somebody whom the policy names for it, or was when its signer no longer counted, or is
about something else, is set aside, and a notice says so: it counts for nothing, whoever put it there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from orchestrator.bundles.opening import open_link, open_statement
from orchestrator.evidence import disagreement
from orchestrator.evidence.canonical import MalformedError, read_envelope, render
from orchestrator.evidence.terms import REPRODUCTION
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass, field, replace
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import PublicKey
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.evidence import Denied, Judged, Vouched
from orchestrator.policy.signer import Signer
from orchestrator.policy.verdict import Reason, Refused

Trusts = Callable[[Signer, str, str], Iterable[Reason]]
"""The reasons for which a signer does not count for a document of some kind."""


@dataclass(frozen=True, slots=True)
class Further:
    """What counts, and a notice for what does not."""

    statements: tuple[Judged, ...] = ()
    links: tuple[Vouched, ...] = ()
    denials: tuple[Denied, ...] = ()
    notices: tuple[str, ...] = ()
    again: tuple[Vouched, ...] = ()
    """Links by builders that have vouched already, and say something else now: no vote, but a no."""

    within: Mapping[str, str] = field(default_factory=dict)
    """Names of documents to the files that hold them and others."""

    uncounted: tuple[tuple[str, Reason], ...] = ()
    """Statements whose signers did not count when they signed: the predicate type, and why."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that everything that counts is from."""
        parts = (self.statements, self.links, self.denials, self.again)
        named = (each.file for part in parts for each in part)
        return tuple(dict.fromkeys(self.within.get(name, name) for name in named))

    def having(self, opened: Judged | Denied) -> Further:
        """With one more."""
        if isinstance(opened, Denied):
            return replace(self, denials=(*self.denials, opened))
        return replace(self, statements=(*self.statements, opened))

    def about(self, sha256: Sha256, paths: Collection[str], known: Sequence[Vouched]) -> Further:
        """What is about this artifact; a builder that is in the release already has no second vote.

        `paths` are the store paths that were made and used, `known` the release's own links.
        """
        statements, links, denials, notices = [], [], [], list(self.notices)
        again: list[Vouched] = []
        seen = {each.signer: each.link for each in known}
        for judged in self.statements:
            if sha256.hex in judged.statement.subjects.values():
                statements.append(judged)
            else:
                notices.append(_aside(judged.file, "it is about something else"))
        for vouched in self.links:
            first = seen.setdefault(vouched.signer, vouched.link)
            if first is vouched.link:
                links.append(vouched)
            elif (first.materials, first.products) == (vouched.link.materials, vouched.link.products):
                notices.append(_aside(vouched.file, "its builder has vouched already"))
            else:
                again.append(vouched)
        for denied in self.denials:
            if denied.disagreement.paths.isdisjoint(paths):
                notices.append(_aside(denied.file, "builders disagreed on something else"))
            else:
                denials.append(denied)
        parts = tuple(statements), tuple(links), tuple(denials)
        return replace(
            Further(*parts, tuple(notices), tuple(again)), within=self.within, uncounted=self.uncounted
        )

    def counting(self, against: Callable[[Judged], Iterable[Reason]]) -> Further:
        """What counts by when it was signed, and by what was shown of that."""
        statements, notices, uncounted = [], list(self.notices), list(self.uncounted)
        for judged in self.statements:
            if reasons := tuple(against(judged)):
                notices.append(_aside(judged.file, reasons[0].sentence))
                uncounted += [(judged.statement.predicate_type, each) for each in reasons]
            else:
                statements.append(judged)
        return replace(self, statements=tuple(statements), notices=tuple(notices), uncounted=tuple(uncounted))


def open_further(
    documents: Mapping[str, bytes],
    keys: Sequence[PublicKey],
    builder_keys: Sequence[PublicKey],
    trusts: Trusts,
    root: TrustedRoot,
    now: datetime,
) -> Further:
    """Every document that counts. `keys` are the signers', `builder_keys` those of builders.

    A file may hold several bundles, or be in another form than Sigstore's: as `containers` knows them.
    `root` says whose certificates count; `now` is UTC.
    """
    found = Further()
    for file, name, data, is_bundle in _documents(documents):
        if name != file:
            found = replace(found, within={**found.within, name: file})
        try:
            if isinstance(data, Exception):
                raise data
            if is_bundle:
                opened = open_statement(data, name, keys, root, now)
                kind = REPRODUCTION if isinstance(opened, Denied) else opened.statement.predicate_type
                if against := tuple(trusts(opened.signer, kind, name)):
                    raise Refused(*against)
                found = found.having(opened)
            else:
                found = replace(found, links=(*found.links, open_link(data, name, builder_keys)))
        except MalformedError as error:
            found = replace(found, notices=(*found.notices, _aside(name, str(error))))
        except TallyError as error:  # of a kind that is not judged
            told = f"{error.message}; {error.hint}" if error.hint else error.message
            found = replace(found, notices=(*found.notices, _aside(name, told)))
        except Refused as refused:
            notice = _aside(name, refused.reasons[0].sentence)
            found = replace(found, notices=(*found.notices, notice))
    return found


def denying(documents: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """The bundles that say, by whomever, that builders disagreed: of all others no signature is looked at."""
    if not documents:  # as for most releases, which need none of what follows
        return {}
    from orchestrator.bundles import bundle as bundles

    found = {}
    for name, data in documents.items():
        try:
            content = bundles.parse(data, name).content
            if isinstance(content, Envelope) and disagreement.parse(content.payload, name) is not None:
                found[name] = data
        except MalformedError:  # nor would it be opened
            continue
    return found


def _documents(
    files: Mapping[str, bytes],
) -> Iterator[tuple[str, str, bytes | MalformedError | TallyError, bool]]:
    """Every document with its file, its name, and whether it is a bundle, and no envelope alone.

    Of a file that holds several bundles each comes by itself.
    """
    for file, data in files.items():
        try:
            document = read_envelope(data, file)
        except MalformedError:
            document = None
        if isinstance(document, dict) and ("mediaType" in document or "payloadType" in document):
            yield file, file, data, "mediaType" in document
            continue
        from orchestrator.bundles import containers  # as few files are

        try:
            parts = containers.found(data, file) or [MalformedError(f"{file} holds no bundle at all")]
        except (MalformedError, TallyError) as error:
            yield file, file, error, False
            continue
        for part in parts:
            if isinstance(part, containers.Found):
                inner = part.document["dsseEnvelope"] if part.alone else part.document
                yield file, part.name, _rendered(inner), not part.alone
            else:
                yield file, file, part, False


def _rendered(inner: object) -> bytes | TallyError:
    try:
        return render(inner)
    except TallyError as error:  # of what JSON can hold and evidence cannot
        return error


def _aside(name: str, why: str) -> str:
    """A notice, with the name once, since it may be a long path: `why` is a sentence that begins with it."""
    return f"{name} was set aside: {'it ' + why[len(name) + 1 :] if why.startswith(name + ' ') else why}"
