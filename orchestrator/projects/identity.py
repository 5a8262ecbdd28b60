"""What a recipe says of its package: from the build files, and else from whatever there is. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.projects import licence_files
from orchestrator.projects.guess import Claims, Guess, Identity
from orchestrator.projects.tree import Tree
from orchestrator.recipe.licences import check_license
from orchestrator.recipe.names import NAME_LIMIT, VERSION_LIMIT, check_name, check_version
from orchestrator.recipe.placeholders import NO_HOMEPAGE, NO_LICENCE, NO_VERSION
from orchestrator.recipe.values import address

_READMES: Final = ("README.md", "README.rst", "README", "README.txt", "readme.md", "Readme.md")
_FIRST_LINES: Final = 60
_LONGEST: Final = 200
_FEW: Final = 6
_NO_SUMMARY: Final = ("Please ", "This is the README", "See ", "Copyright", "To ", "For ", "Bug", "One ")
_NO_PAGE: Final = re.compile(
    r"\.(svg|png|gif|jpe?g|gz|zip|xz|bz2|tgz|deb|whl)$|badge|shields|travis|codecov|/actions/|/issues|/wiki/"
    r"|coverity|opencollective|/blob/"
)
_UNFIT: Final = re.compile(r"[^A-Za-z0-9+._-]+")
NOTHING: Final = "nothing here says it"
_UNSETTLED: Final = "what is here does not settle it"


def identity(tree: Tree, claims: Claims, answers: Mapping[str, str]) -> Identity:
    """Each value with where it is from. What a person answered goes before all."""
    said = {key: Guess(value, "your answer") for key, value in answers.items()}
    name = _first(check_name, _cleaned(said.get("name") or claims.name, NAME_LIMIT))
    name = name or _first(check_name, _cleaned(_of_folder(tree), NAME_LIMIT))
    name = name or Guess("project", NOTHING, sure=False)
    version = _first(
        check_version,
        *(_cleaned(each, VERSION_LIMIT) for each in (said.get("version"), claims.version, *_versions(tree))),
    )
    answer = licence_files.of_name(said.get("license"))
    licence = licence_files.Licence(answer) if answer else licence_files.of_project(tree, claims.license)
    return Identity(
        name,
        version or Guess(NO_VERSION, NOTHING, sure=False),
        _summary(tree, said.get("summary") or claims.summary, name.value),
        _first(
            _page, said.get("homepage"), claims.homepage, _of_remote(tree), _of_readme_link(tree, name.value)
        )
        or Guess(NO_HOMEPAGE, NOTHING, sure=False),
        licence.guess or Guess(NO_LICENCE, _UNSETTLED if licence.remarks else NOTHING, sure=False),
        licence.remarks,
    )


def problem(key: str, value: str) -> str | None:
    """Why a person's answer cannot be taken; None: it can."""
    try:
        match key:
            case "name":
                check_name(value)
            case "version":
                check_version(value)
            case "homepage":
                _page(value)
            case "license":
                check_license(value)
            case _:
                if not value.strip() or not value.isprintable():
                    raise ValueError("expected a text on one line")
    except ValueError as error:
        return str(error)
    return None


def _page(value: str) -> str:
    return str(address("https", "http").func(value))


def _first(check: Callable[[str], str], *guesses: Guess | None) -> Guess | None:
    for each in guesses:
        if each is not None:
            try:
                return Guess(check(each.value), each.where)
            except ValueError:
                continue
    return None


def _cleaned(guess: Guess | None, limit: int) -> Guess | None:
    """A value with what a recipe's name cannot hold replaced, as the `@` and `/` of npm's."""
    if guess is None:
        return None
    value = _UNFIT.sub("-", guess.value.strip()).strip("-._+")[:limit]
    return Guess(value, guess.where) if value else None


def _of_folder(tree: Tree) -> Guess | None:
    name = re.sub(r"[-_]v?\d[\d.]*\w*$", "", tree.folder)
    return Guess(name, "the folder's name") if name else None


