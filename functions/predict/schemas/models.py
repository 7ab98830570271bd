"""Model versions, and which one serves."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from predict.schemas.numbers import Whole

PROMOTION: dict[str, Any] = {
    "version": "20261121-101500-3f1c22ab",
    "previous": None,
    "promoted_at": "2026-11-21T10:15:09.626Z",
    "promoted_by": "mara",
    "reason": "hears the new sirens",
    "rollback": False,
}
SHADOW: dict[str, Any] = {
    "version": "20261122-101500-8d01aa3e",
    "began_at": "2026-11-22T10:15:09.626Z",
    "began_by": "run 20261122-101500-9d57c2",
    "reason": "25 new samples reached the threshold of 25",
    "needed": 500,
    "share": 0.1,
}
PAST_SHADOW: dict[str, Any] = {
    **SHADOW,
    "ended_at": "2026-11-23T08:20:00.114Z",
    "ended_by": "sweep",
    "why": "It is unsure of 92 of 500 sounds, the champion of 31: more than 5% more.",
    "promoted": False,
}
COMPARISON: dict[str, Any] = {
    **SHADOW,
    "compared": 212,
    "agreed": 205,
    "still_needed": 288,
    "failed": 0,
    "uncertain": 14,
    "challenger_uncertain": 11,
    "mean_ms": 3.1,
    "against": None,
    "pairs": [
        {"champion": "casual", "challenger": "casual", "count": 190},
        {"champion": "casual", "challenger": "siren", "count": 7},
        {"champion": "siren", "challenger": "siren", "count": 15},
    ],
    "ended_at": None,
    "ended_by": None,
    "why": None,
    "promoted": False,
}
CARD: dict[str, Any] = {
    "version": "20261121-101500-3f1c22ab",
    "parent": "20261120-141649-96b43310",
    "application": "surveillance",
    "labels": ["casual", "siren"],
    "sample_rate": 16000,
    "window_s": 4.0,
    "hop_s": 4.0,
    "thresholds": {"casual": 0.6088, "siren": 0.6298},
    "novelty_threshold": 1.3236,
    "embedding_dim": 1022,
    "backbone": "cnn",
    "backbone_sha256": "c0fb35032882f5e095138e86c42403d68640c7d23d24844590a567bac920c769",
    "trained_at": "2026-11-21T10:15:00.759Z",
    "training_s": 4.23,
    "metrics": {"clips": 83, "accuracy": 0.9639, "confusion": [[47, 1], [2, 33]]},
    "calibration": {"method": "temperature", "temperature": 0.8607, "ece": 0.0278},
    "data": {"labels": {"siren": {"training": 75, "held_out": 15}}},
    "libraries": {"onnxruntime": "1.27.0"},
    "model_sha256": "3f1c22ab42403d68640c7d23d24844590a567bac920c769c0fb35032882f5e09",
}


class Model(BaseModel):
    """One version in the list, by what one compares versions by.

    Figures are of the version's own held-out clips, which grow in number from one to the next. On
    the same clips a version was compared with its parent by the gates of its run.
    """

    version: str
    parent: str | None = Field(description="The champion that it had to be as good as.")
    trained_at: str
    champion: bool
    backbone: str
    classifier: str | None
    labels: list[str]
    learnt_from: dict[str, int] = Field(description="Clips per label.")
    held_out: int | None = Field(description="Clips that the figures are of.")
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None = Field(description="95%, by recording.")
    macro_f1: float | None
    f1: dict[str, float | None] = Field(description="Per label; null without held-out clips.")
    ece: float | None = Field(description="Expected calibration error: 0 is best.")
    accepted_share: float | None = Field(description="Answers that are not `uncertain`.")


class Promotion(BaseModel):
    """From which version to which, when, by whom and why."""

    model_config = ConfigDict(json_schema_extra={"example": PROMOTION})

    version: str | None = Field(description="Null for the default bundle.")
    previous: str | None = Field(description="The version before; null for the default bundle.")
    promoted_at: str
    promoted_by: str
    reason: str
    rollback: bool


class Shadow(BaseModel):
    """A challenger that hears what the champion hears, and whose answers nobody gets."""

    model_config = ConfigDict(json_schema_extra={"example": SHADOW})

    version: str
    began_at: str
    began_by: str
    reason: str
    needed: int = Field(description="Comparisons after which it is promoted; 0 for never.")
    share: float = Field(description="Of all traffic, that it hears; 0 to 1.")


class PastShadow(Shadow):
    """A challenger that hears along no more."""

    model_config = ConfigDict(json_schema_extra={"example": PAST_SHADOW})

    ended_at: str
    ended_by: str
    why: str
    promoted: bool


class Pair(BaseModel):
    """How often the champion heard the one label, and the challenger the other."""

    champion: str
    challenger: str
    count: int


class Comparison(Shadow):
    """What a champion and its challenger said to the same sounds: requests and recordings."""

    model_config = ConfigDict(json_schema_extra={"example": COMPARISON})

    compared: int
    agreed: int = Field(description="Those of them that both gave one label.")
    still_needed: int
    failed: int = Field(description="What the challenger failed at, and the champion did not.")
    uncertain: int = Field(description="The champion's uncertain answers among those compared.")
    challenger_uncertain: int = Field(description="The challenger's.")
    mean_ms: float | None = Field(description="What the challenger takes for one sound.")
    against: str | None = Field(description="Why it would not be promoted.")
    pairs: list[Pair]
    ended_at: str | None = Field(description="Null while it hears along.")
    ended_by: str | None
    why: str | None
    promoted: bool


class Models(BaseModel):
    """The latest versions, the newest first, and who served when."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "champion": PROMOTION,
                "models": [
                    {
                        "version": "20261121-101500-3f1c22ab",
                        "parent": "20261120-141649-96b43310",
                        "trained_at": "2026-11-21T10:15:00.759Z",
                        "champion": True,
                        "backbone": "cnn",
                        "classifier": "logistic regression, C = 0.1",
                        "labels": ["casual", "siren"],
                        "learnt_from": {"casual": 105, "siren": 75},
                        "held_out": 83,
                        "accuracy": 0.9639,
                        "accuracy_interval": [0.9157, 1.0],
                        "macro_f1": 0.9661,
                        "f1": {"casual": 0.9565, "siren": 0.9333},
                        "ece": 0.0278,
                        "accepted_share": 0.9518,
                    }
                ],
                "unreadable": {},
                "history": [PROMOTION],
                "shadow": COMPARISON,
                "shadows": [PAST_SHADOW],
            }
        }
    )

    champion: Promotion | None = Field(description="Null while nothing was ever promoted.")
    models: list[Model]
    unreadable: dict[str, str] = Field(
        description="Versions that are there and cannot be read, and why; `default` is the bundle "
        "that came with the deployment."
    )
    history: list[Promotion] = Field(
        description="The latest hundred promotions and rollbacks, the newest first."
    )
    shadow: Comparison | None = Field(description="The challenger that hears along, if one does.")
    shadows: list[PastShadow] = Field(
        description="The latest hundred that heard along, the newest first."
    )


