"""An SBOM, read and validated by spdx-tools, in time that is linear in its size.

spdx-tools' validator of whole documents looks for each id in a list of all ids: 3.7 s at 1,100 packages. So
it is given one element at a time, together with the few that this element speaks of, which an index finds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.clients.refusal import SPDX_TOOLS, refused

if TYPE_CHECKING:
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.package import Package
    from spdx_tools.spdx.model.relationship import Relationship

_HINT = "`tally plan` shows the closure that the document tells of; please report this with its message"


def validate(data: bytes, name: str) -> None:
    """Nothing, where spdx-tools has nothing to say of the document. Raises TallyError with its words."""
    from spdx_tools.spdx.parser.error import SPDXParsingError

    try:
        words = list(dict.fromkeys(remarks(_document(data))))
    except SPDXParsingError as error:
        words = [str(each) for each in error.messages]
    except Exception as error:  # noqa: BLE001  what it cannot read its users cannot read
        words = [f"{type(error).__name__}: {error}"]
    if words:
        raise refused(SPDX_TOOLS, name, words, _HINT)


def remarks(document: Document) -> Iterator[str]:
    """What `validate_full_spdx_document` would say of the document, element by element.

    Of files, snippets and annotations, which no document of ours has, it may say more.
    """
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
    from spdx_tools.spdx.validation.package_validator import validate_package_within_document
    from spdx_tools.spdx.validation.relationship_validator import validate_relationship

    version = document.creation_info.spdx_version
    parts = _Parts(document)
    yield from _texts(validate_full_spdx_document(parts.frame()))
    for package in document.packages:
        yield from _texts(validate_package_within_document(package, version, parts.around(package)))
    for relationship in document.relationships:
        yield from _texts(validate_relationship(relationship, version, parts.ends(relationship)))
    if twice := parts.twice():
        yield f"every spdx_id must be unique within the document, but found these twice: {twice}"


def _document(data: bytes) -> Document:
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser

    return JsonLikeDictParser().parse(json.loads(data))  # type: ignore[no-untyped-call]  # it ships none


class _Parts:
    """A document's elements by id, and documents of a few of them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._info: CreationInfo = document.creation_info
        self._elements: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        for kind in ("packages", "files", "snippets"):
            for element in getattr(document, kind):
                self._elements[element.spdx_id].append((kind, element))
        self._contained: dict[str, list[Relationship]] = defaultdict(list)
        self._describing: list[Relationship] = []
        for each in document.relationships:
            match each.relationship_type.name:
                case "CONTAINS":
                    self._contained[each.spdx_element_id].append(each)
                case "CONTAINED_BY":
                    self._contained[str(each.related_spdx_element_id)].append(each)
                case "DESCRIBES" if each.spdx_element_id == self._info.spdx_id:
                    self._describing.append(each)
                case "DESCRIBED_BY" if each.related_spdx_element_id == self._info.spdx_id:
                    self._describing.append(each)
                case _:
                    pass
        self._licences = {each.license_id: each for each in document.extracted_licensing_info}

    def frame(self) -> Document:
        """The document without its packages, but for those that it describes, and their relationships."""
        whole = self._document
        found = self._of(self._describing, [end for each in self._describing for end in _ends(each)])
        if len(whole.packages) == 1:
            found["packages"] = whole.packages
        found |= {"files": whole.files, "snippets": whole.snippets, "annotations": whole.annotations}
        return self._made(found, whole.extracted_licensing_info)

    def around(self, package: Package) -> Document:
        """One package, the files that it contains, and the licence texts that it refers to."""
        contained = [each for each in self._contained.get(package.spdx_id, []) if self._has_file(each)]
        found = self._of(contained, [end for each in contained for end in _ends(each)])
        found["packages"] = found.get("packages", [package])
        words = {word for each in _licences(package) for word in _words(each)}
        return self._made(found, [self._licences[word] for word in words if word in self._licences])

    def ends(self, relationship: Relationship) -> Document:
        """One relationship, and those of its two elements that the document has."""
        return self._made(self._of([relationship], _ends(relationship)), [])

    def twice(self) -> list[str]:
        """Ids that more than one element has."""
        found = [name for name, elements in self._elements.items() if len(elements) > 1]
        return sorted([*found, *({self._info.spdx_id} & self._elements.keys())])

    def _has_file(self, relationship: Relationship) -> bool:
        kinds = (kind for end in _ends(relationship) for kind, _ in self._elements.get(end, []))
        return "files" in kinds

    def _of(self, relationships: list[Relationship], ids: Iterable[str]) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {"relationships": relationships}
        for name in dict.fromkeys(ids):
            for kind, element in self._elements.get(name, [])[:1]:
                found.setdefault(kind, []).append(element)
        return found

    def _made(self, parts: Mapping[str, list[Any]], licences: list[Any]) -> Document:
        from spdx_tools.spdx.model.document import Document

        return Document(self._info, extracted_licensing_info=licences, **parts)


def _ends(relationship: Relationship) -> list[str]:
    """The two ids; what is NONE or NOASSERTION is no id and found nowhere."""
    return [relationship.spdx_element_id, str(relationship.related_spdx_element_id)]


def _licences(package: Package) -> list[Any]:
    return [package.license_concluded, package.license_declared, *(package.license_info_from_files or [])]


def _words(expression: Any) -> list[str]:
    return str(expression).replace("(", " ").replace(")", " ").split()


def _texts(messages: Iterable[Any]) -> Iterator[str]:
    """Each message, after the id of what it is about."""
    for each in messages:
        about = each.context.spdx_id or each.context.parent_id
        yield f"{about}: {each.validation_message}" if about else each.validation_message
