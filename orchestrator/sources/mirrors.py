"""From `mirror://NAME/path` to addresses. Hosts of package registries come from the machine's own clients.

`debian`, `pypi`, `npm`, `cargo` and `go` are asked of apt, pip, npm, cargo and go; others stand in a table
of public project mirrors.
Both are extended by `[mirrors]` of tally.toml, whose addresses come first.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from threading import Lock as Mutex

from orchestrator.dependencies.cargo_lock import DEFAULT
from orchestrator.ground import others
from orchestrator.ground.errors import TallyError
from orchestrator.ground.plainly import why
from orchestrator.sources import npm_settings
from orchestrator.sources.npm_settings import NpmSettings

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "apache": ("https://dlcdn.apache.org/", "https://archive.apache.org/dist/"),
    "gnome": ("https://download.gnome.org/",),
    "gnu": ("https://ftpmirror.gnu.org/", "https://ftp.gnu.org/gnu/"),
    "kde": ("https://download.kde.org/",),
    "kernel": ("https://cdn.kernel.org/pub/", "https://mirrors.edge.kernel.org/pub/"),
    "savannah": (
        "https://download.savannah.gnu.org/releases/",
        "https://download.savannah.nongnu.org/releases/",
    ),
    "sourceforge": ("https://downloads.sourceforge.net/",),
    "xorg": ("https://xorg.freedesktop.org/releases/", "https://www.x.org/releases/"),
}
"""Mirror name to the folders that paths are appended to."""

_FROM_THE_MACHINE = ("cargo", "debian", "debian-security", "go", "npm", "pypi")
_NPM_KEYS = ("registry", "globalconfig", "userconfig")
_TIMEOUT = 60.0
_TARGET = "$(CREATED_BY)|$(COMPONENT)|$(RELEASE)|$(LABEL)|$(REPO_URI)"
_OTHER_ARCHIVES = re.compile(r"-(security|updates|backports|proposed)|debian-(security|ports|debug)")


class Mirrors:
    """The mirrors of one run. What the machine's clients say is asked once, when first needed."""

    def __init__(self, configured: Mapping[str, Sequence[str]] | None = None) -> None:
        self._configured = {name: tuple(addresses) for name, addresses in (configured or {}).items()}
        self._known: dict[str, tuple[str, ...]] = {}
        self._npm: NpmSettings | None = None
        self._npm_told: Mapping[str, str] | None = None
        self._mutex = Mutex()

    def bases(self, name: str) -> tuple[str, ...]:
        """A mirror's addresses, each ending in a slash. Raises TallyError when there is none.

        For `pypi` they are addresses of simple indexes (PEP 503), for `cargo` of registries' indexes, which
        may begin with `sparse+` or `registry+`; local ones are `file://`.
        """
        with self._mutex:
            if name not in self._known:
                found = (*self._configured.get(name, ()), *self._built_in(name))
                self._known[name] = tuple(dict.fromkeys(f"{address.rstrip('/')}/" for address in found))
            return self._known[name]

    def configured(self, name: str) -> tuple[str, ...]:
        """Those of tally.toml alone, each ending in a slash."""
        return tuple(f"{address.rstrip('/')}/" for address in self._configured.get(name, ()))

    @property
    def npm(self) -> NpmSettings:
        """What the machine's npm is told of scopes and tokens."""
        with self._mutex:
            if self._npm is None:
                self._npm = _npm_settings(self._ask_npm)
            return self._npm

    def addresses(self, url: str) -> tuple[str, ...]:
        """Where the file of a `mirror://` address may be; another address is its own only place."""
        if not url.startswith("mirror://"):
            return (url,)
        name, _, path = url.removeprefix("mirror://").partition("/")
        return tuple(base + path for base in self.bases(name))

    def refuse_unknown(self, urls: Sequence[str]) -> None:
        """Raises TallyError, asking nobody, when every address is of a mirror that there is not.

        One that is known will do: others may name a mirror that only its owner has in tally.toml.
        """
        unknown = []
        for url in urls:
            name = url.removeprefix("mirror://").partition("/")[0]
            if not url.startswith("mirror://") or name in {*PUBLIC, *_FROM_THE_MACHINE, *self._configured}:
                return
            unknown.append(name)
        if unknown:
            raise self._no_such(unknown[0])

    def _built_in(self, name: str) -> tuple[str, ...]:
        if name in PUBLIC:
            return PUBLIC[name]
        if name in _FROM_THE_MACHINE:
            try:
                return _of_npm(self._ask_npm()) if name == "npm" else _BUILT_IN[name]()
            except TallyError:
                if name in self._configured:
                    return ()
                raise
        if name in self._configured:
            return ()
        raise self._no_such(name)

    def _ask_npm(self) -> Mapping[str, str]:
        """What npm has for each of `_NPM_KEYS`, in one question: it takes half a second to start."""
        if self._npm_told is None:
            # --global: no project's .npmrc, which can put any variable of the environment into the address
            said = _ask(["npm", "config", "get", *_NPM_KEYS, "--global"], "npm").splitlines()
            if said and "=" not in said[0].partition(":")[0]:  # npm 6 tells the first alone, by no name
                said[0] = f"{_NPM_KEYS[0]}={said[0]}"
            self._npm_told = dict(line.strip().partition("=")[::2] for line in said)
        return self._npm_told

    def _no_such(self, name: str) -> TallyError:
        nearest = get_close_matches(name, [*PUBLIC, *_FROM_THE_MACHINE, *self._configured], n=1)
        return TallyError(
            f"there is no mirror called {name!r}",
            hint=f"did you mean {nearest[0]!r}?"
            if nearest
            else f'add `{name} = ["https://…"]` to [mirrors] in tally.toml',
        )


