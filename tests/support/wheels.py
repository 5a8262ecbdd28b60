"""A Python index of our own, in a folder: PEP 691's answers, from a server on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from zip_making import Member, zip_of


@dataclass
class OwnIndex:
    """Projects with their files; `address` once it is served."""

    projects: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    """What the next pages are answered with, before the index answers as it should."""
    asked: list[str] = field(default_factory=list)
    html: bool = False
    wants: str | None = None
    """USER:PASSWORD, which everything is answered for alone."""
    address: str = ""

    def add(self, project: str, name: str, data: bytes, uploaded: str = "2024-01-01", **said: Any) -> None:
        """A file of a project; `said` are further fields of PEP 691."""
        self.data[name] = data
        described = {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
            "upload-time": f"{uploaded}T12:00:00.000000Z",
            **said,
        }
        self.projects.setdefault(project, []).append(described)

    def wheel(self, project: str, version: str, *requires: str, **said: Any) -> None:
        """A wheel that needs others."""
        name = project.replace("-", "_")
        said.setdefault("tag", "py3-none-any")
        tag = said.pop("tag")
        metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n"
        metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
        data = zip_of(
            [
                Member(f"{name}-{version}.dist-info/METADATA", metadata.encode()),
                Member(f"{name}-{version}.dist-info/WHEEL", b"Wheel-Version: 1.0\n"),
            ]
        )
        self.add(project, f"{name}-{version}-{tag}.whl", data, **said)

    @contextmanager
    def served(self) -> Iterator[OwnIndex]:
        """It, on loopback."""
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                told = self.headers.get("Authorization")
                if index.wants and told != f"Basic {b64encode(index.wants.encode()).decode()}":
                    self.answer(401, "text/plain", b"")
                elif self.path.startswith("/files/"):
                    data = index.data.get(self.path.removeprefix("/files/"))
                    self.answer(404 if data is None else 200, "application/octet-stream", data or b"")
                elif index.statuses:
                    self.answer(index.statuses.pop(0), "text/plain", b"")
                else:
                    files = index.projects.get(self.path.split("/")[2])
                    html = index.html or "json" not in self.headers.get("Accept", "")
                    kind, body = index.page(files or [], html=html)
                    self.answer(404 if files is None else 200, kind, body)

            def answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            self.address = f"http://127.0.0.1:{server.server_address[1]}/simple/"
            try:
                yield self
            finally:
                server.shutdown()

    def page(self, files: list[dict[str, Any]], *, html: bool) -> tuple[str, bytes]:
        if html:
            links = (
                f'<a href="{f["url"]}#sha256={f["hashes"]["sha256"]}">{f["filename"]}</a>' for f in files
            )
            return "text/html", "".join(links).encode()
        body = {"meta": {"api-version": "1.1"}, "files": files}
        return "application/vnd.pypi.simple.v1+json", json.dumps(body).encode()


def sdist_of(top: str, files: Mapping[str, bytes], moment: int = 1_700_000_000) -> bytes:
    """A source distribution: files below one folder, all of one time."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mtime, info.mode = len(data), moment, 0o644
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()
