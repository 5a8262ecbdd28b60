"""What a builder's host does for itself: it signs its own link, once its own store shows that it is true.

What its signature covers, and what stays the orchestrator's word: docs/predicates/links.md.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from orchestrator.builders import host
from orchestrator.evidence import beliefs, disagreement, links
from orchestrator.evidence.beliefs import Belief
from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.links import Link
from orchestrator.evidence.terms import IN_TOTO_PAYLOAD, NAR_SHA256
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys import dsse
from orchestrator.keys.dsse import Envelope
from orchestrator.keys.key import SigningKey
from orchestrator.nix.remote import RemoteStore
from orchestrator.stories.held import STORE, Held, text_of

_CLOCKS = timedelta(hours=1)
"""By how much the orchestrator's clock, which times builds, may differ from this host's."""


def attest(
    payload: bytes,
    store: RemoteStore,
    key: SigningKey,
    read: Callable[[str], str] = text_of,
    now: datetime | None = None,
) -> Envelope:
    """The link in an envelope signed by this host's key. `store` is the host's own; `read` reads derivations.

    Raises TallyError for a link of another machine, for one that names a product or a material which is not
    in this host's store so, for one whose command or times are not those of what was built, and for one that
    believes something which the key that it names has not signed.
    """
    try:
        disagreeing = disagreement.parse_link(payload, "the link")
        link = disagreeing or links.parse(payload, "the link")
        times = links.times_in(payload, "the link")
        believed = beliefs.read(link.believed, "the link")
    except MalformedError as error:
        raise TallyError(f"refusing to sign: {error}") from error
    for reason in chain(
        _against_machine(link, store),
        _against_products(link, store),
        _against_derivations(link, believed, store, read, whole=disagreeing is None),
        _against_times(times, store, read, now or datetime.now(UTC)),
    ):
        raise TallyError(f"refusing to sign: {reason}")
    return dsse.sign(IN_TOTO_PAYLOAD, payload, key, keyid=key.public.keyid)


def _against_machine(link: Link, store: RemoteStore) -> Iterator[str]:
    """What the link says of the machine is what this host reads of itself."""
    if link.identity.get("machineIdSha256") != host.machine_id():
        yield "the link is about another machine"
    said = link.identity.get("bootIdSha256")
    if said is not None and said != host.boot_id():
        yield "the link is about another boot of this machine, or its machine id is not this host's alone"
    said = link.identity.get("nixVersion")
    if said is not None and said not in (own := (store.nix.version, store.nix_version())):
        yield f"the link says Nix {str(said)[:40]!r}, and this host has {' and '.join(filter(None, own))}"


def _against_products(link: Link, store: RemoteStore) -> Iterator[str]:
    made = {path: digests for path, digests in link.products.items() if path.startswith(STORE)}
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
    names = sorted(set(link.products) - set(made))
    files = {Sha256.of_file(Path(path)).hex for path in made if names and _is_file(Path(path))}
    for name in names:
        digests = link.products[name]
        if set(digests) != {"sha256"} or digests["sha256"] not in files:
            yield f"{name} is none of the files that this host built"


def _is_file(path: Path) -> bool:
    """Whether an output is a regular file itself: a link may lead to what was never built here."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _against_derivations(
    link: Link,
    believed: Mapping[str, Belief],
    store: RemoteStore,
    read: Callable[[str], str],
    *,
    whole: bool,
) -> Iterator[str]:
    """The command is that of the package's derivation, and what was made was made by what the link names.

    A link names the derivations that were built: the artifact's, and the package's, which that one uses.
    """
    held = Held.of(link.derivations, store, read)
    named = {path: held.graph[path] for path in link.derivations}
    used = {path for each in named.values() for path in each.input_derivations}
    tops = [each for path, each in named.items() if path not in used]
    packages = [named[path] for each in tops for path in each.input_derivations if path in named]
    if len(tops) != 1:
        yield "the link names derivations of several targets, and its command is of one"
    if whole and links.artifact_derivation(link) != tops[0].path:
        yield "the link names another derivation of the artifact than the one that uses the others"
    outputs = sorted({path for each in named.values() for path in each.outputs.values()})
    yield from held.not_built(outputs)
    if list(link.command) not in map(command_of, packages or tops):
        yield "the link tells of another command than the derivation that was built has"
    made = {path for path in link.products if path.startswith(STORE)}
    if unmade := sorted(made.difference(outputs if whole else held.graph.by_output)):
        yield f"{unmade[0]} is made by none of the derivations that the link names, nor by what they use"
    used_here = {**link.materials, **link.converged}
    yield from held.against_materials(used_here, believed, tops[0].path, frozenset(named), whole=whole)


def _against_times(
    times: links.Times, store: RemoteStore, read: Callable[[str], str], now: datetime
) -> Iterator[str]:
    """Builds began before they ended, none ends later than now, nor before its outputs were registered.

    An output that was there before, and was built again to compare, is registered earlier than that.
    """
    held = Held.of(times, store, read, alone=True)
    for path, (started, finished) in times.items():
        if finished < started:
            yield f"the link has the build of {path} end before it began"
        if finished > now + _CLOCKS:
            yield f"the link has the build of {path} end in the future; see whether the clocks are right"
        outputs = list(held.graph[path].outputs.values())
        for output, said in store.registrations(outputs).items():
            if said.registered is not None and said.registered > finished + _CLOCKS:
                yield f"{output} was not yet built when the link has the build of {path} end"
