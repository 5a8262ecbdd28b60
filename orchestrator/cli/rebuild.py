"""`tally rebuild`: make a published release again from its own contents, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rebuild(
    releases: Annotated[
        list[Path],
        typer.Argument(
            metavar="RELEASE...", help="Release folders, or artifacts inside them.", show_default=False
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="A policy.toml: what has to hold of the release."),
    ] = None,
    publisher: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PUB",
            help="The public key of whom the release has to be by (PEM); may be given several times.",
            show_default=False,
        ),
    ] = None,
    identity: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The identity that the release has to be by, exactly."),
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="Who has to vouch for the --identity, exactly.")
    ] = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A Sigstore trusted root: whose certificates and logs count."),
    ] = None,
    evidence: Annotated[
        list[Path] | None,
        typer.Option("--evidence", metavar="PATH", help="Others' bundles and links: a file, or a folder."),
    ] = None,
    even_if_unverified: Annotated[
        bool,
        typer.Option("--even-if-unverified", help="Build a release that does not verify, too."),
    ] = False,
    builder: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Use this builder; give it twice or more.", show_default=False),
    ] = None,
    rebuild_inputs: Annotated[
        int,
        typer.Option(
            "--rebuild-inputs",
            metavar="N",
            min=0,
            help="Believe none of the closest N levels of inputs, where `inputs` of tally.toml believes any.",
        ),
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Make releases again from what they carry, on your own builders, and compare every bit.

    Exits with 0 when all came out the same, 1 when one differs or does not verify, 2 when that could not be
    decided.
    """
    from orchestrator.builders.configuration import load
    from orchestrator.caches.choosing import Reach
    from orchestrator.cli import asked as asking
    from orchestrator.cli.live import LiveView
    from orchestrator.cli.rebuilt import document, show
    from orchestrator.cli.text import print_json
    from orchestrator.ground.state import State
    from orchestrator.policy.policy import trusting
    from orchestrator.run.reproduced import exit_code
    from orchestrator.stories import rebuild as story

    who = asking.identity_of(identity, issuer, trusted_root)
    if even_if_unverified and not (policy or publisher or who):
        whom = trusting([])
    else:
        whom = asking.trusted_of(publisher or [], policy, who, "--publisher")
    asked = story.Asked(
        releases=tuple(releases),
        policy=whom,
        trusted=asking.root_for(whom, trusted_root),
        further=asking.further_of(evidence or []),
        unverified=even_if_unverified,
        builders=tuple(builder or ()),
        reach=Reach(rebuild_inputs),
    )
    with LiveView() as view:
        found = story.rebuild(State.of_environment(), load(Path.cwd()), asked, view.handle, view.say)
    if json:
        print_json({"rebuilds": [document(each) for each in found]})
    for each in found:
        show(each, quiet=json)
    return exit_code(found)
