"""Which licence a file is the text of: each one known, in the forms it is found in, and no other text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identify.vendor.licenses import LICENSES

from orchestrator.dependencies.licence_texts import identified, is_text, told_by
from orchestrator.recipe.licences import check_license

TEXTS = dict(LICENSES)
MIT = TEXTS["MIT"].replace("[year] [fullname]", "2012 Jane Doe and others")
BSD = TEXTS["BSD-3-Clause"].replace("[year], [fullname]", "2009 The Authors")
APACHE = TEXTS["Apache-2.0"]
LESSER, GPL = TEXTS["LGPL-3.0"], TEXTS["GPL-3.0"]
JSON_CLAUSE = "The Software shall be used for Good, not Evil.\n\n"


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_each_text_is_its_own(name: str) -> None:
    found = identified(TEXTS[name])
    assert found in {name, f"{name}-only"}
    assert check_license(found or "") == found


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        pytest.param(MIT, "MIT", id="with a name"),
        pytest.param(MIT.partition("\n\n")[2], "MIT", id="without a title"),
        pytest.param(
            "The MIT License (MIT)\n=====\n\n" + MIT.partition("\n\n")[2], "MIT", id="another title"
        ),
        pytest.param(MIT.replace("\n", "\r\n"), "MIT", id="Windows"),
        pytest.param(re.sub(r"(?<!\n)\n(?!\n)", " ", MIT), "MIT", id="a paragraph a line"),
        pytest.param(MIT.replace('"', "“"), "MIT", id="other quotes"),
        pytest.param(MIT.replace("Copyright (c) 2012 Jane Doe", "Copyright Jane Doe"), "MIT", id="no year"),
        pytest.param(
            BSD.replace("the copyright holder nor", "Example Inc. nor"), "BSD-3-Clause", id="a name within"
        ),
        pytest.param(re.sub(r"(?m)^\d\. ", "* ", BSD), "BSD-3-Clause", id="other marks"),
        pytest.param(APACHE.partition("APPENDIX")[0], "Apache-2.0", id="no appendix"),
        pytest.param(APACHE.replace("http:", "https:"), "Apache-2.0", id="https"),
        pytest.param(
            APACHE.partition("   APPENDIX")[0]
            + "   Copyright 2019"
            + APACHE.rpartition("   Copyright")[2].partition("]")[2],
            "Apache-2.0",
            id="its notice alone",
        ),
    ],
)
def test_forms_it_is_found_in(text: str, licence: str) -> None:
    assert identified(text) == licence


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(MIT.replace("THE SOFTWARE IS", JSON_CLAUSE + "THE SOFTWARE IS", 1), id="JSON's"),
        pytest.param(
            MIT + "\nCommons Clause: the right to Sell the Software is not granted.\n", id="a clause after it"
        ),
        pytest.param("Except for the folder lib:\n\n" + MIT, id="a line before it"),
        pytest.param(MIT.replace("sublicense, and/or sell", "sublicense"), id="a right less"),
        pytest.param(MIT + BSD, id="two of them"),
        pytest.param(MIT.replace("Doe and", "Doe. It must not be used by"), id="in the notice"),
        pytest.param(
            MIT.replace("\n\nPermission", "\n\nCopyright holders must be paid.\n\nPermission"),
            id="a new paragraph",
        ),
        pytest.param(APACHE + "\nThis holds for src alone.\n", id="after the appendix"),
        pytest.param(MIT.replace("Doe and", "Doe. Selling is prohibited by"), id="forbidden in the notice"),
        pytest.param(MIT.replace("Doe and", "Doe; noncommercial"), id="a restriction in the notice"),
        pytest.param(MIT + "\n(c) Acme. Production deployment costs a fee.\n", id="behind a sign"),
        pytest.param("This is under the Mozilla Public License 2.0\n\n" + MIT, id="another's title"),
        pytest.param(
            BSD.replace("BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS", "BY ACME TO NONCOMMERCIAL USERS ONLY,"),
            id="terms in place of a name",
        ),
        pytest.param(
            BSD.replace("the copyright holder nor", "Acme may be shown to others, nor"),
            id="terms in place of another name",
        ),
        pytest.param(
            TEXTS["MPL-2.0"].replace("(c) under Patent Claims infringed by", "(c) under any claim by"),
            id="a mark that is a sign of copyright",
        ),
        pytest.param("MIT", id="a name alone"),
        pytest.param("", id="nothing"),
        pytest.param("\0\xff" * 100, id="no text"),
    ],
)
def test_more_or_less_than_a_licence_is_none_that_is_known(text: str) -> None:
    assert identified(text) is None


@given(st.data())
def test_no_word_can_be_left_out_or_added(data: st.DataObject) -> None:
    """But where names stand, and in titles and notices."""
    words = TEXTS["MIT"].partition("Permission")[2].split()
    names = range(words.index("AUTHORS") - 1, words.index("HOLDERS") + 2)
    place = data.draw(st.integers(0, len(words)).filter(lambda at: at not in names))
    more = data.draw(st.booleans()) or place == len(words)
    changed = [*words[:place], "unlimited", *words[place:]] if more else [*words[:place], *words[place + 1 :]]
    assert identified("Permission " + " ".join(changed)) is None


def test_all_files_hold_at_once() -> None:
    mit, apache = MIT.encode(), APACHE.encode()
    assert told_by([mit]) == "MIT"
    assert told_by([mit, apache, mit]) == "Apache-2.0 AND MIT"
    assert told_by([mit, b"and what else?"]) is None
    assert told_by([mit + b"\n" * (1 << 18)]) is None
    assert told_by([mit + b"\n\xc8\xf1\xef\xee\xeb\xfc\xe7\xee\xe2\xe0\xed\xe8\xe5\n"]) is None
    assert told_by([mit.replace(b"Jane", "Jörn".encode("latin-1"))]) == "MIT"
    assert told_by([]) is None
    assert told_by([GPL.encode(), LESSER.encode()]) == "LGPL-3.0-only"


@pytest.mark.parametrize(
    "name", ["LICENSE", "LICENCE.txt", "license.md", "COPYING.LESSER", "UNLICENSE", "COPYING3", "LICENSES"]
)
def test_names_of_licences(name: str) -> None:
    assert is_text(name)


@pytest.mark.parametrize("name", ["license.go", "LICENSE.spdx", "licensed.txt", "README", "copying_test.go"])
def test_names_of_other_files(name: str) -> None:
    assert not is_text(name)


@pytest.mark.parametrize(
    "notice",
    [
        "Copyright (c) 2009 The Go Authors. All rights reserved.",
        "Copyright (c) 2013 Amazon.com, Inc. or its affiliates.  All rights reserved",
        "Copyright Mathias Bynens <https://mathiasbynens.be/>",
        "Copyright 2010 James H. Halliday (mail@example.org); Modified work Copyright 2014 Contributors",
        "(c) Jane Doe",
    ],
)
def test_notices(notice: str) -> None:
    assert identified(MIT.replace("Copyright (c) 2012 Jane Doe and others", notice)) == "MIT"
