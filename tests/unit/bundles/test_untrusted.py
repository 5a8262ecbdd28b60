"""What is told of a signer who does not count: whom the document names, and who was expected."""

from __future__ import annotations

import pytest

from orchestrator.bundles import untrusted
from orchestrator.bundles.certificates import Identity
from orchestrator.bundles.material import Certificates
from orchestrator.keys.key import PublicKey, SigningKey

WHO = Identity("https://ci.example.org/build.yml", "https://issuer.example.org")


@pytest.fixture(scope="module")
def keys() -> tuple[PublicKey, ...]:
    return tuple(SigningKey.generate().public for _ in range(5))


def test_a_bundle_by_another_key(keys: tuple[PublicKey, ...]) -> None:
    theirs, ours, *more = keys
    said = untrusted.by_no_key("b", theirs.hint, [""], [ours]).sentence
    assert said.endswith(f"it names sha256:{theirs.fingerprint}, and you trust sha256:{ours.fingerprint}")
    assert said.startswith("b is not signed by a key that you trust")
    assert "and 1 more" in untrusted.by_no_key("b", theirs.hint, (), [ours, *more]).sentence
    assert (
        f"sha256:{theirs.fingerprint}, and you" in untrusted.by_another_key("b", theirs.hint, ours).sentence
    )


def test_an_envelope_by_another_key_is_told_in_in_totos_ids(keys: tuple[PublicKey, ...]) -> None:
    theirs, ours, *_ = keys
    said = untrusted.by_no_key("link", None, [theirs.keyid], [ours]).sentence
    assert said.endswith(f"it names '{theirs.keyid}', and you trust {ours.keyid}")


def test_nobody_is_named_and_nobody_trusted() -> None:
    assert untrusted.by_no_key("b", None, [""], []).sentence.endswith("it names no key, and you trust no key")


@pytest.mark.parametrize("hint", ["my key", "x" * 10_000, "AAAA", "\x1b[2J", "é" * 44])
def test_a_strangers_hint_is_quoted_and_short(hint: str, keys: tuple[PublicKey, ...]) -> None:
    said = untrusted.by_another_key("b", hint, keys[0]).sentence
    assert repr(hint[:80])[:-1] in said
    assert len(said) < 400


def test_key_and_certificate_for_one_another(keys: tuple[PublicKey, ...]) -> None:
    said = untrusted.by_a_key("b", keys[0].hint, WHO).sentence
    assert f"by a key (sha256:{keys[0].fingerprint}), not by a certificate" in said
    assert said.endswith(f"you trust {WHO.subject} ({WHO.issuer})")
    broken = untrusted.by_a_certificate("b", Certificates(b"no certificate"), keys[0]).sentence
    assert broken == (f"b is by a certificate, not by a key; you trust the key sha256:{keys[0].fingerprint}")
