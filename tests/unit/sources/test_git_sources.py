"""Trees out of real git repositories: what the commit has, byte for byte, whatever the configuration says."""

from __future__ import annotations

import functools
import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from repositories import commit, exported, path_recipe, run_git

from orchestrator.ground.digest import NarHash
from orchestrator.ground.errors import TallyError
from orchestrator.ground.nar import nar_hash
from orchestrator.recipe.wanted import Wanted
from orchestrator.repositories import git
from orchestrator.repositories.gittree import export_tree
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors
from orchestrator.sources.pathsource import path_pins


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "lib/deep").mkdir(parents=True)
    (folder / "lib/text").write_bytes(b"one\ntwo $Id$ $Format:%H$\n")
    (folder / "lib/run").write_bytes(b"#!/bin/sh\n")
    (folder / "lib/run").chmod(0o755)
    (folder / "lib/deep/link").symlink_to("../text")
    (folder / "lib/a b\n[*]é").write_bytes(b"odd")
    (folder / "lib/left-out").write_bytes(b"x")
    # each of these would change a checkout or an archive
    (folder / ".gitattributes").write_text(
        "* text eol=crlf ident\nlib/text export-subst\nlib/left-out export-ignore\n"
    )
    (folder / "recipes").mkdir()
    commit(folder)
    return folder


def _copy(repository: Path, tmp_path: Path) -> Path:
    """The files of `lib` as they were written, without git."""
    target = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(repository / "lib"), str(target)], check=True)
    return target


@pytest.fixture
def served(repository: Path) -> Iterator[str]:
    """The repository on a web server that knows nothing of git."""
    run_git(repository, "update-server-info")
    handler = functools.partial(_Quiet, directory=str(repository / ".git"))
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def test_a_path_source_is_its_commits_bytes(repository: Path, tmp_path: Path) -> None:
    pin = path_pins(repository / "recipes", {"own": path_recipe()})["own", "src"]
    assert pin.digest == nar_hash(_copy(repository, tmp_path))
    assert pin.url == f"path:lib@{run_git(repository, 'rev-parse', 'HEAD')}"
    assert not pin.dirty
    sources = Sources(tmp_path / "sources", Mirrors(), repository / "recipes")
    place = sources.fetch(Wanted(pin.name, pin.digest, (pin.url,)))
    assert nar_hash(place) == pin.digest
    assert (place / "text").read_bytes() == b"one\ntwo $Id$ $Format:%H$\n"


def test_a_path_with_odd_characters_is_found_again(repository: Path, tmp_path: Path) -> None:
    (repository / "an @odd%20 path").mkdir()
    (repository / "an @odd%20 path/file").write_text("x")
    commit(repository)
    pin = path_pins(repository, {"own": path_recipe("an @odd%20 path")})["own", "src"]
    assert pin.url.startswith("path:an%20%40odd%2520%20path@")
    place = Sources(tmp_path / "sources", Mirrors(), repository).fetch(
        Wanted(pin.name, pin.digest, (pin.url,))
    )
    assert (place / "file").read_text() == "x"


def test_the_whole_repository_and_a_folder_that_is_not_there(repository: Path) -> None:
    assert path_pins(repository, {"own": path_recipe(".")})["own", "src"].url.startswith("path:.@")
    (repository / "empty").mkdir()
    for path, hint in (
        ("none", "from its top"),
        ("lib/text", "the folder that"),
        ("empty", "commit what is in"),
    ):
        with pytest.raises(TallyError, match=f"has no folder '{path}'") as told:
            path_pins(repository, {"own": path_recipe(path)})
        assert hint in str(told.value.hint)


@pytest.mark.parametrize("change", ["changed", "new", "deleted", "staged", "mode"])
def test_a_dirty_path_source_refuses(repository: Path, tmp_path: Path, change: str) -> None:
    match change:
        case "changed":
            (repository / "lib/text").write_text("other")
        case "new":
            (repository / "lib/new").write_text("new")
        case "deleted":
            (repository / "lib/text").unlink()
        case "staged":
            (repository / "lib/text").write_text("other")
            run_git(repository, "add", "lib/text")
        case "mode":
            (repository / "lib/text").chmod(0o755)
    with pytest.raises(TallyError, match="the path source lib differs from its commit: lib/") as caught:
        path_pins(repository, {"own": path_recipe()})
    assert caught.value.hint is not None
    assert "--allow-dirty" in caught.value.hint
    assert ("name what is no source, as lib/new, in .gitignore" in caught.value.hint) is (change == "new")
    pin = path_pins(repository, {"own": path_recipe()}, allow_dirty=True)["own", "src"]
    assert pin.dirty
    assert pin.url == "path:lib@"
    assert pin.digest == nar_hash(_copy(repository, tmp_path))
    sources = Sources(tmp_path / "sources", Mirrors(), repository)
    assert nar_hash(sources.fetch(Wanted(pin.name, pin.digest, (pin.url,)))) == pin.digest


