"""What was detected in all recordings, by the time that it was heard."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

from earshot.errors import BadTimeSpan
from earshot.recording import Occurrence
from earshot.services.occurrences import Wanted
from fastapi import APIRouter, Query

from predict.lists import Limit, Moment, OfLabel, OfSite, in_reach
from predict.manual import responses
from predict.requests import UseCases
from predict.schemas import recordings as schemas

router = APIRouter(tags=["recordings"])

DAY_S = 86_400
DEFAULT_DAYS = 30
MOST_DAYS = 366

# What ``next`` looks like: a time, a recording, its results, and a number.
PLACE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z_[0-9a-f]{16}_[0-9a-f]{12}_\d{7}$"


@router.get("/detections", responses=responses(BadTimeSpan))
def detections(
    services: UseCases,
    label: OfLabel = None,
    site: OfSite = None,
    since: Annotated[
        Moment | None, Query(description="From then on; by default 30 days before `until`.")
    ] = None,
    until: Annotated[
        Moment | None,
        Query(
            description="Before then, at most 366 days after `since`; by default tomorrow: a "
            "recorder's clock may be ahead."
        ),
    ] = None,
    min_confidence: Annotated[
        float, Query(ge=0, le=1, description="Only those that peak at it or above.")
    ] = 0.0,
    limit: Limit = 50,
    cursor: Annotated[
        str | None, Query(pattern=PLACE, description="`next` of the page before.")
    ] = None,
) -> schemas.Occurrences:
    """What was detected in all recordings, the latest first, by the time that it was heard.

    A time without an offset is taken as UTC.
    """
    first, last = _span(since, until)
    wanted = Wanted(first, last, label, site, min_confidence)
    found, rest = services.occurrences.latest(wanted, limit, cursor or "")
    return schemas.Occurrences(detections=[_told(one) for one in found], next=rest)


def _span(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    """The first moment and the last; raises BadTimeSpan."""
    last = until.timestamp() if until else time.time() + DAY_S
    first = since.timestamp() if since else last - DEFAULT_DAYS * DAY_S
    if not 0 <= last - first <= MOST_DAYS * DAY_S:
        raise BadTimeSpan(
            f"`since` lies {(last - first) / DAY_S:.1f} days before `until`. Between 0 and "
            f"{MOST_DAYS} days can be asked for at once."
        )
    return in_reach(first), in_reach(last)


def _told(one: Occurrence) -> schemas.Occurrence:
    heard = one.detection
    return schemas.Occurrence(
        recording=one.recording,
        key=one.key,
        site=one.site,
        label=heard.label,
        start_s=heard.start_s,
        end_s=heard.end_s,
        at=one.at,
        started_at=one.started_at,
        peak_confidence=heard.peak_confidence,
        mean_confidence=heard.mean_confidence,
        model_version=one.model_version,
        clip=f"/recordings/{one.recording}/clips/{heard.clip}" if heard.clip else None,
    )
