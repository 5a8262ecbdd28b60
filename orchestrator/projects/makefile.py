"""A project with a plain Makefile. Pure."""

from __future__ import annotations

import re
from typing import Final

from orchestrator.projects import needs
from orchestrator.projects.collected import Collected
from orchestrator.projects.guess import Claims, Guess, Identity, Way
from orchestrator.projects.tree import Tree

_FILES: Final = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which make looks for them."""
_FURTHER: Final = re.compile(r"(?i)makefile[.-].+|.+\.(mk|mak)|make\.inc")
"""Files that Makefiles include, or call."""
_VERSION: Final = re.compile(
    r"\s*(?:export\s+)?(?:[A-Z]*_?VERSION|version|VER|V)\s*[:?]?=\s*v?(\d[\w.+-]*)\s*(?:#.*)?$"
)
_RULE: Final = re.compile(r"^([A-Za-z0-9_./$(){} -]+?)\s*:(?![:=])([^=].*|)$")
_GENERATORS: Final = r"(?<![\w./$(-])(bison|yacc|flex|gperf|help2man|perl|python3|pod2man)\s"
_LONGEST: Final = 10_000
"""Characters of a list whose variables are looked up once more."""
_C: Final = (".c", ".h")
_CXX: Final = (".cc", ".cpp", ".cxx")


def seen(tree: Tree) -> str | None:
    """The Makefile at the top."""
    return tree.first(_FILES)


def claims(tree: Tree) -> Claims:
    """Its version, where a variable has one."""
    path = seen(tree) or ""
    for number, line in tree.lines(path):
        if found := _VERSION.match(line):
            return Claims(version=Guess(found[1], f"{path}:{number}"))
    return Claims()


def way(tree: Tree, identity: Identity) -> Way:
    """By `make` and its `install`, or by copying what `make` makes where there is none."""
    path = seen(tree) or ""
    text = tree.read(path) or ""
    rules = _rules(text)
    found = Collected()
    found.add(path, *(needs.C if tree.named(*_C, *_CXX) else ("make",)))
    if sources := tree.named(*_CXX):
        found.add(sources[0], needs.CXX)
    _linked(found, path, text)
    further = "\n".join(tree.read(each) or "" for each in sorted(tree.top) if _FURTHER.fullmatch(each))
    script, said = _installing(path, text, further, rules)
    if said:
        found.remarks.append(said)
    return Way(
        found.each_package,
        script,
        check=next((f"make {name}" for name in ("check", "test", "tests") if name in rules), None),
        remarks=found.each_remark,
    )


def _rules(text: str) -> dict[str, tuple[int, list[str]]]:
    """Each target of the Makefile to its line and what it needs, as it is written."""
    found: dict[str, tuple[int, list[str]]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if matched := _RULE.match(line):
            for target in matched[1].split():
                found.setdefault(target, (number, matched[2].split("#")[0].split(";")[0].split()))
    return found


def _installing(
    path: str, main: str, further: str, rules: dict[str, tuple[int, list[str]]]
) -> tuple[str, str | None]:
    """The script, and what is to be said of where it installs to."""
    if "install" not in rules:
        programs = _programs(main, rules)
        lines = ["make -j$NIX_BUILD_CORES"]
        if programs:
            lines.append(f"install -D -t $out/bin {' '.join(programs)}")
            return "\n".join(lines) + "\n", (
                f"{path} has no target `install`: what it makes, {', '.join(programs)}, is put into bin"
            )
        lines += ["# FILL IN: copy what was made into $out", "false"]
        return "\n".join(lines) + "\n", f"{path} has no target `install`, and what it makes was not found"
    for name, text in ((name, text) for text in (main, further) for name in ("PREFIX", "prefix")):
        if re.search(rf"\$[({{]{name}[)}}]|^{name}\s*[:?]?=", text, re.MULTILINE):
            made = f"make -j$NIX_BUILD_CORES {name}=$out\nmake install {name}=$out\n"
            if re.search(rf"\$[({{]{name}[)}}]/\S*bin\s+|mkdir|install\b[^\n]*-[a-zA-Z]*[dD]", text):
                return made, None
            return f"mkdir -p $out/bin $out/lib $out/include $out/share/man/man1\n{made}", None
    if re.search(r"\$[({]DESTDIR[)}]", main + further):
        return (
            "make -j$NIX_BUILD_CORES\nmake install DESTDIR=$out\n",
            f"{path} installs below DESTDIR: what it puts into /usr is in usr/ of the archive",
        )
    return (
        "make -j$NIX_BUILD_CORES\nmake install\n",
        f"{path} names neither PREFIX nor DESTDIR: `make install` has to write into $out",
    )


def _programs(text: str, rules: dict[str, tuple[int, list[str]]]) -> list[str]:
    """What the first target makes: by the Makefile's own variables, names that have a rule or are linked."""
    variables = dict(re.findall(r"^(\w+)\s*[:?]?=\s*([^#\n]*)", text, re.MULTILINE))

    def expanded(words: list[str]) -> list[str]:
        text = " ".join(words)
        for _ in range(5):
            if len(text) > _LONGEST:
                break
            text = re.sub(r"\$[({](\w+)[)}]", lambda found: variables.get(found[1], ""), text)
        return text.split()

    first = next((name for name in rules if not name.startswith(".")), None)
    goal = "all" if "all" in rules else first
    if goal is None:
        return []
    named = {each for name in rules for each in expanded([name])}
    needed = expanded(rules[goal][1]) if goal == "all" else expanded([goal])
    programs = [each for each in needed if each in named and re.fullmatch(r"[A-Za-z0-9_+-]+", each)]
    return programs or (expanded([goal]) if goal != "all" and re.fullmatch(r"[\w+-]+", goal) else [])


def _linked(found: Collected, path: str, text: str) -> None:
    """What its lines link with, ask pkg-config for, or run."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            continue
        where = f"{path}:{number}"
        for name in re.findall(r"(?<![\w-])-l([A-Za-z0-9_.+-]+)", line):
            if package := needs.of_library(name):
                found.add(where, package)
        for asked in re.findall(r"pkg-config\s+([\w.+ \t-]+)", line):
            words = [word for word in asked.split() if not word.startswith("-")]
            for module in needs.modules_in(" ".join(words)):
                found.module(module, where, optional=False)
        for program in re.findall(_GENERATORS, line) if line.startswith("\t") else ():
            found.add(where, needs.of_program(program) or program)
