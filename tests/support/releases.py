"""Releases made by the real code from hand-made facts: a program, its library, a toolchain, two builders."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from caches import SigningKey as CacheKey

from orchestrator.agreement.agreement import Agreed
from orchestrator.builders.build import Build, BuiltPath, Identity, Report, SandboxProof, Surroundings
from orchestrator.caches.believed import Beliefs, Believed
from orchestrator.evidence import provenance, reproduction, statement
from orchestrator.evidence.canonical import render_document
from orchestrator.evidence.facts import Artifact, InputFile, Package, ReleaseFacts, ReleaseFile
from orchestrator.evidence.layout import layout_of
from orchestrator.evidence.links import link_of
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.oci import artifact_manifest
from orchestrator.evidence.sbom.forms import Form, release_file, statement_name
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.evidence.statement import Statement
from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.keys.key import SigningKey
from orchestrator.log.embedded import EmbeddedLog
from orchestrator.log.trusted_root import TRUSTED_ROOT
from orchestrator.nix.derivation import Derivation, DerivationGraph, FixedOutput
from orchestrator.nix.outputpath import Command, Inputs, derivation_hash, fixed_hash, output_paths
from orchestrator.nix.signature import fingerprint
from orchestrator.nix.storepath import source_path
from orchestrator.policy.evidence import Evidence as Judgable
from orchestrator.policy.evidence import Judged, Vouched
from orchestrator.policy.signer import KeySigner
from orchestrator.publishing import directory
from orchestrator.publishing.directory import Published
from orchestrator.publishing.index import INDEX
from orchestrator.publishing.records import records_of
from orchestrator.repositories.revision import Revision
from orchestrator.signing import gate
from orchestrator.signing.keyless import KeylessSigner
from orchestrator.signing.witnesses import Clock, Log, Witnesses
from orchestrator.sources.origins import Origin

INDEX_SHA256 = Sha256.of(b"the release.json of what is judged without one")
DIGITS = "0123456789abcdfghijklmnpqrsvwxyz"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
SCRIPT = "make install\n"


def recipe(name: str, version: str) -> bytes:
    """As much of a recipe as its derivation shows."""
    build, check = f"[build]\nscript = {json.dumps(SCRIPT)}", '[check]\nscript = "true\\n"'
    return f'name = "{name}"\nversion = "{version}"\n\n{build}\n{check}\n'.encode()


PROOF = SandboxProof(("lo",), 1000, "/build", "localhost", ("bin", "build", "dev"), ("HOME", "PATH"), False)


def store_path(name: str) -> str:
    """A store path with 32 digits that follow from its name."""
    digits = "".join(DIGITS[byte % 32] for byte in hashlib.sha256(name.encode()).digest())
    return f"/nix/store/{digits}-{name}"


def nar(text: str) -> NarHash:
    return NarHash.of(text.encode())


BUILD_SCRIPT = source_path("build.sh", nar("build.sh").hex, ())
"""Where the script of every derivation here is: a source, by its content."""
HASHES: dict[str, str] = {}
"""Of every derivation that was made here, what those that use it count it as, by its path."""


def fixed(name: str, kind: str | None = None, *, recursive: bool = False, **env: str) -> Derivation:
    """A fixed-output derivation; without `kind` it is somebody's own, without our attributes."""
    digest = NarHash.of(name.encode()) if recursive else Sha256.of(name.encode())
    path = store_path(name)
    attributes = {"name": name, **env}
    if kind:
        attributes |= {"tallyKind": kind}
    HASHES[store_path(f"{name}.drv")] = fixed_hash(path, digest)
    return Derivation(
        path=store_path(f"{name}.drv"),
        system="x86_64-linux",
        builder_executable="/bin/false",
        args=(),
        env=attributes,
        outputs={"out": path},
        fixed=FixedOutput(path, digest),
        input_derivations={},
        input_sources=(),
    )


