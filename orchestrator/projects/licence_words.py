"""Which licence a text speaks of, by some words of it: a guess. Pure."""

from __future__ import annotations

import re
from typing import Final

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


def by_words(text: str) -> tuple[str, int] | None:
    """A licence, of GNU's without what it says of later versions, and the line with its words."""
    for name, words in _TEXTS:
        if found := re.search(words, text):
            return name, text.count("\n", 0, found.start()) + 1
    return None