def _of_apt() -> tuple[str, ...]:
    """The addresses of Debian's main archive in the machine's apt sources."""
    return _apts("debian", "Debian", lambda place: not _OTHER_ARCHIVES.search(place))


def _of_apt_security() -> tuple[str, ...]:
    """Those of its security archive."""
    return _apts("debian-security", "Debian-Security", lambda place: "security" in place)


def _apts(mirror: str, labelled: str, is_of: Callable[[str], bool]) -> tuple[str, ...]:
    said = _ask(["apt-get", "indextargets", "--format", _TARGET], mirror)
    found: list[str] = []
    for line in said.splitlines():
        created_by, component, release, label, address = line.split("|", 4)
        # apt knows labels once it has fetched an index
        ours = label == labelled or (not label and "debian" in address.lower())
        if created_by == "Packages" and component == "main" and ours and is_of(f"{release} {address}"):
            found.append(_as_url(address))
    usable = [address for address in found if address.startswith(("http://", "https://", "file://"))]
    if not usable:
        what = "security archive" if mirror == "debian-security" else "archive"
        raise _nothing(mirror, f"the machine's apt sources name no {what} of Debian")
    return tuple(usable)


def _of_cargo() -> tuple[str, ...]:
    """Indexes of crates, as lock files spell them, or a folder of crates; see `crates`."""
    from orchestrator.sources import cargo_settings

    try:
        return cargo_settings.settings().instead_of(DEFAULT) or (cargo_settings.default_index(),)
    except TallyError as error:
        raise _nothing("cargo", error.message) from error


def _of_go() -> tuple[str, ...]:
    """Module proxies."""
    from orchestrator.sources import goproxy

    try:
        found = goproxy.settings()
    except TallyError as error:
        raise _nothing("go", error.message) from error
    if not found.proxies:
        said = ", ".join(found.others) or "nothing"
        raise _nothing("go", f"GOPROXY is {said}, and modules are fetched from proxies alone")
    return found.proxies


def _of_npm(told: Mapping[str, str]) -> tuple[str, ...]:
    registry = told.get("registry", "")
    if not registry.startswith(("http://", "https://")):
        raise _nothing("npm", "npm has no registry configured")
    return (registry,)


def _npm_settings(ask: Callable[[], Mapping[str, str]]) -> NpmSettings:
    """Of the files that npm names, where it is here; else of the one that it would read first."""
    try:
        told = ask()
    except TallyError:
        told = {}
    usual = os.environ.get("NPM_CONFIG_USERCONFIG") or "~/.npmrc"
    files = [told.get("globalconfig", ""), told.get("userconfig", usual)]
    return npm_settings.settings(tuple(Path(file).expanduser() for file in files if file))


def _of_pip() -> tuple[str, ...]:
    """Indexes of the machine's pip, its `find-links` left to `pip_find_links`."""
    settings = _pip_settings()
    if settings.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        return ()
    first = settings.get("index-url") or _pip_default()
    return tuple(_as_url(each) for each in [first, *settings.get("extra-index-url", "").split()])


def pip_find_links() -> tuple[str, ...]:
    """Folders and pages that the machine's pip looks for files in, as addresses."""
    try:
        return tuple(_as_url(each) for each in _pip_settings().get("find-links", "").split())
    except TallyError:
        return ()


def _pip_settings() -> dict[str, str]:
    """pip's settings, what stands in the environment winning, as pip itself has it."""
    said = _ask([*_pip(), "config", "list"], "pypi")
    settings: dict[str, str] = {}
    for scope in ("global", "download", ":env:"):
        for line in said.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{scope}."):
                settings[key.removeprefix(f"{scope}.")] = str(ast.literal_eval(value))
    return settings


def _pip_default() -> str:
    """The index that pip uses when none is configured: pip knows it, this repository does not."""
    python = _pip()[0] if _pip()[1:] else sys.executable
    return _ask(
        [python, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"], "pypi"
    ).strip()


def _pip() -> list[str]:
    from importlib.util import find_spec

    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    python = shutil.which("python3")
    return [python, "-m", "pip"] if python else ["pip"]


def _as_url(address: str) -> str:
    return f"file://{address}" if address.startswith("/") else re.sub(r"^(file|copy):/+", "file:///", address)


def _ask(command: Sequence[str], mirror: str) -> str:
    """What a client says that is the machine's, and is not to be led by whatever the working folder holds."""
    try:
        with others.nowhere() as folder:
            done = subprocess.run(
                command,
                cwd=folder,
                env=others.environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _nothing(mirror, f"cannot run {command[0]}: {why(error)}") from error
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise _nothing(mirror, f"{' '.join(command[:3])} failed" + (f": {last[0]}" if last else ""))
    return done.stdout.decode("utf-8", "replace")


def _nothing(mirror: str, why: str) -> TallyError:
    return TallyError(
        f"no address for mirror://{mirror}/: {why}",
        hint=f'add `{mirror} = ["https://…"]` to [mirrors] in tally.toml',
    )


_BUILT_IN: Mapping[str, Callable[[], tuple[str, ...]]] = {
    "cargo": _of_cargo,
    "debian": _of_apt,
    "debian-security": _of_apt_security,
    "go": _of_go,
    "pypi": _of_pip,
}
"""What each of `_FROM_THE_MACHINE` is asked by, npm aside, which is asked two things at once."""
