"""Recordings in, predictions out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from earshot import errors
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from predict import answers
from predict.manual import responses
from predict.requests import RECORDING_BODY, Recording, RequestIdentity, UseCases
from predict.schemas import predict as schemas

router = APIRouter(tags=["predict"])


@router.post(
    "/predict",
    openapi_extra=RECORDING_BODY,
    response_model=schemas.Prediction,
    responses=responses(errors.BadRecording, errors.NoModel),
)
def predict(
    request: Request,
    services: UseCases,
    recording: Recording,
    request_id: RequestIdentity,
    top_k: Annotated[
        int, Query(ge=1, le=100, description="How many labels in `top`.", examples=[3])
    ] = answers.TOP,
    explain: Annotated[
        bool, Query(description="Say which times and frequencies the answer hangs on.")
    ] = False,
) -> JSONResponse:
    """Classify one recording of 0.1 s to 10 min, up to 4.4 MB.

    WAV, FLAC, OGG, MP3, M4A, AAC, Opus or WebM, told by content.
    """
    heard = services.classify(recording, explain, request_id)
    request.state.prediction = heard
    return JSONResponse(answers.prediction(heard, request_id, top_k))


@router.get("/classes", responses=responses(errors.NoModel))
def classes(services: UseCases) -> schemas.Classes:
    """The labels of the serving model, in output order."""
    card = services.serving.detector().card
    return schemas.Classes(
        model_version=card.version,
        classes=[
            schemas.Class(
                class_id=number,
                label=label,
                threshold=card.thresholds[label],
                alert=label in services.application.alert_labels,
                description=services.application.descriptions.get(label),
                example=(
                    f"/classes/{quote(label)}/example"
                    if label in services.application.examples
                    else None
                ),
            )
            for number, label in enumerate(card.labels)
        ],
    )


@router.get(
    "/classes/{label}/example",
    response_class=Response,
    responses={
        200: {
            "description": "A sound of the label, OGG or FLAC.",
            "content": {"audio/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **responses(errors.ExampleNotFound),
    },
)
def example(
    services: UseCases,
    label: Annotated[
        str, Path(min_length=1, max_length=64, description="A label.", examples=["siren"])
    ],
) -> Response:
    """Hear what a label sounds like: a sketch made by us, to try the service with."""
    examples = services.application.examples
    if label not in examples:
        raise errors.ExampleNotFound(
            f"No sound of {label!r} is built in. There are sounds of "
            f"{', '.join(examples) or 'none'}."
        )
    file = examples[label]
    return Response(file.read_bytes(), media_type=f"audio/{file.suffix[1:]}")
