"""A real registry with the referrers endpoint of OCI 1.1: go-containerregistry's own, from Debian's sources.

Debian has no such registry as a program. `crane registry serve` is this one, with the endpoint left out. So
ten lines of Go start it with the endpoint, built once a machine by Debian's Go from Debian's package.

It lists each referrer under the type of its config, and without annotations, which is not as the
specification has it: whoever attached something must be able to find it all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from debian_go import GoProgram, built
from debians import free_port, started

_LIBRARY = "golang-github-google-go-containerregistry-dev"
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
_PROGRAM = GoProgram(
    name="referring-registry",
    packages=("golang-go",),
    is_needed=lambda name: name.startswith(("golang-go", "golang-1.", "golang-src")),
    folder="referring",
    alone=(_LIBRARY,),  # nothing that it depends on is for this
    main=_MAIN,
)


def referring_registry(state: Path) -> Path:
    """The program, kept in `state`. Raises TallyError where its packages cannot be had."""
    return built(state, _PROGRAM)


@contextmanager
def running(program: Path, folder: Path) -> Iterator[str]:
    """It on loopback, with nothing in it: `HOST:PORT`."""
    folder.mkdir(parents=True)
    port = free_port()
    with started([program, f"127.0.0.1:{port}"], folder, port):
        yield f"127.0.0.1:{port}"
