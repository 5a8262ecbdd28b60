"""Container images: configuration by field, layers by position (OCI image specification 1.1).

A layout is a folder or a tar archive; Docker's archives with a `manifest.json` are read, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from orchestrator.ground.values import dataclass
from orchestrator.places.budget import Budget
from orchestrator.places.content import Content, Filed, Unreadable
from orchestrator.places.found import Field, Found, Within
from orchestrator.places.place import Aspect, Step

MARKS: Final = ("oci-layout", "manifest.json")
"""Files that only an image has at its top."""
BLOBS: Final = "blobs/"
_DOCUMENT: Final = 4 << 20
_MOST: Final = 500  # layers, images, and leaves of a configuration for each of them
_DEEPEST: Final = 3  # indexes within indexes
_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


@dataclass(frozen=True, slots=True)
class Layout:
    """One side's files."""

    open: Callable[[str], Content | None]
    """A file by its path in the layout; None: there is none. Raises Unreadable."""


def of_folder(folder: Path) -> Layout:
    """A layout on this machine. No link is followed."""

    def opened(name: str) -> Content | None:
        path = folder / name
        if any(each.is_symlink() for each in (path, path.parent, path.parent.parent) if each != folder):
            raise Unreadable(f"{name[:200]} leads elsewhere")
        if not path.is_file():
            return None
        return Filed(path.open("rb"))

    return Layout(opened)


@dataclass(frozen=True, slots=True)
class _Image:
    manifest: Any
    config: str
    layers: tuple[str, ...]


def compared(one: Layout, other: Layout, same: Callable[[str, str], bool], budget: Budget) -> Iterator[Found]:
    """What differs between the images; `same` tells of two files whether that is known. Raises Unreadable."""
    ours, theirs = (_images(layout, budget) for layout in (one, other))
    if len(ours) != len(theirs):
        yield Field("number of images", (str(len(ours)), str(len(theirs))), step=Step("oci"))
    for number, (first, second) in enumerate(zip(ours, theirs, strict=False), 1):
        name = f"image {number}, " if len(ours) > 1 else ""
        yield from _fields(first.manifest, second.manifest, Step("oci", f"{name}manifest"), ())
        configs = _document(one, first.config, budget), _document(other, second.config, budget)
        yield from _fields(configs[0], configs[1], Step("oci", f"{name}config"), ("rootfs.",))
        yield from _layers(one, other, first.layers, second.layers, same, name)


def _layers(
    one: Layout,
    other: Layout,
    ours: tuple[str, ...],
    theirs: tuple[str, ...],
    same: Callable[[str, str], bool],
    name: str,
) -> Iterator[Found]:
    """By position, once those that are the same are paired."""
    from difflib import SequenceMatcher

    for kind, i, j, k, m in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        for at in range(max(j - i, m - k)):
            left = ours[i + at] if i + at < j else None
            right = theirs[k + at] if k + at < m else None
            number = (i if left is not None else k) + at + 1
            step = Step("oci", f"{name}layer {number}")
            if left is None or right is None:
                values = ("nothing", "a layer") if left is None else ("a layer", "nothing")
                yield Field("", values, Aspect.MISSING, step)
                continue
            if kind == "equal" and same(left, right):
                continue
            contents = _file(one, left), _file(other, right)
            yield Within(step, contents[0], contents[1], "layer.tar")


def _images(layout: Layout, budget: Budget) -> list[_Image]:
    if layout.open("index.json") is None:
        return [
            _Image({}, _text(each, "Config"), tuple(_texts(each, "Layers")))
            for each in _items(_document(layout, "manifest.json", budget))
        ]
    index = _document(layout, "index.json", budget)
    return list(_of_index(layout, index, budget, 0))


def _of_index(layout: Layout, index: Any, budget: Budget, depth: int) -> Iterator[_Image]:
    if depth > _DEEPEST:
        raise Unreadable("its indexes are nested too deeply")
    for entry in _items(index.get("manifests") if isinstance(index, dict) else None):
        budget.member()
        document = _document(layout, _blob(entry), budget)
        if entry.get("mediaType") in _INDEXES:
            yield from _of_index(layout, document, budget, depth + 1)
            continue
        layers = tuple(map(_blob, _items(document.get("layers"))))
        rest = {key: value for key, value in document.items() if key not in ("config", "layers")}
        kinds = [each.get("mediaType") for each in _items(document.get("layers"))]
        annotations = {key: value for key, value in entry.items() if key not in ("digest", "size")}
        yield _Image({**rest, "layers": kinds, "entry": annotations}, _blob(document.get("config")), layers)


def _items(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or len(value) > _MOST or not all(isinstance(each, dict) for each in value):
        raise Unreadable("it is no image: a list is missing, or too long")
    return value


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise Unreadable(f"it is no image: {key} is missing")
    return found


def _texts(value: dict[str, Any], key: str) -> list[str]:
    found = value.get(key)
    if not isinstance(found, list) or len(found) > _MOST or not all(isinstance(each, str) for each in found):
        raise Unreadable(f"it is no image: {key} is missing")
    return found


def _blob(entry: Any) -> str:
    """Where a descriptor's bytes are: no name that leads elsewhere."""
    kind, _, digits = _text(entry if isinstance(entry, dict) else {}, "digest").partition(":")
    if not kind.isalnum() or not digits.isalnum():
        raise Unreadable("it has a digest that is none")
    return f"{BLOBS}{kind}/{digits}"


def _file(layout: Layout, name: str) -> Content:
    found = layout.open(name)
    if found is None:
        raise Unreadable(f"it has no {name[:200]}")
    return found


def _document(layout: Layout, name: str, budget: Budget) -> Any:
    data = budget.whole(_file(layout, name), _DOCUMENT)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{name[:200]} is not in JSON") from error
    if not isinstance(found, dict | list):
        raise Unreadable(f"{name[:200]} is no object")
    return found


def _fields(one: Any, other: Any, step: Step, mirrors: tuple[str, ...]) -> Iterator[Field]:
    """The leaves of two documents that differ, each by the way there."""
    ours, theirs = dict(_leaves(one, "")), dict(_leaves(other, ""))
    late = []
    for name in [*ours, *(name for name in theirs if name not in ours)][: _MOST * 20]:
        values = ours.get(name, "nothing"), theirs.get(name, "nothing")
        if values[0] == values[1]:
            continue
        aspect = Aspect.TIME if name.rpartition(".")[2] == "created" else Aspect.FIELD
        found = Field(name, values, aspect, step, mirrors=name.startswith(mirrors) if mirrors else False)
        if found.mirrors:
            late.append(found)
        else:
            yield found
    yield from late


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _leaves(each, f"{name}[{number}]")
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)
