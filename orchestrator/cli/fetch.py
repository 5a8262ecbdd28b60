"""`tally fetch`: a published release comes back, verified before anything has its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.trust_options import Identity, Issuer, PolicyFile, Root, TrustedKeys


def fetch(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REFERENCE",
            help="oci://HOST/REPOSITORY:TAG, s3://BUCKET/PREFIX, https://HOST/PATH/ or dir:PATH; "
            "#NAME behind the last three says which release.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder that the release goes to.")] = Path("releases"),
    key: TrustedKeys = None,
    policy: PolicyFile = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trusted_root: Root = None,
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest", metavar="sha256:HEX", help="What the artifact has to have.", show_default=False
        ),
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Fetch over http:// from other machines, too.")
    ] = False,
    with_sources: Annotated[
        bool,
        typer.Option("--with-sources", help="Fetch the sources that are published beside it, too."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Fetch a published release by digest and verify it; then it gets its name in the folder, whole.

    Exit codes: 0 it is there, 1 what was fetched does not verify, 2 it could not be decided.
    """
    from datetime import UTC, datetime

    from orchestrator.cli import asked as asking
    from orchestrator.cli.judging import document, exit_code, text
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.policy.verdict import Passed
    from orchestrator.publishing import reference as references
    from orchestrator.publishing.inputs import FOLDER
    from orchestrator.stories import fetching
    from orchestrator.stories.fetching import Asked

    where = references.parse(reference, plain=allow_http)
    whom = asking.trusted_of(key or [], policy, asking.identity_of(identity, issuer, trusted_root))
    root = asking.root_for(whom, trusted_root)
    asked = Asked(whom, datetime.now(UTC), root, asking.digest_of(digest, [where]), sources=with_sources)
    found = fetching.fetch(where, out, asked)
    # a no about what was there before is none about what is published
    shown = found.folder if found.kept or isinstance(found.verdict, Passed) else where
    if json:
        told = {"reference": str(where), "changed": not found.kept}
        more = {} if found.sources is None else {"sources": found.sources}
        print_json({**document(shown, found.verdict), **told, **more})
    else:
        print(text(shown, found.verdict))
        if found.sources is not None:
            print(in_lines([f"  sources   {found.sources}, in {out / FOLDER}"]))
    return exit_code([found.verdict])
