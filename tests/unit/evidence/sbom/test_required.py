"""What the BSI's TR-03183-2 requires is in a release's documents, at the places that the page names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import releases

from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom.bill import Bill
from orchestrator.evidence.sbom.component import Component, Role
from orchestrator.evidence.sbom.forms import Form
from orchestrator.evidence.sbom.nature import is_archive, taxonomy
from orchestrator.evidence.sbom.parts import Parts
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.evidence.sbom.spdx2_packages import public_address
from orchestrator.ground.digest import NarHash, OtherDigest, Sha256

COLUMNS = (Form.SPDX_2_3, Form.SPDX_3_0_1, Form.CYCLONEDX)


@pytest.fixture
def bill(tmp_path: Path) -> Bill:
    made = releases.observed(tmp_path)
    programs = frozenset(made.facts.products)
    return bill_of(made.facts, materials_of(made.facts), Parts(programs=programs))


def table(repository: Path) -> dict[str, dict[Form, list[str]]]:
    """Each required field of the page to the names that it gives for each form."""
    page = (repository / "docs/reference/sbom.md").read_text().partition("## BSI TR-03183-2")[2]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][2:]
    return {
        row[0]: {form: re.findall(r"`([^`]+)`", cell) for form, cell in zip(COLUMNS, row[1:4], strict=True)}
        for row in rows
    }


def keys(value: Any) -> Iterator[str]:
    """Every name of a member in a document, as `a` and as `a.b`, and every name and type that is a value."""
    if isinstance(value, list):
        for each in value:
            yield from keys(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            if isinstance(each, dict):
                yield from (f"{name}.{inner}" for inner in each)
            if name in ("name", "type", "relationshipType", "software_additionalPurpose"):
                yield from [each] if isinstance(each, str) else each
            yield from keys(each)


def test_each_required_field_is_where_the_page_says(bill: Bill, repository: Path) -> None:
    fields = table(repository)
    assert len(fields) == 12
    for form in Form:
        there = set(keys(form.document(bill)))
        for field, places in fields.items():
            lacking = [each for each in places[form] if each not in there]
            assert not lacking, (form, field)


def test_a_component_lacks_only_what_nobody_knows(bill: Bill) -> None:
    document = Form.CYCLONEDX.document(bill)
    told = {each["bom-ref"]: each for each in (document["metadata"]["component"], *document["components"])}
    dependencies = {each["ref"] for each in document["dependencies"]}
    assert set(told) == dependencies == {each.ref for each in bill.components}
    for component in bill.components:
        found = told[component.ref]
        properties = {each["name"]: each["value"] for each in found["properties"]}
        assert found["name"]
        assert found.get("version") or not component.purl, component.ref
        assert found.get("supplier") or not public_address(component.uris), component.ref
        assert found["hashes"][0]["content"] == component.digest.hex  # type: ignore[union-attr]
        assert properties["bsi:component:filename"] == component.hashed_file
        assert properties["bsi:component:archive"] == "archive", component.ref
        assert properties["bsi:component:structured"] == "structured"
        executable = component.role in (Role.ARTIFACT, Role.PRODUCT)
        assert properties.get("bsi:component:executable") == ("executable" if executable else None)


@pytest.mark.parametrize(
    ("name", "digest", "known"),
    [
        ("hello-2.10.tar.gz", Sha256.of(b""), True),
        ("gcc_12_amd64.deb", Sha256.of(b""), True),
        ("serde-1.crate", Sha256.of(b""), True),
        ("fix.patch", Sha256.of(b""), False),
        ("busybox", Sha256.of(b""), None),
        ("x", NarHash.of(b""), True),
        ("x", OtherDigest("sha512", "00", nar=True), True),
        ("x.tar", None, None),
    ],
)
def test_what_nothing_tells_is_not_claimed(name: str, digest: Any, known: bool | None) -> None:
    component = Component("r", "x", Role.FETCHED, path="/nix/store/x", digest=digest, file_name=name)
    assert is_archive(component) is known
    told = dict(taxonomy(component))
    assert ("bsi:component:archive" in told) is (known is not None)
    assert ("bsi:component:structured" in told) is (known is True)
    assert "bsi:component:executable" not in told
