"""What a lock file pins, as the values of a request: package URLs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestrator.dependencies.dependency import CommitTree, Dependency, Ecosystem, Locked
from orchestrator.ground.digest import Sha256
from orchestrator.pinning.depended import Depended, described, purl_of, with_needs


@pytest.mark.parametrize(
    ("registry", "urls", "purl"),
    [
        ("pypi", ("mirror://pypi/a-b/a",), "pkg:pypi/a-b@1.0"),
        (
            "https://index.test/simple",
            ("https://files.test/a",),
            "pkg:pypi/a-b@1.0?repository_url=https://index.test/simple",
        ),
        (
            "https://files.test/a",
            ("https://files.test/a",),
            "pkg:pypi/a-b@1.0?download_url=https://files.test/a",
        ),
    ],
)
def test_a_python_projects_index_is_in_its_purl(registry: str, urls: tuple[str, ...], purl: str) -> None:
    each = Dependency("A_b", "1.0", "a", Sha256("1" * 64), urls, registry, 1)
    assert purl_of(Ecosystem.PYTHON, each) == purl


def test_edges_that_files_tell_lead_to_what_is_there() -> None:
    def module(name: str, version: str, *, shipped: bool = True) -> Depended:
        return Depended(f"/{name}@{version}", Ecosystem.GO, name, version, True, shipped, ())

    every = (
        module("a", "v1.0.0"),
        module("b", "v1.2.0"),
        module("b", "v1.1.0", shipped=False),  # its go.mod alone
        module("c", "v1.0.0"),
        module("c", "v2.0.0"),
    )
    told = {"/a@v1.0.0": ["b@v1.1.0", "c@v2.0.0", "c@v1.5.0", "gone@v1.0.0", "a@v1.0.0"]}
    found = {each.path: each.needs for each in with_needs(every, told)}
    assert found.pop("/a@v1.0.0") == ("/b@v1.2.0", "/c@v2.0.0")
    assert set(found.values()) == {()}


@pytest.mark.parametrize(
    ("address", "extras"),
    [
        ("https://git.test/a", {"submodules": True}),
        ("ssh://git@git.test/a", {"submodules": True}),
        ("file:///srv/a", {}),
    ],
)
def test_a_tree_has_submodules_but_of_a_repository_of_this_machine(
    address: str, extras: Mapping[str, bool]
) -> None:
    """Such a repository's submodules may be of anything that the user can read."""
    tree = CommitTree(address, "1" * 40)
    each = Dependency("a", "1", "a-1", tree, (tree.url,), address, 1, rev=tree.rev)
    locked = Locked(Ecosystem.PYTHON, (each,), {})
    told = {tree.url: "2" * 64}
    said = described(locked, lock="uv.lock", source="main", sha256="3" * 64, place="uv.lock", told=told)
    (package,) = said["packages"]
    assert {key: package[key] for key in ("sha256", "mode")} == {"sha256": "2" * 64, "mode": "recursive"}
    assert {key: value for key, value in package.items() if key in ("submodules", "lfs")} == extras
