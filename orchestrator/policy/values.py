"""The kinds of text that a policy holds, each with its check, and what all its tables have in common. Pure.

Checks raise ValueError with what was expected; pydantic adds the place.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

from orchestrator.evidence.terms import PROVENANCE, REPRODUCTION, SPDX
from orchestrator.ground.digest import hexadecimal
from orchestrator.policy import pattern
from orchestrator.policy.rules import licences
from orchestrator.policy.rules.required import PROPERTIES
from orchestrator.policy.trust import LAYOUT_TYPE
from orchestrator.recipe.values import ONE_LINE
from orchestrator.repositories.revision import address_of, web_address

TYPES = {"provenance": PROVENANCE, "reproduction": REPRODUCTION, "sbom": SPDX}
"""Short names for the predicate types that every release has."""
_AGE = re.compile(r"([1-9][0-9]{0,4})(h|d|w)")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def _begin(value: Any) -> Any:
    return _moment(value, timedelta(0))


def _end(value: Any) -> Any:
    return _moment(value, timedelta(days=1))


def _moment(value: Any, day: timedelta) -> Any:
    try:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError("expected a time with its offset, as 2027-01-01T00:00:00Z, or a date")
            return value.astimezone(UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC) + day
    except OverflowError as error:
        raise ValueError("expected a time between the years 1 and 9999") from error
    raise ValueError("expected a date, as 2027-01-01 without quotes, or a time with its offset")


_TIME = WithJsonSchema(
    {"anyOf": [{"format": "date", "type": "string"}, {"format": "date-time", "type": "string"}]}
)
Begin = Annotated[datetime, BeforeValidator(_begin), _TIME]
"""A date stands for its beginning, UTC."""
End = Annotated[datetime, BeforeValidator(_end), _TIME]
"""A date is included: it stands for its end, UTC."""


def _age(value: str) -> str:
    if not _AGE.fullmatch(value):
        raise ValueError('expected hours, days or weeks, as "12h", "90d" or "8w"')
    return value


def duration(age: str) -> timedelta:
    """What an `Age` stands for."""
    return timedelta(**{_UNITS[age[-1]]: int(age[:-1])})


def _type(value: str) -> str:
    if value not in TYPES and not re.fullmatch(r"[a-z][a-z0-9+.-]*:[!-~]+", value):
        raise ValueError(f"expected {', '.join(TYPES)} or the URI of a predicate type; got {value[:80]!r}")
    return TYPES.get(value, value)


def _signable(value: str) -> str:
    return value if value == LAYOUT_TYPE else _type(value)


def _property(value: str) -> str:
    if value not in PROPERTIES:
        raise ValueError(f"expected one of {', '.join(PROPERTIES)}; got {value[:80]!r}")
    return value


def _address(value: str) -> str:
    return pattern.address(value).text


def _repository(value: str) -> str:
    written = value if "://" in value else address_of(value) or value
    return pattern.address(web_address(written) or written).text


Text = Annotated[str, StringConstraints(min_length=1, max_length=500), ONE_LINE]
Type = Annotated[str, StringConstraints(max_length=500), AfterValidator(_type)]
Signable = Annotated[str, StringConstraints(max_length=500), AfterValidator(_signable)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
Age = Annotated[str, AfterValidator(_age)]
Property = Annotated[str, AfterValidator(_property)]
Address = Annotated[Text, AfterValidator(_address)]
RepositoryAddress = Annotated[Text, AfterValidator(_repository)]
"""A pattern over repositories, as `web_address` writes them."""
Digest = Annotated[str, AfterValidator(hexadecimal)]
Licence = Annotated[Text, AfterValidator(licences.licence)]


class Table(BaseModel):
    """A table of a policy: a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)
