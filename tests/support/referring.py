"""A real registry with the referrers endpoint of OCI 1.1: go-containerregistry's own, from Debian's sources.

Debian has no such registry as a program. `crane registry serve` is this one, with the endpoint left out. So
ten lines of Go start it with the endpoint, built once a machine by Debian's Go from Debian's package.

It lists each referrer under the type of its config, and without annotations, which is not as the
specification has it: whoever attached something must be able to find it all the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debians import free_port, started
from once import one_at_a_time

from orchestrator.ground.digest import Sha256
from orchestrator.pinning.debian import opened
from orchestrator.recipe.wanted import Wanted
from orchestrator.sources.folder import Sources
from orchestrator.sources.mirrors import Mirrors

_LIBRARY = "golang-github-google-go-containerregistry-dev"
_GO = ("golang-go", "golang-1.", "golang-src")
_MAIN = """package main

import (
\t"log"
\t"net/http"
\t"os"

\t"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
\tlog.Fatal(http.ListenAndServe(os.Args[1], registry.New(registry.WithReferrersSupport(true))))
}
"""


@one_at_a_time
def referring_registry(state: Path) -> Path:
    """The program, kept in `state`. Raises TallyError where its packages cannot be had."""
    program = state / "strangers" / "referring-registry"
    if not program.exists():
        making = state / "strangers" / f"referring-registry.{os.getpid()}"
        try:
            _build(_unpacked(making), making).rename(program)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return program


def _unpacked(folder: Path) -> Path:
    """Go and the library, which needs nothing else for this: of what depends on it the rest is for others."""
    mirrors = Mirrors()
    with opened(mirrors.bases("debian"), "amd64", "sid", expired=True) as apt:  # as for crane
        packages = [
            each
            for each in apt.resolve([_GO[0], _LIBRARY])
            if each.name == _LIBRARY or each.name.startswith(_GO)
        ]
    sources, root = Sources(folder / "sources", mirrors), folder / "root"
    for each in packages:
        name = Path(each.pool).name.replace("~", "_")
        wanted = Wanted(name, Sha256(each.sha256), (f"mirror://debian/{each.pool}",))
        subprocess.run(["dpkg-deb", "--extract", sources.fetch(wanted), root], check=True)
    return root


def _build(root: Path, folder: Path) -> Path:
    (go,) = (root / "usr/lib").glob("go-*")
    main = root / "usr/share/gocode/src/referring"
    main.mkdir(parents=True)
    (main / "main.go").write_text(_MAIN)
    environment = {
        "GO111MODULE": "off",
        "GOPATH": str(root / "usr/share/gocode"),
        "GOROOT": str(go),
        "GOCACHE": str(folder / "cache"),
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    program = folder / "referring-registry"
    command: list[str | Path] = [go / "bin" / "go", "build", "-o", program, "."]
    done = subprocess.run(command, cwd=main, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@contextmanager
def running(program: Path, folder: Path) -> Iterator[str]:
    """It on loopback, with nothing in it: `HOST:PORT`."""
    folder.mkdir(parents=True)
    port = free_port()
    with started([program, f"127.0.0.1:{port}"], folder, port):
        yield f"127.0.0.1:{port}"
