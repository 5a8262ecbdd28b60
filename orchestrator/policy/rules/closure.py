"""Closure: enough operators made everything that the release was made with, derivation by derivation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.terms import NAR_SHA256, PROVENANCE, Kind
from orchestrator.ground.digest import NarHash
from orchestrator.ground.values import dataclass
from orchestrator.ground.wording import counted, some
from orchestrator.policy import commands
from orchestrator.policy.evidence import Evidence, SignedBuilds, Vouched
from orchestrator.policy.given import Given, given
from orchestrator.policy.rules.builders import Builders
from orchestrator.policy.rules.rebuilders import Rebuilders, TrustedRebuilder, makers
from orchestrator.policy.trust import against
from orchestrator.policy.validity import Moment
from orchestrator.policy.verdict import Code, Finding, Reason

if TYPE_CHECKING:
    from orchestrator.ledger.entries import Entry, Known
    from orchestrator.ledger.operators import Signed
    from orchestrator.ledger.votes import Count, Result

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Closure:
    """`[closure]`, with every `[[rebuilder]]`, whose exported ledgers count."""

    operators: int
    rebuilders: Rebuilders
    refuses: bool = True
    """Whether one operator that made something else is a no."""

    @property
    def name(self) -> str:
        return "closure"

    def judge(self, evidence: Evidence) -> Finding:
        told = commands.read(evidence.own[PROVENANCE].statement)
        found = _lacking(told) or given(told)
        lacking = found if isinstance(found, str) else _unhashed(found, evidence)
        if isinstance(found, str) or lacking is not None:
            return Finding(self.name, str(lacking), (Reason(Code.CLOSURE_NOT_AGREED, str(lacking)),))
        from orchestrator.ledger.operators import by_operator
        from orchestrator.ledger.votes import count

        ground = _Ground(told, found, evidence)
        signed = [*self._own(ground, evidence), *self._theirs(ground, evidence)]
        votes = count(told.artifact, ground.below, (), by_operator(signed), self.operators, ground.artifact)
        against = [(each, tuple(self._against(each, evidence))) for each in evidence.ledgers]
        aside = [(each, why) for each, why in against if why]
        whys = [*evidence.ledgers_aside, *(why for _, (why, *_) in aside)]
        reasons = [*self._short(votes, whys), *self._dissent(votes, ground)]
        reasons += (reason for each, _ in aside for reason in ground.no(each))
        saw = f"{counted(len(votes.polls), 'derivation')}, made by {some(list(votes.root.voters))}"
        return Finding(self.name, saw, tuple(reasons))

    def _short(self, found: Count, aside: list[str]) -> Iterator[Reason]:
        if found.whole:
            return
        from orchestrator.ledger.carrying import lacking, told, too_few_through

        first = lacking(found)
        what = (
            some([told(each) for each in first], _SHOWN) if first else too_few_through(found, self.operators)
        )
        need = f"{self.operators} operators have to have made each derivation the same"
        yield Reason(Code.CLOSURE_NOT_AGREED, "; ".join([f"{need}: {what}", *aside[:_SHOWN]]))

    def _dissent(self, found: Count, ground: _Ground) -> Iterator[Reason]:
        """Who made something else than the release, and did not come to the same artifact in the end."""
        if not self.refuses:
            return
        from orchestrator.ledger.carrying import against
        from orchestrator.ledger.operators import in_words
        from orchestrator.nix.derivation import called

        for path, names in against(found, ground.artifact, lambda poll: ground.result(poll.derivation)):
            who = some([in_words(each) for each in names])
            yield Reason(Code.BUILDERS_DISAGREE, f"{who} made another {called(path)}")

    def _own(self, ground: _Ground, evidence: Evidence) -> Iterator[Signed]:
        """What the release's builders made: of one operator, but for those whose keys the policy has.

        A name alone is the word of whoever signed the layout, who could have named any builder so.
        """
        from orchestrator.ledger.operators import RELEASE, Signed

        builders = self.rebuilders.builders or Builders(quorum=evidence.threshold)
        keyed = {str(each.key.signer) for each in builders.trusted if each.key}
        named = {
            key: operator
            for each in evidence.links
            if (key := str(each.signer)) in keyed and (operator := builders.operator_of(each)) is not None
        }
        yield Signed(RELEASE, (), frozenset(str(each) for each in makers(evidence)) - named.keys())
        for link in evidence.links:
            if not link.theirs:  # whose it is matters, even if it has no vote
                key = str(link.signer)
                yield Signed(named.get(key, RELEASE), (), frozenset({key}), (_builder(link),))
        for each in builders.counted(evidence):
            key = str(each.vouched.signer)
            yield Signed(each.operator or RELEASE, tuple(ground.linked(each.vouched)), frozenset({key}))
            if each.named is None or key not in keyed:
                yield Signed(RELEASE, (), frozenset({key}))

    def _theirs(self, ground: _Ground, evidence: Evidence) -> Iterator[Signed]:
        from orchestrator.ledger.operators import Signed

        for each in evidence.ledgers:
            entry = self._entry(each)
            if entry is not None and not any(self._against(each, evidence)):
                signer = frozenset({str(each.signer)})
                yield Signed(entry.operator, tuple(ground.exported(each)), signer)

    def _entry(self, ledger: SignedBuilds) -> TrustedRebuilder | None:
        return next((each for each in self.rebuilders.trusted if each.signer.is_(ledger.signer)), None)

    def _against(self, ledger: SignedBuilds, evidence: Evidence) -> Iterator[str]:
        """Why a ledger does not count, each beginning with its file."""
        entry = self._entry(ledger)
        if entry is None:
            yield f"{ledger.file} is by no rebuilder of the policy"
            return
        when = Moment(evidence.now, None, claimed=None)
        for reason in against(self.rebuilders.signers, entry.signer, ledger.signer, ledger.file, when):
            yield reason.sentence
        if entry.signer.timestamp:
            yield f"{ledger.file} has no trusted timestamp"
        if entry.signer.log:
            yield f"{ledger.file} is in no log"


class _Ground:
    """The derivations that the provenance tells of, and what was made of them by the release's own word."""

    def __init__(self, told: commands.Told, found: Given, evidence: Evidence) -> None:
        self.below = found.below
        self._commands = {each.derivation: each for each, _ in told.commands or ()}
        self._digests = _vouched(evidence)
        self._told = told

    @property
    def artifact(self) -> Result:
        """What was made of the artifact, by the release."""
        return self.result(self._told.artifact)

    def linked(self, vouched: Vouched) -> Iterator[Entry]:
        """What a builder's link has of each derivation: it signs hashes of what it built alone."""
        from orchestrator.ledger.entries import Entry, How, Made

        link, builder = vouched.link, _builder(vouched)
        had = {**link.materials, **link.products, **link.converged}
        for command in self._commands.values():
            made = {
                name: Made(path, _hash(had[path][NAR_SHA256], link.builder), 0, ())
                for name, path in command.outputs.items()
                if NAR_SHA256 in had.get(path, {})
            }
            if made:
                yield Entry("", builder, command.derivation, How.BUILT, made)

    def exported(self, ledger: SignedBuilds) -> Iterator[Entry]:
        """What a ledger has of these derivations; of their outputs, those that the release tells of."""
        from orchestrator.ledger.resolving import told_alone

        paths = {path: command.outputs for path, command in self._commands.items()}
        return told_alone(ledger.entries, paths, self._digests)

    def no(self, ledger: SignedBuilds) -> Iterator[Reason]:
        """What a ledger that does not count has of package and artifact that is not what the release has."""
        from orchestrator.ledger.votes import as_result
        from orchestrator.nix.derivation import called

        for entry in self.exported(ledger):
            own = entry.derivation in (self._told.package, self._told.artifact)
            if own and as_result(entry.outputs) != self.result(entry.derivation):
                said = f"{ledger.file} has another {called(entry.derivation)}"
                yield Reason(Code.BUILDERS_DISAGREE, said)

    def result(self, derivation: str) -> Result:
        """What the release has of a derivation; of one that differed among its builders, one of these."""
        outputs = self._commands[derivation].outputs
        told = [(name, path, self._digests.get(path)) for name, path in outputs.items()]
        return tuple(sorted((name, path, digest) for name, path, digest in told if digest is not None))


