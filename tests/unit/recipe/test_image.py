"""An image's configuration in the specification's words, and a reference that its grammar takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.recipe.image import ImageConfig, described, reference_name
from orchestrator.recipe.recipe import ArtifactPart, Recipe

# OCI image specification 1.1, annotations.md, "Pre-Defined Annotation Keys"
GRAMMAR = re.compile(r"[A-Za-z0-9]+(([-._:@+]|--)[A-Za-z0-9]+)*")
PACKAGE = "/nix/store/0-x"


def config(image: ImageConfig, output: str = "out") -> Any:
    return json.loads(PACKAGE.join(described(image, "x-1", output)["configuration"]))


@pytest.mark.parametrize(
    ("label", "reference"),
    [
        ("hello-2.10", "hello-2.10"),
        ("a--b+c_d.e-1", "a--b+c_d.e-1"),
        ("g++-12.2", "gpp-12.2"),
        ("c++filt-1", "cppfilt-1"),
        ("x-1.0+", "x-1.0p"),
        ("a..b__c-1.", "a-b-c-1"),
    ],
)
def test_a_name_stays_as_it_is_where_it_can(label: str, reference: str) -> None:
    assert reference_name(label) == reference


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9+._-]*-[A-Za-z0-9][A-Za-z0-9+._-]*", fullmatch=True))
def test_every_name_of_a_recipe_has_a_valid_reference(label: str) -> None:
    reference = reference_name(label)
    assert GRAMMAR.fullmatch(reference)
    assert reference == label or not GRAMMAR.fullmatch(label)


def test_without_any_key_it_is_a_path_alone() -> None:
    assert config(ImageConfig()) == {"Env": [f"PATH={PACKAGE}/bin"]}
    assert config(ImageConfig(env={"PATH": "/x"})) == {"Env": ["PATH=/x"]}


def test_the_package_is_put_where_its_output_is_named() -> None:
    image = ImageConfig(cmd=("$out", "$out/bin", "${out}bin", "$outer", "out", "$$out", "<0>", "$bin"))
    said = [PACKAGE, f"{PACKAGE}/bin", f"{PACKAGE}bin", "$outer", "out", f"${PACKAGE}", "<0>"]
    assert config(image)["Cmd"] == [*said, "$bin"]
    assert config(image, "bin")["Cmd"][-1] == PACKAGE


@given(st.lists(st.text(st.characters(exclude_characters="\0$", exclude_categories=["Cs"])), min_size=1))
def test_every_text_arrives_as_it_was(words: list[str]) -> None:
    assert config(ImageConfig(cmd=tuple(words)))["Cmd"] == words


ROOTS = ("", ".", "..", "/rootfs", "rootfs/", "a//b", "a/./b", "a/../b", "../rootfs", "a b", "a*", "-/\n")


def test_what_is_at_the_top_reaches_the_request_where_it_is_said() -> None:
    assert set(described(ImageConfig(), "x-1", "out")) == {"configuration", "reference"}
    image = ImageConfig(base="toolchain", root="a/..b/c")
    said = described(image, "x-1", "out")
    assert (said["base"], said["root"]) == ("toolchain", "a/..b/c")
    for each in (image, ImageConfig(base="toolchain"), ImageConfig(root="rootfs")):
        assert config(each)["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"user": "daemon"}, "need not have an /etc/passwd"),
        ({"working_dir": "data"}, "begins with /"),
        ({"exposed_ports": ["http"]}, "a port such as"),
        ({"env": {"A-B": "x"}}, "letters, digits and _"),
        ({"stop_signal": "term"}, 'such as "SIGTERM"'),
        ({"entrypoint": []}, "at least 1 item"),
        ({"cmd": ["\0"]}, "NUL"),
        ({"labels": {"a b": "x"}}, "a label's name"),
        ({"Cmd": ["x"]}, "Extra inputs"),
        ({"base": "debian"}, "Input should be 'toolchain'"),
        *(({"root": root}, "a folder of the default output") for root in ROOTS),
    ],
)
def test_what_no_image_can_have(values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(says)):
        ArtifactPart.model_validate({"format": "oci", **values})


def test_nixpkgs_has_no_root_to_stand_on() -> None:
    recipe: dict[str, Any] = {
        "name": "x",
        "version": "1",
        "summary": "x",
        "homepage": "https://example.org/",
        "license": "MIT",
        "toolchain": {"from": "nixpkgs"},
        "build": {"script": "x"},
        "artifact": {"format": "oci", "base": "toolchain"},
    }
    with pytest.raises(ValidationError, match="needs a toolchain with a root of its own"):
        Recipe.model_validate(recipe)
    Recipe.model_validate(recipe | {"toolchain": {"from": "debian"}})
    Recipe.model_validate(recipe | {"artifact": {"format": "oci", "root": "rootfs"}})


def test_other_formats_are_not_run() -> None:
    with pytest.raises(ValidationError, match=r'user is for format = "oci"; a tar\.gz is not run'):
        ArtifactPart.model_validate({"user": "1000"})


def test_the_reference_page_has_every_key(repository: Path) -> None:
    page = (repository / "docs/reference/recipe.md").read_text()
    assert [key for key in ImageConfig.model_fields if f"| `{key}` |" not in page] == []


@pytest.mark.parametrize(
    "said",
    [
        {"entrypoint": ("$out/rootfs/bin/x",)},
        {"cmd": ("-c", "${out}//rootfs")},
        {"env": {"X": "a:$out/rootfs"}},
        {"working_dir": "$out/rootfs"},
        {"volumes": ("$out/rootfs/var",)},
    ],
)
def test_what_is_the_images_root_is_not_at_the_packages_path(said: Any) -> None:
    (key,) = said
    with pytest.raises(ValueError, match=rf"artifact\.{key} names \$out/rootfs, which is / in the image"):
        config(ImageConfig(root="rootfs", **said))
    config(ImageConfig(root="root", **said))
    config(ImageConfig(base="toolchain", **said))
