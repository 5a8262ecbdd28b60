"""`make bench`: every benchmark, or those named (see `BENCHMARKS`).

Exits with 1 if a limit is broken.
"""

from __future__ import annotations

import os
import platform
import sys

import accept
import cache
import compare
import corpus
import deep
import derivation
import diagnosis
import hello
import init
import locks
import log
import memory
import publish
import rebuild
import report
import sbom
import scale
import sign
import start
import verify
from measure import HEADER

BENCHMARKS = {
    "start": start,
    "hello": hello,
    "init": init,
    "derivation": derivation,
    "memory": memory,
    "log": log,
    "sign": sign,
    "accept": accept,
    "scale": scale,
    "cache": cache,
    "corpus": corpus,
    "diagnosis": diagnosis,
    "deep": deep,
    "verify": verify,
    "sbom": sbom,
    "publish": publish,
    "rebuild": rebuild,
    "compare": compare,
    "report": report,
    "locks": locks,
}


def main(names: list[str]) -> int:
    if unknown := sorted(set(names) - set(BENCHMARKS)):
        sys.exit(f"there is no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    print(f"{machine}, Python {platform.python_version()}")
    print(f"\n{HEADER}", flush=True)
    broken, details = False, []
    for name in names or BENCHMARKS:
        for figure in BENCHMARKS[name].figures():
            print(figure.line(), flush=True)
            broken = broken or not figure.holds
            details += [figure.details] if figure.details else []
    for each in details:
        print(f"\n{each}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
