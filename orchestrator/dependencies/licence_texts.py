"""Which licence a file of a package is the text of, by the texts of choosealicense.com. Pure.

A text counts as a licence only where it has each of its words in order, but for what SPDX's matching
guidelines (SPDX 2.3, annex B) leave open: layout, punctuation, marks of lists, titles, notices of copyright,
and names of its holders. A sentence more or less, and it is a licence of its own, which nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

_FILES: Final = re.compile(r"(?is)(?:(?:un)?licen[cs]es?|copying)(?:[\W\d_].*)?")
LARGEST: Final = 1 << 18
"""Bytes of such a file."""
_NO_TEXTS: Final = re.compile(r"(?is).*\.(?:c|css|go|h|js|json|mjs|py|pyc|rb|rs|sh|spdx|toml|ts|xml|ya?ml)")
_EXACT: Final = {
    "AGPL-3.0": "AGPL-3.0-only",
    "GPL-2.0": "GPL-2.0-only",
    "GPL-3.0": "GPL-3.0-only",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-3.0": "LGPL-3.0-only",
}
"""The text alone says nothing of later versions."""
_NOTICE: Final = re.compile(
    r"(?!.{200})\W*(?:(?:portions )?copyright\b.*(?:\(c\)|©|\d{4}|[\[<{])|(?:\(c\)|©)\W*\d{4}"
    r"|all rights reserved\W*$).*"
)
_NAMED: Final = re.compile(r"\W*(?:copyright\b|\(c\)|©).{1,80}")
"""A notice without a year, where it is a paragraph's first line."""
_TERM: Final = (
    r"(?:licen[cs]e[ds]?\b|permi|(?:non-?)?commerc|prohibit|forbid|restrict|(?:re)?distribut|evaluat|consent|royalt"
    r"|proprietary|confidential|unauthori|allow|agree|requir|modif|deploy|infring|resel|subscri"
    r"|(?:use[dr]?|users|using|usage|must|may|shall|should|can|cannot|no|not|non|nobody|nor|never|notice|only|without"
    r"|unless|except|provided|need(?:s|ed)?|pays?|paid|paying|payment|fees?|charges?|sell|sells|selling|sold|sale|resale"
    r"|copying|copies|terms?|conditions?|purposes?|personal|internal|claims?|patents?|you|your|we|our|it|its|this|these"
    r"|that|which|who|whose|if|any|such|under|is|are|be|been|was|were|has|have|euros?|dollars?)\b)"
)
_TERMS: Final = re.compile(rf"\b{_TERM}")
"""What makes more of a line than a notice, and of words than a name."""
_SENTENCE: Final = re.compile(
    r"\b(?!(?:copyright|inc|ltd|llc|co|corp|gmbh|bv|jr|sr|dr|prof|st|al|\d+|\w)\b)\w+\W*[.!?;:]\s+\w"
    r"|[\u3002\uff01\uff1f\uff1b\uff1a]"
)
"""Where a second sentence begins."""
_ASIDE: Final = re.compile(
    r"[\s.,;]*\ball rights reserved\b|\bits affiliates\b|\S*@\S+|<?http://\S+"
    r"|modifi(?:ed work|cations) copyright"
)
"""What notices have beside names."""
_TITLE: Final = re.compile(
    r"(?=.*licen[cs]e)\W*(?:\b(?:the|an?|under|this|is|released|following|new|revised|simplified|or|of|0?bsd|zero|zlib|x11"
    r"|[23]|2\.0|v2|version|apache|clause|expat|free|isc|licen[cs]es?|mit|mozilla|open|public|software|source|style)\b\W*){1,8}"
)
_CALLED: Final[Mapping[str, tuple[str, ...]]] = {
    r"\bapache\b": ("Apache",),
    r"\bmozilla\b": ("MPL",),
    r"\bzlib\b": ("Zlib",),
    r"\bisc\b": ("ISC",),
    r"\b(?:mit|expat|x11)\b": ("MIT",),
    r"bsd\b": ("BSD", "0BSD"),
}
"""Names in titles, and how the identifiers begin that they are of."""
_MARK: Final = re.compile(r"(?m)^[ \t]*(?!\(c\))(?:[-*+•o]|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)])[ \t]+")
_WORD: Final = re.compile(r"[^\W_]+|\ufffd")
"""What is no UTF-8 may say anything."""
_HOLDER: Final = rf"(?: (?:this(?= project )|(?!{_TERM})\w+)){{1,12}}? "
_OPEN: Final = (
    (
        "name of the copyright holder nor the names of its contributors",
        rf"name of{_HOLDER}nor (?:the names?|those) of(?: \w+){{0,3}} contributors",
    ),
    ("provided by the copyright holders and contributors as is", rf"provided by{_HOLDER}as is"),
    (
        r"shall the (?:copyright holder|authors?)(?: or (?:contributors|copyright holders))? be liable",
        rf"shall{_HOLDER}be liable",
    ),
    ("and the author disclaims", rf"and{_HOLDER}disclaims?"),
    ("modify and or distribute", "modify and(?: or)? distribute"),
    (
        "and this permission notice shall",
        "and this permission notice(?: including the next paragraph)? shall",
    ),
)
"""What stands for a name in a licence's text, or for words that it may lack, and what may stand there."""
_ENDS: Final = " end of terms and conditions"
_ADVICE: Final = "third party archives"
"""The last words of the Apache licence on how to apply it, before the notice that it gives for that."""
_SLACK: Final = 0.25
"""Of a text's words, how many more or fewer may be its names and its appendix."""


