"""Images in registries as recipes name them, and the addresses that follow. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from orchestrator.recipe.values import IMAGE

BLOB: Final = re.compile(r"https?://[^/]+/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
_HERE: Final = ("localhost", "127.0.0.1", "::1")


def parts(image: str) -> tuple[str, str, str]:
    """Host, name and digest of an image."""
    found = re.fullmatch(IMAGE, image)
    if found is None:
        raise ValueError(f"{image[:80]!r} is no image by its digest")
    return found["host"], found["name"], found["digest"]


def registry(host: str) -> str:
    """The address of a registry. Those on this machine are spoken to without TLS, as docker does."""
    return f"{'http' if urlsplit(f'//{host}').hostname in _HERE else 'https'}://{host}/v2/"


def is_layer(url: str) -> bool:
    """Whether an address is that of a blob in a registry."""
    return BLOB.fullmatch(url) is not None


def layer_address(image: str, sha256: str) -> str:
    """Where a layer of an image is."""
    host, name, _ = parts(image)
    return f"{registry(host)}{name}/blobs/sha256:{sha256}"
