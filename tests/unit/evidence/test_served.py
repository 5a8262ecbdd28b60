"""What is said of a served file whose contents alone are the same: a fixed form, and no reproduction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import releases
from zip_making import Member, zip_of

from orchestrator.evidence.facts import ReleaseFile
from orchestrator.evidence.reproduction import reproduction
from orchestrator.evidence.served import Served, same_contents
from orchestrator.evidence.terms import REPRODUCIBLE, REPRODUCTION, SAME_CONTENTS_ATTRIBUTE
from orchestrator.ground.digest import Sha256
from orchestrator.ground.errors import TallyError
from orchestrator.keys.key import SigningKey
from orchestrator.served.grade import Aspect, Remark, SameContents
from orchestrator.served.settings import Setting
from orchestrator.signing import gate

MADE = [Member("six.py", b"6"), Member("six-1.dist-info/RECORD", b"six.py,,")]
PUBLISHED = [MADE[0], MADE[1]._replace(moment=(2024, 12, 4, 17, 35, 24))]
SETTING = Setting("umask", "002", "files of the published wheel are writable by their group", True)


def served(data: bytes) -> Served:
    return Served("pkg:pypi/six@1.17.0", "six-1.17.0-py2.py3-none-any.whl", Sha256.of(data), [SETTING])


def links(made: releases.Made) -> dict[str, ReleaseFile]:
    names = [report.identity.name for report in made.facts.agreed.reports]
    return {name: ReleaseFile.of(f"links/{name}.link", name.encode()) for name in names}


def test_the_form_is_fixed(tmp_path: Path) -> None:
    made = releases.observed(tmp_path, content=zip_of(MADE))
    remark = Remark(Aspect.TIME, "six.py", "1980-01-01 00:00:00", "2024-12-04 17:35:24")
    payload = same_contents(made.facts, links(made), served(b"it"), SameContents((remark,), ("six.py",)))
    document = json.loads(payload)
    predicate = document["predicate"]
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "https://tallystick.example/same-contents/v1"
    assert document["subject"] == [
        {"name": "six-1.17.0-py2.py3-none-any.whl", "digest": {"sha256": Sha256.of(b"it").hex}}
    ]
    assert predicate.keys() == {
        *("attribute", "served", "made", "container", "identicalWithTimesOf"),
        *("agreement", "builders", "producer"),
    }
    assert predicate["attribute"] == "CONTENTS_ALONE_REPRODUCED"
    assert predicate["served"] == {
        "package": "pkg:pypi/six@1.17.0",
        "file": {
            "name": "six-1.17.0-py2.py3-none-any.whl",
            "digest": {"sha256": Sha256.of(b"it").hex},
        },
        "settings": [
            {
                "name": "umask",
                "value": "002",
                "because": "files of the published wheel are writable by their group",
                "readOffPublishedFile": True,
            }
        ],
    }
    assert predicate["made"]["digest"] == {"sha256": made.facts.artifact.sha256.hex}
    assert predicate["container"] == [
        {
            "aspect": "time",
            "entry": "six.py",
            "made": "1980-01-01 00:00:00",
            "served": "2024-12-04 17:35:24",
        }
    ]
    assert predicate["identicalWithTimesOf"] == ["six.py"]
    assert [each["evidence"]["name"] for each in predicate["builders"]] == ["links/a.link", "links/b.link"]
    assert predicate["builders"][0].keys() >= {"builder", "evidence"}
    assert predicate["producer"] == {"uri": "https://tallystick.example/orchestrator/v1"}


def test_nothing_in_it_is_a_reproductions(tmp_path: Path) -> None:
    made = releases.observed(tmp_path, content=zip_of(MADE))
    payload = same_contents(made.facts, links(made), served(b"it"), SameContents(()))
    assert REPRODUCIBLE.encode() not in payload
    assert REPRODUCTION.encode() not in payload
    assert REPRODUCIBLE not in SAME_CONTENTS_ATTRIBUTE


def test_a_reproduction_says_what_was_served(tmp_path: Path) -> None:
    made = releases.observed(tmp_path)
    found = reproduction(made.facts, links(made), served=served(b"it"))
    for each in found.predicate["attributes"]:
        assert each["attribute"] == REPRODUCIBLE
        assert each["conditions"]["served"] == served(b"it").document()
        assert "rebuild" not in each["conditions"]


class TestGate:
    """The gate compares for itself, and signs same contents for nothing else."""

    def signed(self, tmp_path: Path, there: bytes) -> dict[str, object]:
        made = releases.observed(tmp_path, content=zip_of(MADE))
        path = tmp_path / "served.whl"
        path.write_bytes(there)
        (file,) = gate.sign_same_contents(
            made.facts.agreed,
            2,
            made.facts,
            made.artifact,
            path,
            lambda grade: same_contents(made.facts, links(made), served(there), grade),
            SigningKey.generate(),
        )
        assert file.path == "attestations/same-contents.sigstore.json"
        document: dict[str, object] = json.loads(b"".join(file.chunks()))
        return document

    def test_another_container(self, tmp_path: Path) -> None:
        assert "dsseEnvelope" in self.signed(tmp_path, zip_of(PUBLISHED))

    @pytest.mark.parametrize(
        "there",
        [
            zip_of(MADE),
            zip_of([MADE[0]._replace(data=b"7"), MADE[1]]),
            zip_of(MADE[:1]),
            b"no zip",
        ],
        ids=["identical", "another byte", "a file fewer", "no zip"],
    )
    def test_any_other_grade_is_refused(self, tmp_path: Path, there: bytes) -> None:
        with pytest.raises(TallyError):
            self.signed(tmp_path, there)
