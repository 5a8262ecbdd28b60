"""Operators' votes on all that a target is made with: counted, and asked for before anything is signed.

What counts is what builders of tally.toml have in the ledger, each by its operator, and what others signed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from orchestrator.agreement.agreement import Agreed
from orchestrator.builders.configuration import BuilderTable, Configuration
from orchestrator.evidence.facts import Carried
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.state import State
from orchestrator.ground.wording import counted, some
from orchestrator.ledger.carrying import against, lacking, shortfall, sides
from orchestrator.ledger.operators import by_operator, in_words, names_of
from orchestrator.ledger.votes import Count, Poll, Standing, as_result, count
from orchestrator.ledger.votes import Result as Outputs
from orchestrator.nix.derivation import DerivationGraph, called
from orchestrator.stories.others import Said, given, taken_in
from orchestrator.stories.polling import HERE, Polled, own_of, polled

_SHOWN: Final = 5
BRING: Final = (
    "take in what another operator signed with `tally ledger merge FILE --operator NAME --key PUB`, or give "
    "it with --evidence; or add a builder that another operator runs, on another machine"
)
_ASK: Final = "ask for a ledger that has all inputs: exported after `tally build --deep` on another machine"
_APART: Final = (
    "what is built on one machine, or signed by one key, is one operator's, whatever names are given: the "
    "other operator has to build on a machine of their own and sign with a key of their own"
)


class NotCarriedError(TallyError):
    """Too few operators carry a target: a no where some made something else, else it cannot be decided."""

    def __init__(self, message: str, *, hint: str, differs: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = ExitCode.NO if differs else ExitCode.UNDECIDED


@dataclass(frozen=True)
class Asked:
    """`[closure]` of tally.toml, with what others signed: read before anything is built."""

    operators: int
    refuses: bool
    """Whether one operator that made something else is a no."""
    tables: tuple[BuilderTable, ...]
    others: tuple[Said, ...]
    state: State
    keys: frozenset[str] = frozenset()
    """Those of whoever signs the release: what else they sign is of the operator here."""

    @property
    def known(self) -> tuple[str, ...]:
        """Every operator who could have a vote, whatever on."""
        own = own_of(self.state, (), self.tables, self.keys)
        others = [each.whole for each in self.others]
        return tuple(by_operator([*own, *others]))

    def refuse_hopeless(self, asked: str, graph: DerivationGraph) -> None:
        """Raises NotCarriedError where no run of these builders can bring as many operators together."""
        if (hopeless := self._hopeless(asked, graph, self._polled(graph))) is not None:
            raise hopeless

    def _polled(self, graph: DerivationGraph) -> Polled:
        return polled(self.state, self.tables, self.others, self.keys, _paths(graph))

    def _hopeless(self, asked: str, graph: DerivationGraph, found: Polled) -> NotCarriedError | None:
        here = {each.operator or HERE for each in self.tables}
        able = {name for name in found.own if not here.isdisjoint(found.names[name])}
        made: dict[str, set[str]] = {}
        for name, entries in found.said.items():
            for entry in entries:
                if entry.counts:
                    made.setdefault(entry.derivation, set()).add(name)
        for each in graph.in_build_order():
            could = able | made.get(each.path, set())
            if each.fixed is None and len(could) < self.operators:
                return NotCarriedError(
                    f"{asked}: [closure] in tally.toml wants {counted(self.operators, 'operator')}, and of "
                    f"{called(each.path)} there can be {len(could)}: {_named(could)}",
                    hint=self._hint(each.path, could),
                )
        return None

    def _hint(self, path: str, could: Collection[str]) -> str:
        """The way out where too few operators have a vote on a derivation, whatever is built here."""
        if any(len(names_of(each)) > 1 for each in could):
            return _APART
        if self.others:
            return f"what others signed has no vote on {called(path)} that counts: {_ASK}"
        return BRING

    def _way_out(self, found: Count, own: frozenset[str], order: Sequence[str]) -> str:
        polls = lacking(found, order)
        if not polls:
            return BRING
        first = polls[0]
        if not own.isdisjoint(first.unsteady):
            return f"builders here do not agree on {called(first.derivation)}: `tally diagnose` finds out why"
        if own.isdisjoint({name for names in first.results.values() for name in names}):
            return f"builders here have no vote on {called(first.derivation)}: build with --deep"
        if first.standing is Standing.DIFFERS:
            return "`tally ledger votes` shows who made what; ask them what they built with"
        if first.unresolved:
            whom = some(list(first.unresolved))
            return f"ask {whom} for a ledger that has all inputs: exported after `tally build --deep`"
        return self._hint(first.derivation, first.voters)

    def refuse_believed(self, asked: str, believed: int) -> None:
        """Raises NotCarriedError for a target with inputs that nobody's builders made."""
        if believed:
            raise NotCarriedError(
                f"{asked}: [closure] in tally.toml wants {counted(self.operators, 'operator')} for every "
                f"derivation, and nobody's builders make {counted(believed, 'input')} that would be believed",
                hint='give --deep, or --rebuild-inputs; or leave `from = "cache"` out',
            )

    def _count(self, graph: DerivationGraph, found: Polled, wanted: Outputs | None = None) -> Count:
        """The votes on the target that a graph is of."""
        fixed = {each.path for each in graph.derivations.values() if each.fixed is not None}
        below = {each.path: tuple(each.input_derivations) for each in graph.derivations.values()}
        (root,) = graph.roots
        return count(root, below, fixed, found.said, self.operators, wanted)

    def foretold(self, asked: str, graph: DerivationGraph) -> Foretold:
        """What there is before a build: the votes by now, and whether one can bring enough together."""
        said = self._polled(graph)
        found = self._count(graph, said)
        polls = [found.polls[each.path] for each in graph.in_build_order() if each.path in found.polls]
        lacks = tuple(each for each in polls if not each.standing.fine)
        return Foretold(self.operators, len(polls), lacks, self._hopeless(asked, graph, said))

    def carried(self, asked: str, graph: DerivationGraph, agreed: Agreed) -> Carried:
        """That enough operators carry what the builders agreed on. Raises NotCarriedError."""
        (root,) = graph.roots
        released = as_result(agreed.outputs[root])
        outputs = [each for made in agreed.outputs.values() for each in made.values()]
        hashes = {each.path: each.nar_hash.hex for each in (*agreed.inputs.values(), *outputs)}
        told = {*hashes, *(each.path for each in agreed.converged)}
        paths = _paths(graph)
        said = self._polled(graph).of(told, paths)
        found, own = self._count(graph, said, released), said.own
        mine = partial(_mine, own=own, graph=graph, hashes=hashes)
        order = [each.path for each in graph.in_build_order()]
        if (short := shortfall(found, self.operators, order)) is not None:
            raise NotCarriedError(
                f"{asked}: {counted(self.operators, 'operator')} have to have made all of it the same, as "
                f"[closure] in tally.toml says: {short}",
                hint=self._way_out(found, own, order),
                differs=found.root.standing is Standing.DIFFERS,
            )
        if self.refuses and (apart := next(against(found, released, mine), None)) is not None:
            path, names = apart
            raise NotCarriedError(
                f"{asked}: {_named(names)} made another {called(path)}, and [closure] in tally.toml "
                f'has no `dissent = "tell"`',
                hint="`tally ledger votes` shows who made what; `tally compare` what differs",
                differs=True,
            )
        digests = {each for one in self.others if one.signed(paths).entries for each in one.digests}
        # those who came to the same artifact in the end, too
        unlike = tuple(against(found, (), mine))
        return Carried(
            self.operators, found.root.voters, tuple(sorted(digests, key=lambda each: each.hex)), unlike
        )


