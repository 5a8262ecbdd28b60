"""spdx-tools at the gate: what it refuses, in its own words, and in time that is linear."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import releases
from license_expression import get_spdx_licensing
from spdx_tools.spdx.parser.error import SPDXParsingError
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from orchestrator.clients import spdx as client
from orchestrator.evidence.facts import ReleaseFacts
from orchestrator.evidence.materials import materials_of
from orchestrator.evidence.sbom import spdx2
from orchestrator.evidence.sbom.released import bill_of
from orchestrator.ground.errors import TallyError

Document = dict[str, Any]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> ReleaseFacts:
    return releases.observed(tmp_path_factory.mktemp("made")).facts


def rendered(facts: ReleaseFacts) -> Document:
    return spdx2.document(bill_of(facts, materials_of(facts)))


def refusal(document: Document) -> str | None:
    """What the gate says; None: it takes the document."""
    try:
        client.validate(json.dumps(document).encode(), "sbom/pigz.spdx.json")
    except TallyError as error:
        return error.message
    return None


def test_what_our_code_writes_is_taken(facts: ReleaseFacts) -> None:
    assert refusal(rendered(facts)) is None


def test_every_licence_there_is_is_taken(facts: ReleaseFacts) -> None:
    known = get_spdx_licensing().known_symbols.values()
    names = [each.key for each in known if not each.is_exception]
    exceptions = [f"GPL-2.0-or-later WITH {each.key}" for each in known if each.is_exception]
    licences = [*names, *exceptions, *(f"LicenseRef-{number} OR MIT" for number in range(9))]
    assert len(licences) > 500
    assert refusal(rendered(releases.with_toolchain(facts, licences))) is None


@pytest.mark.parametrize(
    "homepage",
    [
        "https://www.gnu.org/software/hello/", "http://intranet/", "https://10.0.0.1:8443/x", "https://[::1]/",
        "https://xn--mnchen-3ya.example/", "https://a_b.example.org/", "https://example.org?x#y",
        "https://a--b.example.org", "https://example.xn--p1ai/", "https://.org/", "https://-.example.org/",
    ],
)  # fmt: skip
def test_every_address_that_a_recipe_may_have_is_taken_and_told(facts: ReleaseFacts, homepage: str) -> None:
    document = rendered(replace(facts, package=replace(facts.package, homepage=homepage)))
    assert refusal(document) is None
    assert homepage in json.dumps(document)


def _set(path: str, value: object) -> Callable[[Document], None]:
    *folders, last = path.split(".")

    def harm(document: Any) -> None:
        for each in folders:
            document = document[int(each) if each.isdecimal() else each]
        document[last] = value

    return harm


def _again(document: Document) -> None:
    document["packages"].append(document["packages"][1])


def _undescribed(document: Document) -> None:
    document["relationships"] = [r for r in document["relationships"] if r["relationshipType"] != "DESCRIBES"]


def _file_in(document: Document) -> None:
    """A file in a package whose files were not looked at."""
    checksums = [{"algorithm": "SHA1", "checksumValue": "0" * 40}]
    document["files"] = [{"SPDXID": "SPDXRef-f", "fileName": "./f", "checksums": checksums}]
    edge = {"spdxElementId": document["packages"][1]["SPDXID"], "relationshipType": "CONTAINS"}
    document["relationships"].append(edge | {"relatedSpdxElement": "SPDXRef-f"})


def _no_texts(document: Document) -> None:
    del document["hasExtractedLicensingInfos"]


HARMS: dict[str, tuple[Callable[[Document], None], str]] = {
    "another version": (_set("spdxVersion", "SPDX-3.0"), "only SPDX versions"),
    "no namespace": (_set("documentNamespace", "nowhere"), "document_namespace"),
    "a creator of no kind": (_set("creationInfo.creators", ["tallystick"]), "tallystick"),
    "no date": (_set("creationInfo.created", "today"), "today"),
    "an id with a blank": (_set("packages.1.SPDXID", "SPDXRef-a b"), "spdx_id must only contain"),
    "an id twice": (_again, "must be unique"),
    "nothing described": (_undescribed, "DESCRIBES"),
    "an address that is none": (_set("packages.1.downloadLocation", "intranet"), "download location"),
    "a homepage that is none": (_set("packages.0.homepage", "http://intranet/"), "must be a valid URL"),
    "a checksum that is too short": (_set("packages.1.checksums.0.checksumValue", "ab"), "ab"),
    "a licence that nobody knows": (_set("packages.1.licenseDeclared", "Beer"), "Beer"),
    "a licence without its text": (_no_texts, "LicenseRef-Carnegie"),
    "a purl that is none": (_set("packages.0.externalRefs.0.referenceLocator", "pigz"), "pigz"),
    "a relationship to nothing": (_set("relationships.3.relatedSpdxElement", "SPDXRef-gone"), "SPDXRef-gone"),
    "a relationship from nothing": (_set("relationships.3.spdxElementId", "SPDXRef-gone"), "SPDXRef-gone"),
    "a relationship of no kind": (_set("relationships.3.relationshipType", "LIKES"), "LIKES"),
    "a file where none was looked at": (_file_in, "must contain no elements"),
    "an extracted text that is none": (_set("hasExtractedLicensingInfos.0.licenseId", "text"), "text"),
}


@pytest.mark.parametrize(("harm", "words"), HARMS.values(), ids=HARMS)
def test_a_refusal_names_the_client_and_its_words(
    facts: ReleaseFacts, harm: Callable[[Document], None], words: str
) -> None:
    document = rendered(facts)
    harm(document)
    said = refusal(document)
    assert said is not None
    assert said.startswith("spdx-tools refuses sbom/pigz.spdx.json, so nothing was published:\n  ")
    assert words in said


@pytest.mark.parametrize("harm", [harm for harm, _ in HARMS.values()], ids=HARMS)
def test_element_by_element_it_says_what_its_validator_of_whole_documents_says(
    facts: ReleaseFacts, harm: Callable[[Document], None]
) -> None:
    document = rendered(facts)
    harm(document)
    with contextlib.suppress(SPDXParsingError, ValueError):
        parsed = None
        parsed = JsonLikeDictParser().parse(document)
    if parsed is None:
        assert refusal(document)
        return
    whole = {each.validation_message for each in validate_full_spdx_document(parsed)}
    ours = {
        each.partition(": ")[2] if each.startswith("SPDXRef-") else each for each in client.remarks(parsed)
    }
    unique = "every spdx_id must be unique"
    assert {each for each in whole if unique not in each} == {each for each in ours if unique not in each}
    assert any(unique in each for each in whole) == any(unique in each for each in ours)


def test_bytes_that_are_no_document_are_refused_in_words() -> None:
    for data in (b"", b"[]", b"{}", b'{"packages": 3}', b"\xff"):
        with pytest.raises(TallyError, match="spdx-tools refuses x, so nothing was published"):
            client.validate(data, "x")


def test_of_a_thousand_faults_a_few_are_told(facts: ReleaseFacts) -> None:
    document = rendered(releases.with_toolchain(facts, ["MIT"] * 1000))
    for package in document["packages"]:
        package["downloadLocation"] = "intranet"
    said = refusal(document)
    assert said is not None
    assert len(said.splitlines()) == 7
    assert said.endswith("more")


def calls(document: Document) -> int:
    """How many calls of Python functions the validation takes: what looks at every id calls for each one."""
    data, count = json.dumps(document).encode(), 0

    def seen(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        client.validate(data, "x")
    finally:
        sys.setprofile(None)
    return count


def test_twice_the_packages_take_twice_the_work(facts: ReleaseFacts) -> None:
    """Each with a licence text of its own, and all in one root."""
    few, many = (
        calls(rendered(releases.with_toolchain(facts, [f"LicenseRef-{number}" for number in range(count)])))
        for count in (200, 400)
    )
    assert many < 2.1 * few
