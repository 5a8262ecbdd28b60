"""The story of `tally fetch`: a published release comes back whole, is verified, and only then has its name.

`verified` is the one way from a reference to a release folder; `tally verify`, `tally publish` and whoever
rebuilds take it too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext, suppress
from datetime import datetime
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, BinaryIO

from orchestrator.ground.aside import aside
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import cannot_write, shown, sync_folder
from orchestrator.ground.parallel import Stopped, in_parallel
from orchestrator.ground.values import dataclass
from orchestrator.log.trusted_root import TrustedRoot
from orchestrator.policy.policy import Policy
from orchestrator.policy.verdict import Code, Failed, Passed, Reason, Refused, Verdict
from orchestrator.publishing import sources
from orchestrator.publishing.contents import too_much
from orchestrator.publishing.drafts import draft_of, refuse_unusable, renamed, sync
from orchestrator.publishing.folder import INDEX_LIMIT, LARGE, Folder, Held, UnsafeNameError, checked
from orchestrator.publishing.index import INDEX, Index
from orchestrator.publishing.reference import Reference, Registry
from orchestrator.publishing.sources.source import Found, Source, bounded

if TYPE_CHECKING:
    from orchestrator.stories.verification import Examination

_MOST_WORDS, _ALL_WORDS = 1000, 1 << 26
"""Bundles of rebuilders that are read, and their bytes together."""
_SMALL, _ALL_SMALL = 1 << 20, 1 << 24
"""Bytes of a file that may stay in memory where nobody wants it on a disk, and of all of them together."""
_TOGETHER = 8
"""Files that are fetched at once: most are small."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to trust with what is fetched."""

    policy: Policy
    now: datetime
    trusted: TrustedRoot | None = None
    digest: Sha256 | None = None
    """The artifact's, where it is known."""
    further: Mapping[str, bytes] | None = None
    """Other parties' bundles and links, by file name."""
    sources: bool = False
    """Whether the fixed inputs that are published beside the release are fetched, too."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of it. `folder` is there where the verdict is a yes."""

    folder: Path
    verdict: Verdict
    kept: bool = False
    """Whether it was there before."""
    sources: int | None = None
    """How many fixed inputs are beside it; None: nobody asked for them."""


def fetch(reference: Reference, out: Path, asked: Asked) -> Fetched:
    """Fetch a release into `out`/NAME, verified beforehand: whole, or not at all.

    Raises TallyError where it cannot be decided, and where another release is there.
    """
    refuse_unusable(out)
    try:
        found = sources.of(reference).find()
    except Refused as refused:
        return Fetched(out, Failed(tuple(refused.reasons)))
    target = out / found.name
    try:
        if os.path.lexists(target):
            return _kept(target, found, asked)
        with draft_of(out, found.name) as draft:
            examination = judged(found, draft, asked)
            if not isinstance(examination.verdict, Passed):
                return Fetched(target, examination.verdict)
            beside = _beside(found, out) if asked.sources else None
            sync(draft, files=True)
            if not renamed(draft, target):
                return _kept(target, found, asked)
            sync_folder(out)
            return Fetched(target, examination.verdict, sources=beside)
    except Refused as refused:
        return Fetched(target, Failed(tuple(refused.reasons)))
    except OSError as error:
        raise cannot_write(target, error) from error


def verified(
    reference: Reference, scratch: Path, asked: Asked, *, source: Source | None = None
) -> Examination:
    """What the verification of the release at a reference finds, which is not kept.

    What does not stay in memory is in `scratch` meanwhile. `source` is what fetches from that reference,
    where it was asked for something already. Raises TallyError where it cannot be decided.
    """
    return with_found(reference, scratch, asked, source=source, used=False)[1]


def with_found(
    reference: Reference,
    folder: Path,
    asked: Asked,
    *,
    keep: bool = True,
    used: bool = True,
    source: Source | None = None,
) -> tuple[Path, Examination, Found | None]:
    """The same, with the release as `folder`/NAME, which is new, and what was found there.

    None was: it contradicts itself. Without `keep` the artifact is hashed as it comes, and judged by its
    digest: for who has it already. Unless the folder is `used`, not all files are there. Where the verdict is
    a no, it holds as much as was fetched, which is to be used for nothing.
    """
    Thread(target=_prepare, daemon=True).start()
    try:
        found = (source or sources.of(reference)).find()
    except Refused as refused:
        return folder, _refused(refused), None
    target = folder / found.name
    try:
        target.mkdir(parents=True)
    except OSError as error:
        raise cannot_write(target, error) from error
    return target, judged(found, target, asked, keep=keep, used=used), found