@dataclass(frozen=True, slots=True)
class Foretold:
    """What is known of a target's votes before it is built."""

    operators: int
    derivations: int
    lacking: tuple[Poll, ...]
    """Those that lack votes by now, in build order."""
    hopeless: NotCarriedError | None
    """Why no run of these builders can bring enough together; None: one may."""

    @property
    def sentence(self) -> str:
        """`2 wanted for each derivation: so far 1 of 3 has them. base-1.0 has only: here`."""
        fine = self.derivations - len(self.lacking)
        has = "has" if fine == 1 else "have"
        said = f"{self.operators} wanted for each derivation: so far {fine} of {self.derivations} {has} them"
        if not self.lacking:
            return said
        return f"{said}. {called(self.lacking[0].derivation)} has only: {sides(self.lacking[0])}"


def asked_of(
    state: State, configuration: Configuration, evidence: Sequence[Path], keys: Iterable[str] = ()
) -> Asked | None:
    """What `[closure]` asks for; None: nothing. Raises TallyError for evidence that does not count."""
    closure = configuration.closure
    if closure is None:
        if evidence:
            raise TallyError(
                "--evidence is for [closure], which tally.toml does not have",
                hint="add [closure] with `operators = 2` to tally.toml",
            )
        return None
    others = (*taken_in(state), *given((*closure.evidence, *evidence), configuration.rebuilder))
    return Asked(
        closure.operators,
        closure.dissent == "refuse",
        configuration.builder,
        others,
        state,
        frozenset(keys),
    )


def _paths(graph: DerivationGraph) -> Mapping[str, Mapping[str, str]]:
    """Where the outputs of a graph's derivations are, those with fixed outputs left out."""
    return {each.path: each.outputs for each in graph.derivations.values() if each.fixed is None}


def unlike(carried: Carried) -> Iterator[str]:
    """Who made something else, and did not keep the target from being carried: a sentence each."""
    for path, names in carried.unlike[:_SHOWN]:
        yield f"{_named(names)} made another {called(path)}, and enough operators carry what is released"
    if (more := len(carried.unlike) - _SHOWN) > 0:
        yield f"and of {counted(more, 'more derivation')}: the reproduction statement has all"


def _named(names: Iterable[str]) -> str:
    return some([in_words(each) for each in sorted(names)])


def _mine(
    poll: Poll, own: frozenset[str], graph: DerivationGraph, hashes: Mapping[str, str]
) -> Outputs | None:
    """What own builders made of a derivation; where they have no vote on it, what the release has of it.

    `hashes` is what the release has, by store path; of what it has nothing, what has the most votes.
    """
    for result, names in poll.results.items():
        if not own.isdisjoint(names):
            return result
    outputs = graph[poll.derivation].outputs.items()
    released = tuple(sorted((name, path, hashes[path]) for name, path in outputs if path in hashes))
    return released or next(iter(poll.results), None)
