"""Moments, as they are told and kept: in UTC, ISO 8601 to the millisecond."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> str:
    """The present moment in UTC, ISO 8601 to the millisecond."""
    return moment(time.time())


def moment(seconds: float) -> str:
    """A moment, told in seconds since the epoch, in the same form."""
    then = datetime.fromtimestamp(seconds, UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def later(then: str, seconds: float) -> str:
    """A moment so many seconds after another, both ISO 8601."""
    return moment(since_epoch(then) + seconds)


def since_epoch(then: str) -> float:
    """A moment, ISO 8601, in seconds since the epoch."""
    return datetime.fromisoformat(then).timestamp()
