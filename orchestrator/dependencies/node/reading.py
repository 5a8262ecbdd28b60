"""From a lock file's name to its reader: npm's, yarn's or pnpm's. Pure."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.dependencies.dependency import Locked
from orchestrator.dependencies.tree import Tree

_LATER: Final = re.compile(rb"^__metadata:", re.MULTILINE)
"""How locks of yarn 2 and later are told from yarn 1's."""


def read(data: bytes, place: str, tree: Tree, lock: str, system: str, member: str | None = None) -> Locked:
    """What the lock at a path of `tree` pins for one system. Raises BadLock.

    `member` is the folder of `tree` of the one member of a workspace that is the project; None: all are.
    """
    folder, _, name = lock.rpartition("/")
    match name:
        case "yarn.lock" if _LATER.search(data):
            from orchestrator.dependencies.node import berry

            return berry.read(data, place, tree, folder, system, member)
        case "yarn.lock":
            from orchestrator.dependencies.node import yarn

            return yarn.read(data, place, tree, folder, member)
        case "pnpm-lock.yaml":
            from orchestrator.dependencies.node import pnpm

            return pnpm.read(data, place, tree, folder, system, member)
        case _:
            from orchestrator.dependencies.node import npm

            return npm.read(data, place, tree, folder, system, member)
