"""A Rekor v2 log by its address: signatures are entered, and what it answers is checked first of all.

Specification: sigstore/rekor-tiles `rekor_service.proto` (POST /api/v2/log/entries) and CLIENTS.md. The
answer is a `TransparencyLogEntry`, in protobuf's JSON form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from orchestrator.bundles import log_proof, protobuf
from orchestrator.evidence.canonical import MalformedError, read
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.parallel import Stopped, in_parallel
from orchestrator.ground.unreachable import Unreachable
from orchestrator.log import entry as log_entry
from orchestrator.log import note
from orchestrator.log.entry import KIND, VERSION, LogEntry, Signed
from orchestrator.log.trusted_root import LogInstance, TrustedRoot
from orchestrator.policy.verdict import Refused
from orchestrator.signing.instance import LATER
from orchestrator.signing.places import named
from orchestrator.signing.witnesses import Taken

_ENTRIES: Final = "/api/v2/log/entries"
_CHECKPOINT: Final = "/api/v2/checkpoint"
_JSON: Final = "application/json"
_DELAYS: Final = (1.0, 4.0, 10.0)
"""Seconds before an entry is sent again."""
_TOGETHER: Final = 4
"""Entries that are sent at once: the log answers when its next checkpoint is out, some seconds later."""
_BAD_REQUEST, _FROZEN, _CONFLICT, _BUSY, _BROKEN = 400, 405, 409, 429, 500
"""HTTP statuses; a log that is no longer written to answers 405 (rekor-tiles, `internal/server`)."""
_OK: Final = (200, 201)
_MEMBERS: Final = (
    "logIndex logId keyId kindVersion integratedTime inclusionPromise signedEntryTimestamp inclusionProof"
    " rootHash treeSize canonicalizedBody"
)
_SPELLINGS: Final = protobuf.spellings(_MEMBERS.split())
_ODD: Final = "nothing is signed with such an answer: see that `trusted-root` has this log's key"
_HINT: Final = "`log` below [signing] in tally.toml is the address of a Rekor v2 log, without a path"


@dataclass(frozen=True)
class RekorLog:
    """A log that is written to over HTTP. Every method raises TallyError."""

    address: str
    instances: tuple[LogInstance, ...]
    """What the trusted root says of it: a key each."""
    delays: tuple[float, ...] = _DELAYS
    _http: Downloader = field(default_factory=Downloader, repr=False)

    @classmethod
    def of(cls, address: str, root: TrustedRoot, now: datetime) -> RekorLog:
        """The log at an address, by what a trusted root says of it. `now` is UTC."""
        usable = [each for each in root.tlogs if each.window.holds(now)]
        logs = named(address, usable, lambda each: each.base_url)
        if not logs:
            told = ", ".join(each.base_url for each in root.tlogs) or "none"
            raise TallyError(
                f"the trusted root has no log at {address} whose key is valid now",
                hint=f"its logs: {told}; `trusted-root` below [signing] in tally.toml names its file",
            )
        return cls(address.rstrip("/"), tuple(logs))

    def check(self) -> None:
        """See that the log takes entries, without entering one: it has to refuse a request for nothing."""
        status, body = self._ask(b"{}")
        if status == _FROZEN:
            raise self._refused(status, body, "it takes no entries any more")
        if status != _BAD_REQUEST:
            raise self._refused(status, body, "it does not answer as a Rekor v2 log does")
        self._refuse_another_key()

    def _refuse_another_key(self) -> None:
        """Where the log shows its head here, too: see that a key of the root signed it."""
        try:
            head = note.parse(self._http.page(self.address + _CHECKPOINT)[1].decode(), "its checkpoint")
            known = any(head.signed_by(each.key) for each in self.instances)
        except (Unreachable, UnicodeDecodeError, MalformedError):
            return  # many logs are read elsewhere, and what is entered is checked anyhow
        if not known:
            raise TallyError(f"no key that the trusted root has signed the head of {self.address}", hint=_ODD)

    def enter(self, signed: Sequence[Signed]) -> tuple[LogEntry, ...]:
        """Each signature's entry, which was checked: that it is about the signature, and in the log.

        What passes by is tried again, with growing delays. Raises Taken where the log has an entry of an
        attempt whose answer was lost.
        """
        entries: dict[int, LogEntry] = {}

        def work(number: int) -> None:
            entries[number] = self._entered(signed[number])

        numbers = range(len(signed))
        for _, error in in_parallel(numbers, work, self._http.stop, threads=_TOGETHER):
            if error is not None:
                raise error
        return tuple(entries[number] for number in numbers)

    def _entered(self, signed: Signed) -> LogEntry:
        try:
            request = signed.request()
        except MalformedError as error:
            raise TallyError(str(error), hint="sign with an ECDSA P-256 key") from error
        for delay in (*self.delays, None):
            try:
                status, body = self._ask(request)
            except TallyError:
                if delay is None:
                    raise
            else:
                if status in _OK:
                    return self._checked(body, signed)
                if status == _CONFLICT:
                    raise Taken
                if delay is None or not (status == _BUSY or status >= _BROKEN):
                    raise self._refused(status, body, "it did not take an entry")
            if self._http.stop.wait(delay):
                raise Stopped
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, request: bytes) -> tuple[int, bytes]:
        try:
            return self._http.ask(self.address + _ENTRIES, request, _JSON)
        except Unreachable as error:
            raise TallyError(
                f"the log {self.address} does not answer: {error}", hint=f"see whether it is there; {LATER}"
            ) from error

    def _checked(self, body: bytes, signed: Signed) -> LogEntry:
        """The entry in an answer. Only the log's own word, held against its key, makes it one."""
        what = f"the answer of the log {self.address}"
        try:
            document = protobuf.normal(read(body, what), _SPELLINGS, what)
            if isinstance(document, dict):
                document.setdefault("logIndex", 0)  # protobuf's JSON leaves zeros out
            entry = log_entry.parse(document, what)
            if (entry.kind, entry.version) != (KIND, VERSION) or entry.body != signed.body():
                raise MalformedError(f"{what} is about something else than was to be entered")
            if entry.promise or entry.integrated_time:
                raise MalformedError(f"{what} has a promise or a time, which entries of Rekor v2 do not have")
            now = datetime.now(UTC)
            log_proof.verify(entry, TrustedRoot(tlogs=self.instances), (), now, what)
        except MalformedError as error:
            raise TallyError(f"{error}", hint=_ODD) from error
        except Refused as refused:
            raise TallyError(refused.reasons[0].sentence, hint=_ODD) from refused
        return entry

    def _refused(self, status: int, body: bytes, why: str) -> TallyError:
        said = " ".join(body.decode("utf-8", "replace").split())[:200]
        return TallyError(f"the log {self.address}: {why} (HTTP {status}: {said or 'nothing'})", hint=_HINT)
