"""Numbers and lists in sentences. Pure."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things: `1 file`, `2 files`; `many` is the plural where that is not `one` with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def some(names: list[str], shown: int = 5) -> str:
    """A list as sentences hold it."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "") if names else "nothing"


def folded(name: str) -> str:
    """One party's name, however it is spaced, in whatever case, and by whichever code points it looks so."""
    if not name.isascii():
        from unicodedata import category, normalize

        seen = "".join(each for each in normalize("NFKC", name) if category(each) != "Cf")
        return normalize("NFKC", " ".join(seen.split()).casefold())
    return " ".join(name.split()).casefold()
