"""Packages as npm's registries have them, made here."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from base64 import b64encode
from hashlib import sha512


def tarball(name: str, version: str = "1.0.0", licence: str = "MIT", **files: str) -> bytes:
    """A package of one script that says its name, and of `files` (`bundled/b/index.js`)."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        told = {"name": name, "version": version, "license": licence}
        for file, text in {"index.js": f"// {name}", "package.json": json.dumps(told), **files}.items():
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def integrity(data: bytes) -> str:
    """As locks have it."""
    return f"sha512-{b64encode(sha512(data).digest()).decode()}"
