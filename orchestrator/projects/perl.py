"""A Perl distribution, with Makefile.PL or Build.PL. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from orchestrator.projects.guess import Claims, Guess, Identity, Way, distinct
from orchestrator.projects.tree import Tree

_LICENCES: Final = {
    "perl_5": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    "apache_2_0": "Apache-2.0",
    "artistic_2": "Artistic-2.0",
    "bsd": "BSD-3-Clause",
    "gpl_2": "GPL-2.0-only",
    "gpl_3": "GPL-3.0-only",
    "lgpl_2_1": "LGPL-2.1-only",
    "mit": "MIT",
}
"""CPAN::Meta::Spec's words."""


def seen(tree: Tree) -> str | None:
    """The file that makes its Makefile, or builds it."""
    return tree.first(["Makefile.PL", "Build.PL"])


def claims(tree: Tree) -> Claims:
    """What META.json says, and else Makefile.PL."""
    return _of_meta(tree).over(_of_makefile(tree))


def way(tree: Tree, identity: Identity) -> Way:
    """By MakeMaker, or Module::Build; without perllocal.pod and packlists, which have the time in them."""
    where = seen(tree) or ""
    packages = [Guess("perl", where)]
    if where == "Makefile.PL":
        packages.append(Guess("make", where))
        script = (
            "perl Makefile.PL PREFIX=$out INSTALLDIRS=site NO_PACKLIST=1 NO_PERLLOCAL=1\n"
            "make -j$NIX_BUILD_CORES\n"
            "mkdir $out    # else its group could write it\n"
            "make install\n"
        )
        check = "make test"
    else:
        packages.append(Guess("libmodule-build-perl", where))
        script = "perl Build.PL --install_base $out --create_packlist 0\n./Build\n./Build install\n"
        check = "./Build test"
    if compiled := tree.named(".xs"):
        packages += [Guess(name, compiled[0]) for name in ("gcc", "libc6-dev", "libperl-dev")]
    return Way(distinct(packages), script, check=check)


def _of_meta(tree: Tree) -> Claims:
    try:
        said: Any = json.loads(tree.read("META.json") or "{}")
    except (ValueError, RecursionError):
        return Claims()
    if not isinstance(said, dict):
        return Claims()

    def guess(value: object, key: str) -> Guess | None:
        return tree.find("META.json", f'"{key}"', value) if isinstance(value, str) and value else None

    resources = said.get("resources") if isinstance(said.get("resources"), dict) else {}
    repository = (resources or {}).get("repository")
    page = (resources or {}).get("homepage") or (
        repository.get("web") if isinstance(repository, dict) else None
    )
    licences = said.get("license")
    first = licences[0] if isinstance(licences, list) and len(licences) == 1 else None
    licence = guess(first, "") if first else None
    return Claims(
        guess(said.get("name"), "name"),
        guess(said.get("version"), "version"),
        guess(said.get("abstract"), "abstract"),
        guess(page, ""),
        Guess(_LICENCES[licence.value], licence.where) if licence and licence.value in _LICENCES else None,
    )


def _of_makefile(tree: Tree) -> Claims:
    said: dict[str, Guess] = {}
    for number, line in tree.lines("Makefile.PL"):
        found = re.match(
            r"""\s*['"]?(NAME|DISTNAME|VERSION|VERSION_FROM|ABSTRACT)['"]?\s*=>\s*['"]([^'"]+)['"]""", line
        )
        if found:
            said.setdefault(found[1], Guess(found[2], f"Makefile.PL:{number}"))
    name = said.get("DISTNAME") or said.get("NAME")
    return Claims(
        name=Guess(name.value.replace("::", "-"), name.where) if name else None,
        version=said.get("VERSION") or _module_version(tree, said.get("VERSION_FROM")),
        summary=said.get("ABSTRACT"),
    )


def _module_version(tree: Tree, path: Guess | None) -> Guess | None:
    for number, line in tree.lines(path.value) if path else ():
        if found := re.search(r"\$VERSION\s*=\s*['\"]?v?([\d.]+)", line):
            return Guess(found[1], f"{path.value}:{number}" if path else "")
    return None
