"""`tally ledger`: the ledger itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.signing_options import PassphraseFd, SigningKey
from orchestrator.ground.errors import ExitCode

if TYPE_CHECKING:
    from orchestrator.ledger.entries import Result
    from orchestrator.ledger.votes import Count

_SHOWN = 10
_OUT = Path("ledger.dsse.json")
ledger = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@ledger.command()
def repair(
    releases: Annotated[
        list[Path] | None,
        typer.Argument(help="Release folders. Default: those in releases/.", show_default=False),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Move a damaged ledger aside, and begin a new one with what signed releases say.

    What counts is signed by keys of builders that this state folder holds. A ledger that is whole stays.
    """
    from orchestrator.cli.text import print_json, say
    from orchestrator.ground.state import State
    from orchestrator.ground.wording import counted
    from orchestrator.stories.learning import releases_in
    from orchestrator.stories.learning import repair as story

    state = State.of_environment()
    found = story(state, releases or list(releases_in(Path("releases"))), say)
    if json:
        print_json({"ledger": str(state.ledger), "learned": list(found)})
        return
    print(f"a new ledger, with {counted(len(found), 'release')}")


@ledger.command()
def path() -> None:
    """Print where the ledger is."""
    from orchestrator.cli.text import harmless
    from orchestrator.ground.state import State

    print(harmless(str(State.of_environment().ledger)))


