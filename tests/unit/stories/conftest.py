"""A release to publish, by a key that its policy trusts: one for each file of tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import releases

from orchestrator.keys.key import SigningKey
from orchestrator.policy.policy import Policy, trusting


@pytest.fixture(scope="module")
def key() -> SigningKey:
    return SigningKey.generate()


@pytest.fixture(scope="module")
def release(key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    made = releases.observed(folder / "in")
    return releases.published(folder / "out", made, key, releases.builder_keys(made)).path


@pytest.fixture(scope="module")
def policy(key: SigningKey) -> Policy:
    return trusting([key.public.spki], None)