def derivation(
    name: str,
    uses: Mapping[Derivation, tuple[str, ...]] | Sequence[tuple[Derivation, tuple[str, ...]]] = (),
    outputs: Sequence[str] = ("out",),
    sources: Sequence[str] = (),
    **env: str,
) -> Derivation:
    """A derivation that is built. Its outputs are where Nix would put them."""
    pairs = list(uses.items() if isinstance(uses, Mapping) else uses)
    given = [used.outputs[one] for used, names in pairs for one in names]
    environment = {"name": name, "inputs": " ".join(given), "outputs": " ".join(outputs), **env}
    environment |= {"system": "x86_64-linux", "builder": "/bin/sh"} | dict.fromkeys(outputs, "")
    arguments = ("-eu", BUILD_SCRIPT)
    hashes: dict[str, set[str]] = {}
    for used, names in pairs:
        hashes.setdefault(HASHES[used.path], set()).update(names)
    inputs = Inputs(hashes, sources)
    path = store_path(f"{name}.drv")
    places = dict.fromkeys(outputs, "")
    command = Command(path, "x86_64-linux", "/bin/sh", arguments, environment, places)
    places = output_paths(command, inputs)
    environment |= places
    HASHES[path] = derivation_hash(replace(command, environment=environment, outputs=places), inputs)
    return Derivation(
        path=path,
        system="x86_64-linux",
        builder_executable="/bin/sh",
        args=arguments,
        env=environment,
        outputs=places,
        fixed=None,
        input_derivations={used.path: names for used, names in pairs},
        input_sources=tuple(sorted(sources)),
    )


def debian(name: str, version: str) -> Derivation:
    """A Debian package, as the toolchain's fixed outputs are."""
    return fixed(debian_file(name, version).replace("~", "_"), "toolchain")


def debian_file(name: str, version: str) -> str:
    return f"{name}_{version.replace(':', '_')}_amd64.deb"


def debian_origin(name: str, version: str) -> Origin:
    file = debian_file(name, version)
    purl = f"pkg:deb/debian/{name}@{version.replace(':', '%3A').replace('+', '%2B')}?arch=amd64"
    return Origin(file, (f"mirror://debian/pool/main/{name[0]}/{name}/{file}",), purl)


@dataclass(frozen=True)
class World:
    """Derivations of pigz, which uses zlib, both made with a Debian root."""

    gcc: Derivation = field(default_factory=lambda: debian("gcc-12", "12.2.0-14+deb12u1"))
    libc: Derivation = field(default_factory=lambda: debian("libc6", "2.36-9"))
    busybox: Derivation = field(default_factory=lambda: fixed("busybox", "toolchain", recursive=True))
    zlib_source: Derivation = field(default_factory=lambda: fixed("zlib-1.3.tar.gz", "source"))
    pigz_source: Derivation = field(default_factory=lambda: fixed("pigz-2.8.tar.gz", "source"))
    script: str = BUILD_SCRIPT

    @cached_property
    def origins(self) -> Mapping[str, Origin]:
        """Where its fixed outputs are from, by store path."""
        zlib = ("https://zlib.example.org/zlib-1.3.tar.gz", "mirror://debian/zlib_1.3.orig.tar.gz")
        busybox = ("mirror://debian/pool/main/b/busybox/busybox-static.deb",)
        found = [
            (self.gcc, debian_origin("gcc-12", "12.2.0-14+deb12u1")),
            (self.libc, debian_origin("libc6", "2.36-9")),
            (
                self.busybox,
                Origin("busybox", busybox, "pkg:deb/debian/busybox-static@1%3A1.35.0-4?arch=amd64"),
            ),
            (self.zlib_source, Origin("zlib-1.3.tar.gz", zlib, "pkg:generic/zlib@1.3")),
            (self.pigz_source, Origin("pigz-2.8.tar.gz", ("mirror://debian/pigz_2.8.tar.gz",), None)),
        ]
        return {derivation.outputs["out"]: origin for derivation, origin in found}

    @cached_property
    def root(self) -> Derivation:
        parts = [(part, ("out",)) for part in (self.busybox, self.gcc, self.libc)]
        return derivation("debian-root", parts, sources=[self.script], tallyKind="toolchain-root")

    @cached_property
    def zlib(self) -> Derivation:
        return derivation(
            "zlib-1.3",
            [(self.root, ("out",)), (self.zlib_source, ("out",))],
            ("out", "dev"),
            [self.script],
            tallyKind="package",
            tallyName="zlib",
            tallyVersion="1.3",
            tallyLicense="Zlib",
            tallyScript=SCRIPT,
            tallyCheck="true\n",
            tallySources=f"src unpack {self.zlib_source.outputs['out']} zlib-1.3.tar.gz\n",
        )

    @cached_property
    def pigz(self) -> Derivation:
        return derivation(
            "pigz-2.8",
            [(self.root, ("out",)), (self.pigz_source, ("out",)), (self.zlib, ("dev", "out"))],
            ("out",),
            [self.script],
            tallyKind="package",
            tallyName="pigz",
            tallyVersion="2.8",
            tallyLicense="Zlib AND LicenseRef-pigz-notice",
            tallyScript=SCRIPT,
            tallyCheck="true\n",
            tallySources=f"src unpack {self.pigz_source.outputs['out']} pigz-2.8.tar.gz\n",
            SOURCE_DATE_EPOCH="1700000000",
        )

    @cached_property
    def artifact(self) -> Derivation:
        return derivation(
            "pigz-2.8-x86_64-linux.tar.gz",
            [(self.pigz, ("out",)), (self.root, ("out",))],
            tallyKind="artifact",
            tallyName="pigz",
            tallyVersion="2.8",
            tallyFileName="pigz-2.8-x86_64-linux.tar.gz",
            tallyFormat="tar.gz",
        )

    @cached_property
    def graph(self) -> DerivationGraph:
        everything = (
            self.gcc, self.libc, self.busybox, self.zlib_source, self.pigz_source,
            self.root, self.zlib, self.pigz, self.artifact,
        )  # fmt: skip
        return DerivationGraph({each.path: each for each in everything}, (self.artifact.path,))


