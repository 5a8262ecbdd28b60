"""What a git tree holds besides its own files: submodules, and large files that git-lfs keeps elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from repositories import commit, content, exported, path_recipe, run_git

from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.recipe.wanted import Extras, Wanted
from orchestrator.repositories.gitremote import address_of
from orchestrator.repositories.gittree import empty_folders
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pathsource import path_pins


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "lib").mkdir(parents=True)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "lib/text").write_text("own")
    commit(folder)
    return folder


@pytest.fixture
def nested(repository: Path) -> tuple[Path, str]:
    """The repository with a submodule at lib/sub, whose own submodule has the file `deepest`."""
    (repository.parent / "modules").mkdir()
    inner, outer = repository.parent / "modules/inner", repository.parent / "modules/outer"
    for folder in (inner, outer):
        folder.mkdir()
        run_git(folder, "init", "--quiet")
        (folder / "text").write_text(folder.name)
        commit(folder)
    local = ("-c", "protocol.file.allow=always", "submodule", "add", "--quiet")
    run_git(outer, *local, "../inner", "deepest")
    commit(outer)
    run_git(repository, *local, "../modules/outer", "lib/sub")
    run_git(
        repository,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "update",
        "--init",
        "--recursive",
        "--quiet",
    )
    return repository, commit(repository)


def test_submodules_are_empty_folders_until_they_are_asked_for(
    nested: tuple[Path, str], tmp_path: Path
) -> None:
    repository, head = nested
    without = exported(repository, head, tmp_path / "without")
    assert without["lib/sub"] is None
    whole = exported(repository, head, tmp_path / "with", submodules=True)
    assert whole["lib/sub/text"] == "outer"
    assert whole["lib/sub/deepest/text"] == "inner"
    assert not [name for name in whole if ".git/" in name or name.endswith("/.git")]
    assert empty_folders(tmp_path / "without") == ("lib/sub",)
    assert empty_folders(tmp_path / "with") == ()


@pytest.mark.parametrize("dirty", [False, True])
def test_submodules_of_a_path_source(nested: tuple[Path, str], tmp_path: Path, dirty: bool) -> None:
    repository, _ = nested
    if dirty:
        (repository / "lib/new").write_text("new")
    for submodules in (False, True):
        recipes = {"own": path_recipe(submodules=submodules)}
        pin = path_pins(repository, recipes, allow_dirty=dirty)["own", "src"]
        sources = Sources(tmp_path / "sources", Mirrors(), repository)
        wanted = Wanted(pin.name, pin.digest, (pin.url,), extras=Extras(submodules))
        seen = content(sources.fetch(wanted))
        assert ("new" in seen) is dirty
        if submodules:
            assert (seen["sub/text"], seen["sub/deepest/text"]) == ("outer", "inner")
        else:
            assert seen["sub"] is None


def test_a_submodule_that_is_not_checked_out_says_how(nested: tuple[Path, str]) -> None:
    repository, _ = nested
    run_git(repository, "submodule", "deinit", "--force", "--quiet", "lib/sub")
    assert not path_pins(repository, {"own": path_recipe()})["own", "src"].dirty
    with pytest.raises(TallyError, match="path source lib: the submodule sub is not checked out") as caught:
        path_pins(repository, {"own": path_recipe(submodules=True)})
    assert "git submodule update --init" in (caught.value.hint or "")


def test_a_changed_submodule_makes_a_path_source_dirty(nested: tuple[Path, str]) -> None:
    repository, _ = nested
    (repository / "lib/sub/text").write_text("changed")
    with pytest.raises(TallyError, match="differs from its commit: lib/sub"):
        path_pins(repository, {"own": path_recipe(submodules=True)})


def test_a_submodule_without_an_address_is_told(repository: Path, tmp_path: Path) -> None:
    head = run_git(repository, "rev-parse", "HEAD")
    run_git(repository, "update-index", "--add", "--cacheinfo", f"160000,{head},lib/module")
    run_git(repository, "commit", "--quiet", "--message", "x")
    head = run_git(repository, "rev-parse", "HEAD")
    with pytest.raises(TallyError, match=r"\.gitmodules of .* has no address for the submodule lib/module"):
        exported(repository, head, tmp_path / "out", submodules=True)


@pytest.mark.parametrize(
    ("url", "is_at"),
    [
        ("../b.git", "https://example.org/x/b.git"),
        ("./b", "https://example.org/x/a.git/b"),
        ("../../y/b", "https://example.org/y/b"),
        ("https://example.com/b", "https://example.com/b"),
        ("git@example.com:x/b.git", "git@example.com:x/b.git"),
    ],
)
def test_where_a_submodule_is(url: str, is_at: str) -> None:
    assert address_of(url, "https://example.org/x/a.git/") == is_at


@pytest.mark.parametrize(
    "url",
    [
        *(
            "../../../../b",
            "ext::sh -c x",
            "file:///etc",
            "/etc",
            "--upload-pack=x",
            "https://-x/",
            "a b",
            "",
        ),
        *("-u@h:x", "--foo@h:x", "a@-oX:y", "ssh://a@-oP/x", "ssh://-oP/x"),
    ],
)
def test_a_submodule_is_nowhere_else(url: str) -> None:
    with pytest.raises(TallyError, match="submodule's"):
        address_of(url, "https://example.org/x/a.git")


CONTENT = "what the file holds\n" * 100


@pytest.fixture
def large(repository: Path) -> tuple[Path, str]:
    """The repository with git-lfs's pointer at lib/large, and the object where git-lfs keeps it."""
    digest = Sha256.of(CONTENT.encode()).hex
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(CONTENT)}\n"
    (repository / "lib/large").write_text(pointer)
    (repository / "lib/large").chmod(0o755)
    # what only looks like one
    (repository / "lib/about").write_text(pointer.replace("oid sha256:", "oid md5:"))
    (repository / "lib/longer").write_text(pointer + "x" * 1024)
    place = repository / ".git/lfs/objects" / digest[:2] / digest[2:4] / digest
    place.parent.mkdir(parents=True)
    place.write_text(CONTENT)
    return repository, commit(repository)


