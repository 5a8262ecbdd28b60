"""Who is told what targets came to: a signed message to each webhook, for every verdict that changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.builders.configuration import Configuration
from orchestrator.builders.webhook_table import WebhookTable
from orchestrator.ground.addresses import without_credentials
from orchestrator.ground.digest import Sha256
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, shown
from orchestrator.ground.plainly import why
from orchestrator.ground.state import State
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ledger.entries import Result
from orchestrator.ledger.reading import read
from orchestrator.publishing.webhook import Message, secret_of

Say = Callable[[str], None]
_PAUSES = (1.0, 4.0)
"""Seconds before it is sent again."""
_SECRET = 4096  # bytes of its file
_OVERLOADED = 429


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook, ready."""

    table: WebhookTable
    secret: bytes


def ready(configuration: Configuration) -> tuple[Hook, ...]:
    """The webhooks of tally.toml, with their secrets: before anything is built. Raises TallyError."""
    return tuple(Hook(table, _secret(table.secret)) for table in configuration.webhook)


def tell(
    state: State,
    hooks: Sequence[Hook],
    since: datetime,
    say: Say,
    wait: Callable[[float], object] = time.sleep,
) -> None:
    """Post what targets came to from `since` on. That it is not told is said, and changes nothing."""
    if not hooks:
        return
    try:
        with read(state) as ledger:
            news = [
                (result, before)
                for target in ledger.targets()
                for result, before in _pairs(tuple(ledger.history(target)))
                if result.time >= since
            ]
    except TallyError as error:
        say(f"no webhook was told: {error.message}")
        return
    downloader = Downloader()
    for hook in hooks:
        for result, before in news:
            if hook.table.every or before is None or before.verdict is not result.verdict:
                _send(downloader, hook, message_of(result, before), say, wait)


def message_of(result: Result, before: Result | None) -> Message:
    """What is told of one result, and the one `before` it of the same target: no path of this machine."""
    data: dict[str, Any] = {
        "target": result.target,
        "name": result.name,
        "version": result.version,
        "system": result.system,
        "verdict": result.verdict.value,
        "before": None if before is None else before.verdict.value,
        "derivation": result.package,
        "derivationBefore": None if before is None else before.package,
        "culprits": list(result.culprits),
        "release": None if result.release is None else Path(result.release).name,
    }
    document: Mapping[str, Any] = {
        "type": "tally.build.concluded",
        "timestamp": result.time.isoformat(),
        "data": data,
    }
    digest = Sha256.of(f"{result.run}\n{result.target}".encode())
    return Message(f"msg_{digest.hex[:32]}", datetime.now(UTC), json.dumps(document).encode())


def _pairs(results: Sequence[Result]) -> Iterator[tuple[Result, Result | None]]:
    yield from zip(results, (None, *results[:-1]), strict=True)


def _send(
    downloader: Downloader, hook: Hook, message: Message, say: Say, wait: Callable[[float], object]
) -> None:
    url = without_credentials(hook.table.url)
    for pause in (*_PAUSES, None):
        said = _posted(downloader, hook, message)
        if said is None:
            return
        if pause is None or not said.again:
            say(f"the webhook {url} was not told: {said.why}")
            return
        wait(pause)


@dataclass(frozen=True, slots=True)
class _Refused:
    why: str
    again: bool


def _posted(downloader: Downloader, hook: Hook, message: Message) -> _Refused | None:
    """Why it did not arrive; None: it did. Nothing is sent to where an answer points to."""
    try:
        with downloader.exchange(
            "POST",
            hook.table.url,
            {**message.headers(hook.secret), "Content-Length": str(len(message.body))},
            iter([message.body]),
            named=True,
        ) as answer:
            if 200 <= answer.status < 300:
                return None
            return _Refused(
                f"it answers {answer.status}", answer.status >= 500 or answer.status == _OVERLOADED
            )
    except Unreachable as error:
        return _Refused(str(error), again=True)


def _secret(file: Path) -> bytes:
    try:
        text = contents(file, _SECRET).decode("ascii")
    except (OSError, ValueError) as error:
        raise TallyError(
            f"the secret of a webhook cannot be read: {shown(file)}: {why(error)}",
            hint=f"echo whsec_$(openssl rand -base64 32) > {shown(file)}",
        ) from error
    return secret_of(text, shown(file))
