"""`tally show`: what a release or a bundle says of itself, and with keys whether that holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.trust_options import Identity, Issuer, PolicyFile, Root, TrustedKeys
from orchestrator.ground.errors import ExitCode, TallyError

if TYPE_CHECKING:
    from orchestrator.cli.asked import Target
    from orchestrator.evidence.shown import Shown
    from orchestrator.log.trusted_root import TrustedRoot
    from orchestrator.policy.policy import Policy
    from orchestrator.policy.verdict import Verdict


def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RELEASE|ARTIFACT|REFERENCE|BUNDLE|TARGET",
            help="A release folder, the artifact inside it, where a release is published, as "
            "oci://HOST/REPOSITORY or dir:PATH, a .sigstore.json file, or a target that was released here.",
        ),
    ],
    graph: Annotated[
        bool, typer.Option("--graph", help="Show what it was made from as a tree, its own inputs first.")
    ] = False,
    dot: Annotated[bool, typer.Option("--dot", help="As --graph, in Graphviz's language.")] = False,
    key: TrustedKeys = None,
    policy: PolicyFile = None,
    identity: Identity = None,
    issuer: Issuer = None,
    trusted_root: Root = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Fetch over http:// from other machines, too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Show what a release says: what it is, who built it, from what, how deep, by whose signature.

    Nothing of it is verified, but with --key, --identity or --policy: then it says first whether it verifies.

    Exit codes: 0 it is shown, 1 it does not verify, 2 it cannot be read.
    """
    from orchestrator.cli import asked as asking
    from orchestrator.cli.judging import document, exit_code, text
    from orchestrator.cli.text import print_json
    from orchestrator.stories.showing import is_bundle

    if json and dot:
        raise TallyError("--json and --dot are one document each", hint="give one of them")
    if target == "-":
        raise TallyError("`-` names no release", hint="name one; `tally verify --list -` takes a list")
    checking = any((key, policy, identity, issuer, trusted_root))
    (wanted,) = asking.targets_of([target], None, plain=allow_http)
    if isinstance(wanted, Path):
        wanted = _released(wanted, target)
    if isinstance(wanted, Path) and is_bundle(wanted):
        if checking or graph or dot:
            raise TallyError(
                f"{target} is a bundle, and those options are about releases",
                hint=f"`tally verify FILE --bundle {target} --key PUB` judges it",
            )
        return _bundle(wanted, json=json)
    if checking:
        whom = asking.trusted_of(key or [], policy, asking.identity_of(identity, issuer, trusted_root))
        checked, verdict = _checked(wanted, whom, asking.root_for(whom, trusted_root), graph=graph or dot)
        code = exit_code([verdict])
        if checked is None:
            print_json(document(wanted, verdict)) if json else print(text(wanted, verdict))
            return code
        found = checked
    else:
        found, code = _unchecked(wanted, graph=graph or dot), ExitCode.YES
    if json:
        print_json(found.model_dump(mode="json", by_alias=True))
    else:
        _print(found, dot=dot)
    return code


def _released(path: Path, target: str) -> Path:
    """The path itself, or the last release of the target that is called so: a recipe is no release."""
    import os

    from orchestrator.cli.text import say
    from orchestrator.ground.files import shown
    from orchestrator.ground.state import State
    from orchestrator.stories.showing import last_release

    if not target.endswith(".toml") and os.path.lexists(path):
        return path
    folder = last_release(State.of_environment(), target)
    if folder is None:
        return path
    say(f"the last release of {target}: {shown(folder)}")
    return folder


def _bundle(path: Path, *, json: bool) -> ExitCode:
    from orchestrator.cli.shown_page import bundle_lines
    from orchestrator.cli.text import in_lines, print_json
    from orchestrator.stories.showing import shown_bundle

    found = shown_bundle(path)
    if json:
        print_json(found.model_dump(mode="json", by_alias=True))
    else:
        print(in_lines(bundle_lines(found)))
    return ExitCode.YES


def _print(found: Shown, *, dot: bool) -> None:
    from orchestrator.cli.shown_graph import dot as as_dot
    from orchestrator.cli.shown_graph import tree
    from orchestrator.cli.shown_page import page
    from orchestrator.cli.text import in_lines

    if found.graph is None and dot:
        raise TallyError(
            f"{found.target} does not tell its commands, so there is nothing to draw",
            hint="releases of earlier versions have none; `tally sbom` lists what such a release is made of",
        )
    if dot and found.graph is not None:
        print(as_dot(found.graph))
    else:
        print(in_lines(page(found)))
        if found.graph is not None:
            print(in_lines(["", *tree(found.graph)]))


def _unchecked(wanted: Target, *, graph: bool) -> Shown:
    import tempfile

    from orchestrator.stories.showing import brought, shown

    if isinstance(wanted, Path):
        return shown(wanted, graph=graph)
    with tempfile.TemporaryDirectory(prefix="tally-") as scratch:
        return shown(brought(wanted, Path(scratch)), str(wanted), graph=graph)


def _checked(
    wanted: Target, policy: Policy, trusted: TrustedRoot | None, *, graph: bool
) -> tuple[Shown | None, Verdict]:
    """The release, with what verifying it came to. What is shown of a yes is the very bytes that verified.

    None: it does not verify, and is too broken to be shown.
    """
    import tempfile
    from datetime import UTC, datetime

    from orchestrator.evidence.shown import Reason, Verification
    from orchestrator.policy.verdict import Passed
    from orchestrator.stories import fetching
    from orchestrator.stories.showing import shown, shown_of
    from orchestrator.stories.verification import examine

    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="tally-") as scratch:
        if isinstance(wanted, Path):
            folder, examination = wanted, examine(wanted, policy, now, trusted=trusted)
        else:
            asked = fetching.Asked(policy, now, trusted)
            folder, examination, _ = fetching.with_found(wanted, Path(scratch), asked, keep=False)
        verdict = examination.verdict
        if isinstance(verdict, Passed) and examination.read is not None:
            found = shown_of(examination.read, str(wanted), graph=graph)
            passed = Verification(
                verdict="passed",
                signers=verdict.signers,
                rebuilders=verdict.rebuilders,
                notices=verdict.notices,
            )
            return found.model_copy(update={"verified": True, "verification": passed}), verdict
        reasons = () if isinstance(verdict, Passed) else verdict.reasons
        failed = Verification(
            verdict="failed",
            reasons=tuple(
                Reason(code=str(each.code), sentence=each.sentence, hint=each.hint) for each in reasons
            ),
        )
        try:
            found = shown(folder, str(wanted), graph=graph)
        except TallyError:  # the verdict says why
            return None, verdict
        return found.model_copy(update={"verification": failed}), verdict
