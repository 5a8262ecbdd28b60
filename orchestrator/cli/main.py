"""The command `tally`: its commands, and the one place where errors are printed."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

from orchestrator import __version__
from orchestrator.cli import completion, plain, signals
from orchestrator.ground.errors import ErrorKind, ExitCode, TallyError
from orchestrator.ground.interruption import INTERRUPTION
from orchestrator.ground.notice import NOTICE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SOON = 0.05  # seconds, after which the main thread has left a callback
_GARBAGE = 50_000
"""Objects after which Python looks for cycles. What is imported stays, and has a tenth of the time at 700."""
_DEEPEST = 6000
"""Calls within calls: a path of 4096 bytes names some 2,000 folders, a call or two for each."""


def run() -> None:
    """Run the command line and leave the process with its exit code."""
    sys.setrecursionlimit(_DEEPEST)
    gc.set_threshold(_GARBAGE)
    if _has_stdout():
        sys.stdout = _heard_or_not(sys.stdout, _Answer)
    if sys.stderr:
        sys.stderr = _heard_or_not(sys.stderr, _Words)
    if sys.argv[1:2] == ["help"]:
        sys.argv[1:] = [*sys.argv[2:], "--help"]
    if sys.argv[1:] in (["--version"], ["version"]):  # without the imports that a whole command line costs
        print(f"tally {__version__}")
        sys.exit(_written(ExitCode.YES))
    signals.hear(INTERRUPTION.hear)
    NOTICE.tell = _tell
    sys.unraisablehook = _unraisable
    code = _written(_run())
    if INTERRUPTION.ever:
        # sys.exit would end by SIGINT and not by this code where the signal came within generated code
        os._exit(code)
    atexit.register(signals.ignore)  # else Python's own end gives them back to the kernel, which kills
    gc.freeze()  # else the end of the process looks through all of it for cycles
    sys.exit(code)


def _tell(line: str) -> None:
    from orchestrator.cli.text import say

    say(line)


def _has_stdout() -> bool:
    """Whether there is one: `tally >&-` has none."""
    return bool(sys.stdout)


def _written(code: int) -> int:
    """Write what was printed and is not out yet: an answer that nobody gets is none, whatever it was."""
    try:
        if _has_stdout():
            sys.stdout.flush()
    except (TallyError, OSError) as error:
        said = _explained(error)
        return code if code == ExitCode.INTERRUPTED else said
    return code


def _run() -> int:
    before: Mapping[Path, bytes] = {}
    result: object
    try:
        INTERRUPTION.wanted = True
        INTERRUPTION.come()  # if it was heard before
        if (answer := plain.command(sys.argv[1:])) is not None:
            result = answer()
        else:
            from orchestrator.cli.app import app

            if any(word in ("--arg", "--argstr") for word in sys.argv):
                from orchestrator.cli.nix_options import in_one_word

                sys.argv[1:] = in_one_word(sys.argv[1:])
            if completion.installing():
                before = completion.started_by()
            result = app(standalone_mode=False)
        INTERRUPTION.wanted = False
    except BaseException as error:  # noqa: BLE001  each is judged, and what is ours is raised again
        INTERRUPTION.wanted = False  # an assignment, before which Python looks at no signal
        # libraries turn an interruption in their midst into errors of their own
        if INTERRUPTION.heard or isinstance(error, KeyboardInterrupt):
            return _interrupted(as_json=_wants_json())
        if completion.wanted() or isinstance(error, SystemExit):
            return _completed(error, before)
        return _refused(error)
    if completion.refused(result):
        return _refused(completion.refusal())
    if result == ExitCode.INTERRUPTED:
        return _interrupted()
    return result if isinstance(result, int) else ExitCode.YES


def _refused(error: BaseException) -> int:
    return _explained(error, as_json=_wants_json())


def _completed(error: BaseException, before: Mapping[Path, bytes]) -> int:
    """What came of a shell's question, or of writing its script: Typer always answers by an exit."""
    try:
        if isinstance(error, SystemExit):
            code = completion.code_of(error)
            completion.tell(before)
            return code
        raise completion.refusal()
    except TallyError as refusal:
        return _explained(refusal)


