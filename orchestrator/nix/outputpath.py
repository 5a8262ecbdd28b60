"""Where Nix puts what a derivation makes, computed from the derivation: another text has other paths. Pure.

The rules are those of Nix's manual, "Complete Store Path Calculation", for outputs that are addressed by what
they are made from. Of an input counts what it is, and never by which `.drv` it came: of a fixed output its
digest and its path, of all others the same hash of their own derivation. So whoever knows an output's path
knows executable, arguments, environment and inputs of what made it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.ground.digest import NarHash, OtherDigest, Sha256
from orchestrator.ground.values import dataclass
from orchestrator.nix.storepath import store_path

_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_OUT = ["out"]
_PATH = re.compile(r"/nix/store/[0-9a-z]{32}(?=-)")


@dataclass(frozen=True, slots=True)
class Command:
    """What one derivation runs, as it says so itself."""

    derivation: str
    """The store path of the `.drv`."""
    system: str
    executable: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    outputs: Mapping[str, str]
    """Output name to store path."""

    @property
    def name(self) -> str:
        return self.derivation.rsplit("/", 1)[-1][33:].removesuffix(".drv")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a derivation is given."""

    derivations: Mapping[str, Collection[str]]
    """The hash of each derivation that it uses, in hexadecimal, to the names of the outputs that it uses."""
    sources: Collection[str]
    """Store paths that are there without a derivation."""


def fixed_hash(path: str, digest: Sha256 | NarHash | OtherDigest) -> str:
    """The hash of the derivation of a fixed output."""
    match digest:
        case Sha256():
            method = "sha256"
        case NarHash():
            method = "r:sha256"
        case OtherDigest():
            method = f"{'r:' if digest.nar else ''}{digest.algorithm}"
    return _sha256(f"fixed:out:{method}:{digest.hex}:{path}")


def derivation_hash(command: Command, inputs: Inputs) -> str:
    """The hash of a derivation that is built, as one that uses it counts it."""
    return _sha256(_term(command, inputs, command.outputs, command.environment))


def output_paths(command: Command, inputs: Inputs) -> dict[str, str]:
    """Where its outputs have to be: output name to store path. Those that it says itself do not count."""
    environment = {name: "" if name in command.outputs else of for name, of in command.environment.items()}
    digest = _sha256(_term(command, inputs, dict.fromkeys(command.outputs, ""), environment))
    return {
        name: store_path(
            f"output:{name}", digest, command.name if name == "out" else f"{command.name}-{name}"
        )
        for name in command.outputs
    }


class Known:
    """What derivations can be given: it tells inputs by their store paths in executable, arguments and
    environment, where Nix's own languages leave them unless somebody took them out on purpose."""

    def __init__(
        self, fixed: Mapping[str, str], sources: Iterable[str] = (), opaque: Iterable[str] = ()
    ) -> None:
        """`fixed` is store path to `fixed_hash`; `opaque` are paths of which nobody knows the derivation."""
        self._of: dict[str, tuple[str, str] | str | None] = {}
        for path, digest in fixed.items():
            self._of[_head(path)] = (digest, "out")
        self._of |= {_head(path): path for path in sources}
        self._of |= dict.fromkeys(map(_head, opaque))

    def inputs(self, command: Command) -> Inputs | None:
        """The inputs that a command names; None: the derivation of one of them is not known."""
        derivations: dict[str, set[str]] = {}
        sources: set[str] = set()
        own = {_head(path) for path in command.outputs.values()}
        for head in (_heads(command) - own) & self._of.keys():
            match self._of[head]:
                case None:
                    return None
                case (digest, name):
                    derivations.setdefault(digest, set()).add(name)
                case str() as path:
                    sources.add(path)
        return Inputs(derivations, sources)

    def add(self, command: Command, inputs: Inputs | None) -> None:
        """From now on its outputs can be inputs, too."""
        digest = None if inputs is None else derivation_hash(command, inputs)
        for name, path in command.outputs.items():
            self._of[_head(path)] = None if digest is None else (digest, name)


class Places:
    """Store paths, each with something, which are looked up by what a command names."""

    def __init__(self, of: Mapping[str, Any]) -> None:
        self._of = {_head(path): each for path, each in of.items()}

    def named(self, command: Command) -> Iterator[Any]:
        """What belongs to those of the paths that a command names, in no order."""
        return (self._of[head] for head in _heads(command) if head in self._of)


def _heads(command: Command) -> set[str]:
    texts = (command.executable, *command.arguments, *command.environment.values())
    return set(_PATH.findall("\n".join(texts)))


def _head(path: str) -> str:
    return path[:43]  # up to its digits, which are all that tells it from others


def _term(
    command: Command, inputs: Inputs, outputs: Mapping[str, str], environment: Mapping[str, str]
) -> str:
    """A derivation as Nix writes it (its `src/libstore/derivations.cc`), with hashes for its inputs."""
    made = [f'({_text(name)},{_text(outputs[name])},"","")' for name in sorted(outputs)]
    used = [f'("{of}",{_list(sorted(names))})' for of, names in sorted(inputs.derivations.items())]
    variables = [f"({_text(name)},{_text(environment[name])})" for name in sorted(environment)]
    parts = (
        f"[{','.join(made)}]",
        f"[{','.join(used)}]",
        _list(sorted(inputs.sources)),
        _text(command.system),
        _text(command.executable),
        _list(command.arguments),
        f"[{','.join(variables)}]",
    )
    return f"Derive({','.join(parts)})"


def _list(texts: Sequence[str]) -> str:
    return '["out"]' if texts == _OUT else f"[{','.join(map(_text, texts))}]"


def _text(text: str) -> str:
    return f'"{text}"' if text.isalnum() else f'"{text.translate(_ESCAPES)}"'


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
