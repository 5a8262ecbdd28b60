"""Lays out a Debian package of tally, of the one file that it is: `debian.py FILE FOLDER`.

Nothing in it is compiled by Python: that is done where it is installed, as Debian's own packages have it.
Shells' completions are what the program itself prints, and its manual is the reference of its command line.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

PLACE = "usr/lib/tallystick"
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/tally",
    "zsh": "usr/share/zsh/vendor-completions/_tally",
    "fish": "usr/share/fish/vendor_completions.d/tally.fish",
}
MANUAL = "usr/share/man/man1/tally.1.gz"
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
_ASK = """
import sys
sys.argv[0] = "tally"
sys.path.insert(0, sys.argv.pop())
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
        **{name: _completion(shell, root / PLACE) for shell, name in COMPLETIONS.items()},
    }
    for name, text in written.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    version = file.name.split("-")[1]
    (root / MANUAL).parent.mkdir(parents=True)
    manual = _manual(Path("docs/reference/command-line.md").read_text(), version)
    (root / MANUAL).write_bytes(gzip.compress(manual.encode(), mtime=0))
    for each in sorted(root.rglob("*")):
        program = each.is_dir() or str(each.relative_to(root)) in ("usr/bin/tally", *_scripts())
        each.chmod(0o755 if program else 0o644)
    files = [each for each in sorted(root.rglob("*")) if each.is_file() and "DEBIAN" not in each.parts]
    size = sum(each.stat().st_size for each in files) // 1024
    (root / "DEBIAN/control").write_text(CONTROL.format(version=version, size=size))
    sums = (f"{hashlib.md5(each.read_bytes()).hexdigest()}  {each.relative_to(root)}\n" for each in files)
    (root / "DEBIAN/md5sums").write_text("".join(sums))


def _completion(shell: str, modules: Path) -> str:
    """The script that the program prints for a shell. Nothing is compiled meanwhile.

    zsh takes it for a completion by its first line, which must not be empty.
    """
    done = subprocess.run(
        [sys.executable, "-IBc", _ASK, str(modules.absolute())],
        env={**os.environ, "_TALLY_COMPLETE": f"source_{shell}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.lstrip("\n")


def _manual(reference: str, version: str) -> str:
    """The reference of the command line as a manual page: a section a command, with its help as it is."""
    lines = [
        f'.TH TALLY 1 "" "tallystick {version}" "User Commands"',
        ".SH NAME",
        r"tally \- hermetic builds that are signed only where builders agree",
    ]
    within = False
    for line in reference.splitlines():
        if line.startswith("```"):
            within = not within
            lines.append(".nf" if within else ".fi")
        elif within:
            plain = line.replace("\\", r"\e").replace("-", r"\-")
            lines.append(rf"\&{plain}" if plain.startswith((".", "'")) else plain)
        elif line.startswith("## "):
            lines.append(f".SH {line[3:].upper()}")
    return "\n".join([*lines, ""])


def _scripts() -> tuple[str, ...]:
    return "DEBIAN/postinst", "DEBIAN/prerm"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
