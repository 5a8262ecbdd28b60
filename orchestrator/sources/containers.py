"""Images in registries as toolchains: what an image is made of, and where its layers are.

Specifications: OCI image 1.1 ("manifest.md", "image-index.md") and distribution 1.1; docker's token
authentication, without a user: images that need one are refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlencode

from orchestrator.ground.answers import Authorised
from orchestrator.ground.download import Downloader
from orchestrator.ground.errors import TallyError
from orchestrator.ground.unreachable import Unreachable
from orchestrator.ground.wording import counted
from orchestrator.recipe.imagename import BLOB, parts, registry
from orchestrator.recipe.lock import ARCHITECTURES, Container, Layer
from orchestrator.recipe.part import System
from orchestrator.sources.mirrors import Mirrors

_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LAYERS: Final[Mapping[str, Literal["tar", "tar.gz"]]] = {
    "application/vnd.oci.image.layer.v1.tar": "tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": "tar.gz",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "tar.gz",
}
"""What is unpacked to how it ends."""
_SYSTEM: Final = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")
_LARGEST: Final = 4 << 20  # bytes of a manifest or a configuration
_MOST: Final = 200
_PART: Final = re.compile(r'([A-Za-z]+)="([^"]*)"')
_GO: Final = {"amd64": "amd64", "arm64": "arm64", "i386": "386", "armhf": "arm", "ppc64el": "ppc64le"}


class Containers:
    """Registries, as this machine's user reaches them: mirrors of `mirror://containers` first."""

    def __init__(self, mirrors: Mirrors, downloader: Downloader) -> None:
        self._mirrors, self._downloader = mirrors, downloader
        self._tokens: dict[str, Mapping[str, str]] = {}

    def container(self, image: str, system: System) -> Container:
        """What an image by its digest is made of on one system. Raises TallyError."""
        host, name, digest = parts(image)
        document = self._document(host, name, "manifests", digest, image)
        if document.get("mediaType") in _INDEXES or "manifests" in document:
            digest = _of_platform(document, system, image)
            document = self._document(host, name, "manifests", digest, image)
        try:
            layers = tuple(_layer(each, image) for each in document["layers"])
            config = self._document(host, name, "blobs", document["config"]["digest"], image)
            path = _path(config)
            _refuse_other_system(config, system, image)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise TallyError(f"{image}: its manifest cannot be read as an image's: {error}") from error
        if not layers or len(layers) > _MOST:
            raise TallyError(f"{image} has {counted(len(layers), 'layer')}, and an image has 1 to {_MOST}")
        return Container(image=image, system=system, manifest=digest[7:], path=path, layer=layers)

    def addresses(self, url: str) -> Iterable[str]:
        """Where a layer may be. Raises Unreachable."""
        found = BLOB.fullmatch(url)
        assert found is not None
        base = url[: url.index("/v2/") + 4]
        return self._at(base, found["name"], f"blobs/{found['digest']}")

    def _document(self, host: str, name: str, kind: str, digest: str, image: str) -> dict[str, Any]:
        """A manifest or configuration, checked by its digest."""
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise TallyError(f"{image} names something by {digest[:80]!r}, and not by a sha256")
        accepted = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))} if kind == "manifests" else {}
        reasons = []
        base = registry(host)
        try:
            for address in self._at(base, name, f"{kind}/{digest}"):
                headers = address.headers if isinstance(address, Authorised) else {}
                try:
                    data = self._whole(Authorised(str(address), {**headers, **accepted}))
                except Unreachable as error:
                    reasons.append(f"  {address}: {error}")
                    continue
                if hashlib.sha256(data).hexdigest() != digest[7:]:
                    reasons.append(f"  {address}: it is not what its digest says")
                    continue
                found = json.loads(data)
                if isinstance(found, dict):
                    return found
                reasons.append(f"  {address}: it is no JSON object")
        except Unreachable as error:
            reasons.append(f"  {error}")
        except (ValueError, RecursionError) as error:
            raise TallyError(f"{image}: {digest} is no JSON: {error}") from error
        raise TallyError(
            f"no address gave {digest} of {image}:\n" + "\n".join(reasons),
            hint="check the digest and the network; [mirrors] of tally.toml takes others as `containers`",
        )

    def _whole(self, address: str) -> bytes:
        found = b""
        for chunk in self._downloader.read(address):
            found += chunk
            if len(found) > _LARGEST:
                raise Unreachable(f"it has more than {_LARGEST} bytes")
        return found

    def _at(self, base: str, name: str, where: str) -> Iterable[str]:
        for each in (*self._configured(), base):
            yield self._authorised(f"{each.rstrip('/')}/", name, where)

    def _configured(self) -> tuple[str, ...]:
        try:
            return self._mirrors.bases("containers")
        except TallyError:
            return ()

    def _authorised(self, base: str, name: str, where: str) -> str:
        """An address, with the token that its registry gives to anybody, where it asks for one."""
        address, repository = f"{base}{name}/{where}", f"{base}{name}"
        if repository not in self._tokens:
            self._tokens[repository] = self._token(address)
        token = self._tokens[repository]
        return Authorised(address, token) if token else address

    def _token(self, address: str) -> Mapping[str, str]:
        try:
            with self._downloader.exchange("HEAD", address, {}, named=True) as answer:
                asked = answer.headers.get("WWW-Authenticate", "") if answer.status == 401 else ""
            told = dict(_PART.findall(asked))
            if not asked.lower().startswith("bearer ") or "realm" not in told:
                return {}
            query = urlencode({key: told[key] for key in ("service", "scope") if key in told})
            given = json.loads(self._whole(f"{told['realm']}?{query}"))
            token = given.get("token") or given.get("access_token")
            return {"Authorization": f"Bearer {token}"} if token else {}
        except (Unreachable, ValueError, AttributeError):
            return {}  # then the request itself says what is wrong


