"""Resolving lists of Debian packages with apt, in a private state that the machine's own apt never sees.

apt checks the archive's signature with the distribution's keyring and takes versions and digests from the
signed index. Of the machine's own configuration only the way to the archive is used: proxies and addresses.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from itertools import product
from pathlib import Path

from orchestrator.ground import others
from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents, write_scratch
from orchestrator.recipe.lock import DebianPackage
from orchestrator.recipe.names import meant_suite
from orchestrator.recipe.suites import BUILT_WITH, ENDED

SUITE = "bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

BASE = (
    "bash",
    "bzip2",
    "coreutils",
    "diffutils",
    "file",
    "findutils",
    "gawk",
    "grep",
    "gzip",
    "libc-bin",
    "patch",
    "procps",
    "sed",
    "tar",
    "usr-is-merged",  # else util-linux brings usrmerge, and with it all of perl
    "util-linux",
    "xz-utils",
    "zstd",
)
"""What every set holds: enough to unpack, patch, run configure scripts and pack artifacts."""

_TIMEOUT = 600.0
_LARGEST_RELEASE = 16 << 20  # bytes; Debian's has 200 kB
_HELPER = "/usr/lib/apt/apt-helper"
_NO_SUCH = "does not have a Release file"
_LIKELY = (*BUILT_WITH, "forky", "sid")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_INSTALL = re.compile(r"^Inst (\S+) \((\S+) .*\[(\S+)\]\)", re.MULTILINE)
# Only the way to the archive: the machine's hooks, pins, preferences and weakened checks stay out.
_KEPT_SETTING = re.compile(
    r"Acquire::(Retries|ForceIPv[46]|https?::(.+::)?(Proxy[^: ]*|CaInfo|CaPath|SslCert|SslKey|Timeout))"
    r' "[^"]+";',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Apt:
    """apt with a private state, its index of one suite's `main` fetched and checked. See `opened`."""

    folder: Path
    architecture: str
    suite: str

    def resolve(self, request: Iterable[str]) -> tuple[DebianPackage, ...]:
        """The named packages with all that they depend on, recommendations left out, sorted by file name.

        Raises TallyError naming a package that the suite does not have, and the nearest that it has.
        """
        wanted = sorted(set(request))
        self._refuse_unknown(wanted)
        said = _run(self, "apt-get", "install", "--simulate", "--no-install-recommends", "--", *wanted)
        chosen = [(name.split(":")[0], version, arch) for name, version, arch in _INSTALL.findall(said)]
        return self._described(chosen)

    def candidate(self, name: str) -> DebianPackage:
        """The package of that name that `resolve` would choose, without what it depends on.

        apt works out no dependencies for it, which takes a second. Raises TallyError as `resolve` does.
        """
        self._refuse_unknown([name])
        known = _stanzas(_run(self, "apt-cache", "show", "--no-all-versions", "--", name))
        chosen = next((each for each in known if each[0] == name), (name, "", self.architecture))
        return self._package(known.get(chosen), chosen)

    def satisfied(self, clauses: Iterable[str], but: Iterable[str] = ()) -> tuple[DebianPackage, ...]:
        """What a source's relations need, in the control file's own words, as `resolve` gives it.

        `clauses` have to be there (`debhelper-compat (= 13)`), `but` must not. Raises TallyError with what
        cannot be satisfied.
        """
        wanted = [*clauses, *(f"Conflicts: {each}" for each in but)]
        said = _run(self, "apt-get", "satisfy", "--simulate", "--no-install-recommends", "--", *wanted)
        return self._described([(name.split(":")[0], *rest) for name, *rest in _INSTALL.findall(said)])

    def told(self, *question: str) -> str:
        """What `apt-cache` answers: `showsrc six`, for example."""
        return _run(self, "apt-cache", *question)

    def _described(self, chosen: Sequence[tuple[str, str, str]]) -> tuple[DebianPackage, ...]:
        words = [f"{name}={version}" for name, version, _ in chosen]
        found = _stanzas(_run(self, "apt-cache", "show", "--", *words))
        packages = [self._package(found.get(each), each) for each in chosen]
        return tuple(sorted(packages, key=lambda package: package.file))

    def _package(self, fields: Mapping[str, str] | None, chosen: tuple[str, str, str]) -> DebianPackage:
        name, version, architecture = chosen
        if fields is None or not {"Filename", "SHA256", "Size"} <= fields.keys():
            raise TallyError(f"the index of Debian {self.suite} has no digest for {name} {version}".rstrip())
        return DebianPackage(
            name=name,
            version=version,
            architecture=architecture,
            pool=fields["Filename"],
            sha256=fields["SHA256"],
            size=int(fields["Size"]),
            source_version=_source_version(fields.get("Source", ""), version),
        )

    def _refuse_unknown(self, wanted: Sequence[str]) -> None:
        # apt itself would take a name for a pattern, or a trailing `-` for a removal
        known: set[str] | None = None
        for name in wanted:
            if _NAME.fullmatch(name) and known is None:
                known = set(_run(self, "apt-cache", "pkgnames").split())
            if known is None or name not in known:
                known = known or set(_run(self, "apt-cache", "pkgnames").split())
                if name in BASE:
                    raise TallyError(
                        f"Debian {self.suite} cannot be built with: it has no {name}, which every build gets",
                        hint=f"take {' or '.join(BUILT_WITH)}",
                    )
                raise unknown_package(name, known, self.suite, self.architecture)


