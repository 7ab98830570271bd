"""Field recordings, and what was detected in them."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from earshot.errors import (
    ClipNotFound,
    NotAnalysed,
    RecordingNotFound,
    ResultsNotFound,
    ResultsTooLarge,
    UnknownLabel,
)
from earshot.field.clips import media_type
from earshot.field.detections import select
from earshot.field.formats import FORMATS
from fastapi import APIRouter, Path, Query, Response

from predict.lists import Cursor, Limit, OfSite
from predict.manual import CLIP_AUDIO, responses
from predict.requests import UseCases
from predict.schemas import recordings as schemas

router = APIRouter(tags=["recordings"])

Id = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{16}$",
        description="As `GET /recordings` names it.",
        examples=["9b1f6d0c2e7a4853"],
    ),
]

# Lambda answers 6 MB, headers and what JSON adds to a text included.
MAX_ANSWER_BYTES = 5_500_000
# What a clip is called: a digest, and where it starts and ends.
CLIP = r"^[0-9a-f]{12}-\d{6,9}\.\d{3}-\d{6,9}\.\d{3}\.(flac|wav)$"


@router.get("/recordings")
def recordings(
    services: UseCases,
    site: OfSite = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.Recordings:
    """Unlabelled recordings, the latest first: what came in below `recordings/<site>/`."""
    found, rest = services.analysis.recordings(site, limit, cursor or "")
    return schemas.Recordings(
        recordings=[
            schemas.Recording.model_validate(record, from_attributes=True) for record in found
        ],
        next=rest,
    )


@router.get("/recordings/{recording}", responses=responses(RecordingNotFound))
def recording(services: UseCases, recording: Id) -> schemas.Recording:
    """One recording: whether it is analysed, and how much was detected."""
    record = services.analysis.recording(recording)
    return schemas.Recording.model_validate(record, from_attributes=True)


@router.get(
    "/recordings/{recording}/detections",
    response_model=schemas.Detections,
    responses={
        200: {
            "content": {
                form.media_type.partition(";")[0]: {"schema": {"type": "string"}}
                for name, form in FORMATS.items()
                if name != "json"
            }
        },
        **responses(RecordingNotFound, ResultsNotFound, ResultsTooLarge, NotAnalysed, UnknownLabel),
    },
)
def detections(
    services: UseCases,
    recording: Id,
    form: Annotated[
        Literal["json", "csv", "raven", "audacity"],
        Query(alias="format", description="Raven's selection table, Audacity's label track."),
    ] = "json",
    label: Annotated[
        list[str] | None, Query(max_length=100, description="Only these labels.")
    ] = None,
    min_confidence: Annotated[
        float, Query(ge=0, le=1, description="Only those that peak at it or above.")
    ] = 0.0,
) -> Response:
    """What was detected in a recording, as a file to download or to read on."""
    found = select(services.analysis.detections(recording), label or (), min_confidence)
    chosen = FORMATS[form]
    content = chosen.write(found).encode()
    if len(content) > MAX_ANSWER_BYTES:
        raise ResultsTooLarge(
            f"The {len(found.detections)} detections are {len(content)} bytes, and "
            f"{MAX_ANSWER_BYTES} can be answered. Ask for fewer by `label` or `min_confidence`, or "
            f"take the files from results/{recording}/ in the artifacts bucket."
        )
    name = quote(found.key.rpartition("/")[2].rpartition(".")[0] or recording, safe="")
    disposition = "inline" if form == "json" else "attachment"
    return Response(
        content,
        media_type=chosen.media_type,
        headers={
            # RFC 6266 with RFC 8187: any name, in ASCII.
            "content-disposition": f"{disposition}; filename*=UTF-8''{name}{chosen.suffix}"
        },
    )


@router.get(
    "/recordings/{recording}/clips/{clip}",
    response_class=Response,
    responses={200: CLIP_AUDIO, **responses(RecordingNotFound, ClipNotFound)},
)
def clip(
    services: UseCases,
    recording: Id,
    clip: Annotated[
        str, Path(pattern=CLIP, description="As its detection names it.", examples=[schemas.CLIP])
    ],
) -> Response:
    """Listen to a detection: its surest window, with a second before and after.

    The 200 surest detections of a recording have a clip, for as long as the deployment keeps them.
    """
    return Response(services.analysis.clip(recording, clip), media_type=media_type(clip))
