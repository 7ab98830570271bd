"""Is it alive, and how is it doing."""

from __future__ import annotations

import time

from earshot.errors import NoModel
from fastapi import APIRouter

from predict.requests import UseCases
from predict.schemas import status as schemas

router = APIRouter(tags=["status"])

_started = time.monotonic()


def uptime_s() -> float:
    """For how long this process has been there."""
    return round(time.monotonic() - _started, 1)


@router.get("/health")
def health() -> schemas.Health:
    """Alive; touches nothing."""
    return schemas.Health()


@router.get("/status")
def status(services: UseCases) -> schemas.Status:
    """Uptime, the version in service, totals, and how far the next training is."""
    standing = services.catalog.standing()
    totals = services.statistics.totals()
    last = next(iter(services.ledger.runs(limit=1)), None)
    return schemas.Status(
        name=f"Earshot: {services.application.name}",
        uptime_s=uptime_s(),
        model=_serving_model(services),
        predictions=totals.predictions,
        uncertain=totals.uncertain,
        refused=totals.refused,
        failed=totals.failed,
        by_label=totals.by_label,
        training=schemas.Training(
            new_samples=standing.new,
            threshold=services.training.threshold,
            active_run=standing.active_run,
            last_run=last.run if last else None,
            last_state=last.state if last else None,
        ),
        refused_bundles=dict(services.serving.refused),
        last_sweep=_last_sweep(services),
    )


def _last_sweep(services: UseCases) -> schemas.LastSweep | None:
    last = services.sweeps.last()
    return schemas.LastSweep.model_validate(last, from_attributes=True) if last else None


def _serving_model(services: UseCases) -> schemas.ServingModel | None:
    try:
        card = services.serving.detector().card
    except NoModel:
        return None
    return schemas.ServingModel(
        version=card.version,
        trained_at=card.trained_at,
        accuracy=card.metrics.get("accuracy"),
        classes=list(card.labels),
    )
