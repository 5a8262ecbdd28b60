"""The commit that a release was made from: its repository, and whether recipe and lock are as it has them."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.evidence.canonical import member
from orchestrator.ground.wording import some
from orchestrator.policy.evidence import Commit, Evidence
from orchestrator.policy.pattern import Pattern
from orchestrator.policy.verdict import Code, Finding, Reason
from orchestrator.recipe.detours import plain
from orchestrator.repositories.revision import web_address

_WITH_A_REMOTE = (
    "`git remote add origin ADDRESS`, the one that others clone from; move this release away, and build again"
)


@dataclass(frozen=True, slots=True)
class Repositories:
    """`sources.repositories`: patterns over addresses as `web_address` writes them."""

    patterns: tuple[Pattern, ...]

    @property
    def name(self) -> str:
        return "sources.repositories"

    def judge(self, evidence: Evidence) -> Finding:
        commit = evidence.commit
        if commit is None:
            said = "the provenance names no repository that the recipe is from"
            return self._no("no commit", said, f"build it in a git repository; there {_WITH_A_REMOTE}")
        if commit.address is None:
            said = f"the provenance does not say where the repository of the commit {commit.id} is"
            return self._no(f"the commit {commit.id}", said, f"in that repository {_WITH_A_REMOTE}")
        place = web_address(commit.address)
        if place is not None and plain(place) and any(each.matches(place) for each in self.patterns):
            return Finding(self.name, f"{commit.address}@{commit.id}")
        said = f"the recipe is from the repository {commit.address}, which no pattern allows"
        return self._no(f"{commit.address}@{commit.id}", said)

    def _no(self, saw: str, said: str, way_out: str | None = None) -> Finding:
        return Finding(self.name, saw, (Reason(Code.SOURCE_NOT_ALLOWED, said, way_out=way_out),))


@dataclass(frozen=True, slots=True)
class Committed:
    """`require.commit`: what a release is made from is byte for byte as a commit of its repository has it."""

    @property
    def name(self) -> str:
        return "require.commit"

    def judge(self, evidence: Evidence) -> Finding:
        commit = evidence.commit
        if commit is None:
            said = "the provenance names no commit that the release was made from"
            return Finding(self.name, "no commit", (Reason(Code.UNCOMMITTED, said),))
        saw = f"the commit {commit.id}"
        if not commit.uncommitted:
            if (astray := _astray(evidence, commit)) is None:
                return Finding(self.name, saw)
            return Finding(self.name, f"{saw}, and no recipe in it", (Reason(Code.UNCOMMITTED, astray),))
        files = some(list(commit.uncommitted))
        said = f"not as the commit {commit.id} has it: {files}"
        return Finding(self.name, f"{saw}, and changes of {files}", (Reason(Code.UNCOMMITTED, said),))


def _astray(evidence: Evidence, commit: Commit) -> str | None:
    """Why the commit is not shown to be that of what was built; None: it is."""
    definition = member(evidence.provenance, "buildDefinition", dict, "the provenance")
    external = member(definition, "externalParameters", dict, "the provenance")
    path = commit.path
    if not path:
        return f"the provenance does not say which file of the commit {commit.id} the recipe is"
    match evidence.kind:
        case "recipe":
            for name in ("recipe", "lock"):
                if name not in external:
                    return f"the provenance names no {name}, so that the commit {commit.id} need not have it"
            fits = path.rsplit("/", 1)[-1] == member(external["recipe"], "name", str, "the recipe")
        case "flake":
            flake = member(external, "flake", dict, "the provenance")
            folder = member(flake, "directory", str, "the flake") if "directory" in flake else ""
            fits = path == (f"{folder}/flake.nix" if folder else "flake.nix")
        case "expression":
            file = member(
                member(external, "expression", dict, "the provenance"), "file", str, "the expression"
            )
            fits = path in (file, ".") or file.startswith(f"{path}/")
        case _:
            return f"what it was made from is in no commit, and the provenance names the commit {commit.id}"
    return None if fits else f"the provenance names another file of the commit {commit.id}: {path}"
