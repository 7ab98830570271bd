"""Uploads that go to the bucket: what is wished for, and where it goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from predict.schemas.numbers import Whole

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class _File(BaseModel):
    """A file on the client's side."""

    model_config = ConfigDict(extra="forbid")

    name: Name = Field(
        description="The file's name. Its last part is kept; what could do harm in it becomes `_`.",
        examples=["20261121_100000.wav"],
    )
    size: Whole = Field(ge=1, description="In bytes. Not one more or less is taken.")
    sha256: Sha256 | None = Field(
        default=None,
        description="Of the file's bytes, in hex. With it the key is always the same, so that an "
        "upload can be resumed and a file that is there is not sent again; a form then takes no "
        "other content.",
    )


class SampleUpload(_File):
    """A labelled clip, up to 200 MB: it will be learnt from."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "sample",
                    "name": "siren 1.wav",
                    "size": 128044,
                    "label": "siren",
                    "recording": "tape-7",
                }
            ]
        }
    )

    kind: Literal["sample"]
    label: str = Field(max_length=256, description="One of the application's, unless it is open.")
    recording: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="What the clip was cut from: clips of one recording are never both learnt from "
        "and tested on.",
    )


class RecordingUpload(_File):
    """An unlabelled recording, up to 5 TB: it will be listened to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "recording",
                    "name": "20261121_100000.wav",
                    "size": 2764800044,
                    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "site": "ridge",
                }
            ]
        }
    )

    kind: Literal["recording"]
    site: str = Field(max_length=256, description="Where it was made, named as labels are.")


class ArchiveUpload(_File):
    """A zip archive of `<label>/<file>`, up to 1 GB: it will be unpacked into samples."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"kind": "archive", "name": "clips.zip", "size": 31457280}]}
    )

    kind: Literal["archive"]


UploadRequest = Annotated[
    SampleUpload | RecordingUpload | ArchiveUpload, Field(discriminator="kind")
]


class Part(BaseModel):
    """A part of a file, sent by `PUT` to its `url` with nothing but its bytes."""

    number: int = Field(description="From 1.")
    start: int = Field(description="Its first byte in the file, from 0.")
    size: int = Field(description="In bytes. Not one more or less is taken.")
    stored: bool = Field(description="It is there, from an earlier try.")
    url: str | None = Field(description="Null when it is stored.")


class Upload(BaseModel):
    """How a file gets to its place."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": "samples/siren/tape-7/9f86d081884c-siren 1.wav",
                    "state": "wanted",
                    "method": "form",
                    "url": "https://earshot-recordings.s3.eu-central-1.amazonaws.com/",
                    "fields": {
                        "Content-Type": "audio/wav",
                        "key": "samples/siren/tape-7/9f86d081884c-siren 1.wav",
                        "policy": "eyJleHBpcmF0aW9uIjog…",
                        "x-amz-signature": "5d1c3f…",
                    },
                    "upload_id": None,
                    "part_size": None,
                    "parts": [],
                    "expires_at": "2026-11-21T11:20:30Z",
                }
            ]
        }
    )

    key: str = Field(description="Where the file goes in the recordings bucket.")
    state: Literal["wanted", "stored"] = Field(
        description="`stored`: it is there already, nothing is left to do."
    )
    method: Literal["form", "parts"] | None = Field(
        description="`form`: send all `fields` and then `file`, as multipart/form-data, by `POST` "
        "to `url`. `parts`, over 100 MB: send each of `parts` that is not stored, in any order or "
        "at once, then `POST /uploads/{upload_id}/complete`."
    )
    url: str | None
    fields: dict[str, str] | None = Field(description="Of the form, as they are.")
    upload_id: str | None
    part_size: int | None = Field(description="In bytes, of all parts but the last.")
    parts: list[Part]
    expires_at: str | None = Field(
        description="UTC, ISO 8601. Until then the addresses are good; ask again for new ones."
    )


class Completion(BaseModel):
    """All parts are sent."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "recordings/ridge/9f86d081884c/20261121_100000.wav",
                    "size": 2764800044,
                }
            ]
        },
    )

    key: Name = Field(description="As `POST /uploads` answered it.")
    size: Whole = Field(ge=1, description="Of the whole file, in bytes.")


class Completed(BaseModel):
    """The file is whole, and on its way."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "key": "recordings/ridge/9f86d081884c/20261121_100000.wav",
                "state": "stored",
            }
        }
    )

    key: str
    state: Literal["stored"] = "stored"
