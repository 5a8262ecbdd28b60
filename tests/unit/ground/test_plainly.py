"""What Python's errors come to: a person's words, whatever went wrong with whichever file."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orchestrator.builders import probe
from orchestrator.bundles import containers, trust
from orchestrator.evidence import canonical
from orchestrator.evidence.canonical import MalformedError
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.nix import entry
from orchestrator.sources import deb

PYTHONS = re.compile(
    r"codec|Expecting|literal|Errno|Traceback|NoneType|<class|\bchar \d|\bint\b|\bstr\b|\bdict\b|fromhex|"
    r"isoformat|subprocess|Error\b|Command '|object is not|(?<![\w'])b'"
)
"""What no sentence of ours says."""

BYTES = {
    "nothing": b"",
    "blanks": b" \n\n",
    "binary": b"\xff\xfe\x00abc",
    "half of it": b'{\n "a": [1,',
    "another encoding": b'{"a":\n"caf\xe9"}',
    "no names": b"{1: 2}",
    "no colon": b'{"a" 1}',
    "no comma": b'{"a": 1 "d": 2}',
    "a comma too many": b'{"a": 1,}',
    "more behind": b"{} {}",
    "an open text": b'{"a": "d}',
    "a line's end in a text": b'{"a": "\n"}',
    "an odd escape": rb'{"a": "\q"}',
    "half an escape": rb'{"a": "\u12"}',
    "prose": b"<html>",
    "null": b"null",
    "a text": b'"x"',
    "a number": b"1",
    "a list": b"[]",
    "an object": b'{"a": 1}',
    "endless": b"[" * 100_000,
}


def _bundle(data: bytes, _: Path) -> None:
    for part in containers.found(data, "it"):
        if isinstance(part, MalformedError | TallyError):
            raise part
        canonical.member(part.document, "mediaType", str, "it")


def _root(data: bytes, folder: Path) -> None:
    (folder / "root.json").write_bytes(data)
    trust.load(folder / "root.json")


def _package(data: bytes, folder: Path) -> None:
    header = b"data.tar".ljust(48) + data[:10].ljust(10) + b"`\n"
    (folder / "x.deb").write_bytes(b"!<arch>\n" + header + data)
    deb.read_first(folder / "x.deb", ["x"])


READERS: dict[str, Callable[[bytes, Path], object]] = {
    "a document": lambda data, _: canonical.member(canonical.read(data, "it"), "b", dict, "it"),
    "an envelope": lambda data, _: canonical.member(canonical.read_envelope(data, "it"), "b", int, "it"),
    "base64": lambda data, _: (
        canonical.decoded(data, "it") if data.strip() else canonical.decoded(b"=", "it")
    ),
    "a bundle": _bundle,
    "a trusted root": _root,
    "a proof": lambda data, _: probe.read_proof(data.decode("latin-1")),
    "what a probe saw": lambda data, _: probe.read_surroundings(data.decode("latin-1")),
    "Nix's answer": lambda data, _: entry.read(data.decode("latin-1")),
    "a package": _package,
}


@pytest.mark.parametrize("reader", READERS)
def test_no_reader_speaks_python(reader: str, tmp_path: Path) -> None:
    told = {}
    for name, data in BYTES.items():
        try:
            READERS[reader](data, tmp_path)
        except (TallyError, MalformedError, ValueError) as error:
            told[name] = str(error)
    assert told, "none was refused"
    assert {name: said for name, said in told.items() if PYTHONS.search(said)} == {}


def _copied(folder: Path) -> None:
    (folder / "from").mkdir()
    (folder / "from" / "pipe").symlink_to("nowhere")
    shutil.copytree(folder / "from", folder / "to")  # follows the link


RAISING: dict[str, tuple[Callable[[Path], object], str]] = {
    "a file that is not there": (lambda folder: (folder / "x").read_text(), "No such file or directory"),
    "a closed descriptor": (lambda _: os.fstat(999), "Bad file descriptor"),
    "a tree that cannot be copied": (_copied, "No such file or directory"),
    "a number": (lambda _: int("x1"), "'x1' is no whole number"),
    "a number in bytes": (lambda _: int(b"x1"), "'x1' is no whole number"),
    "hexadecimal": (lambda _: bytes.fromhex("zz"), "it is not in hexadecimal"),
    "base64": (lambda _: b64decode("abc"), "it is not in base64"),
    "a time": (lambda _: datetime.fromisoformat("noon"), "'noon' is no date or time"),
    "a port": (lambda _: urlsplit("http://x:port/").port, "its port 'port' is no number"),
    "a port too large": (lambda _: urlsplit("http://x:99999/").port, "its port is not between 0 and 65535"),
    "a bracket": (lambda _: urlsplit("http://[x/"), "a bracket of its host is missing"),
    "a name that is missing": (lambda _: os.environ["NO_SUCH"], "it has no 'NO_SUCH'"),
    "another kind": (lambda _: int([]), "a value is of another kind than it has to be"),  # type: ignore[call-overload]
    "a line": (lambda _: b"a\nb\n\xff".decode(), "line 3 is not in UTF-8"),
    "a place in JSON": (lambda _: json.loads('{\n"a" 1}'), "line 2, column 5: a `:` is missing"),
    "a process that takes too long": (
        lambda _: subprocess.run(["sleep", "9"], timeout=0.01, check=False),
        "no answer within 0.01 seconds",
    ),
}


@pytest.mark.parametrize("name", RAISING)
def test_the_reason_is_plain(name: str, tmp_path: Path) -> None:
    act, plain = RAISING[name]
    try:
        act(tmp_path)
    except Exception as error:  # noqa: BLE001  which one is the point
        said = why(error)
    assert plain in said
    assert not PYTHONS.search(said)


def test_an_error_without_words() -> None:
    assert why(ValueError()) == why(OSError()) == "no reason was given"
    assert why(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))) == "No space left on device"
