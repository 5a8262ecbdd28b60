"""Makes one file that Python runs, of a folder with wheels and of this source: `archive.py WHEELS FILE`.

Files are sorted. `python3 -m zipapp` of Python 3.11 takes them in the order of the file system, and two
builders disagreed on it.
"""

import re
import sys
import zipfile
from pathlib import Path

_LEVEL = 1  # what follows takes several times as long, and saves a tenth
_PLACES = re.compile(r"[^/]+\.data/(purelib|platlib)/")
_NOT_IMPORTED = re.compile(r"[^/]+\.data/")  # programs, headers and pages
_TIME = (1980, 1, 1, 0, 0, 0)


def main(wheels: Path, file: Path) -> None:
    found = {
        str(path): path.read_bytes()
        for path in Path("orchestrator").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    found["__main__.py"] = Path("package/start.py").read_bytes()
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            for entry in archive.infolist():
                name = _PLACES.sub("", entry.filename)
                if entry.is_dir() or _NOT_IMPORTED.match(name):
                    continue
                if found.setdefault(name, data := archive.read(entry)) != data:
                    sys.exit(f"{wheel.name}: {name} is in another wheel as well, and differs")
    with file.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3.11\n")
        with zipfile.ZipFile(stream, "w") as archive:
            for name in sorted(found):
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, found[name], zipfile.ZIP_DEFLATED, _LEVEL)
    file.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
