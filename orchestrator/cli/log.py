"""`tally log`: the embedded transparency log, shown and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.ground.wording import counted

if TYPE_CHECKING:
    from orchestrator.log.embedded import EmbeddedLog
    from orchestrator.log.note import Checkpoint

log = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

WHOSE = (
    "This log's operator is you. Whoever keeps a checkpoint of it can tell if it was rewritten: it is "
    "tamper-evident. Nobody else has seen it: it is not public."
)

_OLDER = "`tally log show --checkpoint` prints today's; keep it elsewhere than the log"


@log.command()
def show(
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Print the newest checkpoint alone, as a file to keep.")
    ] = False,
    trusted_root: Annotated[
        bool, typer.Option("--trusted-root", help="Print the trusted root alone, as a file for verifiers.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Show the log's size, origin, key and newest checkpoint.

    Its operator is you: it is tamper-evident to whoever keeps a checkpoint, and it is not public.
    """
    from orchestrator.cli.text import harmless, print_json, say
    from orchestrator.log.embedded import CHECKPOINT
    from orchestrator.log.trusted_root import TRUSTED_ROOT

    if checkpoint + trusted_root + json > 1:
        raise TallyError("several of --checkpoint, --trusted-root and --json were given", hint="give one")
    found = _log()
    with found.reading() as head:
        text = found.folder.read(CHECKPOINT).decode()
    root = found.folder.path / TRUSTED_ROOT
    if checkpoint or trusted_root:
        print(text if checkpoint else found.folder.read(TRUSTED_ROOT).decode(), end="")
        return ExitCode.YES
    if json:
        print_json(
            {
                "origin": found.instance.origin,
                "size": head.size,
                "rootHash": head.root.hex(),
                "key": found.key.vkey,
                "trustedRoot": str(root),
                "checkpoint": text,
            }
        )
        return ExitCode.YES
    print(f"origin        {found.instance.origin}")
    print(f"size          {head.size}")
    print(f"key           {found.key.vkey}")
    print(harmless(f"trusted root  {root}"))
    print(f"\n{text}", end="")
    say(WHOSE)
    return ExitCode.YES


@log.command()
def verify(
    older: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="An older checkpoint, or a bundle with one: the log must begin as it did then. "
            "May be given several times.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Compute the whole log again from its entries, and compare it with its checkpoint and with older ones.

    Exit codes: 0 it holds, 1 it was rewritten, rolled back or changed, 2 it cannot be read.
    """
    from orchestrator.cli.text import print_json, say
    from orchestrator.log.audit import audit

    found = _log()
    checkpoints = [each for path in older or [] for each in _checkpoints(found, path)]
    head, against = audit(found, checkpoints)
    if json:
        print_json(
            {
                "verdict": "failed" if against else "passed",
                "origin": found.instance.origin,
                "size": head.size,
                "rootHash": head.root.hex(),
                "from": [each.size for each in checkpoints],
                "reasons": list(against),
            }
        )
    elif against:
        print(f"FAILED  {found.instance.origin}, {counted(head.size, 'entry', 'entries')}")
        for sentence in against:
            print(f"  {sentence}")
    else:
        print(f"PASSED  {found.instance.origin}, {counted(head.size, 'entry', 'entries')}")
        for each in checkpoints:
            print(f"  it begins with the {counted(each.size, 'entry', 'entries')} of the older checkpoint")
        if not checkpoints:
            say("Without --from this shows that the log holds in itself, not that it is the one it was.")
        say(WHOSE)
    return ExitCode.NO if against else ExitCode.YES


def _log() -> EmbeddedLog:
    from orchestrator.ground.state import State
    from orchestrator.log.embedded import EmbeddedLog

    return EmbeddedLog.existing(State.of_environment().log)


def _checkpoints(found: EmbeddedLog, path: Path) -> tuple[Checkpoint, ...]:
    from orchestrator.evidence.canonical import LARGEST_ENVELOPE, MalformedError
    from orchestrator.ground.files import read_file, shown
    from orchestrator.log.audit import checkpoints_in

    data = read_file(path, "the checkpoint ", LARGEST_ENVELOPE, _OLDER)
    if len(data) > LARGEST_ENVELOPE:
        raise TallyError(f"{shown(path)} is larger than {LARGEST_ENVELOPE} bytes", hint=_OLDER)
    try:
        return checkpoints_in(found, data, shown(path))
    except MalformedError as error:
        raise TallyError(str(error), hint=_OLDER) from error
