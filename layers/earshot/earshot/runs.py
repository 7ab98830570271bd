"""Training runs and what leads to them, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

REQUESTED, RUNNING, PROMOTED, REJECTED, FAILED = (
    "requested",
    "running",
    "promoted",
    "rejected",
    "failed",
)


@dataclass(frozen=True)
class Standing:
    """How many samples there are, and how far the next training is.

    ``silent_run`` still has the training seat, but its time is up.
    """

    labels: dict[str, int]
    total: int
    requested_total: int
    active_run: str | None
    silent_run: str | None = None

    @property
    def new(self) -> int:
        """Samples that came since the last training was asked for."""
        return self.total - self.requested_total


@dataclass(frozen=True)
class Run:
    """One training run; ``progress`` from 0 to 1, ``curve`` one row per fold and candidate."""

    run: str
    state: str
    reason: str
    requested_at: str
    samples: int
    stage: str = REQUESTED
    progress: float = 0.0
    started_at: str | None = None
    finished_at: str | None = None
    parent: str | None = None
    version: str | None = None
    error: str | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    gates: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
