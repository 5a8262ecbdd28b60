"""No change is said to help where nothing shows that it does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from synthetic import derivation

from orchestrator.diagnosis.names import Name
from orchestrator.stories import mending
from orchestrator.stories.mending import Mended, Unmended, mend

LIB = derivation("lib")


@pytest.mark.parametrize(
    ("as_it_is", "changed", "fixes"), [(0, 0, None), (2, 0, ("TZ",)), (None, 0, ("TZ",)), (2, 2, None)]
)
def test_what_agrees_as_it_is_needs_no_change(
    monkeypatch: pytest.MonkeyPatch, as_it_is: int | None, changed: int, fixes: tuple[str, ...] | None
) -> None:
    monkeypatch.setattr(mending, "on_builders", lambda *_: SimpleNamespace(varied=None))
    monkeypatch.setattr(mending._Attempt, "left", lambda _, some: changed if some else as_it_is)
    store = SimpleNamespace(derivation=lambda _: LIB)
    causes = (SimpleNamespace(name=Name.TIMESTAMP, confidence=0.9),)
    found = SimpleNamespace(culprits=(SimpleNamespace(derivation=LIB.path, causes=causes),))
    record = SimpleNamespace(makers={}, recipe=None, against=None)
    workshop = SimpleNamespace(store=store)
    (told,) = mend(cast("Any", workshop), cast("Any", record), cast("Any", found), lambda _: None)
    if fixes is None:
        assert isinstance(told, Unmended)
        assert told.why.startswith("as it is, two builds of it agree") is (as_it_is == 0)
    else:
        assert isinstance(told, Mended)
        assert tuple(fix.name for fix in told.fixes) == fixes
