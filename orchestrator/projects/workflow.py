"""A first CI job, for GitHub or GitLab: build and compare every commit, and sign those of releases. Pure.

Whoever may push a branch may change its job, too. So a condition in the job does not keep the key: what the
forge gives to protected branches and tags alone does, an environment on GitHub and a variable on GitLab.
"""

from __future__ import annotations

import json
from typing import Final

GITHUB: Final = ".github/workflows/tally.yml"
GITLAB: Final = ".gitlab-ci.yml"
GITLAB_BESIDE: Final = ".gitlab/tally.yml"
"""Where a project has jobs already, to be included by its .gitlab-ci.yml."""

FIRST: Final = "# By `tally init`."
"""How each job's file begins."""
SIGNED: Final = (
    "github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"
    " || startsWith(github.ref, 'refs/tags/v')"
)
"""Whether a run on GitHub signs: for the usual branch, and for a version."""
_GITHUB: Final = """\
# By `tally init`. The runner has Nix, git and tally, and keeps the folder TALLY_STATE from job to job.
# The usual branch and tags v* are signed, by the secret RELEASE_KEY of the environment `release`. Let no
# other use that environment (Settings, Environments). All else, and all where that secret is not set, is
# built and compared, and not signed.
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
    environment: ${{ (@SIGNED@) && 'release' || '' }}
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683      # v4.2.2
@LOCK@      - name: Build, compare, sign
        env:
          RELEASE_KEY: ${{ (@SIGNED@) && secrets.RELEASE_KEY || '' }}
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
""".replace("@SIGNED@", SIGNED)
_GITLAB: Final = """\
# By `tally init`. The runner with the tag `nix` has Nix, git and tally, and keeps the folder TALLY_STATE.
# The usual branch and tags v* are signed, by the variable RELEASE_KEY: of the type File, and protected, as
# tags v* have to be, too (Settings, Repository). All else, and all where that is not set, is built
# and compared, and not signed.
tally:
  tags: [nix]
  variables:
    TARGET: @TARGET@
  script:
@LOCK@    - |
      case "${CI_COMMIT_TAG:-}" in v*) signed=yes ;; *) signed= ;; esac
      if [ "${CI_COMMIT_BRANCH:-}" = "${CI_DEFAULT_BRANCH:?is not set}" ]; then signed=yes; fi
      if [ -n "$signed" ] && [ -n "${RELEASE_KEY:-}" ]; then
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
