"""From recipes and lock to the request that Nix reads: JSON values only. Pure.

The same recipes and lock give the same request, and so the same derivation paths, on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.ground.errors import TallyError
from orchestrator.pinning.depended import Dependencies
from orchestrator.recipe.archives import is_archive
from orchestrator.recipe.graph import closure
from orchestrator.recipe.image import described
from orchestrator.recipe.imagename import layer_address
from orchestrator.recipe.lock import Busybox, DebianPackage, DebianSet, Kind, Lock, SourcePin, does_not_fit
from orchestrator.recipe.names import normalised, store_name
from orchestrator.recipe.purls import package_url
from orchestrator.recipe.pypinames import is_of_version
from orchestrator.recipe.recipe import GitSource, NpmSource, PathSource, PypiSource, Recipe, UrlSource
from orchestrator.recipe.toolchain_table import ToolFile
from orchestrator.recipe.wanted import fixed_outputs
from orchestrator.sources.mismatch import unlike_the_lock
from orchestrator.sources.pathsource import PathPins

SECURITY = "pool/updates/"
"""How the pool of Debian's security archive begins."""
OutsideSource = UrlSource | GitSource | PypiSource | NpmSource
"""What the lock pins: every source but those of this repository."""


def request_for(
    targets: Sequence[str],
    recipes: Mapping[str, Recipe],
    lock: Lock,
    system: str,
    paths: PathPins | None = None,
    dependencies: Dependencies | None = None,
) -> dict[str, Any]:
    """The request for these recipes and all that they use, on one system.

    `paths` holds the state of path sources (see `pathsource`), when recipes have any; `dependencies` what
    the lock files in their sources say (see `lockfiles`).
    Raises TallyError when the lock does not fit a recipe, or a recipe is not for this system.
    """
    needed = closure(targets, recipes)
    packages: dict[str, DebianPackage] = {}
    described = {}
    for name in needed:
        recipe = recipes[name]
        if system not in recipe.systems:
            raise TallyError(
                f"recipe {name} is not for {system}",
                hint=f"it is for {', '.join(recipe.systems)}: see `systems`, and `tally build --system`",
            )
        toolchain = _toolchain(recipe, lock, system)
        for file in toolchain["packages"] if recipe.toolchain.is_debians else ():
            packages[file] = lock.packages[file]
        described[name] = _recipe(recipe, toolchain, lock, paths or {})
        if recipe.dependencies:
            described[name]["dependencies"] = _dependencies(recipe, dependencies or {})
    busybox = lock.busybox_for(system)
    layered = any(recipes[name].toolchain.image is not None for name in needed)
    if (packages or layered) and busybox is None:
        raise TallyError(f"tally.lock pins no busybox for {system}", hint="run `tally lock`")
    return {
        "system": system,
        "targets": list(dict.fromkeys(targets)),
        "busybox": busybox_output(busybox, lock.packages[busybox.package]) if busybox else None,
        "packages": {file: package_output(package) for file, package in sorted(packages.items())},
        "recipes": described,
    }


def package_output(package: DebianPackage) -> dict[str, Any]:
    """A `.deb` as a fixed output."""
    return {
        "name": store_name(package.file),
        "sha256": package.sha256,
        "mode": "flat",
        "urls": package_addresses(package),
        "purl": debian_purl(package),
        "kind": "toolchain",
    }


def package_addresses(package: DebianPackage) -> list[str]:
    """Where a `.deb` may be: in the archive, or first in that for security, and in its snapshot."""
    found = [f"mirror://debian/{package.pool}"]
    archive = "debian"
    if package.pool.startswith(SECURITY):
        archive = "debian-security"
        found = [
            f"mirror://debian-security/{package.pool}",
            f"mirror://debian/pool/{package.pool.removeprefix(SECURITY)}",  # since the next point release
        ]
    if package.snapshot is not None:
        found.append(f"mirror://debian-snapshot/{archive}/{package.snapshot}/{package.pool}")
    return found


def busybox_output(busybox: Busybox, package: DebianPackage) -> dict[str, Any]:
    """The folder with the static busybox as a fixed output, with the `.deb` it is taken from."""
    return {
        "name": store_name(f"busybox-{package.version}"),
        "sha256": busybox.nar_sha256,
        "mode": "recursive",
        "urls": package_addresses(package),
        "purl": debian_purl(package),
        "kind": "toolchain",
        "package": package_output(package),
    }


