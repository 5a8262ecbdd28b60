"""`tally builder`: list builders, add one to tally.toml, see whether they work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.ground.errors import ExitCode

if TYPE_CHECKING:
    from orchestrator.builders.configuration import BuilderTable
    from orchestrator.stories.inspection import Shown

builder = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@builder.command("list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """List the builders of tally.toml. None of them is asked anything."""
    from orchestrator.builders.configuration import load
    from orchestrator.cli.text import harmless, print_json

    configuration = load(Path.cwd())
    if json:
        print_json(
            {
                "quorum": configuration.quorum,
                "vote": configuration.vote,
                "dissent": configuration.dissent,
                "builders": [_table(each) for each in configuration.builder],
            }
        )
        return ExitCode.YES
    width = max(len(each.name) for each in configuration.builder)
    for each in configuration.builder:
        notes = [f"run by {each.operator}"] if each.operator else []
        notes += ["spare"] if each.spare else []
        print(harmless(f"{each.name:{width}}  {each.store}{'  ' if notes else ''}{', '.join(notes)}"))
    return ExitCode.YES


@builder.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name in evidence, logs and messages.")],
    store: Annotated[
        str | None,
        typer.Argument(metavar="[STORE]", help="local, daemon, ssh-ng://[USER@]HOST[:PORT], or vm."),
    ] = None,
    vm: Annotated[bool, typer.Option("--vm", help="A virtual machine on this one: STORE is vm.")] = False,
    operator: Annotated[
        str | None, typer.Option("--operator", metavar="TEXT", help="Who runs the host.")
    ] = None,
    ssh_key: Annotated[
        Path | None, typer.Option("--ssh-key", metavar="FILE", help="The private key to log in with.")
    ] = None,
    host_key: Annotated[
        str | None,
        typer.Option("--host-key", metavar="KEY", help="The host's public key; else it is asked for it."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="NAME:BASE64", help="The key that its Nix signs with.")
    ] = None,
    link_key: Annotated[
        Path | None,
        typer.Option("--link-key", metavar="PUB", help="The public key that the host signs its links with."),
    ] = None,
    memory: Annotated[
        int | None, typer.Option("--memory", metavar="MIB", help="A virtual machine's memory.")
    ] = None,
    disk: Annotated[
        int | None, typer.Option("--disk", metavar="GIB", help="How much a virtual machine can write.")
    ] = None,
    kvm: Annotated[
        bool | None, typer.Option("--kvm/--no-kvm", help="Run it by the kernel, or emulate it.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(
            "--system", metavar="SYSTEM", help="What it builds for, where that is not this machine's."
        ),
    ] = None,
    spare: Annotated[
        bool, typer.Option("--spare", help="Used only when another cannot do its work.")
    ] = False,
) -> int:
    """Add a builder to tally.toml, which is made where there is none. What it holds already stays as it is.

    Without --host-key a host over ssh is asked for its key: compare its fingerprint with its operator's.
    With --vm the image that tally.lock stands for is made and tried, also for a builder that is there.
    """
    from orchestrator.builders import adding
    from orchestrator.builders.configuration import BuilderTable
    from orchestrator.cli.text import say
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.files import expanded
    from orchestrator.keys.key import PublicKey

    if ssh_key is not None:
        _refuse_no_key(ssh_key)
    if link_key is not None:
        PublicKey.load(expanded(link_key))
    values: dict[str, Any] = {"name": name, "store": _store(store, vm=vm), "operator": operator, "key": key}
    values |= {
        "ssh-key": None if ssh_key is None else adding.as_written(Path.cwd(), ssh_key),
        "host-key": host_key,
        "link-key": None if link_key is None else adding.as_written(Path.cwd(), link_key),
        "memory": memory,
        "disk": disk,
        "kvm": kvm,
        "systems": None if system is None else [system],
        "spare": spare or None,
    }
    values = {name: value for name, value in values.items() if value is not None}
    if values["store"] == "vm":
        there = adding.listed(Path.cwd(), name)
        if there is not None and there.store == "vm" and (given := sorted(set(values) - {"name", "store"})):
            raise TallyError(
                f"builder {name} is in tally.toml already, which `{given[0]}` would change",
                hint="change it there by hand; without options the image is made anew",
            )
        if there is None or there.store != "vm":
            adding.refuse(Path.cwd(), values)  # before an image is made for it
        values |= _try_machine(there or BuilderTable.model_validate(values))
        if there is not None:
            say(f"builder {name} is in tally.toml already; its image is that of tally.lock")
            return ExitCode.YES
    added = adding.add(Path.cwd(), values)
    for line in added.notes:
        say(line)
    if values["store"] == "vm":
        say(f"added builder {name} to {added.file}")
    else:
        say(f"added builder {name} to {added.file}; `tally builder check {name}` sees whether it works")
    return ExitCode.YES


def _refuse_no_key(ssh_key: Path) -> None:
    """Raises TallyError for a key that ssh could not log in with. What is in it, ssh knows better."""
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.files import expanded, read_file, shown

    hint = "make one with `ssh-keygen -t ed25519`"
    if not read_file(expanded(ssh_key), "the ssh key ", 0, hint):
        raise TallyError(f"the ssh key {shown(ssh_key)} is empty", hint=hint)


def _store(store: str | None, *, vm: bool) -> str:
    from orchestrator.ground.errors import TallyError

    if vm and store not in (None, "vm"):
        raise TallyError(f"--vm says that the store is vm, and {store} was given", hint="give one of the two")
    if store is None and not vm:
        raise TallyError("which store?", hint="give local, daemon, ssh-ng://[USER@]HOST[:PORT], or --vm")
    return store or "vm"


def _try_machine(of: BuilderTable) -> Mapping[str, Any]:
    """Make the image and start it; what tally.toml is to say of what came of it."""
    from orchestrator.builders.configuration import load
    from orchestrator.builders.hardware import Hardware
    from orchestrator.cli.text import say
    from orchestrator.ground.state import State
    from orchestrator.run.workshop import opened
    from orchestrator.stories.imaging import make_image

    hardware = Hardware.unlike_this_machine(of.memory, of.disk, of.kvm, of.system)
    with opened(State.of_environment(), load(Path.cwd())) as workshop:
        made = make_image(workshop, Path.cwd(), hardware, say)
    how = "run by KVM" if made.kvm else "emulated"
    say(f"it works: {how}, it answered after {made.seconds:.0f} s")
    if not hardware.kvm or made.kvm:
        return {}
    say("`kvm = false` is written to tally.toml for it: take it out where KVM works")
    return {"kvm": False}


@builder.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Which builders; default: all of them.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Reach builders, prove their sandboxes, and say how independent they are.

    Exits with 0 when all of them work, and with 2 otherwise.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.cli.text import print_json, say
    from orchestrator.evidence.surroundings import surroundings, varied
    from orchestrator.ground.state import State
    from orchestrator.run.workshop import opened
    from orchestrator.stories.inspection import independence, inspect

    configuration = load(Path.cwd())
    with opened(State.of_environment(), configuration) as workshop:
        shown = inspect(workshop, names or (), Path.cwd(), say)
    differing = varied([surroundings(each.surroundings) for each in shown if each.surroundings])
    level, votes = independence(shown, configuration.quorum or 2)
    if json:
        said = {"independence": level, "votes": votes, "varied": differing}
        print_json({"builders": [_shown(each) for each in shown], **said})
    else:
        for each in shown:
            _print(each)
        if len(shown) > 1:
            counted = ", ".join(f"{name} {number}" for name, number in votes.items())
            print(f"together: {level} (votes at each level: {counted}; `{configuration.vote}` counts)")
            print(f"their builds differ in: {', '.join(differing) or 'nothing'}")
            needed = configuration.quorum or 2
            if votes[configuration.vote] < needed:
                print(
                    f"nothing can be signed: {needed} votes must agree, and `{configuration.vote}` gives "
                    f"{votes[configuration.vote]}"
                )
    return ExitCode.YES if all(each.error is None for each in shown) else ExitCode.UNDECIDED


def _table(of: BuilderTable) -> Mapping[str, Any]:
    return of.model_dump(mode="json", by_alias=True, exclude_none=True)


def _shown(of: Shown) -> Mapping[str, Any]:
    from orchestrator.evidence.agreement_record import identity, sandbox
    from orchestrator.evidence.surroundings import surroundings

    said: dict[str, Any] = {"works": of.error is None, **identity(of.identity)}
    if of.sandbox is not None:
        said["sandbox"] = sandbox(of.sandbox)
    if of.surroundings is not None:
        said["surroundings"] = surroundings(of.surroundings)
    if of.not_varied:
        said["notVaried"] = dict(of.not_varied)
    if of.error is not None:
        said |= {"error": of.error.message, "hint": of.error.hint}
    return said


def _print(of: Shown) -> None:
    from orchestrator.cli.text import harmless, paragraph

    who = of.identity
    if of.error is not None:
        print(harmless(f"{who.name}: FAILED ({who.store})"))
        print(paragraph(f"  {of.error.message}"))
        if of.error.hint:
            print(paragraph(f"  hint: {of.error.hint}"))
        return
    print(harmless(f"{who.name}: works, its sandbox holds ({who.store})"))
    known: dict[str, str | None] = {"operator": who.operator} if who.operator else {}
    known |= {
        "Nix": who.nix_version,
        "system": who.system,
        "kernel": who.kernel,
        "CPU": who.cpu_model,
        "emulated": "yes, its processor is a program" if who.emulated else "",
        "machine": who.machine_id and who.machine_id[:16],
        "boot": who.boot_id and who.boot_id[:16],
    }
    for label, value in known.items():
        if value != "":
            print(harmless(f"  {label:9}{value or 'not observed'}"))
    for what, why in of.not_varied.items():
        print(harmless(f"  cannot vary {what}: {why}"))
