"""Which licence a project has: by its metadata, its licence's file, or its sources' headers. Pure.

A text that is known word for word says it (`dependencies/licence_texts.py`). Of another, some words are
enough for a guess, with a remark: somebody has to look at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from orchestrator.dependencies.licence_texts import LARGEST, identified, is_text
from orchestrator.ground.wording import some
from orchestrator.pinning.copyright import license_of
from orchestrator.projects.guess import Guess
from orchestrator.projects.licence_words import by_words
from orchestrator.projects.tree import Tree
from orchestrator.recipe.licence_names import nearest
from orchestrator.recipe.licences import check_license, spdx

_NOTICE: Final = re.compile(r"(?i)copyright([-._][\w.+-]*)?")
"""A file that has a licence's text in some projects, and says who wrote them in others."""
_OLDER: Final = re.compile(r"either version|any later version|or \(at your option\)", re.IGNORECASE)
_SOURCES: Final = (".c", ".h", ".cc", ".cpp", ".py", ".sh", ".rs", ".go", ".pl", ".pm", ".js", ".y")
_LOOKED_AT: Final = 40
_HEADER: Final = 4000
_SHOWN: Final = 3
_SHORT: Final = 1000
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class Licence:
    """What a project's files say of its licence."""

    guess: Guess | None
    """None: they say nothing, or more than one thing."""
    remarks: tuple[str, ...] = ()
    """What somebody has to look at."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A licence's file."""

    path: str
    licence: str | None
    """Its identifier; of the GNU licences without what it says of later versions. None: it is not known."""
    line: int = 1
    known: bool = True
    """Whether it is that licence's text word for word."""


def of_name(said: Guess | None) -> Guess | None:
    """An SPDX expression for what metadata calls a licence; None where it is not clear which is meant."""
    if said is None:
        return None
    text = " ".join(said.value.split())
    if len(text) > 200:
        return None
    try:
        return Guess(check_license(text), said.where)
    except ValueError:
        pass
    found = nearest(text, spdx().known_symbols)
    if len(found) == 1:
        return Guess(found[0], f"{said.where}, which calls it {text!r}")
    return None


def of_project(tree: Tree, claimed: Guess | None) -> Licence:
    """By its metadata, else its licence's file, else its sources' headers, which may say more than those."""
    guess, remarks = of_name(claimed), tuple[str, ...]()
    headers = list(_headers(tree))
    if guess is None:
        found = _of_files(tree, headers)
        guess, remarks = found.guess, found.remarks
    if guess is None and not remarks and len(headers) == 1 and headers[0].sure:
        return Licence(headers[0])
    others = [f"{each.value} ({each.where})" for each in headers if not _covers(guess, each)]
    if others:
        beside = f", and {guess.where} is taken to say {guess.value}" if guess else ""
        remarks += (f"sources say {some(others, _SHOWN)}{beside}: say in `license` what holds",)
    return Licence(guess, remarks)


def _of_files(tree: Tree, headers: list[Guess]) -> Licence:
    """By debian/copyright where it is machine-readable, else by the text of the licence's file."""
    if (text := tree.read("debian/copyright")) and (said := license_of(text)):
        try:
            return Licence(Guess(check_license(said), "debian/copyright"))
        except ValueError:
            pass
    texts = list(_texts(tree))
    names = {each.licence for each in texts if not _points(tree, each, texts)}
    if "LGPL-3.0" in names:  # its text has the GPL beside it as a part
        names -= {"GPL-3.0"}
        texts.sort(key=lambda each: each.licence != "LGPL-3.0")
    texts.sort(key=lambda each: each.licence is None)
    if len(names) > 1:
        told = [f"{each.path} ({each.licence or 'not known'})" for each in texts]
        remark = (
            f"there are several licences: {some(told, _SHOWN)}: say in `license` which hold, "
            "with OR where users choose one and with AND where all hold"
        )
        return Licence(None, (remark,))
    guess = _guess(tree, texts[0], headers) if texts else None
    return Licence(guess, tuple(filter(None, map(_remark, texts))))


