"""A log's last lines tell which tool was left out, in the words of the programs that miss it."""

from __future__ import annotations

import subprocess

import pytest

from orchestrator.builders.lacking import lacking

GCC = "`gcc` was not found: add it to toolchain.packages"


@pytest.mark.parametrize(
    "line",
    [
        "/build/script: line 3: gcc: command not found",
        "sh: 1: gcc: not found",
        "/bin/sh: 1: gcc: not found",
        "/bin/sh: gcc: not found",
        "sh: line 1: gcc: command not found",
        "./mk: 4: gcc: not found",
        "/bin/sh: line 1: exec: gcc: not found",
        "make: gcc: No such file or directory",
        "make[2]: gcc: No such file or directory",
        "/usr/bin/env: 'gcc': No such file or directory",
        "env: gcc: No such file or directory",
        "configure: error: no acceptable C compiler found in $PATH",
        "  No CMAKE_C_COMPILER could be found.",
    ],
)
def test_a_compiler_that_was_left_out(line: str) -> None:
    assert lacking(["checking for gcc... no", line, "make: *** [Makefile:2: x] Error 127"]) == GCC


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "bash: line 3: curl: command not found",
            "and a build has no network: make what it is to fetch a source",
        ),
        ("configure: error: curl not found", "`curl` was not found: add it"),
        ("/bin/sh: 1: cc: not found", "`cc` was not found: add `gcc` (Debian's name) to toolchain.packages"),
        ("sh: line 1: ninja: command not found", "`ninja` was not found: add `ninja-build` (Debian's name)"),
        ("./x: line 81: aclocal-1.16: command not found", "add `automake` (Debian's name)"),
        (
            "bash: ./x.pl: /usr/bin/perl: bad interpreter: No such file or directory",
            "`perl` was not found: add it",
        ),
        ("script: line 1: make: command not found", "`make` was not found: add it"),
        ("script: line 1: cmake: not found", "`cmake` was not found: add it"),
        (
            "configure: error: The pkg-config script could not be found or is too old.",
            "`pkg-config` was not found",
        ),
        ("configure: error: C compiler cannot create executables", "add `libc6-dev` (Debian's name)"),
        ("/usr/bin/ld: cannot find crt1.o: No such file or directory", "add `libc6-dev` (Debian's name)"),
        (
            "a.c:1:10: fatal error: stdio.h: No such file or directory",
            "`stdio.h` was not found: add `libc6-dev`",
        ),
        (
            "a.c:1:10: fatal error: zlib.h: No such file or directory",
            "`zlib.h` was not found: add `zlib1g-dev`",
        ),
        ("a.c:1:10: fatal error: mine/own.h: No such file or directory", "if no part of the source makes it"),
        ("/usr/bin/ld: cannot find -lz: No such file or directory", "add `zlib1g-dev`"),
        ("/usr/bin/ld: cannot find -lz", "add `zlib1g-dev`"),
        ("No package 'zlib' found", "add `zlib1g-dev`"),
        ("Package libmine was not found in the pkg-config search path.", "if no part of the source makes it"),
    ],
)
def test_other_tools_headers_and_libraries(line: str, said: str) -> None:
    assert said in str(lacking([line]))


@pytest.mark.parametrize(
    "line",
    [
        "checking for gcc... not found",
        "./script: line 3: ./build-aux/helper: No such file or directory",
        "script: line 3: a-tool-of-the-source: command not found",
        "make: *** No rule to make target 'gcc', needed by 'all'.  Stop.",
        "cat: gcc: No such file or directory",
        "a.c:1:1: error: unknown type name 'x'",
        "error: make: it failed",
        "gcc: error: main.c: No such file or directory",
        "AssertionError: bash: gcc: not found, says the test",
    ],
)
def test_what_says_nothing_for_sure_gives_no_advice(line: str) -> None:
    assert lacking([line]) is None


def test_the_last_of_them_counts() -> None:
    lines = ["sh: 1: perl: not found", "sh: 1: make: not found"]
    assert lacking(lines) == "`make` was not found: add it to toolchain.packages"


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("how", ["-c", "file"])
def test_the_shells_of_this_machine_say_it_so(
    shell: str, how: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = "PATH=/nowhere\ngcc -o x x.c"
    file = tmp_path_factory.mktemp("script") / "script"
    file.write_text(script)
    words = [shell, "-c", script] if how == "-c" else [shell, str(file)]
    said = subprocess.run(
        words, capture_output=True, text=True, check=False, env={"PATH": "/bin:/usr/bin"}
    ).stderr
    assert lacking(said.splitlines()) == GCC, said
