"""How the service is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """The process is alive."""

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


class Status(BaseModel):
    """The state of the service."""

    name: str
    uptime_s: float
    model: ServingModel | None = Field(description="Null while there is no model.")
    predictions: int
    uncertain: int
    by_label: dict[str, int]
    training: Training
    refused_bundles: dict[str, str] = Field(
        description="Versions that did not verify, and why; they do not serve."
    )
