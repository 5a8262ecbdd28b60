"""`tally verify`: releases, or the artifacts in them, against a policy, or against keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import asked as asking
from orchestrator.cli import judging
from orchestrator.cli.trust_options import Evidence, Identity, Issuer, PolicyFile, TrustedKeys
from orchestrator.ground.errors import TallyError


def verify(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RELEASE|ARTIFACT|REFERENCE...",
            help="Release folders, artifacts inside them, or where releases are published, as dir:PATH and "
            "https://HOST/PATH/; with --bundle one file. `-`: see --list.",
            show_default=False,
        ),
    ] = None,
    key: TrustedKeys = None,
    policy: PolicyFile = None,
    digest: Annotated[
        str | None,
        typer.Option(
            "--digest",
            metavar="sha256:HEX",
            help="The artifact's; its file need not be there. With --bundle: in place of it.",
        ),
    ] = None,
    evidence: Evidence = None,
    list_file: Annotated[
        Path | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="More targets, one a line, with comments as `# …`; `-`: standard input.",
        ),
    ] = None,
    attest: Annotated[
        Path | None,
        typer.Option("--attest", metavar="OUT", help="Write the verdict as a signed summary (SLSA VSA)."),
    ] = None,
    attest_key: Annotated[
        str | None,
        typer.Option("--attest-key", metavar="KEY", help="The private key that signs it, or its address."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Judge this Sigstore bundle, of anybody's, about one file."),
    ] = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trusted_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A Sigstore trusted root from elsewhere: whose certificates count, and whose log must have "
            "what is signed. With --bundle, default: the public instance's, fetched.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="With --bundle: what the attestation must state; default: SLSA provenance v1.",
            show_default=False,
        ),
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Fetch over http:// from other machines, too.")
    ] = False,
    insecure_ignore_tlog: Annotated[
        bool,
        typer.Option("--insecure-ignore-tlog", help="With --bundle and --key: take it without a log entry."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print one SARIF 2.1.0 document.")] = False,
) -> int:
    """Check releases from their bytes: digests, signatures, log, subjects, links, index, policy. Offline.

    With --bundle: whether one --key, or the --identity that --issuer vouched for, signed a file.

    Exit codes: 0 everything holds, 1 something does not, 2 it could not be decided.
    """
    if bundle is not None:
        from orchestrator.cli.verify_bundle import Options, verify_bundle

        if policy or evidence or list_file or attest or attest_key or sarif:
            raise TallyError(
                "--policy and the like are about releases", hint="with --bundle, give --key or --identity"
            )
        options = Options(
            bundle, key or (), identity, issuer, trusted_root, kind, digest, insecure_ignore_tlog
        )
        return verify_bundle([Path(each) for each in targets or ()], options, json=json)
    if insecure_ignore_tlog or kind is not None:
        option = "--type" if kind is not None else "--insecure-ignore-tlog"
        raise TallyError(f"{option} is about a bundle", hint="name it with --bundle")
    wanted = asking.targets_of(targets or [], list_file, plain=allow_http)
    if json and sarif:
        raise TallyError("--json and --sarif are one document each", hint="give one of them")
    ahead = judging.begun(wanted)
    whom = asking.trusted_of(key or [], policy, asking.identity_of(identity, issuer, trusted_root))
    asked = asking.asked_of(whom, wanted, digest, evidence, trusted_root)
    signing = asking.signing_of(attest, attest_key, wanted)
    return judging.judge_all(wanted, asked, signing, json=json, sarif=sarif, ahead=ahead)
