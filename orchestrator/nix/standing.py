"""By which of Nix's rules the path of a source follows from what is in it."""

from __future__ import annotations

from orchestrator.ground.digest import Sha256
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.derivation import name_of
from orchestrator.nix.store import PathInfo
from orchestrator.nix.storepath import ByContent


def rule_of(store: ChrootStore, info: PathInfo) -> ByContent | None:
    """None: by no rule, as what was built stands for what it was built from. Its NAR hash is believed."""

    def stands(rule: ByContent) -> bool:
        return rule.path(name_of(info.path), info.nar_hash.hex) == info.path

    source = ByContent("source", None, info.references)
    if stands(source):
        return source
    file = store.physical(info.path)
    if file.is_symlink() or not file.is_file():
        return None
    digest = Sha256.of_file(file).hex
    return next(filter(stands, (ByContent("text", digest, info.references), ByContent("flat", digest))), None)
