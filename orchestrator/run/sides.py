"""What is in a store, any store, as a result on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.agreement.trees import Side
from orchestrator.ground.errors import TallyError
from orchestrator.ground.state import State
from orchestrator.nix.command import Nix
from orchestrator.nix.remote import RemoteStore, nothing_kept
from orchestrator.run import inventory
from orchestrator.run.inventory import STORE, Place


def is_stored(word: str) -> bool:
    """Whether a word names something in a store: by its path, or by a link to it that is not here."""
    path = Path(word)
    is_elsewhere = path.is_symlink() and not path.exists()
    return word.startswith(STORE) or (is_elsewhere and os.path.realpath(word).startswith(STORE))


def stored(word: str, store: str | None, state: State, scratch: Path) -> Side:
    """What is in a store, copied to this machine where its files cannot be looked at. Raises TallyError."""
    text = word if word.startswith(STORE) else os.path.realpath(word)
    whole = "/".join(text.split("/")[:4])
    wanted = inventory.wanted(whole)
    if wanted is None or "/../" in f"{text}/":
        raise TallyError(f"{word} is not a store path", hint="expected /nix/store/DIGITS-NAME")
    if store is None:
        ours = Place(str(state.store("orchestrator")), state.store("orchestrator"))
        places = [Place(None, Path("/")), ours]
    else:
        places = [Place.of(store)]
    (place,) = inventory.by_place(places, [wanted], state.holding)
    if place.folder is not None:
        root = place.folder / wanted.path.lstrip("/")
    else:
        root = RemoteStore(Nix.unasked(scratch), str(place.address), nothing_kept).bring(wanted.path)
    within = root / text.removeprefix(whole).lstrip("/")
    if not os.path.lexists(within):
        raise TallyError(f"{word} is not there: {whole} holds no such file")
    return Side(word, within)
