"""Search by example: a sound goes in, and where else it was heard comes out."""

from __future__ import annotations

from typing import Annotated

from earshot import errors
from earshot.search.index import Kind, Wanted
from fastapi import APIRouter, Depends, Query, Request

from predict.bodies import recording as read_recording
from predict.lists import OfLabel, OfSite
from predict.manual import responses
from predict.problems import InvalidRequest
from predict.requests import RECORDING_BODY, UseCases
from predict.schemas import search as schemas

router = APIRouter(tags=["search"])

# The same, but nothing has to be sent where a stretch or a sample is named.
BODY = {"requestBody": {**RECORDING_BODY["requestBody"], "required": False}}


async def sound(request: Request) -> bytes:
    """The sound of a request; nothing where what to search by is named."""
    named = {"recording", "sample"} & request.query_params.keys()
    if not named:
        return await read_recording(request)
    if await request.body():
        raise InvalidRequest(
            f"query.{min(named)}: Value error, a sound was sent as well. Send it, or name what is "
            "to be searched by"
        )
    return b""


@router.post(
    "/search",
    openapi_extra=BODY,
    responses=responses(
        errors.BadRecording,
        errors.NoModel,
        errors.RecordingNotFound,
        errors.NothingToSearchBy,
    ),
)
def search(
    services: UseCases,
    sound: Annotated[bytes, Depends(sound)],
    limit: Annotated[int, Query(ge=1, le=100, description="How many.")] = 10,
    kind: Annotated[
        Kind, Query(description="Stretches of recordings, labelled samples, or both.")
    ] = "all",
    site: OfSite = None,
    label: OfLabel = None,
    recording: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9a-f]{16}$",
            description="In place of a sound: a stretch of this recording, at `start_s`.",
        ),
    ] = None,
    start_s: Annotated[
        float, Query(ge=0, le=1e6, description="Where the stretch is; with `recording`.")
    ] = 0.0,
    sample: Annotated[
        str | None,
        Query(
            pattern=r"^[0-9a-f]{64}$",
            description="In place of a sound: the sample of this SHA-256.",
        ),
    ] = None,
) -> schemas.Found:
    """Find the stored sounds that are nearest to one: a recording, a stretch of one, or a sample.

    Among samples, and among the stretches of recordings that were detected (the 200 surest of each
    recording) or that the model doubted; what has come in a moment ago is found at once. Of a
    longer sound each four seconds, or what the model takes at a time, are searched for.
    """
    wish = Wanted(kind, site, label)
    if recording and sample:
        raise InvalidRequest("query.sample: Value error, `recording` is named as well. Name one")
    if recording:
        found = services.search.by_stretch(recording, start_s, wish, limit)
    elif sample:
        found = services.search.by_sample(sample, wish, limit)
    else:
        found = services.search.by_sound(sound, wish, limit)
    return schemas.Found.of(found)
