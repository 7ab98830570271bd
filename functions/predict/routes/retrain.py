"""Training runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from earshot import errors
from fastapi import APIRouter, Path

from predict.manual import responses
from predict.requests import UseCases
from predict.schemas import retrain as schemas

router = APIRouter(tags=["retrain"])

RunId = Annotated[
    str,
    Path(
        pattern=r"^[\w-]{1,100}$",
        description="As `POST /retrain` answers it.",
        examples=["20261121-101500-9d57c2"],
    ),
]


@router.post(
    "/retrain",
    status_code=202,
    responses=responses(errors.RetrainInProgress, errors.NotEnoughSamples),
)
def request(services: UseCases, wish: schemas.RetrainRequest | None = None) -> schemas.Run:
    """Ask for a training now; 409 while one is under way, or when too few samples are new."""
    wish = wish or schemas.RetrainRequest()
    run = services.training.request(wish.reason, wish.min_new_samples)
    return schemas.Run(**asdict(run))


@router.get("/retrain")
def runs(services: UseCases) -> schemas.Runs:
    """The latest fifty runs, the newest first."""
    return schemas.Runs(
        runs=[
            schemas.RunSummary.model_validate(run, from_attributes=True)
            for run in services.ledger.runs()
        ]
    )


@router.get("/retrain/{run}", responses=responses(errors.RunNotFound))
def run(services: UseCases, run: RunId) -> schemas.Run:
    """One run: stage, progress, learning curve, metrics, and the verdict of each gate."""
    found = services.ledger.run(run)
    fates = [schemas.Fate(**asdict(fate)) for fate in services.training.fates(found)]
    return schemas.Run(**asdict(found), fates=fates)
