"""Debian packages, unpacked over one another into a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from orchestrator.pinning.request import package_output
from orchestrator.recipe.lock import DebianPackage
from orchestrator.recipe.wanted import wanted_from
from orchestrator.sources.folder import Sources


def unpack(packages: Iterable[DebianPackage], sources: Sources, root: Path) -> None:
    """Fetches what `sources` lacks of them. Raises TallyError where one cannot be had."""
    wanted = [wanted_from(package_output(each)) for each in packages]
    sources.fetch_all(sources.missing(wanted))
    root.mkdir(parents=True, exist_ok=True)
    for each in wanted:
        # a package of a release with merged /usr puts the links /bin, /lib, … in; one without, folders
        command = ["dpkg-deb", "--fsys-tarfile", str(sources.path(each))]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:
            unpacked = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
            subprocess.run(unpacked, stdin=unpacking.stdout, check=True)
        assert unpacking.returncode == 0, each
