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
    "progress": None,
    "notes": {
        "started_at": "2026-11-21T06:00:00.000Z",
        "started_by": "audiomoth",
        "device": "AudioMoth 249BC30461CBB1E6",
        "site": None,
        "latitude": None,
        "longitude": None,
        "temperature_c": 14.2,
        "battery_v": 4.5,
    },
    "detections": {"gunshot": 2, "siren": 1},
}
DETECTION: dict[str, Any] = {
    "start_s": 32.0,
    "end_s": 40.0,
    "label": "gunshot",
    "peak_confidence": 0.9921,
    "mean_confidence": 0.9312,
}
CLIP = "3f1c22ab4240-000031.000-000037.000.flac"


class Notes(BaseModel):
    """What the recorder wrote down, each null where it did not."""

    started_at: str | None = Field(description="When the recording starts: UTC, ISO 8601.")
    started_by: Literal["guano", "audiomoth", "name"] | None = Field(
        description="Who says so: GUANO metadata, AudioMoth's comment, or the file's name."
    )
    device: str | None
    site: str | None = Field(description="What the recorder was told; keys decide for Earshot.")
    latitude: float | None = Field(description="WGS84, in degrees, north positive.")
    longitude: float | None = Field(description="East positive.")
    temperature_c: float | None
    battery_v: float | None


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
    state: Literal["received", "analysing", "analysed", "refused"]
    code: str | None = Field(description="Why it is refused, or still waits; null otherwise.")
    reason: str | None = Field(description="The same in words.")
    received_at: str = Field(description="UTC, ISO 8601.")
    analysed_at: str | None
    duration_s: float | None
    model_version: str | None = Field(description="What heard it, or does.")
    progress: float | None = Field(description="The share that is heard, while it is analysed.")
    notes: Notes | None = Field(description="Null before it is analysed.")
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
    peak_s: float = Field(description="Where its surest window starts.")
    clip: str | None = Field(
        description="Its audio: `GET /recordings/{recording}/clips/{clip}`. Null where none was "
        "kept."
    )
    started_at: str | None = Field(description="When it truly was: UTC; null if nobody knows.")


class Occurrence(BaseModel):
    """A detection, and where it was heard."""

    model_config = ConfigDict(protected_namespaces=())

    recording: str
    key: str
    site: str
    label: str
    start_s: float = Field(description="From the recording's start.")
    end_s: float
    at: str = Field(
        description="What the list is sorted by, UTC: `started_at`, or as if the recording had "
        "started when it was received."
    )
    started_at: str | None = Field(description="When it truly was: UTC; null if nobody knows.")
    peak_confidence: float = Field(description="Of its surest window.")
    mean_confidence: float = Field(description="Over its windows.")
    model_version: str = Field(description="What heard it.")
    clip: str | None = Field(
        description="The path of its audio in this API; null where none was kept. Clips expire."
    )


class Occurrences(BaseModel):
    """Detections of all recordings, the latest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "detections": [
                    {
                        "recording": "9b1f6d0c2e7a4853",
                        "key": "recordings/ridge/20261121_060000.WAV",
                        "site": "ridge",
                        **DETECTION,
                        "at": "2026-11-21T06:00:32.000Z",
                        "started_at": "2026-11-21T06:00:32.000Z",
                        "model_version": "20261121-101500-3f1c22ab",
                        "clip": f"/recordings/9b1f6d0c2e7a4853/clips/{CLIP}",
                    }
                ],
                "next": None,
            }
        }
    )

    detections: list[Occurrence]
    next: str | None = Field(
        description="The `cursor` of the next page; null on the last one. Until then a page may "
        "hold few, or none: an answer looks at 2,000 detections at most."
    )


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
                "started_at": "2026-11-21T06:00:00.000Z",
                "high_hz": 8000.0,
                "model_version": "20261121-101500-3f1c22ab",
                "labels": ["casual", "explosion", "gunshot", "siren"],
                "background": "casual",
                "detections": [
                    {
                        **DETECTION,
                        "peak_s": 32.0,
                        "clip": CLIP,
                        "started_at": "2026-11-21T06:00:32.000Z",
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
    started_at: str | None = Field(description="When the recording starts, if its notes say so.")
    high_hz: float = Field(description="The highest frequency that could be heard in it.")
    model_version: str
    labels: list[str] = Field(description="All that the model knows.")
    background: str | None = Field(description="The label that makes no detections.")
    detections: list[Detection]
