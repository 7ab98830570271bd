"""What a training tells beside its figures: what reviews changed, what more recordings would."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

Bounds = tuple[float, float]

_ACCURACY = {
    "with_reviews": 0.9639,
    "without_reviews": 0.9398,
    "difference": 0.0241,
    "interval": [0.0, 0.0602],
}
_MACRO_F1 = {
    "with_reviews": 0.9623,
    "without_reviews": 0.9407,
    "difference": 0.0216,
    "interval": [0.0, 0.0541],
}
_GUNSHOT = {
    "with_reviews": 0.9524,
    "without_reviews": 0.9091,
    "difference": 0.0433,
    "interval": [0.0, 0.1212],
}
REVIEWS: dict[str, Any] = {
    "reviews": 34,
    "held_out": 7,
    "by_label": {"gunshot": 34},
    "only_by_reviews": [],
    "clips": 83,
    "accuracy": _ACCURACY,
    "macro_f1": _MACRO_F1,
    "per_label": {"gunshot": _GUNSHOT},
    "sentence": "34 reviews: gunshot F1 0.91 → 0.95 on the 83 held-out clips, "
    "macro-F1 0.94 → 0.96. So few clips may differ by chance.",
}
_SIREN = "With 20 more siren recordings expect F1 +0.02 (0.00 to 0.05)."
PROJECTION: dict[str, Any] = {
    "labels": {
        "siren": {
            "recordings": 62,
            "f1": 0.8966,
            "curve": [
                {"recordings": 6.4, "f1": 0.6512},
                {"recordings": 12.6, "f1": 0.7733},
                {"recordings": 25.0, "f1": 0.8456},
                {"recordings": 49.6, "f1": 0.8966},
            ],
            "more": [
                {"recordings": 10, "gain": 0.0091, "interval": [0.0, 0.0318]},
                {"recordings": 20, "gain": 0.0163, "interval": [0.0, 0.0456]},
                {"recordings": 50, "gain": 0.0302, "interval": [0.0036, 0.0674]},
            ],
            "sentence": _SIREN,
        }
    },
    "collect": ["siren"],
    "sentence": f"Collect siren first. {_SIREN}",
}


class Compared(BaseModel):
    """A figure of the same held-out clips with and without reviews; null: it says nothing."""

    with_reviews: float | None
    without_reviews: float | None
    difference: float | None
    interval: Bounds | None = Field(description="95%, of the difference, by recording.")


class Reviews(BaseModel):
    """What reviews changed: the same training without any of them, on the same held-out clips."""

    reviews: int = Field(description="All that were learnt from, as samples.")
    held_out: int = Field(description="Others that are among the held-out clips.")
    by_label: dict[str, int] = Field(description="Reviews learnt from.")
    only_by_reviews: list[str] = Field(description="Labels that without them are not learnt.")
    clips: int = Field(description="Held-out clips.")
    accuracy: Compared | None
    macro_f1: Compared | None
    per_label: dict[str, Compared] = Field(description="F1.")
    sentence: str


class Learnt(BaseModel):
    """A part of a label's recordings, and the F1 when only they were learnt from."""

    recordings: float
    f1: float


class Gain(BaseModel):
    """What so many more recordings would bring."""

    recordings: int
    gain: float = Field(description="In F1; never below 0, nor above what is missing to 1.")
    interval: Bounds = Field(description="80%, of what will be measured.")


class Outlook(BaseModel):
    """A label's learning curve, and where it leads."""

    recordings: int = Field(description="That the run learnt from.")
    f1: float = Field(description="By cross-validation.")
    curve: list[Learnt]
    more: list[Gain] = Field(description="Empty where it cannot be told.")
    sentence: str


class Projection(BaseModel):
    """What more recordings of each label would bring, if no others came."""

    labels: dict[str, Outlook]
    collect: list[str] = Field(
        description="Labels that can be told of, in the order in which to collect: the one that "
        "gains most from twenty more recordings first."
    )
    sentence: str
