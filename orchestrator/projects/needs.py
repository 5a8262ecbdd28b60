"""Which Debian package has what a build file asks for: pkg-config modules, libraries, CMake packages. Pure.

Names are those of bookworm and trixie. What is not here is not guessed: a caller says that it is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

C: Final = ("gcc", "make", "libc6-dev")
"""What nearly every C project needs, in the order in which recipes have it."""
CXX: Final = "g++"

_MODULES: Final[Mapping[str, str]] = {
    "alsa": "libasound2-dev",
    "cairo": "libcairo2-dev",
    "check": "check",
    "cmocka": "libcmocka-dev",
    "dbus-1": "libdbus-1-dev",
    "egl": "libegl-dev",
    "epoxy": "libepoxy-dev",
    "expat": "libexpat1-dev",
    "flac": "libflac-dev",
    "fontconfig": "libfontconfig-dev",
    "freetype2": "libfreetype-dev",
    "fuse": "libfuse-dev",
    "fuse3": "libfuse3-dev",
    "gio-2.0": "libglib2.0-dev",
    "gio-unix-2.0": "libglib2.0-dev",
    "gl": "libgl-dev",
    "glib-2.0": "libglib2.0-dev",
    "gmodule-2.0": "libglib2.0-dev",
    "gmp": "libgmp-dev",
    "gnutls": "libgnutls28-dev",
    "gobject-2.0": "libglib2.0-dev",
    "gtest": "libgtest-dev",
    "gthread-2.0": "libglib2.0-dev",
    "gtk+-3.0": "libgtk-3-dev",
    "gtk4": "libgtk-4-dev",
    "harfbuzz": "libharfbuzz-dev",
    "hiredis": "libhiredis-dev",
    "icu-i18n": "libicu-dev",
    "icu-uc": "libicu-dev",
    "inih": "libinih-dev",
    "iniparser": "libiniparser-dev",
    "jansson": "libjansson-dev",
    "json-c": "libjson-c-dev",
    "libacl": "libacl1-dev",
    "libarchive": "libarchive-dev",
    "libattr": "libattr1-dev",
    "libbrotlidec": "libbrotli-dev",
    "libbrotlienc": "libbrotli-dev",
    "libbsd": "libbsd-dev",
    "libbsd-overlay": "libbsd-dev",
    "libcap": "libcap-dev",
    "libcares": "libc-ares-dev",
    "libcjson": "libcjson-dev",
    "libcmark": "libcmark-dev",
    "libconfuse": "libconfuse-dev",
    "libcrypt": "libcrypt-dev",
    "libcrypto": "libssl-dev",
    "libcurl": "libcurl4-openssl-dev",
    "libdrm": "libdrm-dev",
    "libdw": "libdw-dev",
    "libedit": "libedit-dev",
    "libelf": "libelf-dev",
    "libevdev": "libevdev-dev",
    "libevent": "libevent-dev",
    "libffi": "libffi-dev",
    "libgcrypt": "libgcrypt20-dev",
    "libgit2": "libgit2-dev",
    "libidn2": "libidn2-dev",
    "libinput": "libinput-dev",
    "libjpeg": "libjpeg-dev",
    "libkmod": "libkmod-dev",
    "liblz4": "liblz4-dev",
    "liblzma": "liblzma-dev",
    "libmaxminddb": "libmaxminddb-dev",
    "libmicrohttpd": "libmicrohttpd-dev",
    "libmnl": "libmnl-dev",
    "libnghttp2": "libnghttp2-dev",
    "libnl-3.0": "libnl-3-dev",
    "libnotify": "libnotify-dev",
    "libpcap": "libpcap-dev",
    "libpcre": "libpcre3-dev",
    "libpcre2-8": "libpcre2-dev",
    "libpng": "libpng-dev",
    "libpng16": "libpng-dev",
    "libpq": "libpq-dev",
    "libprotobuf": "libprotobuf-dev",
    "libprotobuf-c": "libprotobuf-c-dev",
    "libpsl": "libpsl-dev",
    "libpulse": "libpulse-dev",
    "libqrencode": "libqrencode-dev",
    "libseccomp": "libseccomp-dev",
    "libselinux": "libselinux1-dev",
    "libsodium": "libsodium-dev",
    "libssh": "libssh-dev",
    "libssh2": "libssh2-1-dev",
    "libssl": "libssl-dev",
    "libsystemd": "libsystemd-dev",
    "libtiff-4": "libtiff-dev",
    "libudev": "libudev-dev",
    "libunwind": "libunwind-dev",
    "libusb-1.0": "libusb-1.0-0-dev",
    "libutf8proc": "libutf8proc-dev",
    "libuv": "libuv1-dev",
    "libwebp": "libwebp-dev",
    "libxml-2.0": "libxml2-dev",
    "libxslt": "libxslt1-dev",
    "libxxhash": "libxxhash-dev",
    "libzip": "libzip-dev",
    "libzstd": "libzstd-dev",
    "lua": "liblua5.4-dev",
    "lua5.3": "liblua5.3-dev",
    "lua5.4": "liblua5.4-dev",
    "luajit": "libluajit-5.1-dev",
    "ncurses": "libncurses-dev",
    "ncursesw": "libncurses-dev",
    "nettle": "nettle-dev",
    "ogg": "libogg-dev",
    "oniguruma": "libonig-dev",
    "openssl": "libssl-dev",
    "opus": "libopus-dev",
    "pango": "libpango1.0-dev",
    "pangocairo": "libpango1.0-dev",
    "pixman-1": "libpixman-1-dev",
    "popt": "libpopt-dev",
    "pugixml": "libpugixml-dev",
    "readline": "libreadline-dev",
    "sdl2": "libsdl2-dev",
    "sqlite3": "libsqlite3-dev",
    "systemd": "systemd",
    "tinfo": "libncurses-dev",
    "tinyxml2": "libtinyxml2-dev",
    "uuid": "uuid-dev",
    "vorbis": "libvorbis-dev",
    "vulkan": "libvulkan-dev",
    "wayland-client": "libwayland-dev",
    "wayland-server": "libwayland-dev",
    "x11": "libx11-dev",
    "xcb": "libxcb1-dev",
    "xcursor": "libxcursor-dev",
    "xext": "libxext-dev",
    "xfixes": "libxfixes-dev",
    "xft": "libxft-dev",
    "xi": "libxi-dev",
    "xinerama": "libxinerama-dev",
    "xkbcommon": "libxkbcommon-dev",
    "xrandr": "libxrandr-dev",
    "xrender": "libxrender-dev",
    "xtst": "libxtst-dev",
    "yaml-0.1": "libyaml-dev",
    "zlib": "zlib1g-dev",
}
"""pkg-config's module to its package."""

