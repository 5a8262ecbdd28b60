"""What `tally verify` is asked: its options as values, each refused before anything is judged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass

if TYPE_CHECKING:
    from orchestrator.ground.digest import Sha256
    from orchestrator.keys.signers import Signer
    from orchestrator.log.trusted_root import TrustedRoot
    from orchestrator.policy.policy import Policy
    from orchestrator.policy.signer import IdentitySigner
    from orchestrator.publishing.reference import Reference

    Target = Path | Reference
    """What is to be verified: a release folder, an artifact in one, or where a release is published."""

_LONGEST_LIST = 1 << 24
_MOST_TARGETS = 100_000
_COMMENT = re.compile(rb"#(?<!\S#)(?:[\s#].*)?$", re.DOTALL)
"""A `#` in a name is no comment, nor one before a name: `dir:PATH#NAME`, `#NAME`."""
_LIST = "a list is a file with one release a line; `-` is standard input"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to hold for every release."""

    policy: Policy
    digest: Sha256 | None
    further: Mapping[str, bytes]
    trusted: TrustedRoot | None
    """Names logs that what is signed has to be in."""


def asked_of(
    whom: Policy,
    wanted: Sequence[Target],
    digest: str | None,
    evidence: list[Path] | None,
    trusted_root: Path | None,
) -> Asked:
    """What `tally verify` and `tally policy explain` have in common. Raises TallyError."""
    return Asked(whom, digest_of(digest, wanted), further_of(evidence or []), root_for(whom, trusted_root))


def root_for(policy: Policy, path: Path | None) -> TrustedRoot | None:
    """The trusted root of --trusted-root, where a policy has none of its own. Raises TallyError."""
    if path is None:
        return None
    from orchestrator.bundles import trust

    if policy.root is not None:
        raise TallyError(
            f"{policy.name} names a trusted root, and --trusted-root another: whose word counts is said once",
            hint="leave --trusted-root out, or `trusted-root` out of the policy",
        )
    return trust.load(path)


def targets_of(targets: list[str], list_file: Path | None, *, plain: bool = False) -> list[Target]:
    """Everything that is to be verified; with `plain`, also over http:// from other machines.

    Raises TallyError when that is nothing.
    """
    from orchestrator.ground.files import shown, without_mark

    lists = [list_file] if list_file is not None else []
    lists += [Path(target) for target in targets if target == "-"]
    named = [_target(target, plain) for target in targets if target != "-"]
    for file in dict.fromkeys(lists):
        content = _list(file)
        if len(content) > _LONGEST_LIST:
            raise TallyError(
                f"the list {shown(file)} is longer than {_LONGEST_LIST} bytes", hint="give it in parts"
            )
        if content.count(b"\n") > _MOST_TARGETS:
            raise TallyError(
                f"the list {shown(file)} has more than {_MOST_TARGETS} lines", hint="give it in parts"
            )
        lines = map(_without_comment, without_mark(content).split(b"\n"))
        named += [_target(_name(line), plain) for line in lines if line.strip()]
    if not named:
        empty = f": the list {shown(lists[0])} names nothing" if lists else ""
        raise TallyError(
            f"no release was named{empty}", hint="name a release, or give a list of them with --list"
        )
    return named


def _target(text: str, plain: bool) -> Target:
    """A path, or a reference where it has a scheme and nothing is there by that name."""
    import os

    if ":" not in text or os.path.lexists(text):
        return Path(text)
    from orchestrator.publishing import reference

    return reference.parse(text, plain=plain) if reference.is_reference(text) else Path(text)


def _list(file: Path) -> bytes:
    from orchestrator.cli.text import given
    from orchestrator.ground.files import cannot_read, read_file

    if file != Path("-"):
        return read_file(file, "the list ", _LONGEST_LIST, _LIST)
    try:
        return given(_LONGEST_LIST, "a list of releases, one a line")
    except OSError as error:
        raise cannot_read(file, error, "the list ", _LIST) from error


