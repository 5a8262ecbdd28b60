"""Which licence a project has: by its metadata, its licence file, or its sources' headers. Pure.

A guess for its author to look at: some words of a text are enough. What evidence says follows from whole
texts (`dependencies/licence_texts.py`).
"""

from __future__ import annotations

import re
from typing import Final

from orchestrator.pinning.copyright import license_of
from orchestrator.projects.guess import Guess
from orchestrator.projects.tree import Tree
from orchestrator.recipe.licence_names import nearest
from orchestrator.recipe.licences import check_license, spdx

_FILE: Final = re.compile(r"(?i)^(licen[cs]e|copying|copyright|unlicense)([-._][\w.+-]*)?$")
_TEXTS: Final = (
    ("AGPL-3.0", r"GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-3.0", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 3"),
    ("LGPL-2.1", r"GNU LESSER GENERAL PUBLIC LICENSE\s+Version 2\.1"),
    ("LGPL-2.0", r"GNU LIBRARY GENERAL PUBLIC LICENSE\s+Version 2"),
    ("GPL-3.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 3"),
    ("GPL-2.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 2"),
    ("GPL-1.0", r"GNU GENERAL PUBLIC LICENSE\s+Version 1"),
    ("Apache-2.0", r"Apache License\s+Version 2\.0, January 2004"),
    ("MPL-2.0", r"Mozilla Public License,? [Vv]ersion 2\.0"),
    ("BSL-1.0", r"Boost Software License - Version 1\.0"),
    ("CC0-1.0", r"CC0 1\.0 Universal"),
    ("Unlicense", r"This is free and unencumbered software released into the public domain"),
    ("Artistic-2.0", r"The Artistic License 2\.0"),
    (
        "ISC",
        r"Permission to use, copy, modify, and/?(or)? distribute this software for any\s+purpose with",
    ),
    ("Zlib", r"This software is provided 'as-is', without any express or implied\s+warranty"),
    ("MIT", r"Permission is hereby granted, free of charge, to any person obtaining a\s+copy"),
    ("BSD-4-Clause", r"All advertising materials mentioning features or use of this software"),
    ("BSD-3-Clause", r"(Neither the names?|The names?) (of|may)\b[^.]*(endorse|promote)"),
    ("BSD-2-Clause", r"Redistribution and use in source and binary forms"),
)
"""Each licence by words of its text, those first that hold the words of others."""
_OLDER: Final = re.compile(r"either version|any later version|or \(at your option\)", re.IGNORECASE)
_SOURCES: Final = (".c", ".h", ".cc", ".cpp", ".py", ".sh", ".rs", ".go", ".pl", ".pm", ".js", ".y")
_LOOKED_AT: Final = 40
_HEADER: Final = 4000


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


def of_files(tree: Tree) -> Guess | None:
    """By debian/copyright where it is machine-readable, else by the text of the licence's file."""
    if (text := tree.read("debian/copyright")) and (said := license_of(text)):
        try:
            return Guess(check_license(said), "debian/copyright")
        except ValueError:
            pass
    for path in sorted((path for path in tree.top if _FILE.match(path)), key=lambda path: (len(path), path)):
        text = tree.read(path) or ""
        for name, words in _TEXTS:
            if found := re.search(words, text):
                where = f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
                return _gnu(tree, name, where) if "GPL" in name else Guess(name, where)
    return of_headers(tree)


def of_headers(tree: Tree) -> Guess | None:
    """`SPDX-License-Identifier:` of its sources, where those looked at say the same."""
    found: dict[str, str] = {}
    for path in tree.named(*_SOURCES)[:_LOOKED_AT]:
        text = (tree.read(path) or "")[:_HEADER]
        if said := re.search(r"SPDX-License-Identifier:\s*([^\n*]+?)\s*(\*/|-->|$)", text, re.MULTILINE):
            found.setdefault(said[1], f"{path}:{text.count(chr(10), 0, said.start()) + 1}")
    if len(found) != 1:
        return None
    ((said_, where),) = found.items()
    return of_name(Guess(said_, where))


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
