"""Lays out a Debian package of tally, of the one file that it is: `debian.py FILE FOLDER`.

Nothing in it is compiled by Python: that is done where it is installed, as Debian's own packages have it.
"""

import hashlib
import sys
import zipfile
from pathlib import Path

PLACE = "usr/lib/tallystick"
CONTROL = """\
Package: tallystick
Version: {version}
Architecture: amd64
Maintainer: Tallystick <tallystick@example.org>
Section: devel
Priority: optional
Homepage: https://example.org/tallystick
Installed-Size: {size}
Depends: python3 (>= 3.11~), python3 (<< 3.12), libc6, libgcc-s1, libstdc++6, nix-bin (>= 2.8)
Recommends: ca-certificates, git, openssh-client
Suggests: debian-archive-keyring, diffoscope, qemu-system-x86, qemu-system-arm
Description: hermetic builds that are signed only where builders agree
 Builds a release on builders that do not trust each other, compares every
 bit, accounts for every input, and signs when the builders agree.
 .
 All Python modules that it needs are within, as its project pins them.
"""
PROGRAM = f"""\
#!/usr/bin/python3 -I
import sys

sys.path.insert(0, "/{PLACE}")
from orchestrator.cli.main import run

run()
"""
POSTINST = f"""\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
    py3compile -p tallystick /{PLACE} || true
fi
"""
PRERM = """\
#!/bin/sh
set -e
py3clean -p tallystick
"""


def main(file: Path, root: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        archive.extractall(root / PLACE)
    (root / PLACE / "__main__.py").unlink()  # it unpacks what lies unpacked here
    written = {
        "usr/bin/tally": PROGRAM,
        "usr/share/doc/tallystick/copyright": Path("LICENSE").read_text(),
        "DEBIAN/postinst": POSTINST,
        "DEBIAN/prerm": PRERM,
    }
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for each in sorted(root.rglob("*")):
        program = each.is_dir() or str(each.relative_to(root)) in ("usr/bin/tally", *_scripts())
        each.chmod(0o755 if program else 0o644)
    version = file.name.split("-")[1]
    files = [each for each in sorted(root.rglob("*")) if each.is_file() and "DEBIAN" not in each.parts]
    size = sum(each.stat().st_size for each in files) // 1024
    (root / "DEBIAN/control").write_text(CONTROL.format(version=version, size=size))
    sums = (f"{hashlib.md5(each.read_bytes()).hexdigest()}  {each.relative_to(root)}\n" for each in files)
    (root / "DEBIAN/md5sums").write_text("".join(sums))


def _scripts() -> tuple[str, ...]:
    return "DEBIAN/postinst", "DEBIAN/prerm"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