def _explained(error: BaseException, *, as_json: bool = False) -> int:
    """Say what a user can cause and needs to know; a defect of ours is shown whole, and decides nothing."""
    import typer

    from orchestrator.cli.text import print_error, print_failure

    code = ExitCode.UNDECIDED
    match error:
        case TallyError():
            kind, told, code = error.kind, error, error.exit_code
            if (gone := _folder_removed()) is not None:
                told = TallyError(error.message, hint=f"{gone.message}; {gone.hint}")
        case typer.Abort():
            return _interrupted(as_json=as_json)
        case typer.TyperException():  # how Typer says that the command line makes no sense
            from orchestrator.cli.usage import misused

            kind, told = ErrorKind.USAGE, misused(error)
            if told.message.startswith("Usage:"):  # no argument at all: the help, as Typer gives it
                print(told.message, file=sys.stderr)
                return code
        case OSError():
            from pathlib import Path

            from orchestrator.ground.files import shown

            place = f" {shown(Path(str(error.filename)))}" if error.filename else ""
            said = f"the operating system refused{place}: {error.strerror or error}"
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            long = error.errno == errno.ENAMETOOLONG
            hint = "free some space for the state folder and for --out" if full else "see `tally doctor`"
            hint = "no file can have so long a name: name another" if long else hint
            kind, told = ErrorKind.SYSTEM, _folder_removed() or TallyError(said, hint=hint)
        case _:
            import traceback

            traceback.print_exception(error)
            kind, told = ErrorKind.DEFECT, TallyError("this is a defect of Tallystick; nothing was decided")
    print_error(told)
    if as_json:
        print_failure(kind, told, code)
    return code


def _folder_removed() -> TallyError | None:
    """What to say where the working folder is gone; None: it is there."""
    from pathlib import Path

    try:
        Path.cwd()
    except FileNotFoundError:
        here = os.environ.get("PWD")
        return TallyError(
            f"this folder was removed{f': {here}' if here else ''}",
            hint="go to one that is there, as with `cd`; a folder made anew under its name is another one",
        )
    except OSError:
        pass
    return None


def _wants_json() -> bool:
    """Whether the command line asks for JSON, even one that makes no sense otherwise."""
    words = sys.argv[1:]
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _interrupted(*, as_json: bool = False) -> int:
    # whether anything was signed by then is not known here
    said = "interrupted; what was finished stays, and a rerun finds it there"
    if INTERRUPTION.asking:
        said = "interrupted before the question was answered"
        print(file=sys.stderr)  # the prompt's line is still open
    print(f"tally: {said}", file=sys.stderr)
    if as_json:
        from orchestrator.cli.text import print_failure

        print_failure(ErrorKind.INTERRUPTED, TallyError(said), ExitCode.INTERRUPTED)
    return ExitCode.INTERRUPTED


def _unraisable(told: sys.UnraisableHookArgs) -> None:
    """An interruption that came where nothing can be raised, as in a callback, comes again."""
    if not INTERRUPTION.heard or not issubclass(told.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(told)
        return
    INTERRUPTION.again()
    main = threading.main_thread().ident or 0
    again = threading.Timer(_SOON, signal.pthread_kill, (main, signal.SIGTERM))  # always heard
    again.daemon = True
    again.start()


class _Answer(io.FileIO):
    """Drops what is written once its reader has left: a run goes on to its end, and to its own exit code.

    What cannot be written for another reason, as on a full disk, is told once by TallyError, then dropped.
    """

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                return memoryview(data).nbytes
            raise TallyError(
                f"standard output cannot be written: {error.strerror}",
                hint="nobody has the whole answer: free some space where it goes, and run it again",
            ) from error


class _Words(_Answer):
    """Drops what cannot be written whatever the reason, since errors are told here: the exit code stays."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except TallyError:
            return memoryview(data).nbytes


def _heard_or_not(stream: TextIO, how: type[_Answer]) -> TextIO:
    raw = io.BufferedWriter(how(stream.fileno(), "w", closefd=False))
    # a name that this encoding cannot write must not cost the answer
    return io.TextIOWrapper(
        raw,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=how is _Words or stream.isatty(),
    )
