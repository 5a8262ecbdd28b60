"""`tally build`: build on every builder, compare, and sign what agrees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

import typer

if TYPE_CHECKING:
    from orchestrator.agreement.agreement import Agreed
    from orchestrator.builders.signing_tables import SigningTable
    from orchestrator.outcome import Outcome, Refused, Undecided
    from orchestrator.signing.keyless import Wanted

_FILES_SHOWN = 20
_LINES_SHOWN = 12


def build(
    recipes: Annotated[
        list[Path] | None, typer.Argument(metavar="RECIPE...", help="Recipe files.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every recipe in the folder recipes/.")] = False,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|ADDRESS",
            help="The release key, a file or as pkcs11:…, awskms:…; else `signing.key` of tally.toml.",
            show_default=False,
        ),
    ] = None,
    passphrase_fd: Annotated[
        int | None,
        typer.Option(
            "--passphrase-fd",
            metavar="N",
            help="Read the release key's passphrase, or its token's PIN, from this file descriptor.",
            show_default=False,
        ),
    ] = None,
    keyless: Annotated[
        bool,
        typer.Option(
            "--keyless",
            help="Sign by an identity, which is then in a public log for good; see [signing.keyless].",
        ),
    ] = False,
    identity_token_fd: Annotated[
        int | None,
        typer.Option(
            "--identity-token-fd",
            metavar="N",
            help="Read the identity's OIDC token from this file descriptor.",
            show_default=False,
        ),
    ] = None,
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
    attest_disagreement: Annotated[
        bool,
        typer.Option(
            "--attest-disagreement", help="If builds disagree, sign that, as evidence beside their results."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> int:
    """Build recipes on every builder, compare every bit, and sign what agrees.

    Exits with 0 when all builds agree, 1 when builds disagree, 2 when that could not be decided.
    """
    from orchestrator import key_address, release
    from orchestrator.builders.configuration import load
    from orchestrator.cli.live import LiveView
    from orchestrator.cli.text import print_json
    from orchestrator.errors import TallyError
    from orchestrator.outcome import exit_code
    from orchestrator.state import State

    given = {"--no-sign": no_sign, "--key": key is not None, "--keyless": keyless}
    if len(both := [name for name, there in given.items() if there]) > 1:
        raise TallyError(f"{both[0]} and {both[1]} were both given", hint="give one of the two")
    targets = _targets(recipes or [], every)
    configuration = load(Path.cwd())
    by_identity = None
    if not no_sign and key is None:
        by_identity = _wanted(configuration.signing, identity_token_fd, asked=keyless)
    if identity_token_fd is not None and by_identity is None:
        raise TallyError("--identity-token-fd is for signing without a key", hint="give --keyless")
    wanted = None if no_sign or by_identity else key or configuration.signing.key
    order = release.Order(
        targets=targets,
        out=out,
        key=None if wanted is None else key_address.parse(wanted),
        sign=not (no_sign or allow_dirty),
        builders=tuple(builder or ()),
        allow_dirty=allow_dirty,
        passphrase_fd=passphrase_fd,
        attest_disagreement=attest_disagreement,
        keyless=by_identity,
    )
    with LiveView() as view:
        outcomes = release.release(State.of_environment(), configuration, order, view.handle, view.say)
    if json:
        print_json({"outcomes": [_document(outcome) for outcome in outcomes]})
    for outcome in outcomes:
        _show(outcome, quiet=json)
    return exit_code(outcomes)


def _wanted(signing: SigningTable, token_fd: int | None, *, asked: bool) -> Wanted | None:
    """Who is to sign without a key: as tally.toml says, or by --keyless anybody at the public instance."""
    from orchestrator.signing.keyless import Wanted

    table = signing.keyless
    if table is None:
        return Wanted(token_fd=token_fd) if asked else None
    return Wanted(table.instance, table.identity, table.issuer, token_fd)


def _targets(recipes: list[Path], every: bool) -> tuple[Path, ...]:
    from orchestrator.cli.recipes import named
    from orchestrator.errors import TallyError

    if every and recipes:
        raise TallyError("--all and recipes were both given", hint="name recipes, or give --all, not both")
    found = sorted(Path("recipes").glob("*.toml")) if every else recipes
    if not found:
        raise TallyError(
            "no recipe was named", hint="tally build recipes/hello.toml, or --all for the folder recipes/"
        )
    return named(found)


def _document(outcome: Outcome) -> Mapping[str, Any]:
    from orchestrator.outcome import Compared, Refused, Released, Undecided, Unpublished

    match outcome:
        case Released():
            return {
                "target": outcome.target,
                "outcome": "released",
                "release": str(outcome.folder),
                "artifact": str(outcome.artifact),
                "alreadyThere": outcome.already_there,
                "agreement": _agreement(outcome.agreed),
            }
        case Compared():
            return {
                "target": outcome.target,
                "outcome": "agreed",
                "unsigned": outcome.why_unsigned,
                "artifact": str(outcome.artifact),
                "agreement": _agreement(outcome.agreed),
            }
        case Refused():
            return {
                "target": outcome.target,
                "outcome": "disagreed",
                "kept": str(outcome.kept),
                "rootCauses": list(outcome.disagreed.root_causes),
                "differing": [
                    {
                        "derivation": one.derivation,
                        "output": one.output,
                        "path": one.path,
                        "inherited": one.inherited,
                        "narSha256": {name: digest.hex for name, digest in one.hashes.items()},
                        "files": [each.document() for each in outcome.differences.get(one.path, ())],
                    }
                    for one in outcome.disagreed.differing
                ],
                "logs": _logs(outcome),
                **_attestation(outcome),
            }
        case Undecided():
            return {
                "target": outcome.target,
                "outcome": "incomplete",
                "failures": {
                    name: [
                        {
                            "derivation": failure.derivation,
                            "reason": failure.reason,
                            "lastLines": list(failure.last_lines),
                            "log": str(failure.log) if failure.log else None,
                        }
                        for failure in failures
                    ]
                    for name, failures in outcome.incomplete.failures.items()
                },
            }
        case Unpublished():
            return {
                "target": outcome.target,
                "outcome": "unpublished",
                "error": outcome.error.message,
                "hint": outcome.error.hint,
                "agreement": _agreement(outcome.agreed),
            }
        case _:
            assert_never(outcome)


def _agreement(agreed: Agreed) -> Mapping[str, Any]:
    return {
        "builders": [report.identity.name for report in agreed.reports],
        "outputs": {
            built.path: {"narSha256": built.nar_hash.hex, "narSize": built.nar_size}
            for made in agreed.outputs.values()
            for built in made.values()
        },
    }


def _attestation(outcome: Refused) -> Mapping[str, Any]:
    if outcome.unattested is not None:
        error = outcome.unattested
        return {"attestation": None, "attestationError": {"error": error.message, "hint": error.hint}}
    return {} if outcome.attestation is None else {"attestation": str(outcome.attestation)}


def _logs(outcome: Refused) -> Mapping[str, list[str]]:
    return {
        report.identity.name: [str(build.log) for build in report.builds.values()]
        for report in outcome.disagreed.reports
    }


def _show(outcome: Outcome, *, quiet: bool) -> None:
    from orchestrator.cli.text import harmless, say
    from orchestrator.outcome import Compared, Refused, Released, Undecided, Unpublished

    match outcome:
        case Released():
            there = "this very release was there already, and stays as it is"
            _show_agreement(outcome.target, outcome.agreed, there if outcome.already_there else "signed")
            if not quiet:
                print(harmless(str(outcome.folder)))
        case Compared():
            _show_agreement(outcome.target, outcome.agreed, f"not signed: {outcome.why_unsigned}")
            if not quiet:
                print(harmless(str(outcome.artifact)))
        case Refused():
            _show_disagreement(outcome)
            if outcome.attestation is not None and not quiet:
                print(harmless(str(outcome.attestation)))
        case Undecided():
            _show_failures(outcome)
        case Unpublished():
            say(f"{outcome.target}: the builders agree, but there is no release: {outcome.error.message}")
            if outcome.error.hint:
                say(f"hint: {outcome.error.hint}")
        case _:
            assert_never(outcome)


def _show_agreement(target: str, agreed: Agreed, and_then: str) -> None:
    from orchestrator.cli.text import say

    names = " and ".join(report.identity.name for report in agreed.reports)
    say(f"{target}: {names} agree on every bit; {and_then}")
    for report in agreed.dissent:
        say(f"{target}: {report.identity.name} made something else, which is recorded as its dissent")


def _show_disagreement(outcome: Refused) -> None:
    from orchestrator.cli.text import say
    from orchestrator.nix.derivation import name_of

    signed = "nothing is signed" if outcome.attestation is None else "that alone is signed"
    say(f"{outcome.target}: the builders DISAGREE; {signed}")
    for one in outcome.disagreed.differing:
        inherited = "  (an input of it differs too)" if one.inherited else ""
        say(f"  output {one.output} of {name_of(one.derivation)}{inherited}")
        for name, digest in one.hashes.items():
            say(f"    {name}: NAR {digest}")
        files = outcome.differences.get(one.path, ())
        for each in files[:_FILES_SHOWN]:
            say(f"    {each.describe()}")
        if len(files) > _FILES_SHOWN:
            say(f"    … and {len(files) - _FILES_SHOWN} more files")
    for cause in outcome.disagreed.root_causes:
        say(f"  first to diverge: {name_of(cause)}")
    for builder, logs in _logs(outcome).items():
        for log in logs:
            say(f"  log of {builder}: {log}")
    if outcome.unattested is not None:
        say(f"  the disagreement could not be attested: {outcome.unattested.message}")
        if outcome.unattested.hint:
            say(f"  hint: {outcome.unattested.hint}")
    say(f"hint: both results are kept side by side in {outcome.kept}")


def _show_failures(outcome: Undecided) -> None:
    from orchestrator.cli.text import say
    from orchestrator.nix.derivation import name_of

    say(f"{outcome.target}: could not be decided; nothing is signed")
    for builder, failures in outcome.incomplete.failures.items():
        for failure in failures:
            what = f" {name_of(failure.derivation)}" if failure.derivation else ""
            reason = failure.reason.replace("\n", "\n    ")
            say(f"  builder {builder}{what}: {reason}")
            for line in failure.last_lines[-_LINES_SHOWN:]:
                say(f"    | {line}")
            if failure.log:
                say(f"    whole log: {failure.log}")
