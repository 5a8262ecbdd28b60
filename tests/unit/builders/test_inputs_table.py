"""`[inputs]` of tally.toml: what it takes, and what it says of the rest."""

from __future__ import annotations

import tomllib

import pytest
from pydantic import ValidationError

from orchestrator.builders.inputs_table import InputsTable
from orchestrator.recipe.explaining import explain

KEY = "ours-1:" + "A" * 43 + "="
WHOLE = f'from = "cache"\ncaches = ["https://cache.example.org/", "file:///srv/cache"]\nkeys = ["{KEY}"]\n'


def test_inputs_are_built_unless_it_is_said_otherwise() -> None:
    inputs = InputsTable()
    assert (inputs.from_, inputs.caches, inputs.keys) == ("build", (), ())


def test_caches_and_keys_are_read() -> None:
    inputs = InputsTable.model_validate(tomllib.loads(WHOLE))
    assert inputs.caches == ("https://cache.example.org", "file:///srv/cache")
    assert [key.name for key in inputs.believed_keys] == ["ours-1"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('from = "cache"', "needs `caches`"),
        ('from = "cache"\ncaches = ["https://c.example"]', "needs `keys`"),
        ('from = "elsewhere"', "expected 'build' or 'cache'"),
        ('caches = ["s3://"]', "expected a bucket: s3://NAME"),
        ('caches = ["s3://bucket/below"]', "expected a bucket: s3://NAME"),
        ('caches = ["s3://bucket?secret-key=x"]', "s3://bucket has the setting secret-key; known are region"),
        ('caches = ["s3://bucket?endpoint=me:hunter2@c.example"]', "has credentials in it"),
        ('caches = ["s3://bucket", "s3://bucket?region=eu-west-1"]', "one cache is there twice"),
        ('caches = ["https://c.example/?priority=1"]', "the address of c.example has a query in it"),
        ('caches = ["ftp://c.example"]', "expected an address of a cache"),
        ('caches = ["file://host/cache"]', "expected an address of a cache"),
        ('caches = ["/srv/cache"]', "expected an address of a cache"),
        ('caches = ["https://c.example", "https://c.example/"]', "one cache is there twice"),
        ('keys = ["ours-1"]', "is not NAME:BASE64"),
        (f'keys = ["ours-1:{"A" * 86}=="]', "that of ours-1 is a secret key"),
        ('caches = ["https://me:hunter2@c.example"]', "the address of c.example has credentials in it"),
        ('caches = ["https://me:hunter2/x@c.example"]', "cannot be read as one"),
    ],
)
def test_what_it_cannot_be_is_told_without_a_secret(lines: str, said: str) -> None:
    with pytest.raises(ValidationError) as error:
        InputsTable.model_validate(tomllib.loads(lines))
    told = str(explain(error.value, lines, "tally.toml", InputsTable))
    assert said in told
    assert "tally.toml" in told
    assert "hunter2" not in told
    assert "A" * 86 not in told