_LIBRARIES: Final[Mapping[str, str]] = {
    "acl": "libacl1-dev",
    "archive": "libarchive-dev",
    "asound": "libasound2-dev",
    "attr": "libattr1-dev",
    "bsd": "libbsd-dev",
    "bz2": "libbz2-dev",
    "cap": "libcap-dev",
    "cjson": "libcjson-dev",
    "crypt": "libcrypt-dev",
    "crypto": "libssl-dev",
    "curl": "libcurl4-openssl-dev",
    "curses": "libncurses-dev",
    "db": "libdb-dev",
    "edit": "libedit-dev",
    "elf": "libelf-dev",
    "ev": "libev-dev",
    "event": "libevent-dev",
    "expat": "libexpat1-dev",
    "fftw3": "libfftw3-dev",
    "gdbm": "libgdbm-dev",
    "GL": "libgl-dev",
    "gmp": "libgmp-dev",
    "gnutls": "libgnutls28-dev",
    "gsl": "libgsl-dev",
    "jansson": "libjansson-dev",
    "jpeg": "libjpeg-dev",
    "json-c": "libjson-c-dev",
    "lmdb": "liblmdb-dev",
    "lz4": "liblz4-dev",
    "lzma": "liblzma-dev",
    "lzo2": "liblzo2-dev",
    "magic": "libmagic-dev",
    "mpfr": "libmpfr-dev",
    "ncurses": "libncurses-dev",
    "ncursesw": "libncurses-dev",
    "nettle": "nettle-dev",
    "onig": "libonig-dev",
    "pam": "libpam0g-dev",
    "pcap": "libpcap-dev",
    "pcre": "libpcre3-dev",
    "pcre2-8": "libpcre2-dev",
    "png": "libpng-dev",
    "popt": "libpopt-dev",
    "readline": "libreadline-dev",
    "SDL2": "libsdl2-dev",
    "seccomp": "libseccomp-dev",
    "selinux": "libselinux1-dev",
    "sodium": "libsodium-dev",
    "sqlite3": "libsqlite3-dev",
    "ssl": "libssl-dev",
    "tinfo": "libncurses-dev",
    "udev": "libudev-dev",
    "unistring": "libunistring-dev",
    "usb-1.0": "libusb-1.0-0-dev",
    "uuid": "uuid-dev",
    "uv": "libuv1-dev",
    "X11": "libx11-dev",
    "xml2": "libxml2-dev",
    "Xft": "libxft-dev",
    "Xinerama": "libxinerama-dev",
    "Xrandr": "libxrandr-dev",
    "xxhash": "libxxhash-dev",
    "yaml": "libyaml-dev",
    "z": "zlib1g-dev",
    "zstd": "libzstd-dev",
}
"""The name behind `-l` to its package."""