class Bin(BaseModel):
    """Held-out answers of about one confidence."""

    low: float
    high: float
    clips: int
    confidence: float = Field(description="Their mean.")
    accuracy: float = Field(description="The share of them that is right.")


class Mistake(BaseModel):
    """A held-out clip that was called by another label."""

    sha256: str = Field(description="The identity of its sound.")
    recording: str = Field(description="What it was cut from.")
    label: str
    answer: str
    confidence: float
    decision: Literal["accepted", "uncertain"]


class Evaluation(BaseModel):
    """A version's answers to its held-out clips, in short."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "version": "20261121-101500-3f1c22ab",
                "clips": 83,
                "reliability": [
                    {
                        "low": 0.9,
                        "high": 1.0,
                        "clips": 71,
                        "confidence": 0.9841,
                        "accuracy": 0.9859,
                    }
                ],
                "mistakes": [
                    {
                        "sha256": "3c9d1f06b1a7a0d2a2c1f6a7e2d1b5c4"
                        "5e0f9b8a7c6d5e4f3a2b1c0d9e8f7a6b",
                        "recording": "tape-7",
                        "label": "casual",
                        "answer": "siren",
                        "confidence": 0.8812,
                        "decision": "accepted",
                    }
                ],
            }
        }
    )

    version: str
    clips: int
    reliability: list[Bin] = Field(
        description="Equal bins of confidence, those with clips: a calibrated model's are right as "
        "often as they are confident."
    )
    mistakes: list[Mistake] = Field(description="The twenty most confident ones.")


# The pattern says in the schema, too, that blanks alone are no words.
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"\S")
]


class PromotionRequest(BaseModel):
    """Move the champion."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reason": "hears the new sirens",
                "by": "mara",
                "expected": "20261120-141649-96b43310",
            }
        }
    )

    reason: Words
    by: Words = Field(
        default="api", description="Who asks for it; with a token, it is the token's name."
    )
    expected: str | None = Field(
        default=None,
        max_length=100,
        description="The champion that you have seen: 409 when it is another by now.",
    )


class ShadowRequest(PromotionRequest):
    """Let a version hear along with the champion."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "reason": "is it as sure in the rain?",
                "by": "mara",
                "needed": 500,
                "share": 0.1,
            }
        }
    )

    needed: Whole = Field(
        default=0,
        ge=0,
        le=1_000_000_000,
        description="Comparisons after which it is promoted, if nothing speaks against it; 0 for "
        "never: it only hears along.",
    )
    share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Of all traffic, that it hears; null for the deployment's own (ShadowShare).",
    )
