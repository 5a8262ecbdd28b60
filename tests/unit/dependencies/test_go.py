"""go.sum and what lies beside it: what is fetched, and every project that is refused with file and line."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from gomodules import Module

from orchestrator.dependencies.dependency import BadLock, GoHash, Inside, Locked
from orchestrator.dependencies.go import read
from orchestrator.dependencies.go_sum import escaped, hash1

TOML = Module("github.com/BurntSushi/toml", "v1.2.0", {"toml.go": b"package toml\n"})
ERRORS = Module("github.com/pkg/errors", "v0.9.1", {"errors.go": b"package errors\n"})
OLD = Module("github.com/pkg/errors", "v0.8.0", {})
GO_MOD = b"""\
module example.org/app

go 1.18

require (
	github.com/BurntSushi/toml v1.2.0
	github.com/pkg/errors v0.9.1 // indirect
)
"""
GO_SUM = f"{TOML.lines}{OLD.lines}{ERRORS.lines}"
FILES = {"go.mod": GO_MOD, "go.sum": GO_SUM.encode()}


def locked(files: Mapping[str, bytes] = FILES, lock: str = "go.sum") -> Locked:
    return read(lock, lock, files.get)


def test_a_module() -> None:
    found = {each.key: each for each in locked().dependencies}
    assert list(found) == [
        "github.com/BurntSushi/toml@v1.2.0",
        "github.com/pkg/errors@v0.8.0 at go.mod",
        "github.com/pkg/errors@v0.9.1",
    ]
    toml, old, errors = found.values()
    assert toml.digest == TOML.h1
    assert toml.urls == ("mirror://go/github.com/!burnt!sushi/toml/@v/v1.2.0.zip",)
    assert (toml.direct, errors.direct) == (True, False)
    assert old.urls == ("mirror://go/github.com/pkg/errors/@v/v0.8.0.mod",)
    assert not old.shipped, "it is read to choose versions, and nothing of it is built"


@pytest.mark.parametrize("lock", ["go.mod", "go.sum"])
def test_either_name_means_both_files(lock: str) -> None:
    assert locked(lock=lock).dependencies == locked().dependencies


def test_a_module_below_the_top() -> None:
    files = {f"tools/{name}": data for name, data in FILES.items()}
    assert locked(files, "tools/go.sum").dependencies == locked().dependencies


def test_a_known_hash() -> None:
    """That of a go.mod of a line, as everybody's go.sum has it."""
    assert hash1([("go.mod", b"module github.com/pkg/errors\n")]) == GoHash(
        "h1:bwawxfHBFNV+L2hUp1rHADufV3IMtnDRdf1r5NINEl0="
    )


def test_capitals_are_escaped() -> None:
    assert escaped("github.com/BurntSushi/TOML") == "github.com/!burnt!sushi/!t!o!m!l"


def test_what_stands_in_for_a_module() -> None:
    fork = Module("example.org/fork", "v1.0.0", {"a.go": b""})
    more = b"\nreplace github.com/BurntSushi/toml v1.2.0 => example.org/fork v1.0.0\n"
    more += b"replace (\n\tgithub.com/pkg/errors => ./errors // ours\n)\n"
    files = {"go.mod": GO_MOD + more, "go.sum": fork.lines.encode(), "errors/go.mod": b"module e\n"}
    [found] = locked(files).dependencies
    assert found.key == "example.org/fork@v1.0.0"
    assert found.direct


def test_a_workspace() -> None:
    tool = (
        b"module example.org/tool\n\nrequire (\n\texample.org/app v0.0.0\n\tgithub.com/pkg/errors v0.9.1\n)\n"
    )
    files = {
        "go.work": b"go 1.18\n\nuse (\n\t./app\n\t./tool\n)\n",
        "app/go.mod": GO_MOD,
        "app/go.sum": (TOML.lines + ERRORS.lines).encode(),
        "tool/go.mod": tool,
        "tool/go.sum": ERRORS.lines.encode(),
        "go.work.sum": OLD.lines.encode(),
    }
    found = locked(files, "go.work")
    assert [each.key for each in found.dependencies] == [each.key for each in locked().dependencies]
    assert [each.line for each in found.dependencies] == [4, 1, 4], "lines of go.work"
    assert (found.beside, locked().beside) == ({"mod": "readonly"}, {"mod": "mod"})
    assert all(each.direct == each.shipped for each in found.dependencies)
    with pytest.raises(BadLock, match=r"tool/go\.sum, line 1: .* has another hash in another go\.sum"):
        locked({**files, "tool/go.sum": _other(ERRORS).encode()}, "go.work")
    with pytest.raises(BadLock, match=r"go\.work, line 4: \.\./app leads out of the source"):
        locked({**files, "go.work": files["go.work"].replace(b"./app", b"../app")}, "go.work")
    with pytest.raises(BadLock, match=r"the source has no tool/go\.mod"):
        locked({name: data for name, data in files.items() if name != "tool/go.mod"}, "go.work")


def _other(module: Module) -> str:
    return Module(module.path, module.version, {"other.go": b""}).lines


VENDORED = b"""\
# github.com/BurntSushi/toml v1.2.0
## explicit; go 1.16
github.com/BurntSushi/toml
# github.com/pkg/errors v0.9.1
## explicit
github.com/pkg/errors
"""


def test_a_vendor_folder_needs_nothing() -> None:
    found = locked({**FILES, "vendor/modules.txt": VENDORED})
    assert found.dependencies == ()
    assert found.beside == {"mod": "vendor"}
    assert {(each.name, each.version) for each in found.inside} == {
        ("github.com/BurntSushi/toml", "v1.2.0"),
        ("github.com/pkg/errors", "v0.9.1"),
    }


