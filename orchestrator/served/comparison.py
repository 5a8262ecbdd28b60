"""A file that was made and a file that is served, read and compared as what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.served import deb_comparison, zip_comparison
from orchestrator.served.arfiles import OddPackageError
from orchestrator.served.grade import Grade
from orchestrator.served.zipfiles import OddZipError

LARGEST: Final = 1 << 30
"""Bytes of a file that is compared, in memory."""


def of_files(made: Path, served: Path) -> Grade:
    """How alike they are. Raises TallyError for a served file that cannot be read to the last byte."""
    compare = {".deb": deb_comparison.compare, ".tgz": deb_comparison.compare_tarballs}.get(
        served.suffix, zip_comparison.compare
    )
    try:
        return compare(contents(made, LARGEST), contents(served, LARGEST))
    except (OddPackageError, OddZipError) as error:
        raise TallyError(f"{served.name}, as it is served, cannot be compared: {error}") from error
    except OSError as error:
        raise TallyError(f"cannot read {error.filename}: {error.strerror or error}") from error
