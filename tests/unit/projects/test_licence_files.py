"""What a project's files say of its licence: what is sure, what is a guess, and what a person has to say."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from identify.vendor.licenses import LICENSES

from orchestrator.projects.guess import Guess
from orchestrator.projects.licence_files import of_project
from orchestrator.projects.sketch import sketch
from orchestrator.projects.tree import Tree

TEXTS = dict(LICENSES)
MIT = TEXTS["MIT"].replace("[year] [fullname]", "2012 Jane Doe and others")
CLAUSE = "The Software shall be used for Good, not Evil.\n"
GPL = "/* SPDX-License-Identifier: GPL-2.0-only */\n"
LATER = "This library is free software; the lesser licence, or any later version"


def tree(files: Mapping[str, str]) -> Tree:
    return Tree(frozenset(files), files.get, "thing")


def told(files: Mapping[str, str], claimed: str | None = None) -> tuple[str | None, str]:
    """The licence, and all remarks."""
    found = of_project(tree(files), Guess(claimed, "setup.cfg:3") if claimed else None)
    return found.guess.value if found.guess else None, " ".join(found.remarks)


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("MIT", "MIT"),
        ("0BSD", "0BSD"),
        ("BSD-3-Clause-Clear", "BSD-3-Clause-Clear"),
        ("EUPL-1.2", "EUPL-1.2"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("AGPL-3.0", "AGPL-3.0-only"),
    ],
)
def test_a_whole_text_is_a_licence_without_a_remark(name: str, licence: str) -> None:
    assert told({"LICENSE": TEXTS[name]}) == (licence, "")


@pytest.mark.parametrize("text", [f"{MIT}\n{CLAUSE}", f"{CLAUSE}\n{MIT}", f"{MIT}\n{TEXTS['ISC']}"])
def test_words_are_a_guess_that_somebody_has_to_look_at(text: str) -> None:
    licence, remarks = told({"LICENSE": text})
    assert licence in ("MIT", "ISC")
    assert remarks == (
        f"LICENSE has words of {licence}, and is not the text of that word for word: look at it"
    )


@pytest.mark.parametrize(
    "files",
    [
        {"LICENSE-MIT": MIT, "LICENSE-APACHE": TEXTS["Apache-2.0"]},
        {"LICENSE.md": MIT, "COPYING": TEXTS["Apache-2.0"]},
        {"COPYRIGHT": TEXTS["Apache-2.0"], "LICENSE": MIT, "license.go": "package license\n"},
    ],
)
def test_of_several_licences_a_person_says_which_hold(files: Mapping[str, str]) -> None:
    licence, remarks = told(files)
    assert licence is None
    for path, text in files.items():
        if not path.endswith(".go"):
            assert f"{path} ({'MIT' if text == MIT else 'Apache-2.0'})" in remarks
    assert "with OR where users choose one and with AND where all hold" in remarks
    where = sketch(tree(files), {}).identity.license.where
    assert where == "what is here does not settle it"
    assert told(files, "MIT OR Apache-2.0") == ("MIT OR Apache-2.0", "")


def test_a_text_that_nobody_knows() -> None:
    assert told({"LICENSE": "Do good."}) == (
        None,
        "LICENSE is the text of no licence that is known here: look at it",
    )
    licence, remarks = told({"LICENSE": MIT, "LICENSE-MODELS": "Do good."})
    assert licence is None
    assert "LICENSE (MIT), LICENSE-MODELS (not known)" in remarks
    assert told({"LICENSE": MIT, "COPYRIGHT": "Jane Doe wrote it.", "COPYING": ""}) == ("MIT", "")


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("It is free. See the UNLICENSE file.", "Unlicense"),
        ("Terms are in 'UNLICENSE'", "Unlicense"),
        ("See UNLICENSE-2", None),
        ("No UNLICENSE: pay me.", None),
        ("See the UNLICENSE file. " + "And pay me. " * 100, None),
    ],
)
def test_a_text_that_sends_to_another_file(text: str, licence: str | None) -> None:
    found, remarks = told({"LICENSE.txt": text, "UNLICENSE": TEXTS["Unlicense"]})
    assert found == licence
    assert "LICENSE.txt" in remarks


def test_files_of_one_licence() -> None:
    assert told({"LICENSE": MIT, "COPYING": MIT}) == ("MIT", "")
    lesser = {"COPYING": TEXTS["GPL-3.0"], "COPYING.LESSER": TEXTS["LGPL-3.0"]}
    assert told(lesser) == ("LGPL-3.0-only", "")
    assert told({**lesser, "a.c": LATER}) == ("LGPL-3.0-or-later", "")
    licence, remarks = told({"COPYING": TEXTS["GPL-2.0"], "COPYING.LIB": TEXTS["LGPL-2.1"]})
    assert licence is None
    assert "COPYING (GPL-2.0), COPYING.LIB (LGPL-2.1)" in remarks


def test_sources_that_say_another_licence_are_told() -> None:
    files = {"LICENSE": MIT, "a.c": GPL, "b.c": GPL, "c.c": "// SPDX-License-Identifier: MIT\n"}
    licence, remarks = told(files)
    assert licence == "MIT"
    assert remarks == (
        "sources say GPL-2.0-only (a.c:1), and LICENSE:1 is taken to say MIT: say in `license` what holds"
    )
    assert "and setup.cfg:3 is taken to say MIT" in told(files, "MIT")[1]
    assert told(files, "MIT AND GPL-2.0-only")[1] == ""
    own = {"LICENSE": MIT, "a.c": "// SPDX-License-Identifier: Ours alone\n"}
    assert "sources say Ours alone (a.c:1)" in told(own)[1]


def test_sources_alone() -> None:
    assert told({"a.c": GPL, "b.c": GPL}) == ("GPL-2.0-only", "")
    licence, remarks = told({"a.c": GPL, "b.c": "// SPDX-License-Identifier: MIT\n"})
    assert licence is None
    assert remarks == "sources say GPL-2.0-only (a.c:1), MIT (b.c:1): say in `license` what holds"
    assert told({"a.c": "// SPDX-License-Identifier: Ours alone\n"})[0] is None


@pytest.mark.parametrize("which", ["only", "or-later"])
def test_sources_say_whether_later_versions_of_a_gnu_licence_are_allowed(which: str) -> None:
    files = {"COPYING": TEXTS["GPL-2.0"], "a.c": f"// SPDX-License-Identifier: GPL-2.0-{which}\n"}
    found = of_project(tree(files), None)
    assert found.guess == Guess(f"GPL-2.0-{which}", "COPYING:1 and a.c:1")
    assert found.remarks == ()


def test_remarks_are_in_the_sketch_but_for_what_a_person_said() -> None:
    files = {"Makefile": "install:\n\tcp a $(PREFIX)\n", "LICENSE": f"{MIT}\n{CLAUSE}", "a.c": GPL}
    remarks = sketch(tree(files), {}).way.remarks
    assert any("word for word: look at it" in each for each in remarks)
    assert any("sources say GPL-2.0-only" in each for each in remarks)
    assert sketch(tree(files), {"license": "MIT"}).way.remarks == ()
    assert any("word for word" in each for each in sketch(tree({"LICENSE": CLAUSE + MIT}), {}).way.remarks)
