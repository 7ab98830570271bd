"""What lists may be asked for: the same words on every route."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from earshot.moments import moment
from fastapi import Query
from pydantic import AfterValidator, BeforeValidator

# The first second of 2100; what is said to be heard later nobody takes for a time.
LAST_S = 4_102_444_800


def _written(text: Any) -> Any:
    # A bare number is taken for seconds since 1970 otherwise.
    if isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\d", text):
        return text
    raise ValueError("Input should be a time in ISO 8601, such as 2026-11-21T06:00:00Z")


def _aware(then: datetime) -> datetime:
    return then if then.tzinfo else then.replace(tzinfo=UTC)


# Without an offset a time is taken as UTC.
Moment = Annotated[datetime, BeforeValidator(_written), AfterValidator(_aware)]

OfSite = Annotated[
    str | None, Query(min_length=1, max_length=200, description="Only those of a site.")
]
OfLabel = Annotated[
    str | None, Query(min_length=1, max_length=200, description="Only those of a label.")
]
Limit = Annotated[int, Query(ge=1, le=100, description="How many at once.")]
# A time and an id.
Cursor = Annotated[
    str | None,
    Query(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z_[0-9a-f]{16}$",
        description="`next` of the page before.",
    ),
]


def in_reach(seconds: float) -> str:
    """A time in seconds since 1970 as lists are sorted by; one before 1970 or after 2099 is moved.

    Any that Moment takes can be asked for, and some of them are in no year of UTC's calendar.
    """
    return moment(min(max(seconds, 0), LAST_S))
