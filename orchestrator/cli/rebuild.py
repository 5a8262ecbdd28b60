"""`tally rebuild`: make a published release again from its own contents, and compare."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.expectation import Expected, ExpectedTarget
from orchestrator.cli.making_options import BuilderNames, RebuildInputs
from orchestrator.cli.origin_options import Commit, Repository, origin_of
from orchestrator.cli.signing_options import (
    IdentityTokenFd,
    Keyless,
    PassphraseFd,
    SigningKey,
    refuse_both,
    signer_of,
)
from orchestrator.cli.trust_options import Evidence, Identity, Issuer, PolicyFile, Root
from orchestrator.cli.watched import Every, Record, Sarif, Since, many_of

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target
    from orchestrator.served.named import Named


def rebuild(
    releases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RELEASE|REFERENCE|pypi:NAME==VERSION|deb:NAME=VERSION|npm:NAME@VERSION...",
            help="Release folders, where releases are published, as dir:PATH and https://HOST/PATH/, "
            "wheels on PyPI, made again from their sdist, packages of Debian, made from their source, "
            "or of npm, packed from their repository or once more.",
            show_default=False,
        ),
    ] = None,
    policy: PolicyFile = None,
    publisher: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PUB",
            help="The public key of whom the release has to be by (PEM); may be given several times.",
            show_default=False,
        ),
    ] = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trusted_root: Root = None,
    evidence: Evidence = None,
    list_file: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="More releases, one a line, with comments as `# …`; `-`: standard input.",
        ),
    ] = None,
    every: Every = False,
    since: Since = None,
    record: Record = None,
    even_if_unverified: Annotated[
        bool,
        typer.Option("--even-if-unverified", help="Build a release that does not verify, too."),
    ] = False,
    expect: Expected = None,
    target: ExpectedTarget = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Put the recipe and lock of such a name into DIR/NAME-VERSION; one that is there is used.",
        ),
    ] = None,
    buildinfo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Build one deb: name with what this .buildinfo file names."),
    ] = None,
    repository: Repository = None,
    commit: Commit = None,
    builder: BuilderNames = None,
    rebuild_inputs: RebuildInputs = 0,
    attest: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Sign that a release came out the same, or not, as evidence in DIR/RELEASE."
        ),
    ] = None,
    attach: Annotated[
        bool,
        typer.Option(
            "--attach",
            help="Sign the same, and attach it to the release where that is published: oci:, s3: or dir:.",
        ),
    ] = False,
    diagnose: Annotated[
        bool,
        typer.Option(
            "--diagnose", help="If a release comes out otherwise, find out why, as `tally diagnose` does."
        ),
    ] = False,
    key: SigningKey = None,
    passphrase_fd: PassphraseFd = None,
    keyless: Keyless = False,
    identity_token_fd: IdentityTokenFd = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write JUnit XML, which CI hosts show: a case a release."),
    ] = None,
    sarif: Sarif = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Make releases again from what they carry, on your own builders, and compare every bit.

    Exits with 0 when all came out the same, 1 when one differs or does not verify, 2 when that could not be
    decided. With --expect, what is in this folder is built in place of what a release carries, and 0 means
    that its artifact is as expected.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.caches.choosing import Reach
    from orchestrator.cli import asked as asking
    from orchestrator.cli.expectation import expectation_of
    from orchestrator.cli.rebuilding import Done, Work, report
    from orchestrator.ground.errors import TallyError
    from orchestrator.ground.state import State
    from orchestrator.policy.policy import trusting
    from orchestrator.run.order import RELEASES, Order
    from orchestrator.stories import rebuild as story
    from orchestrator.stories import served

    signed = attest is not None or attach
    expectation = expectation_of(expect, target, releases or [], list_file, signing=signed)
    targets = asking.targets_of(releases or [], list_file)
    listed = list_file is not None and expectation is None
    names, published = served_names(targets, listed=listed)
    _refuse_buildinfo(buildinfo, targets)
    origin = origin_of(repository, commit, targets)
    if names and expectation is not None:
        raise TallyError("--expect is about a release, and not about what a registry serves")
    if names and attach:
        raise TallyError(
            "--attach is for releases: nothing can be attached to what a registry serves",
            hint="name a folder for what is signed with --attest",
        )
    if diagnose and (names or expectation is not None):
        raise TallyError(
            "--diagnose is for releases that are made again as they are",
            hint="`tally diagnose` with what is kept, or with two files, finds out why they differ",
        )
    if recipe is not None and not names:
        raise TallyError("--recipe is for what a registry serves", hint="name it, as pypi:six==1.17.0")
    who = asking.identity_of(identity, issuer, trusted_root)
    if not (policy or publisher or who):
        _refuse_public(key)
    elif names and not published and list_file is None:
        raise TallyError(
            f"--{'policy' if policy else 'publisher' if publisher else 'identity'} is for releases: what a "
            "registry serves is signed by nobody whom it could name",
            hint="leave it out: the served file is compared with what its source makes",
        )
    if (even_if_unverified or not published) and not (policy or publisher or who):
        whom = trusting([])
    else:
        whom = asking.trusted_of(publisher or [], policy, who, "--publisher")
    configuration = load(Path.cwd())
    signing = None
    if attest is not None or attach:
        refuse_both({"--key": key is not None, "--keyless": keyless})
        address, by_identity = signer_of(configuration.signing, key, identity_token_fd, keyless=keyless)
        signing = Order(
            (), attest or RELEASES, address, True, passphrase_fd=passphrase_fd, keyless=by_identity
        )
    elif key is not None or keyless or identity_token_fd is not None:
        raise TallyError(
            "nothing is to be signed", hint="name the folder for it with --attest, or give --attach"
        )
    asked = story.Asked(
        releases=tuple(published),
        policy=whom,
        trusted=asking.root_for(whom, trusted_root),
        further=asking.further_of(evidence or []),
        unverified=even_if_unverified,
        builders=tuple(builder or ()),
        reach=Reach(rebuild_inputs),
        signing=signing,
        out=attest,
        attach=attach,
        diagnose=diagnose,
    )
    places = [names.get(number, each) for number, each in enumerate(targets)]
    wanted = served.Asked(
        tuple(names.values()), recipe, asked.builders, asked.reach, buildinfo, origin, signing
    )
    work = Work(State.of_environment(), configuration, asked, places, wanted, expectation)
    settings = (whom, trusted_root, Path("tally.toml"))
    more = (
        *sorted((asked.further or {}).items()),
        even_if_unverified,
        asked.builders,
        asked.reach,
        attest,
        attach,
        key,
        keyless,
        recipe,
        buildinfo,
        origin,
    )
    many = many_of(every, since, record, list_file, places, *settings, *more)
    if many is not None and expectation is None:
        return report(work.many(many, quiet=json), junit, sarif, json=json)
    if every or since is not None or record is not None:
        raise TallyError(
            "--expect is about one release or a few", hint="leave out --all, --since and --record"
        )
    return report(Done(places, work.few()), junit, sarif, json=json)


def _refuse_buildinfo(file: Path | None, targets: Sequence[Target]) -> None:
    from orchestrator.ground.errors import TallyError

    if file is not None and (len(targets) > 1 or not str(targets[0]).startswith("deb:")):
        raise TallyError("--buildinfo is about one package", hint="name it alone, as deb:NAME=VERSION")


def served_name(target: Target) -> Named | None:
    """What a registry serves under a name; None: it is a release. Raises TallyError for half a name."""
    from orchestrator.served.named import named

    if not isinstance(target, Path) or os.path.lexists(target):
        return None
    return named(str(target))


def served_names(targets: Sequence[Target], *, listed: bool) -> tuple[dict[int, Named], list[Target]]:
    """What registries serve, by where it stands among the targets, and which of these are releases.

    Raises TallyError for half a name. Of those that are `listed` it is passed over: it is told in its turn.
    """
    from orchestrator.ground.errors import TallyError

    names: dict[int, Named] = {}
    releases: list[Target] = []
    for number, each in enumerate(targets):
        try:
            name = served_name(each)
        except TallyError:
            if not listed:
                raise
            continue
        if name is None:
            releases.append(each)
        else:
            names[number] = name
    return names, releases


def _refuse_public(key: str | None) -> None:
    """Raises TallyError for the key of who made the release, where the key that signs is asked for."""
    from contextlib import suppress

    from orchestrator.ground import key_address
    from orchestrator.ground.errors import TallyError
    from orchestrator.keys.key import is_private

    public = False
    with suppress(TallyError):  # whoever opens it says so
        address = None if key is None else key_address.parse(key)
        public = isinstance(address, Path) and not is_private(address)
    if public:
        raise TallyError(
            f"{key} is a public key, and --key is the private one that signs what comes of a rebuild",
            hint=f"name whom the release has to be by with --publisher {key}",
        )
