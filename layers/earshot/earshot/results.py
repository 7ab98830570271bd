"""What was found in recordings: objects under ``results/`` in the artifacts bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from earshot.errors import ResultsNotFound

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RESULTS = "results/"


class Results:
    """Detections and clips. An object is written once, or again with the same content."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, key: str, content: bytes, media_type: str) -> None:
        """Put an object under RESULTS."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=media_type)

    def read(self, key: str) -> bytes:
        """An object that was kept; raises ResultsNotFound when somebody removed it."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise ResultsNotFound(
                    f"s3://{self._bucket}/{key} was kept and is no longer there. Put the recording "
                    "into the recordings bucket again."
                ) from error
            raise
        return answer["Body"].read()
