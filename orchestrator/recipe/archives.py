"""Which files a build unpacks by itself: the table of endings. The build decides how, by content. Pure."""

from __future__ import annotations

ENDINGS = (
    *(".tar", ".crate"),
    *(".tar.gz", ".tgz"),
    *(".tar.z", ".taz"),
    *(".tar.bz2", ".tbz2", ".tbz", ".tb2"),
    *(".tar.xz", ".txz"),
    *(".tar.zst", ".tzst"),
    *(".tar.lz", ".tlz", ".tar.lzma"),
    ".zip",
)
"""In lower case; a name may have them in any."""


def is_archive(name: str) -> bool:
    """Whether a file is unpacked unless the recipe says otherwise."""
    return name.lower().endswith(ENDINGS)
