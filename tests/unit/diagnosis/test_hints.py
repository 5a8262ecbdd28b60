"""Lines that could write what differs: what a recipe builds, not what it is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.diagnosis.hints import Hint, each_once, hints, of_recipe
from orchestrator.diagnosis.names import Name

RECIPE = """\
name = "uptime"
summary = "Writes the date"
[toolchain]
packages = ["uuid-runtime"]
[build]
script = '''
# the date is not written
read -r seconds _ < /proc/uptime
'''
"""


def test_a_recipes_name_and_packages_write_nothing() -> None:
    assert [(hint.line, hint.name) for hint in of_recipe("x.toml", RECIPE)] == [(8, Name.UPTIME)]


@pytest.mark.parametrize(
    ("line", "by_chance"),
    [
        ('WORDS = {"if", "else"}', True),
        ("for name in set(names):", True),
        ("for my $name (keys %code) {", True),
        ("for name, number in pairs(opcodes) do", True),
        ("for name, letter := range kinds {", True),
        ('Set<String> names = Set.of("a", "b");', True),
        ("find . -type f", False),
        ("os.listdir(path)", False),
        ("ls -f parts", False),
    ],
)
def test_an_order_is_of_hashes_or_of_a_folder(line: str, by_chance: bool) -> None:
    found = [hint for hint in hints("x", [line]) if hint.name is Name.ORDERING]
    assert [hint.by_chance for hint in found] == [by_chance]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("openssl req -x509 -newkey rsa:2048 -out cert.pem", Name.RANDOMNESS),
        ("for each in as_completed(waiting):", Name.RACE),
        ("ls *.ppm | xargs -P 4 -n 1 sh work.sh", Name.RACE),
        ("size=$(du -sk root | cut -f1)", Name.FILE_SYSTEM),
        ("find . | cpio -o -H newc", Name.FILE_SYSTEM),
        ("printf 'took %s' $((ended - began))", Name.DURATION),
        ("ARFLAGS = rvU", Name.TIMESTAMP),
    ],
)
def test_what_tools_write(line: str, name: Name) -> None:
    assert name in [hint.name for hint in hints("x", [line])]


def test_a_locale_that_is_fixed_is_no_cause() -> None:
    assert list(hints("x", ["LC_ALL=C sort names > sorted"])) == []
    assert [hint.name for hint in hints("x", ["LANG=$WANTED sort names"])] == [Name.LOCALE]


def test_each_place_is_told_once() -> None:
    line = Hint("make.sh", 3, "ls -U", Name.ORDERING)
    other = replace(line, line=4)
    assert each_once([line, replace(line, same_words=True), other, replace(line, by_chance=True)]) == (
        line,
        other,
    )
