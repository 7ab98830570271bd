"""What every error is answered with."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """What went wrong, and what to do: RFC 9457, `application/problem+json`."""

    type: str = Field(description="Always `about:blank`: `code` tells problems apart.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    code: str = Field(description="What went wrong, for programs: it never changes.")
    detail: str = Field(description="What went wrong and what to do, for people.")
    instance: str = Field(description="The path that was asked for.")
    request_id: str | None = Field(description="As in the header `x-request-id`, and in the logs.")
