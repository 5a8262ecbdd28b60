"""Attribute paths, flakes' addresses, and Nix's own words for what went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.nix.command import NixFailed
from orchestrator.nix.derivation import Derivation, name_and_version
from orchestrator.nix.flake_attributes import paths_of
from orchestrator.nix.foreign import path_of
from orchestrator.nix.trace import explained
from orchestrator.pinning.flakeref import nar_sha256, url_of


@pytest.mark.parametrize(
    ("attribute", "names"),
    [("", []), ("a", ["a"]), ("a.b", ["a", "b"]), ('a."b.c".d', ["a", "b.c", "d"]), ("a.0", ["a", "0"])],
)
def test_attribute_paths(attribute: str, names: list[str]) -> None:
    assert path_of(attribute) == names


@pytest.mark.parametrize("attribute", ["a..b", ".", "a.", 'a."b', '""'])
def test_attribute_paths_that_are_none(attribute: str) -> None:
    with pytest.raises(TallyError):
        path_of(attribute)


def test_flakes_attributes_are_looked_for_as_nix_does() -> None:
    assert paths_of("", "s") == [["packages", "s", "default"], ["defaultPackage", "s"]]
    assert paths_of("a.b", "s") == [
        ["packages", "s", "a", "b"],
        ["legacyPackages", "s", "a", "b"],
        ["a", "b"],
    ]
    assert paths_of(".a", "s") == [["a"]]


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        (
            {"type": "git", "url": "file:///a", "rev": "0", "narHash": "sha256-a+/="},
            "git+file:///a?narHash=sha256-a%2B%2F%3D&rev=0",
        ),
        ({"type": "github", "owner": "o", "repo": "r", "rev": "0"}, "github:o/r?rev=0"),
        ({"type": "path", "path": "/a b?c", "lastModified": 1}, "path:/a%20b%3Fc?lastModified=1"),
        ({"type": "tarball", "url": "https://e.org/a?b=c", "dir": "d"}, "https://e.org/a?b=c&dir=d"),
    ],
)
def test_a_locked_address_holds_all_that_pins_it(reference: dict[str, Any], url: str) -> None:
    assert url_of(reference) == url


def test_nar_hashes() -> None:
    found = nar_sha256({"narHash": "sha256-ZojAnPuCdy657PbTq5V0Y+AHKhZAIwSIT2cb8UgAz/U="})
    assert found == "6688c09cfb82772eb9ecf6d3ab957463e0072a1640230488" + "4f671bf14800cff5"
    for other in (None, "sha512-AAAA", "sha256-AAAA", 1):
        assert nar_sha256({"narHash": other}) is None


OLD = """\
error: attribute 'foo' missing

       at /tree/a.nix:3:11:

            2|   x = 1;
            3|   y = builtins.foo;

       … while evaluating the attribute 'y'

       at /tree/a.nix:3:3:

       … while evaluating 'called'

       at /lib/nix/expression.nix:17:5:
"""
NEW = """\
error:
       … from call site
         at /lib/nix/expression.nix:31:14:
           30|     let

       … while evaluating the attribute 'y'
         at /tree/a.nix:3:3:
            2|   x = 1;

       error: attribute 'foo' missing
       at /tree/a.nix:3:11:
            2|   x = 1;
"""


@pytest.mark.parametrize("said", [OLD, NEW])
def test_the_place_comes_first_and_our_own_files_not_at_all(said: str) -> None:
    error = NixFailed("nix-instantiate failed", status=1, said=said)
    told = explained(error, {Path("/tree"): ""})
    assert told.message.splitlines() == [
        "a.nix:3:11: attribute 'foo' missing",
        "a.nix:3:3: while evaluating the attribute 'y'",
    ]


def test_what_is_no_error_of_evaluation_stays_as_it_is() -> None:
    error = NixFailed("nix-instantiate failed (status 1):\nkilled", status=1, said="killed")
    assert explained(error, {}) is error


@pytest.mark.parametrize(
    ("name", "env", "found"),
    [
        ("hello-2.12", {}, ("hello", "2.12")),
        ("hello", {}, ("hello", None)),
        ("apache-httpd-2.0.48", {}, ("apache-httpd", "2.0.48")),
        ("two-part-2a", {"pname": "two", "version": "part-2a"}, ("two", "part-2a")),
        ("x-1", {"pname": "other", "version": "9"}, ("x", "1")),
        ("s-1", {"__json": '{"pname":"s","version":"1"}'}, ("s", "1")),
        ("s-1", {"__json": "["}, ("s", "1")),
    ],
)
def test_a_packages_name_and_version(name: str, env: dict[str, str], found: tuple[str, str | None]) -> None:
    path = f"/nix/store/{'0' * 32}-{name}.drv"
    derivation = Derivation(path, "s", "/b", (), env, {"out": "/nix/store/x"}, None, {}, ())
    assert name_and_version(derivation) == found
    assert not derivation.floating


ADVICE = {
    "error: experimental Nix feature 'ca-derivations' is disabled; use '--extra-experimental-features "
    "ca-derivations' to override": (
        "experimental Nix feature 'ca-derivations' is disabled",
        "__contentAddressed",
    ),
    "error: experimental Nix feature 'recursive-nix' is disabled; add '--extra-experimental-features "
    "recursive-nix' to enable it": ("experimental Nix feature 'recursive-nix' is disabled", "go without it"),
    "error: cannot look up '<nixpkgs>' in pure evaluation mode (use '--impure' to override)": (
        "cannot look up '<nixpkgs>' in pure evaluation mode",
        "an input of the flake",
    ),
    "error: cannot call 'getFlake' on unlocked flake reference 'x', at /tree/a.nix:1:1 (use --impure to "
    "override)": ("cannot call 'getFlake' on unlocked flake reference 'x', at /tree/a.nix:1:1", None),
    "error: it is (rather) broken; use 'x' to mend it\n       (stack trace truncated; use '--show-trace' to "
    "show the full, detailed trace)": ("it is (rather) broken; use 'x' to mend it", None),
}


@pytest.mark.parametrize("said", ADVICE)
def test_advice_to_give_nix_an_option_is_not_passed_on(said: str) -> None:
    message, hint = ADVICE[said]
    told = explained(NixFailed("nix-instantiate failed", status=1, said=said), {})
    assert told.message == message
    assert hint in str(told.hint) if hint is not None else told.hint is None


@pytest.mark.parametrize(
    ("said", "of_file", "of_flake"),
    [
        (
            "Package 'a-1' is marked as broken, refusing to evaluate.",
            "--arg config '{ allowBroken",
            "import its",
        ),
        (
            "Package 'a-1' has an unfree license ('x'), refusing to evaluate.",
            "{ allowUnfree",
            "config.allowUnfree",
        ),
        ("undefined variable 'x'", "--argstr", "None"),
        ("executing 'git': No such file", "with -I", "None"),
    ],
)
def test_the_way_out_is_one_that_there_is(said: str, of_file: str, of_flake: str) -> None:
    failed = NixFailed("it failed", status=1, hint=None, said=f"error: {said}")
    assert of_file in str(explained(failed).hint)
    told = str(explained(failed, of_flake=True).hint)
    assert of_flake in told
    assert "--arg" not in told
