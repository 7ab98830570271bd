"""Model versions in S3, and the pointer to the one that serves."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from earshot.bundle import CARD_FILE, MODEL_FILE, Bundle, ModelCard
from earshot.errors import BadBundle, ModelNotFound, PromotionConflict
from earshot.recording import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

MODELS = "models/"
POINTER = "champion.json"

_VERSION = re.compile(r"[\w.-]{1,100}")


@dataclass(frozen=True)
class Champion:
    """Which version serves, since when, by whose hand and why; ``etag`` guards the next swap."""

    version: str
    previous: str | None
    promoted_at: str
    promoted_by: str
    reason: str
    etag: str


class Registry:
    """The artifacts bucket: immutable versions under ``models/``, one pointer beside them."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._listed: dict[str, ModelCard] = {}

    def publish(self, card: ModelCard, files: Mapping[str, bytes]) -> None:
        """Upload a version; its card comes last, so a version is seen whole or not at all.

        A version that is there already stays as it is: versions are immutable.
        """
        for name, content in files.items():
            self._put_once(f"{MODELS}{card.version}/{name}", content)
        self._put_once(f"{MODELS}{card.version}/{CARD_FILE}", card.to_json().encode())

    def versions(self) -> list[str]:
        """Every complete version, the newest name first."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=MODELS
        )
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        names = [key.split("/")[1] for key in keys if key.endswith(f"/{CARD_FILE}")]
        return sorted(names, reverse=True)

    def latest(self, limit: int) -> list[ModelCard]:
        """The cards of the newest versions; each is read once, for a version never changes."""
        versions = self.versions()[:limit]
        for version in versions:
            if version not in self._listed:
                self._listed[version] = self.card(version)
        return [self._listed[version] for version in versions]

    def card(self, version: str) -> ModelCard:
        """A version's card; raises ModelNotFound or BadBundle."""
        return ModelCard.from_json(self._read(version, CARD_FILE))

    def bundle(self, version: str) -> Bundle:
        """A version, verified by SHA-256; raises ModelNotFound or BadBundle."""
        card = self.card(version)
        try:
            return Bundle(card, self._read(version, MODEL_FILE))
        except ModelNotFound as error:
            raise BadBundle(f"{version} has a card but no {MODEL_FILE}.") from error

    def champion(self) -> Champion | None:
        """The pointer, or None when nothing was ever promoted."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=POINTER)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        content = json.loads(answer["Body"].read())
        return Champion(**content, etag=answer["ETag"])

    def promote(self, version: str, expected: Champion | None, by: str, reason: str) -> Champion:
        """Point to another version, if the pointer still is ``expected``.

        Raises PromotionConflict when somebody else moved it first, ModelNotFound when there is
        no such version.
        """
        self.card(version)
        content = {
            "version": version,
            "previous": expected.version if expected else None,
            "promoted_at": now(),
            "promoted_by": by,
            "reason": reason,
        }
        body = json.dumps(content).encode()
        try:
            if expected is None:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=POINTER, Body=body, IfNoneMatch="*"
                )
            else:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=POINTER, Body=body, IfMatch=expected.etag
                )
        except ClientError as error:
            if not _lost_race(error):
                raise
            # The answer to our own write may have been lost, and the write repeated.
            current = self.champion()
            if current and {**content, "etag": current.etag} == asdict(current):
                return current
            raise PromotionConflict(
                f"{version} was not promoted: the champion changed meanwhile. Look at it, and "
                "promote again if it still should serve."
            ) from error
        return Champion(**content, etag=answer["ETag"])  # type: ignore[arg-type]

    def _read(self, version: str, name: str) -> bytes:
        if not _VERSION.fullmatch(version):
            raise ModelNotFound(f"There is no model version {version[:100]!r}.")
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=f"{MODELS}{version}/{name}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise ModelNotFound(f"There is no model version {version!r}.") from error
            raise
        return answer["Body"].read()

    def _put_once(self, key: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if not _lost_race(error):
                raise


def _lost_race(error: ClientError) -> bool:
    """Whether a conditional write found something else (412), or another writer at work (409)."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)
