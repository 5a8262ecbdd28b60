"""The kinds of text that recipes and locks hold, each with its check: digests, addresses, paths, names. Pure.

Checks raise ValueError with what was expected; pydantic adds the place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints

from orchestrator.ground.digest import hexadecimal
from orchestrator.recipe.detours import plain

_VARIABLE_LIMIT = 120_000  # the kernel's is 128 KiB, with the name
_TOOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")


@dataclass(frozen=True, slots=True)
class Matching:
    """A note on a `str`: the whole of it fits a pattern, which is called `expected` where it does not."""

    pattern: str
    expected: str

    def __call__(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"expected {self.expected}; got {value[:80]!r}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        return AfterValidator(self).__get_pydantic_core_schema__(source, handler)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}


TOOL_FOLDER = Matching(
    r"/(opt|usr/local)(/(?!\.\.?(/|$))[A-Za-z0-9._+-]+)+", "a folder below /opt or /usr/local, as /opt/go"
)
TOOL_PATH = Matching(r"[A-Za-z0-9._+/-]{1,200}", "a folder's path of letters, digits and . _ + - /")
IMAGE = (
    r"(?P<host>(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+(?=:))(?::[0-9]+)?)/"
    r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::[A-Za-z0-9._-]+)?@(?P<digest>sha256:[0-9a-f]{64})"
)
"""An image by its digest; a tag beside that says nothing."""
ONE_LINE = Matching(r"[^\x00-\x1f\x7f]+", "a text on one line, without control characters")


def _data(value: str) -> str:
    if "\0" in value:
        raise ValueError("holds a NUL character, which nothing that runs a build can carry")
    return value


def fits_a_variable(value: str) -> str:
    if len(value.encode("utf-8", "surrogatepass")) > _VARIABLE_LIMIT:
        raise ValueError(f"holds more than {_VARIABLE_LIMIT} bytes, the most that a variable takes")
    return value


def _revision(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value):
        raise ValueError(f"expected a whole commit id (40 lower-case hexadecimal digits), got {value[:80]!r}")
    return value


def address(*schemes: str) -> Any:
    def check(value: str) -> str:
        if len(value) > 2000 or not re.fullmatch(r"[!-~]+", value):
            raise ValueError("expected an address of at most 2000 printable ASCII characters without spaces")
        try:
            parts = urlsplit(value)
            parts.port  # noqa: B018  (raises when the port is not a number)
        except ValueError:  # which would tell a part of a password that has a `/` in it
            raise ValueError(
                "not an address: its host or its port cannot be read. One with a user name or password would "
                "end in the published evidence"
            ) from None
        if not plain(value):
            raise ValueError(f"expected an address without '.' and '..' in its path; got {value[:80]!r}")
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(
                f"expected an address with {', '.join(f'{s}://' for s in schemes)}; got {value[:80]!r}"
            )
        if "@" in parts.netloc and (parts.scheme != "ssh" or ":" in parts.netloc.rpartition("@")[0]):
            raise ValueError("an address with a user name or password would end in the published evidence")
        return value

    return AfterValidator(check)


def relative(value: str) -> str:
    parts = value.split("/")
    if value.endswith("/") and relative(value.rstrip("/")):
        raise ValueError(f"expected a path without `/` at its end: {value.rstrip('/')[:80]!r}")
    if value.startswith("/"):
        raise ValueError(f"expected a relative path, and {value[:80]!r} begins with `/`")
    if ".." in parts or "" in parts or re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError(f"expected a relative path without '..', got {value[:80]!r}")
    return value


def container_image(value: str) -> str:
    if not re.fullmatch(IMAGE, value) or len(value) > 500:
        without = "; a tag can name another image tomorrow" if "@" not in value else ""
        raise ValueError(f"expected an image as HOST/NAME@sha256:…, got {value[:80]!r}{without}")
    return value


def inside_output(value: str) -> str:
    if "." in value.split("/"):
        raise ValueError(f"expected a path inside the output, got {value[:80]!r}")
    return relative(value)


def project(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", value):
        raise ValueError(f"expected the name of a PyPI project, got {value[:80]!r}")
    return value


def npm_package(value: str) -> str:
    if not re.fullmatch(r"(@[a-z0-9~-][a-z0-9._~-]{0,98}/)?[A-Za-z0-9~-][A-Za-z0-9._~-]{0,98}", value):
        raise ValueError(f"expected the name of an npm package, got {value[:80]!r}")
    return value


def python_version(text: str) -> str:
    """A version of Python 3, with all three numbers. Raises ValueError."""
    if not re.fullmatch(r"3\.[0-9]{1,3}\.[0-9]{1,3}", text):
        raise ValueError(f"expected a version of Python 3 like 3.11.2, got {text[:80]!r}")
    return text


def registry_version(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}", value):
        raise ValueError(f"expected a version, got {value[:80]!r}")
    return value


def tool(value: str) -> str:
    if not _TOOL.fullmatch(value) or len(value) > 100:
        raise ValueError(f"expected the name of a package, got {value[:80]!r}")
    return value


def one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} is listed twice")
    return values


Data = Annotated[str, AfterValidator(_data)]
_WRITTEN = "^(sha256[:-])?([0-9A-Fa-f]{64}|[0-9a-df-np-sv-z]{52}|[A-Za-z0-9+/]{43}=)$"
Digest = Annotated[str, AfterValidator(hexadecimal), Field(json_schema_extra={"pattern": _WRITTEN})]
FileName = Annotated[
    str,
    Matching(r"[A-Za-z0-9+_=?-][A-Za-z0-9+._?=-]{0,199}", "a file's name of letters, digits and + . _ ? = -"),
]
Line = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_data)]
Revision = Annotated[
    str, AfterValidator(_revision), Field(json_schema_extra={"pattern": "^[0-9a-f]{40}([0-9a-f]{24})?$"})
]
Url = Annotated[str, address("mirror", "https", "http")]