def _texts(tree: Tree) -> Iterator[_Text]:
    """Files of licences at the top, those with short names first; a notice of copyright where it is one."""
    for path in sorted(tree.top, key=lambda path: (len(path), path)):
        if not is_text(path) and not _NOTICE.fullmatch(path):
            continue
        text = tree.read(path) or ""
        if len(text) <= LARGEST and (licence := identified(text)):
            yield _Text(path, licence.removesuffix("-only"))
        elif told := by_words(text):
            name, line = told
            yield _Text(path, name, line, known=False)
        elif text.strip() and is_text(path):
            yield _Text(path, None)


def _points(tree: Tree, text: _Text, texts: list[_Text]) -> bool:
    """Whether a short text that is no licence's sends its readers to another of these files."""
    said = tree.read(text.path) or ""
    names = "|".join(re.escape(each.path) for each in texts if each is not text)
    return (
        text.licence is None
        and len(said) <= _SHORT
        and re.search(rf"(?i:\b(?:see|in|to|read) +(?:the +)?(?:file +)?)[\"'`]?(?:{names})(?![\w-])", said)
        is not None
    )


def _guess(tree: Tree, text: _Text, headers: list[Guess]) -> Guess | None:
    """What a text says; of a GNU licence, sources say whether later versions are allowed, too."""
    name, where = text.licence, f"{text.path}:{text.line}"
    if name is None or "GPL" not in name:
        return Guess(name, where) if name else None
    said = [each for each in headers if each.value in (f"{name}-only", f"{name}-or-later")]
    return Guess(said[0].value, f"{where} and {said[0].where}") if len(said) == 1 else _gnu(tree, name, where)


def _remark(text: _Text) -> str | None:
    if text.licence is None:
        return f"{text.path} is the text of no licence that is known here: look at it"
    if not text.known:
        return (
            f"{text.path} has words of {text.licence}, and is not the text of that word for word: look at it"
        )
    return None


def _headers(tree: Tree) -> Iterator[Guess]:
    """What `SPDX-License-Identifier:` says in the sources that are looked at, each licence once."""
    found: dict[str, Guess] = {}
    for path in tree.named(*_SOURCES)[:_LOOKED_AT]:
        text = (tree.read(path) or "")[:_HEADER]
        if said := re.search(r"SPDX-License-Identifier:\s*([^\n*]+?)\s*(\*/|-->|$)", text, re.MULTILINE):
            told = Guess(said[1], f"{path}:{text.count(chr(10), 0, said.start()) + 1}")
            licence = of_name(told) or Guess(said[1][:_LONGEST], told.where, sure=False)
            found.setdefault(licence.value, licence)
    yield from found.values()


def _covers(guess: Guess | None, header: Guess) -> bool:
    """Whether all licences of a source's header are among those guessed."""
    if guess is None or not header.sure:
        return False
    return set(spdx().license_keys(header.value)) <= set(spdx().license_keys(guess.value))


def _gnu(tree: Tree, name: str, where: str) -> Guess:
    """That version alone, or later ones too: sources' headers say which, the licence's text is the same."""
    family = "lesser|library" if "LGPL" in name else "affero" if "AGPL" in name else "general public"
    for path in [*tree.named(*_SOURCES)[:_LOOKED_AT], *sorted(p for p in tree.top if p.startswith("README"))]:
        text = re.sub(r"[\s*#/]+", " ", (tree.read(path) or "")[:_HEADER])
        if re.search(family, text, re.IGNORECASE) and _OLDER.search(text):
            return Guess(f"{name}-or-later", f"{where} and {path}, which allows later versions")
        if re.search(rf"\b{family}\b", text, re.IGNORECASE):
            return Guess(f"{name}-only", f"{where} and {path}, which allows no later one")
    return Guess(f"{name}-only", f"{where}; no source was found that allows a later version")
