"""What the one-file `tally` starts with: `__main__.py` of its archive.

Compiled modules cannot be imported from an archive, so all of it is unpacked once, into the user's cache
folder, under the archive's own digest.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

PYTHON = (3, 11)  # whose compiled modules are within


def unpacked(archive: Path) -> Path:
    """The folder with what the archive holds."""
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tallystick" / "unpacked"
    place = cache / digest
    if not place.is_dir():
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = tempfile.mkdtemp(dir=cache)
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(scratch)
        try:
            Path(scratch).rename(place)
        except OSError:  # another process was quicker
            shutil.rmtree(scratch)
    return place


if __name__ == "__main__":
    if sys.version_info[:2] != PYTHON:
        sys.exit(
            f"tally: error: this file is for Python {PYTHON[0]}.{PYTHON[1]}\nhint: install the wheel instead"
        )
    try:
        sys.path[0] = str(unpacked(Path(sys.path[0])))
    except OSError as error:
        sys.exit(f"tally: error: cannot unpack it: {error}\nhint: name a folder of yours in XDG_CACHE_HOME")
    from orchestrator.cli.main import run

    run()
