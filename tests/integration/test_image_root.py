"""Images with a root of their own: the toolchain's packages below, a folder of the package over them."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import strangers
from images import says
from lab import Built, Lab, unpacked
from projects import Project
from smallest import with_smallest
from states import stores_copied

from orchestrator.ground.state import State
from orchestrator.nix.command import Nix, NixFailed
from orchestrator.recipe.lock import parse

SCRIPT = r"""
mkdir -p $out/rootfs/usr/bin $out/rootfs/etc $out/rootfs/opt/data $out/rootfs/tmp $out/share
printf '#!/bin/bash\necho "hi $(cat /opt/data/absolute)"\n' > $out/rootfs/usr/bin/hi
chmod 700 $out/rootfs/usr/bin/hi
echo there > $out/rootfs/etc/hi
echo 'root:x:0:0:replaced:/root:/bin/bash' > $out/rootfs/etc/passwd
ln -s ../../etc/hi $out/rootfs/opt/data/relative
ln -s ../../../../../../../etc/hi $out/rootfs/opt/data/above
ln -s /etc/hi $out/rootfs/opt/data/absolute
touch "$out/rootfs/opt/-dash" "$out/rootfs/opt/line
end" $out/rootfs/--exclude=opt
echo beside > $out/share/beside
"""
SIGNER = '[[signer]]\nname = "release"\nkey = "release.pub"\n'
OF_BASH = "BSD-4-Clause-UC"
BAD: Mapping[str, tuple[str, str, str]] = {
    "absent": (
        "mkdir -p $out/other/x",
        'the package holds no folder "rootfs" for the image\'s root; it holds:\nother\nother/x',
        "toolchain",
    ),
    "file": ("mkdir $out; echo x > $out/rootfs", 'holds no folder "rootfs"', "toolchain"),
    "linked": (
        "mkdir -p $out/x; ln -s x $out/rootfs",
        'the image\'s root "rootfs" is behind a link',
        "toolchain",
    ),
    "out": ("mkdir -p $out; ln -s /usr $out/rootfs", "is behind a link", ""),
    "store": (
        "mkdir -p $out/rootfs/usr; ln -s $out/rootfs/usr/x $out/rootfs/usr/y",
        "the link /usr/y leads to",
        "toolchain",
    ),
    "relative": (
        "mkdir -p $out/lib $out/rootfs/usr; echo > $out/lib/x; ln -s ../../lib/x $out/rootfs/usr/y",
        "the link /usr/y leads out of the image's root, to '../../lib/x' in the package",
        "toolchain",
    ),
    "whiteout": (
        "mkdir -p $out/rootfs/usr; echo > $out/rootfs/usr/.wh.bin",
        "an image can hold no file called .wh.bin",
        "toolchain",
    ),
    "merged": (
        "mkdir -p $out/rootfs/bin; echo > $out/rootfs/bin/x",
        "has a folder /bin, where the toolchain has a link to usr/bin",
        "toolchain",
    ),
    "over-file": (
        "mkdir -p $out/rootfs/usr/bin/env",
        "has a folder /usr/bin/env, where the toolchain has a file",
        "toolchain",
    ),
    "over-folder": (
        "mkdir -p $out/rootfs/usr; ln -s x $out/rootfs/usr/bin",
        "has a file /usr/bin, where the toolchain has a folder",
        "toolchain",
    ),
    "over-link": (
        "mkdir -p $out/rootfs; ln -s usr/bin $out/rootfs/sbin; ln -s usr/bin $out/rootfs/bin",
        "has a file /sbin, where the toolchain has a link to the folder usr/sbin",
        "toolchain",
    ),
    "scratch": ("mkdir -p $out/rootfs/tmp/x", "has something in /tmp", "toolchain"),
    "nix": ("mkdir -p $out/rootfs/nix/store", "has a /nix/store", ""),
    "nix-link": ("mkdir -p $out/rootfs; ln -s opt/nix $out/rootfs/nix", "has a file /nix", ""),
    "no-scratch": ("mkdir -p $out/rootfs; echo > $out/rootfs/tmp", "has something in /tmp", ""),
    "setuid": (
        "mkdir -p $out/rootfs; echo > $out/rootfs/x; chmod u+s $out/rootfs/x",
        "Operation not permitted",
        "",
    ),
}
"""Name of a recipe to its script, what is said of it, and its base."""


@pytest.fixture(scope="module")
def lab(repository: Path, toolchain_state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("state")
    (folder / "sources").symlink_to((toolchain_state / "sources").resolve())
    stores_copied(toolchain_state, folder)
    state = State(folder)
    with state.scratch("lab-image-root") as scratch:
        yield Lab(repository, state, Nix.find(scratch))


@pytest.fixture(scope="module")
def smallest(repository: Path) -> Mapping[str, Any]:
    lock = parse(with_smallest(repository / "tally.lock"), "tally.lock")
    (packages,) = (each.packages for each in lock.set if not each.request)
    return {"from": "debian", "packages": list(packages)}


def _image(**config: Any) -> Mapping[str, Any]:
    return {"format": "oci", "path": None, "config": {key: value for key, value in config.items() if value}}


@pytest.fixture(scope="module")
def built(lab: Lab, smallest: Mapping[str, Any]) -> Built:
    artifacts = {
        "over": (SCRIPT, _image(base="toolchain", root="rootfs", entrypoint=["/usr/bin/hi"])),
        "alone": ("mkdir -p $out/a/root/bin; echo x > $out/a/root/bin/x", _image(root="a/root")),
    }
    return lab.build(
        lab.request(
            **{
                name: {"script": script, "artifact": artifact, "toolchain": smallest}
                for name, (script, artifact) in artifacts.items()
            }
        )
    )


def test_files_of_the_package_are_over_the_toolchains(built: Built, tmp_path: Path) -> None:
    config, layers = _read(built.artifact("over"), tmp_path / "layout")
    assert config["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    below, over = ({each.name: each for each in layer.getmembers()} for layer in layers)
    assert [len(each.getnames()) for each in layers] == [len(below), len(over)], "each name once"
    for each in (*below.values(), *over.values()):
        assert (each.uid, each.gid, each.mtime) == (0, 0, 1)
        assert each.isreg() or each.isdir() or each.issym()
        assert each.mode in {"tmp": (0o1777,), "root": (0o700,)}.get(each.name, (0o644, 0o755, 0o777))
    assert (below["usr/bin/bash"].mode, below["bin"].linkname) == (0o755, "usr/bin")
    assert {"proc", "dev", "sys", "run", "tmp", "etc/nsswitch.conf"} <= below.keys()
    assert "build" not in below
    package = built.evaluated["over"].outputs["out"].removeprefix("/")
    assert {name for name in over if not name.startswith("nix")} == {
        "--exclude=opt",
        *("etc", "etc/hi", "etc/passwd", "usr", "usr/bin", "usr/bin/hi"),
        *(
            "opt",
            "opt/-dash",
            "opt/line\nend",
            "opt/data",
            "opt/data/above",
            "opt/data/absolute",
            "opt/data/relative",
        ),
    }
    assert {name for name in over if name.startswith("nix")} == {
        *("nix", "nix/store", package, f"{package}/share", f"{package}/share/beside")
    }
    assert over["opt/data/absolute"].linkname == "/etc/hi"
    assert over["usr/bin/hi"].mode == 0o755, "what its owner could run, everybody can"


def test_a_root_without_a_base_has_what_is_in_it_and_a_folder_to_write_to(
    built: Built, tmp_path: Path
) -> None:
    _, (layer,) = _read(built.artifact("alone"), tmp_path / "layout")
    assert layer.getnames() == ["bin", "bin/x", "tmp"]
    assert layer.getmember("tmp").mode == 0o1777


def test_an_image_runs_from_what_is_in_it(built: Built, tmp_path: Path) -> None:
    assert says(built.artifact("over"), tmp_path / "image") == b"hi there\n"


def test_a_client_that_we_did_not_write_reads_every_layer(
    built: Built, session_state: Path, tmp_path: Path
) -> None:
    skopeo = strangers.skopeo(session_state)
    if skopeo is None:
        return
    assert skopeo.copy(built.artifact("over"), "over-1.0", tmp_path / "copy") == (0, "")


def test_what_no_image_can_hold_is_refused(lab: Lab, smallest: Mapping[str, Any]) -> None:
    recipes = {
        name: {
            "script": script,
            "toolchain": smallest,
            "artifact": _image(root="rootfs", base=base),
        }
        for name, (script, _, base) in BAD.items()
    }
    with pytest.raises(NixFailed) as failure:
        lab.build(lab.request(**recipes))
    assert [name for name, (_, said, _) in BAD.items() if said not in failure.value.message] == []


def test_a_policy_counts_what_the_base_holds_as_shipped(project: Project) -> None:
    tail = '[artifact]\nformat = "oci"\nbase = "toolchain"\nroot = "rootfs"\nentrypoint = ["hi"]\n'
    recipe = project.recipe(
        "hi", "mkdir -p $out/rootfs/usr/bin; ln -s true $out/rootfs/usr/bin/hi", tail=tail
    )
    project.build(recipe).succeeded()
    release = project.folder / "releases" / "hi-1.0-x86_64-linux"
    policy = project.folder / "policy.toml"
    for scope, code in (("artifact", 0), ("runtime", 1)):
        policy.write_text(
            f'{SIGNER}[licences]\nscope = "{scope}"\ndenied = ["{OF_BASH}"]\nunknown = "allow"\n'
        )
        ran = project.tally("verify", release, "--policy", policy)
        assert (ran.code, "licence-denied: bash " in ran.out) == (code, bool(code)), ran.out + ran.err


def _read(image: Path, folder: Path) -> tuple[dict[str, Any], list[tarfile.TarFile]]:
    """The configuration of an image, and its layers from the lowest."""
    layout: Path = unpacked(image, folder)

    def blob(described: Mapping[str, Any]) -> bytes:
        return (layout / "blobs/sha256" / str(described["digest"]).removeprefix("sha256:")).read_bytes()

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]))
    config: dict[str, Any] = json.loads(blob(manifest["config"]))["config"]
    layers = [BytesIO(gzip.decompress(blob(each))) for each in manifest["layers"]]
    return config, [tarfile.TarFile(fileobj=each) for each in layers]
