"""What there is to learn from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SAMPLE = "3c9d1f06b1a7a0d2a2c1f6a7e2d1b5c45e0f9b8a7c6d5e4f3a2b1c0d9e8f7a6b"


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

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "labels": {"casual": 140, "siren": 97},
                "growth": {"siren": 7},
                "known_labels": ["casual", "explosion", "gunshot", "siren"],
                "open_labels": False,
                "total": 237,
                "new_samples": 7,
                "threshold": 25,
                "recordings": 12,
                "refused": [
                    {
                        "key": "samples/siren/notes.txt",
                        "code": "unsupported_format",
                        "reason": "The content is not audio that Earshot reads.",
                        "refused_at": "2026-11-21T10:20:30.123Z",
                    }
                ],
                "imports": [
                    {
                        "key": "imports/9f86d081884c/clips.zip",
                        "state": "unpacked",
                        "clips": 230,
                        "size": 29440920,
                        "ignored": ["clips/read.me"],
                        "ignored_total": 1,
                        "at": "2026-11-21T10:10:02.881Z",
                    }
                ],
            }
        }
    )

    labels: dict[str, int]
    growth: dict[str, int] = Field(
        description="By how many each label has grown since the last training was asked for; less "
        "than nothing where samples were removed."
    )
    known_labels: list[str] = Field(description="Labels that samples may have.")
    open_labels: bool = Field(description="Whether they may have any other, too.")
    total: int
    new_samples: int = Field(description="Since the last training was asked for.")
    threshold: int = Field(description="New samples that start a training.")
    recordings: int = Field(description="Unlabelled recordings received.")
    refused: list[Refused] = Field(description="The latest hundred.")
    imports: list[Import] = Field(description="The latest hundred archives that were unpacked.")


class ReceivedFile(BaseModel):
    """What became of one file."""

    name: str = Field(description="As it was sent.")
    state: Literal["stored", "duplicate", "refused"] = Field(
        description="`stored`: new, and will be counted; `duplicate`: the same sound is known."
    )
    label: str | None
    key: str | None = Field(description="Where it is in the recordings bucket; null when refused.")
    sha256: str | None = Field(
        description="The identity of the sound, in whatever container; null when refused."
    )
    code: str | None = Field(description="Why it is refused, as the codes of problems.")
    reason: str | None


class TakenIn(BaseModel):
    """What became of labelled files."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stored": 1,
                    "files": [
                        {
                            "name": "siren 1.wav",
                            "state": "stored",
                            "label": "siren",
                            "key": "samples/siren/9f86d081884c-siren 1.wav",
                            "sha256": SAMPLE,
                            "code": None,
                            "reason": None,
                        },
                        {
                            "name": "notes.txt",
                            "state": "refused",
                            "label": "siren",
                            "key": None,
                            "sha256": None,
                            "code": "unsupported_format",
                            "reason": "The content is not audio that Earshot reads.",
                        },
                    ],
                }
            ]
        }
    )

    stored: int
    files: list[ReceivedFile] = Field(description="In the order in which they were sent.")
