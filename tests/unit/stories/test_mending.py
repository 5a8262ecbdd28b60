"""No change is said to help where nothing shows that it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from synthetic import derivation

from orchestrator.cli.diagnosed import fixes
from orchestrator.diagnosis.fixes import Fix, candidates
from orchestrator.diagnosis.names import Name
from orchestrator.stories import mending
from orchestrator.stories.mending import Mended, Unmended, mend

LIB = derivation("lib")


Left = Mapping[frozenset[str], Mapping[str, int] | None]
"""Changes to what differs with them."""


def tried(monkeypatch: pytest.MonkeyPatch, left: Left, *causes: Name) -> Mended | Unmended:
    """What comes of it where changes leave that; all others leave what differs as it is."""

    def differing(_: object, fixes: Sequence[Fix]) -> Mapping[str, int] | None:
        names = frozenset(fix.name for fix in fixes)
        return left.get(names, left[frozenset()])

    monkeypatch.setattr(mending, "on_disagreement", lambda *_: (None, None))
    monkeypatch.setattr(mending._Attempt, "left", differing)
    store = SimpleNamespace(derivation=lambda _: LIB)
    reasons = [SimpleNamespace(name=name, confidence=0.9) for name in causes]
    found = SimpleNamespace(culprits=(SimpleNamespace(derivation=LIB.path, causes=reasons),))
    record = SimpleNamespace(makers={}, recipe=None, against=None)
    workshop = SimpleNamespace(store=store)
    (told,) = mend(cast("Any", workshop), cast("Any", record), cast("Any", found), lambda _: None)
    return told


NOTHING, TZ, TAR, BOTH = (
    frozenset(names) for names in ((), ("TZ",), ("TAR_OPTIONS",), ("TZ", "TAR_OPTIONS"))
)


@pytest.mark.parametrize(
    ("as_it_is", "changed", "fixes"),
    [({}, {}, None), ({"a": 2}, {}, ("TZ",)), (None, {}, ("TZ",)), ({"a": 2}, {"a": 2}, None)],
)
def test_what_agrees_as_it_is_needs_no_change(
    monkeypatch: pytest.MonkeyPatch,
    as_it_is: Mapping[str, int] | None,
    changed: Mapping[str, int],
    fixes: tuple[str, ...] | None,
) -> None:
    told = tried(monkeypatch, {NOTHING: as_it_is, TZ: changed}, Name.TIMESTAMP)
    if fixes is None:
        assert isinstance(told, Unmended)
        assert told.why.startswith("as it is, two builds of it agree") is (as_it_is == {})
    else:
        assert isinstance(told, Mended)
        assert tuple(fix.name for fix in told.fixes) == fixes
        assert told.whole


THREE = {"date": 1, "all.tar": 9, "number": 1}


def test_what_each_change_cured_is_told_where_not_all_is(monkeypatch: pytest.MonkeyPatch) -> None:
    left = {
        NOTHING: THREE,
        TZ: {"all.tar": 9, "number": 1},
        TAR: {"date": 1, "number": 1},
        BOTH: {"number": 1},
    }
    told = tried(monkeypatch, left, Name.TIMESTAMP)
    assert isinstance(told, Mended)
    assert told.document() == {
        "derivation": LIB.path,
        "fixes": None,
        "patch": None,
        "variables": dict(pair for fix in told.fixes for pair in (fix.environment("1") or {}).items()),
        "cured": [{"fix": "TZ", "files": ["date"]}, {"fix": "TAR_OPTIONS", "files": ["all.tar"]}],
        "together": [],
        "left": ["number"],
    }
    said = list(fixes([told]))
    assert said[0].endswith(
        "with TZ and TAR_OPTIONS the builds agree on all.tar, date, and differ in number:"
    )
    assert said[1:3] == ["  TZ alone cures date", "  TAR_OPTIONS alone cures all.tar"]


def test_one_change_that_cures_one_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = tried(monkeypatch, {NOTHING: THREE, TZ: {"all.tar": 9, "number": 1}}, Name.TIMESTAMP)
    assert isinstance(told, Mended)
    assert (told.cured.alone, told.cured.left) == ((("TZ", ("date",)),), ("all.tar", "number"))
    assert not told.whole


def test_what_two_changes_cure_together_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    left: Left = {NOTHING: {"all.tar": 9}, TZ: {"all.tar": 5}, TAR: {"all.tar": 4}, BOTH: {}}
    told = tried(monkeypatch, left, Name.TIMESTAMP)
    assert isinstance(told, Mended)
    assert told.whole
    assert (told.cured.alone, told.cured.together) == ((), ("all.tar",))
    assert list(fixes([told]))[1] == "  only together they cure all.tar"


@pytest.mark.parametrize("both", [{"date": 1, "all.tar": 9, "number": 1}, None])
def test_what_differs_again_was_not_cured(
    monkeypatch: pytest.MonkeyPatch, both: Mapping[str, int] | None
) -> None:
    left = {NOTHING: THREE, TZ: {"all.tar": 9, "number": 1}, TAR: {"date": 1, "number": 1}, BOTH: both}
    told = tried(monkeypatch, left, Name.TIMESTAMP)
    assert isinstance(told, Unmended)
    assert "made no file of it the same" in told.why


def test_one_change_with_which_it_agreed_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(({"a": 2}, {"a": 1}, *[{"a": 2}] * 3, {}))
    monkeypatch.setattr(mending, "on_disagreement", lambda *_: (None, None))
    attempt = mending._Attempt(cast("Any", None), LIB, cast("Any", None), lambda _: None)
    monkeypatch.setattr(mending._Attempt, "left", lambda *_: next(answers))
    before = attempt.left(())
    assert attempt.smallest(candidates([Name.TIMESTAMP]), before) is None
    assert list(answers) == [], "it was tried once more"
