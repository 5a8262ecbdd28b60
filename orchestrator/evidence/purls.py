"""What a package URL says, read without the library for them. Pure."""

from __future__ import annotations

from urllib.parse import unquote


def name_and_version(purl: str | None) -> tuple[str | None, str | None]:
    """Where it has them (purl-spec, "Rules for each purl component").

    They say more than a file's name: `gcc-12`.
    """
    if not purl:
        return None, None
    body = purl.split("?", 1)[0].split("#", 1)[0]
    head, at, version = body.rpartition("@") if "@" in body.rsplit("/", 1)[-1] else (body, "", "")
    return unquote(head.rsplit("/", 1)[-1]) or None, unquote(version) if at else None
