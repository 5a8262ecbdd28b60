"""The recipe for a served wheel: its sdist, the backend that it names, and settings."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from email.message import Message
from pathlib import Path
from typing import Any, Final

import tomli_w
from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from orchestrator.ground.errors import TallyError
from orchestrator.ground.files import contents
from orchestrator.ground.wording import counted
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.values import address
from orchestrator.served.pypi import Release
from orchestrator.served.requirements import Pin
from orchestrator.served.sdist import Sdist
from orchestrator.served.settings import Setting
from orchestrator.served.wheel import Generator, Shown, written
from orchestrator.sources.pyindex import Index

_DRIVER: Final = Path(__file__).with_name("build_wheel.txt")
_BEFORE_OWN_WHEEL: Final = Version("70.1")
"""Since then setuptools writes wheels itself, and says so; before, the project `wheel` did."""
_BEFORE_BARE: Final = "0.38"
"""Before, the project `wheel` wrote `Requires-Dist: name (>=1)`; setuptools lets it where it is there."""
_BEFORE_LICENCES: Final = "57"
"""Of setuptools: before, it named no licence files. `Platform: UNKNOWN` is of old ones alone."""
_PACKAGES: Final = ["python3", "python3-distutils"]
_LICENCE: Final = "LicenseRef-not-told-in-metadata"
_HOMEPAGE: Final = "https://not-told-in-metadata.invalid/"


def tool_of(generator: Generator | None, index: Index) -> tuple[Requirement | None, str | None]:
    """What wrote the wheel as a requirement, and what is to be said of it. Raises TallyError."""
    if generator is None:
        return None, "the wheel does not say what wrote it"
    try:
        version = Version(generator.version)
    except InvalidVersion:
        return None, f"the wheel was written by {generator.said}, which is no version"
    versions = {file.version for file in index.files(generator.project)}
    if version not in versions and version.public not in map(str, versions):
        base = Version(version.base_version)
        if base not in versions:
            raise TallyError(f"the wheel was written by {generator.said}, which no index has")
        return Requirement(f"{generator.project}=={base}"), f"no index has {generator.said}: {base} was taken"
    return Requirement(f"{generator.project}=={version.public}"), None


def requirements_of(sdist: Sdist, shown: Shown) -> list[tuple[str, str]]:
    """What the build needs, each with who says so."""
    found = [(text, "pyproject.toml") for text in sdist.requires]
    if sdist.backend_path:
        found += [(text, "a backend in its own tree") for text in sdist.dependencies]
    generator = shown.generator
    if generator is not None and generator.project == "setuptools" and shown.in_parentheses:
        found.append((f"wheel<{_BEFORE_BARE}", "METADATA, which has versions in parentheses"))
    if str(shown.metadata.get("Platform")) == "UNKNOWN" and "License-File" not in shown.metadata:
        found.append((f"setuptools<{_BEFORE_LICENCES}", "METADATA, which names no licence files"))
    if generator is not None and generator.project == "wheel":
        found += [(f"setuptools<{_BEFORE_OWN_WHEEL}", "a wheel that the project `wheel` wrote")]
    return found


def settings_of(release: Release, shown: Shown, sdist: Sdist, pins: Sequence[Pin]) -> tuple[Setting, ...]:
    """Every setting of the build."""
    found = []
    if shown.generator is not None:
        found.append(Setting("writer", shown.generator.said, "the published wheel's Generator", True))
    if release.wheel.uploaded is not None:
        found.append(
            Setting(
                "tools",
                f"{counted(len(pins), 'wheel')} as of {release.wheel.uploaded:%Y-%m-%d %H:%M} UTC",
                "when the published wheel was uploaded",
                False,
            )
        )
    if shown.epoch is not None:
        found.append(
            Setting(
                "SOURCE_DATE_EPOCH",
                f"{shown.epoch}, {written(shown.epoch)}",
                "the one time that all entries of the published wheel have",
                True,
            )
        )
    else:
        found.append(
            Setting(
                "SOURCE_DATE_EPOCH",
                "unset",
                "entries of the published wheel have no time in common, or a backend's own",
                False,
            )
        )
        found.append(
            Setting(
                "clock",
                "1980-01-01 00:00:00 for what the build itself writes",
                "no two builders' clocks say the same",
                False,
            )
        )
    if shown.umask != 0o022:
        found.append(
            Setting(
                "umask",
                f"{shown.umask:03o}, {shown.unpacked:03o} when its source was unpacked",
                "files of the published wheel are writable by their group",
                True,
            )
        )
    if shown.zone:
        found.append(
            Setting("TZ", shown.zone, "the published wheel's times, beside those in its sdist", True)
        )
    if _universal(shown, sdist):
        found.append(Setting("bdist_wheel", "--universal", "the published wheel's tags", True))
    return tuple(found)


def recipe_of(
    release: Release, shown: Shown, sdist: Sdist, digests: Sequence[str], pins: Sequence[Pin]
) -> bytes:
    """The recipe's text. `digests`: of the sdist, then of each pin's file."""
    named = release.named
    sources: dict[str, Any] = {"sdist": _source(named.project, release.sdist.name, digests[0])}
    for pin, digest in zip(pins, digests[1:], strict=True):
        sources[f"tool_{re.sub('[^a-z0-9]', '_', pin.project)}"] = _source(pin.project, pin.file.name, digest)
    values = {
        "name": named.project,
        "version": re.sub(r"[^A-Za-z0-9+._-]", "_", named.version),
        "summary": _line(shown.metadata, "Summary") or f"The Python project {named.project}",
        "homepage": _homepage(shown.metadata),
        "license": _licence(shown.metadata),
        "systems": ["x86_64-linux"],
        "sources": sources,
        "toolchain": {"from": "debian", "packages": _PACKAGES},
        "build": {
            **({"env": {"TZ": shown.zone}} if shown.zone else {}),
            "script": _script(shown, sdist, list(sources)[1:]),
        },
        "artifact": {"format": "file", "path": release.wheel.name},
    }
    return tomli_w.dumps(values, multiline_strings=True).encode()


def _source(project: str, file: str, sha256: str) -> dict[str, Any]:
    return {"url": f"mirror://pypi/{project}/{file}", "sha256": sha256, "unpack": False}


def _script(shown: Shown, sdist: Sdist, tools: Sequence[str]) -> str:
    epoch = "unset SOURCE_DATE_EPOCH" if shown.epoch is None else f"export SOURCE_DATE_EPOCH={shown.epoch}"
    settings = json.dumps({"--build-option": ["--universal"]} if _universal(shown, sdist) else {})
    unpacked = "tar --no-same-owner -C /build -xf $src_sdist"
    if sdist.is_zip:
        unpacked = "python3 -m zipfile -e $src_sdist /build"
    lines = [
        f"umask {shown.unpacked:03o}",
        epoch,
        "for tool in " + " ".join(f"$src_{name}" for name in tools) + "; do",
        "    python3 -m zipfile -e $tool /build/tools",
        "done",
        "export PYTHONPATH=/build/tools PYTHONDONTWRITEBYTECODE=1",
        "# what a wheel keeps apart: files for the place of libraries, and programs",
        "for part in /build/tools/*.data/{purelib,platlib}; do",
        "    if [[ -d $part ]]; then cp -r $part/. /build/tools; fi",
        "done",
        "for part in /build/tools/*.data/scripts; do",
        "    if [[ -d $part ]]; then chmod -R +x $part; PATH=$part:$PATH; fi",
        "done",
        unpacked,
        f"cd /build/{shlex.quote(sdist.top)}",
        f"umask {shown.umask:03o}",
        "mkdir /build/made",
        "cat > /build/build_wheel.py << 'END'",
        contents(_DRIVER, 1 << 20).decode().rstrip("\n"),
        "END",
        shlex.join(["python3", "/build/build_wheel.py"])
        + f" /build/made {shlex.quote(sdist.backend)} {shlex.quote(json.dumps(sdist.backend_path))} "
        + shlex.quote(settings),
        "umask 022",
        "mkdir $out",
        "cp /build/made/*.whl $out",
    ]
    return "\n".join(lines) + "\n"


def _universal(shown: Shown, sdist: Sdist) -> bool:
    """Whether the published wheel says it is for Python 2 and 3, and nothing in the sdist does."""
    tags = {tag.partition("-")[0] for tag in shown.tags}
    by_setup = shown.generator is not None and shown.generator.project in ("wheel", "setuptools")
    return by_setup and {"py2", "py3"} <= tags and not sdist.universal


def _line(metadata: Message, key: str) -> str:
    text = " ".join(str(metadata.get(key, "")).split())
    return "" if text == "UNKNOWN" or not text.isprintable() else text[:500]


def _homepage(metadata: Message) -> str:
    links = [str(each).partition(",")[2].strip() for each in metadata.get_all("Project-URL", [])]
    check = address("https", "http").func
    for each in (_line(metadata, "Home-page"), *links):
        try:
            return str(check(each))
        except ValueError:
            continue
    return _HOMEPAGE


def _licence(metadata: Message) -> str:
    for key in ("License-Expression", "License"):
        try:
            return check_license(_line(metadata, key))
        except ValueError:
            continue
    return _LICENCE
