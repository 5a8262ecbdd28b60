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
      - run: tally lock --check
      - name: Build, compare, sign
        env:
          RELEASE_KEY: ${{ secrets.RELEASE_KEY }}
          RECIPE: @RECIPE@
        run: |
          if [ -n "$RELEASE_KEY" ]; then
            (umask 077 && printf '%s\\n' "$RELEASE_KEY" > "$RUNNER_TEMP/release.key")
            tally build "$RECIPE" --key "$RUNNER_TEMP/release.key" --out "$RUNNER_TEMP/releases"
          else
            tally build "$RECIPE" --no-sign --out "$RUNNER_TEMP/releases"
          fi
      - name: Leave no key behind
        if: always()
        run: rm -f "$RUNNER_TEMP/release.key"
      - uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02      # v4.6.2
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
    RECIPE: @RECIPE@
  script:
    - tally lock --check
    - |
      if [ -n "${RELEASE_KEY:-}" ]; then
        tally build "$RECIPE" --key "$RELEASE_KEY" --out "$PWD/releases"
      else
        tally build "$RECIPE" --no-sign --out "$PWD/releases"
      fi
  artifacts:
    paths: [releases]
"""


def github(recipe: str) -> str:
    """The workflow that builds a recipe."""
    return _GITHUB.replace("@RECIPE@", json.dumps(recipe))


def gitlab(recipe: str) -> str:
    """The job that builds a recipe."""
    return _GITLAB.replace("@RECIPE@", json.dumps(recipe))
