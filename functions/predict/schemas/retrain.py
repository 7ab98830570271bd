"""Training runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class RunSummary(BaseModel):
    """A training run in the list."""

    run: str
    state: Literal["requested", "running", "promoted", "rejected", "failed"]
    reason: str
    requested_at: str
    finished_at: str | None
    stage: str
    progress: float = Field(description="From 0 to 1.")
    version: str | None


class Run(RunSummary):
    """A training run."""

    started_at: str | None
    samples: int = Field(description="Samples in the catalog when it was asked for.")
    parent: str | None
    error: str | None
    curve: list[dict[str, Any]] = Field(description="One row per candidate and fold.")
    metrics: dict[str, Any]
    gates: list[dict[str, Any]] = Field(description="What each gate said.")
    notes: list[str]


class Runs(BaseModel):
    """Training runs, the newest first."""

    runs: list[RunSummary]


class RetrainRequest(BaseModel):
    """Ask for a training."""

    reason: str = Field(default="asked for by hand", max_length=500)
    min_new_samples: int = Field(default=0, ge=0, description="Refuse when fewer samples are new.")
