"""What there is to learn from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class Refused(BaseModel):
    """An object that could not be used."""

    key: str
    code: str
    reason: str
    refused_at: str


class Import(BaseModel):
    """An archive that was, or is being, unpacked into samples."""

    key: str
    state: Literal["unpacking", "unpacked"]
    clips: int = Field(description="Put below `samples/`, each judged on its own afterwards.")
    size: int = Field(description="Of all clips, in bytes.")
    ignored: list[str] = Field(description="The first twenty files that are not audio.")
    ignored_total: int
    at: str = Field(description="UTC, ISO 8601.")


class Samples(BaseModel):
    """What has been learnt from, and what is missing for the next training."""

    labels: dict[str, int]
    total: int
    new_samples: int = Field(description="Since the last training was asked for.")
    threshold: int = Field(description="New samples that start a training.")
    recordings: int = Field(description="Unlabelled recordings received.")
    refused: list[Refused] = Field(description="The latest hundred.")
    imports: list[Import] = Field(description="The latest hundred archives that were unpacked.")
