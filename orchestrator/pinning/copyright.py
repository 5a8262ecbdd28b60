"""Debian's machine-readable copyright files (DEP 5, copyright-format 1.0) to SPDX expressions. Pure.

What the file says of each file of the source package holds together: the expression joins every distinct
licence with AND, `debian/*` left out, since packaging is not in the binary package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from orchestrator.recipe.licences import check_license, known

# The format's address has moved over the years, and the draft's is still in use.
_FORMAT = re.compile(r"copyright-format|dep\.debian\.net|dep-team|/dep5|web/deps", re.IGNORECASE)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$")
_COMMA = re.compile(r"\s*,\s*(?:(and/or|and|or)\s+)?", re.IGNORECASE)
_OPERATOR = re.compile(r"\s+(and/or|and|or)\s+", re.IGNORECASE)
_VERSIONED = re.compile(
    r"(?P<family>a?gpl|lgpl|gfdl)-?v?(?P<version>\d+(?:\.\d+)*)(?P<later>\+?)", re.IGNORECASE
)
_NO_INVARIANTS = re.compile(
    r"gfdl-(?:niv-(?P<a>\d\.\d)(?P<b>\+?)|(?P<c>\d\.\d)(?P<d>\+?)-no-invariants?)", re.IGNORECASE
)

# Debian's short names (copyright-format 1.0, "Short name") that are not SPDX's, in lower case.
_NAMES: Mapping[str, str] = {
    "apache-1": "Apache-1.0",
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0",
    "artistic-2": "Artistic-2.0",
    "bsd-2-clause-netbsd": "BSD-2-Clause",
    "bsd-4-clause-uc": "BSD-4-Clause-UC",
    "boost-1.0": "BSL-1.0",
    "bsl-1": "BSL-1.0",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "gpl": "GPL-1.0-or-later",
    "lgpl": "LGPL-2.0-or-later",
    "mit/x11": "MIT",
    "perl": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "psf": "Python-2.0",
    "psf-2": "Python-2.0",
    "python": "Python-2.0",
    "zlib/libpng": "Zlib",
}
_EXCEPTIONS: Mapping[str, str] = {
    "autoconf": "Autoconf-exception-generic",
    "bison": "Bison-exception-2.2",
    "bison-2.2": "Bison-exception-2.2",
    "classpath": "Classpath-exception-2.0",
    "font": "Font-exception-2.0",
    "gcc": "GCC-exception-3.1",
    "gcc-runtime-library": "GCC-exception-3.1",
    "libtool": "Libtool-exception",
    "linux-syscall-note": "Linux-syscall-note",
    "texinfo": "Texinfo-exception",
}


def license_of(text: str) -> str | None:
    """The SPDX expression that a copyright file amounts to; None when it is not machine-readable."""
    paragraphs = list(_paragraphs(text))
    if not paragraphs or not _FORMAT.search(paragraphs[0].get("format", "")):
        return None
    stated = [paragraph for paragraph in paragraphs[1:] if "files" in paragraph and "license" in paragraph]
    upstream = [each for each in stated if not _is_packaging(each["files"])]
    synopses = [each["license"].split("\n", 1)[0].strip() for each in upstream or stated]
    if not any(synopses):
        synopses = [paragraphs[0].get("license", "").split("\n", 1)[0].strip()]
    expressions = [expression_of(each) for each in synopses if each]
    terms = sorted(
        {term for each in expressions for term in ([each] if " OR " in each else each.split(" AND "))}
    )
    if len(terms) < 2:
        return terms[0] if terms else None
    return " AND ".join(_closed(term) for term in terms)


def expression_of(synopsis: str) -> str:
    """One synopsis, e.g. `GPL-2+ or Artistic, and BSD-3-clause`, as SPDX.

    As in SPDX, `and` binds tighter than `or`; a comma binds weaker than both.
    """
    parts = _COMMA.split(synopsis.strip().rstrip(".,"))
    joined = _group(parts[0])
    for operator, part in zip(parts[1::2], parts[2::2], strict=True):
        right = _group(part)
        joined = f"{_closed(joined)} {'OR' if 'or' in (operator or '').lower() else 'AND'} {_closed(right)}"
    return joined


def _group(text: str) -> str:
    parts = _OPERATOR.split(text.strip())
    said = _named(parts[0])
    for operator, name in zip(parts[1::2], parts[2::2], strict=True):
        said += f" {'OR' if 'or' in operator.lower() else 'AND'} {_named(name)}"
    return said


def _closed(expression: str) -> str:
    return f"({expression})" if " OR " in expression or " AND " in expression else expression


def _named(name: str) -> str:
    """One licence, perhaps with an exception."""
    plain, _, exception = name.strip().strip("()").partition(" with ")
    base = _plain(plain.strip())
    if not exception:
        return base
    key = re.sub(
        r"[\s_]+", "-", re.sub(r"\s*exceptions?$", "", exception.strip(), flags=re.IGNORECASE)
    ).lower()
    if key in _EXCEPTIONS and " " not in base and not base.startswith("LicenseRef-"):
        return f"{base} WITH {_EXCEPTIONS[key]}"
    return _reference(name)


def _plain(name: str) -> str:
    key = name.lower()
    if key in _NAMES:
        return _NAMES[key]
    if found := _NO_INVARIANTS.fullmatch(key):
        return f"GFDL-{found['a'] or found['c']}-no-invariants-{_suffix(found['b'] or found['d'])}"
    if found := _VERSIONED.fullmatch(key):
        version = found["version"] if "." in found["version"] else f"{found['version']}.0"
        candidate = f"{found['family'].upper()}-{version}-{_suffix(found['later'])}"
        return candidate if candidate.lower() in known() else _reference(name)
    if key.endswith("+") and key[:-1] in known():
        return check_license(f"{key[:-1]}+")
    return known().get(key) or _reference(name)


def _suffix(later: str | None) -> str:
    return "or-later" if later else "only"


def _reference(name: str) -> str:
    """A licence that has no SPDX name (SPDX 2.3, annex D.2)."""
    return "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "unnamed")


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Fields by lower-case name; lines that continue a field are joined with line ends."""
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").strip()):
        fields: dict[str, str] = {}
        name = ""
        for line in block.split("\n"):
            if line.startswith("#"):
                continue
            if found := _FIELD.match(line):
                name = found[1].lower()
                fields[name] = found[2].strip()
            elif name:
                fields[name] += f"\n{line.strip()}"
        if fields:
            yield fields


def _is_packaging(files: str) -> bool:
    return all(each.startswith("debian/") for each in files.split())
