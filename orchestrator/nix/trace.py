"""Nix's words for an evaluation that failed, shortened: the place, what is wrong, how it came there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from orchestrator.ground.errors import TallyError
from orchestrator.nix.command import NixFailed

_PLACE = re.compile(r"^\s*(?:at|, at) (\S+?:\d+(?::\d+)?):?\s*$")
_ERROR = re.compile(r"^\s*error: (.+)$")
_STEP = re.compile(r"^\s*(?:… |\.\.\. )(.+)$")
_FETCHED = re.compile(r"(?<![\w/])/\S*?nix/store/[0-9a-z]{32}-source/")
"""Where Nix put a flake; files are told by their place in it."""
_ADVICE = re.compile(
    r" \((?:stack trace truncated; )?use '?--[^)]*\)"  # (use '--impure' to override)
    r"|; (?:use|add|try) '--[^']*' to [^;.()]*"  # ; use '--extra-experimental-features x' to override
)
"""Nix's, of options that no user of ours has."""
_STEPS = 4
_OF_ARGUMENTS = ("undefined variable", "syntax error")
_OURS = ("expression.nix", "describe.nix", "(string)")
_OTHER_FETCHES = (
    "executing 'git'",
    "program 'git' failed",
    "'flakes' is disabled",
    "'fetch-tree' is disabled",
    "attribute 'fetchtree' missing",
    "attribute 'getflake' missing",
)
_FROM_DERIVATION = (
    "what is built while it is evaluated has no evidence: put the file that it makes into the tree"
)
_FLOATING = "only a build tells its store path: evaluate it without `__contentAddressed` and `__impure`"
_HINTS = {
    "forbidden in restricted mode": (
        "evaluation reads the file's own repository and what -I names: give the rest with -I NAME=PATH"
    ),
    "import-from-derivation": _FROM_DERIVATION,
    "import from derivation": _FROM_DERIVATION,
    "ca-derivations": _FLOATING,
    "impure-derivations": _FLOATING,
    "experimental nix feature": (
        "features that Nix calls experimental are off where things are evaluated: go without it"
    ),
    "in pure eval": "a flake is evaluated without what the machine has: let an input of the flake have it",
    "are off where a file is evaluated": (
        "a file fetches with fetchTarball or fetchurl and a sha256; give the rest with -I NAME=PATH"
    ),
    "unable to download": "see whether the address answers; or give a folder that has it, with -I NAME=PATH",
    "no such file or directory": (
        "what is evaluated has no such file: of a git repository it has the files that git knows (a flake), "
        "or does not ignore (-f): see `git status`"
    ),
    "stack overflow": "something there calls itself without an end, or thousands of times",
    "infinite recursion": "a value there needs itself to be known",
}
"""What a message says, in small letters, to the way out; the first counts."""
_OF_FLAKES = {
    "was not found in the nix search path": (
        "a flake is evaluated without what the machine has: let an input of the flake have it"
    ),
    "unable to download": "see whether the address answers",
}
"""The same where a flake is evaluated, for which there is no -I, --arg or --argstr."""
_MARKED = {
    "marked as broken": "allowBroken = true;",
    "marked as insecure": 'permittedInsecurePackages = [ "NAME-VERSION" ];',
    "unfree": "allowUnfree = true;",
    "not available on": "allowUnsupportedSystem = true;",
    "not supported on": "allowUnsupportedSystem = true;",
}
"""What nixpkgs refuses to evaluate, and what of its `config` allows it ("Global configuration")."""


def explained(
    error: NixFailed, folders: Mapping[Path, str] = MappingProxyType({}), *, of_flake: bool = False
) -> TallyError:
    """The error for the one who wrote the expression. `folders` are shown by what stands for them."""
    text = error.said
    for folder, shown in folders.items():
        text = text.replace(f"{folder}/", f"{shown}/" if shown else "").replace(str(folder), shown or ".")
    text = _FETCHED.sub("", text)
    found = list(_parts(text))
    told = [(message, place) for message, place in found if message is not None]
    if not told:
        return error
    message, place = _ADVICE.sub("", str(told[-1][0])), told[-1][1]
    if not of_flake and any(each in message.lower() for each in _OTHER_FETCHES):
        message = "fetchGit, fetchTree and getFlake are off where a file is evaluated"
    steps = [step for step in _steps(text) if step][:_STEPS]
    head = f"{place}: {message}" if place else message
    hint = _hint(message, of_flake=of_flake)
    if hint is None and place is None and not of_flake and message.startswith(_OF_ARGUMENTS):
        hint = "--arg gives an expression of Nix: for a text, as in NAME=world, take --argstr"
    return TallyError("\n".join([head, *steps]), hint=hint)


def _parts(text: str) -> Iterator[tuple[str | None, str | None]]:
    """Each error that Nix tells, with the place that follows it, or one that leads to it."""
    lines = text.splitlines()
    messages = [(number, found[1]) for number, line in enumerate(lines) if (found := _ERROR.match(line))]
    for number, message in messages:
        more = []
        for line in lines[number + 1 :]:
            if not line.strip() or _PLACE.match(line) or _STEP.match(line):
                break
            more.append(line.strip())
        places = [found[1] for line in lines[number:] if (found := _PLACE.match(line))]
        before = [found[1] for line in lines[:number] if (found := _PLACE.match(line))]
        place = next((each for each in (*places, *reversed(before)) if not _is_ours(each)), None)
        yield " ".join([message, *more]), place


def _steps(text: str) -> Iterator[str]:
    """How evaluation came there, without our own files."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if step := _STEP.match(line):
            place = next(
                (found[1] for after in lines[number : number + 3] if (found := _PLACE.match(after))), None
            )
            if place is not None and not _is_ours(place):
                yield f"{place}: {step[1]}"


def _is_ours(place: str) -> bool:
    return place.split(":", maxsplit=1)[0].endswith(_OURS) or place.startswith("«")


def _hint(message: str, *, of_flake: bool) -> str | None:
    lowered = message.lower()
    if allowed := next((allows for said, allows in _MARKED.items() if said in lowered), None):
        if of_flake:
            return f"to build it all the same, let the flake import its package set with `config.{allowed}`"
        return f"to build it all the same, where the file hands `config` on: --arg config '{{ {allowed} }}'"
    if of_flake and (hint := next((hint for said, hint in _OF_FLAKES.items() if said in lowered), None)):
        return hint
    if "was not found in the nix search path" in lowered:
        name = re.search(r"file '([^']+)' was not found", message)
        what = name[1].split("/")[0] if name else "nixpkgs"
        return (
            f"nothing of the machine stands for <{what}>: pin it with -I {what}=PATH, a checkout of it, "
            "or let the file fetch it, with a sha256"
        )
    if not of_flake and (called := re.search(r"called without required argument '([^']+)'", message)):
        return f"give it one: --argstr {called[1]} TEXT, or --arg {called[1]} EXPRESSION"
    return next((hint for said, hint in _HINTS.items() if said in lowered), None)
