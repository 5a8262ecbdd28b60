"""The number by which a list says of which format it is. Pure."""

from __future__ import annotations

from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.ground.errors import TallyError


class NewerError(TallyError):
    """A list by a newer Tallystick, of which nothing can be said here."""

    def __init__(self, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{what} is of format {found}, which a newer Tallystick wrote: this one reads format {known}",
            hint="install a newer Tallystick, and run the command again",
        )
        self.found, self.known = found, known

    def at(self, place: object) -> NewerError:
        """The same, with the place that it is at."""
        return NewerError(str(place), self.found, self.known)


def check(document: object, name: str, known: int, what: str) -> None:
    """Before anything else is read of it: a newer one may have other members.

    Raises NewerError for a newer format than `known`, MalformedError for one that there never was.
    """
    found = member(document, name, int, what)
    if found > known:
        raise NewerError(what, found, known)
    if found != known:
        raise MalformedError(f"{what} is of format {found}, and there never was such a one")