def _source_version(source: str, version: str) -> str | None:
    """As `gcc-defaults (1.203)` has it; None where it follows from the package's own version."""
    found = re.search(r"\((\S+)\)$", source)
    rebuilt = re.sub(r"\+b[0-9]+$", "", version)
    return found[1] if found and found[1] != rebuilt else None


def _stanzas(said: str) -> dict[tuple[str, str, str], dict[str, str]]:
    """What `apt-cache show` says of packages, by name, version and architecture."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for stanza in said.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", stanza, re.MULTILINE))
        if fields:
            key = fields["Package"], fields["Version"], fields["Architecture"]
            # a security update that a point release took in is in both archives, and stays in the main one
            if key not in found or "/updates/" in found[key].get("Filename", ""):
                found[key] = fields
    return found


def unknown_package(name: str, known: Iterable[str], suite: str, architecture: str) -> TallyError:
    """The error for a package that a suite does not have."""
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return TallyError(
        f"Debian {suite} main has no package {name!r} for {architecture}",
        hint=f"did you mean {nearest[0]!r}?" if nearest else "look for it with `apt-cache search`",
    )


@contextmanager
def opened(
    addresses: Sequence[str],
    architecture: str,
    suite: str = SUITE,
    *,
    expired: bool = False,
    moment: datetime | None = None,
    sources: bool = False,
    updates: bool = False,
    security: Sequence[str] = (),
) -> Iterator[Apt]:
    """apt on a fresh private state, from the first of the archive's addresses that answers well.

    `expired` accepts an index past its validity, for suites that a mirror freezes; the signature is checked
    all the same. Of a `moment` it has to be made before, and to have been valid then. `sources` reads the
    index of source packages, too, `updates` that of the `-updates` suite.
    `security` has addresses of the archive with the security suite, whose index is read then, too.

    Raises TallyError when apt or its keyring is missing, or no address gives a signed index.
    """
    _refuse_without_apt()
    if not re.fullmatch(r"[a-z][a-z0-9-]*", suite):
        raise TallyError(f"{suite!r} is not the name of a Debian suite")
    reasons, there = [], []
    # below the system's temporary folder, so that apt can drop its privileges when it runs as root
    with tempfile.TemporaryDirectory(prefix="tallystick-apt-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for address, secure in product(addresses, security or [""]):
            lines = [(address, suite)]
            lines += [(address, f"{suite}-updates")] if updates else []
            lines += [(secure, f"{suite}-security")] if secure else []
            _lay_out(folder, lines, architecture, expired=expired, sources=sources)
            apt = Apt(folder, architecture, suite)
            try:
                _run(apt, "apt-get", "update", "--error-on=any")
                if moment is not None:
                    for release in sorted((folder / "lists").glob("*Release")):
                        text = contents(release, _LARGEST_RELEASE).decode("utf-8", "replace")
                        refuse_other_moment(text, moment)
            except TallyError as error:
                reasons.append(f"  {address}: {error.message}")
                continue
            yield apt
            return
        if any(_NO_SUCH in reason for reason in reasons):
            there = [each for each in _LIKELY if _serves(folder, addresses, each)]
    raise TallyError(
        f"no address gave a signed index of Debian {suite}:\n" + "\n".join(reasons),
        hint=_way_out(suite, there),
    )


def refuse_other_moment(release: str, moment: datetime) -> None:
    """Raises TallyError where a signed Release file cannot be the one that an archive had at a moment.

    Who serves a snapshot could else give any earlier index, with packages that were mended since. Releases
    of stable suites say no end of their validity.
    """
    said = dict(re.findall(r"^(Suite|Codename|Date|Valid-Until): *(.+)$", release, re.MULTILINE))
    name = said.get("Codename") or said.get("Suite") or "the suite"
    try:
        made = parsedate_to_datetime(said["Date"])
        until = parsedate_to_datetime(said["Valid-Until"]) if "Valid-Until" in said else None
        if made > moment:
            raise TallyError(f"the index of {name} was made later, {said['Date']}")
        if until is not None and until < moment:
            raise TallyError(
                f"the index of {name} was not valid any more then, but until {said['Valid-Until']}"
            )
    except (KeyError, ValueError, TypeError) as error:
        raise TallyError(f"the index of {name} does not say when it was made") from error


def _way_out(suite: str, there: Sequence[str]) -> str:
    if near := meant_suite(suite):
        return f"did you mean {near!r}? It is `suite` in the recipe, tally.toml or tally.lock"
    if not there:
        return "check the network, and the `debian` mirrors in tally.toml or the machine's apt sources"
    ended = f"Debian {suite} has ended; " if suite in ENDED else ""
    return f"{ended}the archive has {', '.join(there)}: `suite` in the recipe, tally.toml or tally.lock"


def _serves(folder: Path, addresses: Sequence[str], suite: str) -> bool:
    """Whether an address has a release file of this suite, whatever it is worth."""
    for address in addresses:
        release = f"{address.rstrip('/')}/dists/{suite}/InRelease"
        environment = {"APT_CONFIG": str(folder / "apt.conf")}
        try:
            _process(
                [_HELPER, "download-file", release, str(folder / "InRelease")], environment, "apt-helper"
            )
        except TallyError:
            continue
        return True
    return False


def _refuse_without_apt() -> None:
    if shutil.which("apt-get") is None or shutil.which("apt-cache") is None:
        raise TallyError(
            "locking the debian toolchain needs apt, which is not here",
            hint="lock on a Debian machine; building from an existing tally.lock needs no apt",
        )
    if not KEYRING.is_file():
        raise TallyError(
            f"Debian's archive keys are not here: {KEYRING}", hint="apt-get install debian-archive-keyring"
        )


def _lay_out(
    folder: Path, lines: Sequence[tuple[str, str]], architecture: str, *, expired: bool, sources: bool
) -> None:
    for name in ("lists/partial", "cache/archives/partial", "state", "empty"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for left in (folder / "lists").iterdir():
        if left.is_file():
            left.unlink()
    (folder / "status").write_text("")
    kinds = {"deb": f"arch={architecture} ", **({"deb-src": ""} if sources else {})}
    write_scratch(
        folder / "sources.list",
        "".join(
            f"{kind} [{only}signed-by={KEYRING}] {address.rstrip('/')} {suite} main\n"
            for address, suite in lines
            for kind, only in kinds.items()
        ),
    )
    own = {
        "Acquire::AllowDowngradeToInsecureRepositories": "false",
        "Acquire::AllowInsecureRepositories": "false",
        "Acquire::AllowWeakRepositories": "false",
        "Acquire::Check-Valid-Until": "false" if expired else "true",
        "Acquire::Languages": "none",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Get::AllowUnauthenticated": "false",
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "Dir::Cache": f"{folder}/cache",
        "Dir::Etc::Main": "/dev/null",
        "Dir::Etc::Parts": f"{folder}/empty",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": f"{folder}/empty",
        "Dir::Etc::SourceList": f"{folder}/sources.list",
        "Dir::Etc::SourceParts": f"{folder}/empty",
        "Dir::Etc::Trusted": "/dev/null",
        "Dir::Etc::TrustedParts": f"{folder}/empty",
        "Dir::State": f"{folder}/state",
        "Dir::State::lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/status",
    }
    write_scratch(
        folder / "apt.conf",
        _way_to_the_archive() + "".join(f'{key} "{value}";\n' for key, value in own.items()),
    )


def _way_to_the_archive() -> str:
    """The machine's own settings for proxies, certificates and retries, as apt writes them."""
    said = _process(["apt-config", "dump"], {}, "apt-config dump")
    return "".join(f"{line}\n" for line in said.splitlines() if _KEPT_SETTING.fullmatch(line))


def _run(apt: Apt, *command: str) -> str:
    return _process(list(command), {"APT_CONFIG": str(apt.folder / "apt.conf")}, " ".join(command[:2]))


def _process(command: list[str], environment: Mapping[str, str], label: str) -> str:
    try:
        done = subprocess.run(
            command,
            env={
                **others.environment(),
                "LC_ALL": "C.UTF-8",
                "DEBIAN_FRONTEND": "noninteractive",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise TallyError(f"{command[0]} is not here", hint="lock on a Debian machine") from error
    except subprocess.TimeoutExpired as error:
        raise TallyError(f"{label} gave no answer in {_TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        errors = [
            line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.startswith("E:")
        ]
        errors += [
            line.strip()
            for line in done.stdout.decode("utf-8", "replace").splitlines()
            if ": Depends: " in line
        ]
        raise TallyError(f"{label} failed: {'; '.join(errors) or f'exit status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
