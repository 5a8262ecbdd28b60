"""Artifacts of every format, made in the sandbox: usual tools read them; links in a store change nothing."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import strangers
from lab import Built, Lab, dumped, unpacked

from orchestrator.ground.state import State
from orchestrator.nix.command import Nix, NixFailed

SCRIPT = r"""
mkdir -p $out/bin $out/share/empty $out/share/deep/er
printf '#!/bin/sh\necho hi\n' > $out/bin/hi
chmod +x $out/bin/hi
ln -s hi $out/bin/hello
ln -s ./relative/../hi $out/bin/odd
ln -s /absolute/path $out/share/absolute
printf 1234567 > $out/share/seven
printf 12345678 > $out/share/eight
printf 123456789 > $out/share/nine
: > $out/share/nothing
printf 'equal bytes' > $out/share/equal-1
printf 'equal bytes' > $out/share/deep/er/equal-2
head -c 300000 /dev/zero > $out/share/zeros
touch "$out/share/a name with spaces" "$out/share/-dash" "$out/share/.hidden" $out/share/Z $out/share/é \
    $out/share/'quote"$(x)' $out/share/'back\slash' "$out/share/line
end"
ln -s 'target
' $out/share/odd-target
printf '\001\377\000\n\n' > $out/share/bytes
"""

ENTRY = 'bin/"quoted" $(x) é'
CONFIG = {
    "entrypoint": [f"$out/{ENTRY}"],
    "cmd": ["--say", "a\n\b\u007f<0>", "${out}", "$output"],
    "env": {"LANG": "C.UTF-8", "DATA": "$out/share:/data"},
    "user": "1000:100",
    "working_dir": "$out/share",
    "exposed_ports": ["8080/tcp"],
    "volumes": ["/data"],
    "stop_signal": "SIGINT",
    "labels": {"org.opencontainers.image.title": 'a "title" \\'},
}
FORMATS = ("tar.gz", "tar.xz", "tar.zst", "nar", "oci", "file")


@pytest.fixture(scope="module")
def lab(repository: Path, session_state: Path) -> Iterator[Lab]:
    state = State(session_state)
    with state.scratch("lab-artifacts") as scratch:
        yield Lab(repository, state, Nix.find(scratch))


@pytest.fixture(scope="module")
def built(lab: Lab) -> Built:
    recipes = {
        f"in-{format_.replace('.', '-')}": {
            # names apart: the packages are equal all the same
            "script": SCRIPT,
            "artifact": {"format": format_, "path": {"file": "share/nine"}.get(format_)},
        }
        for format_ in FORMATS
    }
    recipes["in-oci"] |= {"script": f"{SCRIPT}\nln -s $library $out/library\n", "inputs": ["library"]}
    recipes["in-oci"]["artifact"] = {"format": "oci", "path": None, "config": CONFIG}
    recipes["c++"] = {"artifact": {"format": "oci", "path": None}}
    recipes["library"] = {"script": "mkdir $out; echo library > $out/file"}
    recipes["wheel"] = {
        "script": "mkdir -p $out/dist; echo wheel > $out/dist/x-1.0-py3-none-any.whl",
        "artifact": {"format": "file", "path": "dist/x-1.0-py3-none-any.whl"},
    }
    recipes["one-file"] = {"script": "printf '#!/bin/sh\\n' > $out; chmod +x $out"}
    return lab.build(lab.request(**recipes))


@pytest.mark.parametrize("format_", ["tar.gz", "tar.xz", "tar.zst"])
def test_archives_hold_one_folder_with_everything(built: Built, format_: str, tmp_path: Path) -> None:
    name = f"in-{format_.replace('.', '-')}"
    artifact = built.artifact(name)
    assert built.evaluated[name].artifact_file_name == f"{name}-1.0-x86_64-linux.{format_}"
    assert artifact.name.endswith(f"-{name}-1.0-x86_64-linux.{format_}")
    folder = unpacked(artifact, tmp_path / "out")
    assert [path.name for path in folder.iterdir()] == [f"{name}-1.0"]
    assert _tree(folder / f"{name}-1.0") == _tree(built.output(name))


def test_an_archive_tells_nothing_of_who_made_it(built: Built) -> None:
    content = built.artifact("in-tar-gz").read_bytes()
    assert content[3:8] == bytes(5), "neither a file name nor a time in gzip's header"
    with tarfile.open(built.artifact("in-tar-gz")) as archive:
        members = archive.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname, each.mtime) for each in members} == {
        (0, 0, "", "", 1)
    }
    names = [each.name for each in members]
    assert names == sorted(names, key=lambda name: [part.encode() for part in name.split("/")])
    assert {each.mode for each in members if each.isdir()} == {0o755}
    assert {each.mode for each in members if each.isfile()} == {0o644, 0o755}
    assert not any(each.islnk() for each in members)


def test_hard_links_of_an_optimised_store_change_nothing(lab: Lab, built: Built) -> None:
    formats = ["in-tar-gz", "in-nar", "in-oci"]
    store = lab.store("a")
    equal = [built.output("in-tar-gz") / "share" / name for name in ("equal-1", "deep/er/equal-2")]
    before = {name: store.nar_hash(built.evaluated[name].artifact_path) for name in formats}
    folder = equal[1].parent
    folder.chmod(0o755)
    equal[1].unlink()
    os.link(equal[0], equal[1])
    folder.chmod(0o555)
    assert equal[0].stat().st_nlink > 1
    # --check fails when what it builds differs from what is there
    lab.realise(store, [built.evaluated[name].artifact for name in formats], ["--check"])
    assert {name: store.nar_hash(built.evaluated[name].artifact_path) for name in formats} == before


def test_nar_is_what_nix_itself_dumps(lab: Lab, built: Built) -> None:
    for name in ("in-nar", "library", "one-file"):
        expected = dumped(lab.store("a"), built.evaluated[name].outputs["out"])
        assert built.artifact(name).read_bytes() == expected, name


def test_one_file_is_the_file_itself(built: Built) -> None:
    assert built.artifact("in-file").read_bytes() == b"123456789"
    assert built.evaluated["in-file"].artifact_file_name == "in-file-1.0-x86_64-linux"
    assert built.evaluated["wheel"].artifact_file_name == "x-1.0-py3-none-any.whl"
    assert built.artifact("wheel").read_text() == "wheel\n"


def test_an_image_follows_its_specification(built: Built, tmp_path: Path) -> None:
    layout = unpacked(built.artifact("in-oci"), tmp_path / "layout")
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_text())
    [described] = index["manifests"]
    manifest = json.loads(_blob(layout, described))
    config = json.loads(_blob(layout, manifest["config"]))
    [layer] = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"
    plain = gzip.decompress(_blob(layout, layer))
    assert config["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]}
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    package = built.evaluated["in-oci"].outputs["out"]
    library = built.evaluated["library"].outputs["out"]
    assert config["config"] == {
        "Entrypoint": [f"{package}/{ENTRY}"],
        "Cmd": ["--say", "a\n\b\u007f<0>", package, "$output"],
        "Env": [f"PATH={package}/bin", f"DATA={package}/share:/data", "LANG=C.UTF-8"],
        "User": "1000:100",
        "WorkingDir": f"{package}/share",
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/data": {}},
        "StopSignal": "SIGINT",
        "Labels": {"org.opencontainers.image.title": 'a "title" \\'},
    }
    assert described["annotations"] == {"org.opencontainers.image.ref.name": "in-oci-1.0"}
    assert len(list((layout / "blobs/sha256").iterdir())) == 3
    (tmp_path / "layer.tar").write_bytes(plain)
    root = unpacked(tmp_path / "layer.tar", tmp_path / "root")
    assert [
        str(path.relative_to(root)) for path in root.rglob("*") if len(path.relative_to(root).parts) < 3
    ] == [
        "nix",
        "nix/store",
    ]
    assert {path.name for path in (root / "nix/store").iterdir()} == {Path(package).name, Path(library).name}
    assert _tree(root / package[1:]) == _tree(built.output("in-oci"))


def test_a_client_that_we_did_not_write_reads_the_image(
    built: Built, session_state: Path, tmp_path: Path
) -> None:
    skopeo = strangers.skopeo(session_state)
    if skopeo is None:
        return
    config = skopeo.config(built.artifact("in-oci"), "in-oci-1.0")
    package = built.evaluated["in-oci"].outputs["out"]
    assert config["Entrypoint"] == [f"{package}/{ENTRY}"]
    assert config["Labels"] == {"org.opencontainers.image.title": 'a "title" \\'}
    assert (config["User"], config["WorkingDir"]) == ("1000:100", f"{package}/share")
    assert skopeo.config(built.artifact("c++"), "cpp-1.0") == {
        "Env": [f"PATH={built.evaluated['c++'].outputs['out']}/bin"]
    }
    assert skopeo.copy(built.artifact("c++"), "cpp-1.0", tmp_path / "copy") == (0, "")


def test_the_file_formats_suffix_comes_from_the_path(lab: Lab) -> None:
    expected = {
        "bin/hello": "",
        "lib/x.jar": ".jar",
        "x.tar.gz": ".tar.gz",
        "lib/libz.so.1.2": "",
        "a.b/c": "",
        ".profile": "",
        "x y.TXT": ".TXT",
    }
    for path, suffix in expected.items():
        request = lab.request(x={"artifact": {"format": "file", "path": path}})
        assert lab.evaluate(request)["x"].artifact_file_name == f"x-1.0-x86_64-linux{suffix}", path


@pytest.mark.parametrize(
    ("artifact", "said"),
    [
        ({"format": "file", "path": "absent $(x)"}, 'holds no file "absent $(x)"'),
        ({"format": "file", "path": "../../etc/passwd"}, "leads out of the package"),
        ({"format": "file", "path": "/etc/passwd"}, "leads out of the package"),
        ({"format": "file", "path": "folder/out"}, "leads out of the package"),
        ({"format": "file", "path": "folder"}, 'holds no file "folder"'),
    ],
)
def test_a_file_that_is_not_there_is_refused(lab: Lab, artifact: dict[str, str], said: str) -> None:
    script = "mkdir -p $out/folder; ln -s /etc/passwd $out/folder/out"
    with pytest.raises(NixFailed) as failure:
        lab.build(lab.request(x={"script": script, "artifact": artifact}))
    assert said in failure.value.message


def test_an_archive_wants_a_folder(lab: Lab) -> None:
    with pytest.raises(NixFailed, match="the package is no folder"):
        lab.build(lab.request(x={"script": "echo x > $out", "artifact": {"format": "tar.gz", "path": None}}))


def _blob(layout: Path, described: dict[str, object]) -> bytes:
    algorithm, digest = str(described["digest"]).split(":")
    content = (layout / "blobs" / algorithm / digest).read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (digest, described["size"])
    return content


def _tree(folder: Path) -> dict[str, tuple[object, ...]]:
    """What each path is: a link's target, a file's bytes and whether it is executable."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            value: tuple[object, ...] = ("link", str(path.readlink()))
        elif path.is_dir():
            value = ("folder",)
        else:
            value = ("file", path.read_bytes(), bool(path.stat().st_mode & 0o100))
        found[str(path.relative_to(folder))] = value
    assert found
    return found
