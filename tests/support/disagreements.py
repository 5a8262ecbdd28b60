"""Disagreements made by the real code from hand-made reports: a builder of `releases` differs."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import releases

from orchestrator.agreement.agreement import Disagreed
from orchestrator.agreement.compare import compare
from orchestrator.builders.build import Report
from orchestrator.evidence.commands import command_of
from orchestrator.evidence.disagreement import Observed
from orchestrator.evidence.facts import ReleaseFile
from orchestrator.ground.digest import Sha256
from orchestrator.keys.key import SigningKey
from orchestrator.signing import gate
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.signing.witnesses import Log, Witnesses

OTHER = b"another program"


def differing(made: releases.Made, *names: str) -> tuple[Report, ...]:
    """The reports of a release, in which builder `b` made something else of these outputs or inputs."""
    world = releases.World()
    wanted = {world.pigz.path: "pigz", world.artifact.path: "artifact"}
    first, *others = made.agreed.reports
    changed = []
    for report in others:
        builds = {
            path: replace(
                build,
                outputs={
                    output: replace(built, nar_hash=releases.nar(f"{report.identity.name} {built.path}"))
                    if wanted[path] in names
                    else built
                    for output, built in build.outputs.items()
                },
            )
            for path, build in report.builds.items()
        }
        zlib = world.zlib.outputs["out"]
        inputs = dict(report.inputs)
        if "zlib" in names:
            inputs[zlib] = replace(inputs[zlib], nar_hash=releases.nar(f"{report.identity.name} {zlib}"))
        changed.append(replace(report, builds=builds, inputs=inputs))
    return (first, *changed)


def observed(made: releases.Made, *names: str, reports: Sequence[Report] = ()) -> Observed:
    """What the real comparison makes of them; by default package and artifact differ."""
    world = releases.World()
    found = compare(
        world.graph,
        (world.pigz.path, world.artifact.path),
        reports or differing(made, *(names or ("pigz", "artifact"))),
        2,
    )
    assert isinstance(found, Disagreed)
    digests = {one.derivation: Sha256.of(derivation(one.derivation)) for one in found.differing}
    return Observed("pigz", found, digests, 2, "same-host", tuple(command_of(world.pigz)))


def derivation(path: str) -> bytes:
    """What stands in a derivation's file."""
    return f"Derive({path})".encode()


@dataclass(frozen=True)
class Signed:
    """The files of a signed disagreement."""

    observed: Observed
    files: Mapping[str, bytes]

    @property
    def bundle(self) -> bytes:
        return self.files[gate.DISAGREEMENT]

    @property
    def statement(self) -> dict[str, Any]:
        return payload(json.loads(self.bundle)["dsseEnvelope"])

    @property
    def derivations(self) -> Mapping[str, bytes]:
        """The files that it is about, by name."""
        return {Path(path).name: derivation(path) for path in self.observed.derivations}


def payload(envelope: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(b64decode(envelope["payload"]))
    return found


def signed(
    of: Observed, key: SigningKey | KeylessSigner, keys: Mapping[str, SigningKey], log: Log | None = None
) -> Signed:
    files = gate.sign_disagreement(of, key, keys, Witnesses(log))
    return Signed(of, {file.path: data(file) for file in files})


def data(file: ReleaseFile) -> bytes:
    return b"".join(file.chunks())
