"""What a builder's host does for itself: it signs its own link, once its own store shows that it is true."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from pathlib import Path

from orchestrator.builders import host
from orchestrator.evidence import disagreement, links
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD, NAR_SHA256
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import SigningKey
from orchestrator.nix.derivation import Derivation, parse
from orchestrator.nix.remote import RemoteStore

_STORE = "/nix/store/"
_DERIVATION = re.compile(r"/nix/store/[0-9a-df-np-sv-z]{32}-[A-Za-z0-9+._?=-]{1,211}\.drv")
_LARGEST_DERIVATION = 64 << 20
"""Bytes; whoever can write into this host's store can write a derivation, of any size."""


def attest(
    payload: bytes, store: RemoteStore, key: SigningKey, read: Callable[[str], str] | None = None
) -> Envelope:
    """The link in an envelope signed by this host's key. `store` is the host's own, `read` reads files there.

    Raises TallyError for a link of another machine, for one that names a product which this host's Nix
    did not build, or built otherwise, and for one whose command is not that of the package's derivation.
    """
    try:
        link = disagreement.parse_link(payload, "the link") or links.parse(payload, "the link")
    except MalformedError as error:
        raise TallyError(f"refusing to sign: {error}") from error
    for reason in chain(_against(link, store), _against_command(link, store, read or _text)):
        raise TallyError(f"refusing to sign: {reason}")
    return dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=key.public.keyid)


def _against(link: Link, store: RemoteStore) -> Iterator[str]:
    if link.identity.get("machineIdSha256") != host.machine_id():
        yield "the link is about another machine"
    made = {path: digests for path, digests in link.products.items() if path.startswith(_STORE)}
    if not made:
        yield "the link names nothing that was built"
    if absent := sorted(store.invalid(made)):
        yield f"{absent[0]} is not in this host's store"
    said = store.registrations(list(made))
    for path, digests in made.items():
        if not said[path].ultimate:
            yield f"{path} was not built on this host"
        if digests != {NAR_SHA256: store.nar_hash(path).hex}:
            yield f"{path} is not what this host built"
    files = {Sha256.of_file(Path(path)).hex for path in made if Path(path).is_file()}
    for name in sorted(set(link.products) - set(made)):
        if link.products[name].get("sha256") not in files:
            yield f"{name} is none of the files that this host built"


def _against_command(link: Link, store: RemoteStore, read: Callable[[str], str]) -> Iterator[str]:
    """The command is that of the package's derivation, and what was made was made by what the link names.

    A link names the derivations that were built: the artifact's, and the package's, which that one uses.
    One of an earlier version tells no command.
    """
    if not link.command:
        return
    if strange := [path for path in link.derivations if not _DERIVATION.fullmatch(path)]:
        yield f"the link names a derivation that is none: {strange[0][:80]!r}"
        return
    if absent := sorted(store.invalid(link.derivations)):
        yield f"{absent[0]} is not in this host's store, so that nobody can tell its command"
        return
    graph = {path: parse(path, read(path)) for path in link.derivations}
    used = {path for each in graph.values() for path in each.input_derivations}
    tops = [each for path, each in graph.items() if path not in used]
    packages = [graph[path] for each in tops for path in each.input_derivations if path in graph]
    if len(tops) != 1:
        yield "the link names derivations of several targets, and its command is of one"
    outputs = sorted({path for each in graph.values() for path in each.outputs.values()})
    if unbuilt := sorted(store.invalid(outputs)):
        yield f"{unbuilt[0]}, of a derivation that the link names, is not in this host's store"
        return
    registered = store.registrations(outputs)
    yield from (f"{path} was not built on this host" for path in outputs if not registered[path].ultimate)
    if list(link.command) not in map(command_of, packages or tops):
        yield "the link tells of another command than the derivation that was built has"
    wanted = {path for path in link.products if path.startswith(_STORE)}
    if unmade := _unmade(graph, wanted, store, read):
        yield f"{unmade[0]} is made by none of the derivations that the link names, nor by what they use"


def _unmade(
    graph: Mapping[str, Derivation], wanted: Collection[str], store: RemoteStore, read: Callable[[str], str]
) -> list[str]:
    """Those paths that are no output of these derivations, nor of those below, which are read as needed."""
    left, seen, level = set(wanted), set(graph), list(graph.values())
    while level:
        for each in level:
            left.difference_update(each.outputs.values())
        if not left:
            break
        below = sorted({path for each in level for path in each.input_derivations} - seen)
        seen.update(below)
        absent = store.invalid(below)
        level = [parse(path, read(path)) for path in below if path not in absent]
    return sorted(left)


def _text(path: str) -> str:
    """A derivation of the host's own store."""
    try:
        return contents(Path(path), _LARGEST_DERIVATION).decode()
    except (OSError, ValueError) as error:
        raise TallyError(f"refusing to sign: {path} cannot be read on this host ({error})") from error