def test_large_files_are_refused_kept_or_brought_in(large: tuple[Path, str], tmp_path: Path) -> None:
    repository, head = large
    with pytest.raises(TallyError, match="git-lfs keeps the content of lib/large elsewhere") as caught:
        exported(repository, head, tmp_path / "refused")
    assert caught.value.hint is not None
    assert "lfs = true" in caught.value.hint
    assert "oid sha256:" in (exported(repository, head, tmp_path / "kept", lfs=False)["lib/large"] or "")

    with pytest.raises(TallyError, match="the path source lib: git-lfs keeps the content of large elsewhere"):
        path_pins(repository, {"own": path_recipe()})
    sources = Sources(tmp_path / "sources", Mirrors(), repository)
    for lfs, holds in ((True, CONTENT), (False, (repository / "lib/large").read_text())):
        pin = path_pins(repository, {"own": path_recipe(lfs=lfs)})["own", "src"]
        tree = sources.fetch(Wanted(pin.name, pin.digest, (pin.url,), extras=Extras(lfs=lfs)))
        assert (tree / "large").read_text() == holds
        assert (tree / "large").stat().st_mode & 0o111


def test_a_large_file_that_is_not_there_or_another_is_told(large: tuple[Path, str]) -> None:
    repository, _ = large
    [place] = [path for path in (repository / ".git/lfs/objects").rglob("*") if path.is_file()]
    place.write_text("other")
    with pytest.raises(TallyError, match="other content for large"):
        path_pins(repository, {"own": path_recipe(lfs=True)})
    place.unlink()
    with pytest.raises(TallyError, match="the content of large is not among") as caught:
        path_pins(repository, {"own": path_recipe(lfs=True)})
    assert "git lfs fetch" in (caught.value.hint or "")


def test_without_git_lfs_it_is_named(
    large: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, head = large
    (tmp_path / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TallyError, match="git-lfs is not here") as caught:
        exported(repository, head, tmp_path / "none", lfs=True)
    assert "apt-get install git-lfs" in (caught.value.hint or "")


def test_a_refused_source_says_what_to_write(large: tuple[Path, str], tmp_path: Path) -> None:
    repository, head = large
    wanted = Wanted("x", NarHash("0" * 64), (f"git+file://{repository}@{head}",))
    with pytest.raises(TallyError, match="lib/large") as caught:
        Sources(tmp_path / "sources", Mirrors()).fetch(wanted)
    assert "lfs = true" in (caught.value.hint or "")
