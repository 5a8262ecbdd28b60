"""What a virtual machine is made to look like: never like the machine it runs on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.builders.hardware import CLOCK_AHEAD, PLATFORMS, Hardware, unlike
from orchestrator.ground.errors import TallyError

MEMORY = "MemTotal:       24000000 kB\nMemFree:  1 kB\n"


@pytest.mark.parametrize(("cpus", "seen"), [(1, 2), (2, 1), (16, 15)])
def test_it_has_another_number_of_cpus(cpus: int, seen: int) -> None:
    assert unlike("", MEMORY, cpus, memory=None, disk=None, kvm=False).cpus == seen


def test_it_has_another_model_than_the_host_also_within_another_virtual_machine() -> None:
    assert unlike("model name : AMD EPYC", MEMORY, 2, memory=None, disk=None, kvm=True).cpu_model == "Nehalem"
    inside = "model name : Intel Core i7 9xx (Nehalem Class Core i7)"
    assert unlike(inside, MEMORY, 2, memory=None, disk=None, kvm=True).cpu_model == "SandyBridge"


@pytest.mark.parametrize(("total", "seen"), [(24_000_000, 4096), (4_000_000, 1953), (1_000_000, 1024)])
def test_it_takes_half_of_the_memory_at_most(total: int, seen: int) -> None:
    assert unlike("", f"MemTotal: {total} kB\n", 2, memory=None, disk=None, kvm=False).memory == seen


def test_what_is_given_counts() -> None:
    made = unlike("", MEMORY, 2, memory=2048, disk=7, kvm=False)
    assert (made.memory, made.disk, made.kvm) == (2048, 7, False)


@pytest.mark.parametrize(
    ("asked", "there", "tried", "emulated"),
    [
        (None, True, True, True),
        (None, False, False, True),
        (True, False, True, False),
        (False, True, False, True),
    ],
)
def test_kvm_is_used_where_it_is_there_or_asked_for(
    asked: bool | None, there: bool, tried: bool, emulated: bool
) -> None:
    made = unlike("", MEMORY, 2, memory=None, disk=None, kvm=asked, can_kvm=there)
    assert (made.kvm, made.emulate) == (tried, emulated)


def emulated(number: int, system: str = "aarch64-linux") -> Hardware:
    return unlike("", MEMORY, 2, memory=None, disk=None, kvm=None, can_kvm=True, system=system, number=number)


@pytest.mark.parametrize("system", list(PLATFORMS))
def test_several_differ_from_each_other_and_from_the_host(system: str) -> None:
    one, other = emulated(0, system), emulated(1, system)
    assert len({one.cpus, other.cpus, 2}) == 3
    assert one.cpu_model != other.cpu_model
    assert one.memory != other.memory
    assert one.ahead != other.ahead
    assert one.up_for_longer != other.up_for_longer


def test_no_clock_is_past_what_an_arm_machine_can_tell() -> None:
    latest = max(datetime.now(UTC) + emulated(number).ahead for number in range(100))
    assert latest < datetime(2106, 1, 1, tzinfo=UTC)


def test_a_machine_of_another_system_is_never_the_kernels() -> None:
    made = emulated(0)
    assert (made.kvm, made.foreign) == (False, True)
    assert made.platform.package == "qemu-system-arm"
    with pytest.raises(TallyError, match="none of aarch64-linux") as caught:
        unlike("", MEMORY, 2, memory=None, disk=None, kvm=True, system="aarch64-linux")
    assert "kvm = true" in (caught.value.hint or "")
    with pytest.raises(TallyError, match="no virtual machine for riscv64-linux"):
        emulated(0, "riscv64-linux")


def test_its_clock_shows_another_second_minute_day_and_year() -> None:
    seconds = int(CLOCK_AHEAD.total_seconds())
    assert seconds % 60 and seconds // 60 % 60 and seconds // 3600 % 24
    assert CLOCK_AHEAD.days > 5 * 366