def _of_platform(index: Mapping[str, Any], system: System, image: str) -> str:
    wanted = _GO.get(ARCHITECTURES[system], ARCHITECTURES[system])
    there = []
    for each in index.get("manifests") or []:
        platform = each.get("platform") or {} if isinstance(each, dict) else {}
        there.append(f"{platform.get('os')}/{platform.get('architecture')}")
        if (platform.get("os"), platform.get("architecture")) == ("linux", wanted):
            return str(each.get("digest"))
    raise TallyError(f"{image} has no image for {system}", hint=f"it has {', '.join(there[:10]) or 'none'}")


def _layer(told: Mapping[str, Any], image: str) -> Layer:
    kind, digest = told["mediaType"], str(told["digest"])
    if kind not in _LAYERS:
        raise TallyError(
            f"{image} has a layer of the type {kind}, which cannot be unpacked here",
            hint=f"types that can: {', '.join(_LAYERS)}",
        )
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise TallyError(f"{image} names a layer by {digest[:80]!r}, and not by a sha256")
    return Layer(sha256=digest[7:], size=told["size"], kind=_LAYERS[kind])


def _path(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Folders of the image's PATH, in the order in which links are made: the first wins, so it is last."""
    environment = (config.get("config") or {}).get("Env") or []
    path = next((each[5:] for each in environment if each.startswith("PATH=")), "")
    folders = [each for each in path.split(":") if re.fullmatch(r"(/[A-Za-z0-9._+-]+)+", each)]
    return tuple(reversed([each for each in dict.fromkeys(folders) if each not in _SYSTEM]))


def _refuse_other_system(config: Mapping[str, Any], system: System, image: str) -> None:
    wanted = _GO.get(ARCHITECTURES[system], ARCHITECTURES[system])
    has = (config.get("os"), config.get("architecture"))
    if has != ("linux", wanted):
        raise TallyError(f"{image} is for {has[0]}/{has[1]}, and the recipe for {system}")
