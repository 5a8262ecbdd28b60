"""Who is one operator: by name, by key, by machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground.digest import NarHash
from orchestrator.ledger.entries import Entry, How, Known, Made
from orchestrator.ledger.operators import Signed, by_operator


def account(operator: str, machine: str | None = None, boot: str | None = None, *keys: str) -> Signed:
    known = Known("b", "signed", machine_id=machine, boot_id=boot, proven=True)
    made = {"out": Made("/out", NarHash.of(operator.encode()), 120, ())}
    return Signed(operator, (Entry("", known, "drv", How.BUILT, made),), frozenset(keys))


def test_names_keys_and_machines_make_one() -> None:
    found = by_operator(
        [
            account("Example Org", "m1", None, "k1"),
            account(" example  ORG", "m2", None, "k2"),
            account("bob", None, None, "k2"),
            account("carol", "m3", "b1"),
            account("dave", "m4", "b1"),
            account("eve"),
            account("frank"),
        ]
    )
    assert list(found) == ["Example Org = bob", "carol = dave", "eve", "frank"]
    assert [len(entries) for entries in found.values()] == [3, 2, 1, 1]


def test_a_name_is_one_by_whichever_code_points() -> None:
    for other in ("Cafe\u0301 Org", "caf\u00c9\u00a0ORG", "Ca\u200bf\u00e9 Org", "\uff23af\u00e9 Org"):
        assert len(by_operator([account("Caf\u00e9 Org"), account(other)])) == 1, ascii(other)
    assert len(by_operator([account("Caf\u00e9"), account("Cafe")])) == 2


MARKS = st.sampled_from("ab") | st.none()
ACCOUNTS = st.lists(
    st.builds(
        lambda name, machine, boot, keys: account(name, machine, boot, *keys),
        st.sampled_from(["x", "X ", "y", "z"]),
        MARKS,
        MARKS,
        st.sets(st.sampled_from("kl"), max_size=2),
    ),
    max_size=6,
)


@given(ACCOUNTS)
def test_what_shares_a_mark_is_one_in_whatever_order(accounts: list[Signed]) -> None:
    found = by_operator(accounts)
    assert sum(map(len, found.values())) == len(accounts)
    turned = by_operator(reversed(accounts))
    assert found.keys() == turned.keys()
    sizes = {name: len(entries) for name, entries in found.items()}
    assert sizes == {name: len(entries) for name, entries in turned.items()}
    for one in accounts:
        for other in accounts:
            shared = not one.keys.isdisjoint(other.keys)
            mine, theirs = one.entries[0].builder, other.entries[0].builder
            shared |= None is not mine.machine_id == theirs.machine_id
            shared |= None is not mine.boot_id == theirs.boot_id
            shared |= one.operator.strip().casefold() == other.operator.strip().casefold()
            if shared:
                (name,) = (
                    name for name, some in found.items() if any(one.entries[0] is each for each in some)
                )
                assert any(other.entries[0] is each for each in found[name])
