"""Sentences without the credentials of the addresses in them. Pure, and cheap where there are none.

An address can have a user and a password before its host, and a token among its query (RFC 3986, 3.2.1 and
3.4). Whatever is told, logged or printed as JSON goes through here, as every error does when it is made.
"""

from __future__ import annotations

import re

# compiled when the first address is told: most runs tell none
_ADDRESS = (
    # the latter is an address that was taken for a file's path
    r"([A-Za-z][A-Za-z0-9+.-]*://|(?:awskms|azurekms|gcpkms|hashivault|hv|https?):/(?!/))(\S*)"
)
_AUTHORITY = r"[^/?#]*"
_PORT = r"[^:]*|\[[^\]]*\](:\d*)?|[^:]*:\d*"
_SECRET = (
    r"(?i)([?&;#](?:[a-z0-9_.-]*"
    r"(?:token|secret|password|passwd|signature|credential|apikey|api[-_]key|access[-_]key|accesskeyid|jwt)"
    r"[a-z0-9_.-]*|sig|auth|key|pass|pwd|code)=)[^&;#\s'\"<>]+"
)
_USERS = ("ssh", "git+ssh", "ssh+git", "ssh-ng", "rsync", "sftp")
"""Schemes whose user, without a password, is no secret: whoever reads the message may need it."""


def without_secrets(text: str) -> str:
    """The text, with what could be a user, a password or a token in an address left out."""
    if ":/" not in text:
        return text
    return re.sub(_ADDRESS, lambda found: found[1] + _bare(found[1].rstrip(":/").lower(), found[2]), text)


def _bare(scheme: str, rest: str) -> str:
    authority = re.match(_AUTHORITY, rest)
    host = authority[0] if authority else ""
    user, at, place = host.rpartition("@")
    if at:
        named = scheme in _USERS and ":" not in user
        rest = rest if named else place + rest[len(host) :]
    elif "@" in rest and not re.fullmatch(_PORT, host):  # a password with a `/`, `?` or `#` in it
        rest = rest.rpartition("@")[2]
    return re.sub(_SECRET, r"\1…", rest)
