"""What a release says was made, and what it carries to make it again. It was verified before, or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator.bundles import own_bundle
from orchestrator.evidence import closure, commands, statement
from orchestrator.evidence.canonical import MalformedError, member
from orchestrator.evidence.canonical import read as read_json
from orchestrator.evidence.source import DERIVATIONS, REQUEST, SCRIPTS, recipe_file
from orchestrator.evidence.statement import Statement
from orchestrator.evidence.terms import (
    BUILD_TYPE,
    BUNDLES,
    NAR_SHA256,
    PROVENANCE,
    REPRODUCTION,
    SOURCE,
    Kind,
)
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass
from orchestrator.nix.derivation import name_of as name_of_path
from orchestrator.nix.outputpath import Command
from orchestrator.nix.storepath import is_store_path
from orchestrator.policy.verdict import Refused
from orchestrator.publishing.contents import Contents, locate, read_contents, read_index
from orchestrator.publishing.folder import Folder
from orchestrator.publishing.index import Index, Measured, name_of
from orchestrator.recipe.wanted import fixed_outputs

_MARKS: Final = 1 << 23  # of JSON's, in a request: a thousand packages have 20,000
_WHAT: Final = "the provenance"


@dataclass(frozen=True, slots=True)
class Output:
    """One store path that the release's builders agreed on."""

    derivation: str
    name: str
    path: str
    nar_hash: NarHash


