"""A first CI job, for GitHub or GitLab: build, compare, and sign where there is a key. Pure."""

from __future__ import annotations

import json
from typing import Final

GITHUB: Final = ".github/workflows/tally.yml"
GITLAB: Final = ".gitlab-ci.yml"
GITLAB_BESIDE: Final = ".gitlab/tally.yml"
"""Where a project has jobs already, to be included by its .gitlab-ci.yml."""

_GITHUB: Final = """\
# By `tally init`. The runner has Nix, git and tally, and keeps the folder TALLY_STATE from job to job.
# Without the secret RELEASE_KEY builds are compared, and nothing is signed.
name: tally
on:
  push:
    branches: ["**"]
    tags: ["v*"]
permissions:
  contents: read
jobs:
  build:
    runs-on: [self-hosted, nix]
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683      # v4.2.2
@LOCK@      - name: Build, compare, sign
        env:
          RELEASE_KEY: ${{ secrets.RELEASE_KEY }}
          TARGET: @TARGET@
        run: |
          if [ -n "$RELEASE_KEY" ]; then
            (umask 077 && printf '%s\\n' "$RELEASE_KEY" > "$RUNNER_TEMP/release.key")
            tally build "$TARGET" --key "$RUNNER_TEMP/release.key" --out "$RUNNER_TEMP/releases"
          else
            tally build "$TARGET" --no-sign --out "$RUNNER_TEMP/releases"
          fi
      - name: Leave no key behind
        if: always()
        run: rm -f "$RUNNER_TEMP/release.key"
      - name: Keep the release
        uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02      # v4.6.2
        with:
          name: releases
          path: ${{ runner.temp }}/releases
          if-no-files-found: ignore
"""
_GITLAB: Final = """\
# By `tally init`. The runner with the tag `nix` has Nix, git and tally, and keeps the folder TALLY_STATE.
# Without the variable RELEASE_KEY, of the type File, builds are compared, and nothing is signed.
tally:
  tags: [nix]
  variables:
    TARGET: @TARGET@
  script:
@LOCK@    - |
      if [ -n "${RELEASE_KEY:-}" ]; then
        tally build "$TARGET" --key "$RELEASE_KEY" --out "$PWD/releases"
      else
        tally build "$TARGET" --no-sign --out "$PWD/releases"
      fi
  artifacts:
    paths: [releases]
"""


def github(target: str, *, locked: bool) -> str:
    """The workflow that builds a recipe or a flake's package; `locked`: tally.lock has to fit it."""
    lock = "      - name: Compare lock and recipes\n        run: tally lock --check\n" if locked else ""
    return _GITHUB.replace("@LOCK@", lock).replace("@TARGET@", json.dumps(target))


def gitlab(target: str, *, locked: bool) -> str:
    """The job that builds a recipe or a flake's package."""
    lock = "    - tally lock --check\n" if locked else ""
    return _GITLAB.replace("@LOCK@", lock).replace("@TARGET@", json.dumps(target))
