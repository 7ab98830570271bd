"""What there is to learn from."""

from __future__ import annotations

from fastapi import APIRouter

from predict.requests import UseCases
from predict.schemas import samples as schemas

router = APIRouter(tags=["samples"])


@router.get("/samples")
def samples(services: UseCases) -> schemas.Samples:
    """Samples per label, how many are new, and the objects that could not be used."""
    standing = services.catalog.standing()
    return schemas.Samples(
        labels=standing.labels,
        total=standing.total,
        new_samples=standing.new,
        threshold=services.retrain_threshold,
        recordings=services.arrivals.recording_count(),
        refused=[schemas.Refused(**vars(refusal)) for refusal in services.arrivals.refusals()],
        imports=[
            schemas.Import.model_validate(record, from_attributes=True)
            for record in services.arrivals.imports()
        ],
    )