@dataclass(frozen=True, slots=True)
class Claim:
    """A release, by its own evidence."""

    folder: Folder
    name: str
    """What its folder is called: NAME-VERSION-SYSTEM, with the output's name where that is another."""
    target: str
    """What its maker asked for."""
    build_type: str
    package: str
    """The package's `.drv`; so the next."""
    artifact: str
    artifact_file: str
    sha256: Sha256
    """The artifact's."""
    outputs: tuple[Output, ...]
    inputs: Mapping[str, NarHash]
    """Store path to what its builders made, all of them the same, of inputs that they built."""
    commands: tuple[Command, ...]
    """What each derivation that was built had its builder run; empty: releases of earlier versions."""
    files: Measured
    index: Sha256
    """The digest of its release.json, which lists these."""
    surroundings: Mapping[str, Any]
    """What its first builder's builds saw of their machine; empty: it is not told."""
    span: tuple[str, str] | None
    """When its builds began and ended, as it tells that."""
    address: str | None
    """`git+https://…@COMMIT` of the repository that recipe and lock are from; None: it is not told."""

    @property
    def is_recipe(self) -> bool:
        return self.build_type == BUILD_TYPE

    @property
    def artifact_path(self) -> Path:
        """Where the artifact's bytes are."""
        return self.folder.path / self.artifact_file

    def names(self, below: str) -> Iterator[str]:
        """Its files in one of its folders."""
        return (name for name in self.files if name.startswith(below))

    def scripts(self) -> Iterator[tuple[str, str]]:
        """Our scripts that it was built with: the file in the release, and what the script is called.

        Raises TallyError for a file whose name would lead out of the folder that the scripts are put into.
        """
        for name in self.names(SCRIPTS):
            path = f"/nix/store/{name.removeprefix(SCRIPTS)}"
            if not is_store_path(path) or name_of_path(path).startswith("."):
                raise TallyError(
                    f"the release {self.name} has a file {name}, which is not called as a store path is",
                    hint="no Tallystick makes one so: do not trust who signed it",
                )
            yield name, name_of_path(path)

    def read(self, name: str) -> bytes:
        """One of its files, as it was when the claim was read. Raises TallyError when it has none such."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """The same, a part at a time; what it was is known when all are read."""
        if name not in self.files:
            raise TallyError(
                f"the release {self.name} carries no {name}, so it cannot be made again from itself",
                hint="build it from its recipe with `tally build`, and compare the artifact's sha256",
            )
        digest = hashlib.sha256()
        try:
            for chunk in self.folder.chunks(name):
                digest.update(chunk)
                yield chunk
        except (OSError, ValueError) as error:
            raise TallyError(f"cannot read {name} of the release {self.name}: {why(error)}") from error
        if Sha256(digest.hexdigest()) != self.files[name][0]:
            raise TallyError(f"{name} of the release {self.name} changed while it was read")

    def request(self) -> dict[str, Any]:
        """What Nix was given. Raises TallyError."""
        try:
            found = read_json(self.read(REQUEST), REQUEST, _MARKS)
        except MalformedError as error:
            raise TallyError(f"the release {self.name}: {error}") from error
        if not isinstance(found, dict):
            raise TallyError(f"the release {self.name}: {REQUEST} is no object")
        return found

    def packing(self) -> dict[str, Any]:
        """The request that packs what a derivation made. Raises TallyError for one that asks for more."""
        found = self.request()
        try:
            if member(found, "recipes", dict, REQUEST):
                raise MalformedError(f"{REQUEST} has recipes, which no derivation is made from")
            if "busybox" not in found or any(not each.urls for each in fixed_outputs(found)):
                raise MalformedError(f"{REQUEST} names an input and no address of it")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            told = str(error) if isinstance(error, MalformedError) else f"{REQUEST} is not one that packs"
            raise TallyError(
                f"the release {self.name}: {told}", hint="`tally verify` says who signed it: ask there"
            ) from error
        return found


def claim_of(
    target: Path, read: tuple[Index, Contents] | None = None, *, artifact_as_it_is: bool = False
) -> Claim:
    """The release at a folder, or at the artifact in it, by its own word. Raises TallyError.

    `read` is what a verification has read of it: nothing is read again then, and what it carries has to be as
    it was. With `artifact_as_it_is`, its artifact may have another size than it lists, for who makes it again
    and compares the two.
    """
    folder, asked = locate(target)
    try:
        if read is None:
            index = read_index(folder, asked)
            read = index, read_contents(folder, index, artifact_as_it_is=artifact_as_it_is)
        index, contents = read
        provenance, reproduction = (
            _statement(contents.documents, BUNDLES[kind]) for kind in (PROVENANCE, REPRODUCTION)
        )
        return _claim(folder, contents.measured, provenance, reproduction, index)
    except MalformedError as error:
        raise _unreadable(folder.path, str(error)) from error
    except Refused as error:
        raise _unreadable(folder.path, error.reasons[0].sentence) from error
    except OSError as error:
        raise _unreadable(folder.path, why(error)) from error


def refuse_without_source(claim: Claim) -> None:
    """Raises TallyError for a release that does not carry what made it."""
    needed = recipe_file(claim.target) if claim.is_recipe else DERIVATIONS
    if needed not in claim.files:
        lacks = f"no {needed}" if any(claim.names(SOURCE)) else f"no folder {SOURCE}"
        raise TallyError(
            f"the release {claim.name} has {lacks}, so it cannot be made again from itself",
            hint="as in the first versions: build it from its recipe with `tally build`, and compare "
            "the artifact's sha256",
        )


def _statement(documents: Mapping[str, bytes], name: str) -> Statement:
    if name not in documents:
        raise MalformedError(f"it has no {name}")
    return statement.parse(own_bundle.parse(documents[name], name).envelope.payload, name)


def _claim(
    folder: Folder,
    files: Measured,
    provenance: Statement,
    reproduction: Statement,
    index: Index,
) -> Claim:
    definition = member(provenance.predicate, "buildDefinition", dict, _WHAT)
    internal = member(definition, "internalParameters", dict, _WHAT)
    external = member(definition, "externalParameters", dict, _WHAT)
    package, artifact = (member(internal, name, dict, _WHAT) for name in ("package", "artifact"))
    file = member(artifact, "fileName", str, f"{_WHAT}'s artifact")
    if file not in files:
        raise MalformedError(f"its artifact {file!r} is not among its files")
    told = commands.read(provenance.predicate) or ()
    return Claim(
        folder=folder,
        name=name_of(index, folder.path.absolute().name),
        target=member(external, "target", str, _WHAT),
        build_type=member(definition, "buildType", str, _WHAT),
        package=member(package, "derivation", str, f"{_WHAT}'s package"),
        artifact=member(artifact, "derivation", str, f"{_WHAT}'s artifact"),
        artifact_file=file,
        sha256=files[file][0],
        outputs=tuple(_outputs(reproduction)),
        inputs=dict(_inputs(provenance)),
        commands=tuple(each for each, _ in told),
        files=files,
        index=Sha256.of(index.data),
        surroundings=_surroundings(reproduction),
        span=_span(provenance),
        address=_address(external),
    )


def _outputs(reproduction: Statement) -> Iterator[Output]:
    what = "the reproduction statement"
    attributes = member(reproduction.predicate, "attributes", list, what)
    if not attributes:
        raise MalformedError(f"{what} says nothing")
    conditions = member(attributes[0], "conditions", dict, what)
    agreement = member(conditions, "agreement", dict, what)
    outputs = member(agreement, "outputs", dict, what)
    for derivation in outputs:
        made = member(outputs, derivation, dict, what)
        for name in made:
            output = member(made, name, dict, what)
            path, digest = (member(output, key, str, what) for key in ("path", NAR_SHA256))
            try:
                yield Output(derivation, name, path, NarHash(digest))
            except ValueError as error:
                raise MalformedError(f"{what}: {error}") from None


def _inputs(provenance: Statement) -> Iterator[tuple[str, NarHash]]:
    for each in closure.materials(provenance.predicate):
        noted, digests = (member(each, key, dict, "a material") for key in ("annotations", "digest"))
        if noted["kind"] == Kind.BUILT and isinstance(digest := digests.get(NAR_SHA256), str):
            try:
                yield member(noted, "storePath", str, "a material"), NarHash(digest)
            except ValueError as error:
                raise MalformedError(f"{_WHAT}: {error}") from None


def _surroundings(reproduction: Statement) -> Mapping[str, Any]:
    first, *_ = reproduction.predicate["attributes"]
    found = first["conditions"].get("surroundings")
    return found if isinstance(found, dict) else {}


def _span(provenance: Statement) -> tuple[str, str] | None:
    details = provenance.predicate.get("runDetails")
    metadata = details.get("metadata") if isinstance(details, dict) else None
    if not isinstance(metadata, dict):
        return None
    first, last = metadata.get("startedOn"), metadata.get("finishedOn")
    return (first, last) if isinstance(first, str) and isinstance(last, str) else None


def _address(external: Mapping[str, Any]) -> str | None:
    repository = external.get("repository")
    uri = repository.get("uri") if isinstance(repository, dict) else None
    return uri if isinstance(uri, str) and uri.startswith("git+") else None


def _unreadable(folder: Path, said: str) -> TallyError:
    return TallyError(
        f"the release {folder} cannot be made again: {said}",
        hint="`tally verify` says what else of it is not as it should be",
    )
