"""The story of `tally shell`: into the sandbox of a recipe's build, at the point where its script begins.

    Recipe -> Derivation -> its inputs, in a store -> a sandbox like the build's -> a shell, or one command

It is the derivation's own program that runs, with its own environment: only the text of the recipe's script
is another one, which starts the shell. What is made there is in a folder that is thrown away. It is in no
builder's store, in no ledger, and nothing can sign it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, contents
from orchestrator.ground.state import State
from orchestrator.ground.values import dataclass
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import Derivation, name_of
from orchestrator.nix.events import ERROR, Event, EventParser, Message
from orchestrator.nix.sandbox import TOP, Sandbox, prepared
from orchestrator.run import planning
from orchestrator.run.asked import RecipeFile
from orchestrator.run.gathering import gather
from orchestrator.run.plan import Target
from orchestrator.run.workshop import Workshop, opened

if TYPE_CHECKING:
    from orchestrator.builders.configuration import Configuration

_OURS = ".tally"
"""Below the build's folder: the recipe's scripts, and what starts the shell."""
_FUNCTIONS = """\
# as the build runs them, each in a bash of its own
build() { TERM=dumb "$BASH" -eu -o pipefail /build/.tally/script < /dev/null; }
check() { TERM=dumb "$BASH" -eu -o pipefail /build/.tally/check < /dev/null; }
"""
_GO_BACK = """\
# where build.sh starts the recipe's script
cd /build/work
shopt -s dotglob nullglob
tallyFound=(*)
shopt -u dotglob nullglob
if [[ ${#tallyFound[@]} == 1 && -d ${tallyFound[0]} ]]; then cd "${tallyFound[0]}"; fi
"""
_INTERACTIVE = """\
exec < /dev/tty > /dev/tty 2>&1
"$BASH" --noprofile --rcfile /build/.tally/rc -i || true
echo 0 > /build/.tally/status
"""
_COMMAND = """\
tallyStatus=0
"$BASH" -eu -o pipefail /build/.tally/command || tallyStatus=$?
echo "$tallyStatus" > /build/.tally/status
"""


@dataclass(frozen=True, slots=True)
class Shell:
    """A build's sandbox, ready to be entered."""

    name: str
    """The derivation's, as `hello-2.10`."""
    sandbox: Sandbox

    @property
    def status(self) -> int | None:
        """What the command ended with; None: it never began, since the build failed before its script."""
        try:
            return int(contents(self.sandbox.build / _OURS / "status", 8))
        except (OSError, ValueError):
            return None


@contextmanager
def shell(
    state: State,
    configuration: Configuration,
    recipe: Path,
    command: str | None,
    terminal: str,
    on_event: Callable[[str, Event], None],
    say: Callable[[str], None],
    *,
    failed: bool = False,
) -> Iterator[Shell]:
    """A shell in the build of a recipe, or with `command` that alone. `terminal` is what TERM shall be.

    `failed`: in the folder of its last build that failed and was kept. Everything else of it is gone when the
    block ends. Raises TallyError.
    """
    with opened(state, configuration) as workshop:
        plan = planning.make(workshop, [RecipeFile(recipe)], allow_dirty=True)
        (target,) = plan.targets.values()
        derivation = target.graph[target.evaluated.package]
        gather(workshop, target.request, target.evaluated.fixed, target.folder, say)
        holding = _with_inputs(workshop, target, derivation, on_event, say)
        folder = workshop.store.nix.scratch / "shell"
        folder.mkdir()
        begin = _INTERACTIVE if command is None else _COMMAND
        made = prepared(
            derivation,
            _closure(holding),
            folder,
            files={} if failed else {"tallyScript": begin, "tallyCheck": ""},
            build=_kept(state, derivation) if failed else None,
            script=f"{TOP}/{_OURS}/enter" if failed else None,
        )
        files = _files(derivation, command, terminal)
        _write(made.build / _OURS, {**files, "enter": _GO_BACK + begin} if failed else files)
        yield Shell(derivation.name, made)


def _files(derivation: Derivation, command: str | None, terminal: str) -> Mapping[str, str]:
    found = {
        "script": derivation.env.get("tallyScript", ""),
        "check": derivation.env.get("tallyCheck", ""),
        "functions": _FUNCTIONS,
        "terminal": terminal,
        "name": derivation.name,
    }
    if command is not None:
        return found | {"command": f". {TOP}/{_OURS}/functions\n{command}\n"}
    return found | {
        "rc": f". {TOP}/{_OURS}/functions\nTERM=$(< {TOP}/{_OURS}/terminal)\n"
        f'PS1="$(< {TOP}/{_OURS}/name) \\w \\$ "\n'
    }


def _kept(state: State, derivation: Derivation) -> Path:
    """The folder of its last build that failed and was kept, as it was `/build`. Raises TallyError."""
    every = sorted((state.root / "logs").glob("*/*/failed/*"), key=lambda each: each.parents[2].name)
    own = [each for each in every if each.name == Path(derivation.path).name]
    if not own:
        alike = any(name_of(each.name) == name_of(derivation.path) for each in every)
        why = "what is kept is of another derivation: recipe or lock have changed since" if alike else None
        raise TallyError(
            f"no failed build of {derivation.name} is kept{f': {why}' if why else ''}",
            hint="`tally build RECIPE --keep-failed` keeps the folder of one",
        )
    inner = own[-1] / "build"
    # Nix of 2.30 and later has a folder of its own around it; a link to anywhere is the build's
    is_around = [each.name for each in own[-1].iterdir()] == ["build"] and inner.is_dir()
    return inner if is_around and not inner.is_symlink() else own[-1]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """A folder of ours, in place of what a build of earlier may have left there: a link to anywhere, too."""
    try:
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _with_inputs(
    workshop: Workshop,
    target: Target,
    derivation: Derivation,
    on_event: Callable[[str, Event], None],
    say: Callable[[str], None],
) -> list[tuple[ChrootStore, list[str]]]:
    """Every input, with a store that has it.

    What was built is in an embedded builder's, of which it is read alone, else in our own. What is fetched or
    copied is in ours: no builder has a source of this commit before it has built it.
    """
    built, ours = _inputs(derivation, target)
    for builder in workshop.named():
        if isinstance(builder.store, ChrootStore) and not builder.store.invalid(built):
            return [(builder.store, built), (workshop.store, ours)]
    store = workshop.store
    if store.invalid(built):
        say(f"building what {derivation.name} is built with; nothing of it is taken for a builder's")
        errors: list[str] = []
        parser = EventParser()

        def take(line: str) -> None:
            event = parser.parse(line)
            if isinstance(event, Message) and event.level == ERROR:
                errors.append(event.text)
            on_event("shell", event)

        needed = [path for path in derivation.input_derivations if target.graph[path].fixed is None]
        command = store.command(
            "nix-store", "--realise", "--log-format", "internal-json", "-v", "--max-jobs", "auto", *needed
        )
        if store.nix.follow(command, take) != 0 or (lacking := sorted(store.invalid(built))):
            raise TallyError(
                f"what {derivation.name} is built with does not build: "
                + (errors[0] if errors else name_of(lacking[0])),
                hint="`tally build` of that recipe says more",
            )
    return [(store, [*built, *ours])]


def _inputs(derivation: Derivation, target: Target) -> tuple[list[str], list[str]]:
    """Those that are built, and those that are fetched or copied."""
    built: list[str] = []
    ours = list(derivation.input_sources)
    for path, names in derivation.input_derivations.items():
        below = target.graph[path]
        (built if below.fixed is None else ours).extend(below.outputs[name] for name in names)
    return built, ours


def _closure(holding: Sequence[tuple[ChrootStore, Sequence[str]]]) -> list[tuple[str, str]]:
    """Where the inputs, and all that they refer to, lie on this machine."""
    found: dict[str, str] = {}
    for store, paths in holding:
        if paths:
            said = store.nix.run(store.command("nix-store", "--query", "--requisites", *paths))
            found |= {path: str(store.physical(path)) for path in said.split() if path not in found}
    return [(place, path) for path, place in found.items()]
