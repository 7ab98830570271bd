"""The review queue: what the model was unsure of, and what people say of it."""

from __future__ import annotations

from typing import Annotated

from earshot.errors import (
    BadKey,
    BadRecording,
    ClipNotFound,
    NoModel,
    ReviewConflict,
    ReviewNotFound,
    UnknownLabel,
)
from earshot.field.clips import MEDIA_TYPES
from fastapi import APIRouter, Path, Query, Response

from predict.auth import Caller
from predict.lists import OfLabel, OfSite
from predict.manual import responses
from predict.requests import RECORDING_BODY, Recording, UseCases
from predict.schemas import review as schemas

CLIP_TYPE = MEDIA_TYPES[".wav"]

router = APIRouter(tags=["review"])

Id = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{16}$",
        description="As `GET /review` names it.",
        examples=["51c0a7e2f39d8b64"],
    ),
]


@router.get("/review")
def queue(
    services: UseCases,
    site: OfSite = None,
    label: OfLabel = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many.")] = 20,
) -> schemas.Queue:
    """Stretches that wait for a person, those that teach most first.

    They are of recordings, or of sounds that `POST /review` was sent.

    What models disagree on comes first, then what comes from a site that drifts; the others by how
    uncertain or novel they are, spread over labels and sites. Work through what you got in its
    order before you ask again: each answer begins with the best.
    """
    return schemas.Queue(
        reviews=[
            schemas.Review.model_validate(review, from_attributes=True)
            for review in services.reviews.waiting(limit, site, label)
        ],
        reviewed=services.reviews.reviewed(),
    )


@router.post(
    "/review",
    openapi_extra=RECORDING_BODY,
    response_model=schemas.Asked,
    responses=responses(BadRecording, NoModel),
)
def ask(services: UseCases, recording: Recording) -> schemas.Asked:
    """Ask people what a sound is, such as one that `POST /predict` was not sure of.

    Its doubtful windows wait in the queue from now on, three at most, or its least sure one if none
    is doubtful. Their audio is kept, which `POST /predict` never does. The same sound again
    answers what became of them.
    """
    return schemas.Asked(
        reviews=[
            schemas.Review.model_validate(review, from_attributes=True)
            for review in services.questions.ask(recording)
        ]
    )


@router.get(
    "/review/{review}/clip",
    response_class=Response,
    responses={
        200: {
            "description": "Its audio, a 16-bit WAV file.",
            "content": {CLIP_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        **responses(ReviewNotFound, ClipNotFound),
    },
)
def clip(services: UseCases, review: Id) -> Response:
    """Listen to a stretch before you judge it."""
    return Response(services.reviews.clip(review), media_type=CLIP_TYPE)


@router.post(
    "/review/{review}",
    responses=responses(ReviewNotFound, ClipNotFound, ReviewConflict, BadKey, UnknownLabel),
)
def decide(
    services: UseCases, review: Id, answer: schemas.Answer, caller: Caller
) -> schemas.Review:
    """Confirm, correct or reject a guess; all but `reject` make a labelled sample of its audio.

    The same answer again changes nothing; another one is a 409, the first stands. `undo` takes a
    verdict back, once however often it is sent.
    """
    by = caller or answer.by
    if answer.verdict == "undo":
        decided = services.reviews.undo(review, answer.reviewed_at, by)
    else:
        decided = services.reviews.decide(review, answer.verdict, answer.label, by)
    return schemas.Review.model_validate(decided, from_attributes=True)
