"""Training runs and what leads to them, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

REQUESTED, RUNNING, SHADOWING, PROMOTED, REJECTED, FAILED = (
    "requested",
    "running",
    "shadowing",
    "promoted",
    "rejected",
    "failed",
)


Became = Literal["shadowing", "dismissed", "promoted", "taken back"]


@dataclass(frozen=True)
class Standing:
    """How many samples there are, and how far the next training is; who has the training seat.

    ``requested_total`` of them were there when the last training was asked for, ``requested``
    of each label, of which some may have gone since. By what follows
    the next request tells what it was made of: the shards' ``revisions``, those at the last one,
    ``marks``, and how many ``removals`` there have been.
    """

    labels: dict[str, int]
    total: int
    requested_total: int
    active_run: str | None
    revisions: dict[str, int] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    removals: int = 0
    requested: dict[str, int] = field(default_factory=dict)

    @property
    def new(self) -> int:
        """Samples that came since the last training was asked for, and are there."""
        # Read while one is removed, the total may be without it before the other is.
        return max(0, self.total - self.requested_total)

    @property
    def growth(self) -> dict[str, int]:
        """By how many samples each label has grown since then; less where some were removed."""
        grown = {
            label: self.labels.get(label, 0) - self.requested.get(label, 0)
            for label in sorted(self.labels | self.requested)
        }
        return {label: by for label, by in grown.items() if by}


@dataclass(frozen=True)
class Run:
    """One training run; ``progress`` from 0 to 1, ``curve`` one row per fold and candidate.

    ``samples`` is how many there were when it was asked for. Workers were told of it
    ``publications`` times, last at ``published_at``, and it was claimed ``attempts`` times, last by
    ``worker``, who is taken for alive until ``lease_until``, in seconds since the epoch.
    """

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
    published_at: str | None = None
    publications: int = 0
    attempts: int = 0
    worker: str | None = None
    lease_until: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it came to an end, good or bad; its version may still have to prove itself."""
        return self.state not in (REQUESTED, RUNNING)


@dataclass(frozen=True)
class Fate:
    """What became of a run's version, at a moment (UTC, ISO 8601), by whose hand, and why."""

    became: Became
    at: str
    by: str
    reason: str
