"""Nothing is signed that the release's links do not name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.evidence.links import Link
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.publishing.named import Named

MADE, USED, FETCHED = (f"/nix/store/{each * 32}-x" for each in "abc")
LINK = Link(
    materials={USED: {"narSha256": "1" * 64}, FETCHED: {"sha256": "2" * 64}},
    products={MADE: {"narSha256": "3" * 64}, "x.tar.gz": {"sha256": "4" * 64}},
    identity={},
    builder="a",
    payload=b"",
    sandbox={},
    finished=None,
)


def test_what_is_named() -> None:
    named = Named({"links/1": LINK, "links/2": replace(LINK, builder="b")})
    assert named.targets == (MADE,)
    assert named.every == {MADE, USED, FETCHED}
    assert named.digest(MADE) == NarHash("3" * 64)
    assert named.digest(USED) == NarHash("1" * 64)
    assert named.digest(FETCHED) == Sha256("2" * 64)


@pytest.mark.parametrize("second", [{}, {USED: {"narSha256": "9" * 64}}])
def test_what_one_link_does_not_name_alike_is_refused(second: dict[str, dict[str, str]]) -> None:
    named = Named({"links/1": LINK, "links/2": replace(LINK, materials=second)})
    with pytest.raises(TallyError, match="is not named by every builder's link"):
        named.digest(USED)


def test_what_no_link_names_is_refused() -> None:
    with pytest.raises(TallyError, match="so nothing is signed of it"):
        Named({"links/1": LINK}).digest("/nix/store/" + "d" * 32 + "-other")
