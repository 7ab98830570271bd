"""Recordings in, predictions out."""

from __future__ import annotations

import time
from typing import Annotated

from earshot.recording import now
from fastapi import APIRouter, Query

from predict.requests import RECORDING_BODY, Recording, RequestIdentity, UseCases
from predict.schemas import predict as schemas

router = APIRouter(tags=["predict"])


@router.post("/predict", openapi_extra=RECORDING_BODY, response_model_exclude_none=True)
def predict(
    services: UseCases,
    recording: Recording,
    request_id: RequestIdentity,
    top_k: Annotated[int, Query(ge=1, le=100, description="How many labels in `top`.")] = 5,
    explain: Annotated[
        bool, Query(description="Say which times and frequencies the answer hangs on.")
    ] = False,
) -> schemas.Prediction:
    """Classify one recording: WAV, FLAC, OGG or MP3, 0.1 s to 10 min, up to 4.4 MB."""
    started = time.perf_counter()
    heard = services.classify(recording, explain)
    return schemas.Prediction(
        label=heard.label,
        class_id=heard.class_id,
        confidence=heard.confidence,
        decision=heard.decision,
        probabilities=heard.probabilities,
        top=[schemas.TopLabel(label=label, confidence=p) for label, p in heard.top(top_k)],
        segments=[schemas.Segment(**vars(segment)) for segment in heard.segments],
        model_version=heard.model_version,
        duration_s=heard.duration_s,
        processing_ms=round((time.perf_counter() - started) * 1000, 2),
        timestamp=now(),
        request_id=request_id,
        explanation=(
            schemas.Explanation.model_validate(heard.explanation, from_attributes=True)
            if heard.explanation
            else None
        ),
    )


@router.get("/classes")
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
            )
            for number, label in enumerate(card.labels)
        ],
    )
