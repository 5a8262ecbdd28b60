"""What people call licences, and the SPDX identifiers that they mean by it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_OTHER = "LicenseRef-"
_NOISE = re.compile(r"\b(the|license[sd]?|licence[sd]?|version|ver|gnu|software|under)\b|[\s,._()/'\"-]+")
_LATER = re.compile(r"\+|or(any)?later|orgreater|ornewer")
_FAMILIES = {
    "gpl": "GPL",
    "generalpublic": "GPL",
    "lgpl": "LGPL",
    "lessergpl": "LGPL",
    "lessergeneralpublic": "LGPL",
    "librarygeneralpublic": "LGPL",
    "agpl": "AGPL",
    "afferogpl": "AGPL",
    "afferogeneralpublic": "AGPL",
    "fdl": "GFDL",
    "gfdl": "GFDL",
    "freedocumentation": "GFDL",
}
_NEWEST = {"GPL": "3.0", "LGPL": "3.0", "AGPL": "3.0", "GFDL": "1.3"}
_CALLED = {
    "2clausebsd": ("BSD-2-Clause",),
    "3clausebsd": ("BSD-3-Clause",),
    "4clausebsd": ("BSD-4-Clause",),
    "al2": ("Apache-2.0",),
    "apache": ("Apache-2.0",),
    "apache2": ("Apache-2.0",),
    "artistic": ("Artistic-2.0", "Artistic-1.0-Perl"),
    "asl2": ("Apache-2.0",),
    "asl20": ("Apache-2.0",),
    "boost": ("BSL-1.0",),
    "bsd": ("BSD-3-Clause", "BSD-2-Clause"),
    "bsd2": ("BSD-2-Clause",),
    "bsd3": ("BSD-3-Clause",),
    "bsd4": ("BSD-4-Clause",),
    "cc0": ("CC0-1.0",),
    "ccby": ("CC-BY-4.0",),
    "ccbysa": ("CC-BY-SA-4.0",),
    "cddl": ("CDDL-1.0",),
    "eclipse": ("EPL-2.0",),
    "epl": ("EPL-2.0",),
    "expat": ("MIT",),
    "freebsd": ("BSD-2-Clause",),
    "mitx": ("MIT",),
    "mitexpat": ("MIT",),
    "modifiedbsd": ("BSD-3-Clause",),
    "mozilla": ("MPL-2.0",),
    "mozillapublic": ("MPL-2.0",),
    "mozillapublic2": ("MPL-2.0",),
    "mozillapublic20": ("MPL-2.0",),
    "mpl": ("MPL-2.0",),
    "newbsd": ("BSD-3-Clause",),
    "openssh": ("SSH-OpenSSH",),
    "originalbsd": ("BSD-4-Clause",),
    "perl": ("Artistic-1.0-Perl", "GPL-1.0-or-later"),
    "psf": ("PSF-2.0", "Python-2.0"),
    "publicdomain": ("LicenseRef-Public-Domain",),  # no licence of SPDX's list says just that
    "python": ("PSF-2.0", "Python-2.0"),
    "revisedbsd": ("BSD-3-Clause",),
    "simplifiedbsd": ("BSD-2-Clause",),
    "zliblibpng": ("Zlib",),
    "zpl": ("ZPL-2.1",),
}
"""By `_plain` spelling, what is no part of an SPDX identifier."""


def nearest(written: str, identifiers: Iterable[str]) -> tuple[str, ...]:
    """The SPDX identifiers that somebody probably means, the likeliest first; at most two."""
    known = {key for key in identifiers if not key.startswith(_OTHER)}
    plain = _plain(written)
    longer = [key for key in known if key.lower().startswith(written.lower())]
    found: tuple[str, ...] = _called(plain)
    if not found:
        by_plain: dict[str, list[str]] = {}
        for key in sorted(known):
            by_plain.setdefault(_plain(key), []).append(key)
        same = by_plain.get(plain) or by_plain.get(f"{plain}0") or [k for k in longer if "." in k] or longer
        close = get_close_matches(written, sorted(known), n=1) or [
            key for each in get_close_matches(plain, sorted(by_plain), n=1) for key in by_plain[each]
        ]
        found = tuple(sorted(same, key=lambda key: (len(key), key))[:1] or close[:1])
    return tuple(key for key in found if key in known or key.startswith(_OTHER))[:2]


def _called(plain: str) -> tuple[str, ...]:
    """By what licences are called; the GNU ones by family, version and `or later`, in whatever spelling."""
    stem = _LATER.sub("", plain).removesuffix("only")
    found = re.fullmatch(r"([a-z]+?)v?([123]?)(\d?)", stem)
    family = _FAMILIES.get(found[1]) if found else None
    if found is None or family is None:
        return _CALLED.get(plain, ())
    version = f"{found[2]}.{found[3] or '0'}" if found[2] else _NEWEST[family]
    if _LATER.search(plain):
        return (f"{family}-{version}-or-later",)
    return (f"{family}-{version}-only", f"{family}-{version}-or-later")


def _plain(written: str) -> str:
    return re.sub(r"(?<=[a-z])v(?=\d)", "", _NOISE.sub("", written.lower().replace("clause", " clause ")))
