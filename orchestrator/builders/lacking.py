"""What a failed build lacked, told from the last lines of its log, where they say so for sure. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PACKAGES = {
    "aclocal": "automake",
    "as": "binutils",
    "autoheader": "autoconf",
    "autom4te": "autoconf",
    "autoreconf": "autoconf",
    "c++": "g++",
    "cc": "gcc",
    "clang++": "clang",
    "go": "golang-go",
    "ld": "binutils",
    "lex": "flex",
    "libtoolize": "libtool",
    "makeinfo": "texinfo",
    "msgfmt": "gettext",
    "ninja": "ninja-build",
    "node": "nodejs",
    "pkgconf": "pkg-config",
    "pod2man": "perl",
    "python": "python3",
    "ranlib": "binutils",
    "ar": "binutils",
    "unxz": "xz-utils",
    "xz": "xz-utils",
    "yacc": "bison",
}
"""Commands to the Debian package that has them, where it is not called like the command."""
_SAME = frozenset(
    [
        "autoconf",
        "automake",
        "bc",
        "bison",
        "bzip2",
        "cargo",
        "clang",
        "cmake",
        "curl",
        "file",
        "flex",
        "g++",
        "gawk",
        "gcc",
        "gettext",
        "gfortran",
        "git",
        "gperf",
        "help2man",
        "libtool",
        "m4",
        "make",
        "meson",
        "patch",
        "perl",
        "pkg-config",
        "python3",
        "rsync",
        "rustc",
        "swig",
        "tcl",
        "texinfo",
        "unzip",
        "wget",
        "xsltproc",
        "xxd",
        "zip",
        "zstd",
    ]
)
_DOWNLOADERS = frozenset(["aria2c", "axel", "curl", "lftp", "wget", "wget2"])
NO_NETWORK = "a build has no network: make what it is to fetch a source of the recipe"
_HEADERS = {
    "alsa/asoundlib.h": "libasound2-dev",
    "bzlib.h": "libbz2-dev",
    "curl/curl.h": "libcurl4-openssl-dev",
    "curses.h": "libncurses-dev",
    "expat.h": "libexpat1-dev",
    "ffi.h": "libffi-dev",
    "gdbm.h": "libgdbm-dev",
    "glib.h": "libglib2.0-dev",
    "gmp.h": "libgmp-dev",
    "jpeglib.h": "libjpeg-dev",
    "libxml/parser.h": "libxml2-dev",
    "lua.h": "liblua5.4-dev",
    "lzma.h": "liblzma-dev",
    "mpfr.h": "libmpfr-dev",
    "ncurses.h": "libncurses-dev",
    "openssl/ssl.h": "libssl-dev",
    "pcre.h": "libpcre3-dev",
    "pcre2.h": "libpcre2-dev",
    "png.h": "libpng-dev",
    "Python.h": "python3-dev",
    "readline/readline.h": "libreadline-dev",
    "sqlite3.h": "libsqlite3-dev",
    "uuid/uuid.h": "uuid-dev",
    "zlib.h": "zlib1g-dev",
    "zstd.h": "libzstd-dev",
}
_OF_LIBC = frozenset(
    [
        "assert",
        "ctype",
        "errno",
        "fcntl",
        "inttypes",
        "limits",
        "locale",
        "math",
        "pthread",
        "setjmp",
        "signal",
        "stdio",
        "stdlib",
        "string",
        "strings",
        "sys/types",
        "sys/stat",
        "sys/time",
        "time",
        "unistd",
        "wchar",
        "features",
    ]
)
_OF_THE_KERNEL = ("linux/", "asm/", "asm-generic/")
_LIBRARIES = {
    "bz2": "libbz2-dev",
    "c": "libc6-dev",
    "crypto": "libssl-dev",
    "curl": "libcurl4-openssl-dev",
    "curses": "libncurses-dev",
    "expat": "libexpat1-dev",
    "ffi": "libffi-dev",
    "gmp": "libgmp-dev",
    "jpeg": "libjpeg-dev",
    "lzma": "liblzma-dev",
    "m": "libc6-dev",
    "ncurses": "libncurses-dev",
    "ncursesw": "libncurses-dev",
    "pcre2-8": "libpcre2-dev",
    "png": "libpng-dev",
    "pthread": "libc6-dev",
    "readline": "libreadline-dev",
    "sqlite3": "libsqlite3-dev",
    "ssl": "libssl-dev",
    "tinfo": "libncurses-dev",
    "uuid": "uuid-dev",
    "xml2": "libxml2-dev",
    "z": "zlib1g-dev",
    "zstd": "libzstd-dev",
}
_MODULES = {
    "libcurl": "libcurl4-openssl-dev",
    "libcrypto": "libssl-dev",
    "liblzma": "liblzma-dev",
    "libpng": "libpng-dev",
    "libssl": "libssl-dev",
    "libxml-2.0": "libxml2-dev",
    "ncurses": "libncurses-dev",
    "ncursesw": "libncurses-dev",
    "openssl": "libssl-dev",
    "sqlite3": "libsqlite3-dev",
    "zlib": "zlib1g-dev",
}

_NAME = r"(?P<name>[A-Za-z0-9_.+-]+)"
_QUOTES = "[\"'`\u2018\u2019]?"
_ABSENT = r"(No such file or directory|[Nn]ot found|command not found)"
_COMMANDS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:^|[/\w.-]+: )(?:line )?\d+: {_NAME}: (?:command )?not found$",  # bash, dash, busybox
        rf"(?:^|/)(?:bash|sh|ash|dash): (?:(?:line )?\d+: )?{_NAME}: (?:command )?not found$",
        rf"(?:^|/)(?:bash|sh|ash|dash): (?:(?:line )?\d+: )?exec: {_NAME}: not found$",
        rf"^(?:/\S+/)?g?make(?:\[\d+\])?: (?:exec: )?{_QUOTES}{_NAME}{_QUOTES}: {_ABSENT}$",
        rf"^(?:/usr/bin/)?env: {_QUOTES}{_NAME}{_QUOTES}: {_ABSENT}$",
        rf": (?:/usr)?/bin/(?:env )?{_NAME}: bad interpreter: No such file or directory$",
        rf"^configure: error: {_NAME} (?:is )?(?:was )?(?:not found|required|missing)\b",
        rf"""^Program {_QUOTES}{_NAME}{_QUOTES} not found or not executable""",
        rf"""^gcc: fatal error: cannot execute {_QUOTES}{_NAME}{_QUOTES}: """,
    )
)
_LOOKING = ("configure: ", "Program ")
"""How lines begin of who only looks for a command, which may be for more than a download."""
_SAID = (
    (
        re.compile(r"no acceptable C compiler found|C compiler cannot be found|No CMAKE_C_COMPILER could be"),
        "gcc",
    ),
    (re.compile(r"^(meson\.build:[\d:]+ )?ERROR: Unknown compiler\(s\): \[\['cc'"), "gcc"),
    (re.compile(r"CMAKE_C_COMPILER not set, after EnableLanguage"), "gcc"),
    (re.compile(r"No CMAKE_CXX_COMPILER could be|CMAKE_CXX_COMPILER not set, after EnableLanguage"), "g++"),
    (re.compile(r"no acceptable C\+\+ compiler|C\+\+ compiler cannot be found"), "g++"),
    (re.compile(r"C compiler cannot create executables"), "libc6-dev"),
    (
        re.compile(r"[Tt]he pkg-config script could not be found|[Pp]kg-config (?:tool )?(?:was )?not found"),
        "pkg-config",
    ),
    (re.compile(r"Could NOT find PkgConfig|Did not find pkg-config"), "pkg-config"),
    (re.compile(r"CMake was unable to find a build program corresponding to \"Unix Makefiles\""), "make"),
    (re.compile(r"no acceptable m4|GNU M4 .*is required"), "m4"),
    (re.compile(r"cannot find (?:\S*/)?(?:crt1|crti|Scrt1)\.o"), "libc6-dev"),
)
_HEADER = re.compile(r"fatal error: (?P<name>[\w./+-]+\.(?:h|hpp|hh)): No such file or directory$")
_LIBRARY = re.compile(r"\bld(?:\.\w+)?: cannot find -l(?P<name>[\w.+-]+)(?:: No such file or directory)?$")
_MODULE = re.compile(
    r"""^No package '(?P<one>[\w.+-]+)' found$|^Package (?P<two>[\w.+-]+) was not found in the pkg-config"""
    r"""|Dependency "(?P<three>[\w.+-]+)" not found, tried pkgconfig"""
)


def lacking(lines: Sequence[str]) -> str | None:
    """What to add to a recipe's toolchain, as a sentence; None where the lines do not say it for sure.

    `lines` are the last of a log. The last one that says something counts: what came before it did not
    end the build.
    """
    for line in reversed(lines):
        if found := _lacking(line.strip()):
            return found
    return None


def _lacking(line: str) -> str | None:
    for pattern in _COMMANDS:
        if not (found := pattern.search(line)):
            continue
        if found["name"] in _DOWNLOADERS and not line.startswith(_LOOKING):
            return f"`{found['name']}` was not found, and {NO_NETWORK}"
        if package := _package_of(found["name"]):
            return _add(f"`{found['name']}`", package)
    for said, package in _SAID:
        if said.search(line):
            what = "the C library's development files" if package == "libc6-dev" else f"`{package}`"
            verb = "were" if package == "libc6-dev" else "was"
            return _add(what, package, verb)
    if found := _HEADER.search(line):
        return _add(f"the header `{found['name']}`", _package_of_header(found["name"]))
    if found := _LIBRARY.search(line):
        return _add(f"the library `{found['name']}`", _LIBRARIES.get(found["name"]))
    if found := _MODULE.search(line):
        name = next(filter(None, found.groups()))
        return _add(f"`{name}`, as pkg-config calls it,", _MODULES.get(name))
    return None


def _add(what: str, package: str | None, verb: str = "was") -> str:
    if package is None:
        way = "if no part of the source makes it, add the package that has it to toolchain.packages"
        return f"{what} {verb} not found: {way}"
    named = "it" if what == f"`{package}`" else f"`{package}` (Debian's name)"
    return f"{what} {verb} not found: add {named} to toolchain.packages"


def _package_of(command: str) -> str | None:
    """None for what is not known as a tool: a part of the source may have to make it."""
    plain = re.sub(r"-\d[\d.]*$", "", command)  # automake-1.16, gcc-12
    return plain if plain in _SAME else _PACKAGES.get(plain)


def _package_of_header(name: str) -> str | None:
    if name.removesuffix(".h") in _OF_LIBC:
        return "libc6-dev"
    if name.startswith(_OF_THE_KERNEL):
        return "linux-libc-dev"
    return _HEADERS.get(name)
