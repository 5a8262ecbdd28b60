"""What a store says of its paths: whether they were built there, and who signed them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.builders.build import BuiltPath, Failure
from orchestrator.nix.chroot import ChrootStore
from orchestrator.nix.remote import RemoteStore
from orchestrator.nix.signature import PublicKey, fingerprint
from orchestrator.nix.store import Registration


@dataclass(frozen=True, slots=True)
class Vouched:
    """What was found."""

    failures: tuple[Failure, ...] = ()
    signatures: Mapping[str, str] = field(default_factory=dict)
    """Store path to the signature that was checked."""


Paths = Mapping[str, BuiltPath]
Vouching = Callable[[Paths, Paths], Vouched]
"""Takes what was asked for and built in this run, and the inputs that its store held or built."""


def vouching_of_ours(store: ChrootStore) -> Vouching:
    """For a store of our own, which signs nothing: what an earlier run believed was not built there."""

    def look(made: Paths, inputs: Paths) -> Vouched:
        return Vouched(tuple(map(_elsewhere, sorted(store.foreign(inputs)))))

    return look


def vouching_of(store: RemoteStore, key: PublicKey | None) -> Vouching:
    """For a store of somebody else's. With a `key`, what was built must bear its signature.

    What was asked for was built in this run, or it is no build at all; an input may have been there before,
    and one that came from elsewhere was not made by this builder.
    """

    def look(made: Paths, inputs: Paths) -> Vouched:
        said = store.registrations([*made, *inputs])
        failures = [_elsewhere(path) for path in inputs if not said[path].ultimate]
        if key is None:
            return Vouched(tuple(failures))
        signed = {path: _signature(built, said[path], key) for path, built in made.items()}
        failures += [
            _failure(_unsigned(path, said[path], key)) for path, found in signed.items() if not found
        ]
        return Vouched(tuple(failures), {path: found for path, found in signed.items() if found})

    return look


def _signature(built: BuiltPath, said: Registration, key: PublicKey) -> str | None:
    """The signature by `key` over what we hashed ourselves, whatever hash the store claims."""
    text = fingerprint(built.path, built.nar_hash, built.nar_size, said.references)
    return next((each for each in said.signatures if key.verifies(each, text)), None)


def _unsigned(path: str, said: Registration, key: PublicKey) -> str:
    if not said.signatures:
        return f"its Nix did not sign {path}, and `key` in tally.toml says that it does"
    names = ", ".join(sorted(each.partition(":")[0] for each in said.signatures))
    return f"no signature on {path} is one by {key.name} as tally.toml has it: they are by {names}"


def _elsewhere(path: str) -> Failure:
    return _failure(
        f"its store has {path} from elsewhere: it was substituted or copied, not built there\n"
        "hint: an earlier run may have believed it: collect that store's garbage (`nix-collect-garbage`), "
        "so that what was made with it goes, too"
    )


def _failure(reason: str) -> Failure:
    return Failure(derivation=None, reason=reason, last_lines=(), log=None)
