"""Training runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from predict.schemas.lessons import PROJECTION, REVIEWS, Projection, Reviews
from predict.schemas.numbers import Whole

RUN: dict[str, Any] = {
    "run": "20261121-101500-9d57c2",
    "state": "promoted",
    "reason": "25 new samples reached the threshold of 25",
    "requested_at": "2026-11-21T10:15:00.263Z",
    "finished_at": "2026-11-21T10:15:09.801Z",
    "stage": "promoted",
    "progress": 1.0,
    "version": "20261121-101500-3f1c22ab",
}


class RunSummary(BaseModel):
    """A training run in the list."""

    run: str
    state: Literal["requested", "running", "shadowing", "promoted", "rejected", "failed"]
    reason: str
    requested_at: str
    finished_at: str | None
    stage: str
    progress: float = Field(description="From 0 to 1.")
    version: str | None


class Fate(BaseModel):
    """What became of a run's version after it was judged, by whose hand, and why."""

    became: Literal["shadowing", "dismissed", "promoted", "taken back"]
    at: str
    by: str
    reason: str


class Metrics(BaseModel):
    """The figures of a run's version, as its card has them, but for what is large."""

    model_config = ConfigDict(extra="allow")

    reviews: Reviews | None = Field(default=None, description="What reviews changed.")
    projection: Projection | None = Field(
        default=None, description="What more recordings would bring."
    )


class Run(RunSummary):
    """A training run."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **RUN,
                "started_at": "2026-11-21T10:15:01.114Z",
                "samples": 480,
                "parent": "20261120-141649-96b43310",
                "error": None,
                "curve": [{"recordings": 344, "clips": 397, "accuracy": 0.9639}],
                "metrics": {
                    "clips": 83,
                    "accuracy": 0.9639,
                    "ece": 0.0278,
                    "reviews": REVIEWS,
                    "projection": PROJECTION,
                },
                "gates": [
                    {
                        "gate": "calibration",
                        "passed": True,
                        "detail": "ECE 0.028 is below 0.100.",
                    }
                ],
                "notes": [],
                "fates": [
                    {
                        "became": "promoted",
                        "at": "2026-11-21T10:15:09.626Z",
                        "by": "run 20261121-101500-9d57c2",
                        "reason": "25 new samples reached the threshold of 25",
                    }
                ],
            }
        }
    )

    started_at: str | None
    samples: int = Field(description="Samples in the catalog when it was asked for.")
    parent: str | None
    error: str | None
    curve: list[dict[str, Any]] = Field(description="One row per candidate and fold.")
    metrics: Metrics
    gates: list[dict[str, Any]] = Field(description="What each gate said.")
    notes: list[str]
    fates: list[Fate] = Field(
        default=[],
        description="What became of its version: in the shadow, promoted, taken back; the oldest "
        "first.",
    )


class Runs(BaseModel):
    """Training runs, the newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"runs": [RUN]}})

    runs: list[RunSummary]


class RetrainRequest(BaseModel):
    """Ask for a training."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reason": "new microphones", "min_new_samples": 10}}
    )

    reason: str = Field(default="asked for by hand", max_length=500)
    min_new_samples: Whole = Field(
        default=0,
        ge=0,
        le=1_000_000_000,
        description="Refuse when fewer samples are new.",
    )
