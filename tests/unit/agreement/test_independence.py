"""Who counts as one: by machine, by running kernel, by place, by operator."""

from __future__ import annotations

import itertools

import pytest

from orchestrator.agreement.independence import LEVELS, Party, level_of, votes


def party(
    host: str, operator: str | None = None, *, boot: str | None = None, store: str = "ssh-ng://x"
) -> Party:
    return Party(store, operator, host, boot or f"boot of {host}")


A, B, C = party("1", "Ann"), party("2", "Bob"), party("3", "Cid")


@pytest.mark.parametrize(
    ("parties", "expected"),
    [
        ([A, B], "separate-operators"),
        ([A, party("2", "Ann")], "separate-hosts"),
        ([A, party("2")], "separate-hosts"),
        ([party("1"), party("2")], "separate-hosts"),
        ([A, party("1", "Bob")], "same-host"),
        ([party("1", boot="x"), party("2", boot="x")], "same-host"),
        ([party("1", "Ann", store="local"), party("2", "Bob", store="vm")], "same-host"),
        ([party("1", "Ann", store="local"), party("2", "Bob", store="daemon")], "same-host"),
        ([A], "same-host"),
    ],
)
def test_the_level_of_two(parties: list[Party], expected: str) -> None:
    assert level_of(parties, 2) == expected


def test_what_was_not_observed_is_not_the_same() -> None:
    unseen = Party("ssh-ng://x", None, None, None)
    assert votes([unseen, unseen], "separate-hosts") == 2, "so a failed builder still counts to the quorum"


def test_a_virtual_machine_is_where_the_machine_under_it_is() -> None:
    """It makes up ids of its own, so that two on one host would look like two hosts."""
    machines = [Party("Ann: vm", None, f"made up {n}", f"boot {n}", host_id="1") for n in range(2)]
    assert votes(machines, "separate-hosts") == 1
    assert votes([*machines, A], "separate-hosts") == 1, "A is on the host that is under them"
    assert votes([*machines, B], "separate-hosts") == 2


def test_who_shares_with_two_makes_them_one() -> None:
    between = Party("ssh-ng://y", None, "1", "boot of 2")
    assert votes([A, B], "separate-hosts") == 2
    assert votes([A, B, between], "separate-hosts") == 1


def test_a_pair_on_one_host_has_one_vote_beside_another_host() -> None:
    pair = [party("1", store="local"), party("1", store="local")]
    assert votes([*pair, B], "same-host") == 3
    assert votes([*pair, B], "separate-hosts") == 2
    assert level_of([*pair, B], 2) == "separate-hosts"
    assert level_of([*pair, B], 3) == "same-host"


def test_a_higher_level_never_has_more_votes_and_order_does_not_matter() -> None:
    parties = [
        A,
        B,
        C,
        party("1", "Bob"),
        party("4"),
        party("5", boot="boot of 3"),
        party("6", store="local"),
    ]
    for some in itertools.permutations(parties, 4):
        counted = [votes(some, level) for level in LEVELS]
        assert counted == sorted(counted, reverse=True)
        assert counted == [votes(some[::-1], level) for level in LEVELS]
