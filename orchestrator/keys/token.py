"""Keys in PKCS#11 tokens, by securesystemslib's `HSMSigner`.

That signer is told a token's label and a key's id alone. So what an address (RFC 7512) names is looked up
first, and refused unless these two name it, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.ground.deadline import within
from orchestrator.ground.errors import TallyError
from orchestrator.ground.key_address import TokenKey
from orchestrator.keys.key import PublicKey
from orchestrator.keys.passphrase import Pin
from orchestrator.keys.signers import Ask, RemoteKey, public_key, unwanted

if TYPE_CHECKING:
    from pkcs11 import Token

MODULE = "PYKCS11LIB"
"""securesystemslib's variable for the library that speaks to the token."""
_EXTRA = "pipx inject tallystick python-pkcs11; without pipx, install it beside tally"
_OTHER_MODULE = "see that it is the token's, and what its maker's own programs do with it"
_MISSING = "keys there: {}; the token's own program makes one, as `pkcs11-tool --keypairgen`"
_LOADING = 20.0  # seconds for a module to begin
_AGAIN = "put it back, and run the command again: what was built is kept"
_SAID: Mapping[str, tuple[str, str]] = {
    # class of python-pkcs11's: what to say, and the way out
    "PinIncorrect": ("is not opened by this PIN", "tokens lock themselves after a few wrong ones"),
    "PinInvalid": ("takes no such PIN", "tokens lock themselves after a few wrong ones"),
    "PinLenRange": ("takes no PIN of that length", "tokens lock themselves after a few wrong ones"),
    "PinLocked": ("is locked: its PIN was wrong too often", "whoever has its SO PIN or PUK can unlock it"),
    "PinExpired": ("wants another PIN", "its maker's program sets one"),
    "UserPinNotInitialized": ("has no PIN yet", "set one: pkcs11-tool --init-pin"),
    "NoSuchToken": ("is not there any more", _AGAIN),
    "TokenNotPresent": ("is not there any more", _AGAIN),
    "TokenNotRecognised": ("is not there any more", _AGAIN),
    "DeviceRemoved": ("was pulled out", _AGAIN),
    "SlotIDInvalid": ("is not there any more", _AGAIN),
}


@dataclass(frozen=True, slots=True)
class _Place:
    """One key of one token, in the terms of securesystemslib's signer."""

    module: Path
    label: str
    id: int

    def __str__(self) -> str:
        return f"the token {self.label!r}"


def opened(address: TokenKey, ask: Ask) -> RemoteKey:
    """The one key pair that the address names, with the token's PIN in memory. Raises TallyError."""
    from securesystemslib.signer import HSMSigner  # type: ignore[attr-defined]  # exported all the same

    module, token = _token(address)
    pin = _pin(address, token, ask)
    place = _key(address, module, token, pin)
    with _speaking(place.module, str(place)):
        uri, public = HSMSigner.import_(place.id, place.label, lambda _: pin)
        signer = HSMSigner.from_priv_key_uri(uri, public, lambda _: pin)

    def sign(data: bytes) -> bytes:
        with _speaking(place.module, str(place)):
            return bytes.fromhex(signer.sign(data).signature)

    ours = public_key(public.keytype, public.scheme, public.keyval["public"], str(place))
    return RemoteKey(ours, str(place), sign)


def public_half(address: TokenKey, ask: Ask) -> PublicKey:
    """The same key's public half, without a PIN where the token gives it so. Raises TallyError."""
    from securesystemslib.signer import HSMSigner  # type: ignore[attr-defined]  # exported all the same

    module, token = _token(address)
    pins: list[str] = []
    try:
        place = _key(address, module, token, None)
    except _NoKeyError as hidden:
        try:
            pins.append(_pin(address, token, ask))
        except TallyError as error:  # nobody to ask
            said = f"{hidden.message}, without its PIN: {error.message}"
            raise TallyError(said, hint=f"{hidden.hint}; or {error.hint}") from error
        place = _key(address, module, token, pins[0])
    with _speaking(place.module, str(place)):
        _, public = HSMSigner.import_(place.id, place.label, lambda _: pins[0])
    return public_key(public.keytype, public.scheme, public.keyval["public"], str(place))


