"""Recordings in S3: what their keys mean, and their bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earshot.audio import SUFFIXES
from earshot.errors import BadKey, RecordingTooLarge

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SAMPLES = "samples/"
RECORDINGS = "recordings/"
IMPORTS = "imports/"

# Ten minutes of 48 kHz, 24-bit stereo: more than a labelled clip needs, less than a Lambda has.
MAX_SAMPLE_BYTES = 200_000_000

_LABEL = re.compile(r"[\w][\w .'-]{0,63}")


@dataclass(frozen=True)
class SampleKey:
    """``samples/<label>/<file>`` or ``samples/<label>/<recording>/…/<file>``.

    Clips in one folder below the label were cut from one recording; ``group`` names it, under
    whatever label: a tape may hold several.
    """

    label: str
    group: str | None

    @classmethod
    def parse(cls, key: str) -> SampleKey:
        """Read a sample's key; raises BadKey."""
        parts = key.removeprefix(SAMPLES).split("/")
        if not key.startswith(SAMPLES) or len(parts) < 2 or not parts[-1]:
            raise BadKey(f"{key!r} does not name a sample: put it at samples/<label>/<file>.")
        label, *folders = parts[:-1]
        if not _LABEL.fullmatch(label):
            raise BadKey(
                f"{label!r} cannot be a label: use up to 64 letters, digits, spaces, '_', '.', "
                "\"'\" or '-', the first one a letter, a digit or '_'."
            )
        return cls(label, "/".join(folders) or None)


def is_folder_marker(key: str) -> bool:
    """Whether the object only stands for a folder, as consoles create them."""
    return key.endswith("/")


def is_audio_name(name: str) -> bool:
    """Whether a file's name looks like audio; only used to choose what to upload."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


class Store:
    """The recordings bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def read(self, key: str) -> bytes:
        """The bytes of a sample; raises RecordingTooLarge before it reads them.

        A missing object raises the client's ``NoSuchKey``.
        """
        answer = self._client.get_object(Bucket=self.bucket, Key=key)
        if answer["ContentLength"] > MAX_SAMPLE_BYTES:
            raise RecordingTooLarge(
                f"{key} has {answer['ContentLength']} bytes; a labelled clip may have "
                f"{MAX_SAMPLE_BYTES}. Cut it, or put it under recordings/<site>/."
            )
        return answer["Body"].read()
