"""What a bundle is judged by beside its signer's name: the keys of logs and authorities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.bundles import containers
from orchestrator.bundles.bundle import SigstoreBundle
from orchestrator.bundles.material import Certificates
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import read_file
from orchestrator.log import trusted_root
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.verdict import Code, Reason, Refused

_MOST = 16  # trusted roots: CI hosts hand out two
_HINT = "a trusted root is Sigstore's JSON, as `trusted_root.json` in a release or of an instance"


@dataclass(frozen=True, slots=True)
class Trust:
    """A trusted root, or none where there is nothing that one is needed for."""

    root: TrustedRoot | None
    notices: tuple[str, ...] = ()


def of(
    path: Path | None,
    bundle: SigstoreBundle,
    public: Callable[[], bytes],
    *,
    insecure_ignore_tlog: bool,
    what: str,
) -> Trust:
    """The root to judge a bundle by; without a path `public`, which fetches that of the public instance.

    A bundle without a log entry is judged where that was to be ignored; then nothing is fetched, and without
    a path neither log nor timestamps are looked at. And where it has a certificate and a timestamp, and the
    root that was named is of an instance without a log, which a notice says. Raises Refused for any other;
    TallyError when there is no root.
    """
    if not bundle.entries and not insecure_ignore_tlog:
        return _unlogged(path, bundle, what)
    if not bundle.entries and not bundle.timestamps:
        return Trust(None)
    if path is None and insecure_ignore_tlog:
        ignored = f"{what}: log entry and timestamps were not looked at, for want of --trusted-root"
        return Trust(None, (ignored,))
    if path is not None:
        return Trust(_read(path, logged=True))
    return Trust(_parsed(public(), "the public instance's trusted root"))


def _unlogged(path: Path | None, bundle: SigstoreBundle, what: str) -> Trust:
    told = f"{what} has no entry of a transparency log"
    if not isinstance(bundle.signer, Certificates):
        raise _not_in_log(told, _KEY_ALONE)
    if not bundle.timestamps:
        raise _not_in_log(f"{told}, and no timestamp", _LOGGED)
    if path is None:
        told += "; if it is of an instance without a log, name that one's root with --trusted-root"
        raise _not_in_log(told, f"name the instance's root with --trusted-root, or {_LOGGED}")
    root = _read(path, logged=False)
    if not root.unlogged:
        why = "names logs" if root.tlogs else "does not name authorities for both certificates and timestamps"
        raise _not_in_log(f"{told}, and the trusted root {why}", _LOGGED)
    return Trust(root, (f"{what} is in no transparency log, since {NO_LOG}",))


_LOGGED = "get the bundle with its log entry from whoever signed it"
_KEY_ALONE = f"if it is enough that only its signer knows of it, give --insecure-ignore-tlog; else {_LOGGED}"


def _not_in_log(told: str, way_out: str) -> Refused:
    return Refused(Reason(Code.NOT_IN_LOG, told, way_out=way_out))


NO_LOG = "the trusted root names none: nobody but that instance knows what it has certified"
"""What a yes without a log is worth."""


def load(path: Path) -> TrustedRoot:
    """A trusted root from a file. Raises TallyError when it is none, and when it asks for nothing."""
    root = _read(path, logged=True)
    if not (root.tlogs or root.timestamp_authorities or root.certificate_authorities):
        raise TallyError(
            f"{path} names no log and no authority, so that nothing would be asked for",
            hint="check its members' names, as `tlogs`; or leave the trusted root out",
        )
    if root.certificate_authorities and not root.tlogs and not root.unlogged:
        raise TallyError(
            f"{path} names certificate authorities, and no log and no timestamp authority, without which no "
            "certificate counts",
            hint="check its members' names, as `tlogs`; or leave certificateAuthorities out, where keys sign",
        )
    return root


def _read(path: Path, *, logged: bool) -> TrustedRoot:
    """The root in a file, or in JSON lines those of the instances with a log, or of those without, together.

    An instance without a log must not make the log of another needless, so that they are never mixed.
    """
    try:
        data = containers.plain(read_file(path, "", trusted_root.LARGEST, _HINT), str(path))
    except MalformedError as error:
        raise TallyError(str(error), hint=_HINT) from error
    rows = containers.lines(data)
    if len(rows) == 1:
        return _parsed(rows[0], str(path))
    if len(rows) > _MOST:
        raise TallyError(f"{path} has {len(rows)} trusted roots; {_MOST} is the most", hint=_HINT)
    roots = [_parsed(row, f"{path}, line {number}") for number, row in enumerate(rows, 1)]
    return trusted_root.together([each for each in roots if each.unlogged is not logged] or roots[:1])


def _parsed(data: bytes, what: str) -> TrustedRoot:
    try:
        return trusted_root.parse(data, what)
    except MalformedError as error:
        raise TallyError(str(error), hint=_HINT) from error