def lock_of(world: World) -> bytes:
    """The part of a lock that pins its toolchain."""
    found = b"version = 1\n"
    for each in (world.gcc, world.libc):
        pool, digest = f"pool/main/x/{each.name}", Sha256.of(each.name.encode()).hex
        found += f'\n[[package]]\npool = "{pool}"\nsha256 = "{digest}"\n'.encode()
    digest = NarHash.of(world.busybox.name.encode()).hex
    return found + f'\n[[busybox]]\npackage = "busybox.deb"\nnar_sha256 = "{digest}"\n'.encode()


SOURCE = tuple(
    ReleaseFile.of(f"source/{name}", data)
    for name, data in {
        "recipes/pigz.toml": recipe("pigz", "2.8"),
        "recipes/zlib.toml": recipe("zlib", "1.3"),
        "request.json": b"the request",
        "tally.lock": lock_of(World()),
    }.items()
)


def made(path: str, nar_hash: NarHash | None = None, references: Sequence[str] = ()) -> BuiltPath:
    return BuiltPath(path, nar_hash or nar(path), 120, tuple(sorted(references)))


def identity(name: str, **changes: Any) -> Identity:
    who = Identity(
        name=name,
        store="local",
        nix_version="2.8.0",
        machine_id=hashlib.sha256(b"one machine").hexdigest(),
        kernel="6.1.0",
        cpu_model="A CPU",
        system="x86_64-linux",
    )
    return replace(who, **changes)


def surroundings(builder: Identity) -> Surroundings:
    """Those of the builder `b` differ in how many cores it builds with."""
    return Surroundings(
        boot_id=builder.boot_id or "aa", kernel=f"Linux {builder.kernel}", kernel_version="#1 SMP",
        cpu_model="A CPU", cpu_flags="ff", cpu_count=4, build_cores=2 if builder.name == "b" else 4,
        memory=8_000_000, file_system="ext4", device=65024, directory_order="0123", clock=NOW, uptime=5000,
        system="x86_64-linux", started=NOW,
    )  # fmt: skip


def report(
    builder: Identity,
    outputs: Mapping[str, Mapping[str, BuiltPath]],
    inputs: Mapping[str, BuiltPath],
    log: Path,
) -> Report:
    builds = {
        path: Build(path, outs, NOW.replace(hour=9, minute=1), NOW.replace(hour=9, minute=3), log, {})
        for path, outs in outputs.items()
    }
    return Report(builder, PROOF, builds, inputs, (), surroundings=surroundings(builder))


@dataclass(frozen=True)
class Made:
    """Facts, and the file that they are about."""

    facts: ReleaseFacts
    artifact: Path

    @property
    def agreed(self) -> Agreed:
        return self.facts.agreed


