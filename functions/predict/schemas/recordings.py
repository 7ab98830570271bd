"""Field recordings, and what was detected in them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RECORDING: dict[str, Any] = {
    "recording": "9b1f6d0c2e7a4853",
    "key": "recordings/ridge/20261121_060000.WAV",
    "site": "ridge",
    "size": 3840044,
    "state": "analysed",
    "code": None,
    "reason": None,
    "received_at": "2026-11-21T10:15:00.123Z",
    "analysed_at": "2026-11-21T10:15:01.456Z",
    "duration_s": 120.0,
    "model_version": "20261121-101500-3f1c22ab",
    "detections": {"gunshot": 2, "siren": 1},
}


class Recording(BaseModel):
    """An unlabelled recording, and what became of it."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={"example": RECORDING},
    )

    recording: str = Field(description="Its id, the same for one key at any time.")
    key: str = Field(description="Where it lies in the recordings bucket.")
    site: str
    size: int = Field(description="In bytes.")
    state: Literal["received", "analysed", "refused"]
    code: str | None = Field(description="Why it is refused, or still waits; null otherwise.")
    reason: str | None = Field(description="The same in words.")
    received_at: str = Field(description="UTC, ISO 8601.")
    analysed_at: str | None
    duration_s: float | None
    model_version: str | None = Field(description="What heard it.")
    detections: dict[str, int] = Field(description="How many, by label.")


class Recordings(BaseModel):
    """Recordings, the latest first."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"recordings": [RECORDING], "next": None}}
    )

    recordings: list[Recording]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one.")


class Detection(BaseModel):
    """Where one label was heard, and how surely."""

    start_s: float = Field(description="From the recording's start.")
    end_s: float
    label: str
    peak_confidence: float = Field(description="Of its surest window.")
    mean_confidence: float = Field(description="Over its windows.")


class Detections(BaseModel):
    """What was detected in a recording, in the order of time."""

    model_config = ConfigDict(
        protected_namespaces=(),
        populate_by_name=True,
        json_schema_extra={
            "example": {
                "schema": 1,
                "recording": "9b1f6d0c2e7a4853",
                "key": "recordings/ridge/20261121_060000.WAV",
                "site": "ridge",
                "duration_s": 120.0,
                "high_hz": 8000.0,
                "model_version": "20261121-101500-3f1c22ab",
                "labels": ["casual", "explosion", "gunshot", "siren"],
                "background": "casual",
                "detections": [
                    {
                        "start_s": 32.0,
                        "end_s": 40.0,
                        "label": "gunshot",
                        "peak_confidence": 0.9921,
                        "mean_confidence": 0.9312,
                    }
                ],
            }
        },
    )

    schema_version: Literal[1] = Field(
        alias="schema", description="Another number when a member changes its meaning or goes."
    )
    recording: str
    key: str
    site: str
    duration_s: float
    high_hz: float = Field(description="The highest frequency that could be heard in it.")
    model_version: str
    labels: list[str] = Field(description="All that the model knows.")
    background: str | None = Field(description="The label that makes no detections.")
    detections: list[Detection]
