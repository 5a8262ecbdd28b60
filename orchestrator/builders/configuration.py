"""`tally.toml`: builders, quorum, mirrors, signing. Found in the working folder or above it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from orchestrator.builders import host, ssh
from orchestrator.builders.closure_table import ClosureTable, RebuilderTable
from orchestrator.builders.inputs_table import InputsTable
from orchestrator.builders.signing_tables import SigningTable
from orchestrator.builders.table import Table, Text
from orchestrator.builders.toolchain_table import ToolchainTable
from orchestrator.builders.variation import Wanted
from orchestrator.builders.webhook_table import WebhookTable
from orchestrator.ground import key_address
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import expanded
from orchestrator.ground.wording import counted
from orchestrator.nix.signature import PublicKey
from orchestrator.pinning.machine import KERNELS
from orchestrator.recipe.explaining import explain
from orchestrator.recipe.part import System
from orchestrator.recipe.toml import parse_toml, read_toml
from orchestrator.recipe.values import Matching, distinct

FILE_NAME = "tally.toml"
_HERE = ("local", "daemon", "vm")
"""Stores on this machine."""
_MANY = ("local", "vm")
"""Those of which every builder has one of its own."""
Word = Annotated[str, Matching(r"[A-Za-z0-9_.+-]+", "a word of letters, digits and _.+-")]
Seconds = Annotated[StrictInt, Field(ge=1)]
Name = Annotated[
    str,
    Matching(
        r"[a-z0-9][a-z0-9_-]{0,31}", "at most 32 lower-case letters, digits, - and _, a letter or digit first"
    ),
]


class BuilderTable(Table):
    """One `[[builder]]`."""

    name: Name = Field(description="Its name in evidence, logs and the state folder")
    store: str = Field(
        default="local",
        description="`local`: an embedded chroot store of our own, no daemon, no root needed. "
        "`daemon`: this machine's Nix. `ssh-ng://[USER@]HOST[:PORT]`: another host's Nix. "
        "`vm`: a virtual machine on this one, new for every run",
    )
    operator: Text | None = Field(default=None, description="Who runs the host")
    key: str | None = Field(
        default=None, description="The public key with which its Nix signs what it builds: NAME:BASE64"
    )
    ssh_key: Path | None = Field(
        default=None,
        alias="ssh-key",
        description="The private key to log in with, relative to this file's folder; default: ssh's own",
    )
    host_key: str | None = Field(
        default=None,
        alias="host-key",
        description="The host's public key, `ssh-ed25519 AAAA…`; default: what known_hosts says",
    )
    link_key: Path | None = Field(
        default=None,
        alias="link-key",
        description="The public key with which the host signs its own link by `tally attest`: a PEM file",
    )
    cores: Annotated[StrictInt, Field(ge=0)] | None = Field(
        default=None, description="NIX_BUILD_CORES of a build; 0: all of them"
    )
    max_jobs: Annotated[StrictInt, Field(ge=1)] | None = Field(
        default=None, alias="max-jobs", description="How many derivations it builds at once"
    )
    systems: Annotated[tuple[System, ...], Field(min_length=1), AfterValidator(distinct)] | None = Field(
        default=None,
        description="What it builds for, as x86_64-linux; default: what this machine is",
    )
    features: tuple[Word, ...] = Field(default=(), description="Nix's system features that it has")
    builders: Annotated[str, Matching(r"@/\S+", "a file as @/etc/nix/machines")] | None = Field(
        default=None,
        description="The file on its host, as @/etc/nix/machines, of machines to spread builds over",
    )
    max_silent: Seconds | None = Field(
        default=None, alias="max-silent", description="Seconds that a build, or the host, may be silent"
    )
    timeout: Seconds | None = Field(default=None, description="Seconds that one derivation may take")
    spare: StrictBool = Field(default=False, description="Used only when another builder cannot do its work")
    memory: Annotated[StrictInt, Field(ge=1024, le=1 << 24)] | None = Field(
        default=None,
        description="MiB of a virtual machine; default: half of this machine's, and no more than 4096",
    )
    disk: Annotated[StrictInt, Field(ge=4, le=4096)] | None = Field(
        default=None,
        description="GiB that a virtual machine can write, and as much again for what its memory cannot "
        "hold; default: 32. Takes room only as it is written",
    )
    kvm: StrictBool | None = Field(
        default=None,
        description="Whether the kernel runs a virtual machine (KVM), or it is emulated, which is slow; "
        "default: the kernel, where it can",
    )

    @field_validator("store")
    @classmethod
    def _is_an_address(cls, store: str) -> str:
        if store not in _HERE:
            ssh.Destination.parse(store)
        return store

    @field_validator("key")
    @classmethod
    def _is_a_nix_key(cls, key: str | None) -> str | None:
        if key is not None:
            PublicKey.parse(key)
        return key

    @field_validator("host_key")
    @classmethod
    def _is_a_host_key(cls, key: str | None) -> str | None:
        if key is not None and not ssh.is_host_key(key):
            raise ValueError("expected a host's public key as ssh-keyscan prints it: ssh-ed25519 AAAA…")
        return key

    @model_validator(mode="after")
    def _fits_its_store(self) -> BuilderTable:
        remote = self.store.startswith(ssh.PREFIX)
        only_for: tuple[tuple[str, object, bool, str], ...] = (
            ("ssh-key", self.ssh_key, remote, "a store over ssh"),
            ("host-key", self.host_key, remote, "a store over ssh"),
            ("link-key", self.link_key, remote, "a store over ssh"),
            ("builders", self.builders, remote, "a store over ssh"),
            ("key", self.key, remote or self.store == "daemon", "a store with a Nix of somebody's"),
            ("memory", self.memory, self.store == "vm", "a virtual machine"),
            ("disk", self.disk, self.store == "vm", "a virtual machine"),
            ("kvm", self.kvm, self.store == "vm", "a virtual machine"),
        )
        for name, value, fits, what in only_for:
            if value is not None and not fits:
                raise ValueError(f"`{name}` is for {what}; the store of {self.name} is {self.store}")
        if self.store == "vm" and self.systems is not None and len(self.systems) > 1:
            raise ValueError(f"a virtual machine is of one system; {self.name} has {len(self.systems)}")
        if self.store == "vm" and self.systems is not None and self.systems[0] not in KERNELS:
            raise ValueError(
                f"there is no virtual machine for {self.systems[0]}; there are some for {', '.join(KERNELS)}"
            )
        return self

    @property
    def system(self) -> str:
        """That of its machine, as far as this says."""
        return (self.systems or (host.nix_system(),))[0]

    @property
    def here(self) -> bool:
        """Whether its store is on this machine."""
        return self.store in _HERE


class VariationTable(Table):
    """`[variation]`: how the embedded builders after the first are made to differ from it."""

    build_cores: StrictBool = Field(default=True, alias="build-cores", description="Another NIX_BUILD_CORES")
    cpu_affinity: StrictBool = Field(default=True, alias="cpu-affinity", description="One CPU less")
    build_directory: StrictBool = Field(
        default=True,
        alias="build-directory",
        description="Builds are made in memory (tmpfs), so on a file system of another type",
    )
    directory_order: StrictBool = Field(
        default=True,
        alias="directory-order",
        description="Folders are listed in reverse, where disorderfs is installed",
    )
    start: StrictBool = Field(default=True, description="Builds start apart, past the next full second")
    uptime: StrictBool = Field(default=True, description="The machine seems to have been up for longer")
    kernel_release: StrictBool = Field(
        default=True, alias="kernel-release", description="The kernel says that it is Linux 2.6"
    )
    load: StrictBool = Field(default=True, description="Idle-priority loops keep its CPUs busy")

    @property
    def wanted(self) -> Wanted:
        return Wanted(**self.model_dump())


class Configuration(Table):
    """The whole of `tally.toml`; every key is optional."""

    quorum: Annotated[StrictInt, Field(ge=2, le=1000)] | None = Field(
        default=None, description="How many votes must agree; default: all of them"
    )
    independence: Literal["same-host", "separate-hosts", "separate-operators"] | None = Field(
        default=None,
        description="What makes a vote: every builder, every host, or every operator. "
        "Default: `same-host` where all stores are this machine's, else `separate-hosts`",
    )
    dissent: Literal["refuse", "record"] = Field(
        default="refuse",
        description="`refuse`: one builder that differs stops the signing. `record`: where the quorum is met "
        "without it, its result goes into the signed evidence",
    )
    require_commit: StrictBool = Field(
        default=False,
        alias="require-commit",
        description="Nothing is built to be signed from a recipe or lock that is not as a commit has it",
    )
    builder: tuple[BuilderTable, ...] = Field(
        default=(BuilderTable(name="a"), BuilderTable(name="b")),
        description="The builders; default: two embedded ones",
    )
    mirrors: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Addresses for `mirror://NAME/…`, tried in order before the built-in ones",
    )
    closure: ClosureTable | None = Field(
        default=None,
        description="How many operators have to have made each derivation of the build-time closure, before "
        "anything is signed; default: nobody is asked but the builders of the run",
    )
    rebuilder: tuple[RebuilderTable, ...] = Field(
        default=(), description="Whose evidence counts for [closure], one table each"
    )
    inputs: InputsTable = Field(
        default=InputsTable(), description="Which inputs are built here, and which are believed"
    )
    signing: SigningTable = SigningTable()
    toolchain: ToolchainTable = Field(
        default=ToolchainTable(), description="What recipes are built with that do not say it themselves"
    )
    variation: VariationTable = Field(
        default=VariationTable(),
        description="How the embedded builders after the first are made to differ from it",
    )
    webhook: tuple[WebhookTable, ...] = Field(
        default=(), description="Who is told when what a target comes to has changed"
    )

    @field_validator("builder")
    @classmethod
    def _at_least_two_with_names_of_their_own(
        cls, builders: tuple[BuilderTable, ...]
    ) -> tuple[BuilderTable, ...]:
        names = [builder.name for builder in builders]
        if sum(not builder.spare for builder in builders) < 2:
            raise ValueError("at least two builders are needed: one alone has nobody to agree with")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two builders have the name {twice[0]}")
        if "orchestrator" in names:
            raise ValueError("the name `orchestrator` is taken: derivations are evaluated in that store")
        stores = [builder.store for builder in builders if builder.store not in _MANY]
        if twice := sorted({store for store in stores if stores.count(store) > 1}):
            raise ValueError(
                f"two builders have the store {twice[0]}: two builds in one store are not independent"
            )
        return builders

    @model_validator(mode="after")
    def _quorum_can_be_met(self) -> Configuration:
        if self.quorum is not None and self.quorum > len(self.builder):
            raise ValueError(
                f"quorum is {self.quorum}, but there are only {counted(len(self.builder), 'builder')}"
            )
        return self

    @model_validator(mode="after")
    def _evidence_has_its_signers(self) -> Configuration:
        if self.rebuilder and self.closure is None:
            raise ValueError("there is a [[rebuilder]] and no [closure]: nothing of theirs is counted")
        if self.closure is not None and self.closure.evidence and not self.rebuilder:
            raise ValueError("`closure.evidence` needs a [[rebuilder]], whose key signed it")
        return self

    @property
    def vote(self) -> Literal["same-host", "separate-hosts", "separate-operators"]:
        """What makes a vote."""
        here = all(builder.here for builder in self.builder)
        return self.independence or ("same-host" if here else "separate-hosts")


def load(folder: Path) -> Configuration:
    """The configuration that counts in `folder`; the defaults where no file does.

    Raises TallyError naming the file, the line, the key and what was expected.
    """
    file = find(folder)
    if file is None:
        return Configuration()
    text, values = read_toml(file, FILE_NAME)
    configuration = _validated(text, values, file)
    builders = tuple(_placed(builder, file.parent) for builder in configuration.builder)
    hooks = tuple(
        hook.model_copy(update={"secret": file.parent / expanded(hook.secret)})
        for hook in configuration.webhook
    )
    rebuilders = tuple(
        each.model_copy(update={"key": file.parent / expanded(each.key)}) for each in configuration.rebuilder
    )
    if (closure := configuration.closure) is not None:
        evidence = tuple(file.parent / expanded(each) for each in closure.evidence)
        configuration = configuration.model_copy(
            update={"closure": closure.model_copy(update={"evidence": evidence})}
        )
    configuration = configuration.model_copy(
        update={"builder": builders, "webhook": hooks, "rebuilder": rebuilders}
    )
    signing = configuration.signing
    if signing.key is not None and not key_address.is_address(signing.key):
        signing = signing.model_copy(update={"key": str(file.parent / expanded(Path(signing.key)))})
    if signing.trusted_root is not None:
        trusted_root = file.parent / expanded(signing.trusted_root)
        signing = signing.model_copy(update={"trusted_root": trusted_root})
    if signing.keyless is not None and signing.keyless.instance != "public":
        instance = file.parent / expanded(Path(signing.keyless.instance))
        keyless = signing.keyless.model_copy(update={"instance": str(instance)})
        signing = signing.model_copy(update={"keyless": keyless})
    return configuration.model_copy(update={"signing": signing})


def parse(text: str, file: Path) -> Configuration:
    """A text as the configuration that it would be in `file`; paths stay as written. Raises TallyError."""
    return _validated(text, parse_toml(text, str(file)), file)


def _validated(text: str, values: Mapping[str, Any], file: Path) -> Configuration:
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        message, hint = explain(error, text, str(file), Configuration)
        raise TallyError(message, hint=hint) from error


def _placed(table: BuilderTable, folder: Path) -> BuilderTable:
    """With its files relative to nothing but the root."""
    files = {"ssh_key": table.ssh_key, "link_key": table.link_key}
    placed = {name: (folder / expanded(file)).absolute() for name, file in files.items() if file}
    return table.model_copy(update=placed)


def find(folder: Path) -> Path | None:
    """The nearest `tally.toml` in `folder` or above it.

    Raises TallyError for one that a third user put there: it says which builders, mirrors and modules count.
    """
    for candidate in (folder, *folder.parents):
        file = candidate / FILE_NAME
        if os.path.lexists(file):  # what is there and cannot be read must not be passed over
            _refuse_anothers(file, folder)
            return file
    return None


def _refuse_anothers(file: Path, folder: Path) -> None:
    """Raises TallyError unless it belongs to us, to root, or to whoever owns the working folder.

    The last is so in a container with a checkout mounted into it.
    """
    try:
        owners = {file.lstat().st_uid, file.stat().st_uid}
        ours = {os.geteuid(), 0, folder.stat().st_uid}
    except OSError:
        return  # whoever reads it says why it cannot be read
    if others := owners - ours:
        raise TallyError(
            f"{file} belongs to another user (uid {min(others)}), and names builders and code to run",
            hint=f"chown or remove it, or put a {FILE_NAME} of your own into {folder}",
        )
