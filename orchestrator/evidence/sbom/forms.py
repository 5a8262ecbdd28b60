"""The standard forms that a bill can be written in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.evidence import terms
from orchestrator.evidence.canonical import LARGEST_PAYLOAD, render_document
from orchestrator.evidence.sbom import cyclonedx, spdx2, spdx3
from orchestrator.evidence.sbom.bill import Bill

if TYPE_CHECKING:  # `tally sbom` makes no release, and has no time for its imports
    from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
    from orchestrator.evidence.statement import Statement


class Form(StrEnum):
    """A form, by the name that `tally sbom --format` takes."""

    SPDX_2_3 = "spdx-2.3"
    SPDX_3_0_1 = "spdx-3.0.1"
    CYCLONEDX = "cyclonedx"

    @property
    def suffix(self) -> str:
        """How the names of its files end."""
        return terms.SBOMS[self.predicate_type]

    @property
    def predicate_type(self) -> str:
        """What a signed statement with such a document says it is."""
        return _PREDICATES[self]

    def document(self, bill: Bill) -> dict[str, Any]:
        """The bill in this form. Raises TallyError for what the form cannot hold."""
        return _DOCUMENTS[self](bill)


_PREDICATES: Final = {
    Form.SPDX_2_3: terms.SPDX,
    Form.SPDX_3_0_1: terms.SPDX3,
    Form.CYCLONEDX: terms.CYCLONEDX,
}
_DOCUMENTS: Final = {
    Form.SPDX_2_3: spdx2.document,
    Form.SPDX_3_0_1: spdx3.document,
    Form.CYCLONEDX: cyclonedx.document,
}


def statements(facts: ReleaseFacts, bill: Bill, limit: int = LARGEST_PAYLOAD) -> Mapping[Form, Statement]:
    """What a release signs of its bill: a statement a form, whose predicate is the document.

    A form that takes more bytes than verifiers read is left out, so that the others can be verified. SPDX 2.3
    is always there: it has room for the most packages, and one with more than that is no release.
    """
    from orchestrator.evidence import statement

    made = {form: statement.make(facts, form.predicate_type, form.document(bill)) for form in Form}
    return {form: each for form, each in made.items() if form is Form.SPDX_2_3 or len(each.payload) <= limit}


def release_file(name: str, form: Form, document: Mapping[str, Any]) -> ReleaseFile:
    """A document as the file that users find in the release folder of the package `name`."""
    from orchestrator.evidence.facts import ReleaseFile

    return ReleaseFile.of(f"sbom/{name}{form.suffix}", render_document(document))


def statement_name(form: Form) -> str:
    """What the statement with such a document is called in a release: its bundle's name, in short."""
    return terms.BUNDLES[form.predicate_type].removeprefix("attestations/").removesuffix(".sigstore.json")