def _without_comment(line: bytes) -> bytes:
    found = _COMMENT.search(line)
    return line if found is None else line[: found.start()].rstrip()


def _name(line: bytes) -> str:
    import os

    if b"\0" in line:
        raise TallyError("a list of targets has one name a line, and no NUL in it", hint=_LIST)
    return os.fsdecode(line.removesuffix(b"\r"))


def identity_of(identity: str | None, issuer: str | None, trusted_root: Path | None) -> IdentitySigner | None:
    """Who has to have signed, where that is no key. Raises TallyError for less than the whole of it."""
    from orchestrator.policy.signer import IdentitySigner

    if identity is None and issuer is None:
        return None
    refuse_half(identity, issuer)
    if trusted_root is None:
        raise TallyError(
            "--identity needs --trusted-root, which says whose certificates count",
            hint="give the instance's trusted_root.json, from elsewhere than the release",
        )
    return IdentitySigner(issuer or "", identity or "")


def refuse_half(identity: str | None, issuer: str | None) -> None:
    """Raises TallyError for an identity without who vouches for it, and the other way round."""
    for given, lacking, value, what in (
        ("--identity", "--issuer", issuer, "the address that vouched for it, as the publisher names it"),
        (
            "--issuer",
            "--identity",
            identity,
            "whom that one has to have vouched for, as certificates name it",
        ),
    ):
        if not value:
            raise TallyError(f"{given} needs {lacking}", hint=f"give with {lacking} {what}")


def trusted_of(
    keys: list[Path], policy: Path | None, identity: IdentitySigner | None, option: str = "--key"
) -> Policy:
    """The policy of a file, or the smallest one, which trusts keys or an identity.

    `option` is what gives a key.
    """
    said = [policy is not None, bool(keys), identity is not None].count(True)
    if said != 1:
        raise TallyError(
            f"give one of {option}, --identity and --policy, not several"
            if said
            else f"nothing says whom to trust: {option}, --identity or --policy is missing",
            hint=f"give the publisher's public key with {option}, its --identity, or a policy.toml that "
            "names it with --policy",
        )
    if policy is not None:
        from orchestrator.stories.policy_file import load

        return load(policy)
    from orchestrator.keys.key import PublicKey
    from orchestrator.policy.policy import trusting

    try:
        return trusting([PublicKey.load(path).spki for path in keys], identity)
    except ValueError as error:
        raise TallyError(str(error), hint="a policy.toml can have patterns: --policy") from error


def further_of(paths: list[Path]) -> Mapping[str, bytes]:
    """What --evidence names, by file. Raises TallyError."""
    from orchestrator.publishing.contents import read_further

    return read_further(paths)


def digest_of(said: str | None, wanted: Sequence[Target]) -> Sha256 | None:
    """The digest that the one artifact must have. Raises TallyError."""
    from orchestrator.ground.digest import Sha256

    if said is None:
        return None
    if len(wanted) > 1:
        raise TallyError("--digest is about one artifact", hint="give one release with it")
    try:
        return Sha256.read(said)
    except ValueError as error:
        raise TallyError(
            f"--digest {said[:80]!r}: {error}", hint="give sha256: and 64 lower-case hexadecimal digits"
        ) from error


def signing_of(out: Path | None, key: str | None, wanted: Sequence[Target]) -> tuple[Path, Signer] | None:
    """Where the summary is written and what signs it, looked at before anything is judged."""
    import os

    if out is None and key is None:
        return None
    if out is None or key is None:
        raise TallyError(
            "--attest and --attest-key go together", hint="name the file, and the key that signs"
        )
    if len(wanted) > 1:
        raise TallyError("--attest is about one artifact", hint="give one release with it")
    if os.path.lexists(out):
        raise taken(out)
    from orchestrator.ground.key_address import parse
    from orchestrator.keys.addressed import opened
    from orchestrator.keys.passphrase import of

    return out, opened(parse(key), of)


def taken(out: Path) -> TallyError:
    """The error for a summary's name that is in use."""
    return TallyError(f"{out} is there already", hint="name another file: summaries are never overwritten")