def _prepare() -> None:
    """Import what judges while the network is waited for; whoever needs it does not care who did."""
    with suppress(Exception):
        import_module("orchestrator.stories.verification")


def _refused(refused: Refused) -> Examination:
    from orchestrator.stories.verification import Examination

    return Examination(Failed(tuple(refused.reasons)))


def bring(reference: Reference, folder: Path) -> Path:
    """What is published at a reference, in a folder below `folder`: a release, or an image as a layout.

    Every file has the digest that is listed, and nothing is verified. Raises TallyError.
    """
    try:
        if isinstance(reference, Registry):
            from orchestrator.publishing.sources.registry import RegistrySource

            image = folder / "image"
            image.mkdir(parents=True)
            if RegistrySource(reference).pull(image):
                return image
        found = sources.of(reference).find()
        target = folder / found.name
        target.mkdir(parents=True)
        _refuse_excess(found, target, without=frozenset())
        _download(found, target)
    except Refused as refused:
        sentence = refused.reasons[0].sentence
        raise TallyError(
            f"{reference} cannot be fetched: {sentence}", hint="ask whoever publishes there"
        ) from refused
    except OSError as error:
        raise cannot_write(folder, error) from error
    return target


def judged(found: Found, draft: Path, asked: Asked, *, keep: bool = True, used: bool = True) -> Examination:
    """Fetch every file into an empty folder, each by its listed digest and size, and verify what is there.

    Without `keep` the artifact is only hashed; unless the folder is `used`, what is small stays in memory.
    """
    artifact = found.index.artifact
    nowhere = frozenset() if keep else frozenset({artifact})
    held = frozenset() if used else _small(found.index)
    try:
        _refuse_excess(found, draft, without=nowhere | held)
        data = _download(found, draft, nowhere, held)
        if found.check is not None:
            found.check(draft)
        further = {**attached(found, asked.policy), **(asked.further or {})}
    except Refused as refused:
        return _refused(refused)
    except OSError as error:
        raise cannot_write(draft, error) from error
    from orchestrator.stories.verification import examine

    digest = asked.digest if keep or asked.digest is not None else found.index.files[artifact][0]
    return examine(Held(draft, data), asked.policy, asked.now, digest, further, asked.trusted)


def _small(index: Index) -> frozenset[str]:
    """The files that are worth no place on a disk, the smallest first; never the artifact."""
    names, left = set(), _ALL_SMALL
    for name, (_, size) in _by_size(index):
        left -= size
        if size > _SMALL or left < 0:
            break
        names.add(name)
    return frozenset(names - {index.artifact})


def _by_size(index: Index) -> list[tuple[str, tuple[Sha256, int]]]:
    return sorted(index.files.items(), key=lambda each: each[1][1])


def attached(found: Found, policy: Policy) -> Mapping[str, bytes]:
    """What rebuilders attached, where the policy asks for rebuilders. Raises Refused, TallyError."""
    if policy.rebuilders is None:
        return {}
    words: dict[str, bytes] = {}
    size = 0
    for name, data in found.rebuilds():
        words[name] = data
        size += len(data)
        if len(words) > _MOST_WORDS or size > _ALL_WORDS:
            raise TallyError(
                f"more than {_MOST_WORDS} statements of rebuilders, or {_ALL_WORDS} bytes of them, are "
                f"attached to {found.name}",
                hint="any of them could be a no that counts: ask who publishes there, or fetch the release "
                "and give statements with --evidence",
            )
    return words


