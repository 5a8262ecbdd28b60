"""What people call licences leads to the SPDX identifier that says the same."""

from __future__ import annotations

import pytest

from orchestrator.recipe.licences import check_license


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("BSD3", "'BSD-3-Clause'"),
        ("BSD2", "'BSD-2-Clause'"),
        ("BSD", "'BSD-3-Clause' or 'BSD-2-Clause'"),
        ("new BSD", "'BSD-3-Clause'"),
        ("3-Clause BSD", "'BSD-3-Clause'"),
        ("Apache", "'Apache-2.0'"),
        ("Apache-2", "'Apache-2.0'"),
        ("Apache License, Version 2.0", "'Apache-2.0'"),
        ("GPLv2", "'GPL-2.0-only' or 'GPL-2.0-or-later'"),
        ("GPLv2+", "'GPL-2.0-or-later'"),
        ("GPL v3 or later", "'GPL-3.0-or-later'"),
        ("GNU General Public License v3", "'GPL-3.0-only' or 'GPL-3.0-or-later'"),
        ("LGPLv2.1+", "'LGPL-2.1-or-later'"),
        ("GPL-3.0-or-latter", "'GPL-3.0-or-later'"),
        ("MIT License", "'MIT'"),
        ("Expat", "'MIT'"),
        ("ISC license", "'ISC'"),
        ("MPL2", "'MPL-2.0'"),
        ("Mozilla Public License 2.0", "'MPL-2.0'"),
        ("zlib/libpng", "'Zlib'"),
        ("CC0", "'CC0-1.0'"),
        ("Public Domain", "'LicenseRef-Public-Domain'"),
    ],
)
def test_the_nearest_identifier_is_what_people_mean(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match="SPDX licence") as caught:
        check_license(written)
    assert str(caught.value).endswith(f"; did you mean {meant}?")
    for each in meant.split(" or "):
        assert check_license(each.strip("'")) == each.strip("'")
