"""What a count of votes lacks, and who is against it: for those who sign and those who verify. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from orchestrator.ground.wording import counted
from orchestrator.ledger.operators import in_words, listed
from orchestrator.ledger.votes import Count, Poll, Result
from orchestrator.nix.derivation import called


def lacking(found: Count, order: Iterable[str] | None = None) -> tuple[Poll, ...]:
    """The derivations that lack votes; those that diverged first alone where some did.

    In this order, as by which they are built; else by their paths. Without any, it may be uncarried all the
    same: no single derivation lacks votes then.
    """
    paths = sorted(found.polls) if order is None else [path for path in order if path in found.polls]
    polls = [found.polls[path] for path in paths if not found.polls[path].standing.fine]
    return tuple(each for each in polls if each.derivation in found.culprits) or tuple(polls)


def against(
    found: Count, released: Result, mine: Callable[[Poll], Result | None]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Derivations of which operators made something else than is released (`mine`), with these operators.

    Not those who came to the same artifact (`released`) in the end. Of what `mine` has nothing, whoever has
    several results is against it.
    """
    came_to_it = found.root.results.get(released, ())
    for path, poll in sorted(found.polls.items()):
        own = mine(poll)
        apart = [name for result, names in poll.results.items() if result != own for name in names]
        others = {
            *(apart if own is not None else ()),
            *poll.unsteady,
            *(poll.other if own is not None else ()),
        }
        if left := sorted(others.difference(came_to_it)):
            yield path, tuple(left)


def sides(poll: Poll) -> str:
    """Who is for what: `here | Example Org`, and why others have no vote."""
    found = [listed(names, " and ") for names in poll.results.values()]
    found += [f"{in_words(name)} (more than one result)" for name in poll.unsteady]
    found += [f"{in_words(name)} (nobody knows what from)" for name in poll.unresolved]
    return " | ".join(found) or "nobody"


def told(poll: Poll) -> str:
    """`zlib-1.3 too few votes (here)`."""
    return f"{called(poll.derivation)} {poll.standing.value} ({sides(poll)})"


def too_few_through(found: Count, needed: int) -> str:
    """What is uncarried, where no single derivation lacks votes."""
    assert found.uncarried is not None
    return f"fewer than {needed} operators carry it through {called(found.uncarried)}"


def shortfall(found: Count, needed: int, order: Iterable[str]) -> str | None:
    """What keeps so many operators from carrying the target, beginning at the first that is built."""
    if found.whole:
        return None
    if not (polls := lacking(found, order)):
        return too_few_through(found, needed)
    first, more = polls[0], len(polls) - 1
    votes = f"{len(first.voters)} of {needed} votes"
    said = f"{called(first.derivation)} has {votes} ({sides(first)})"
    return (
        f"{said}; {counted(more, 'more derivation')} {'lacks' if more == 1 else 'lack'} some"
        if more
        else said
    )