class _NoKeyError(TallyError):
    """No key matches: among those that can be seen."""


def _token(address: TokenKey) -> tuple[Path, Token]:
    """The module and the one token that the address names. Raises TallyError."""
    module = _module(address)
    library = _library(module)
    with _speaking(module, "the PKCS#11 module"):
        from pkcs11 import TokenFlag

        every = [each for each in library.get_tokens() if TokenFlag.TOKEN_INITIALIZED in each.flags]
    found = [each for each in every if _is_meant(address, each)]
    names = ", ".join(repr(each.label) for each in every) or "none"
    if not found:
        raise TallyError(
            f"no token is what {address} names",
            hint=f"tokens that {module} shows: {names}; it may want a setting of its own, as SOFTHSM2_CONF",
        )
    if len(found) > 1:
        raise TallyError(
            f"{len(found)} tokens are what {address} names: {names}",
            hint="add token=LABEL, or serial=NUMBER, to the address",
        )
    if sum(each.label == found[0].label for each in every) > 1:
        raise TallyError(
            f"{module} shows several tokens by the label {found[0].label!r}",
            hint="leave one of them plugged in, or give it another label",
        )
    return module, found[0]


def _module(address: TokenKey) -> Path:
    """The module's file. It is code, and it is run: no search path is asked where it is."""
    said = address.module or (Path(os.environ[MODULE]) if os.environ.get(MODULE) else None)
    if said is None:
        raise TallyError(
            "no PKCS#11 module is named, the library that speaks to the token",
            hint=f"add ?module-path=/usr/lib/… to the address, or set {MODULE}",
        )
    if not said.is_absolute():
        raise TallyError(f"{MODULE} is not a whole path: {said}", hint="begin it with /")
    if not said.is_file():
        raise TallyError(
            f"there is no PKCS#11 module {said}",
            hint="install it: for SoftHSM the package softhsm2, for cards opensc-pkcs11, for YubiKeys ykcs11",
        )
    return said


@cache
def _library(module: Path) -> Any:
    """The module, loaded. Raises TallyError."""
    with _speaking(module, f"the PKCS#11 module {module}"):
        import pkcs11

        _try_out(module)
        return pkcs11.lib(str(module))


def _try_out(module: Path) -> None:
    """Ask the module for its functions (PKCS#11 v2.40, C_GetFunctionList), as python-pkcs11 will.

    That believes in what it gets, and holds Python still for as long as it waits. Raises TallyError where
    there is nothing, or no answer; what is no module at all is left to python-pkcs11's own words.
    """
    import ctypes

    def ask() -> bool:
        functions = ctypes.c_void_p()
        try:
            failed = ctypes.CDLL(str(module)).C_GetFunctionList(ctypes.byref(functions))
        except (OSError, AttributeError):
            return True
        return bool(failed or functions.value)

    try:
        found = within(_LOADING, ask)
    except TimeoutError:
        raise TallyError(f"the PKCS#11 module {module} does not begin", hint=_OTHER_MODULE) from None
    if not found:
        raise TallyError(f"the PKCS#11 module {module} has no functions", hint=_OTHER_MODULE)


def _is_meant(address: TokenKey, token: Token) -> bool:
    serial = token.serial.decode("utf-8", "replace")
    wanted = (
        (address.token, token.label),
        (address.serial, serial),
        (address.manufacturer, token.manufacturer_id),
        (address.model, token.model),
        (address.slot, token.slot.slot_id),
    )
    return all(said is None or said == found for said, found in wanted)


def _pin(address: TokenKey, token: Token, ask: Ask) -> str:
    try:
        pin = ask(Pin(token.label, address.pin_source)).decode()
    except UnicodeDecodeError:
        raise TallyError(f"the PIN of the token {token.label!r} is not UTF-8") from None
    if "\0" in pin:  # the token would count a try with what stands before it
        raise TallyError(f"the PIN of the token {token.label!r} has a NUL in it", hint="it was not asked")
    return pin


