"""What virtual machines are made of is pinned like a toolchain, and what does not fit says how to mend it."""

from __future__ import annotations

from typing import Final

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.debian import BASE
from orchestrator.pinning.drift import drift
from orchestrator.pinning.machine import machine_packages, machine_request, machine_system
from orchestrator.recipe.lock import Busybox, DebianPackage, DebianSet, Lock, parse, text_of

DIGEST = "0" * 64
SYSTEM: Final = "x86_64-linux"
OTHER: Final = "aarch64-linux"
PACKAGES = machine_packages(SYSTEM)
KERNEL = "linux-image-6.1.0-50-cloud-amd64"


def package(name: str) -> DebianPackage:
    pool = f"pool/main/x/{name}/{name}_1_amd64.deb"
    return DebianPackage(name=name, version="1", architecture="amd64", pool=pool, sha256=DIGEST, size=1)


def lock(*names: str, request: tuple[str, ...] = PACKAGES, base: tuple[str, ...] = BASE) -> Lock:
    packages = [package(name) for name in names]
    box = package("busybox-static")
    machine = DebianSet(
        system=SYSTEM, request=request, base=base, packages=tuple(each.file for each in packages)
    )
    busybox = Busybox(system=SYSTEM, package=box.file, nar_sha256=DIGEST)
    return Lock(package=(*packages, box), machine=(machine,), busybox=(busybox,))


def test_the_kernel_stays_out_of_the_root() -> None:
    request = machine_request(lock("nix-bin", KERNEL, "linux-image-cloud-amd64"), SYSTEM, SYSTEM)
    assert request["machine"]["kernel"] == f"{KERNEL}_1_amd64.deb"
    assert request["machine"]["packages"] == ["nix-bin_1_amd64.deb", "linux-image-cloud-amd64_1_amd64.deb"]
    assert set(request["packages"]) == {*request["machine"]["packages"], f"{KERNEL}_1_amd64.deb"}


@pytest.mark.parametrize(
    "held",
    [Lock(), lock("nix-bin", KERNEL, request=("nix-bin",)), lock("nix-bin"), lock(KERNEL, f"{KERNEL}2")],
)
def test_a_lock_without_a_whole_machine_says_what_to_do(held: Lock) -> None:
    with pytest.raises(TallyError) as caught:
        machine_request(held, SYSTEM, SYSTEM)
    assert "tally lock --vm" in (caught.value.hint or "")


def both() -> Lock:
    """A lock with the machine of another system beside our own."""
    own = lock("nix-bin", KERNEL)
    kernel = package("linux-image-6.1.0-50-cloud-arm64").model_copy(
        update={"pool": "pool/main/x/l/linux-image-6.1.0-50-cloud-arm64_1_arm64.deb"}
    )
    box = package("busybox-static").model_copy(update={"pool": "pool/main/x/b/busybox-static_1_arm64.deb"})
    machine = DebianSet(
        system=OTHER,
        request=machine_packages(OTHER),
        base=BASE,
        packages=(kernel.file, "nix-bin_1_amd64.deb"),
    )
    busybox = Busybox(system=OTHER, package=box.file, nar_sha256="1" * 64)
    return Lock(
        package=(*own.package, kernel, box),
        machine=(*own.machine, machine),
        busybox=(*own.busybox, busybox),
    )


def test_another_systems_image_is_packed_with_our_own_programs() -> None:
    request = machine_request(both(), OTHER, SYSTEM)
    machine = request["machine"]
    assert request["system"] == SYSTEM, "nothing of the other system runs while it is packed"
    assert request["busybox"]["sha256"] == DIGEST
    assert request["packages"][machine["busybox"]]["sha256"] == "1" * 64, "this one starts it"
    assert machine["kernel"] == "linux-image-6.1.0-50-cloud-arm64_1_arm64.deb"
    assert machine["packages"] == ["nix-bin_1_amd64.deb"]
    assert machine["packers"] == ["nix-bin_1_amd64.deb"], "without our own kernel, which nobody runs"
    assert f"{KERNEL}_1_amd64.deb" not in request["packages"]


def test_another_systems_image_needs_both_machines_pinned() -> None:
    for held, lacking in (
        (lock("nix-bin", KERNEL), OTHER),
        (both().model_copy(update={"machine": both().machine[1:]}), SYSTEM),
    ):
        with pytest.raises(TallyError, match=f"packages for {lacking}") as caught:
            machine_request(held, OTHER, SYSTEM)
        assert f"tally lock --vm --system {OTHER}" in (caught.value.hint or "")


def test_there_is_none_for_other_systems() -> None:
    with pytest.raises(TallyError, match="no virtual machine for riscv64-linux"):
        machine_system("riscv64-linux")


def test_the_lock_keeps_it_as_text() -> None:
    held = lock("nix-bin", KERNEL)
    assert parse(text_of(held), "tally.lock") == parse(text_of(parse(text_of(held), "x")), "x")
    assert parse(text_of(held), "tally.lock").machine == held.machine


def test_a_machine_names_only_packages_that_are_pinned() -> None:
    text = text_of(lock("nix-bin", KERNEL)).replace('"nix-bin_1_amd64.deb"', '"nix-bin_2_amd64.deb"')
    with pytest.raises(TallyError, match="machine of x86_64-linux names nix-bin_2"):
        parse(text, "tally.lock")


def test_two_machines_for_one_system_are_none() -> None:
    held = lock("nix-bin", KERNEL)
    twice = held.model_copy(update={"machine": held.machine * 2})
    with pytest.raises(TallyError, match=r"two tables \[\[machine\]\]"):
        parse(text_of(twice), "tally.lock")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (lock("nix-bin", KERNEL), None),
        (lock("nix-bin", KERNEL, request=("nix-bin",)), "from another list of packages"),
        (lock("nix-bin", KERNEL, base=("bash",)), "with another base set"),
    ],
)
def test_what_was_pinned_for_another_machine_is_drift(held: Lock, said: str | None, tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = list(drift({}, held, tmp_path / "flake.lock"))
    assert (len(found) == 1 and said in found[0]) if said else found == []
