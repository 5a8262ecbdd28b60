"""The usual slips in TOML are met with the line to write."""

from __future__ import annotations

import tomllib

import pytest

from orchestrator.ground.errors import TallyError
from orchestrator.recipe.toml import parse_toml

SLIPS = [
    ("name = figlet", 'quotes are missing: name = "figlet"'),
    ("version = 1.2.3   # the newest", 'quotes are missing: version = "1.2.3"'),
    ("license = MIT OR Apache-2.0", 'quotes are missing: license = "MIT OR Apache-2.0"'),
    ("url = https://example.org/a.tar.gz", 'quotes are missing: url = "https://example.org/a.tar.gz"'),
    ("rev = 0123", 'quotes are missing: rev = "0123"'),
    ("packages = [gcc, make]", 'quotes are missing: "gcc"'),
    ("env = { CFLAGS = -O2 }", 'quotes are missing: "-O2"'),
    ('name: "figlet"', 'TOML writes = where YAML writes a colon: name = "figlet"'),
    ('name "figlet"', 'an = is missing: name = "figlet"'),
    ('name == "figlet"', 'TOML has a single =: name = "figlet"'),
    ("name =", "a value is missing behind the ="),
    ('name = "figlet', 'the closing " is missing'),
    ("name = “figlet”", "“ is no quote that TOML knows"),
    ("log = True", "a boolean is true or false: log = true"),
    ("log = off", "a boolean is true or false: log = false"),
    ("log = null", "TOML has no null: leave the line out"),
    ("a = 1\na = 2", "this key is there already"),
    ("[a]\n[a]", "this table is there already"),
    ("[build", "write [build]"),
    ("[[builder]", "write [[builder]]"),
    ("// a comment", "a comment begins with #"),
    ('path = "C:\\dir"', "a backslash begins an escape"),
    ('g++ = "1"', 'such a key needs quotes: "g++" ='),
    ('my key = "x"', 'a key with a space in it needs quotes: "my key" ='),
    ('name = "x" version = "1"', "each key stands on a line of its own"),
    ("name = 'it's'", "a quote within the text ends it"),
    (
        'packages = [\n  "gcc",\n  "make"\n\n[build]\nx = 1',
        "the list that begins on line 1: a comma or its ]",
    ),
    ('script = """\nmake', 'the text that begins on line 1 is not closed: """ is missing'),
]


@pytest.mark.parametrize(("text", "hint"), SLIPS)
def test_a_usual_slip_is_named_with_its_line(text: str, hint: str) -> None:
    with pytest.raises(TallyError, match=r"^r\.toml:\d+(:\d+)?: not TOML: ") as caught:
        parse_toml(text, "r.toml")
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert "('" not in caught.value.message


@pytest.mark.parametrize("text", [text for text, hint in SLIPS if hint.count(": ") == 1 and " = " in hint])
def test_a_line_that_is_proposed_is_toml(text: str) -> None:
    with pytest.raises(TallyError) as caught:
        parse_toml(text, "r.toml")
    proposed = str(caught.value.hint).partition(": ")[2]
    tomllib.loads(proposed.replace("…", "1"))


def test_what_is_no_usual_slip_has_no_hint() -> None:
    with pytest.raises(TallyError) as caught:
        parse_toml("= 3", "r.toml")
    assert caught.value.hint is None