def _key(address: TokenKey, module: Path, token: Token, pin: str | None) -> _Place:
    """The one key that the address names, private half or, without a PIN, public. Raises TallyError."""
    where = f"the token {token.label!r}"
    with _speaking(module, where):
        from pkcs11 import Attribute, KeyType, ObjectClass

        wanted = ObjectClass.PUBLIC_KEY if pin is None else ObjectClass.PRIVATE_KEY
        with token.open(user_pin=pin) as session:
            every = [_seen(each) for each in session.get_objects({Attribute.CLASS: wanted})]
    found = [each for each in every if address.label in (None, each[0]) and address.id in (None, each[1])]
    if not found:
        raise _NoKeyError(f"no key in {where} is what {address} names", hint=_MISSING.format(_listed(every)))
    if len(found) > 1:
        raise TallyError(
            f"{len(found)} keys in {where} are what {address} names: {_listed(found)}",
            hint="give the object and the id both",
        )
    ((_, identifier, kind),) = found
    if kind is not KeyType.EC:
        raise unwanted(where, "Ed25519" if kind is KeyType.EC_EDWARDS else getattr(kind, "name", str(kind)))
    if len(twins := [each for each in every if each[1:] == (identifier, kind)]) > 1:
        raise TallyError(
            f"several keys in {where} have the id {identifier.hex()}: {_listed(twins)}",
            hint="securesystemslib's signer knows keys by their id alone: give it one of its own",
        )
    if not identifier or identifier[0] == 0:
        raise TallyError(
            f"the key in {where} has {f'the id {identifier.hex()}' if identifier else 'no id'}",
            hint="securesystemslib's signer takes ids that do not begin with 00: give it another id",
        )
    return _Place(module, token.label, int.from_bytes(identifier))


def _seen(key: Any) -> tuple[str, bytes, Any]:
    """Its label, its id and its type."""
    return key.label or "", key.id or b"", key.key_type


def _listed(keys: Sequence[tuple[str, bytes, Any]]) -> str:
    return ", ".join(sorted(f"{label!r} (id {each.hex() or 'none'})" for label, each, _ in keys)) or "none"


@contextmanager
def _speaking(module: Path, where: str) -> Iterator[None]:
    """Around all that is asked of a token: securesystemslib finds the module, and errors become ours.

    What the module leaves behind in OpenSSL is taken away, too: see `_forget_errors`.
    """
    from securesystemslib.exceptions import UnsupportedLibraryError

    try:
        from pkcs11.exceptions import PKCS11Error
    except ImportError as error:
        raise TallyError("signing by PKCS#11 needs the package python-pkcs11", hint=_EXTRA) from error
    before = os.environ.get(MODULE)
    os.environ[MODULE] = str(module)
    try:
        yield
    except (PKCS11Error, UnsupportedLibraryError, ValueError, AssertionError) as error:
        raise explained(error, where) from error
    finally:
        if before is None:
            del os.environ[MODULE]
        else:
            os.environ[MODULE] = before
        _forget_errors()


def _forget_errors() -> None:
    """Empty this thread's queue of OpenSSL's errors.

    Modules that are linked with the OpenSSL that Python has leave errors there (SoftHSM looks for an engine
    that few machines have), and the thread's next TLS connection is told that they are its own. Of all that
    Python offers, a list without a known cipher empties the queue (`_ssl.c`, SSLContext.set_ciphers).
    """
    import ssl

    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers("no cipher")


def explained(error: Exception, where: str) -> TallyError:
    """What a token, or the library between it and us, says."""
    name = type(error).__name__
    if name in _SAID:
        said, hint = _SAID[name]
        return TallyError(f"{where} {said}", hint=hint)
    return TallyError(
        f"{where} cannot be used: {str(error) or name}",
        hint="see that it is there and works (`pkcs11-tool --module MODULE -O`), and run the command again",
    )
