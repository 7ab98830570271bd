"""What there is to learn from."""

from __future__ import annotations

from typing import Annotated

from earshot import errors
from fastapi import APIRouter, Path, Response

from predict.manual import CLIP_AUDIO, responses
from predict.requests import LABELLED_BODY, Labelled, UseCases
from predict.schemas import samples as schemas

router = APIRouter(tags=["samples"])


@router.get("/samples")
def samples(services: UseCases) -> schemas.Samples:
    """Samples per label, how many are new, and the objects that could not be used."""
    standing = services.catalog.standing()
    return schemas.Samples(
        labels=standing.labels,
        growth=standing.growth,
        known_labels=services.uploads.known_labels(standing),
        open_labels=services.application.open_labels,
        total=standing.total,
        new_samples=standing.new,
        threshold=services.training.threshold,
        recordings=services.analysis.total(),
        refused=[schemas.Refused(**vars(refusal)) for refusal in services.arrivals.refusals()],
        imports=[
            schemas.Import.model_validate(record, from_attributes=True)
            for record in services.arrivals.imports()
        ],
    )


@router.get(
    "/samples/{sample}/clip",
    response_class=Response,
    responses={200: CLIP_AUDIO, **responses(errors.ClipNotFound)},
)
def clip(
    services: UseCases,
    sample: Annotated[
        str,
        Path(
            pattern=r"^[0-9a-f]{64}$",
            description="Its SHA-256, as `POST /search` names it.",
            examples=[schemas.SAMPLE],
        ),
    ],
) -> Response:
    """Listen to a sample, mixed to mono, whatever its format.

    Of one with more than two million frames, 41 s at 48 kHz, the beginning.
    """
    content, media_type = services.samples.clip(sample)
    return Response(content, media_type=media_type)


@router.post(
    "/samples",
    status_code=202,
    openapi_extra=LABELLED_BODY,
    responses=responses(errors.BadKey, errors.UnknownLabel, errors.SamplesRefused),
)
def take_in(services: UseCases, labelled: Labelled) -> schemas.TakenIn:
    """Labelled recordings to learn from: up to 100 files in 4.4 MB, all of one label or each named.

    Each is decoded and looked up at once; those that are new are counted within seconds, as
    `GET /samples` tells. One that is refused costs the others nothing; when all are, 422. The same
    files again change nothing. Larger ones go by `POST /uploads`.
    """
    received = services.uploads.take_in(labelled.files, labelled.label, labelled.recording)
    return schemas.TakenIn(
        stored=sum(one.state == "stored" for one in received),
        files=[schemas.ReceivedFile.model_validate(one, from_attributes=True) for one in received],
    )