def _refuse_excess(found: Found, draft: Path, without: Collection[str]) -> None:
    """Before the first file: more than verifiers read, or than there is room for."""
    if (why := too_much(found.index)) is not None:
        raise Refused(Reason(Code.MALFORMED, why))
    if any(size < 0 for _, size in found.index.files.values()):
        raise Refused(Reason(Code.MALFORMED, f"{INDEX} lists a file of less than no bytes"))
    size = sum(size for name, (_, size) in found.index.files.items() if name not in without)
    free = _room(draft)
    if size > free:
        raise TallyError(
            f"{found.name} has {size} bytes by its {INDEX}, and {shown(draft.parent)} has room for {free}",
            hint="free some space, or name another folder: with --out, or with TMPDIR for what is not kept",
        )


def _download(
    found: Found, draft: Path, nowhere: Collection[str] = (), held: Collection[str] = ()
) -> Mapping[str, bytes]:
    """Small files first, so that what is wrong with the evidence is told before the artifact is fetched.

    Gives those that are `held` in memory; those that are to be `nowhere` are only hashed.
    """
    _refuse_misnamed(found.index)
    stop = Event()
    data: dict[str, bytes] = {}

    def work(file: tuple[str, tuple[Sha256, int]]) -> None:
        name = file[0]
        with _begun(draft, name, nowhere, held) as stream:
            _fetch(found, stream, name, *file[1], stop.is_set)
            if isinstance(stream, BytesIO):
                data[name] = stream.getvalue()

    for _, failure in in_parallel(_by_size(found.index), work, stop, threads=_TOGETHER):
        if failure is not None:
            raise failure
    if held:
        data[INDEX] = found.index.data
    else:
        (draft / INDEX).write_bytes(found.index.data)
    return data


def _refuse_misnamed(index: Index) -> None:
    """Raises Refused for a name that leads elsewhere, or cannot be there beside the others."""
    for name in index.files:
        try:
            above = checked(name)
        except UnsafeNameError as error:
            raise Refused(Reason(Code.UNSAFE_NAME, str(error))) from error
        while above := above.rpartition("/")[0]:
            if above in index.files or above == INDEX:
                why = f"{INDEX} lists {name}, and a file where that needs a folder"
                raise Refused(Reason(Code.MALFORMED, why))


def _begun(draft: Path, name: str, nowhere: Collection[str], held: Collection[str]) -> BinaryIO:
    """What takes a file's bytes."""
    if name in held:
        return BytesIO()
    if name in nowhere:
        return open(os.devnull, "wb")
    path = draft / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _fetch(
    found: Found, stream: BinaryIO, name: str, expected: Sha256, size: int, stopped: Callable[[], bool]
) -> None:
    """One file, hashed as it comes. Raises Refused where it is not what is listed."""
    digest, seen = hashlib.sha256(), 0
    with aside(digest.update) if size >= LARGE else nullcontext(digest.update) as update:
        for chunk in bounded(found.read(name), size, name):
            if stopped():
                raise Stopped
            update(chunk)
            seen += len(chunk)
            stream.write(chunk)
    stream.flush()
    if (digest.hexdigest(), seen) != (expected.hex, size):
        why = f"{name} is sent as sha256:{digest.hexdigest()}, {seen} bytes, and listed as {expected}, {size}"
        raise Refused(Reason(Code.DIGEST_MISMATCH, why))


def _room(folder: Path) -> int:
    """Free bytes. As `shutil` has it, whose import takes longer than many a file."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _beside(found: Found, out: Path) -> int:
    from orchestrator.stories import supplying

    return supplying.bring(found.shelf, out, found.name)


def _kept(target: Path, found: Found, asked: Asked) -> Fetched:
    """What is there under the name: the same release, if it verifies. Raises TallyError for another one."""
    there = b""
    with suppress(OSError, ValueError):
        there = Folder(target).read(INDEX, INDEX_LIMIT)
    if there != found.index.data:
        raise TallyError(
            f"{shown(target)} is there already, and is another release than the one to be fetched",
            hint="nothing is ever overwritten: move it away, or choose another folder with --out",
        )
    try:
        further = {**attached(found, asked.policy), **(asked.further or {})}
    except Refused as refused:
        return Fetched(target, Failed(tuple(refused.reasons)), kept=True)
    from orchestrator.stories.verification import examine

    examination = examine(target, asked.policy, asked.now, asked.digest, further, asked.trusted)
    beside = None
    if asked.sources and isinstance(examination.verdict, Passed):
        beside = _beside(found, target.parent)
    return Fetched(target, examination.verdict, kept=True, sources=beside)
