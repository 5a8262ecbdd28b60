"""docs/how-to/sign-keyless.md does what it says: its own lines are run, against an instance of the tests."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from foreign import Recipe
from forgeries import Forger, World

from orchestrator.builders.configuration import load
from orchestrator.policy.signer import IdentitySigner

if TYPE_CHECKING:
    from tests.conftest import Tally

PAGE = "docs/how-to/sign-keyless.md"
WHO = IdentitySigner(
    "https://token.actions.githubusercontent.com",
    "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.0",
)
STAMPED = Recipe(signer="certificate", stamped=True)


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).resolve().parent.parent.parent / PAGE).read_text()


def example(page: str, file: str) -> str:
    found = re.search(rf"^```\w+ file={re.escape(file)}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{PAGE} has no {file}"
    return found[1]


def lines(page: str, program: str) -> Iterator[str]:
    """The commands in its shell blocks, each in one line."""
    for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(program):
                yield line


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        (WHO.subject, 0),
        ("https://github.com/acme/app/.github/workflows/other.yml@refs/tags/v1.0", 1),
        ("https://github.com/acme/app/.github/workflows/release.yml@refs/heads/v1.0", 1),
        ("https://github.com/acme/app2/.github/workflows/release.yml@refs/tags/v1.0", 1),
    ],
)
def test_verifying(page: str, tmp_path: Path, subject: str, code: int, tally: Tally) -> None:
    world = World.new(tmp_path / "world")
    signer = Forger(world.instance, IdentitySigner(WHO.issuer, subject), STAMPED)
    folder = world.release(tmp_path / "out", signer)
    (tmp_path / "trusted_root.json").write_bytes(world.root.render())
    (tmp_path / "keyless-policy.toml").write_text(example(page, "keyless-policy.toml"))
    found = list(lines(page, "tally verify"))
    assert len(found) == 2
    for line in found:
        words = shlex.split(line.replace("releases/tree-2.1.0-x86_64-linux", str(folder)))[1:]
        done = tally(*words, folder=tmp_path)
        assert done.code == code, done.out + done.err


def test_the_configuration(page: str, tmp_path: Path) -> None:
    (tmp_path / "tally.toml").write_text(example(page, "tally.toml"))
    keyless = load(tmp_path).signing.keyless
    assert keyless is not None
    assert (keyless.instance, keyless.identity, keyless.issuer) == ("public", None, WHO.issuer)


@pytest.mark.parametrize("file", [".github/workflows/release.yml", ".gitlab-ci.yml"])
def test_jobs_build_what_is_there(page: str, repository: Path, file: str, tally: Tally) -> None:
    """Their line is one that the program knows; tests/integration/test_keyless_build.py runs such jobs."""
    (line,) = re.findall(r"(?:run:|-) (tally build .*)", example(page, file))
    words = shlex.split(line)
    first = (repository / "docs/how-to/add-a-recipe.md").read_text()
    assert f"```toml file={words[2]}" in first, "what the job builds is what that page makes"
    environment: dict[str, Any] = {name: "" for name in os.environ if name.endswith("ID_TOKEN")}
    ran = tally(*words[1:], "--no-sign", "--key", "x", folder=repository, environment=environment).failed(2)
    assert "were both given" in ran.err, "the line itself is understood"
