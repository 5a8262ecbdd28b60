"""`tally publish`: a release to where others fetch it, verified on the way out and on the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.signing_options import IdentityTokenFd, Keyless, PassphraseFd
from orchestrator.cli.trust_options import Identity, Issuer
from orchestrator.ground.errors import ExitCode, TallyError
from orchestrator.publishing.objects.retention import Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from orchestrator.publishing.inputs import Supplied


def publish(
    release: Annotated[Path, typer.Argument(metavar="RELEASE", help="A release folder.")],
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION",
            help="dir:PATH, a static folder of releases; oci://HOST/REPOSITORY[:TAG]; s3://BUCKET/PREFIX; or "
            "a Nix binary cache, as cache+file:///DIR, cache+s3://BUCKET or cache+https://HOST/PATH.",
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|ADDRESS",
            help="The release key or its public half: the release has to be by it. Else `signing.key` of "
            "tally.toml.",
            show_default=False,
        ),
    ] = None,
    passphrase_fd: PassphraseFd = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="A policy.toml that the release has to pass, instead."),
    ] = None,
    keyless: Keyless = False,
    identity_token_fd: IdentityTokenFd = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A Sigstore trusted root from elsewhere, as of `tally verify`."),
    ] = None,
    location: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="An address of the destination for others, which the key signs. May be given several times.",
            show_default=False,
        ),
    ] = None,
    move_tag: Annotated[
        bool,
        typer.Option("--move-tag", help="Let a registry's tag name another artifact than it did."),
    ] = False,
    index: Annotated[
        str | None,
        typer.Option(
            metavar="TAG",
            help="Into a registry: enter the image into the index of this tag, too, beside other systems'.",
            show_default=False,
        ),
    ] = None,
    retain: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long nothing can delete a bucket's objects: 365d, 52w, 10y, or until a day as "
            "2036-01-01. Else what the bucket gives to every object.",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        Mode | None,
        typer.Option(
            help="Who may end --retain sooner: nobody (compliance), or who has the permission (governance).",
            show_default=False,
        ),
    ] = None,
    allow_mutable: Annotated[
        bool, typer.Option("--allow-mutable", help="Publish to a bucket without versioning or object lock.")
    ] = False,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Speak to a server elsewhere without TLS.")
    ] = False,
    with_runtime: Annotated[
        bool,
        typer.Option("--with-runtime", help="Into a Nix cache: also the runtime closure of the target."),
    ] = False,
    with_believed: Annotated[
        bool,
        typer.Option(
            "--with-believed",
            help="With --with-runtime or --with-sources: also inputs that no builder rebuilt.",
        ),
    ] = False,
    nix_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The release's Nix signing key, for a Nix cache. Else one in the state folder.",
            show_default=False,
        ),
    ] = None,
    with_sources: Annotated[
        bool,
        typer.Option(
            "--with-sources",
            help="Also every fixed input by its digest, for rebuilders: sources, toolchain packages and the "
            "tree of nixpkgs. What was believed of a cache needs --with-believed.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Publish a release: it verifies here first, is found there once it is whole, and is fetched back.

    The same release again changes nothing. Another one under the same name is refused.
    Exit codes: 0 published, 1 it does not verify or a bucket does not keep it, 2 not decided or done.
    """
    import tempfile
    from contextlib import ExitStack
    from datetime import UTC, datetime

    from orchestrator.cli import publisher
    from orchestrator.cli.asked import identity_of, root_for
    from orchestrator.cli.destination_options import refuse_unfit
    from orchestrator.cli.judging import document, exit_code, text
    from orchestrator.cli.publisher import Publisher
    from orchestrator.cli.text import in_lines, print_json, say
    from orchestrator.ground.values import replace
    from orchestrator.publishing import reference
    from orchestrator.publishing.objects import retention
    from orchestrator.publishing.reference import NixCache, Registry
    from orchestrator.stories import publication
    from orchestrator.stories.publication import Order

    where, locations = reference.parse(destination, plain=allow_http), tuple(map(_location, location or ()))
    registry, cache, now = isinstance(where, Registry), isinstance(where, NixCache), datetime.now(UTC)
    refuse_unfit(
        where,
        {
            "--location": bool(locations),
            "--keyless": keyless,
            "--move-tag": move_tag,
            "--index": index is not None,
            "--retain": retain is not None,
            "--mode": mode is not None,
            "--allow-mutable": allow_mutable,
            "--allow-http": allow_http,
            "--with-runtime": with_runtime,
            "--with-believed": with_believed,
            "--nix-key": nix_key is not None,
            "--with-sources": with_sources,
        },
    )
    keeping = retention.parse(retain, mode, now, mutable=allow_mutable)
    by = Publisher(
        key, policy, identity_of(identity, issuer, trusted_root), keyless, passphrase_fd, identity_token_fd
    )
    whom, signer = publisher.whom(by, signing=True if locations else None if registry else False)
    if registry and signer is None:
        say("no private key is given: nobody signs for what the registry has, as cosign would ask")
    order = Order(
        release=release,
        destination=where,
        locations=locations,
        policy=whom,
        now=now,
        signer=signer,
        trusted=root_for(whom, trusted_root),
        move_tag=move_tag,
        keeping=keeping,
    )
    with tempfile.TemporaryDirectory(prefix="tally-") as scratch, ExitStack() as open_:
        if with_sources:
            order = replace(order, inputs=_inputs(open_, say, believed=with_believed))
        keys: tuple[str, ...] = ()
        paths: tuple[str, ...] = ()
        if cache:
            from orchestrator.ground.state import State
            from orchestrator.stories import caching

            wanted = caching.Wanted(with_runtime, with_believed, nix_key)
            cached = caching.publish(order, wanted, State.of_environment(), Path(scratch), say)
            found, keys, paths = cached.publication, cached.keys, cached.paths
        else:
            found = publication.publish(order, Path(scratch), say)
    code = exit_code([found.verdict])
    entered = None
    if index is not None and isinstance(found.reference, Registry) and code == ExitCode.YES:
        from orchestrator.publishing.registry.indexing import enter

        assert found.released is not None
        made = enter(found.reference, index, found.released, order.signer, move=move_tag)
        entered = made.index
        if made.unsigned:
            what = ", ".join(each.shown for each in made.unsigned)
            say(
                f"{index}: nobody has signed whose image it names for {what}; "
                "publish its release with --index and the private key"
            )
    if json:
        print_json(
            {
                **document(release, found.verdict),
                "reference": None if found.reference is None else str(found.reference),
                "changed": found.changed,
                **({} if entered is None else {"index": str(entered)}),
                **({} if found.kept is None else {"kept": str(found.kept)}),
                **({"nixKeys": list(keys), "storePaths": list(paths)} if keys else {}),
            }
        )
    elif found.reference is None or code != ExitCode.YES:
        print(text(found.reference or release, found.verdict))
    else:
        lines = [f"{'published' if found.changed else 'there already'}: {found.reference}"]
        if found.kept is not None:
            lines.append(
                f"with the release of the same artifact that was there: its release.json is {found.kept}"
            )
        lines += [] if entered is None else [f"index: {entered}"]
        lines += [*(f"store path: {each}" for each in paths), *(f"signed by: {each}" for each in keys)]
        print(in_lines(lines))
    return code


def _inputs(
    open_: ExitStack, say: Callable[[str], None], *, believed: bool
) -> Callable[[Path], tuple[Supplied, ...]]:
    """What finds the inputs of a release, with the stores of this machine.

    `believed`: whether what was believed is published, too.
    """
    from orchestrator.builders.configuration import load as configured
    from orchestrator.ground.state import State
    from orchestrator.run.inputs import inputs_of
    from orchestrator.run.supplies import of_folder
    from orchestrator.run.workshop import opened

    workshop = open_.enter_context(opened(State.of_environment(), configured(Path.cwd())))
    return lambda release: inputs_of(workshop, release, say, (of_folder(release),), believed=believed)


def _location(address: str) -> str:
    """An address as it is signed. Raises TallyError."""
    from orchestrator.publishing import reference

    reference.parse(address, plain=True)
    if address.startswith(("dir:", "file:")):
        raise TallyError(
            f"{address} is an address on this machine alone", hint="give one that others can use"
        )
    return address