def observed(
    folder: Path,
    *,
    builders: Sequence[Identity] = (identity("a"), identity("b")),
    content: bytes | Iterable[bytes] = gzip.compress(b"the program", mtime=0),
    executable: bool = False,
    quorum: int = 2,
    invocation: str = "0f6dbd3f-5a8e-4a5a-9d0f-4f1f6e2b1a11",
    finished: datetime = NOW,
) -> Made:
    """Facts of a release of pigz, with its artifact and its builders' logs written into `folder`."""
    world = World()
    folder.mkdir(parents=True, exist_ok=True)
    artifact = folder / "artifact.bin"
    with artifact.open("wb") as stream:
        stream.writelines([content] if isinstance(content, bytes) else content)
    artifact.chmod(0o755 if executable else 0o644)
    sha256, size, nar_hash = gate.measure(artifact)
    name = "pigz-2.8-x86_64-linux.tar.gz"
    zlib = made(world.zlib.outputs["out"])
    outputs = {
        world.pigz.path: {"out": made(world.pigz.outputs["out"], references=[zlib.path])},
        world.artifact.path: {"out": made(world.artifact.outputs["out"], nar_hash)},
    }
    inputs = {path: made(path) for path in (world.root.outputs["out"], zlib.path, world.zlib.outputs["dev"])}
    reports = []
    for builder in builders:
        log = folder / f"{builder.name}.log"
        log.write_text(f"built by {builder.name}\n" * 20)
        reports.append(report(builder, outputs, inputs, log))
    facts = ReleaseFacts(
        package=Package(
            name="pigz",
            version="2.8",
            system="x86_64-linux",
            summary="Parallel gzip",
            homepage="https://zlib.net/pigz/",
            license="Zlib AND LicenseRef-pigz-notice",
        ),
        artifact=Artifact(name, sha256, size, Sha256.of(artifact_manifest(name, sha256, size))),
        target="pigz",
        package_derivation=world.pigz.path,
        artifact_derivation=world.artifact.path,
        graph=world.graph,
        agreed=Agreed(tuple(reports), outputs, inputs),
        quorum=quorum,
        input_sources={world.script: nar("build.sh")},
        origins=world.origins,
        licences={
            Sha256.of(world.gcc.name.encode()).hex: "GPL-3.0-or-later WITH GCC-exception-3.1",
            Sha256.of(world.libc.name.encode()).hex: "LGPL-2.1-or-later AND LicenseRef-Carnegie",
        },
        toolchains=[{"from": "debian", "suite": "bookworm"}],
        recipe=InputFile("pigz.toml", Sha256.of(recipe("pigz", "2.8"))),
        lock=InputFile("tally.lock", Sha256.of(b"the lock")),
        revision=Revision("c" * 40, "git+https://git.example.org/pigz", "recipes/pigz.toml", ()),
        source=SOURCE,
        started=NOW.replace(hour=9, minute=1),
        finished=finished,
        invocation_id=invocation,
    )
    return Made(facts, artifact)


CACHE = CacheKey("cache-1")


def believing(made: Made) -> Made:
    """The same release with its library taken from a cache."""
    world = World()
    paths = {}
    for path in world.zlib.outputs.values():
        references = (world.script,)  # an input source, which nobody signs for
        signature = CACHE.sign(fingerprint(path, nar(path), 120, references))
        paths[path] = Believed(path, nar(path), 120, references, "https://cache", CACHE.public, signature)
    rebuilt = frozenset({world.pigz.path, world.artifact.path, world.root.path})
    inputs = {path: built for path, built in made.agreed.inputs.items() if path not in paths}
    reports = tuple(replace(each, inputs=inputs) for each in made.agreed.reports)
    agreed = replace(made.agreed, reports=reports, inputs=inputs)
    return replace(made, facts=replace(made.facts, agreed=agreed, beliefs=Beliefs(paths, rebuilt)))


def with_toolchain(facts: ReleaseFacts, licences: Sequence[str]) -> ReleaseFacts:
    """The same release from a Debian root of so many packages, each with its licence."""
    parts = [debian(f"part-{number}", "1") for number in range(len(licences))]
    sources = [World().script]
    uses = [(each, ("out",)) for each in parts]
    root = derivation("debian-root", uses, sources=sources, tallyKind="toolchain-root")
    root = replace(root, outputs=World().root.outputs)  # for whoever uses it
    known = {each.fixed.digest.hex: text for each, text in zip(parts, licences, strict=True) if each.fixed}
    derivations = {**facts.graph.derivations, **{each.path: each for each in (*parts, root)}}
    return replace(facts, graph=DerivationGraph(derivations, facts.graph.roots), licences=known)


@dataclass(frozen=True)
class Evidence:
    """Everything that goes into a release folder beside the artifact."""

    statements: Mapping[str, Statement]
    byproducts: Sequence[ReleaseFile]
    bundles: Sequence[ReleaseFile]


