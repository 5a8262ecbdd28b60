"""`tally compare`: two folders of 1,000 files with one difference, and two images with one changed file.

CPU time, whatever else has the CPUs: neither waits for anything but files.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from measure import TALLY, Figure, alternately, cpu_seconds, peak_memory, run

FILES, LIMIT = 1000, 0.5
MEMBERS, MEMBER = 2000, 1 << 20
TIMES, MEMORY = 1.3, 200
_DIFFERENT: Final = (1,)


def figures() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        return [*_folders(Path(folder)), *_images(Path(folder))]


def _folders(folder: Path) -> list[Figure]:
    for side in ("a", "b"):
        for number in range(FILES):
            path = folder / side / f"d{number // 50}" / f"f{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{side if number == FILES // 2 else number}\n" * 500)
    sides = folder / "a", folder / "b"
    compare = partial(run, [*TALLY, "compare", *sides], statuses=_DIFFERENT)
    diff = partial(run, ["diff", "-r", *sides], statuses=_DIFFERENT)
    measured, baseline = alternately(11, compare, diff, by=cpu_seconds)
    name = "tally compare, 1,000 files"
    return [Figure(name, measured, baseline, "diff -r", "s", measured <= LIMIT, f"{LIMIT} s")]


def _images(folder: Path) -> list[Figure]:
    sides = folder / "a.tar", folder / "b.tar"
    for path, text in zip(sides, (b"one", b"two"), strict=True):
        _image(path, text)
    command = [*TALLY, "compare", *sides]
    compare = partial(run, command, statuses=_DIFFERENT)
    read = partial(run, ["sh", "-c", 'cat "$@" > /dev/null', "sh", *sides])
    measured, baseline = alternately(11, compare, read, by=cpu_seconds)
    memory = peak_memory(command, statuses=_DIFFERENT)
    name = "tally compare, 2 images of 2 GB"
    within = measured <= TIMES * baseline
    return [
        Figure(name, measured, baseline, "reading both with cat", "s", within, f"{TIMES}x"),
        Figure(name, memory, 4.2e3, "both", "MB", memory <= MEMORY, f"{MEMORY} MB"),
    ]


def _image(path: Path, text: bytes) -> None:
    """A layout with one layer of many files, one of which has the text in it."""
    block = random.Random(1).randbytes(MEMBER)
    layer = path.with_suffix(".layer")
    with tarfile.open(layer, "w") as archive:
        for number in range(MEMBERS):
            data = block[number:] + block[:number]
            if number == MEMBERS * 9 // 10:
                data = text + data[len(text) :]
            _add(archive, f"usr/share/d{number % 50}/f{number}", data)
    with layer.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    blobs: dict[str, bytes] = {}
    config = json.dumps({"rootfs": {"diff_ids": [f"sha256:{digest}"]}}).encode()
    named = {"digest": f"sha256:{digest}", "size": layer.stat().st_size}
    manifest = json.dumps({"config": _named(config, blobs), "layers": [named]}).encode()
    index = json.dumps({"manifests": [_named(manifest, blobs)]}).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in sorted(blobs.items()):
            _add(archive, name, data)
        info = tarfile.TarInfo(f"blobs/sha256/{digest}")
        info.size = layer.stat().st_size
        with layer.open("rb") as stream:
            archive.addfile(info, stream)
        _add(archive, "index.json", index)
        _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    layer.unlink()


def _named(data: bytes, blobs: dict[str, bytes]) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    blobs[f"blobs/sha256/{digest}"] = data
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
