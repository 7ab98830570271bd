"""Training runs."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from predict.requests import UseCases
from predict.schemas import retrain as schemas

router = APIRouter(tags=["retrain"])


@router.post("/retrain", status_code=202)
def request(services: UseCases, wish: schemas.RetrainRequest | None = None) -> schemas.Run:
    """Ask for a training now; 409 while one is under way, or when too few samples are new."""
    wish = wish or schemas.RetrainRequest()
    run = services.request_retrain(wish.reason, wish.min_new_samples)
    return schemas.Run(**asdict(run))


@router.get("/retrain")
def runs(services: UseCases) -> schemas.Runs:
    """The latest fifty runs, the newest first."""
    return schemas.Runs(
        runs=[
            schemas.RunSummary.model_validate(run, from_attributes=True)
            for run in services.catalog.runs()
        ]
    )


@router.get("/retrain/{run}")
def run(services: UseCases, run: str) -> schemas.Run:
    """One run: stage, progress, learning curve, metrics, and the verdict of each gate."""
    return schemas.Run(**asdict(services.catalog.run(run)))
