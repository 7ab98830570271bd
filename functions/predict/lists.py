"""What lists may be asked for: the same words on every route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

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
