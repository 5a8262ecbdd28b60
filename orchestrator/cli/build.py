"""`tally build`: build on every builder, compare, and sign what agrees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.making_options import BuilderNames, Evidence, RebuildInputs, RebuildNamed, Systems
from orchestrator.cli.signing_options import (
    IdentityTokenFd,
    Keyless,
    PassphraseFd,
    SigningKey,
    refuse_both,
    signer_of,
)
from orchestrator.cli.target_options import (
    Arg,
    ArgStr,
    ArtifactFormat,
    Include,
    ListFile,
    NixFile,
    StoreAddress,
    Targets,
)


def build(
    targets: Targets = None,
    file: NixFile = None,
    list_file: ListFile = None,
    arg: Arg = None,
    argstr: ArgStr = None,
    include: Include = None,
    artifact: ArtifactFormat = None,
    store: StoreAddress = None,
    every: Annotated[bool, typer.Option("--all", help="Every recipe in the folder recipes/.")] = False,
    oldest: Annotated[
        int | None,
        typer.Option(
            "--oldest",
            metavar="N",
            min=1,
            help="Of all these targets build N: first those never built here, then those longest ago.",
            show_default=False,
        ),
    ] = None,
    key: SigningKey = None,
    passphrase_fd: PassphraseFd = None,
    keyless: Keyless = False,
    identity_token_fd: IdentityTokenFd = None,
    no_sign: Annotated[bool, typer.Option("--no-sign", help="Build and compare only.")] = False,
    out: Annotated[Path, typer.Option(help="The folder that releases go to.")] = Path("releases"),
    builder: BuilderNames = None,
    system: Systems = None,
    allow_dirty: Annotated[
        bool,
        typer.Option("--allow-dirty", help="Build path sources with uncommitted changes; nothing is signed."),
    ] = False,
    rebuild_inputs: RebuildInputs = 0,
    rebuild: RebuildNamed = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Every derivation of the build-time closure is an agreement of its own; none is believed.",
        ),
    ] = False,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="The same for the closest N levels of inputs.", show_default=False
        ),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="With --deep or --depth: build also what agreed before.")
    ] = False,
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat",
            metavar="N",
            min=0,
            help="Build all of it N times more on each builder: what is flaky shows.",
        ),
    ] = 0,
    evidence: Evidence = None,
    attest_disagreement: Annotated[
        bool,
        typer.Option(
            "--attest-disagreement", help="If builds disagree, sign that, as evidence beside their results."
        ),
    ] = False,
    diagnose: Annotated[
        bool,
        typer.Option("--diagnose", help="If builds disagree, find out why, as `tally diagnose` does."),
    ] = False,
    keep_failed: Annotated[
        bool,
        typer.Option(
            "--keep-failed", help="Keep the folder of a build that fails, for `tally shell RECIPE --failed`."
        ),
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write JUnit XML, which CI hosts show: a case a target."),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write SARIF, which code scanning shows: a result for each derivation that diverged first.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Build targets on every builder, compare every bit, and sign what agrees.

    Exits with 0 when all builds agree, 1 when builds disagree, 2 when that could not be decided.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.caches.choosing import Reach
    from orchestrator.cli.live import LiveView
    from orchestrator.cli.outcomes import document, show
    from orchestrator.cli.targets import asked_of, how_of, refuse_idle, systems_of
    from orchestrator.cli.text import print_json
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.run.deepening import ALL_THE_WAY
    from orchestrator.run.order import Order
    from orchestrator.run.outcome import Outcome, exit_code
    from orchestrator.stories import release, webhooks

    refuse_both({"--deep": deep, "--depth": depth is not None})
    levels = ALL_THE_WAY if deep else depth or 0
    if again and not levels:
        raise TallyError(
            "--again is for inputs that agreed before, and none is built for its own sake",
            hint="give --deep or --depth with it; what was asked for itself is built in every run",
        )
    refuse_both({"--no-sign": no_sign, "--evidence": bool(evidence)})
    refuse_both({"--no-sign": no_sign, "--key": key is not None, "--keyless": keyless})
    wanted_targets = asked_of(targets or [], file, list_file, every=every)
    how = how_of(arg or [], argstr or [], include or [], store, artifact)
    refuse_idle(wanted_targets, how, artifact)
    systems = systems_of(system or [])
    configuration = load(Path.cwd())
    address, by_identity = None, None
    if not no_sign:
        address, by_identity = signer_of(configuration.signing, key, identity_token_fd, keyless=keyless)
    elif identity_token_fd is not None:
        raise TallyError("--identity-token-fd is for signing without a key", hint="give --keyless")
    order = Order(
        targets=wanted_targets,
        out=out,
        key=address,
        sign=not (no_sign or allow_dirty),
        how=replace(how, out=out),
        builders=tuple(builder or ()),
        allow_dirty=allow_dirty,
        passphrase_fd=passphrase_fd,
        reach=Reach(rebuild_inputs, tuple(rebuild or ())),
        depth=levels,
        again=again,
        repeat=repeat,
        attest_disagreement=attest_disagreement,
        keyless=by_identity,
        evidence=tuple(evidence or ()),
        diagnose=diagnose,
        keep_failed=keep_failed,
        oldest=oldest,
    )
    hooks, began = webhooks.ready(configuration), datetime.now(UTC)
    state = State.of_environment()
    with LiveView() as view:
        outcomes: tuple[Outcome, ...] = ()
        for one in systems:
            if len(systems) > 1:
                view.say(f"for {one}:")
            each = replace(order, how=replace(order.how, system=one))
            outcomes += release.release(state, configuration, each, view.handle, view.say)
        webhooks.tell(state, hooks, began, view.say)
    if junit is not None:
        from orchestrator.cli.cases import of_build
        from orchestrator.cli.junit import junit as junit_of
        from orchestrator.ground.files import write_atomically

        write_atomically(junit, junit_of("build", [of_build(outcome) for outcome in outcomes]))
    if sarif is not None:
        from json import dumps

        from orchestrator.cli.build_sarif import sarif as sarif_of
        from orchestrator.ground.files import write_atomically

        write_atomically(sarif, dumps(sarif_of(outcomes), indent=2).encode() + b"\n")
    if json:
        print_json({"outcomes": [document(outcome) for outcome in outcomes]})
    for outcome in outcomes:
        show(outcome, quiet=json)
    return exit_code(outcomes)
