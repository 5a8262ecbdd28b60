"""An OCI registry on loopback, as the distribution specification 1.1 has it, and ways for it to misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

USER, PASSWORD = "somebody", "a password: with a colon"


@dataclass
class FakeRegistry:
    """What it holds, and how it behaves. It is spoken to by `host`."""

    referrers: bool = True
    """Whether it has the endpoint."""
    tokens: bool = False
    """Whether it wants a bearer token, which is given for the one user's password."""
    basic: bool = False
    lasting: int = 1 << 30
    """Requests that a token is good for."""
    busy: int = 0
    """How many requests are answered by 429 from now on."""
    retry_after: str = "0"
    page: int = 1000
    """Referrers a page."""
    read_only: bool = False
    untold: bool = False
    """Whether referrers are listed by the type of their config alone, as go-containerregistry's are."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    """By the beginning of `METHOD path`: what is done in place of an answer."""
    host: str = ""
    _left: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[FakeRegistry]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.host = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def reference(self, repository: str = "some/app") -> str:
        return f"oci://{self.host}/{repository}"

    @property
    def contents(self) -> tuple[dict[str, bytes], dict[str, tuple[str, bytes]], dict[str, str]]:
        return dict(self.blobs), dict(self.manifests), dict(self.tags)

    def refuses(self, headers: Any) -> str | None:
        """The challenge for a request that does not say who asks; None: it does."""
        said = headers.get("Authorization", "")
        if self.basic:
            known = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return None if said == f"Basic {known}" else 'Basic realm="here"'
        if not self.tokens:
            return None
        if self._left.get(said, 0) > 0:
            self._left[said] -= 1
            return None
        return f'Bearer realm="http://{self.host}/token",service="here"'

    def token(self, headers: Any) -> tuple[int, object]:
        known = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if headers.get("Authorization") != f"Basic {known}":
            return 401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}
        token = f"token-{len(self._left)}"
        self._left[f"Bearer {token}"] = self.lasting
        return 200, {"token": token}

    def put_manifest(self, name: str, kind: str, data: bytes) -> dict[str, str]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.manifests[digest] = (kind, data)
        if not name.startswith("sha256:"):
            self.tags[name] = digest
        subject = json.loads(data).get("subject")
        more = {"OCI-Subject": subject["digest"]} if subject and self.referrers else {}
        return {"Docker-Content-Digest": digest, **more}

    def referring(self, subject: str, kind: str | None) -> list[dict[str, Any]]:
        found = []
        for digest, (media_type, data) in self.manifests.items():
            document = json.loads(data)
            if document.get("subject", {}).get("digest") != subject:
                continue
            named = {"mediaType": media_type, "digest": digest, "size": len(data)}
            if self.untold:
                found.append({**named, "artifactType": document["config"]["mediaType"]})
            elif kind in (None, document["artifactType"]):
                told = {each: document[each] for each in ("artifactType", "annotations")}
                found.append({**named, **told})
        return found


def _handler(of: FakeRegistry) -> type[BaseHTTPRequestHandler]:  # noqa: C901  a class, as the server wants one
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are written apart, and the second would wait for 40 ms

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def say(self, status: int, body: bytes = b"", **headers: Any) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def document(self, status: int, found: object) -> None:
            self.say(status, json.dumps(found).encode(), Content_Type="application/json")

        def error(self, status: int, code: str) -> None:
            self.document(status, {"errors": [{"code": code, "message": "no"}]})

        def answer(self) -> None:
            try:
                self.answered()
            except ConnectionError:
                pass

        def answered(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            asked = f"{self.command} {parts.path}"
            of.asked.append(asked)
            for beginning, fault in of.faults.items():
                if asked.startswith(beginning):
                    return fault(self)
            if parts.path == "/token":
                return self.document(*of.token(self.headers))
            if (challenge := of.refuses(self.headers)) is not None:
                return self.say(401, WWW_Authenticate=challenge)
            if of.busy > 0:
                of.busy -= 1
                return self.say(429, Retry_After=of.retry_after)
            if of.read_only and self.command in ("POST", "PUT"):
                return self.error(403, "DENIED")
            before, _, rest = parts.path.removeprefix("/v2/").rpartition("/")
            kind = before.rpartition("/")[2]
            if kind in ("blobs", "uploads"):
                return self.blob(kind, rest, query, body)
            if kind == "manifests":
                return self.manifest(rest, body)
            if (self.command, kind) == ("GET", "referrers") and of.referrers:
                return self.referring(rest, parts.path, query)
            if (self.command, kind) == ("GET", "tags"):
                return self.document(200, {"name": before, "tags": sorted(of.tags)})
            return self.error(404, "UNSUPPORTED")

        def blob(self, kind: str, digest: str, query: dict[str, list[str]], body: bytes) -> None:
            if self.command == "POST":
                return self.say(202, Location=f"{urlsplit(self.path).path.rstrip('/')}/1?state=x")
            if self.command == "PUT" and kind == "uploads":
                (digest,) = query["digest"]
                if digest != f"sha256:{hashlib.sha256(body).hexdigest()}":
                    return self.error(400, "DIGEST_INVALID")
                of.blobs[digest] = body
                return self.say(201, Location="/")
            found = of.blobs.get(digest)
            return self.say(200, found) if found is not None else self.error(404, "BLOB_UNKNOWN")

        def manifest(self, name: str, body: bytes) -> None:
            if self.command != "PUT":
                there = of.manifests.get(of.tags.get(name, name))
                if there is None:
                    return self.error(404, "MANIFEST_UNKNOWN")
                return self.say(200, there[1], Content_Type=there[0])
            document = json.loads(body)
            blobs = [document["config"], *document["layers"]] if "layers" in document else []
            if any(each["digest"] not in of.blobs for each in blobs):
                return self.error(400, "MANIFEST_BLOB_UNKNOWN")
            kind = self.headers["Content-Type"]
            return self.say(201, b"", **of.put_manifest(name, kind, body))

        def referring(self, digest: str, path: str, query: dict[str, list[str]]) -> None:
            kind, begin = query.get("artifactType", [None])[0], int(query.get("from", ["0"])[0])
            found = of.referring(digest, kind)
            more = {}
            if begin + of.page < len(found):
                more = {
                    "Link": f'<{path}?artifactType={quote(kind or "")}&from={begin + of.page}>; rel="next"'
                }
            index = {"schemaVersion": 2, "manifests": found[begin : begin + of.page]}
            self.say(200, json.dumps(index).encode(), **more)

        def log_message(self, *args: object) -> None: ...

    return Handler
