"""The documentation's commands are run, and must say what the pages show.

In every page under docs/ and in README.md, fenced blocks mean:

    ```console            commands after `$ `, each followed by what it prints; run in order, with `.venv/bin`
                          in PATH, after a `tally` that begins warm. Each must succeed. Pages about a reader's
                          own repository run in one, which has the recipe of add-a-recipe.md; the others in a
                          scratch copy of this one. Pages about projects of one language have tests/projects/.
    ```console alone      one command, whose output has lines that begin with `$ `, too
    ```toml file=PATH     a file that the reader is asked to write
    anything else         shown, not run

In expected output `[...]` stands for anything in a line and, alone, for any lines. A command that shows
no output is only run.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gomodules
import pytest
import rust
from warm import WARM

if TYPE_CHECKING:
    from tests.conftest import TallyIn

ROOT = Path(__file__).resolve().parent.parent.parent
OWN = "in your own repository, with [Tallystick installed]"
RECIPE = "docs/how-to/add-a-recipe.md"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    line: int
    text: str
    expected: str


@dataclass(frozen=True)
class File:
    line: int
    path: str
    text: str


def steps(text: str) -> Iterator[Command | File]:
    """What a page asks its reader to do, in order."""
    for block in FENCE.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        info, body = block["info"].strip(), block["body"]
        if info == "console":
            yield from commands(line, body)
        elif info == "console alone":
            yield command(line, body.removeprefix("$ "))
        elif match := re.fullmatch(r"[a-z]+ file=(\S+)", info):
            yield File(line, match[1], body)


def commands(line: int, body: str) -> Iterator[Command]:
    assert body.startswith("$ "), f"line {line}: a console block starts with a command"
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        yield command(line, part)


def command(line: int, part: str) -> Command:
    text, _, expected = part.partition("\n")
    while text.endswith("\\"):
        more, _, expected = expected.partition("\n")
        text += f"\n{more}"
    return Command(line, text, expected.rstrip("\n"))


def pattern(expected: str) -> re.Pattern[str]:
    """Expected output as a regular expression over whole lines."""
    parts = []
    for line in expected.split("\n"):
        if line.strip() == "[...]":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append("[^\n]*".join(map(re.escape, line.rstrip().split("[...]"))) + r"[ ]*\n")
    return re.compile("".join(parts))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A scratch copy of the repository, set up as `make` leaves it."""
    folder = tmp_path / "tallystick"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, os.fsdecode(names).split("\0")):
        source, copy = ROOT / name, folder / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
            shutil.copymode(source, copy)
            os.utime(copy, (0, 0))  # older than .venv/stamp, so that no page sets the environment up again
    assert Path(sys.prefix, "stamp").exists(), "these tests run in the environment that `make .venv` makes"
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, tally_in: TallyIn) -> Path:
    """A reader's own repository, outside every clone of this one: a recipe and its lock, committed."""
    folder = tmp_path_factory.mktemp("readers") / "project"
    (folder / "recipes").mkdir(parents=True)
    for step in steps((ROOT / RECIPE).read_text()):
        if isinstance(step, File):
            (folder / step.path).write_text(step.text)
    shutil.copyfile(ROOT / "tally.lock", folder / "tally.lock")  # its sets need no index
    tally_in(folder)("lock").succeeded()
    git = ["git", "-C", str(folder)]
    for words in (
        ["init", "--quiet"],
        ["config", "user.name", "Reader"],
        ["config", "user.email", "reader@example.org"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "Add tree"],
    ):
        subprocess.run([*git, *words], check=True)
    return folder


@pytest.fixture
def own(project: Path, tmp_path: Path) -> Path:
    """A copy of the reader's repository, for one test."""
    return Path(shutil.copytree(project, tmp_path / "own", symlinks=True))


