"""Debian's machine-readable copyright files as SPDX expressions."""

from __future__ import annotations

import pytest

from orchestrator.pinning.copyright import expression_of, license_of
from orchestrator.recipe.licences import check_license

HEADER = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n"


@pytest.mark.parametrize(
    ("synopsis", "spdx"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("GPL", "GPL-1.0-or-later"),
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("zlib", "Zlib"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("MPL-2.0+", "MPL-2.0+"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("public-domain", "LicenseRef-public-domain"),
        ("Some (odd) licence_1", "LicenseRef-Some-odd-licence-1"),
        ("GPL-99", "LicenseRef-GPL-99"),
        ("GPL-2+ or Artistic", "GPL-2.0-or-later OR Artistic-1.0"),
        ("GPL-2+ or Artistic, and BSD-3-clause", "(GPL-2.0-or-later OR Artistic-1.0) AND BSD-3-Clause"),
        ("MIT, GPL-3", "MIT AND GPL-3.0-only"),
        ("BSD-3-clause and/or GPL-3+", "BSD-3-Clause OR GPL-3.0-or-later"),
        ("GPL-3+ with Bison exception", "GPL-3.0-or-later WITH Bison-exception-2.2"),
        ("GPL-2 with Linux-syscall-note exception", "GPL-2.0-only WITH Linux-syscall-note"),
        ("GPL-3+ with odd exception", "LicenseRef-GPL-3-with-odd-exception"),
    ],
)
def test_short_names(synopsis: str, spdx: str) -> None:
    assert expression_of(synopsis) == spdx
    assert check_license(spdx) == spdx


def test_every_upstream_licence_counts_once_and_packaging_does_not() -> None:
    text = HEADER + (
        "\nFiles: *\nCopyright: somebody\nLicense: GPL-3+\n This is free software.\n .\n License: MIT\n"
        "\nFiles: lib/*\nCopyright: another\nLicense: BSD-3-clause or GPL-2\n"
        "\nFiles: doc/* man/*\nCopyright: another\nLicense: GPL-3+ and FSFULLR\n"
        "\nFiles: debian/*\nCopyright: a packager\nLicense: Apache-2.0\n"
        "\nLicense: FSFULLR\n the text\n"
    )
    assert license_of(text) == "(BSD-3-Clause OR GPL-2.0-only) AND FSFULLR AND GPL-3.0-or-later"


def test_one_licence_stands_alone() -> None:
    assert license_of(HEADER + "\nFiles: *\nCopyright: x\nLicense: Expat\n") == "MIT"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "This is the Debian prepackaged version of the GNU C Library.\n\nLicense: GPL-2\n",
        HEADER,
        HEADER + "\nFiles: *\nCopyright: x\n",
        "\n\n\n",
        ":\n::\n",
    ],
)
def test_what_is_not_machine_readable_has_no_licence(text: str) -> None:
    assert license_of(text) is None
