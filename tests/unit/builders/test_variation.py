"""What makes the embedded builders differ is chosen from what is wanted and what the machine has."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from orchestrator.builders.configuration import VariationTable
from orchestrator.builders.variation import NO_VARIATION, Machine, Wanted, vary

LOAD_FREQ = 5.01
"""Seconds, with a hundred ticks in each (include/linux/sched/loadavg.h); with more of them it is less."""
MACHINE = Machine(cpus=(0, 1, 2, 3), nix_version="2.8.0", disorderfs="/usr/bin/disorderfs")
SCRATCH = Path("/scratch/builds")
NOTHING = Wanted(**dict.fromkeys((each.name for each in fields(Wanted)), False))


def choices(around: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = json.loads(around[-1])
    return found


def test_the_first_builder_is_as_it_comes() -> None:
    assert vary(0, Wanted(), MACHINE, SCRATCH) == NO_VARIATION


def test_the_second_differs_in_everything_that_can_be_had() -> None:
    made = vary(1, Wanted(), MACHINE, SCRATCH)
    assert made.flags == ("--cores", "5", "--max-jobs", "4", "--option", "impersonate-linux-26", "true")
    assert choices(made.around) == {
        "cpus": [1, 2, 3],
        "scratch": str(SCRATCH),
        "own_setting": False,
        "boottime": 34_560_000,
        "load": 3,
    }
    assert made.stagger > LOAD_FREQ, "the averages are worked out once in between, whenever that is"
    assert made.missing == {}


def test_the_third_differs_from_both() -> None:
    two, three = (vary(number, Wanted(), MACHINE, SCRATCH) for number in (1, 2))
    assert two.flags != three.flags
    assert three.stagger - two.stagger > LOAD_FREQ
    assert choices(two.around)["boottime"] != choices(three.around)["boottime"]


def test_a_later_start_alone_is_past_the_next_full_second_and_not_much_later() -> None:
    assert 1 < vary(1, replace(Wanted(), load=False), MACHINE, SCRATCH).stagger < 1.5
    assert vary(1, replace(Wanted(), start=False), MACHINE, SCRATCH).stagger == 0


def test_nothing_wanted_is_nothing_done() -> None:
    assert vary(1, NOTHING, MACHINE, SCRATCH) == NO_VARIATION


@pytest.mark.parametrize("name", [each.name for each in fields(Wanted)])
def test_each_can_be_had_alone_and_left_out_alone(name: str) -> None:
    alone = vary(1, replace(NOTHING, **{name: True}), MACHINE, SCRATCH)
    assert alone != NO_VARIATION
    without = vary(1, replace(Wanted(), **{name: False}), MACHINE, SCRATCH)
    # in memory, folders have another order already
    assert (without != vary(1, Wanted(), MACHINE, SCRATCH)) is (name != "directory_order")


def test_one_cpu_cannot_be_taken_away() -> None:
    made = vary(1, Wanted(), replace(MACHINE, cpus=(3,)), SCRATCH)
    assert made.missing == {"cpu-affinity": "there is one CPU only"}
    assert "cpus" not in choices(made.around)
    assert made.flags[:2] == ("--cores", "2")


def test_the_order_of_folders_on_a_disk_needs_disorderfs() -> None:
    wanted = Wanted(build_directory=False)
    assert choices(vary(1, wanted, MACHINE, SCRATCH).around)["disorderfs"] == "/usr/bin/disorderfs"
    without = vary(1, wanted, replace(MACHINE, disorderfs=None), SCRATCH)
    assert list(without.missing) == ["directory-order"]
    assert "scratch" not in choices(without.around)


@pytest.mark.parametrize(("version", "told"), [("2.8.0", False), ("2.21.4", False), ("2.34.8", True)])
def test_a_nix_with_a_setting_for_it_is_told_where_to_build(version: str, told: bool) -> None:
    made = vary(1, Wanted(), replace(MACHINE, nix_version=version), SCRATCH)
    assert choices(made.around)["own_setting"] is told


def test_tally_toml_names_every_one() -> None:
    assert VariationTable().wanted == Wanted()
    assert {
        name.replace("-", "_") for name in VariationTable.model_json_schema(by_alias=True)["properties"]
    } == {each.name for each in fields(Wanted)}
