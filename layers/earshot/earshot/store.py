"""Recordings in S3: what their keys mean, and their bytes."""

from __future__ import annotations

import unicodedata
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from earshot.audio import SUFFIXES
from earshot.errors import BadKey, RecordingTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

    from mypy_boto3_s3 import S3Client

SAMPLES = "samples/"
RECORDINGS = "recordings/"
IMPORTS = "imports/"

# Ten minutes of 48 kHz, 24-bit stereo: more than a labelled clip needs, less than a Lambda has.
MAX_SAMPLE_BYTES = 200_000_000

# What is larger is put in parts of 8 MB, boto3's own measure, read as they are sent.
WHOLE_BYTES = 8 << 20
CHUNK_BYTES = 1 << 18
# Puts at once: under the ten connections that boto3 pools, and 64 MB of the largest.
PUTS = 8

LABEL_LENGTH = 64


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
        given, *folders = parts[:-1]
        # macOS takes letters and their accents apart; a label is the same however it is written.
        label = unicodedata.normalize("NFC", given)
        if not _is_label(label):
            raise BadKey(
                f"{label!r} cannot be a label: use up to 64 letters, digits, spaces, '_', '.', "
                "\"'\" or '-', the first one a letter, a digit or '_'."
            )
        return cls(label, "/".join(folders) or None)


def _is_label(text: str) -> bool:
    """Letters and digits of any script, with their marks, and few signs."""
    return 0 < len(text) <= LABEL_LENGTH and all(
        letter.isalnum()
        or letter == "_"
        or (place > 0 and (letter in " .'-" or unicodedata.category(letter).startswith("M")))
        for place, letter in enumerate(text)
    )


def is_folder_marker(key: str) -> bool:
    """Whether the object only stands for a folder, as consoles create them."""
    return key.endswith("/")


def is_audio_name(name: str) -> bool:
    """Whether a file's name looks like audio; only used to choose what to upload."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


@dataclass(frozen=True)
class Stored:
    """One version of an object: ``size`` in bytes, ``version`` unlike any other of its key's."""

    key: str
    size: int
    version: str
    pinned: dict[str, str]


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

    def find(self, key: str) -> Stored:
        """The object as it is now, unread; a missing one raises the client's ``NoSuchKey``."""
        # Not head_object: that cannot tell a missing object from a missing bucket.
        answer = self._client.get_object(Bucket=self.bucket, Key=key)
        answer["Body"].close()
        size, etag, version = answer["ContentLength"], answer["ETag"], answer.get("VersionId")
        if version and version != "null":
            return Stored(key, size, version, {"VersionId": version})
        version = f"{etag} {answer['LastModified'].isoformat()}"
        return Stored(key, size, version, {"IfMatch": etag})

    def read_range(self, stored: Stored, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop`` of that version, and of no other."""
        pinned: Any = stored.pinned
        answer = self._client.get_object(
            Bucket=self.bucket, Key=stored.key, Range=f"bytes={start}-{stop - 1}", **pinned
        )
        return answer["Body"].read()

    def write(self, objects: Iterable[tuple[str, int, BinaryIO]]) -> None:
        """Put objects, given as key, size in bytes and a stream that is read and closed here.

        The streams are read one after the other, each before the next is asked for. At most
        PUTS + 1 of up to WHOLE_BYTES are held, and of a larger one a few parts.
        """
        with ThreadPoolExecutor(PUTS) as pool:
            under_way: deque[Any] = deque()
            for key, size, stream in objects:
                with stream:
                    if size > WHOLE_BYTES:
                        # Without seek: boto3 would unpack the whole stream to measure it.
                        body: Any = SimpleNamespace(read=stream.read)
                        self._client.upload_fileobj(body, self.bucket, key)
                        continue
                    whole = b"".join(iter(partial(stream.read, CHUNK_BYTES), b""))
                if len(under_way) == PUTS:
                    under_way.popleft().result()
                put = partial(self._client.put_object, Bucket=self.bucket, Key=key, Body=whole)
                under_way.append(pool.submit(put))
            for put_before in under_way:
                put_before.result()
