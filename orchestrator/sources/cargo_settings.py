"""What the machine's own cargo is told of registries: where they are, what stands in for them, their tokens.

Read are the files of Cargo's home folder and the variables of the environment, and no file of a project's:
who wrote a source must not say where it is fetched from. A token is for its own registry alone.
https://doc.rust-lang.org/cargo/reference/config.html and …/registry-authentication.html
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from orchestrator.dependencies.cargo_lock import DEFAULT
from orchestrator.ground import others
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.plainly import why
from orchestrator.ground.values import dataclass

_TIMEOUT: Final = 60.0
_LARGEST: Final = 1 << 20
_NOWHERE: Final = "http://127.0.0.1:9"
"""A proxy that there is not: the port of discarded data."""
_ASKED: Final = re.compile(r"`((?:https?|ssh|git|file)://[^`\s]+)`")


@dataclass(frozen=True, slots=True)
class CargoSettings:
    """Cargo's configuration as far as it is of registries."""

    sources: Mapping[str, Mapping[str, Any]]
    """`[source.NAME]`."""
    registries: Mapping[str, str]
    """Name, as variables of the environment have it, to index, as lock files do: `sparse+…`, `registry+…`."""
    tokens: Mapping[str, str]
    """By index."""

    def instead_of(self, index: str) -> tuple[str, ...]:
        """Where to look for what a lock says is of `index`; empty where that itself is to be asked.

        Raises TallyError where what stands in for it cannot give files.
        """
        name = next((name for name, said in self.sources.items() if self._index(name, said) == index), None)
        seen: list[str] = []
        while name is not None and name not in seen:
            seen.append(name)
            following = self.sources.get(name, {}).get("replace-with")
            if not isinstance(following, str):
                break
            name = following
        if len(seen) < 2:
            return ()
        last = seen[-1]
        said = self.sources.get(last, {})
        if isinstance(folder := said.get("local-registry"), str):
            return (Path(folder).absolute().as_uri(),)
        if "directory" in said:
            raise TallyError(f"cargo's configuration has a folder of unpacked crates for it, [source.{last}]")
        found = self._index(last, said) or self.registries.get(_variable(last))
        return (found,) if found else ()

    @staticmethod
    def _index(name: str, said: Mapping[str, Any]) -> str | None:
        registry = said.get("registry")
        if isinstance(registry, str):
            return spelled(registry)
        return DEFAULT if name == "crates-io" else None


def spelled(index: str) -> str:
    """An index's address as lock files have it."""
    return index if index.startswith(("sparse+", "registry+")) else f"registry+{index}"


def settings() -> CargoSettings:
    """What this machine's cargo is told. A file that cannot be read says nothing."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    told = _file(home, "config")
    sources = {name: said for name, said in _table(told, "source").items() if isinstance(said, dict)}
    registries = {
        _variable(name): spelled(said["index"])
        for name, said in _table(told, "registries").items()
        if isinstance(said, dict) and isinstance(said.get("index"), str)
    }
    tokens = {}
    for document in (told, _file(home, "credentials")):
        for name, said in _table(document, "registries").items():
            if isinstance(said, dict) and isinstance(said.get("token"), str):
                tokens[_variable(name)] = said["token"]
    for name, kind, value in _variables():
        (registries if kind == "INDEX" else tokens)[name] = spelled(value) if kind == "INDEX" else value
    return CargoSettings(
        sources, registries, {registries[name]: token for name, token in tokens.items() if name in registries}
    )


def _variables() -> Iterator[tuple[str, str, str]]:
    for variable, value in os.environ.items():
        if found := re.fullmatch(r"CARGO_REGISTRIES_(\w+)_(INDEX|TOKEN)", variable):
            yield found[1], found[2], value


def _variable(name: str) -> str:
    """A registry's name as variables of the environment have it."""
    return name.upper().replace("-", "_").replace(".", "_")


def _file(home: Path, name: str) -> Mapping[str, Any]:
    for path in (home / name, home / f"{name}.toml"):
        try:
            return tomllib.loads(contents(path, _LARGEST).decode())
        except (OSError, ValueError, RecursionError):
            continue
    return {}


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def default_index() -> str:
    """The index of cargo's default registry: cargo knows it, this repository does not.

    It is asked for a package, with a proxy that there is not, and says where it would have looked. Raises
    TallyError where there is no cargo.
    """
    with others.nowhere() as folder:
        (folder / "src").mkdir()
        (folder / "src/lib.rs").write_text("")
        (folder / "Cargo.toml").write_text(
            '[package]\nname = "a"\nversion = "0.1.0"\n[dependencies]\nb = "1"\n'
        )
        environment = {
            **{name: value for name, value in others.environment().items() if not name.startswith("CARGO_")},
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), _NOWHERE),
            "CARGO_HOME": str(folder / "home"),
            "CARGO_HTTP_PROXY": _NOWHERE,
            "CARGO_NET_RETRY": "0",
        }
        try:
            done = subprocess.run(
                ["cargo", "generate-lockfile"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TallyError(f"cannot run cargo: {why(error)}") from error
    found = _ASKED.search(done.stderr.decode("utf-8", "replace"))
    if found is None:
        raise TallyError("cargo does not say where its default registry is")
    address = found[1]
    if address.endswith("/config.json"):
        return f"sparse+{address.removesuffix('config.json')}"
    return f"registry+{address}"