_OF_THE_COMPILER: Final = frozenset(
    ["c", "dl", "gcc", "gcc_s", "m", "nsl", "pthread", "resolv", "rt", "stdc++", "util", "anl", "mvec"]
)
"""Libraries that come with libc6-dev and gcc."""

_CMAKE: Final[Mapping[str, tuple[str, ...]]] = {
    "BISON": ("bison",),
    "BZip2": ("libbz2-dev",),
    "Boost": ("libboost-all-dev",),
    "CURL": ("libcurl4-openssl-dev",),
    "Catch2": ("catch2",),
    "Curses": ("libncurses-dev",),
    "EXPAT": ("libexpat1-dev",),
    "Eigen3": ("libeigen3-dev",),
    "FLEX": ("flex",),
    "Fontconfig": ("libfontconfig-dev",),
    "Freetype": ("libfreetype-dev",),
    "GTest": ("libgtest-dev", "libgmock-dev"),
    "Gettext": ("gettext",),
    "GnuTLS": ("libgnutls28-dev",),
    "ICU": ("libicu-dev",),
    "JPEG": ("libjpeg-dev",),
    "LibArchive": ("libarchive-dev",),
    "LibLZMA": ("liblzma-dev",),
    "LibXml2": ("libxml2-dev",),
    "LibXslt": ("libxslt1-dev",),
    "Lua": ("liblua5.4-dev",),
    "OpenGL": ("libgl-dev",),
    "OpenSSL": ("libssl-dev",),
    "PNG": ("libpng-dev",),
    "Perl": ("perl",),
    "PkgConfig": ("pkg-config",),
    "PostgreSQL": ("libpq-dev",),
    "Protobuf": ("libprotobuf-dev", "protobuf-compiler"),
    "Python": ("python3",),
    "Python3": ("python3",),
    "PythonInterp": ("python3",),
    "SDL2": ("libsdl2-dev",),
    "SQLite3": ("libsqlite3-dev",),
    "TIFF": ("libtiff-dev",),
    "X11": ("libx11-dev",),
    "ZLIB": ("zlib1g-dev",),
    "cJSON": ("libcjson-dev",),
    "fmt": ("libfmt-dev",),
    "json-c": ("libjson-c-dev",),
    "libuv": ("libuv1-dev",),
    "nlohmann_json": ("nlohmann-json3-dev",),
    "spdlog": ("libspdlog-dev",),
    "tinyxml2": ("libtinyxml2-dev",),
    "zstd": ("libzstd-dev",),
}
"""The name in `find_package` to its packages."""
_OF_CMAKE: Final = frozenset(["Threads", "Git", "Backtrace", "Doxygen"])
"""What a compiler has, and what builds use where it is there."""

_PROGRAMS: Final[Mapping[str, str]] = {
    "asciidoctor": "asciidoctor",
    "bison": "bison",
    "flex": "flex",
    "gperf": "gperf",
    "help2man": "help2man",
    "m4": "m4",
    "msgfmt": "gettext",
    "nasm": "nasm",
    "perl": "perl",
    "pkg-config": "pkg-config",
    "pod2man": "perl",
    "python3": "python3",
    "scdoc": "scdoc",
    "xsltproc": "xsltproc",
    "yacc": "bison",
    "yasm": "yasm",
}


def of_module(module: str) -> str | None:
    """The package of a pkg-config module; None: it is not known which."""
    return _MODULES.get(module)


def of_library(name: str) -> str | None:
    """The package of what `-lNAME` links; None: the compiler's, or not known."""
    return _LIBRARIES.get(name)


def is_known_library(name: str) -> bool:
    """Whether it is known where a library is from, the compiler's own included."""
    return name in _LIBRARIES or name in _OF_THE_COMPILER


def of_cmake(package: str) -> tuple[str, ...] | None:
    """The packages of what CMake's `find_package` names; none for what needs none. None: not known."""
    return () if package in _OF_CMAKE else _CMAKE.get(package)


def of_program(name: str) -> str | None:
    """The package of a program that builds start; None: not known, or always there."""
    return _PROGRAMS.get(name)


def modules_in(text: str) -> list[str]:
    """The modules that pkg-config is asked for in a text as `glib-2.0 >= 2.40 zlib`."""
    without_bounds = re.sub(r"[<>=!]+\s*[\w.$@{}()-]+", " ", text.replace(",", " "))
    return [word for word in without_bounds.split() if re.fullmatch(r"[A-Za-z][\w.+-]*", word)]
