"""What a person is asked about, and what the person says."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from predict.schemas.models import Words

Verdict = Literal["confirm", "correct", "reject"]
Reason = Literal["disagreement", "drift", "uncertain", "novel"]

REVIEW: dict[str, Any] = {
    "review": "51c0a7e2f39d8b64",
    "recording": "9b1f6d0c2e7a4853",
    "key": "recordings/ridge/20261121_060000.WAV",
    "site": "ridge",
    "doubt": {
        "start_s": 48.0,
        "end_s": 52.0,
        "label": "explosion",
        "confidence": 0.46,
        "margin": 0.05,
        "probabilities": {
            "casual": 0.08,
            "explosion": 0.46,
            "gunshot": 0.41,
            "siren": 0.05,
        },
        "novelty": 0.71,
        "reason": "uncertain",
    },
    "model_version": "20261121-101500-3f1c22ab",
    "queued_at": "2026-11-21T10:15:01.456Z",
    "verdict": "correct",
    "reviewed_label": "gunshot",
    "sample": "samples/gunshot/9b1f6d0c2e7a4853/00048.000-00052.000-51c0a7e2f39d8b64.wav",
    "reviewed_by": "Ada",
    "reviewed_at": "2026-11-21T11:02:03.004Z",
    "history": [
        {
            "verdict": "reject",
            "reviewed_label": None,
            "sample": None,
            "reviewed_by": "Bob",
            "reviewed_at": "2026-11-21T11:01:40.120Z",
            "undone_by": "Bob",
            "undone_at": "2026-11-21T11:01:43.717Z",
        }
    ],
}

WAITING: dict[str, Any] = REVIEW | {
    "verdict": None,
    "reviewed_label": None,
    "sample": None,
    "reviewed_by": None,
    "reviewed_at": None,
    "history": [],
}
SENT: dict[str, Any] = WAITING | {"key": "/predict", "site": "/predict"}


class Doubt(BaseModel):
    """A stretch of a recording that is worth a person's time."""

    start_s: float = Field(description="From the recording's start.")
    end_s: float
    label: str = Field(description="The model's guess.")
    confidence: float = Field(description="The guess's probability.")
    margin: float = Field(description="By how much it exceeds the next label's: 0 is least sure.")
    probabilities: dict[str, float]
    novelty: float = Field(
        description="How far it is from all that the model learnt from; above 1 it accepts no "
        "answer. 0 where a release before this was not asked."
    )
    reason: Reason = Field(
        description="`uncertain`: two labels are close. `novel`: it is like little that was "
        "learnt, however sure the answer. `disagreement`: a model in the shadow hears something "
        "else. `drift`: its site does not sound as it used to."
    )


class TakenBack(BaseModel):
    """A verdict that stands no more."""

    verdict: Verdict
    reviewed_label: str | None
    sample: str | None = Field(description="The key of the sample that it made, which is deleted.")
    reviewed_by: str
    reviewed_at: str
    undone_by: str
    undone_at: str


class Review(BaseModel):
    """A stretch of a recording, and what a person said of it."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={"example": REVIEW},
    )

    review: str = Field(description="Its id. `GET /review/{review}/clip` lets you listen.")
    recording: str = Field(description="Its id; that of a sound that was sent is no recording's.")
    key: str = Field(description="The recording's; `/predict` for a sound that was sent.")
    site: str = Field(description="The recording's; `/predict` for a sound that was sent.")
    doubt: Doubt
    model_version: str
    queued_at: str
    verdict: Verdict | None = Field(
        description="Null while it waits. One that waits in spite of a verdict was interrupted: "
        "send the same verdict again."
    )
    reviewed_label: str | None = Field(description="What it was said to be; null if rejected.")
    sample: str | None = Field(description="The key that its audio became a sample by.")
    reviewed_by: str | None
    reviewed_at: str | None
    history: list[TakenBack] = Field(description="What was taken back, the oldest first.")


class Queue(BaseModel):
    """What waits for a person, what teaches most first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reviews": [WAITING],
                "reviewed": {"confirm": 21, "correct": 8, "reject": 5},
            }
        }
    )

    reviews: list[Review]
    reviewed: dict[Verdict, int] = Field(description="How many verdicts of each kind stand.")


class Asked(BaseModel):
    """What people are asked about a sound that was sent."""

    model_config = ConfigDict(json_schema_extra={"example": {"reviews": [SENT]}})

    reviews: list[Review]


class Answer(BaseModel):
    """What a person says of a stretch."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"verdict": "correct", "label": "gunshot", "by": "Ada"}}
    )

    verdict: Verdict | Literal["undo"] = Field(
        description="`confirm`: it is what the model guessed. `correct`: it is `label`. `reject`: "
        "nothing to learn from, as when two sounds overlap. `undo`: a verdict is taken back, its "
        "sample deleted, and the stretch waits again."
    )
    label: str | None = Field(default=None, description="What it is; with `correct` alone.")
    reviewed_at: str | None = Field(
        default=None,
        max_length=40,
        description="With `undo` alone: the verdict of then, and no later one. Without it, the one "
        "that stands.",
    )
    by: Words = Field(default="api", description="Who says so; a token's name goes before it.")

    @model_validator(mode="after")
    def _goes_with_the_verdict(self) -> Answer:
        if (self.label is not None) != (self.verdict == "correct"):
            raise ValueError("`label` goes with the verdict `correct`, and with no other")
        if self.reviewed_at is not None and self.verdict != "undo":
            raise ValueError("`reviewed_at` goes with the verdict `undo`, and with no other")
        return self