@ledger.command()
def export(
    targets: Annotated[
        list[str] | None,
        typer.Argument(help="Targets, with all below them. Default: all that was built.", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")] = Path(
        "ledger.dsse"
    ),
    key: SigningKey = None,
    passphrase_fd: PassphraseFd = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Sign what builders here made of each derivation, for others to count.

    What was built or checked in a proven sandbox is in it, also where builders differ. They take it in with
    `tally ledger merge`.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.cli.signing_options import signer_of
    from orchestrator.cli.text import harmless, print_json
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.files import create
    from orchestrator.ground.state import State
    from orchestrator.ground.wording import counted
    from orchestrator.keys import addressed
    from orchestrator.keys.passphrase import source
    from orchestrator.stories.exchange import export as story

    if out.exists():
        raise TallyError(f"{out} is there already", hint="remove it, or name another file with --out")
    address, _ = signer_of(load(Path.cwd()).signing, key, None, keyless=False)
    if address is None:
        raise TallyError(
            "nothing says which key signs it", hint="give --key, or set `signing.key` in tally.toml"
        )
    found = story(State.of_environment(), targets or (), addressed.opened(address, source(passphrase_fd)))
    create(out, found.data)
    if json:
        print_json({"file": str(out), "derivations": found.derivations, "builders": list(found.builders)})
        return
    print(harmless(f"{out}: {counted(found.derivations, 'derivation')} by {', '.join(found.builders)}"))


@ledger.command()
def merge(
    evidence: Annotated[
        Path, typer.Argument(help="An exported ledger, a release, or what `tally rebuild --attest` wrote.")
    ],
    operator: Annotated[
        str, typer.Option("--operator", metavar="NAME", help="Whose it is: it has one vote.")
    ],
    key: Annotated[
        list[Path],
        typer.Option("--key", metavar="FILE", help="A public key of that operator; of links, its builders'."),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Take in what another operator signed of its builds, for `tally ledger votes` to count.

    What none of the keys has signed is not taken. Nothing of it is believed for a build or a signature.
    """
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.ground.wording import counted
    from orchestrator.keys.key import PublicKey
    from orchestrator.nix.derivation import called
    from orchestrator.stories.exchange import merge as story

    if not operator.strip():
        raise TallyError("an operator without a name has no vote", hint="give a name with --operator")
    found = story(State.of_environment(), evidence, operator, [PublicKey.load(each) for each in key])
    if json:
        print_json(
            {
                "operator": found.operator,
                "derivations": found.derivations,
                "builders": list(found.builders),
                "new": found.new,
                "unlike": list(found.unlike),
            }
        )
        return
    said = f"{found.operator}: {counted(found.derivations, 'derivation')} by {', '.join(found.builders)}"
    lines = [said if found.new else f"{said}; it was here already"]
    lines += [f"  made another {called(path)} than builders here" for path in found.unlike[:_SHOWN]]
    if len(found.unlike) > _SHOWN:
        lines.append(f"  and {len(found.unlike) - _SHOWN} more")
    print(in_lines(lines))


@ledger.command()
def votes(
    target: Annotated[
        str, typer.Argument(help="A target that was built here: its recipe's file, or a name.")
    ],
    quorum: Annotated[
        int | None,
        typer.Option(
            "--quorum",
            min=2,
            metavar="N",
            help="Operators that have to have made the same; else `quorum` of tally.toml, else all.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Count operators' votes on every derivation that a target is made with: one an operator.

    Exit code 0: all of them have enough votes, or differ and converge again; 1: what was asked for differs;
    2: too few votes somewhere.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.ground.state import State
    from orchestrator.ledger.votes import Standing
    from orchestrator.stories.polling import votes as story

    configuration = load(Path.cwd())
    needed = quorum or configuration.quorum
    result, found = story(State.of_environment(), target, needed, configuration)
    if json:
        print_json(_document(result, found, needed))
    else:
        print(in_lines(_lines(result, found)))
    if found.whole:
        return ExitCode.YES
    return ExitCode.NO if found.root.standing is Standing.DIFFERS else ExitCode.UNDECIDED


def _lines(result: Result, found: Count) -> Iterator[str]:
    from orchestrator.ground.wording import counted
    from orchestrator.ledger.carrying import sides
    from orchestrator.ledger.operators import listed
    from orchestrator.ledger.votes import Standing
    from orchestrator.nix.derivation import called

    by = listed(found.root.voters, ", ") or "nobody"
    match found.whole, found.root.standing:
        case True, _:
            yield f"{result.name}: AGREED all the way down, by {by}"
        case _, Standing.AGREED:
            yield f"{result.name}: UNDECIDED: agreed by {by}, and not all the way down"
        case _, Standing.DIFFERS:
            yield f"{result.name}: DIFFERS"
        case _:
            yield f"{result.name}: UNDECIDED: too few votes, by {by}"
    numbers = [f"{len(those)} {standing.value}" for standing in Standing if (those := found.those(standing))]
    yield f"  {counted(len(found.polls), 'derivation')}: {'; '.join(numbers)}"
    for path in found.culprits[:_SHOWN]:
        yield f"  {called(path)} diverged first"
    if found.root.standing is Standing.AGREED and found.uncarried is not None:
        yield f"  too few operators carry it through {called(found.uncarried)}"
    for standing in (Standing.DIFFERS, Standing.CONVERGED, Standing.SHORT):
        those = found.those(standing)
        for poll in those[:_SHOWN]:
            yield f"  {called(poll.derivation)}: {standing.value}: {sides(poll)}"
        if len(those) > _SHOWN:
            yield f"  and {len(those) - _SHOWN} more: --json has all"
    for poll in found.those(Standing.AGREED):
        if poll.dissent:
            yield f"  {called(poll.derivation)}: agreed, and not by {listed(poll.dissent, ', ')}"


def _document(result: Result, found: Count, needed: int | None) -> dict[str, Any]:
    return {
        "target": result.target,
        "derivation": result.artifact,
        "quorum": needed,
        "standing": found.root.standing.value,
        "whole": found.whole,
        "culprits": list(found.culprits),
        "uncarried": found.uncarried,
        "derivations": [
            {
                "derivation": path,
                "standing": poll.standing.value,
                "results": [
                    {
                        "operators": list(names),
                        "outputs": {name: {"path": out, "narSha256": digest} for name, out, digest in one},
                    }
                    for one, names in poll.results.items()
                ],
                "unsteady": list(poll.unsteady),
                "unresolved": list(poll.unresolved),
            }
            for path, poll in sorted(found.polls.items())
        ],
    }
