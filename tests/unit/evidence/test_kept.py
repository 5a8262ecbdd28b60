"""What a kept disagreement says of itself: read back as it was written, and refused where it is not that."""

from __future__ import annotations

import json
from typing import Any

import disagreements
import pytest
import releases
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.canonical import MalformedError
from orchestrator.evidence.kept import KeptRecipe, parse, render


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> releases.Made:
    return releases.observed(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def record(made: releases.Made) -> bytes:
    seen = disagreements.observed(made).disagreed
    recipe = KeptRecipe("pigz", "recipes/pigz.toml", "date > $out\n")
    return render("pigz", seen.differing, seen.root_causes, seen.reports, recipe)


def test_what_is_written_is_read_back(record: bytes, made: releases.Made) -> None:
    seen = disagreements.observed(made).disagreed
    found = parse(record, "it")
    assert found.target == "pigz"
    assert found.root_causes == seen.root_causes
    assert [each.path for each in found.outputs] == [each.path for each in seen.differing]
    assert [dict(each.hashes) for each in found.outputs] == [dict(each.hashes) for each in seen.differing]
    assert set(found.makers) == {report.identity.name for report in seen.reports}
    assert all(
        span.started <= span.finished for each in found.makers.values() for span in each.spans.values()
    )
    assert found.recipe is not None
    assert found.recipe.text == "date > $out\n"
    assert found.against is None
    against = parse(render("pigz", seen.differing, (), seen.reports, None, "pigz-2.7"), "it").against
    assert against == "pigz-2.7"


@pytest.mark.parametrize("name", ["../b", "a/b", ".hidden"], ids=["above", "below", "hidden"])
def test_a_side_that_leads_out_of_its_folder_is_refused(record: bytes, name: str) -> None:
    document = json.loads(record)
    document["outputs"][0]["made"][name] = document["outputs"][0]["made"].pop("a")
    with pytest.raises(MalformedError, match="leads out"):
        parse(json.dumps(document).encode(), "it")


def _members(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, each in inside for place in _members(each, (*at, key)))]


@given(data=st.data())
def test_whatever_is_in_it_is_read_or_refused(record: bytes, data: st.DataObject) -> None:
    document = json.loads(record)
    *way, last = data.draw(st.sampled_from([each for each in _members(document) if each]))
    inside = document
    for key in way:
        inside = inside[key]
    inside[last] = data.draw(
        st.none() | st.booleans() | st.integers() | st.text() | st.just([]) | st.just({})
    )
    try:
        parse(json.dumps(document).encode(), "it")
    except MalformedError:
        pass


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "x"])
@pytest.mark.parametrize("place", ["clock", "started"])
def test_a_time_that_cannot_be_reckoned_with_is_refused(record: bytes, place: str, time: str) -> None:
    document = json.loads(record)
    maker = document["builders"]["a"]
    if place == "clock":
        maker["surroundings"]["clock"] = time
    else:
        next(iter(maker["builds"].values()))["started"] = time
    with pytest.raises(MalformedError, match="time"):
        parse(json.dumps(document).encode(), "it")


def test_an_output_that_is_no_store_path_is_refused(record: bytes) -> None:
    document = json.loads(record)
    document["outputs"][0]["path"] = "x"
    with pytest.raises(MalformedError, match="no store path"):
        parse(json.dumps(document).encode(), "it")
