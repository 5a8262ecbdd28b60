"""`tally.lock`: the same pins give the same bytes, and what is no lock says so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.lock import (
    Busybox,
    DebianPackage,
    DebianSet,
    Lock,
    NixpkgsPin,
    SourcePin,
    parse,
    read,
    text_of,
    write,
)
from orchestrator.recipe.suites import Suite

DIGEST = "0" * 64


def package(name: str, version: str = "1", license: str | None = None) -> DebianPackage:  # noqa: A002
    return DebianPackage(
        name=name,
        version=version,
        architecture="amd64",
        pool=f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb",
        sha256=DIGEST,
        size=7,
        license=license,
    )


def whole() -> Lock:
    bash, box = package("bash", "5.2~rc1+b1", "GPL-3.0-or-later"), package("busybox-static")
    return Lock(
        package=(box, bash),
        set=(DebianSet(system="x86_64-linux", request=("make",), base=("bash",), packages=(bash.file,)),),
        busybox=(Busybox(system="x86_64-linux", package=box.file, nar_sha256=DIGEST),),
        source={
            "zlib": {"src": SourcePin(kind="url", sha256=DIGEST)},
            "a": {
                "z": SourcePin(kind="pypi", sha256=DIGEST, file="a.whl"),
                "b": SourcePin(kind="git", nar_sha256=DIGEST, rev="1" * 40),
            },
            "none": {},
        },
        nixpkgs=NixpkgsPin.model_validate({"type": "github", "lastModified": 1775036866, "rev": "1" * 40}),
    )


def test_a_lock_survives_being_written(tmp_path: Path) -> None:
    file = tmp_path / "tally.lock"
    write(file, whole())
    back = read(file)
    assert text_of(back) == file.read_text() == text_of(whole())
    assert back.source["a"]["z"].file == "a.whl"
    assert back.nixpkgs is not None
    assert back.nixpkgs.model_dump()["lastModified"] == 1775036866
    found = back.set_for(["make"], "x86_64-linux")
    assert found is not None
    assert [back.packages[file].license for file in found.packages] == ["GPL-3.0-or-later"]
    assert back.set_for(["make", "gcc"], "x86_64-linux") is None


def test_a_set_of_another_suite() -> None:
    lock = whole()
    newer = lock.set[0].model_copy(update={"suite": "trixie"})
    back = parse(text_of(lock.model_copy(update={"set": (newer, *lock.set)})), "tally.lock")
    assert back.set_for(["make"], "x86_64-linux") == back.set_for(["make"], "x86_64-linux", Suite("bookworm"))
    assert back.set_for(["make"], "x86_64-linux") == lock.set[0]
    assert back.set_for(["make"], "x86_64-linux", Suite("trixie")) == newer
    assert back.set_for(["make"], "x86_64-linux", Suite("forky")) is None
    of_trixie = back.model_copy(update={"suite": "trixie"})
    assert of_trixie.set_for(["make"], "x86_64-linux", Suite("bookworm")) is None


def test_what_belongs_to_a_suite() -> None:
    dated = {"suite": "trixie", "security": True, "snapshot": "20261101T000000Z"}
    lock = whole()
    lock = lock.model_copy(update={"set": (*lock.set, lock.set[0].model_copy(update=dated))})
    back = parse(text_of(lock), "tally.lock")
    wanted = Suite("trixie", security=True, snapshot="20261101T000000Z")
    found = back.set_for(["make"], "x86_64-linux", wanted)
    assert found is not None
    assert back.set_for(["make"], "x86_64-linux", Suite("trixie")) is None
    assert str(back.suite_of(found)) == "trixie with security as of 20261101T000000Z"
    # the same, of the whole lock
    usual = whole().model_copy(update=dated)
    assert parse(text_of(usual), "tally.lock").set_for(["make"], "x86_64-linux", wanted) == usual.set[0]


def test_the_order_of_pins_does_not_matter() -> None:
    lock = whole()
    other = lock.model_copy(
        update={"package": lock.package[::-1], "source": dict(reversed(lock.source.items()))}
    )
    assert text_of(other) == text_of(lock)


def test_the_lock_in_this_repository_names_no_host(repository: Path) -> None:
    text = (repository / "tally.lock").read_text()
    assert not re.search(r"https?:|[a-z]+\.(org|com|net|io)\b(?!/)", text)
    assert text_of(read(repository / "tally.lock")) == text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("version = 1\n", "version = 2\n", "has version 2, and this tally reads version 1"),
        ('sha256 = "000', 'sha256 = "00', "`package.sha256`: expected a sha256"),
        ("size = 7", "size = -1", "`package.size`"),
        ("pool/main/b", "pool/../main/b", "expected a path like pool/main"),
        ('pool = "pool', 'pool = "https://x/pool', "expected a path like pool/main"),
        ("[[set]]", "[[sets]]", "unknown key `sets`"),
        (
            'packages = [\n    "bash_5.2~rc1+b1_amd64.deb",',
            'packages = [\n    "gone.deb",',
            "names gone.deb, which the lock does not hold",
        ),
        ("[[busybox]]", "[[busybox]", "not TOML"),
    ],
)
def test_what_is_wrong_in_a_lock_is_named(old: str, new: str, says: str) -> None:
    text = text_of(whole())
    assert old in text
    with pytest.raises(TallyError) as caught:
        parse(text.replace(old, new, 1), "tally.lock")
    assert says in caught.value.message
    assert caught.value.message.startswith("tally.lock:")


@pytest.mark.parametrize("stray", ["garbage [", "<<<<<<< HEAD", "name: bash"])
def test_a_lock_that_is_broken_is_not_to_be_mended_by_hand(tmp_path: Path, stray: str) -> None:
    file = tmp_path / "tally.lock"
    file.write_text(f"{text_of(whole())}{stray}\n")
    with pytest.raises(TallyError, match=r"tally\.lock:\d+:\d+: not TOML") as caught:
        read(file)
    assert "take it from git again, or remove it and run `tally lock`" in str(caught.value.hint)


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="there is no") as caught:
        read(tmp_path / "tally.lock")
    assert caught.value.hint == "make it with `tally lock`"


PLAIN = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1), st.booleans()
)
TABLE = st.recursive(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.one_of(PLAIN, st.lists(PLAIN)), max_size=4
    ),
    lambda inner: st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.one_of(inner, st.lists(inner, min_size=1, max_size=3), PLAIN),
        max_size=4,
    ),
    max_leaves=6,
)


@given(values=TABLE)
def test_what_is_written_as_toml_is_read_back(values: dict[str, object]) -> None:
    assert tomllib.loads(tomli_w.dumps(values)) == values
