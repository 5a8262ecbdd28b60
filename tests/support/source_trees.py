"""A source of a project, of files that a test names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class Files:
    """The files by their paths; what is no bytes is written as JSON. It counts how often each is read."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self.files = {
            path: each if isinstance(each, bytes) else json.dumps(each).encode()
            for path, each in files.items()
        }
        self.count = dict.fromkeys(self.files, 0)

    def read(self, path: str) -> bytes | None:
        if path in self.count:
            self.count[path] += 1
        return self.files.get(path)

    def named(self, name: str) -> Mapping[str, bytes]:
        return {path: data for path, data in self.files.items() if path.rpartition("/")[2] == name}
