"""2,000 dependencies of npm by a lock file: locked, evaluated, put into a store from what was fetched before.

The lock and its packages are made up, and come from a registry on loopback that answers as npm's do.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sys
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha512
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from measure import ROOT, TALLY, Figure, cpu_seconds, peak_memory, run, state

from orchestrator.ground.state import State

COUNT = 2000
_SECONDS, _MEMORY = 10.0, 300.0
_RECIPE = """\
name = "many"
version = "1"
summary = "Depends on many packages"
homepage = "https://example.org/"
license = "MIT"

[source]
path = "."

[[dependencies]]
lock = "package-lock.json"

[toolchain]
from = "debian"
packages = ["gcc", "make", "libc6-dev"]

[build]
script = "mkdir $out"
"""


def figures() -> list[Figure]:
    """Cold once, then from a new store with every file fetched before."""
    with State(state()).scratch(f"locks-{os.getpid()}") as folder:
        packages = {f"package-{number}": _package(f"package-{number}") for number in range(COUNT)}
        _project(folder, packages)
        (folder / "state").mkdir()
        State(state()).folder("sources")
        (folder / "state" / "sources").symlink_to(state() / "sources")
        environment = {"TALLY_STATE": str(folder / "state")}
        recipe = folder / "recipes" / "many.toml"
        gather = [sys.executable, __file__, recipe]
        with _registry(packages) as address:
            (folder / "tally.toml").write_text(f'[mirrors]\nnpm = ["{address}"]\n')
            run([*TALLY, "lock"], folder=folder, more=environment)
            run(gather, folder=folder, more=environment)

        def everything() -> None:
            shutil.rmtree(folder / "state" / "stores")
            run([*TALLY, "lock"], folder=folder, more=environment)
            run(gather, folder=folder, more=environment)

        took = cpu_seconds(everything)
        shutil.rmtree(folder / "state" / "stores")
        memory = peak_memory(gather, environment)
        small = peak_memory([*TALLY, "plan", ROOT / "recipes/hello.toml"])
    name = f"{COUNT:,} dependencies of npm"
    return [
        Figure(
            f"{name}: lock, evaluate, put into a store (CPU)",
            took,
            _SECONDS,
            "the issue's",
            "s",
            took <= _SECONDS,
            f"{_SECONDS:.0f} s",
        ),
        Figure(name, memory, small, "tally plan", "MB", memory <= _MEMORY, f"{_MEMORY:.0f} MB"),
    ]


def _package(name: str) -> bytes:
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as tar,
    ):
        files = {
            "package.json": json.dumps({"name": name, "version": "1.0.0"}),
            "index.js": f"// {name}\n" * 50,
        }
        for file, text in files.items():
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def _project(folder: Path, packages: Mapping[str, bytes]) -> None:
    asked = {"dependencies": dict.fromkeys(packages, "1.0.0")}
    listed = {
        f"node_modules/{name}": {
            "version": "1.0.0",
            "resolved": f"https://npm.example/{name}/-/{name}-1.0.0.tgz",
            "integrity": f"sha512-{b64encode(sha512(data).digest()).decode()}",
            "license": "MIT",
            "dependencies": {f"package-{(int(name.rpartition('-')[2]) * 7 + 1) % COUNT}": "1.0.0"},
        }
        for name, data in packages.items()
    }
    lock = {"name": "many", "lockfileVersion": 3, "packages": {"": asked, **listed}}
    (folder / "package.json").write_text(json.dumps(asked, indent=2))
    (folder / "package-lock.json").write_text(json.dumps(lock, indent=2))
    (folder / "recipes").mkdir()
    (folder / "recipes" / "many.toml").write_text(_RECIPE)
    shutil.copy(ROOT / "tally.lock", folder)  # apt is not asked
    (folder / ".gitignore").write_text("/state\n/tally.toml\n/tally.lock\n")
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "many"]):
        run([*git, *words], folder=folder)


@contextmanager
def _registry(packages: Mapping[str, bytes]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            data = packages.get(self.path.split("/")[1], b"")
            self.send_response(200 if data else 404)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _gather(recipe: Path) -> None:
    """What `tally build` does before the builders begin: plan, and put into the store what is pinned."""
    from orchestrator.builders.configuration import load
    from orchestrator.run import planning
    from orchestrator.run.asked import RecipeFile
    from orchestrator.run.gathering import gather
    from orchestrator.run.workshop import opened

    with opened(State.of_environment(), load(Path.cwd())) as workshop:
        plan = planning.make(workshop, [RecipeFile(recipe)])
        for target in plan.targets.values():
            gather(workshop, target.request, target.evaluated.fixed, target.folder, print)


if __name__ == "__main__":
    _gather(Path(sys.argv[1]))
