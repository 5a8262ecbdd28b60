"""What it means that a client refuses, or cannot be asked: nothing is published."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from orchestrator.ground.errors import TallyError

SPDX_TOOLS: Final = "spdx-tools"
SPDX_MODEL: Final = "spdx-python-model"
IN_TOTO: Final = "in-toto"
_SHOWN = 5  # of its words; a document with one fault in every package has thousands
_LONGEST = 500  # characters of each that are shown: some of spdx-tools' hold a whole package


def refused(client: str, what: str, words: Sequence[str], hint: str) -> TallyError:
    """The error that names the client and says what it said."""
    said = "".join(f"\n  {_line(each)}" for each in islice(words, _SHOWN))
    if len(words) > _SHOWN:
        said += f"\n  … and {len(words) - _SHOWN} more"
    return TallyError(f"{client} refuses {what}, so nothing was published:{said}", hint=hint)


def unusable(client: str, error: BaseException) -> TallyError:
    """The error for a client that cannot be imported here."""
    return TallyError(
        f"{client} cannot be used here: {type(error).__name__}: {_line(str(error))}",
        hint="every release is read by it before it is published: install tallystick again, "
        "with what it depends on",
    )


def _line(text: str) -> str:
    """One line, without what a terminal would act on, which the command line takes out besides."""
    found = " ".join(text.split())
    return found if len(found) <= _LONGEST else f"{found[:_LONGEST]}…"
