"""What a builder's host does for itself: it signs its own link, once its own store shows that it is true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.builders import host
from orchestrator.evidence import disagreement, links
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD, NAR_SHA256
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import SigningKey
from orchestrator.nix.remote import RemoteStore

_STORE = "/nix/store/"


def attest(payload: bytes, store: RemoteStore, key: SigningKey) -> Envelope:
    """The link in an envelope signed by this host's key. `store` is the host's own.

    Raises TallyError for a link of another machine, and for one that names a product which this host's Nix
    did not build, or built otherwise.
    """
    try:
        link = disagreement.parse_link(payload, "the link") or links.parse(payload, "the link")
    except MalformedError as error:
        raise TallyError(f"refusing to sign: {error}") from error
    for reason in _against(link, store):
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