def evidence(
    of: Made,
    key: SigningKey | KeylessSigner,
    keys: Mapping[str, SigningKey],
    log: Log | None = None,
    clock: Clock | None = None,
    forms: Sequence[Form] = tuple(Form),
) -> Evidence:
    """The sequence of calls that orchestrator/stories/release.py makes once builders agree.

    `forms` are the SBOM's: earlier releases have SPDX 2.3 alone.
    """
    facts, agreed, quorum = of.facts, of.facts.agreed, of.facts.quorum
    materials = materials_of(facts)
    bill = bill_of(facts, materials)
    sboms = {form: form.document(bill) for form in forms}
    records = records_of(facts)
    links = [link_of(each, facts, materials, records[each.identity.name]) for each in agreed.reports]
    link_files = gate.sign_links(agreed, quorum, links, keys)
    layout = layout_of(facts, {each.public.keyid: each.public.pem for each in keys.values()})
    byproducts = [
        *link_files.values(),
        *gate.sign_layout(agreed, quorum, layout, key),
        *(release_file(facts.package.name, form, sboms[form]) for form in forms),
        *(file for record in records.values() for file in record),
        *facts.source,
    ]
    witnesses = Witnesses(log, clock)
    root = witnesses.root
    if isinstance(key, KeylessSigner):
        root = key.instance.root
    if root is not None:
        byproducts.append(ReleaseFile.of(TRUSTED_ROOT, root.render()))
    statements = {
        "provenance": provenance.provenance(facts, materials, byproducts),
        "reproduction": reproduction.reproduction(facts, link_files),
        **{statement_name(form): statement.make(facts, form.predicate_type, sboms[form]) for form in forms},
    }
    bundles = gate.sign(agreed, quorum, facts, of.artifact, statements, key, witnesses)
    return Evidence(statements, byproducts, bundles)


def published(
    out: Path,
    of: Made,
    key: SigningKey | KeylessSigner,
    keys: Mapping[str, SigningKey],
    log: Log | None = None,
    clock: Clock | None = None,
    forms: Sequence[Form] = tuple(Form),
) -> Published:
    """The evidence, and the folder that holds it."""
    found = evidence(of, key, keys, log, clock, forms)
    return directory.publish(
        out,
        of.facts,
        of.artifact,
        found.statements["provenance"],
        found.statements["reproduction"],
        [*found.byproducts, *found.bundles],
        key.signed_as if isinstance(key, KeylessSigner) else key.public,
    )


@dataclass(frozen=True)
class Signed:
    """A release by a key, as its users have it."""

    folder: Path
    artifact: Path
    pub: Path
    sha256: str
    """The artifact's, in hexadecimal."""


def signed(folder: Path) -> Signed:
    """One in `folder`, with the public key beside it; in no log."""
    made, key = observed(folder / "in"), SigningKey.generate()
    _, pub = key.write(folder / "release")
    path = published(folder / "out", made, key, builder_keys(made)).path
    artifact = made.facts.artifact
    return Signed(path, path / artifact.file_name, pub, artifact.sha256.hex)


def reindex(folder: Path, *, drop: str | None = None, add: str | None = None) -> None:
    """Make the index fit the files again, as somebody who changed them on purpose would."""
    path = folder / INDEX
    document = json.loads(path.read_bytes())
    names = {entry["path"] for entry in document["files"]} - {drop} | ({add} if add else set())

    def entry(name: str) -> dict[str, object]:
        data = (folder / name).read_bytes()
        return {"path": name, "sha256": Sha256.of(data).hex, "size": len(data)}

    document["files"] = [entry(name) for name in sorted(names)]
    document["artifact"] = entry(document["artifact"]["path"])
    path.write_bytes(render_document(document))


def log_in(folder: Path) -> EmbeddedLog:
    """An embedded log that was there when these releases were made."""
    return EmbeddedLog.opened(folder, NOW.date())


def judged(of: Made, key: SigningKey, keys: Mapping[str, SigningKey], now: datetime = NOW) -> Judgable:
    """What a policy is handed of such a release once its signatures were found to hold."""
    found = evidence(of, key, keys)
    signer = KeySigner.of(key.public.spki)
    own = {
        each.predicate_type: Judged(f"attestations/{name}.sigstore.json", each, signer)
        for name, each in found.statements.items()
    }
    vouched = []
    for report in of.agreed.reports:
        name = report.identity.name
        link = link_of(report, of.facts, materials_of(of.facts), records_of(of.facts)[name])
        vouched.append(Vouched(f"links/{name}.link", KeySigner.of(keys[name].public.spki), link))
    artifact = of.facts.artifact
    return Judgable(
        artifact=artifact.file_name, sha256=artifact.sha256, size=artifact.size, own=own, others=(),
        layout_signer=signer, links=tuple(vouched), threshold=of.facts.quorum, now=now, index=INDEX_SHA256,
    )  # fmt: skip


def builder_keys(of: Made) -> dict[str, SigningKey]:
    return {each.identity.name: SigningKey.generate() for each in of.agreed.reports}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def restored(folder: Path, whole: Mapping[str, bytes]) -> None:
    """Make these its only files. What is as it was is not written, since a change harms a file or two."""
    for top, _, names in os.walk(folder):
        for name in names:
            each = Path(top, name)
            if whole.get(each.relative_to(folder).as_posix()) != each.read_bytes():
                each.unlink()
    for path, data in whole.items():
        if not (folder / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