def _vouched(evidence: Evidence) -> Mapping[str, str]:
    """Store path to a NAR hash that some link of the release's has; of what was agreed on, all have it."""
    found: dict[str, str] = {}
    for each in evidence.links:
        for digests in (each.link.converged, each.link.materials, each.link.products):
            for path, values in digests.items():
                if NAR_SHA256 in values:
                    found[path] = values[NAR_SHA256]
    return found


def _lacking(told: commands.Told) -> str | None:
    """Why nothing can be counted: something of which nobody says how it was made."""
    if told.commands is None:
        return "the provenance does not tell by which commands its inputs were made"
    if told.of(told.artifact) is None:
        return "the provenance does not tell by which command the artifact was made"
    believed = [each for each in told.materials if each.kind == Kind.BELIEVED]
    if believed:
        return f"{counted(len(believed), 'input')} came from a cache, and nobody's builders made them"
    return None


def _unhashed(found: Given, evidence: Evidence) -> str | None:
    """Why what builds were given cannot be compared: something of which the release has no hash."""
    told = _vouched(evidence)
    lacking = sorted({path for paths in found.paths.values() for path in paths if path not in told})
    return f"no builder of the release says what {some(lacking)} is" if lacking else None


def _builder(vouched: Vouched) -> Known:
    from orchestrator.ledger.entries import Known

    link = vouched.link
    return Known(
        link.builder,
        "signed",
        machine_id=_text(link.identity.get("machineIdSha256")),
        boot_id=_text(link.identity.get("bootIdSha256")),
        proven=bool(link.sandbox),
    )


def _hash(digest: str, builder: str) -> NarHash:
    try:
        return NarHash(digest)
    except ValueError as error:
        raise MalformedError(f"the link of builder {builder} has an output without a hash: {error}") from None


def _text(said: object) -> str | None:
    return said if isinstance(said, str) else None
