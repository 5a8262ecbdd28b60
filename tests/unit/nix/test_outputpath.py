"""Paths of outputs: where Nix itself puts them, and nowhere else once anything is another.

The derivations are those of this expression, as `nix-instantiate` of Nix 2.8 has them:

    let
      source = builtins.toFile "greeting" "hello\\n";
      fixed = mode: name: derivation {
        inherit name;
        system = "x86_64-linux";
        builder = "/none";
        outputHashMode = mode;
        outputHashAlgo = "sha256";
        outputHash = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
      };
      below = derivation {
        name = "below";
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [ "-c" source ];
        fetched = fixed "flat" "fetched";
      };
    in derivation {
      name = "top";
      system = "x86_64-linux";
      builder = "/bin/sh";
      outputs = [ "out" "dev" ];
      args = [ "-c" "echo \\"a\\\\b\\"\\n\\t$x" ];
      inherit below;
      tree = fixed "recursive" "tree";
      text = "ü \\"quoted\\"\\r\\n";
    }
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.ground.digest import NarHash, Sha256
from orchestrator.nix.outputpath import Command, Known, fixed_hash, output_paths

DIGEST = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
SOURCE = "/nix/store/ybf7by4xvcgjhwilsg87rqz9di79bify-greeting"
FETCHED = "/nix/store/pi0hrnj8zhpb7hbxf7iyp184v2hc9zra-fetched"
TREE = "/nix/store/i92kdc8yxfb8whpg6rsyrlbzqiaqg44j-tree"
OUT = "/nix/store/xdwm19kkiw6wdqir3j6g13q9m0lpl9b0-below"
BELOW = Command(
    "/nix/store/x2zrhm05i14c9myk7vclq5rgcaxdafb1-below.drv",
    "x86_64-linux",
    "/bin/sh",
    ["-c", SOURCE],
    {"builder": "/bin/sh", "fetched": FETCHED, "name": "below", "out": OUT, "system": "x86_64-linux"},
    {"out": OUT},
)
OUTPUTS = {
    "dev": "/nix/store/pzp80c2zn7clmfp1kfwcfcqm8bkz7xdh-top-dev",
    "out": "/nix/store/6zvi8m1acqp9xmgp1vqp4nl1bn0lxr5f-top",
}
TOP = Command(
    "/nix/store/1fz1as4gf5dyxg886hg1xmd4y04bvwra-top.drv",
    "x86_64-linux",
    "/bin/sh",
    ["-c", 'echo "a\\b"\n\t$x'],
    {
        "below": OUT,
        "builder": "/bin/sh",
        "name": "top",
        "outputs": "out dev",
        "system": "x86_64-linux",
        "text": 'ü "quoted"\r\n',
        "tree": TREE,
        **OUTPUTS,
    },
    OUTPUTS,
)


def known() -> Known:
    fixed = {FETCHED: fixed_hash(FETCHED, Sha256(DIGEST)), TREE: fixed_hash(TREE, NarHash(DIGEST))}
    return Known(fixed, [SOURCE])


def test_an_output_is_where_nix_puts_it() -> None:
    inputs = known()
    below = inputs.inputs(BELOW)
    assert below is not None
    assert output_paths(BELOW, below) == {"out": OUT}
    inputs.add(BELOW, below)
    top = inputs.inputs(TOP)
    assert top is not None
    assert output_paths(TOP, top) == OUTPUTS


@pytest.mark.parametrize(
    "changed",
    [
        replace(TOP, system="aarch64-linux"),
        replace(TOP, executable="/bin/bash"),
        replace(TOP, arguments=["-c", 'echo "a\\b"\n$x']),
        replace(TOP, arguments=["-c"]),
        replace(TOP, environment={**TOP.environment, "text": "ü"}),
        replace(TOP, environment={**TOP.environment, "more": ""}),
        replace(TOP, environment={name: of for name, of in TOP.environment.items() if name != "name"}),
        replace(TOP, derivation=TOP.derivation.replace("-top", "-pot")),
    ],
)
def test_whatever_else_is_run_has_other_paths(changed: Command) -> None:
    inputs = known()
    inputs.add(BELOW, inputs.inputs(BELOW))
    given = inputs.inputs(changed)
    assert given is not None
    assert not set(output_paths(changed, given).values()) & set(OUTPUTS.values())


def test_another_input_has_other_paths() -> None:
    inputs = known()
    inputs.add(replace(BELOW, arguments=["-x", SOURCE]), inputs.inputs(BELOW))
    given = inputs.inputs(TOP)
    assert given is not None
    assert output_paths(TOP, given) != OUTPUTS


def test_what_was_made_from_something_unknown_is_not_computed() -> None:
    inputs = Known({TREE: fixed_hash(TREE, NarHash(DIGEST))}, [SOURCE], [FETCHED])
    assert inputs.inputs(BELOW) is None
    inputs.add(BELOW, None)
    assert inputs.inputs(TOP) is None