def _versions(tree: Tree) -> list[Guess]:
    found = []
    for path in ("VERSION", "version", "VERSION.txt", ".version", ".tarball-version"):
        text = (tree.read(path) or "").strip()
        if re.fullmatch(r"v?\d[\w.+-]*", text):
            found.append(Guess(text.removeprefix("v"), f"{path}:1"))
    for path in ("debian/changelog",):
        first = next((line for _, line in tree.lines(path)), "")
        if said := re.match(r"\S+ \((?:\d+:)?([^)]+?)(?:-[^-)]+)?\)", first):
            found.append(Guess(said[1], f"{path}:1"))
    if tree.tag and (said := re.search(r"v?(\d[\w.+]*(?:-(?:rc|alpha|beta)[\w.]*)?)$", tree.tag)):
        found.append(Guess(said[1], f"git's tag {tree.tag}"))
    if said := re.search(r"[-_]v?(\d[\d.]*\w*)$", tree.folder):
        found.append(Guess(said[1], "the folder's name"))
    return found


def _summary(tree: Tree, said: Guess | None, name: str) -> Guess:
    if said is not None and (text := _line(said.value)):
        return Guess(text, said.where)
    for path in _READMES:
        if found := _of_readme(tree, path, name):
            return found
    return Guess(f"The project {name}", NOTHING, sure=False)


def _of_readme(tree: Tree, path: str, name: str) -> Guess | None:
    """Its first sentence that names the project, of a paragraph without commands, badges or links."""
    lines = dict(tree.lines(path))
    fenced = False
    for number, line in lines.items():
        if number > _FIRST_LINES:
            break
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        before = lines.get(number - 1, "").strip()
        if (
            fenced
            or (before and not re.fullmatch(r"[#=~*-]+.*", before))
            or _is_frame(lines.get(number + 1, ""))
        ):
            continue
        if re.match(r"[A-Z0-9*_`]", line) and " " in line.strip():
            paragraph = [line]
            while (more := lines.get(number + len(paragraph), "")).strip() and len(paragraph) < _FEW:
                paragraph.append(more)
            text = _line(re.sub(r"[*`]{1,2}", "", " ".join(paragraph)))
            sentence = re.split(r"(?<=[a-z0-9)])\.\s", text)[0].removesuffix(".")
            if _is_summary(sentence) and _alike(name) in _alike(sentence):
                return Guess(sentence, f"{path}:{number}")
    return None


def _alike(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower()).removeprefix("lib")


def _is_frame(line: str) -> bool:
    return re.fullmatch(r"\s*([=~*-])\1{2,}\s*", line) is not None


def _is_summary(text: str) -> bool:
    return (
        15 < len(text) <= _LONGEST
        and not re.search(r"://|\]\(|\]\[|<\w", text)
        and not text.startswith(_NO_SUMMARY)
    )


def _of_readme_link(tree: Tree, name: str) -> Guess | None:
    """The first address in a README that has the project's name in it, and is no picture's."""
    for path in _READMES:
        for number, line in tree.lines(path):
            for link in re.findall(r"https?://[^\s<>()\[\]\"'`]+", line):
                plain = link.rstrip(".,;:")
                if name.lower() in plain.lower() and not re.search(_NO_PAGE, plain):
                    return Guess(_repository(plain), f"{path}:{number}")
    return None


def _repository(page: str) -> str:
    """Of a page of a forge, that of its repository."""
    parts = page.split("/")
    return "/".join(parts[:5]) if re.search(r"^(github|gitlab|codeberg)\.", parts[2]) else page


def _line(text: str) -> str:
    text = " ".join(text.split())
    return text[:_LONGEST].rstrip() if text.isprintable() else ""


def _of_remote(tree: Tree) -> Guess | None:
    return Guess(tree.remote, "the repository's origin") if tree.remote else None
