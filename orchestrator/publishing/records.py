"""What each builder leaves in the release: `builds/NAME/build.json` and `builds/NAME/log.zst`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from orchestrator.builders.build import Build, BuiltPath, Report
from orchestrator.evidence.agreement_record import identity, sandbox
from orchestrator.evidence.canonical import render_document, seconds
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.terms import NAR_SHA256
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError

_CHUNK = 1 << 20
_LEVEL = 10  # build logs shrink to a tenth; higher levels take seconds for a per cent


def records_of(facts: ReleaseFacts) -> dict[str, tuple[ReleaseFile, ...]]:
    """Builder name to its record. Raises TallyError when a log cannot be read."""
    order = [drv.path for drv in facts.graph.in_build_order() if drv.path in facts.agreed.outputs]
    return {report.identity.name: _record(report, order) for report in facts.agreed.reports}


def _record(report: Report, order: Sequence[str]) -> tuple[ReleaseFile, ...]:
    folder = f"builds/{report.identity.name}"
    document: dict[str, Any] = {
        "builder": identity(report.identity),
        "builds": [_build(report.builds[path]) for path in order if path in report.builds],
        "inputs": [_path(built) for _, built in sorted(report.inputs.items())],
    }
    if report.signatures:
        document["nixSignatures"] = dict(sorted(report.signatures.items()))
    if report.sandbox is not None:
        document["sandbox"] = sandbox(report.sandbox)
    logs = [(path, report.builds[path].log) for path in order if path in report.builds]
    return (
        ReleaseFile.of(f"{folder}/build.json", render_document(document)),
        _compressed(f"{folder}/log.zst", logs),
    )


def _build(build: Build) -> dict[str, Any]:
    return {
        "derivation": build.derivation,
        "outputs": {name: _path(built) for name, built in build.outputs.items()},
        "started": seconds(build.started),
        "finished": seconds(build.finished),
    }


def _path(built: BuiltPath) -> dict[str, Any]:
    return {
        "path": built.path,
        NAR_SHA256: built.nar_hash.hex,
        "narSize": built.nar_size,
        "references": list(built.references),
    }


def _compressed(path: str, logs: Sequence[tuple[str, Path]]) -> ReleaseFile:
    """The logs as one file. It is compressed once to be hashed and once to be written, so that no log is ever
    held in memory; should a log change in between, the writer sees another digest and refuses."""
    import hashlib

    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(logs):
        digest.update(chunk)
        size += len(chunk)
    return ReleaseFile(path, Sha256(digest.hexdigest()), size, lambda: _chunks(logs))


def _chunks(logs: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    for text in _text(logs):
        if chunk := compressor.compress(text):
            yield chunk
    yield compressor.flush()


def _text(logs: Sequence[tuple[str, Path]]) -> Iterator[bytes]:
    """Each log after a line that names its derivation."""
    for derivation, log in logs:
        yield f"==> {derivation}\n".encode()
        try:
            with log.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise TallyError(f"cannot read the build log {log}: {error.strerror or error}") from error
