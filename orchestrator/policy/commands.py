"""Whether the commands of a provenance are those that made what the builders vouch for. Pure.

A builder signs the store paths of what it built, and Nix computes such a path from the derivation:
executable, arguments, environment and inputs. So a command that says other things than the derivation that
was built has other paths (nix/outputpath.py), whoever signed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.evidence import commands
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.layout import Layout
from orchestrator.evidence.links import Link, artifact_derivation
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import BUILD_TYPE, FETCHED_KINDS, NAR_SHA256, Kind
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass
from orchestrator.nix.outputpath import Command, Inputs, Known, Places, fixed_hash, output_paths
from orchestrator.policy.evidence import Input, inputs_of
from orchestrator.policy.verdict import Code, Reason
from orchestrator.recipe.purltext import unescaped

_WHAT = "the provenance"
_UNSTORED = re.compile("[^A-Za-z0-9+._?=-]")  # what `store_name` of recipe/names.py replaces


@dataclass(frozen=True, slots=True)
class Told:
    """What a provenance tells of the commands, read once."""

    commands: tuple[tuple[Command, Inputs | None], ...] | None
    """None: nothing, as releases of earlier versions."""
    materials: tuple[Input, ...]
    recipe: bool
    """Whether a recipe was built, and no derivation of somebody's own."""
    package: str
    """The `.drv` of the package, as the provenance has it; so the next."""
    artifact: str
    computed: tuple[Mapping[str, str] | None, ...]
    """Where the outputs of each command have to be; None: what it was given is not known."""

    def of(self, derivation: str) -> Command | None:
        return next((each for each, _ in self.commands or () if each.derivation == derivation), None)


def read(provenance: Statement) -> Told:
    """Raises MalformedError."""
    definition = member(provenance.predicate, "buildDefinition", dict, _WHAT)
    internal = member(definition, "internalParameters", dict, _WHAT)
    package, artifact = (member(internal, name, dict, _WHAT) for name in ("package", "artifact"))
    recipe = member(definition, "buildType", str, _WHAT) == BUILD_TYPE
    told, materials = commands.read(provenance.predicate), inputs_of(provenance.predicate)
    # earlier versions do not tell that somebody's own derivation fixed an output by sha512 and the like
    doubtful = Places(
        {str(each.path): True for each in materials if each.kind == Kind.FETCHED and not recipe}
    )
    return Told(
        told,
        materials,
        recipe,
        member(package, "derivation", str, f"{_WHAT}'s package"),
        member(artifact, "derivation", str, f"{_WHAT}'s artifact"),
        tuple(_computed(told or (), _known(materials, recipe), doubtful)),
    )


def same(told: Told, links: Sequence[Link], layout: Layout) -> Iterator[Reason]:
    """Links and layout say that the package was made by the command that the provenance has for it.

    Releases of earlier versions tell of none, and their links and layouts neither.
    """
    package = told.of(told.package)
    said = () if package is None else (package.executable, *package.arguments)
    for link in links:
        if link.command != said:
            yield _no(f"the link of builder {link.builder} and the provenance tell of different commands")
    if layout.command != said:
        yield _no("the layout expects another command than the one that the provenance has")


def made(told: Told, link: Link) -> Iterator[Reason]:
    """Each command makes what the builders signed for; and of all that they built there is a command."""
    if told.commands is None:
        return
    names = [each.derivation for each, _ in told.commands]
    if len(set(names)) != len(names):
        yield _no("the provenance has two commands of one derivation")
    vouched = {**link.materials, **link.products, **link.converged}
    outputs: set[str] = set()
    for (command, _), paths in zip(told.commands, told.computed, strict=True):
        outputs |= set(command.outputs.values())
        if paths is not None and paths != command.outputs:
            yield _no(
                f"the command that the provenance has for {command.derivation} does not make its output"
            )
        if vouched.keys().isdisjoint(command.outputs.values()):
            yield _no(f"no builder says that it made the output of {command.derivation}")
    built = [each.path for each in told.materials if each.kind == Kind.BUILT]
    for path in (*built, *(path for path in link.products if path.startswith("/nix/store/"))):
        if path not in outputs:
            yield _no(f"the provenance does not say by which command {path} was made")


def outputs(told: Told, link: Link, agreed: Mapping[str, Any]) -> Iterator[Reason]:
    """What was agreed on, derivation by derivation, is what the builders' links have."""
    what = "the agreement's outputs"
    found: dict[str, Mapping[str, str]] = {}
    for derivation, of in agreed.items():
        for name, output in member(agreed, derivation, dict, what).items():
            path = member(output, "path", str, what)
            found[path] = {NAR_SHA256: member(output, NAR_SHA256, str, what)}
            command = told.of(derivation)
            if command is not None and command.outputs.get(name) != path:
                yield _no(f"{path} is not the output {name} of {derivation}")
        if not of:
            raise MalformedError(f"{what} have none of {derivation}")
    if found != {path: dict(of) for path, of in link.products.items() if path.startswith("/nix/store/")}:
        yield _no("the agreement is on other outputs than the builders' links")
    if link.derivations and set(link.derivations) != set(agreed):
        yield _no("the agreement is on other derivations than the builders' links")
    if not {told.package, told.artifact} <= set(agreed):
        yield _no("the package or the artifact is by another derivation than those agreed on")
    if (derivation := artifact_derivation(link)) and derivation != told.artifact:
        yield _no("the artifact is by another derivation than the builders' links have")