@pytest.fixture(scope="module")
def cargo_home(session_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where cargo is told of registries on loopback."""
    with rust.registries(session_state, tmp_path_factory.mktemp("cargo") / "home") as home:
        yield home


@pytest.fixture(scope="module")
def go_proxy(session_state: Path) -> Iterator[str]:
    """A module proxy on loopback."""
    with gomodules.GoProxy(gomodules.modules_of(session_state)).running() as proxy:
        yield proxy.address


@pytest.fixture
def of_ecosystem(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Path], Ecosystem | None]:
    """The project and the variables of a reader of such a page; None for another one."""

    def found(page: Path) -> Ecosystem | None:
        if page.name == "build-a-rust-project.md":
            home = request.getfixturevalue("cargo_home")
            return Ecosystem(rust.before(tmp_path / "rust"), {"CARGO_HOME": str(home)})
        if page.name == "build-a-go-project.md":
            folder = gomodules.repository(tmp_path / "go", ROOT / "tally.lock", recipes=False)
            return Ecosystem(folder, {"GOPROXY": request.getfixturevalue("go_proxy")})
        return None

    return found


@dataclass(frozen=True)
class Ecosystem:
    """What a page about projects of one language is read with."""

    folder: Path
    variables: dict[str, str]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Callable[[Path], Path]:
    """The reader's own repository, or a clone of this one: only what the page needs is made."""

    def found(page: Path) -> Path:
        name = "own" if OWN in " ".join(page.read_text().split()) else "checkout"
        return Path(request.getfixturevalue(name))

    return found


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program `tally`, which begins warm."""
    with WARM.program(tmp_path_factory.mktemp("bin")) as made:
        yield made


@pytest.fixture
def surroundings(session_state: Path, program: Path) -> dict[str, str]:
    return {
        # what a page runs is no part of the `make test` that may run these tests
        **{
            name: value
            for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        },
        "PATH": f"{program.parent}:{Path(sys.prefix, 'bin')}:{os.environ['PATH']}",
        "TALLY_STATE": str(session_state),
        "COLUMNS": "100",
        "MAKEFLAGS": "",
    }


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(steps(page.read_text()))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_page_says_what_happens(
    page: Path,
    place: Callable[[Path], Path],
    surroundings: dict[str, str],
    made: Path,
    of_ecosystem: Callable[[Path], Ecosystem | None],
) -> None:
    """Alone, in a copy of its own; and a reader of several how-tos has none in the way of another."""
    project = of_ecosystem(page)
    folder = project.folder if project else place(page)
    surroundings = {**surroundings, **(project.variables if project else {})}
    before = files_of(folder)
    follow(page, folder, surroundings)
    if "how-to" in page.parts:
        written = (
            files_of(folder)
            - before
            - {step.path for step in steps(page.read_text()) if isinstance(step, File)}
        )
        refuse_shared(made, page.name, written)


def test_the_tutorials_figures_are_of_this_commit(surroundings: dict[str, str]) -> None:
    """Its reader compares them: they follow every change of the recipe, the lock and our build scripts.

    Told without a build: the artifact's bytes hold a path that depends on the derivation. Its digest, and
    what it says when it is run, are compared where the page is followed.
    """
    command = ["tally", "plan", "recipes/hello.toml", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=surroundings, check=True, capture_output=True)
    derivation = re.search(rb'"derivation": "(/nix/store/[^"]*-hello-2\.10\.drv)"', done.stdout)
    assert derivation is not None
    page = (ROOT / "docs/tutorial.md").read_text()
    assert re.search(r"^  sha256    [0-9a-f]{64}$", page, re.MULTILINE)
    assert "$ demo/hello-2.10/bin/hello\nHello, world!\n" in page
    assert f"  derivation  {derivation[1].decode()}\n" in page, (
        "run `make demo`, and write its sha256 there, too"
    )


def test_readme_lists_every_how_to() -> None:
    table = re.findall(r"\]\((docs/how-to/[^)#]+)\)", (ROOT / "README.md").read_text())
    assert sorted({ROOT / name for name in table}) == sorted((ROOT / "docs/how-to").glob("*.md"))


def test_two_pages_that_write_one_file_say_so() -> None:
    """The second one's reader has the file already."""
    for name in {step.path for page in PAGES for step in steps(page.read_text()) if isinstance(step, File)}:
        pages = {page: page.read_text() for page in PAGES if f" file={name}\n" in page.read_text()}
        for page, text in pages.items() if len(pages) > 1 else ():
            before = text.partition(f" file={name}\n")[0].rpartition("\n\n")[0].rpartition("\n\n")[2]
            said = any(
                words in " ".join(before.split()) for words in ("beside what", "in place of", "to those")
            )
            assert said, f"{page.relative_to(ROOT)} does not say what becomes of a {name} that is there"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which each how-to's test says what the page made: of all workers."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-by-pages.json"


def files_of(folder: Path) -> set[str]:
    """The files and links of a folder, but for what git and Python keep there."""
    return {
        str(Path(root, name).relative_to(folder))
        for root, folders, files in os.walk(folder)
        for name in (*files, *(each for each in folders if Path(root, each).is_symlink()))
        if not {".git", ".venv", "__pycache__"} & set(Path(root, name).relative_to(folder).parts)
    }


def refuse_shared(made: Path, page: str, written: set[str]) -> None:
    """Write down what a page made. Fails where another page made the same: its reader would find it there."""
    with made.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        for line in stream.read().splitlines():
            other, files = json.loads(line)
            both = sorted(written & set(files)) if other != page else []
            assert not both, f"{page} and {other} both make {both[0]}"
        stream.write(json.dumps([page, sorted(written)]) + "\n")


def follow(page: Path, folder: Path, surroundings: dict[str, str]) -> None:
    for step in steps(page.read_text()):
        if isinstance(step, File):
            (folder / step.path).parent.mkdir(parents=True, exist_ok=True)
            (folder / step.path).write_text(step.text)
            continue
        done = subprocess.run(
            ["bash", "-c", step.text],
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1200,
            check=False,
        )
        place = f"{page.relative_to(ROOT)}:{step.line}: $ {step.text}"
        assert done.returncode == 0, f"{place}\nended with {done.returncode}:\n{done.stdout}"
        if step.expected:
            assert pattern(step.expected).fullmatch(done.stdout.rstrip("\n") + "\n"), (
                f"{place}\n--- the page says\n{step.expected}\n--- it printed\n{done.stdout}"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.relative_to(ROOT)} links to {target}"
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text()), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
            assert anchor in slugs, f"{page.relative_to(ROOT)} links to {target}; there are {sorted(slugs)}"


