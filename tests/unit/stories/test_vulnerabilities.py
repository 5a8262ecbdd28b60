"""What a release's own SBOM says was not read leaves nobody sure that nothing is vulnerable."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.cli.vulnerabilities import code_of
from orchestrator.ground.errors import ExitCode
from orchestrator.ground.state import State
from orchestrator.stories.sbom import Asked
from orchestrator.stories.vulnerabilities import search


def packages(comment: str) -> bytes:
    purl = {"referenceType": "purl", "referenceLocator": "pkg:npm/a@1.0.0"}
    one = {"name": "a", "versionInfo": "1.0.0", "comment": comment, "externalRefs": [purl]}
    return json.dumps({"packages": [one]}).encode()


def test_what_a_release_could_not_read_is_undecided(tmp_path: Path) -> None:
    release, records = tmp_path / "release", tmp_path / "records"
    (release / "sbom").mkdir(parents=True)
    records.mkdir()
    (release / "release.json").write_text("{}")
    affected = {"package": {"ecosystem": "npm", "name": "b"}, "versions": ["1.0.0"]}
    record = {"id": "X-1", "modified": "2026-01-01T00:00:00Z", "affected": [affected]}
    (records / "x.json").write_text(json.dumps(record))
    asked, state = Asked((str(release),), None, None), State(tmp_path / "state")
    for comment, code in (
        ("Its homepage: x", ExitCode.YES),
        ("Cargo.lock within it was not read: it is not TOML.", ExitCode.UNDECIDED),
        ("Its modules were not read: there are too many.", ExitCode.UNDECIDED),
        ("What is linked in was read of the first 64 ELF files alone.", ExitCode.UNDECIDED),
    ):
        (release / "sbom/a.spdx.json").write_bytes(packages(comment))
        assert code_of(search(state, asked, records)) is code, comment