def debian_purl(package: DebianPackage) -> str:
    """Package URL of type `deb` (purl specification, "PURL types")."""
    return package_url("deb", package.name, package.version, namespace="debian", arch=package.architecture)


def _recipe(recipe: Recipe, toolchain: Mapping[str, Any], lock: Lock, paths: PathPins) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "version": recipe.version,
        "summary": recipe.summary,
        "homepage": recipe.homepage,
        "license": recipe.license,
        "sources": {name: _source(recipe, name, lock, paths) for name in sorted(recipe.named_sources)},
        "toolchain": dict(toolchain),
        "inputs": list(recipe.inputs),
        "outputs": list(recipe.outputs),
        "environment": dict(sorted(recipe.build.env.items())),
        "script": recipe.build.script,
        "check": recipe.check.script if recipe.check else None,
        "artifact": _artifact(recipe),
    }


def _dependencies(recipe: Recipe, dependencies: Dependencies) -> list[Any]:
    found = dependencies.get(recipe.name)
    if found is None:
        raise TallyError(f"recipe {recipe.name}: the lock files in its sources were not looked up")
    return list(found)


def _artifact(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {"format": recipe.artifact.format, "path": recipe.artifact.path}
    if recipe.artifact.format == "oci":
        found["image"] = described(recipe.artifact, f"{recipe.name}-{recipe.version}", recipe.outputs[0])
    return found


def _toolchain(recipe: Recipe, lock: Lock, system: str) -> dict[str, Any]:
    if recipe.toolchain.from_ == "nixpkgs":
        if lock.nixpkgs is None:
            raise does_not_fit(recipe, "it pins no nixpkgs")
        return {
            "from": "nixpkgs",
            "packages": sorted(recipe.toolchain.packages),
            "nixpkgs": lock.nixpkgs.model_dump(mode="json"),
        }
    if recipe.toolchain.image is not None:
        return _container(recipe, lock, system)
    found = {"from": recipe.toolchain.from_, "packages": list(set_of(recipe, lock, system).packages)}
    files = tool_files(recipe, system)
    return {**found, "files": files} if files else found


def _container(recipe: Recipe, lock: Lock, system: str) -> dict[str, Any]:
    """An image's layers as fixed outputs, from the lowest."""
    image = recipe.toolchain.image or ""
    found = lock.container_for(image, system)
    if found is None:
        raise does_not_fit(recipe, f"it does not hold the image {image} for {system}")
    layers = [
        {
            "name": f"layer-{each.sha256[:12]}.{each.kind}",
            "sha256": each.sha256,
            "mode": "flat",
            "urls": [layer_address(image, each.sha256)],
            "purl": None,
            "kind": "toolchain",
        }
        for each in found.layer
    ]
    return {"from": "containers", "packages": [], "layers": layers, "path": list(found.path)}


def tool_files(recipe: Recipe, system: str) -> list[dict[str, Any]]:
    """What is unpacked over the packages of a recipe's toolchain, as fixed outputs with their places."""
    return [
        {
            "name": store_name(_file_name(file) or "toolchain"),
            "sha256": file.sha256,
            "mode": "flat",
            "urls": list(file.url),
            "purl": package_url("generic", _file_name(file), None, checksum=f"sha256:{file.sha256}"),
            "kind": "toolchain",
            "to": file.to,
            "path": list(file.path),
        }
        for file in recipe.toolchain.files
        if file.system in (None, system)
    ]


def set_of(recipe: Recipe, lock: Lock, system: str) -> DebianSet:
    """The locked set of a recipe's Debian packages. Raises TallyError when the lock has none."""
    suite = recipe.toolchain.debian or lock.debian
    found = lock.set_for(recipe.toolchain.packages, system, suite)
    if found is None:
        wanted = ", ".join(sorted(recipe.toolchain.packages)) or "no further packages"
        raise does_not_fit(
            recipe, f"it holds no packages of Debian {suite} for {system} resolved from: {wanted}"
        )
    return found


def _source(recipe: Recipe, name: str, lock: Lock, paths: PathPins) -> dict[str, Any]:
    source = recipe.named_sources[name]
    if isinstance(source, PathSource):
        return _path_source(recipe, name, source, paths)
    pin = lock.source.get(recipe.name, {}).get(name)
    problem = misfit(source, pin)
    if pin is not None and isinstance(source, UrlSource) and pin.kind == "url" and pin.sha256 and problem:
        message, hint = unlike_the_lock(recipe.name, name, source.sha256, pin.sha256)
        raise TallyError(message, hint=hint)
    if pin is None or problem:
        raise does_not_fit(recipe, f"source {name}: {problem}")
    return outside_source(source, pin)


def outside_source(source: OutsideSource, pin: SourcePin) -> dict[str, Any]:
    """A source from outside this repository as a fixed output."""
    match source:
        case UrlSource():
            return _file(_file_name(source), source.sha256, list(source.url), None, source.unpack)
        case GitSource():
            repository = _last_part(source.git).removesuffix(".git")
            return {
                "name": store_name(repository),
                "sha256": source.nar_sha256,
                "mode": "recursive",
                "urls": [f"git+{source.git}@{source.rev}"],
                "purl": None,
                "kind": "source",
                "unpack": True,
                **_extras(source),
            }
        case PypiSource():
            file = pin.file or ""
            project = normalised(source.pypi)
            purl = package_url("pypi", project, source.version)
            return _file(file, source.sha256, [f"mirror://pypi/{project}/{file}"], purl, source.unpack)
        case NpmSource():
            scope, _, plain = source.npm.rpartition("/")
            file = npm_file(source)
            purl = package_url("npm", plain, source.version, namespace=scope or None)
            return _file(file, source.sha256, [f"mirror://npm/{source.npm}/-/{file}"], purl, source.unpack)


def npm_file(source: NpmSource) -> str:
    """What npm's registry calls the tarball."""
    return f"{source.npm.rpartition('/')[2]}-{source.version}.tgz"


def misfit(source: OutsideSource, pin: SourcePin | None) -> str | None:
    """Why a pin is not one of this source; None when it is."""
    if pin is None:
        return "the lock does not know it"
    kind, digest, rev = expected_pin(source)
    if pin.kind != kind:
        return f"it is of kind {kind} and was locked as {pin.kind}"
    if pin.rev != rev:
        return f"its revision is {rev} and {pin.rev} was locked"
    if pin.digest != digest:
        return f"its digest is {digest} and {pin.digest or 'none'} was locked"
    if isinstance(source, PypiSource):
        if not pin.file:
            return "the lock does not say which file of the release it is"
        if not is_of_version(pin.file, source.pypi, source.version):
            return f"it is version {source.version} and {pin.file} was locked"
    if isinstance(source, NpmSource) and pin.file not in (None, npm_file(source)):
        return f"it is version {source.version} and {pin.file} was locked"
    return None


def expected_pin(source: OutsideSource) -> tuple[Kind, str, str | None]:
    """Kind, digest and revision that a recipe's source demands."""
    match source:
        case UrlSource():
            return "url", source.sha256, None
        case GitSource():
            return "git", source.nar_sha256, source.rev
        case PypiSource():
            return "pypi", source.sha256, None
        case NpmSource():
            return "npm", source.sha256, None


def _path_source(recipe: Recipe, name: str, source: PathSource, paths: PathPins) -> dict[str, Any]:
    pin = paths.get((recipe.name, name))
    if pin is None:
        raise TallyError(f"recipe {recipe.name}: the state of its path source {name} was not looked up")
    return {
        "name": store_name(pin.name),
        "sha256": pin.digest.hex,
        "mode": "recursive",
        "urls": [pin.url],
        "purl": None,
        "kind": "source",
        "unpack": True,
        **_extras(source),
    }


def _extras(source: GitSource | PathSource) -> dict[str, bool]:
    """What the tree holds besides, where the recipe says it."""
    found = {"submodules": True} if source.submodules else {}
    return found if source.lfs is None else {**found, "lfs": source.lfs}


def _file(name: str, sha256: str, urls: list[str], purl: str | None, unpack: bool | None) -> dict[str, Any]:
    return {
        "name": store_name(name or "source"),
        "sha256": sha256,
        "mode": "flat",
        "urls": urls,
        "purl": purl,
        "kind": "source",
        "unpack": is_archive(name) if unpack is None else unpack,
    }


def _file_name(source: UrlSource | ToolFile) -> str:
    """What the recipe calls the file, else the first address that ends like an archive, else the first."""
    names = [_last_part(url) for url in source.url]
    return source.name or next(filter(is_archive, names), names[0])


def _last_part(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1])


__all__ = ["PathPins", "fixed_outputs", "request_for", "set_of"]
