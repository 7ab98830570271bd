"""How the service is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Health(BaseModel):
    """The process is alive."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: Literal["ok"] = "ok"


class ServingModel(BaseModel):
    """The version that answers."""

    version: str
    trained_at: str
    accuracy: float | None = Field(description="On its held-out clips.")
    classes: list[str]


class Training(BaseModel):
    """How far the next training is."""

    new_samples: int
    threshold: int
    active_run: str | None
    last_run: str | None
    last_state: str | None


class LastSweep(BaseModel):
    """What the last look for things that crashes and lost events left behind came to."""

    at: str = Field(description="When it began.")
    repaired: int = Field(description="How much it put right.")
    done: list[str] = Field(description="What that was, a sentence each; the first fifty.")
    failed: list[str] = Field(description="What it could not look after, and why.")


class Status(BaseModel):
    """The state of the service."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "Earshot: surveillance",
                "uptime_s": 86.2,
                "model": {
                    "version": "20261121-101500-3f1c22ab",
                    "trained_at": "2026-11-21T10:15:00.759Z",
                    "accuracy": 0.9639,
                    "classes": ["casual", "explosion", "gunshot", "siren"],
                },
                "predictions": 4,
                "uncertain": 1,
                "refused": 1,
                "failed": 0,
                "by_label": {"gunshot": 1, "siren": 3},
                "training": {
                    "new_samples": 7,
                    "threshold": 25,
                    "active_run": None,
                    "last_run": "20261121-101500-9d57c2",
                    "last_state": "promoted",
                },
                "refused_bundles": {},
                "last_sweep": {
                    "at": "2026-11-21T10:35:00.402Z",
                    "repaired": 1,
                    "done": ["Run 20261121-101500-9d57c2 is published again: nobody has begun it."],
                    "failed": [],
                },
            }
        }
    )

    name: str
    uptime_s: float
    model: ServingModel | None = Field(description="Null while there is no model.")
    predictions: int = Field(description="Recordings answered with a label.")
    uncertain: int = Field(description="Those of them below their label's threshold.")
    refused: int = Field(description="Recordings that could not be used.")
    failed: int = Field(description="Recordings that the service could not answer.")
    by_label: dict[str, int]
    training: Training
    refused_bundles: dict[str, str] = Field(
        description="Versions that did not verify, and why; they do not serve. `champion.json` is "
        "among them when it is no pointer to a version."
    )
    last_sweep: LastSweep | None = Field(description="Null until there was one.")
