"""A damaged ledger is made anew of what is signed, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import releases

from orchestrator.evidence.canonical import render_document
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.keys.key import PublicKey, SigningKey
from orchestrator.ledger.entries import How, Verdict
from orchestrator.ledger.file import opened
from orchestrator.ledger.reading import read
from orchestrator.stories.learning import learn, relearn, repair


class Place:
    """A state folder that holds the builders' keys, and a release by them."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "state")
        made = releases.observed(folder / "in")
        keys = releases.builder_keys(made)
        for name, key in keys.items():
            key.write(self.state.folder("keys") / f"builder-{name}")
        self.release = releases.published(folder / "out", made, SigningKey.generate(), keys).path
        self.artifact = made.facts.artifact_derivation
        self.said: list[str] = []

    @property
    def keys(self) -> list[PublicKey]:
        return [PublicKey.load(path) for path in sorted(self.state.keys.glob("*.pub"))]

    def damaged(self) -> bytes:
        self.state.ledger.write_bytes(b"nothing like a database " * 300)
        return self.state.ledger.read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_links_say_is_learned(place: Place) -> None:
    harmed = place.damaged()
    assert len(repair(place.state, [place.release], place.said.append)) == 1
    (said,) = place.said
    assert "is damaged" in said
    (aside,) = place.state.root.glob("ledger.sqlite.damaged-*")
    assert aside.read_bytes() == harmed
    with read(place.state) as ledger:
        (result,) = ledger.latest()
        assert (result.artifact, result.verdict) == (place.artifact, Verdict.AGREED)
        entries = list(ledger.entries([place.artifact]))
    assert {each.builder.name for each in entries} == {"a", "b"}
    assert all(each.how is How.BUILT and each.builder.proven for each in entries)
    assert len({each.outputs["out"].nar_hash for each in entries}) == 1
    assert relearn(place.state, [place.release], place.said.append) == (), "each is learned once"


def test_one_with_a_value_that_nobody_wrote_is_no_whole_one(place: Place) -> None:
    assert relearn(place.state, [place.release], place.said.append)
    with opened(place.state.ledger, write=True) as database:
        database.execute("update results set verdict = 'maybe'")
    assert len(repair(place.state, [place.release], place.said.append)) == 1
    with read(place.state) as ledger:
        (result,) = ledger.latest()
    assert result.verdict == Verdict.AGREED


def test_a_whole_one_stays(place: Place) -> None:
    with opened(place.state.ledger, write=True):
        pass
    with pytest.raises(TallyError, match="is whole"):
        repair(place.state, [place.release], place.said.append)


def test_links_by_keys_of_others_say_nothing(place: Place) -> None:
    place.damaged()
    for path in place.state.keys.glob("builder-b.*"):
        path.unlink()
    assert repair(place.state, [place.release], place.said.append) == ()
    assert "fewer than two of its links" in place.said[-1]
    with read(place.state) as ledger:
        assert ledger.targets() == ()


@pytest.mark.parametrize("harm", ["record", "link", "gone", "index"])
def test_what_was_changed_is_not_learned(place: Place, harm: str) -> None:
    record = place.release / "builds" / "a" / "build.json"
    link = min((place.release / "links").glob("*.link"))
    match harm:
        case "record":
            document = json.loads(record.read_bytes())
            document["builds"][0]["started"] = "2020-01-01T00:00:00Z"
            record.write_bytes(render_document(document))
        case "link":
            link.write_bytes(link.read_bytes().replace(b'"sig":"', b'"sig":"AAAA'))
        case "gone":
            record.unlink()
        case "index":
            (place.release / "release.json").write_text("[]")
    place.damaged()
    assert repair(place.state, [place.release], place.said.append) == ()
    assert "nothing is learned" in place.said[-1]


def test_a_folder_that_is_no_release_is_told(place: Place, tmp_path: Path) -> None:
    with pytest.raises(TallyError, match="cannot be read"):
        learn(tmp_path, place.keys)
