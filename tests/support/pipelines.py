"""Pipelines of forges as our pages have them: read as YAML 1.2, their steps run as a runner runs them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_FENCE = r"^```yaml file={}\n(.*?)^```$"
_EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")
_VARIABLE = re.compile(r"\$(\w+)")
_LOGIN = "Log in"
"""The step of a workflow that does what `before_script` does."""
_UNTOUCHED = 'test -z "$(git status --porcelain)" || { git status --porcelain; exit 1; }'
"""A login is no file of the project: it would be a part of what `path = "."` copies into stores."""


def files_of(page: Path) -> dict[str, str]:
    """Each YAML file that a page has its reader write; what is added to one comes behind it."""
    found: dict[str, str] = {}
    for name, body in re.findall(_FENCE.format(r"(\S+)"), page.read_text(), re.MULTILINE | re.DOTALL):
        found[name] = found.get(name, "") + body
    return found


def read(text: str) -> Any:
    """A document, in which `on` is a word."""
    return YAML(typ="safe", pure=True).load(text)


@dataclass
class Runner:
    """Where jobs run: a folder that is the checkout, and what every step finds in its environment."""

    folder: Path
    environment: Mapping[str, str]
    said: list[str] = field(default_factory=list)

    def check_out(self) -> None:
        """What earlier jobs left in the folder is removed, as both forges' runners do first."""
        subprocess.run(["git", "clean", "-ffdxq"], cwd=self.folder, check=True)

    def run(self, script: str, more: Mapping[str, str]) -> bool:
        """One step, in the shell and with the options that both forges take."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, **self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said.append(done.stdout)
        return done.returncode == 0


def github(runner: Runner, text: str, known: Mapping[str, str]) -> tuple[bool, dict[str, bool]]:
    """Run the one job of a workflow: whether it succeeded, and how each step that ran ended, by its name.

    `known` has the value of every expression; one that it lacks is an error of the page's or the test's.
    Actions of others are not run.
    """
    (job,) = read(text)["jobs"].values()
    environment = dict(_valued(job.get("env", {}), known))
    kept = Path(runner.environment["RUNNER_TEMP"], "github_env")  # what a step sets for those after it
    kept.write_text("")
    succeeded, found = True, {}
    for step in job["steps"]:
        _ = dict(_valued(step.get("with", {}), known))
        condition = step.get("if", "success()")
        wanted = {"success()": succeeded, "failure()": not succeeded, "always()": True}
        runs = wanted[condition] if condition in wanted else succeeded and known[condition] == "true"
        if "run" not in step or not runs:
            continue
        assert not _EXPRESSION.search(step["run"]), (
            "an expression in a script is code of whoever wrote the text"
        )
        own = dict(_valued(step.get("env", {}), known))
        script = "\n".join([step["run"], *([_UNTOUCHED] if step["name"] == _LOGIN else ())])
        found[step["name"]] = runner.run(script, {**environment, **own, "GITHUB_ENV": str(kept)})
        environment |= dict(line.split("=", 1) for line in kept.read_text().splitlines())
        succeeded = succeeded and found[step["name"]]
    return succeeded, found


def _valued(said: Mapping[str, str], known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in said.items():
        yield name, _EXPRESSION.sub(lambda found: known[found[1]], str(value))


def gitlab(runner: Runner, text: str, job: str, variables: Mapping[str, str], rule: int = 0) -> bool:
    """Run a job of a pipeline as one of its rules has it: whether it succeeded."""
    jobs = read(text)
    found = {**jobs.get(jobs[job].get("extends"), {}), **jobs[job]}
    own = {
        name: _VARIABLE.sub(lambda each: variables[each[1]], value)
        for name, value in found["rules"][rule].get("variables", {}).items()
    }
    succeeded = runner.run(
        "\n".join([*found.get("before_script", []), _UNTOUCHED, *found["script"]]), {**variables, **own}
    )
    runner.run("\n".join(found.get("after_script", [":"])), {**variables, **own})
    for path in found.get("artifacts", {}).get("paths", []):
        assert (runner.folder / path).exists(), f"{job} leaves no {path}"
    return succeeded
