"""The clients of one run: imported while builders work, asked before anything is published."""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from orchestrator.clients import links, spdx, spdx3
from orchestrator.clients.refusal import IN_TOTO, SPDX_MODEL, SPDX_TOOLS, unusable
from orchestrator.evidence.facts import ReleaseFacts, ReleaseFile
from orchestrator.evidence.sbom.forms import Form
from orchestrator.ground.errors import TallyError
from orchestrator.keys.signers import Signer
from orchestrator.signing.keyless import KeylessSigner

_STEPS: Final = (
    (SPDX_TOOLS, "license_expression"),
    (SPDX_TOOLS, "spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser"),
    (SPDX_TOOLS, "spdx_tools.spdx.validation.document_validator"),
    (SPDX_MODEL, "spdx_python_model.bindings.v3_0_1"),
    (IN_TOTO, "securesystemslib.signer"),
    (IN_TOTO, "in_toto.models.metadata"),
    (IN_TOTO, "in_toto.verifylib"),
)
"""What is imported, in steps between which a run that ends need not wait for the rest."""
_WARM: Final = b"""{
    "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "warm",
    "documentNamespace": "https://example.org/warm",
    "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: tallystick"]},
    "packages": [{"SPDXID": "SPDXRef-a", "name": "a", "downloadLocation": "NOASSERTION",
                  "filesAnalyzed": false, "licenseDeclared": "GPL-3.0-or-later WITH GCC-exception-3.1"}],
    "relationships": [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                       "relatedSpdxElement": "SPDXRef-a"}]
}"""
"""A document that spdx-tools takes: its first one costs it more than the next hundred packages."""


class Clients:
    """Other people's code, on its way or there. A context: what is on its way at its end stops.

    `scratch` is a private folder of this run's.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._ending = threading.Event()
        self._failure: TallyError | None = None
        self._complete = False
        self._thread = threading.Thread(target=self._come, name="clients", daemon=True)

    def call(self) -> None:
        """Begin to import them, beside what this thread does. Raises TallyError for one that is not here."""
        for client, module in _STEPS:
            name = module.partition(".")[0]
            if importlib.util.find_spec(name) is None:
                raise unusable(client, ModuleNotFoundError(f"there is no module {name!r}"))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._thread.is_alive():  # Python's own end must not meet an import half-way
            self._thread.join()

    def refuse_unusable(self) -> None:
        """Raises TallyError for a client that could not be imported, as far as that is known by now."""
        if self._failure is not None:
            raise self._failure

    def refuse_names(self, artifacts: Iterable[str]) -> None:
        """Raises TallyError for an artifact whose name alone would have it refused."""
        for name in artifacts:
            links.refuse_name(name)

    def accept_document(self, form: Form, file: ReleaseFile) -> None:
        """Before anything is signed: whoever reads this form of SBOM takes it. Raises TallyError.

        CycloneDX's own validator is asked in the tests alone: docs/explanation/dependencies.md.
        """
        self._there()
        data = b"".join(file.chunks())
        match form:
            case Form.SPDX_2_3:
                spdx.validate(data, file.path)
            case Form.SPDX_3_0_1:
                spdx3.validate(data, file.path)
            case Form.CYCLONEDX:
                return

    def accept_links(
        self,
        facts: ReleaseFacts,
        files: Sequence[ReleaseFile],
        artifact: Path,
        key: Signer | KeylessSigner,
    ) -> None:
        """Before a log gets an entry: in-toto takes these links and their layout. Raises TallyError.

        `key` is the release's. Where an identity signs, the layout's own public key is among the files.
        """
        self._there()
        pem = None if isinstance(key, KeylessSigner) else key.public.pem
        links.verify(files, artifact, facts.artifact.file_name, pem, self._scratch)

    def _there(self) -> None:
        if not self._complete:
            self._thread.join()
            self.refuse_unusable()
        if not self._complete:
            raise RuntimeError("the clients were sent away before they were asked")

    def _come(self) -> None:
        for client, module in _STEPS:
            if self._ending.is_set():
                return
            try:
                importlib.import_module(module)
            except BaseException as error:  # noqa: BLE001  whatever a broken installation raises
                self._failure = unusable(client, error)
                return
        try:
            spdx.validate(_WARM, "the document that it is tried with")
        except TallyError as error:
            self._failure = error
            return
        self._complete = True
