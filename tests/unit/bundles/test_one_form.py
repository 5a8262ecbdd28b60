"""Every reader of a release's documents gives one answer, by the quick way and by the strict one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import releases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.bundles import own_bundle
from orchestrator.evidence import attestation, canonical, disagreement, layout, links, statement
from orchestrator.evidence.canonical import MalformedError, decoded
from orchestrator.keys import dsse
from orchestrator.keys.key import SigningKey
from orchestrator.log import trusted_root
from orchestrator.publishing import index
from orchestrator.publishing.formats import NewerError

Reader = Callable[[bytes, str], object]
NAME, VALUE = re.compile(rb'"[^"\\]+":'), re.compile(rb'(?<=": )"[^"]*"|(?<=":)"[^"]*"')
NUMBER = re.compile(rb'(?<=":) ?\d+')
DEEP = 3000


def _bundle(data: bytes, what: str) -> object:
    return own_bundle.parse(data, what, ours=True)


def _envelope(data: bytes, what: str) -> object:
    return dsse.read(data, what, ours=True)


IN_ONE_FORM: Mapping[str, Reader] = {"bundle": _bundle, "link": _envelope, "layout": _envelope}
"""Whose documents have one form each."""
SIGNED: Mapping[str, Reader] = {
    "statement": statement.parse,
    "attestation": attestation.parse,
    "disagreement": disagreement.parse,
    "signed link": links.parse,
    "signed layout": layout.parse,
    "index": lambda data, what: index.parse(data),
    "root": trusted_root.parse,
    "SBOM": canonical.read,
}
"""Whose bytes are signed, or compared, as they are."""


def _escaped(name: bytes) -> bytes:
    return b'"\\u%04x' % name[1] + name[2:]


HARMS: Mapping[str, tuple[re.Pattern[bytes], Callable[[bytes], bytes]]] = {
    "a name twice": (NAME, lambda found: found + b"0," + found),
    "a name twice, once with an escape": (NAME, lambda found: _escaped(found) + b"0," + found),
    "a letter as an escape": (NAME, _escaped),
    "a float": (NUMBER, lambda found: found + b".0"),
    "a power of ten": (NUMBER, lambda found: found + b"e0"),
    "a number larger than any": (NUMBER, lambda found: b"1e999"),
    "a large integer": (NUMBER, lambda found: found + b"0" * 30),
    "an integer of 64 bits and one": (NUMBER, lambda found: b"18446744073709551616"),
    "no zero": (NUMBER, lambda found: b"-0"),
    "no number": (NUMBER, lambda found: b"NaN"),
    "an endless number": (NUMBER, lambda found: b"-Infinity"),
    "half a letter": (VALUE, lambda found: found[:-1] + b'\\ud800"'),
    "a letter from afar": (VALUE, lambda found: found[:-1] + b'\xf0\x9f\x98\x80"'),
    "the same as escapes": (VALUE, lambda found: found[:-1] + b'\\ud83d\\ude00"'),
    "an escape without need": (VALUE, lambda found: found[:-1] + b'\\/"'),
    "bytes that are no text": (VALUE, lambda found: found[:-1] + b'\xff"'),
    "what is nested deeply": (VALUE, lambda found: b"[" * DEEP + b"]" * DEEP),
    "another space": (NAME, lambda found: found + b" "),
    "a mark of byte order": (re.compile(rb"\A"), lambda found: b"\xef\xbb\xbf"),
    "something after it": (re.compile(rb"\Z"), lambda found: b"{}"),
    "a line after it": (re.compile(rb"\Z"), lambda found: b"\n"),
}
NEVER_READ = {
    "a name twice", "a name twice, once with an escape", "a number larger than any", "no number",
    "an endless number",
    "bytes that are no text", "a mark of byte order", "something after it",
}  # fmt: skip
"""Whoever reads it."""


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """One of each kind, as a release has them."""
    folder = tmp_path_factory.mktemp("forms")
    made = releases.observed(folder / "in")
    log = releases.log_in(folder / "log")
    path = releases.published(
        folder / "out", made, SigningKey.generate(), releases.builder_keys(made), log
    ).path
    return _documents(path)


def _documents(path: Path) -> Mapping[str, bytes]:
    bundle = (path / "attestations" / "reproduction.sigstore.json").read_bytes()
    link = next(path.glob("links/*.link")).read_bytes()
    root = (path / "links" / "root.layout").read_bytes()
    stated = _payload(json.loads(bundle)["dsseEnvelope"])
    return {
        "bundle": bundle,
        "link": link,
        "layout": root,
        "statement": stated,
        "attestation": stated,
        "disagreement": stated.replace(b"REPRODUCIBLE_BUILD", b"BUILD_NOT_REPRODUCED").replace(
            b'"agreement":', b'"disagreement":'
        ),
        "signed link": _payload(json.loads(link)),
        "signed layout": _payload(json.loads(root)),
        "index": (path / "release.json").read_bytes(),
        "root": (path / "trusted_root.json").read_bytes(),
        "SBOM": next(path.glob("sbom/*.spdx.json")).read_bytes(),
    }


def _payload(envelope: Mapping[str, Any]) -> bytes:
    return decoded(envelope["payload"], "it")


def _outcome(read: Reader, data: bytes) -> str:
    try:
        return repr(read(data, "it"))
    except (MalformedError, NewerError) as error:
        return f"refused: {error}"


def _never(data: bytes) -> Any:
    raise ValueError


@pytest.mark.parametrize("kind", [*IN_ONE_FORM, *SIGNED])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(harms=st.lists(st.tuples(st.sampled_from(sorted(HARMS)), st.integers(0, 10_000)), max_size=2))
def test_one_answer(kind: str, documents: Mapping[str, bytes], harms: list[tuple[str, int]]) -> None:
    read = {**IN_ONE_FORM, **SIGNED}[kind]
    data, last = documents[kind], ""
    for name, number in harms:
        pattern, change = HARMS[name]
        if places := list(pattern.finditer(data)):
            place = places[number % len(places)]
            data = data[: place.start()] + change(place[0]) + data[place.end() :]
            last = name
    quick = _outcome(read, data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canonical, "_quickly", _never)
        assert _outcome(read, data) == quick
    if not last:
        assert not quick.startswith("refused"), quick
    if kind in IN_ONE_FORM and data != documents[kind]:  # no two files say the same
        assert quick != _outcome(read, documents[kind])
    if last in NEVER_READ and kind != "disagreement":  # which looks for a word before it reads
        assert quick.startswith("refused"), quick[:500]
