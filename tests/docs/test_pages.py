"""The documentation's commands are run, and must say what the pages show.

In every page under docs/ and in README.md, fenced blocks mean:

    ```console            commands after `$ `, each followed by what it prints; run in order, in one scratch
                          copy of the repository a page, with `.venv/bin` first in PATH. Each must succeed.
    ```toml file=PATH     a file that the reader is asked to write
    anything else         shown, not run

In expected output `[...]` stands for anything in a line and, alone, for any lines. A command that shows
no output is only run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
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
        elif match := re.fullmatch(r"[a-z]+ file=(\S+)", info):
            yield File(line, match[1], body)


def commands(line: int, body: str) -> Iterator[Command]:
    assert body.startswith("$ "), f"line {line}: a console block starts with a command"
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        text, _, expected = part.partition("\n")
        while text.endswith("\\"):
            more, _, expected = expected.partition("\n")
            text += f"\n{more}"
        yield Command(line, text, expected.rstrip("\n"))


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


@pytest.fixture
def surroundings(session_state: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(sys.prefix, 'bin')}:{os.environ['PATH']}",
        "TALLY_STATE": str(session_state),
        "COLUMNS": "100",
        "MAKEFLAGS": "",
    }


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(steps(page.read_text()))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_the_page_says_what_happens(page: Path, checkout: Path, surroundings: dict[str, str]) -> None:
    follow(page, checkout, surroundings)


def test_the_how_tos_follow_each_other(checkout: Path, surroundings: dict[str, str]) -> None:
    """In one copy, in the order of README's table: no page leaves a state in which a later one fails."""
    table = re.findall(r"\]\((docs/how-to/[^)#]+)\)", (ROOT / "README.md").read_text())
    pages = [ROOT / name for name in dict.fromkeys(table)]
    assert sorted(pages) == sorted((ROOT / "docs/how-to").glob("*.md"))
    for page in pages:
        follow(page, checkout, surroundings)


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


def follow(page: Path, checkout: Path, surroundings: dict[str, str]) -> None:
    for step in steps(page.read_text()):
        if isinstance(step, File):
            (checkout / step.path).parent.mkdir(parents=True, exist_ok=True)
            (checkout / step.path).write_text(step.text)
            continue
        done = subprocess.run(
            ["bash", "-c", step.text],
            cwd=checkout,
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
        "```text\n$ not\n```\n"
    )
    assert list(steps(page)) == [
        File(1, "a/b.toml", "x = 1\n"),
        Command(5, "one \\\n  two", "out"),
        Command(5, "three", ""),
    ]
