"""What a release's verified links name: the store paths that may be signed for, and who made them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.evidence import beliefs
from orchestrator.evidence.beliefs import Belief
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.values import dataclass

_STORE = "/nix/store/"


@dataclass(frozen=True, slots=True)
class Named:
    """The links of a release that verified, by their files."""

    links: Mapping[str, Link]

    @property
    def targets(self) -> tuple[str, ...]:
        """The store paths of what was asked for: the package's and the artifact's."""
        first = next(iter(self.links.values()))
        return tuple(sorted(path for path in first.products if path.startswith(_STORE)))

    @property
    def every(self) -> frozenset[str]:
        """All store paths that some link names."""
        links = self.links.values()
        return frozenset(
            path for each in links for path in (*each.materials, *each.products) if path.startswith(_STORE)
        )

    @property
    def believed(self) -> tuple[str, ...]:
        """The store paths that some builder believed, with all that these refer to."""
        return tuple(sorted({path for each in self.links.values() for path in each.believed}))

    def digest(self, path: str) -> NarHash | Sha256:
        """What every link has for a store path. Raises TallyError where one has not, or something else."""
        told = [each.products.get(path) or each.materials.get(path) for each in self.links.values()]
        first = told[0] if told else None
        if first is None or any(each != first for each in told):
            raise TallyError(
                f"{path} is not named by every builder's link, so nothing is signed of it",
                hint="it is not part of what the release's builders agreed on: "
                "publish without --with-runtime, or build again",
            )
        return NarHash(first[NAR_SHA256]) if NAR_SHA256 in first else Sha256(first["sha256"])

    def belief(self, path: str) -> Belief | None:
        """By whose signature it is believed; None: the builders made it, or it is a source."""
        for each in self.links.values():
            if path in each.believed:
                return beliefs.read({path: each.believed[path]}, f"the link of builder {each.builder}")[path]
        return None
