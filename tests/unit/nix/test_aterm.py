"""`.drv` files: read as Nix writes them and in no other way. pynixutil, a stranger, reads them as well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynixutil import drvparse

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.nix.derivation import FixedOutput, parse

PATH = "/nix/store/00000000000000000000000000000000-x.drv"
OUT = "/nix/store/11111111111111111111111111111111-x"
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
texts = st.text(st.characters(blacklist_categories=["Cs"]) | st.sampled_from('"\\\n\r\t()[],{}\x00\x1b'))


def quoted(text: str) -> str:
    """As Nix's `printString` writes it."""
    return '"' + "".join(_ESCAPED.get(each, each) for each in text) + '"'


def written(env: dict[str, str], args: list[str], output: tuple[str, str, str] = (OUT, "", "")) -> str:
    made = ",".join(["(" + ",".join(map(quoted, ("out", *output))) + ")"])
    pairs = ",".join(f"({quoted(key)},{quoted(value)})" for key, value in sorted(env.items()))
    inputs = f'[({quoted(PATH)},["dev","out"])]'
    return (
        f"Derive([{made}],{inputs},[{quoted(OUT)}],{quoted('x86_64-linux')},{quoted('/bin/sh')},"
        f"[{','.join(map(quoted, args))}],[{pairs}])"
    )


@given(st.dictionaries(texts, texts), st.lists(texts))
def test_every_text_comes_back(env: dict[str, str], args: list[str]) -> None:
    found = parse(PATH, written(env, args))
    assert found.env == env
    assert found.args == tuple(args)
    assert found.input_derivations == {PATH: ("dev", "out")}
    assert found.input_sources == (OUT,)
    assert found.outputs == {"out": OUT}
    assert found.fixed is None


@given(st.dictionaries(st.text('ab\\" \n\t[](),', max_size=9), st.text('ab\\" \n\t[](),', max_size=9)))
def test_the_stranger_reads_the_same(env: dict[str, str]) -> None:
    text = written(env, ["-c", "exit 1"])
    theirs, ours = drvparse(text), parse(PATH, text)
    assert ours.env == theirs.env
    assert list(ours.args) == theirs.args
    assert (ours.system, ours.builder_executable) == (theirs.system, theirs.builder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Derive(",
        "Derive()",
        "Derive([],[],[],1,2,[],[])",
        'Derive([],[],[],"s","b",[],[("a")])',
        'Derive([],[],[],"s","b",[],[("a","b","c")])',
        'Derive([],[],[],"s","b",[],[]) ',
        'Derive([],[],[],"s","b",[],[("a","\\u0041")])',
        'Derive([],[],[],"s","b",[],{"a":"b"})',
        'Derive([],[],[],"s","b",[],null)',
        'DrvWithVersion("xp-dyn-drv",[],[],[],"s","b",[],[])',
        "Derive(" + "[" * 100_000,
    ],
)
def test_what_is_no_derivation_is_refused(text: str) -> None:
    with pytest.raises(TallyError, match="is not a Nix derivation"):
        parse(PATH, text)


@pytest.mark.parametrize(
    ("method", "digest"), [("sha256", Sha256("0" * 64)), ("r:sha256", NarHash("0" * 64))]
)
def test_what_an_output_is_fixed_by(method: str, digest: Sha256 | NarHash) -> None:
    found = parse(PATH, written({}, [], (OUT, method, "0" * 64)))
    assert found.fixed == FixedOutput(OUT, digest)
    assert found.fixed.sha256 == digest


@pytest.mark.parametrize(
    ("method", "nar"), [("sha1", False), ("r:sha512", True), ("md5", False), ("git:sha1", False)]
)
def test_another_digest_is_told_and_no_evidence(method: str, nar: bool) -> None:
    text = written({}, [], (OUT, method, "00"))
    with pytest.raises(TallyError, match="fixes its output by"):
        parse(PATH, text)
    found = parse(PATH, text, any_digest=True).fixed
    assert found is not None
    assert found.digest == OtherDigest(method.rpartition(":")[2], "00", nar)
    with pytest.raises(TallyError, match="fixes its output by"):
        _ = found.sha256


@pytest.mark.parametrize("method", ["r:sha256", "text:sha256"])
def test_a_content_addressed_output_is_fixed_by_nothing(method: str) -> None:
    assert parse(PATH, written({}, [], ("", method, ""))).fixed is None
