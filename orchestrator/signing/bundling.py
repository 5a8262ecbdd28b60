"""Making a release's bundles: an envelope, signed, stamped and entered in a log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.bundles.material import KeyHint
from orchestrator.bundles.own_bundle import Bundle
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.key import PublicKey
from orchestrator.keys.signers import Signer
from orchestrator.signing.witnesses import Log, Taken, Witnesses

_ATTEMPTS = 3
"""At signing the same statements, should a log have entries that it gives no proof of."""


def sign(payload: bytes, key: Signer) -> Bundle:
    """A bundle around an in-toto statement. Raises TallyError where the key cannot be used."""
    return Bundle(dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=""), KeyHint(key.public.hint))


def witnessed(payloads: Sequence[bytes], key: Signer, witnesses: Witnesses) -> list[Bundle]:
    """A bundle around each in-toto statement, with all that the witnesses say. Raises TallyError."""
    for _ in range(_ATTEMPTS):
        bundles = [sign(each, key) for each in payloads]
        if witnesses.clock is not None:  # first: a log keeps what it was given for good
            stamp = witnesses.clock.stamp
            bundles = [replace(each, timestamps=(stamp(each.signature),)) for each in bundles]
        if witnesses.log is None:
            return bundles
        try:
            return logged(bundles, key.public, witnesses.log)
        except Taken:
            continue  # the answer to an earlier attempt was lost: another signature is another entry
    raise TallyError(
        "the log says again and again that it has what was just signed, and gives no proof of it",
        hint="ask the log's operator",
    )


def logged(bundles: Sequence[Bundle], key: PublicKey, log: Log) -> list[Bundle]:
    """The bundles, each with its entry in the log. Raises TallyError, and Taken."""
    entries = log.enter([each.signed(key) for each in bundles])
    return [replace(each, entries=(entry,)) for each, entry in zip(bundles, entries, strict=True)]
