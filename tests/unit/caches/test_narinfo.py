"""Narinfos, their signatures, and what two caches say of one path."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest
from caches import SigningKey, narinfo_text
from releases import nar, store_path

from orchestrator.caches.believed import CachesDisagree, Offer, offered, one_of
from orchestrator.caches.narinfo import narinfo_name, parse
from orchestrator.ground.errors import TallyError

PATH = store_path("library-1.0")
OTHER = store_path("another")
KEY = SigningKey("ours-1")
CACHE = "https://cache.example.org"


def text(key: SigningKey | None = KEY, **changes: object) -> bytes:
    return narinfo_text(PATH, nar("bytes"), 120, [PATH, OTHER], key, **changes)


def offer(data: bytes, cache: str = CACHE) -> Offer:
    return offered(PATH, data, cache, [SigningKey("another-1").public, KEY.public])


def test_a_signed_answer_is_believed_by_its_key() -> None:
    found = offer(text())
    believed = found.believed
    assert (believed.path, believed.nar_hash, believed.nar_size) == (PATH, nar("bytes"), 120)
    assert believed.references == tuple(sorted([PATH, OTHER]))
    assert (believed.cache, believed.key) == (CACHE, KEY.public)
    assert believed.key.verifies(believed.signature, found.narinfo.fingerprint)
    assert narinfo_name(PATH) == PATH[11:43] + ".narinfo"
    assert parse(text(Compression=None)).compression == "bzip2"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (text(key=None), "nobody signed it there"),
        (text(key=SigningKey("theirs-1")), "it is signed by theirs-1, and none of these is a key"),
        (text(key=SigningKey("ours-1")), "the signature by ours-1 is not one over what the narinfo says"),
        (text(Sig="ours-1:AAAA"), "the signature by ours-1 is not one over"),
        (text(Sig="no signature"), "it is signed by no signature, and none"),
        (text(StorePath=OTHER), "its narinfo is that of another path"),
        (text(StorePath="/etc/passwd"), "has a StorePath that is none"),
        (text(NarSize="121"), "is not one over what the narinfo says"),
        (text(NarSize="-1"), "has a NarSize that is no number"),
        (text(NarSize="9" * 40), "has a NarSize that is no number"),
        (text(NarHash=f"sha256:{'0' * 64}"), "is not one over what the narinfo says"),
        (text(NarHash="md5:abc"), "has a NarHash that is no sha256"),
        (text(NarHash=None), "has no NarHash"),
        (text(References=""), "is not one over what the narinfo says"),
        (text(References="../etc"), "has References that are no store paths"),
        (text(URL="https://elsewhere.example/x.nar"), "has a URL that leads out of the cache"),
        (text(URL="../x.nar"), "has a URL that leads out of the cache"),
        (text(URL="/x.nar"), "has a URL that leads out of the cache"),
        (text() + b"NarSize: 1\n", "has NarSize twice"),
        (text() + b"nonsense\n", "has a line that is not `Name: value`"),
        (b"\xff\xfe", "is no text"),
        (b"", "has no StorePath"),
    ],
)
def test_what_cannot_be_believed_names_the_path_and_the_cache(data: bytes, said: str) -> None:
    with pytest.raises(TallyError) as error:
        offer(data)
    assert error.value.message.startswith(f"{PATH} cannot be taken from the cache {CACHE}: ")
    assert said in error.value.message
    assert error.value.exit_code == 2


@pytest.mark.parametrize("change", range(0, 400, 7))
def test_no_bit_of_what_counts_can_be_changed(change: int) -> None:
    """A bit changed anywhere is an error, or changes nothing that is believed."""
    whole = text()
    data = bytearray(whole)
    data[change % len(data)] ^= 1
    try:
        found = offer(bytes(data)).believed
    except TallyError:
        return
    assert found == offer(whole).believed


OTHERS: Mapping[str, bytes] = {
    "another hash": narinfo_text(PATH, nar("other bytes"), 120, [PATH, OTHER], KEY),
    "other references": narinfo_text(PATH, nar("bytes"), 120, [PATH], KEY),
}


def test_two_caches_that_have_the_same_are_one() -> None:
    first, second = offer(text()), offer(text(Compression="none"), "file:///srv/cache")
    assert one_of([first, second]) == first


@pytest.mark.parametrize("other", OTHERS)
def test_two_caches_that_differ_are_an_honest_no(other: str) -> None:
    with pytest.raises(CachesDisagree) as error:
        one_of([offer(text()), offer(OTHERS[other], "file:///srv/cache")])
    assert error.value.exit_code == 1
    for name in (PATH, CACHE, "file:///srv/cache"):
        assert name in error.value.message


def test_a_secret_key_is_not_repeated() -> None:
    from orchestrator.nix.signature import PublicKey

    secret = base64.b64encode(bytes(range(64))).decode()
    with pytest.raises(ValueError, match="that of ours-1 is a secret key") as error:
        PublicKey.parse(f"ours-1:{secret}")
    assert secret not in str(error.value)
