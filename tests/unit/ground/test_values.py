"""Values are what the standard library's frozen dataclasses are, whatever their fields."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ground import defining
from orchestrator.ground.values import dataclass


def _both(
    body: dict[str, Callable[[Any], Any]], annotations: dict[str, str], bases: Any = (), **how: bool
) -> tuple[Any, Any]:
    """A class by the standard library, and the same by us."""
    theirs, ours = bases or ((), ())
    by = [{name: make(of) for name, make in body.items()} for of in (dataclasses, defining)]
    made = [
        type("Made", of, {"__annotations__": annotations, "__doc__": "d", "__qualname__": "Made", **parts})
        for of, parts in ((theirs, by[0]), (ours, by[1]))
    ]
    return dataclasses.dataclass(frozen=True, **how)(made[0]), defining.dataclass(frozen=True, **how)(made[1])


NAMES = ["one", "two", "three", "four"]
DEFAULTS = st.sampled_from(
    [
        lambda _: 5,
        lambda by: by.field(default=6, repr=False),
        lambda by: by.field(default_factory=list, compare=False),
        lambda by: by.field(default_factory=list, init=False, repr=False, compare=False),
    ]
)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    names = NAMES[: draw(st.integers(0, 4))]
    needed = draw(st.integers(0, len(names)))
    body = {name: draw(DEFAULTS) for name in names[needed:]}
    if needed and draw(st.booleans()):
        body["one"] = lambda by: by.field(compare=False)
    return _both(body, dict.fromkeys(names, "int"), order=draw(st.booleans()))


def _asked(cls: Any, values: list[int], named: dict[str, int]) -> Any:
    """What a class makes of arguments; TypeError where it takes them for none."""
    try:
        return cls(*values, **named)
    except TypeError:
        return TypeError


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def _by(operation: Any, one: Any, other: Any) -> Any:
    try:
        return operation(one, other)
    except TypeError:
        return TypeError


@given(
    _pairs(),
    st.lists(st.lists(st.integers(0, 1), max_size=5), min_size=2, max_size=2),
    st.lists(st.dictionaries(st.sampled_from([*NAMES, "five"]), st.integers(0, 1)), min_size=2, max_size=2),
)
def test_they_take_and_tell_what_the_standard_library_does(
    pair: tuple[Any, Any], values: list[list[int]], named: list[dict[str, int]]
) -> None:
    made = [[_asked(cls, *arguments) for arguments in zip(values, named, strict=True)] for cls in pair]
    assert [each is TypeError for each in made[0]] == [each is TypeError for each in made[1]]
    for theirs, ours in zip(*made, strict=True):
        if theirs is not TypeError:
            assert _fields(ours) == _fields(theirs)
            assert repr(ours) == repr(theirs)
            assert type(ours).__match_args__ == type(theirs).__match_args__
            assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
            assert _by(lambda one, _: hash(one), ours, ours) == _by(lambda one, _: hash(one), theirs, theirs)
    if TypeError not in made[0]:
        import operator

        for operation in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
            assert _by(operation, *made[1]) == _by(operation, *made[0])


@given(_pairs(), st.lists(st.integers(0, 1), max_size=4), st.dictionaries(st.sampled_from(NAMES), st.just(9)))
def test_a_changed_one_is_what_the_standard_library_makes_of_it(
    pair: tuple[Any, Any], values: list[int], changes: dict[str, int]
) -> None:
    theirs, ours = (_asked(cls, values, {}) for cls in pair)
    if theirs is TypeError:
        return
    for replace in (dataclasses.replace, defining.replace):
        try:
            wanted = _fields(dataclasses.replace(theirs, **changes))
        except (TypeError, ValueError):
            with pytest.raises((TypeError, ValueError)):
                replace(ours, **changes)
        else:
            assert _fields(replace(ours, **changes)) == wanted


@dataclass(frozen=True)
class Base:
    """One field, and a rule."""

    one: int

    def __post_init__(self) -> None:
        if self.one < 0:
            raise ValueError("below zero")


@dataclass(frozen=True)
class Derived(Base):
    """Two fields."""

    two: tuple[int, ...] = ()


def test_nobody_changes_one() -> None:
    value = Derived(1)
    for name in ("one", "two", "three"):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, 2)
        with pytest.raises(dataclasses.FrozenInstanceError):
            delattr(value, name)
    assert _fields(value) == {"one": 1, "two": ()}


def test_a_derived_one_has_the_fields_and_rules_of_its_base() -> None:
    assert Derived(1, (2,)) == Derived(one=1, two=(2,)) != Derived(1)
    assert Derived(1).__eq__(Base(1)) is NotImplemented
    assert pickle.loads(pickle.dumps(Derived(1, (2,)))) == Derived(1, (2,))
    with pytest.raises(ValueError, match="below zero"):
        Derived(-1)


def test_the_standard_librarys_can_derive_from_one() -> None:
    made = dataclasses.make_dataclass("Made", [("three", "int")], bases=(Base,), frozen=True)
    assert dataclasses.asdict(made(1, 3)) == {"one": 1, "three": 3}


def test_one_cannot_derive_from_the_standard_librarys() -> None:
    base = dataclasses.make_dataclass("Made", [("one", "int")], frozen=True)
    with pytest.raises(TypeError, match="standard library"):
        defining.dataclass(frozen=True)(type("Other", (base,), {}))


def test_what_a_class_says_itself_stays() -> None:
    class Own:  # noqa: PLW1641  Python's None for it gives way
        one: int

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "own"

    made: Any = defining.dataclass(frozen=True)(Own)
    assert made(1) == made(2)
    assert repr(made(1)) == "own"
    assert hash(made(1)) == hash((1,))


def test_a_field_of_the_standard_librarys_is_none_of_ours() -> None:
    body = {"__annotations__": {"one": "int"}, "one": dataclasses.field(default=1)}
    with pytest.raises(TypeError, match=r"Made\.one is a field of the standard library's"):
        defining.dataclass(frozen=True)(type("Made", (), body))


def test_they_are_made_without_the_standard_librarys() -> None:
    code = "import sys, orchestrator.ground.values; assert 'dataclasses' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
