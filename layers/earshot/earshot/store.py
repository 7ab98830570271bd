"""Recordings in S3: what their keys mean, and their bytes."""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from earshot.audio import SUFFIXES
from earshot.errors import BadKey, RecordingTooLarge, UploadNotFound
from earshot.leftovers import abort_leftovers
from earshot.names import plain_name
from earshot.ranges import RangedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from typing import BinaryIO

    from botocore.response import StreamingBody
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
        return cls(plain_name(given, "a label"), "/".join(folders) or None)


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


@dataclass(frozen=True)
class Opened:
    """An object whose bytes are on their way; to be closed."""

    stored: Stored
    body: StreamingBody

    def read(self) -> bytes:
        """The bytes of a sample; raises RecordingTooLarge before it reads them."""
        if self.stored.size > MAX_SAMPLE_BYTES:
            raise RecordingTooLarge(
                f"{self.stored.key} has {self.stored.size} bytes; a labelled clip may have "
                f"{MAX_SAMPLE_BYTES}. Cut it, or put it under recordings/<site>/."
            )
        return self.body.read()

    def close(self) -> None:
        """Leave what was not read."""
        self.body.close()


@dataclass(frozen=True)
class Form:
    """A presigned form: POST ``fields`` to ``url``, and after them the file, as ``file``."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class StoredPart:
    """A part of an unfinished upload: ``size`` in bytes, ``etag`` as S3 wants it back."""

    size: int
    etag: str


class Store:
    """The recordings bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def read(self, key: str) -> bytes:
        """The bytes of a sample; raises RecordingTooLarge before it reads them.

        A missing object raises the client's ``NoSuchKey``.
        """
        with closing(self.open(key)) as opened:
            return opened.read()

    def find(self, key: str) -> Stored:
        """The object as it is now, unread; a missing one raises the client's ``NoSuchKey``."""
        with closing(self.open(key)) as opened:
            return opened.stored

    def open(self, key: str) -> Opened:
        """The object as it is now; a missing one raises the client's ``NoSuchKey``."""
        # Not head_object: that cannot tell a missing object from a missing bucket.
        answer = self._client.get_object(Bucket=self.bucket, Key=key)
        return Opened(_stored(key, answer), answer["Body"])

    def has(self, stored: Stored) -> bool:
        """Whether that version is the object that is there now."""
        try:
            answer = self._client.head_object(Bucket=self.bucket, Key=stored.key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return False
            raise
        return _stored(stored.key, answer).version == stored.version

    def read_range(self, stored: Stored, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop`` of that version, and of no other."""
        pinned: Any = stored.pinned
        answer = self._client.get_object(
            Bucket=self.bucket, Key=stored.key, Range=f"bytes={start}-{stop - 1}", **pinned
        )
        return answer["Body"].read()

    def file(self, stored: Stored) -> BinaryIO:
        """That version as a file to seek and read in, of which little is held at once."""
        return cast("BinaryIO", RangedFile(partial(self.read_range, stored), stored.size))

    # --- uploads by others ------------------------------------------------------------------

    def size(self, key: str) -> int | None:
        """How many bytes the object has, None when there is none."""
        try:
            return self._client.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return None
            raise

    def form(self, key: str, size: int, kind: str, sha256: str | None, seconds: int) -> Form:
        """A form that takes one file, of ``size`` bytes and the media type ``kind``, to ``key``.

        With the ``sha256`` of its bytes, in hex, S3 takes no other content.
        """
        fields = {"Content-Type": kind}
        if sha256:
            fields["x-amz-checksum-sha256"] = b64encode(bytes.fromhex(sha256)).decode()
        signed = self._client.generate_presigned_post(
            self.bucket,
            key,
            Fields=dict(fields),
            Conditions=[
                ["content-length-range", size, size],
                *({name: value} for name, value in fields.items()),
            ],
            ExpiresIn=seconds,
        )
        return Form(signed["url"], signed["fields"])

    def unfinished(self, key: str) -> str | None:
        """The newest unfinished upload of ``key``."""
        answer = self._client.list_multipart_uploads(Bucket=self.bucket, Prefix=key)
        begun = [one for one in answer.get("Uploads", []) if one["Key"] == key]
        newest = max(begun, key=lambda one: one["Initiated"], default=None)
        return newest["UploadId"] if newest else None

    def begin(self, key: str, kind: str) -> str:
        """Begin an upload in parts; returns its id."""
        return self._client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=kind)[
            "UploadId"
        ]

    def part_url(self, key: str, upload_id: str, number: int, size: int, seconds: int) -> str:
        """Where one part, of exactly ``size`` bytes, is put by PUT."""
        return self._client.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self.bucket,
                "Key": key,
                "UploadId": upload_id,
                "PartNumber": number,
                "ContentLength": size,
            },
            ExpiresIn=seconds,
        )

    def parts(self, key: str, upload_id: str) -> dict[int, StoredPart]:
        """The parts that are there, by their number; raises UploadNotFound."""
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self.bucket, Key=key, UploadId=upload_id
        )
        with _known(upload_id):
            return {
                part["PartNumber"]: StoredPart(part["Size"], part["ETag"])
                for page in pages
                for part in page.get("Parts", [])
            }

    def complete(self, key: str, upload_id: str, parts: dict[int, StoredPart]) -> None:
        """Make one object of parts; raises UploadNotFound."""
        with _known(upload_id):
            self._client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [
                        {"PartNumber": number, "ETag": part.etag}
                        for number, part in sorted(parts.items())
                    ]
                },
            )

    def abandon(self, key: str, upload_id: str) -> None:
        """Forget an upload and its parts; raises UploadNotFound."""
        with _known(upload_id):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)

    def abandon_leftovers(self, before: datetime) -> Iterator[str]:
        """Forget uploads in parts that were begun before a moment; their keys, as it is done."""
        places = (SAMPLES, RECORDINGS, IMPORTS)
        return abort_leftovers(self._client, self.bucket, places, before)

    # --- writing ----------------------------------------------------------------------------

    def remove(self, key: str) -> None:
        """Delete an object, if it is there; the bucket keeps its versions for a time."""
        self._client.delete_object(Bucket=self.bucket, Key=key)

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


def _stored(key: str, answer: Any) -> Stored:
    """What S3 answers of an object that is there."""
    size, etag, version = answer["ContentLength"], answer["ETag"], answer.get("VersionId")
    if version and version != "null":
        return Stored(key, size, version, {"VersionId": version})
    version = f"{etag} {answer['LastModified'].isoformat()}"
    return Stored(key, size, version, {"IfMatch": etag})


@contextmanager
def _known(upload_id: str) -> Iterator[None]:
    """Tell in our terms that S3 knows no such upload."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchUpload":
            raise UploadNotFound(
                f"There is no unfinished upload {upload_id[:100]!r} of this key: it is over, or "
                "was never begun. Ask POST /uploads again."
            ) from error
        raise
