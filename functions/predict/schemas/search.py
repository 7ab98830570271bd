"""What is found by a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from earshot.services import search

MATCH: dict[str, Any] = {
    "similarity": 0.9412,
    "kind": "recording",
    "recording": "9b1f6d0c2e7a4853",
    "sample": None,
    "key": "recordings/ridge/20261121_060000.WAV",
    "site": "ridge",
    "start_s": 48.0,
    "end_s": 52.0,
    "label": "siren",
    "confidence": 0.97,
    "clip": "/recordings/9b1f6d0c2e7a4853/clips/9f86d081884c-000047.000-000053.000.flac",
    "review": None,
}


class Match(BaseModel):
    """A stretch of a recording, or a sample, and how near it is."""

    similarity: float = Field(
        ge=-1, le=1, description="The cosine of the angle between both, 1 for the same sound."
    )
    kind: Literal["recording", "sample"]
    recording: str | None = Field(description="The recording's id; null for a sample.")
    sample: str | None = Field(description="The sample's SHA-256; null for a stretch.")
    key: str = Field(description="The object's key in the recordings bucket.")
    site: str | None = Field(description="Of the recording; null for a sample.")
    start_s: float = Field(description="From the recording's start.")
    end_s: float
    label: str = Field(description="Predicted for a stretch, given to a sample.")
    confidence: float | None = Field(description="Of the prediction; null for a sample.")
    clip: str = Field(description="The path of its audio, which may be gone by now.")
    review: str | None = Field(
        description="The question that people are asked about it, if they are: `POST "
        "/review/{review}` answers it, and makes a sample of it."
    )


class Found(BaseModel):
    """What is nearest, the nearest first."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "example": {
                "matches": [MATCH],
                "searched": 1204,
                "model_version": "20261121-101500-3f1c22ab",
                "notes": [],
            }
        },
    )

    matches: list[Match]
    searched: int = Field(description="Among how many stretches and samples.")
    model_version: str = Field(description="What heard the sound.")
    notes: list[str] = Field(description="What could not be searched, and why.")

    @classmethod
    def of(cls, found: search.Found) -> Found:
        """As the use case answers."""
        return cls(
            matches=[_match(one) for one in found.matches],
            searched=found.searched,
            model_version=found.model_version,
            notes=list(found.notes),
        )


def _match(one: search.Match) -> Match:
    is_stretch = one.kind == "recording"
    return Match(
        similarity=one.similarity,
        kind=one.kind,
        recording=one.source if is_stretch else None,
        sample=None if is_stretch else one.source,
        key=one.key,
        site=one.site,
        start_s=one.start_s,
        end_s=one.end_s,
        label=one.label,
        confidence=one.confidence,
        clip=f"/recordings/{one.source}/clips/{one.clip}"
        if is_stretch
        else f"/samples/{one.source}/clip",
        review=one.review,
    )