def test_patterns_match_only_what_they_say() -> None:
    assert pattern("a [...] c").fullmatch("a b c\n")
    assert not pattern("a [...] c").fullmatch("a\nc\n")
    assert pattern("a\n[...]\nz").fullmatch("a\nb\nc\nz\n")
    assert pattern("a\n[...]\nz").fullmatch("a\nz\n")
    assert not pattern("a").fullmatch("a\nb\n")
    assert not pattern("a.c").fullmatch("abc\n")


def test_steps_are_read_in_order() -> None:
    page = (
        "```toml file=a/b.toml\nx = 1\n```\n\n"
        "```console\n$ one \\\n  two\nout\n$ three\n```\n\n"
        "```text\n$ not\n```\n\n"
        "```console alone\n$ four\n$ said\n```\n"
    )
    assert list(steps(page)) == [
        File(1, "a/b.toml", "x = 1\n"),
        Command(5, "one \\\n  two", "out"),
        Command(5, "three", ""),
        Command(16, "four", "$ said"),
    ]


def test_pages_that_make_the_same_file_are_refused(tmp_path: Path) -> None:
    refuse_shared(tmp_path / "made", "one.md", {"out/a", "release.key"})
    refuse_shared(tmp_path / "made", "two.md", {"out/b"})
    with pytest.raises(AssertionError, match=r"three\.md and one\.md both make release\.key"):
        refuse_shared(tmp_path / "made", "three.md", {"release.key"})
