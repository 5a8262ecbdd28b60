"""An image of the format `oci`: what runs in it, and what it is called. Pure.

Specification: the OCI image specification 1.1, config.md ("Image Configuration") and annotations.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from orchestrator.recipe.values import Data, Matching, distinct

_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # as engines set it
_LARGEST = 100_000  # bytes: the build has it in one variable, of 128 KiB at most
_SEPARATOR = re.compile(r"[-._:@+]|--")
_RUN = re.compile(r"([^A-Za-z0-9]+)")
_PLACE = r"(/|\$[a-z]).*"

Text = Annotated[Data, StringConstraints(max_length=20_000)]
Name = Annotated[str, Matching(r"[A-Za-z_][A-Za-z0-9_]{0,199}", "letters, digits and _, no digit first")]
Label = Annotated[str, Matching(r"[!-~]{1,200}", "a label's name: printable ASCII without blanks")]
Port = Annotated[str, Matching(r"[0-9]{1,5}(/(tcp|udp))?", 'a port such as "8080/tcp"')]
Place = Annotated[Text, Matching(_PLACE, "a path that begins with / or with an output's name, as $out")]
User = Annotated[
    str,
    Matching(
        r"[0-9]{1,10}(:[0-9]{1,10})?",
        'a user as "1000" or "1000:1000": an image need not have an /etc/passwd to look names up in',
    ),
]
Folder = Annotated[
    str,
    Matching(
        r"(?!\.{1,2}(/|$))[A-Za-z0-9._+-]{1,100}(/(?!\.{1,2}(/|$))[A-Za-z0-9._+-]{1,100}){0,9}",
        "a folder of the default output, as rootfs: letters, digits and +._-",
    ),
]
Signal = Annotated[str, Matching(r"SIG[A-Z0-9+-]{1,20}|[0-9]{1,3}", 'a signal such as "SIGTERM"')]
Words = Annotated[tuple[Text, ...], Field(min_length=1, max_length=500)]


class ImageConfig(BaseModel):
    """The keys of `[artifact]` that are of images: what is at the top, then the specification's `config`.

    `$out` in a text of that is the package.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Literal["toolchain"] | None = None
    """What is below everything else: the root of the recipe's toolchain."""
    root: Folder | None = None
    """The folder of the default output that is `/` of the image."""
    entrypoint: Words | None = None
    cmd: Words | None = None
    env: Annotated[dict[Name, Text], Field(max_length=500)] = Field(default_factory=dict)
    user: User | None = None
    working_dir: Place | None = None
    exposed_ports: Annotated[tuple[Port, ...], Field(max_length=500), AfterValidator(distinct)] = ()
    volumes: Annotated[tuple[Place, ...], Field(max_length=500), AfterValidator(distinct)] = ()
    stop_signal: Signal | None = None
    labels: Annotated[dict[Label, Text], Field(max_length=500)] = Field(default_factory=dict)

    @property
    def configured(self) -> tuple[str, ...]:
        """The keys that say something."""
        return tuple(key for key in ImageConfig.model_fields if getattr(self, key))


def described(image: ImageConfig, label: str, output: str) -> dict[str, Any]:
    """What a request says of an image; `output` is the name of the default output, the package.

    Raises ValueError when it is too large, or names a folder of the package that the image has elsewhere.
    """
    _refuse_moved(image, output)
    found: dict[str, Any] = {"configuration": _pieces(image, output), "reference": reference_name(label)}
    places = {"base": image.base, "root": image.root}
    return found | {key: value for key, value in places.items() if value is not None}


def _refuse_moved(image: ImageConfig, output: str) -> None:
    """Raises ValueError for a path below the folder that is `/` of the image."""
    if image.root is None:
        return
    below = re.compile(rf"\$(?:{output}|\{{{output}\}})/+{re.escape(image.root)}(?![A-Za-z0-9._+-])")
    found = {"working_dir": [image.working_dir or ""], "volumes": image.volumes, "env": image.env.values()}
    found |= {"entrypoint": image.entrypoint or (), "cmd": image.cmd or ()}
    for key, texts in found.items():
        if any(below.search(text) for text in texts):
            raise ValueError(
                f"artifact.{key} names ${output}/{image.root}, which is / in the image: write /… in its place"
            )


def _pieces(image: ImageConfig, output: str) -> list[str]:
    """The specification's `config` as JSON text, cut where the package's store path belongs.

    It is text here already, since Nix writes control characters in one way or another by its version.
    """
    number = 0
    while f"<{number}>" in image.model_dump_json():
        number += 1
    package = f"<{number}>"
    word = re.compile(rf"\$(?:{output}(?![A-Za-z0-9_])|\{{{output}\}})")

    def placed(text: str) -> str:
        return word.sub(package, text)

    path = f"{package}/bin" if image.base is None and image.root is None else _PATH
    env = {"PATH": path} | {name: placed(value) for name, value in sorted(image.env.items())}
    config: dict[str, Any] = {
        "Cmd": list(map(placed, image.cmd or ())),
        "Entrypoint": list(map(placed, image.entrypoint or ())),
        "Env": [f"{name}={value}" for name, value in env.items()],
        "ExposedPorts": {port: {} for port in image.exposed_ports},
        "Labels": {name: placed(value) for name, value in image.labels.items()},
        "StopSignal": image.stop_signal,
        "User": image.user,
        "Volumes": {placed(path): {} for path in image.volumes},
        "WorkingDir": image.working_dir and placed(image.working_dir),
    }
    said = {key: value for key, value in config.items() if value}
    text = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if len(text.encode()) > _LARGEST:
        raise ValueError(f"the image's configuration has more than {_LARGEST} bytes")
    return text.split(package)


def reference_name(label: str) -> str:
    """A name and version as `org.opencontainers.image.ref.name` takes it; one that is valid stays as it is.

    Between letters and digits the grammar has one separator of `-._:@+`, or `--`. Where more stand together,
    or at the end, each `+` becomes a `p`, as in `gpp-12`, and what is left one `-`, or nothing at the end.
    """
    spelled = _parts(label, lambda run: run.replace("+", "p"))
    return _parts(spelled, lambda _: "-").strip("-")


def _parts(text: str, mend: Callable[[str], str]) -> str:
    parts = _RUN.split(text)
    for place in range(1, len(parts), 2):
        inside = parts[place - 1] and parts[place + 1]
        if not (inside and _SEPARATOR.fullmatch(parts[place])):
            parts[place] = mend(parts[place])
    return "".join(parts)