def test_changes_elsewhere_and_ignored_files_do_not_make_it_dirty(repository: Path) -> None:
    (repository / "elsewhere").write_text("new")
    (repository / ".git/info/exclude").write_text("*.o\n")
    (repository / "lib/x.o").write_text("ignored")
    assert not path_pins(repository, {"own": path_recipe()})["own", "src"].dirty


def test_a_dirty_tree_that_changes_while_it_is_fetched_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "lib/new").write_text("new")
    pin = path_pins(repository, {"own": path_recipe()}, allow_dirty=True)["own", "src"]
    (repository / "lib/new").write_text("newer")
    with pytest.raises(TallyError, match=f"expected {pin.digest.hex}"):
        Sources(tmp_path / "sources", Mirrors(), repository).fetch(Wanted(pin.name, pin.digest, (pin.url,)))


def test_no_repository_no_commit_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TallyError, match="is in no git repository"):
        path_pins(tmp_path, {"own": path_recipe()})
    run_git(tmp_path, "init", "--quiet")
    with pytest.raises(TallyError, match="has no commit yet"):
        path_pins(tmp_path, {"own": path_recipe()})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TallyError, match="git is not here"):
        path_pins(tmp_path, {"own": path_recipe()})
    assert path_pins(tmp_path, {}) == {}


def test_another_repository_named_by_the_environment_is_not_used(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    run_git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert git.head(repository)[0] == repository


def test_a_git_source_over_http(served: str, repository: Path, tmp_path: Path) -> None:
    head = run_git(repository, "rev-parse", "HEAD")
    (tmp_path / "whole").mkdir()
    export_tree(repository, head, "", tmp_path / "whole")
    digest = nar_hash(tmp_path / "whole")
    sources = Sources(tmp_path / "sources", Mirrors())
    place = sources.fetch(Wanted("x", digest, (f"git+{served}@{head}",)))
    assert (place / "lib/left-out").read_bytes() == b"x"
    assert not (place / ".git").exists()

    with pytest.raises(TallyError) as caught:
        sources.fetch(Wanted("x", NarHash("0" * 64), (f"git+{served}@{head}",)))
    assert f"its NAR hash is {digest.hex}, expected {'0' * 64}" in caught.value.message
    assert not (tmp_path / "sources" / ("0" * 64) / "x").exists()

    with pytest.raises(TallyError, match="has no commit 1111"):
        sources.fetch(Wanted("x", NarHash("1" * 64), (f"git+{served}@{'1' * 40}",)))
    with pytest.raises(TallyError, match="git fetch failed"):
        sources.fetch(Wanted("x", NarHash("1" * 64), (f"git+{served}/none@{head}",)))


def test_a_sha256_repository(tmp_path: Path) -> None:
    folder = tmp_path / "sha256"
    folder.mkdir()
    run_git(folder, "init", "--quiet", "--object-format=sha256")
    (folder / "file").write_text("x")
    head = commit(folder)
    assert len(head) == 64
    assert exported(folder, head, tmp_path / "out") == {"file": "x"}


@pytest.mark.parametrize("served_by", ["git", "http"])
def test_a_tags_id_is_told_with_its_commit(
    repository: Path, tmp_path: Path, request: pytest.FixtureRequest, served_by: str
) -> None:
    run_git(repository, "tag", "--annotate", "--message", "tag v0", "v1")
    head, tag = run_git(repository, "rev-parse", "HEAD"), run_git(repository, "rev-parse", "v1")
    assert head != tag
    address = str(repository) if served_by == "git" else request.getfixturevalue("served")
    with pytest.raises(TallyError, match=f"that is tag v1, whose commit is {head}") as caught:
        exported(address, tag, tmp_path / "out")
    assert caught.value.hint == f'write rev = "{head}"'


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("hint: advice\nhint: more\nfatal: the reason\n", "the reason"),
        (
            "warning: w\nremote: Repository not found.\nfatal: repository 'u' not found\n",
            "Repository not found.; fatal",
        ),
        (
            "Permission denied (publickey).\nfatal: Could not read it.\n\nand the repository exists.\n",
            "Permission denied (publickey).; fatal: Could not read it.",
        ),
        ("", "exit status 3"),
        ("hint: nothing else\n", "exit status 3"),
    ],
)
def test_gits_own_reason_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, told: str
) -> None:
    (tmp_path / "git").write_text(
        f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\nexit 3\n" if said else "#!/bin/sh\nexit 3\n"
    )
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(TallyError) as caught:
        git.git(tmp_path, "fetch")
    assert caught.value.message.startswith("git fetch failed: ")
    assert told in caught.value.message
    assert not {"hint:", "warning:", "and the repository exists"} & set(caught.value.message.split())


def test_a_repository_of_another_user_says_how_to_trust_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its own tests
    monkeypatch.setattr(git, "_FOREIGN", re.compile("GIT_DIR"))
    with pytest.raises(TallyError, match="it belongs to another user") as caught:
        git.head(repository)
    assert caught.value.hint is not None
    assert f"git config --global --add safe.directory '{repository}'" in caught.value.hint
