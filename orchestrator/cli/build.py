"""`tally build`: build on every builder, compare, and sign what agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.signing_options import IdentityTokenFd, Keyless, PassphraseFd, SigningKey
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

if TYPE_CHECKING:
    from orchestrator.builders.signing_tables import SigningTable
    from orchestrator.ground.key_address import KeyAddress
    from orchestrator.signing.keyless import Wanted


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
    key: SigningKey = None,
    passphrase_fd: PassphraseFd = None,
    keyless: Keyless = False,
    identity_token_fd: IdentityTokenFd = None,
    no_sign: Annotated[bool, typer.Option("--no-sign", help="Build and compare only.")] = False,
    out: Annotated[Path, typer.Option(help="The folder that releases go to.")] = Path("releases"),
    builder: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Use this builder; give it twice or more.", show_default=False),
    ] = None,
    allow_dirty: Annotated[
        bool,
        typer.Option("--allow-dirty", help="Build path sources with uncommitted changes; nothing is signed."),
    ] = False,
    rebuild_inputs: Annotated[
        int,
        typer.Option(
            "--rebuild-inputs",
            metavar="N",
            min=0,
            help="Believe none of the closest N levels of inputs, where `inputs` of tally.toml believes any.",
        ),
    ] = 0,
    rebuild: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Rebuild inputs of this name, as 'openssl-*', with all that stands on them.",
            show_default=False,
        ),
    ] = None,
    attest_disagreement: Annotated[
        bool,
        typer.Option(
            "--attest-disagreement", help="If builds disagree, sign that, as evidence beside their results."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Build targets on every builder, compare every bit, and sign what agrees.

    Exits with 0 when all builds agree, 1 when builds disagree, 2 when that could not be decided.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.caches.choosing import Reach
    from orchestrator.cli.live import LiveView
    from orchestrator.cli.outcomes import document, show
    from orchestrator.cli.targets import asked_of, how_of, refuse_idle
    from orchestrator.cli.text import print_json
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.run.order import Order
    from orchestrator.run.outcome import exit_code
    from orchestrator.stories import release

    given = {"--no-sign": no_sign, "--key": key is not None, "--keyless": keyless}
    if len(both := [name for name, there in given.items() if there]) > 1:
        raise TallyError(f"{both[0]} and {both[1]} were both given", hint="give one of the two")
    wanted_targets = asked_of(targets or [], file, list_file, every=every)
    how = how_of(arg or [], argstr or [], include or [], store, artifact)
    refuse_idle(wanted_targets, how, artifact)
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
        attest_disagreement=attest_disagreement,
        keyless=by_identity,
    )
    with LiveView() as view:
        outcomes = release.release(State.of_environment(), configuration, order, view.handle, view.say)
    if json:
        print_json({"outcomes": [document(outcome) for outcome in outcomes]})
    for outcome in outcomes:
        show(outcome, quiet=json)
    return exit_code(outcomes)


def signer_of(
    signing: SigningTable, key: str | None, token_fd: int | None, *, keyless: bool
) -> tuple[KeyAddress | None, Wanted | None]:
    """The key that signs, or who does without one: as given, else as tally.toml says. Raises TallyError."""
    from orchestrator.ground import key_address
    from orchestrator.ground.errors import TallyError

    by_identity = _wanted(signing, token_fd, asked=keyless) if key is None else None
    if token_fd is not None and by_identity is None:
        raise TallyError("--identity-token-fd is for signing without a key", hint="give --keyless")
    wanted = None if by_identity else key or signing.key
    return None if wanted is None else key_address.parse(wanted), by_identity


def _wanted(signing: SigningTable, token_fd: int | None, *, asked: bool) -> Wanted | None:
    """Who is to sign without a key: as tally.toml says, or by --keyless anybody at the public instance."""
    from orchestrator.signing.keyless import Wanted

    table = signing.keyless
    if table is None:
        return Wanted(token_fd=token_fd) if asked else None
    return Wanted(table.instance, table.identity, table.issuer, token_fd)
