"""An SPDX 3.0.1 document, read by SPDX's own classes, which are made from its SHACL shapes.

They refuse what the model does not know, what is of another type, and what is there too seldom or too often.
It takes time that is linear in the document's size.
"""

from __future__ import annotations

import io

from orchestrator.clients.refusal import SPDX_MODEL, refused

_HINT = "please report this with its message"


def validate(data: bytes, name: str) -> None:
    """Nothing, where they take the document. Raises TallyError with what they say."""
    from spdx_python_model.bindings import v3_0_1 as model

    try:
        found = model.SHACLObjectSet()
        model.JSONLDDeserializer().read(io.BytesIO(data), found)
        words = [f"it refers to what is not in it: {each}" for each in sorted(found.missing_ids)]
        model.JSONLDSerializer().write(found, io.BytesIO())  # this is when they count
    except Exception as error:  # noqa: BLE001  what they cannot read their users cannot read
        words = [f"{type(error).__name__}: {error}"]
    if words:
        raise refused(SPDX_MODEL, name, words, _HINT)
