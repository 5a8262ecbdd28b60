"""Into container images: layouts in folders and archives, by layer and by the configuration's field."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from placing import Entry, differing, tar, told

from orchestrator.agreement.cause import Cause
from orchestrator.agreement.trees import Side
from orchestrator.places.search import places

INDEX = "application/vnd.oci.image.index.v1+json"


def image(*layers: bytes, created: str = "2026-11-29T10:00:00Z", nested: bool = False) -> dict[str, bytes]:
    """A layout, by the paths of its files."""
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}

    def blob(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    ids = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    config = {"created": created, "rootfs": {"diff_ids": ids}, "config": {"Env": ["A=1"]}}
    manifest: object = {
        "config": blob(json.dumps(config).encode()),
        "layers": [blob(layer) for layer in layers],
    }
    named = blob(json.dumps(manifest).encode())
    if nested:
        named = {**blob(json.dumps({"manifests": [named]}).encode()), "mediaType": INDEX}
    files["index.json"] = json.dumps({"manifests": [named]}).encode()
    return files


def packed(files: dict[str, bytes]) -> bytes:
    entries: list[Entry] = [(name, files[name]) for name in sorted(files)]
    return tar(*entries)


def layer(text: bytes) -> bytes:
    return gzip.compress(tar(("usr/a", b"a"), ("usr/f", text)), mtime=0)


EXPECTED = [
    "oci:config time created: 2026-11-29T10:00:00Z | 2026-11-29T10:00:07Z",
    "oci:layer 2 > gzip > tar:usr/f content line 1: one | two",
]


@pytest.mark.parametrize("nested", [False, True])
def test_an_archive(tmp_path: Path, nested: bool) -> None:
    found = differing(
        tmp_path,
        "image.tar",
        packed(image(layer(b"x"), layer(b"one"), nested=nested)),
        packed(image(layer(b"x"), layer(b"two"), created="2026-11-29T10:00:07Z", nested=nested)),
    )
    assert [told(place) for place in found if not place.mirrors] == EXPECTED
    assert found[0].cause is Cause.TIMESTAMP
    assert [place.where for place in found if place.mirrors] == ["rootfs.diff_ids[1]"]


def test_a_folder(tmp_path: Path) -> None:
    sides = []
    for name, files in (
        ("a", image(layer(b"x"), layer(b"one"))),
        ("b", image(layer(b"x"), layer(b"two"), created="2026-11-29T10:00:07Z")),
    ):
        for path, data in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(data)
        sides.append(Side(name, tmp_path / name))
    found = list(places(sides[0], sides[1]))
    assert [told(place) for place in found if not place.mirrors] == EXPECTED
    assert {place.file.partition("/")[0] for place in found if place.mirrors} == {".", "blobs", "index.json"}


def test_a_layer_more(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        "x",
        packed(image(layer(b"x"), layer(b"y"))),
        packed(image(layer(b"new"), layer(b"x"), layer(b"y"))),
    )
    assert [told(place) for place in found if not place.mirrors and place.aspect == "missing"] == [
        "oci:layer 1 missing : nothing | a layer"
    ]


def test_the_archive_itself(tmp_path: Path) -> None:
    files = image(layer(b"x"))
    one, other = (
        tar(*((name, files[name], {"mtime": 5 + (name == last)}) for name in sorted(files)))
        for last in ("", "oci-layout")
    )
    (place,) = differing(tmp_path, "x", one, other)
    assert told(place).startswith("tar:oci-layout time time")


def test_a_digest_that_leads_elsewhere(tmp_path: Path) -> None:
    files = image(layer(b"x"))
    bad = {**files, "index.json": json.dumps({"manifests": [{"digest": "sha256:../../x"}]}).encode()}
    (place,) = differing(tmp_path, "x", packed(files), packed(bad))
    assert place.note == "tar: it has a digest that is none"


def test_a_blob_whose_bytes_are_others_than_its_name_says(tmp_path: Path) -> None:
    files = image(layer(b"one"))
    name = next(each for each, data in files.items() if data == layer(b"one"))
    (place,) = differing(tmp_path, "x", packed(files), packed({**files, name: layer(b"two")}))
    assert told(place) == "oci:layer 1 > gzip > tar:usr/f content line 1: one | two"


def test_an_index_within_itself_again_and_again(tmp_path: Path) -> None:
    files = image(layer(b"x"))
    digest = "a" * 64
    loop = json.dumps({"manifests": [{"digest": f"sha256:{digest}", "mediaType": INDEX}]}).encode()
    one = {**files, "index.json": loop, f"blobs/sha256/{digest}": loop}
    (place,) = differing(tmp_path, "x", packed(one), packed({**one, "z": b""}))
    assert place.note == "tar: its indexes are nested too deeply"


def test_what_docker_saves(tmp_path: Path) -> None:
    def saved(text: bytes) -> bytes:
        names = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["1/layer.tar", "2/layer.tar"]}]
        return tar(
            ("c.json", b"{}"),
            ("1/layer.tar", tar(("a", b"same"))),
            ("2/layer.tar", tar(("b", text))),
            ("manifest.json", json.dumps(names).encode()),
        )

    (place,) = differing(tmp_path, "x.tar", saved(b"one"), saved(b"two"))
    assert told(place) == "tar:2/layer.tar > tar:b content line 1: one | two"


def test_a_long_value_is_shown_where_it_differs(tmp_path: Path) -> None:
    one, other = (image(layer(b"x"), created="x" * 500 + end) for end in ("1", "2"))
    (first, *_) = differing(tmp_path, "x", packed(one), packed(other))
    assert first.values == ("…" + "x" * 40 + "1", "…" + "x" * 40 + "2")


@pytest.mark.parametrize("lacks", [(0,), (1,), (0, 1)])
def test_an_archive_that_lacks_what_its_index_names(tmp_path: Path, lacks: tuple[int, ...]) -> None:
    files = image(layer(b"one\n"))
    name = next(each for each, data in files.items() if data == layer(b"one\n"))
    sides = [{**files, "name": str(side).encode()} for side in range(2)]
    for side in lacks:
        del sides[side][name]
    found = differing(tmp_path, "x.tar", packed(sides[0]), packed(sides[1]))
    assert f"it has no {name}" in found[0].note
