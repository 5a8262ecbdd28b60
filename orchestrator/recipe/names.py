"""Rules for names: what a recipe may call things, and how other names are made safe for the store. Pure."""

from __future__ import annotations

import re

_SUITES = ("bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable")
_ALIKE = 0.75  # of difflib's ratio
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_OUTPUT = re.compile(r"[a-z][a-z0-9_]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNSAFE = re.compile(r"[^A-Za-z0-9+._?=-]")
_NOT_IN_VARIABLE = re.compile(r"[^A-Za-z0-9_]")

NAME_LIMIT = 100
VERSION_LIMIT = 60
_STORE_NAME_LIMIT = 200  # Nix allows 211; `.drv` and output names are appended to it

# Set by the build's own environment or by bash itself: a recipe's value would be lost, or break the build.
_RESERVED = frozenset(
    [
        "BASHOPTS",
        "BASH_ENV",
        "ENV",
        "EUID",
        "GROUPS",
        "HOME",
        "IFS",
        "OLDPWD",
        "PATH",
        "PPID",
        "PWD",
        "SHELL",
        "SHELLOPTS",
        "SHLVL",
        "SOURCE_DATE_EPOCH",
        "TEMP",
        "TEMPDIR",
        "TMP",
        "TMPDIR",
        "UID",
        "_",
        "src",
    ]
)
_RESERVED_PREFIXES = ("BASH_", "NIX_", "TALLY_", "src_", "tally")
# Names that Nix gives a meaning of its own in every derivation.
_OF_NIX = frozenset(["args", "builder", "drv", "name", "outputs", "stdenv", "system"])


def check_name(value: str) -> str:
    """A recipe's name: letters, digits and `+._-`, at most 100. Raises ValueError with what is wrong."""
    return _checked(value, _NAME, NAME_LIMIT, "letters, digits and + . _ -, starting with a letter or digit")


def check_version(value: str) -> str:
    """A version: as a name, at most 60 characters. Raises ValueError with what is wrong."""
    if value.endswith(".drv"):
        raise ValueError("ends with .drv, which Nix keeps for derivations")
    return _checked(
        value, _NAME, VERSION_LIMIT, "letters, digits and + . _ -, starting with a letter or digit"
    )


def check_output(value: str) -> str:
    """An output's name, which is also a variable of the script. Raises ValueError with what is wrong."""
    if value in _OF_NIX:
        raise ValueError(f"{value!r} is Nix's own word and cannot name an output")
    if is_reserved(value):
        raise ValueError(f"{value!r} is set by the build itself and cannot name an output")
    return _checked(value, _OUTPUT, 30, "lower-case letters, digits and _, starting with a letter")


def check_variable(value: str) -> str:
    """The name of an environment variable that a recipe sets. Raises ValueError with what is wrong."""
    if is_reserved(value):
        raise ValueError(f"{value!r} is set by the build itself: set it in the script if you must")
    return _checked(value, _VARIABLE, 200, "letters, digits and _, not starting with a digit")


def check_source_name(value: str) -> str:
    """The name of one of several sources, as in `[sources.NAME]`. Raises ValueError with what is wrong."""
    return _checked(value, _VARIABLE, 60, "letters, digits and _, not starting with a digit")


def is_reserved(variable: str) -> bool:
    """Whether the build's environment, or bash, owns this variable."""
    return variable in _RESERVED or variable.startswith(_RESERVED_PREFIXES)


def variable_of(name: str) -> str:
    """The script's variable for an input recipe: `$NAME` with `_` for what a variable cannot hold."""
    return _NOT_IN_VARIABLE.sub("_", name)


def store_name(name: str) -> str:
    """A name that Nix accepts in a store path, the same for the same text. Raises ValueError for no text."""
    safe = _UNSAFE.sub("_", name)
    if safe.startswith("."):
        safe = f"_{safe[1:]}"
    if not safe:
        raise ValueError("an empty name")
    # the end is kept: file-name suffixes say how to unpack
    return safe if len(safe) <= _STORE_NAME_LIMIT else f"_{safe[-_STORE_NAME_LIMIT + 1 :]}"


def normalised(project: str) -> str:
    """The canonical spelling of a PyPI project's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", project).lower()


def _checked(value: str, pattern: re.Pattern[str], limit: int, allowed: str) -> str:
    if len(value) > limit:
        raise ValueError(f"expected at most {limit} characters, got {len(value)}")
    if not pattern.fullmatch(value):
        raise ValueError(f"expected {allowed}; got {value!r}")
    return value


def meant_suite(written: str) -> str | None:
    """The suite of Debian that a slip was probably to name; None for one that is known, or like none."""
    from difflib import get_close_matches

    near = get_close_matches(written.lower(), _SUITES, n=1, cutoff=_ALIKE)
    return near[0] if near and written not in _SUITES else None
