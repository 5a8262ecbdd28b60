"""Two results compared, and what came of it as `--json`, a page and people have it. Without Typer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.ground.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from orchestrator.ledger.sets import Package
    from orchestrator.places.budget import Limits
    from orchestrator.places.place import Place
    from orchestrator.run.asked import FlakeAttribute
    from orchestrator.stories.compare import Compared


def compared(
    first: str,
    second: str,
    *,
    json: bool = False,
    store: Sequence[str] = (),
    html: Path | None = None,
    max_time: float | None = None,
    max_memory: int | None = None,
    allow_http: bool = False,
    system: str | None = None,
) -> ExitCode:
    """`tally compare`: compare, print, and give the exit code. Raises TallyError for what makes no sense."""
    from orchestrator.cli.places import Grouped, Listed
    from orchestrator.cli.text import in_lines
    from orchestrator.ground.files import write_atomically
    from orchestrator.ground.state import State
    from orchestrator.stories import compare as story

    one, other = State.named(first), State.named(second)
    if one is not None and other is not None:
        from orchestrator.stories.package_sets import compare_sets

        return _sets(compare_sets(one, other), json=json)
    if (both := _flakes(first, second)) is not None:
        from orchestrator.builders.configuration import load
        from orchestrator.stories.package_sets import compare_flakes

        state, configuration = State.of_environment(), load(Path.cwd())
        return _sets(compare_flakes(state, configuration, *both, system), json=json)
    if system is not None:
        raise TallyError("--system is of flakes", hint="name two of them, as .?rev=COMMIT#")
    if html is not None and html.resolve() in [Path(word).resolve() for word in (first, second)]:
        raise TallyError(
            f"{html} is what is to be compared, and would be written over",
            hint="name another file for --html",
        )
    asked = story.Asked((first, second), _stores(store), _limits(max_time, max_memory), allow_http)
    listed = Listed() if json else None
    grouped, page = Grouped(f"{first} and {second}"), None
    if html is not None:
        from orchestrator.cli.compared_page import Page

        page = Page(asked.words)

    def take(place: Place) -> None:
        if page is not None:
            page.add(place)
        if listed is not None:
            listed.add(place)
        else:
            print(in_lines(grouped.lines(place)))

    with _bounded(max_memory):
        found = story.compare(State.of_environment(), asked, take)
    if listed is not None:
        listed.show(_head(asked.words, found))
    if html is not None and page is not None:
        write_atomically(html, page.whole(_result(found), found.unfinished))
    _say(found)
    return found.code


def _flakes(first: str, second: str) -> tuple[FlakeAttribute, FlakeAttribute] | None:
    """Two flakes, where these are named; None: neither is. Raises TallyError for one alone."""
    named = [_is_flake(word) for word in (first, second)]
    if not any(named):
        return None
    from orchestrator.run.asked import FlakeAttribute, parse

    found = [parse(word) if is_one else None for word, is_one in zip((first, second), named, strict=True)]
    one, other = found
    if not isinstance(one, FlakeAttribute) or not isinstance(other, FlakeAttribute):
        word = first if named[0] else second
        raise TallyError(
            f"{word} is a flake, and what it is to be compared with is none",
            hint="name two flakes, as .?rev=COMMIT# and .#, or build both and compare the results",
        )
    if bool(one.attribute) != bool(other.attribute):
        raise TallyError(
            f"{first} and {second} are one thing and a whole flake",
            hint="name something in both, or nothing behind either `#`",
        )
    return one, other


def _is_flake(word: str) -> bool:
    """Whether it has a `#`, is no file or folder, and no reference to a release, which may have one, too."""
    scheme, colon, _ = word.partition(":")
    is_reference = colon and scheme.lower() in ("dir", "http", "https", "oci", "s3")
    return "#" in word and not is_reference and not Path(word).exists()


def _sets(found: Sequence[Package], *, json: bool) -> ExitCode:
    """Which packages of two sets changed."""
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.ground.wording import counted
    from orchestrator.ledger.sets import Change
    from orchestrator.stories import package_sets

    if json:
        print_json({"packages": [package.document for package in found]})
        return package_sets.exit_code(found)
    for package in found:
        if package.change is Change.NONE:
            continue
        verdicts = " and ".join(verdict or "not there" for verdict in package.verdicts)
        moves = [f"    {before or 'nothing'} -> {after or 'nothing'}" for before, after in package.inputs]
        print(in_lines([f"{package.target}: {package.change} ({verdicts})", *moves]))
    same = sum(package.change is Change.NONE for package in found)
    print(f"{same} of {counted(len(found), 'package')} the same")
    return package_sets.exit_code(found)


def _head(words: tuple[str, str], compared: Compared) -> Mapping[str, Any]:
    unfinished = {} if compared.unfinished is None else {"unfinished": compared.unfinished.message}
    artifact = {} if compared.artifact is None else {"artifact": "same" if compared.artifact else "different"}
    return {
        "result": _result(compared),
        "between": list(words),
        "complete": compared.unfinished is None,
        **unfinished,
        **artifact,
    }


def _result(compared: Compared) -> str:
    return {ExitCode.YES: "same", ExitCode.NO: "different"}.get(compared.code, "undecided")


@contextmanager
def _bounded(megabytes: int | None) -> Iterator[None]:
    """Let this process have no more data than that."""
    import resource

    if megabytes is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (most if before[1] < 0 else min(most, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _say(compared: Compared) -> None:
    from orchestrator.cli.text import print_error, say
    from orchestrator.ground.wording import counted

    print(end="", flush=True)  # what was found comes before what is said of it
    if compared.unfinished is not None:
        print_error(compared.unfinished)
    if compared.places:
        differ = "differs" if compared.files == 1 else "differ"
        if compared.artifact:
            say("the artifact is the same, and what lies beside it is not")
        say(f"{counted(compared.files, 'file')} {differ}, in {counted(compared.places, 'place')}")
    elif compared.unfinished is None:
        say("they are the same")


def _stores(given: Sequence[str]) -> tuple[str | None, str | None]:
    match given:
        case []:
            return None, None
        case [both]:
            return both, both
        case [one, other]:
            return one, other
        case _:
            raise TallyError("--store is given too often", hint="give one for both sides, or A's and B's")


def _limits(seconds: float | None, memory: int | None) -> Limits:
    from orchestrator.places.budget import Limits

    limits = Limits(seconds=seconds)
    return limits if memory is None else Limits(seconds=seconds, memory=memory << 20)
