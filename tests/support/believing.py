"""An input of the tests' own packages (tests/assets/targets) in a cache, for a project that believes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from caches import Binary, SigningKey
from projects import Project
from targets import laid_out, nix

from orchestrator.ground.nar import dump
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.command import Nix


@dataclass(frozen=True)
class Input:
    """What each package is made with, as a builder made it."""

    path: str
    nar: bytes
    references: tuple[str, ...]

    def cache(self, key: SigningKey, **changes: object) -> Binary:
        """A cache that has it and nothing else."""
        found = Binary(key)
        found.add(self.path, self.nar, self.references, "xz", **changes)
        return found


def built_tools(project: Project, session_state: Path) -> Input:
    """`tools` of the packages that are laid out in the project's folder `packages`; built on `a` and `b`."""
    packages = laid_out(project.folder / "packages")
    project.tally("build", "-f", packages, "structured", "--no-sign").succeeded()
    drv = nix(
        project.folder / "elsewhere", "nix-instantiate", str(packages / "default.nix"), "-A", "structured"
    )
    scratch = project.folder / "scratch"
    scratch.mkdir()
    builder = ChrootStore(Nix.find(scratch), session_state / "stores/a")
    [made] = [each for each in builder.graph([drv]).derivations.values() if each.name == "tools"]
    path = made.outputs["out"]
    return Input(path, b"".join(dump(builder.physical(path))), builder.information([path])[path].references)


def inputs_table(key: SigningKey, *addresses: str) -> str:
    """`[inputs]` of tally.toml."""
    caches = ", ".join(f'"{each}"' for each in addresses)
    return f'[inputs]\nfrom = "cache"\ncaches = [{caches}]\nkeys = ["{key.text}"]\n'
