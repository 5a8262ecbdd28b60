"""What other people's clients take to read a release before it is published, once they are imported.

The SBOMs are of a release of the unit tests' (tests/support/releases.py) from a root of so many packages, a
quarter of which have a licence text of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from measure import ROOT, Figure

from orchestrator.clients import links, spdx
from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom import spdx2
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.keys.key import SigningKey

sys.path.insert(0, str(ROOT / "tests" / "support"))

_LINEAR = 1.3
"""Times what a fifth of the packages takes, times five."""


def figures(rounds: int = 5) -> list[Figure]:
    import releases

    with tempfile.TemporaryDirectory() as name:
        made = releases.observed(Path(name) / "in")
        some, more, most = (
            _document(releases.with_toolchain(made.facts, _licences(n))) for n in (200, 1000, 5000)
        )
        spdx.validate(some, "the first one costs more")
        of_some = _seconds(partial(spdx.validate, some, "x"), rounds)
        of_more = _seconds(partial(spdx.validate, more, "x"), rounds)
        of_most = _seconds(partial(spdx.validate, most, "x"), rounds)
        whole = _seconds(partial(_whole, more), 1)
        return [
            _linear("spdx-tools, 1,000 packages", of_more, of_some, 200),
            _linear("spdx-tools, 5,000 packages", of_most, of_more, 1000),
            Figure(
                name="spdx-tools by element, 1,000 packages",
                measured=of_more,
                baseline=whole,
                baseline_name="its validator of whole documents",
                unit="s",
                holds=of_more <= whole,
                limit="1x",
            ),
            _in_toto(Path(name), made, rounds),
        ]


def _in_toto(folder: Path, made: object, rounds: int) -> Figure:
    import releases

    assert isinstance(made, releases.Made)
    key = SigningKey.generate()
    _, pub = key.write(folder / "release")
    keys = releases.builder_keys(made)
    found = releases.evidence(made, key, keys)
    files = [each for each in found.byproducts if each.path.startswith("links/")]
    name, pem = made.facts.artifact.file_name, key.public.pem
    release = releases.published(folder / "out", made, key, keys).path
    command = [
        Path(sys.executable).parent / "in-toto-verify",
        "--layout",
        "links/root.layout",
        "--link-dir",
        "links",
    ]
    process = partial(
        subprocess.run, [*command, "--verification-keys", pub], cwd=release, check=True, capture_output=True
    )
    links.verify(files, made.artifact, name, pem, folder)
    ours = _seconds(partial(links.verify, files, made.artifact, name, pem, folder), rounds)
    theirs = _seconds(process, rounds)
    return Figure("in-toto, 2 links and a layout", ours, theirs, "in-toto-verify", "s", ours <= theirs, "1x")


def _linear(name: str, measured: float, fifth: float, packages: int) -> Figure:
    baseline = 5 * fifth
    return Figure(
        name, measured, baseline, f"5 x {packages}", "s", measured <= _LINEAR * baseline, f"{_LINEAR}x"
    )


def _licences(count: int) -> list[str]:
    return [f"LicenseRef-{number % (count // 4)} AND MIT" for number in range(count)]


def _document(facts: ReleaseFacts) -> bytes:
    return json.dumps(spdx2.document(bill_of(facts, materials_of(facts)))).encode()


def _whole(data: bytes) -> None:
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    assert validate_full_spdx_document(JsonLikeDictParser().parse(json.loads(data))) == []  # type: ignore[no-untyped-call]


def _seconds(work: Callable[[], object], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        started = os.times()
        work()
        found.append(sum(os.times()[:4]) - sum(started[:4]))  # CPU, of children too
    return median(found)
