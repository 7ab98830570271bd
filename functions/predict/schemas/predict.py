"""What is heard in a recording, and the labels there are."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TopLabel(BaseModel):
    """A label and its probability."""

    label: str
    confidence: float


class Segment(BaseModel):
    """A stretch of the recording and what is heard in it."""

    start_s: float
    end_s: float
    label: str
    confidence: float


class Explanation(BaseModel):
    """Which times and frequencies the answer hangs on, in the stretch where it is clearest."""

    label: str
    start_s: float = Field(description="The stretch that is explained: one window of the model.")
    end_s: float
    baseline_confidence: float = Field(description="The label's probability in this stretch.")
    times_s: list[float] = Field(description="Edges of the columns, from the recording's start.")
    frequencies_hz: list[float] = Field(description="Edges of the rows, low to high.")
    importance: list[list[float]] = Field(
        description="`[band][time]`: what the label's log-odds lose without the cell. "
        "Negative: it speaks against the label."
    )
    band_importance: list[float] = Field(description="The same without the band at any time.")
    time_importance: list[float] = Field(description="The same without the time in any band.")
    unit: Literal["nats"] = Field(
        default="nats", description="Of ln(p / (1 - p)): a fall of 0.7 halves the odds."
    )
    method: Literal["occlusion"] = Field(
        default="occlusion",
        description="A cell is made as quiet as the quietest tenth of the stretch's spectrogram.",
    )


class Prediction(BaseModel):
    """What is heard in a recording."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "label": "siren",
                "class_id": 3,
                "confidence": 0.978,
                "decision": "accepted",
                "probabilities": {
                    "casual": 0.012,
                    "explosion": 0.004,
                    "gunshot": 0.006,
                    "siren": 0.978,
                },
                "top": [{"label": "siren", "confidence": 0.978}],
                "segments": [{"start_s": 0.0, "end_s": 4.0, "label": "siren", "confidence": 0.978}],
                "model_version": "20261121-101500-3f1c22ab",
                "duration_s": 4.0,
                "processing_ms": 4.1,
                "timestamp": "2026-11-21T10:20:30.123Z",
                "request_id": "0f3c6f1e-6d0e-4f3e-9d57-0a8c9a1f2b3c",
            }
        },
    )

    label: str = Field(description="The most probable label.")
    class_id: int = Field(description="Its place in `GET /classes`.")
    confidence: float = Field(description="Its calibrated probability.")
    decision: Literal["accepted", "uncertain"] = Field(
        description="`uncertain` when the confidence is below the label's threshold."
    )
    probabilities: dict[str, float]
    top: list[TopLabel]
    segments: list[Segment]
    model_version: str
    duration_s: float
    processing_ms: float
    timestamp: str = Field(description="UTC, ISO 8601.")
    request_id: str
    explanation: Explanation | None = Field(default=None, description="Only when asked for.")


class Class(BaseModel):
    """A label of the serving model."""

    class_id: int
    label: str
    threshold: float = Field(description="The confidence from which it is accepted.")
    alert: bool
    description: str | None = Field(description="In words, when the application has them.")
    example: str | None = Field(description="Where to hear one, when a sound of it is built in.")


class Classes(BaseModel):
    """The labels in output order."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "model_version": "20261121-101500-3f1c22ab",
                "classes": [
                    {
                        "class_id": 0,
                        "label": "siren",
                        "threshold": 0.6298,
                        "alert": False,
                        "description": "Of police, ambulances or fire engines.",
                        "example": "/classes/siren/example",
                    }
                ],
            }
        },
    )

    model_version: str
    classes: list[Class]
