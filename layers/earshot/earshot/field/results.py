"""What was found in recordings: objects in the artifacts bucket.

================================  ==========================================================
``results/<recording>/<digest>/``  detections in each format
``clips/<recording>/``             audio around detections, and of doubts; a rule removes it
``parts/<recording>/<digest>/``    what was heard of a recording so far; a rule removes it
================================  ==========================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earshot import objects
from earshot.errors import ClipNotFound, ResultsNotFound

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESULTS = "results/"
CLIPS = "clips/"
PARTS = "parts/"


class Results:
    """Detections, clips and parts. An object is written once, or again with the same content."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, key: str, content: bytes, media_type: str) -> None:
        """Put an object."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=media_type)

    def read(self, key: str) -> bytes:
        """Results that were kept; raises ResultsNotFound when somebody removed them."""
        content = self.find(key)
        if content is None:
            raise ResultsNotFound(
                f"s3://{self._bucket}/{key} was kept and is no longer there. Put the recording "
                "into the recordings bucket again."
            )
        return content

    def clip(self, key: str) -> bytes:
        """A clip; raises ClipNotFound."""
        content = self.find(key)
        if content is None:
            raise ClipNotFound(
                f"There is no clip {key.rpartition('/')[2][:100]!r} any more, or never was: clips "
                "are kept for a time that the deployment sets (ClipDays). Listen to the recording "
                "itself, or put it into the recordings bucket again."
            )
        return content

    def find(self, key: str) -> bytes | None:
        """An object, or None."""
        return objects.find(self._client, self._bucket, key)

    def names(self, folder: str) -> set[str]:
        """What the objects of a folder are called."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=folder
        )
        return {
            one["Key"].removeprefix(folder) for page in pages for one in page.get("Contents", ())
        }
