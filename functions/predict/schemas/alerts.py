"""Alerts, and the rules that they are raised by."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

ALERT: dict[str, Any] = {
    "alert": "4be1d20c5f7a9368",
    "label": "gunshot",
    "threshold": None,
    "site": "ridge",
    "at": "2026-11-21T06:12:04.000Z",
    "received_at": "2026-11-21T10:15:00.123Z",
    "raised_at": "2026-11-21T10:15:01.402Z",
    "recording": "9b1f6d0c2e7a4853",
    "key": "recordings/ridge/20261121_060000.WAV",
    "start_s": 724.0,
    "end_s": 728.0,
    "peak_confidence": 0.9731,
    "model_version": "20261121-101500-3f1c22ab",
    "clip": "/recordings/9b1f6d0c2e7a4853/clips/3f1c22ab4240-723.000-729.000.flac",
}
RULE: dict[str, Any] = {"label": "gunshot", "threshold": None, "site": None, "cooldown_s": 300.0}


class Alert(BaseModel):
    """An incident began: something was heard that somebody wants to know of."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"example": ALERT})

    alert: str = Field(description="Its id, by which who is told twice knows it.")
    label: str
    threshold: float | None = Field(description="The rule's; null for the label's own.")
    site: str
    at: str | None = Field(
        description="When it was heard; null when the recording does not say when it starts."
    )
    received_at: str = Field(description="When the recording came in.")
    raised_at: str = Field(description="When the alert was raised.")
    recording: str
    key: str = Field(description="Where the recording lies in the recordings bucket.")
    start_s: float = Field(description="Of the incident's first detection, in the recording.")
    end_s: float
    peak_confidence: float
    model_version: str
    clip: str | None = Field(description="Its audio, a path of this API; null when none is kept.")


class Alerts(BaseModel):
    """Alerts, the latest raised first."""

    model_config = ConfigDict(json_schema_extra={"example": {"alerts": [ALERT], "next": None}})

    alerts: list[Alert]
    next: str | None = Field(
        description="The `cursor` of the next page; null on the last one. A page may have fewer "
        "than `limit`, or none, and be followed by others."
    )


class DetectionAlert(Alert):
    """An alert as it is told: by mail, by the webhook and on the event bus."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **ALERT,
                "label": "gunshot",
                "site": "test",
                "at": "2026-11-21T10:15:01.402Z",
                "received_at": "2026-11-21T10:15:01.402Z",
                "recording": "f4e5b5f4e5b51d1c",
                "key": "recordings/test/test.wav",
                "start_s": 0.0,
                "end_s": 1.0,
                "peak_confidence": 1.0,
                "model_version": "test",
                "clip": None,
                "summary": "This is a test, nothing was heard. gunshot was heard at test, at "
                "2026-11-21T10:15:01.402Z, with confidence 1.00: recordings/test/test.wav, 0 s to "
                "1 s.",
                "test": True,
            }
        }
    )

    summary: str = Field(description="The same in words.")
    test: bool = Field(description="Whether somebody only tries the way that alerts take.")


class Rule(BaseModel):
    """What somebody is told of."""

    model_config = ConfigDict(json_schema_extra={"example": RULE})

    label: str
    threshold: float | None = Field(
        description="Of the peak confidence; null for the label's own, which every detection has."
    )
    site: str | None = Field(
        description="Null for all sites that have no rule of their own for the label."
    )
    cooldown_s: float = Field(
        description="What is heard within so many seconds of the same is the same incident."
    )


class Rules(BaseModel):
    """All rules."""

    model_config = ConfigDict(json_schema_extra={"example": {"rules": [RULE]}})

    rules: list[Rule]