def is_text(name: str) -> bool:
    """Whether a file of this name, in a package's top folder, may be a licence's text."""
    return _FILES.fullmatch(name) is not None and _NO_TEXTS.fullmatch(name) is None


def told_by(texts: Iterable[bytes]) -> str | None:
    """The licence that these files of a package say, as an SPDX expression; None: not known.

    All of them hold at once, since their texts do not say which of several a user may choose; but the Lesser
    GPL 3 has the GPL 3 beside it as a part. One that nobody knows makes all of it unknown.
    """
    found: set[str] = set()
    for content in texts:
        licence = identified(content.decode("utf-8", "replace")) if len(content) <= LARGEST else None
        if licence is None:
            return None
        found.add(licence)
    if "LGPL-3.0-only" in found:
        found.discard("GPL-3.0-only")
    return " AND ".join(sorted(found)) or None


def identified(text: str) -> str | None:
    """The SPDX identifier of the licence that this is the text of, and of nothing else; None: not known."""
    words = _words(text)
    if not words:
        return None
    count = words.count(" ")
    for size, spdx, pattern in _known():
        if abs(size - count) <= _SLACK * size and pattern.fullmatch(words):
            return None if _is_called_another(text, spdx) else spdx
    return None


def _is_called_another(text: str, spdx: str) -> bool:
    """Whether one of its titles is another licence's."""
    titles = [line for line in _lines(text) if _TITLE.fullmatch(line)]
    return any(
        re.search(name, title) and not spdx.startswith(begins)
        for title in titles
        for name, begins in _CALLED.items()
    )


@cache
def _known() -> tuple[tuple[int, str, re.Pattern[str]], ...]:
    """Number of words, identifier, and pattern of all the words of each text that is known."""
    from identify.vendor.licenses import LICENSES

    return tuple(
        (words.count(" "), _EXACT.get(name, name), re.compile(_pattern(words)))
        for name, text in LICENSES
        for words in _forms(_words(text))
    )


def _forms(words: str) -> Iterator[str]:
    """With and without what follows its terms, which is how to apply it."""
    yield words
    terms, end, rest = words.partition(_ENDS)
    if rest:
        yield terms + end
        yield terms
        if _ADVICE in rest:
            yield terms + end + rest.partition(_ADVICE)[2]


def _pattern(words: str) -> str:
    for fixed, free in _OPEN:
        words = re.sub(fixed, free.replace("\\", r"\\"), words)
    return words


def _words(text: str) -> str:
    """Its words in lower case, a space between; without titles, notices of copyright and marks of lists."""
    return " ".join(word for line in _telling(_lines(text)) for word in _WORD.findall(line))


def _lines(text: str) -> list[str]:
    return _MARK.sub("", text.lower().replace("https:", "http:")).splitlines()


def _telling(lines: Iterable[str]) -> Iterator[str]:
    begins = True  # whether this line is the first of a paragraph, but for titles and notices
    for line in lines:
        notice = _NOTICE.fullmatch(line) or (begins and _NAMED.fullmatch(line))
        if not _TITLE.fullmatch(line) and not (notice and _names_alone(line)):
            begins = not line.strip()
            yield line


def _names_alone(notice: str) -> bool:
    """Whether a line that begins as a notice goes on as one."""
    rest = _ASIDE.sub("", notice).strip()
    return not _TERMS.search(rest) and not _SENTENCE.search(rest)
