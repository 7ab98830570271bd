"""Uploads in parts that somebody began and left."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_s3 import S3Client


def abort_leftovers(
    client: S3Client, bucket: str, prefixes: tuple[str, ...], before: datetime
) -> Iterator[str]:
    """Abort what was begun below ``prefixes`` before a moment; answers each key as it is done."""
    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
    for page in pages:
        for upload in page.get("Uploads", ()):
            key = upload["Key"]
            if upload["Initiated"] < before and key.startswith(prefixes):
                # Somebody else may have completed or aborted it since.
                with contextlib.suppress(client.exceptions.NoSuchUpload):
                    client.abort_multipart_upload(
                        Bucket=bucket, Key=key, UploadId=upload["UploadId"]
                    )
                    yield key
