"""What lists may be asked for: the same words on every route."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator


def _written(text: Any) -> Any:
    # A bare number is taken for seconds since 1970 otherwise.
    if isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\d", text):
        return text
    raise ValueError("Input should be a time in ISO 8601, such as 2026-11-21T06:00:00Z")


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