def test_what_a_vendor_folder_holds() -> None:
    more = (
        b"# a.test/x v1.0.0 => b.test/x v1.1.0\na.test/x/y\n# a.test/o => ./o\na.test/o\n# a.test/z v1.0.0\n"
    )
    files = {**FILES, "vendor/modules.txt": VENDORED + more}
    assert Inside("b.test/x", "v1.1.0") in locked(files).inside
    assert not any(each.name in ("a.test/x", "a.test/o", "a.test/z") for each in locked(files).inside)
    with pytest.raises(BadLock, match=r"vendor/modules\.txt, line 7: 'a\.test/\.\./x' is no module's path"):
        locked({**files, "vendor/modules.txt": VENDORED + b"# a.test/../x v1.0.0\ny\n"})
    with pytest.raises(BadLock, match="line 1: '' is no module's path"):
        locked({**files, "vendor/modules.txt": b"y\n" + VENDORED})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            b"toml v1.2.0",
            b"toml v1.1.0",
            "vendor/modules.txt, line 1: github.com/BurntSushi/toml is v1.1.0, and go",
        ),
        (
            b"## explicit\n",
            b"",
            "go.mod, line 7: it requires github.com/pkg/errors v0.9.1, which vendor/modules.txt",
        ),
    ],
)
def test_a_vendor_folder_of_another_go_mod(old: bytes, new: bytes, said: str) -> None:
    with pytest.raises(BadLock) as caught:
        locked({**FILES, "vendor/modules.txt": VENDORED.replace(old, new)})
    assert said in caught.value.message


def test_a_vendor_folder_without_what_stands_in() -> None:
    more = b"\nreplace github.com/pkg/errors => example.org/fork v1.0.0\n"
    files = {**FILES, "go.mod": GO_MOD + more, "vendor/modules.txt": VENDORED}
    with pytest.raises(
        BadLock, match=r"go\.mod, line 10: it replaces github\.com/pkg/errors by example\.org/fork"
    ):
        locked(files)
    right = VENDORED.replace(b"errors v0.9.1", b"errors v0.9.1 => example.org/fork v1.0.0")
    assert locked({**files, "vendor/modules.txt": right}).dependencies == ()


LINE = GO_SUM.splitlines()[0]
BAD: dict[str, tuple[str, bytes, bytes, str]] = {
    "two words": ("go.sum", LINE.encode(), b"a v1.0.0", "go.sum, line 1: 2 words in place of"),
    "a merge": ("go.sum", LINE.encode(), b"<<<<<<< HEAD", "go.sum, line 1: 2 words in place of"),
    "no h1": ("go.sum", TOML.h1.h1.encode(), b"h2:abc", "go.sum, line 1: a hash of the kind"),
    "half an h1": ("go.sum", TOML.h1.h1.encode(), b"h1:abcd", "go.sum, line 1: 'h1:abcd' is no h1"),
    "a path that leads elsewhere": (
        "go.sum",
        b"github.com/pkg/errors v0.8",
        b"a/../b v0.8",
        "line 3: 'a/../b' is no",
    ),
    "a path from the top": (
        "go.sum",
        b"github.com/pkg/errors v0.8",
        b"/etc v0.8",
        "line 3: '/etc' is no module's",
    ),
    "a branch": (
        "go.sum",
        b"v0.8.0",
        b"master",
        "line 3: github.com/pkg/errors has the version 'master', which",
    ),
    "two hashes": (
        "go.sum",
        LINE.encode(),
        f"{LINE}\n{_other(TOML)}".encode(),
        "line 2: github.com/BurntSushi/toml",
    ),
    "a requirement without a line": (
        "go.mod",
        b"toml v1.2.0",
        b"toml v1.3.0",
        "go.mod, line 6: it requires github.com/BurntSushi/toml v1.3.0, which go.sum has no line for",
    ),
    "a block that goes on": (
        "go.mod",
        b"indirect\n)",
        b"indirect",
        "go.mod: the block of `require` is not closed",
    ),
    "half a requirement": ("go.mod", b"toml v1.2.0", b"toml", "go.mod, line 6: `require` is not followed by"),
    "a folder outside": (
        "go.mod",
        b"go 1.18",
        b"replace a => ../a",
        "go.mod, line 3: ../a leads out of the source",
    ),
    "a folder that is not there": (
        "go.mod",
        b"go 1.18",
        b"replace a => ./a",
        "go.mod, line 3: a is replaced by ./a, where no go.mod is",
    ),
    "no UTF-8": ("go.mod", b"go 1.18", b"go \xff", "go.mod, line 3: not UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_followed_is_refused_with_its_line(case: str) -> None:
    name, old, new, said = BAD[case]
    assert old in FILES[name]
    with pytest.raises(BadLock) as caught:
        locked({**FILES, name: FILES[name].replace(old, new, 1)})
    assert said in caught.value.message
    assert caught.value.hint


def test_no_go_mod() -> None:
    with pytest.raises(BadLock, match=r"the source has no go\.mod"):
        locked({"go.sum": GO_SUM.encode()})


def test_too_much() -> None:
    with pytest.raises(BadLock, match="larger than 16 MiB"):
        locked({**FILES, "go.sum": b"\n" * ((16 << 20) + 1)})
    with pytest.raises(BadLock, match="larger than 4 MiB"):
        locked({**FILES, "go.mod": b"\n" * ((4 << 20) + 1)})
