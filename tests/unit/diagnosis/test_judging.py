"""From what stands at a place and what experiments showed to causes, ranked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agreement.cause import Cause, Spot, Window
from orchestrator.diagnosis.hints import Hint
from orchestrator.diagnosis.judging import causes_of
from orchestrator.diagnosis.knobs import PROVES, TURNED, Knob
from orchestrator.diagnosis.names import Name
from orchestrator.diagnosis.seen import Seen
from orchestrator.places.place import Aspect, Place

PLACE = Place("bin/x", (), Aspect.CONTENT, 3, "", ("a", "b"), ("1", "2"))


def looks(cause: Cause) -> Place:
    return replace(PLACE, cause=cause)


def first(place: Place, seen: Seen, *hints: Hint) -> Name:
    return causes_of(place, seen, hints)[0].name


def moved_by(knob: Knob) -> Seen:
    return Seen(again=False, comes={knob: True}, goes={knob: True})


@pytest.mark.parametrize("knob", TURNED)
def test_what_comes_and_goes_with_a_knob_is_what_that_knob_proves(knob: Knob) -> None:
    [reason, *_] = causes_of(PLACE, moved_by(knob))
    assert reason.name is PROVES[knob][0]
    assert reason.proof is not None
    assert reason.proof.knob is knob
    assert reason.proof.went
    assert reason.confidence > 0.9


def test_of_what_a_knob_can_prove_the_bytes_say_which() -> None:
    assert first(looks(Cause.ORDERING), moved_by(Knob.BUILD_DIRECTORY)) is Name.ORDERING
    assert first(PLACE, moved_by(Knob.BUILD_DIRECTORY)) is Name.FILE_SYSTEM


def test_what_does_not_go_with_the_knob_is_not_proven_by_it() -> None:
    stays = Seen(again=False, comes={Knob.UPTIME: True}, goes={Knob.UPTIME: False})
    assert all(reason.proof is None for reason in causes_of(PLACE, stays))


def test_what_was_seen_to_come_and_not_to_go_is_likely_and_not_proven() -> None:
    [reason, *_] = causes_of(PLACE, Seen(again=False, comes={Knob.UPTIME: True}))
    assert reason.name is Name.UPTIME
    assert reason.proof is None
    assert reason.confidence < causes_of(PLACE, moved_by(Knob.UPTIME))[0].confidence


def test_what_comes_again_on_one_machine_is_not_the_machines() -> None:
    restless = Seen(again=True, repeats=True)
    names = [reason.name for reason in causes_of(looks(Cause.CPU_COUNT), restless)]
    assert Name.CPU_COUNT not in names
    assert names[0] is Name.RANDOMNESS


def test_what_stays_the_same_on_one_machine_is_no_chance() -> None:
    names = [reason.name for reason in causes_of(looks(Cause.RANDOM), Seen(again=False))]
    assert Name.RANDOMNESS not in names


def test_an_id_of_the_boot_looks_random_and_is_not() -> None:
    hint = Hint("x.toml", 3, "cat /proc/sys/kernel/random/boot_id", Name.BOOT)
    assert first(looks(Cause.RANDOM), Seen(again=False), hint) is Name.BOOT


def test_a_date_that_the_kernels_version_has_is_the_kernels() -> None:
    version = {"kernelVersion": ("#1 SMP Thu Nov 5", "#1 SMP Fri Nov 6")}
    assert first(looks(Cause.TIMESTAMP), Seen(again=False, facts=version)) is Name.KERNEL


def test_builds_that_are_the_same_within_a_second_prove_the_clock() -> None:
    [reason, *_] = causes_of(PLACE, Seen(again=True, repeats=False, later=True))
    assert reason.name is Name.TIMESTAMP
    assert reason.proof is not None
    assert reason.proof.knob is Knob.CLOCK


def test_builds_that_are_the_same_with_one_job_prove_a_race() -> None:
    seen = Seen(again=True, repeats=True, one_job=False)
    assert first(looks(Cause.ORDERING), seen) is Name.RACE
    assert first(looks(Cause.ORDERING), replace(seen, one_job=True)) is Name.ORDERING


def test_what_follows_from_something_else_says_so() -> None:
    assert first(replace(PLACE, mirrors=True), Seen(again=False)) is Name.DERIVED


def test_nothing_to_go_by_is_unknown_and_says_why() -> None:
    [untried] = causes_of(PLACE, Seen())
    [tried] = causes_of(PLACE, Seen(again=False))
    assert untried.name is tried.name is Name.UNKNOWN
    assert untried.because != tried.because
    assert tried.confidence < 0.1


@given(
    cause=st.sampled_from(Cause),
    again=st.none() | st.booleans(),
    repeats=st.none() | st.booleans(),
    together=st.none() | st.booleans(),
    one_job=st.none() | st.booleans(),
    comes=st.dictionaries(st.sampled_from(TURNED), st.booleans()),
    goes=st.dictionaries(st.sampled_from(TURNED), st.booleans()),
    hinted=st.lists(st.sampled_from(Name)),
)
def test_every_answer_is_ranked_and_no_proof_is_of_what_did_not_come(
    cause: Cause,
    again: bool | None,
    repeats: bool | None,
    together: bool | None,
    one_job: bool | None,
    comes: dict[Knob, bool],
    goes: dict[Knob, bool],
    hinted: list[Name],
) -> None:
    seen = Seen(again=again, repeats=repeats, together=together, one_job=one_job, comes=comes, goes=goes)
    reasons = causes_of(looks(cause), seen, [Hint("f", 1, "t", name) for name in hinted])
    assert reasons
    assert len({reason.name for reason in reasons}) == len(reasons)
    assert all(0 <= reason.confidence <= 1 for reason in reasons)
    for reason in reasons:
        if reason.proof is not None and reason.proof.knob in TURNED:
            assert comes[reason.proof.knob]
            assert goes.get(reason.proof.knob) is not False


def test_an_order_that_changes_at_every_build_is_of_hashes_or_jobs_and_of_no_folder() -> None:
    order, restless = replace(PLACE, aspect=Aspect.ORDER), Seen(again=True, repeats=True, one_job=True)
    folder = Hint("x", 1, "find . -type f", Name.ORDERING)
    hashes = Hint("x", 2, "for name in set(names):", Name.ORDERING, by_chance=True)
    jobs = Hint("x", 3, "make -j8", Name.RACE)
    assert first(order, restless, folder, jobs) is Name.RACE
    assert first(order, restless, hashes) is Name.ORDERING
    assert first(order, moved_by(Knob.BUILD_DIRECTORY), hashes, folder) is Name.ORDERING


def test_an_order_that_the_clock_moves_is_an_order() -> None:
    order = replace(PLACE, aspect=Aspect.ORDER)
    [reason, *_] = causes_of(order, Seen(again=True, repeats=True, together=False))
    assert reason.name is Name.ORDERING
    assert reason.proof is not None
    assert reason.proof.knob is Knob.TOGETHER


def test_what_changes_now_and_then_is_not_proven_to_be_the_clock() -> None:
    later = Seen(again=True, repeats=False, later=True)
    assert first(looks(Cause.LOAD), later) is Name.LOAD
    assert first(looks(Cause.TIMESTAMP), later) is Name.TIMESTAMP


def test_numbers_that_are_no_time_are_rather_a_duration() -> None:
    numbers = replace(PLACE, spot=Spot("x", b"", 0, Window(b"1692627", 1), Window(b"1837929", 1)))
    clock = Hint("x", 3, "echo $(($(date +%s%6N) - started))", Name.TIMESTAMP)
    both = [replace(clock, name=Name.DURATION), clock]
    assert first(numbers, Seen(again=True, repeats=True, together=True, one_job=True), *both) is Name.DURATION


def test_a_small_number_that_changes_now_and_then_is_not_proven_to_be_the_clock() -> None:
    small = replace(PLACE, spot=Spot("x", b"", 0, Window(b"127", 1), Window(b"131", 1)))
    [reason, *_] = causes_of(small, Seen(again=True, repeats=False, later=True))
    assert reason.proof is None


def test_confidences_share_what_is_certain() -> None:
    found = causes_of(looks(Cause.ORDERING), Seen(again=True, repeats=True, one_job=True))
    assert len(found) > 2
    assert sum(reason.confidence for reason in found) <= 1.02
    assert [reason.confidence for reason in found] == sorted((r.confidence for r in found), reverse=True)