def kinds(told: Told) -> Iterator[Reason]:
    """Nothing that the package was made from goes by as part of the toolchain, at which other rules look."""
    for path in _sources(told):
        found = next((each for each in told.materials if each.path == path), None)
        if found is not None and found.kind in (Kind.TOOLCHAIN, Kind.FILE):
            yield _no(f"{found.name} is a source, and the provenance has it as {found.kind!s}")


def packages(told: Told) -> Iterator[Reason]:
    """A Debian package goes by the name and the version that its file has in every builder's store."""
    for each in told.materials:
        if each.path is None or not each.path.endswith(".deb") or each.kind != Kind.TOOLCHAIN:
            continue
        if each.purl is None:
            yield _no(f"the provenance does not say which package {each.path} is")
            continue
        purl = unescaped(each.purl.partition("?")[0])
        name, _, version = purl.removeprefix("pkg:deb/debian/").partition("@")
        file = f"{name}_{version.rpartition(':')[2]}_"  # in the pool no file's name has the epoch
        if not each.path[44:].startswith(_UNSTORED.sub("_", file)):
            yield _no(f"{each.path} is not the package {each.purl}")


def _sources(told: Told) -> Iterator[str]:
    """Store paths of what was fetched for packages: those that a recipe's derivation lists as its sources."""
    if told.recipe:
        for command, _ in told.commands or ():
            for line in command.environment.get("tallySources", "").splitlines():
                yield from line.split(" ")[2:3]
        return
    fetched = Places(
        {str(each.path): str(each.path) for each in told.materials if each.kind in FETCHED_KINDS}
    )
    theirs = _below(told, told.package)
    ours = [each for name, each in _below(told, told.artifact).items() if name not in theirs]
    packing = {path for command in ours for path in fetched.named(command)}  # may be the same file
    for command in theirs.values():
        yield from (path for path in fetched.named(command) if path not in packing)


def _below(told: Told, derivation: str) -> Mapping[str, Command]:
    """A command and those that made what it names, by derivation; none where it is not told of."""
    makers = Places(
        {path: command for command, _ in told.commands or () for path in command.outputs.values()}
    )
    queue = [command] if (command := told.of(derivation)) is not None else []
    found: dict[str, Command] = {}
    while queue:
        command = queue.pop()
        if command.derivation not in found:
            found[command.derivation] = command
            queue += makers.named(command)
    return found


def _computed(
    told: Sequence[tuple[Command, Inputs | None]], known: Known, doubtful: Places
) -> Iterator[Mapping[str, str] | None]:
    """`doubtful` are inputs that may be fixed by another digest than the provenance has."""
    for command, inputs in told:
        given = inputs or known.inputs(command)
        paths = None if given is None else output_paths(command, given)
        if inputs is None and paths != command.outputs and any(doubtful.named(command)):
            given = paths = None
        known.add(command, given)
        yield paths


def known_to(told: Told) -> Known:
    """What commands can be given besides what other commands made."""
    return _known(told.materials, told.recipe)


def _known(materials: Sequence[Input], recipe: bool) -> Known:
    fixed: dict[str, str] = {}
    sources, opaque = [], []
    for each in materials:
        if each.path is None:
            continue
        flat, nar = each.digests.get("sha256"), each.digests.get(NAR_SHA256)
        if each.kind == Kind.BELIEVED:
            opaque.append(each.path)
        elif each.kind == Kind.FILE or (each.kind == Kind.SOURCE and nar is not None and not recipe):
            sources.append(each.path)
        elif each.kind in FETCHED_KINDS and (flat is not None or nar is not None):
            fixed[each.path] = fixed_hash(each.path, _digest(flat, nar, each.digests.get("sha512")))
    return Known(fixed, sources, opaque)


def _digest(flat: str | None, nar: str | None, sha512: str | None) -> Sha256 | NarHash | OtherDigest:
    """By which its derivation fixes it: by the sha512 of a file that has both."""
    try:
        if flat is not None and sha512 is not None:
            return OtherDigest("sha512", sha512, nar=False)
        return Sha256(flat) if flat is not None else NarHash(str(nar))
    except ValueError as error:
        raise MalformedError(f"a material of the provenance has no digest: {error}") from None


def unseen(told: Told) -> int:
    """How many commands cannot be compared with what the builders signed."""
    return sum(paths is None for paths in told.computed)


def _no(said: str) -> Reason:
    return Reason(Code.CONTRADICTION, said)
