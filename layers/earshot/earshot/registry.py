"""Model versions in S3, and the pointer to the one that serves."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from earshot import evaluation
from earshot.bundle import (
    CARD_FILE,
    EVALUATION_FILE,
    MODEL_FILE,
    VERSION,
    Bundle,
    ModelCard,
)
from earshot.errors import (
    BadBundle,
    EvaluationNotFound,
    ModelNotFound,
    PromotionConflict,
    UnknownBackbone,
)
from earshot.leftovers import abort_leftovers
from earshot.recording import moment, now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from earshot.evaluation import Evaluation

logger = logging.getLogger(__name__)

MODELS = "models/"
BACKBONES = "backbones/"
AUGMENTED = "augmented/"
POINTER = "champion.json"

# So many promotions are remembered, in the pointer itself.
REMEMBERED = 100

# What is larger is not read into memory: a model of 512 MB, a card of 32 MB, or the answers to some
# 100,000 held-out clips.
LARGEST = {MODEL_FILE: 512 * 2**20, CARD_FILE: 32 * 2**20, EVALUATION_FILE: 32 * 2**20}


@dataclass(frozen=True)
class Promotion:
    """From which version to which, when, by whose hand and why; None is the default bundle."""

    version: str | None
    previous: str | None
    promoted_at: str
    promoted_by: str
    reason: str
    rollback: bool = False


@dataclass(frozen=True)
class Champion(Promotion):
    """The promotion in force and those before it; ``etag`` guards the next swap.

    The trail is in the pointer's own object, so a promotion without its record cannot be.
    ``fault`` says why that object cannot be read; it then stands for the default bundle.
    """

    earlier: tuple[Promotion, ...] = ()
    etag: str = ""
    fault: str = ""

    @property
    def history(self) -> tuple[Promotion, ...]:
        """The latest promotions, the newest, which is in force, first."""
        return Promotion(*(getattr(self, one.name) for one in fields(Promotion))), *self.earlier

    def undone(self) -> Promotion | None:
        """The promotion that a rollback takes back now; None when nothing is left to take back.

        Rollbacks and what they took back cancel out, so one after another goes further back.
        """
        taken_back = 0
        for promotion in self.history:
            if promotion.rollback:
                taken_back += 1
            elif taken_back:
                taken_back -= 1
            else:
                return promotion
        return None


class Registry:
    """The artifacts bucket: immutable versions under ``models/``, one pointer beside them.

    Networks to train upon, which somebody imported, are under ``backbones/``; what training keeps
    of altered copies of samples is under ``augmented/``, one object per way of embedding.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._listed: dict[str, ModelCard | str] = {}
        self._evaluations: dict[str, Evaluation] = {}

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

    def latest(self, limit: int) -> dict[str, ModelCard | str]:
        """The newest versions: the card of each, or why it cannot be read, as of an old release.

        Each is read once, for a version never changes.
        """
        versions = self.versions()[:limit]
        for version in versions:
            if version not in self._listed:
                try:
                    self._listed[version] = self.card(version)
                except BadBundle as error:
                    logger.warning("Version %s cannot be read: %s", version, error)
                    self._listed[version] = str(error)
        return {version: self._listed[version] for version in versions}

    def card(self, version: str) -> ModelCard:
        """A version's card; raises ModelNotFound or BadBundle."""
        card = ModelCard.from_json(self._read(version, CARD_FILE))
        if card.version != version:
            raise BadBundle(f"{MODELS}{version}/{CARD_FILE} is the card of {card.version}.")
        return card

    def evaluation(self, version: str) -> Evaluation:
        """What a version answered to its held-out clips; read once.

        Raises ModelNotFound, EvaluationNotFound or BadBundle.
        """
        if version not in self._evaluations:
            self.card(version)
            try:
                content = self._read(version, EVALUATION_FILE)
            except ModelNotFound as error:
                raise EvaluationNotFound(f"{version} came without {EVALUATION_FILE}.") from error
            self._evaluations[version] = evaluation.read(content)
        return self._evaluations[version]

    def bundle(self, version: str) -> Bundle:
        """A version, verified by SHA-256; raises ModelNotFound or BadBundle."""
        card = self.card(version)
        try:
            return Bundle(card, self._read(version, MODEL_FILE))
        except ModelNotFound as error:
            raise BadBundle(f"{version} has a card but no {MODEL_FILE}.") from error

    def champion(self) -> Champion | None:
        """The pointer, or None when nothing was ever promoted; look at its ``fault``."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=POINTER)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        try:
            promotion, *earlier = _trail(answer["Body"].read())
        except (ValueError, TypeError, RecursionError) as error:
            fault = (
                f"{POINTER} is no pointer to a version ({error!r}). Promote a version by hand, or "
                "put an older version of that object back, which brings its history back, too."
            )
            written_at = moment(answer["LastModified"].timestamp())
            # A rollback, so that none goes back to before it.
            lost = Promotion(None, None, written_at, "unknown", fault, rollback=True)
            return Champion(**asdict(lost), etag=answer["ETag"], fault=fault)
        return Champion(**asdict(promotion), earlier=tuple(earlier), etag=answer["ETag"])

    def promote(
        self,
        version: str | None,
        expected: Champion | None,
        by: str,
        reason: str,
        rollback: bool = False,
    ) -> Champion:
        """Point to another version, or by None to the default bundle, and record that.

        Raises PromotionConflict when the pointer is no longer ``expected``, ModelNotFound when
        there is no such version.
        """
        if version is not None:
            self.card(version)
        previous = expected.version if expected else None
        promotion = Promotion(version, previous, now(), by, reason, rollback)
        earlier = expected.history[: REMEMBERED - 1] if expected else ()
        content = asdict(promotion) | {"earlier": [asdict(one) for one in earlier]}
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
            if current and promotion in current.history:
                return current
            raise PromotionConflict(
                f"{version or 'The default bundle'} was not promoted: the champion changed "
                "meanwhile. Look at it, and promote again if it still should serve."
            ) from error
        return Champion(**asdict(promotion), earlier=earlier, etag=answer["ETag"])

    def backbone(self, name: str) -> bytes:
        """An imported backbone's ONNX file; raises UnknownBackbone."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=_backbone_key(name))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise UnknownBackbone(
                    f"There is no backbone {name!r}: it is not built in, and not in "
                    f"s3://{self._bucket}/{BACKBONES}. Put it there by `earshot backbone fetch "
                    f"{name} --bucket {self._bucket}`, or `earshot backbone import FILE --name "
                    f"{name} --bucket {self._bucket}`; --endpoint-url names another AWS, as the "
                    "local stack's."
                ) from error
            raise
        return answer["Body"].read()

    def keep_backbone(self, name: str, content: bytes) -> str:
        """Put an imported backbone's ONNX file into the bucket; returns its address."""
        key = _backbone_key(name)
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        return f"s3://{self._bucket}/{key}"

    def copies(self, embedded_by: str) -> bytes | None:
        """What was kept of altered copies that were so embedded; None when nothing was."""
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=_copies_key(embedded_by))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return answer["Body"].read()

    def keep_copies(self, embedded_by: str, content: bytes) -> None:
        """Keep altered copies for the next training, in place of those kept before."""
        self._client.put_object(Bucket=self._bucket, Key=_copies_key(embedded_by), Body=content)

    def abandon_leftovers(self, before: datetime) -> Iterator[str]:
        """Forget uploads in parts that were begun before a moment; their keys, as it is done."""
        places = (MODELS, BACKBONES, AUGMENTED)
        return abort_leftovers(self._client, self._bucket, places, before)

    def _read(self, version: str, name: str) -> bytes:
        if not VERSION.fullmatch(version):
            raise ModelNotFound(f"There is no model version {version[:100]!r}.")
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=f"{MODELS}{version}/{name}")
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise ModelNotFound(f"There is no model version {version!r}.") from error
            raise
        if answer["ContentLength"] > LARGEST[name]:
            answer["Body"].close()
            raise BadBundle(
                f"{name} of {version} has {answer['ContentLength']} bytes; {LARGEST[name]} are the "
                "most."
            )
        return answer["Body"].read()

    def _put_once(self, key: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if not _lost_race(error):
                raise


def _trail(pointer: bytes) -> list[Promotion]:
    """The promotions that a pointer tells of, the newest first.

    Raises ValueError, TypeError or RecursionError for what is none.
    """
    content = json.loads(pointer)
    if not isinstance(content, dict):
        raise TypeError("it is no object of JSON")
    earlier = content.pop("earlier", [])
    trail = [Promotion(**one) for one in (content, *earlier)]
    for one in trail:
        texts = (
            one.promoted_at,
            one.promoted_by,
            one.reason,
            one.version or "",
            one.previous or "",
        )
        if not all(isinstance(text, str) for text in texts) or not isinstance(one.rollback, bool):
            raise TypeError("it has something else in the place of text")
    return trail


def _backbone_key(name: str) -> str:
    return f"{BACKBONES}{name}.onnx"


def _copies_key(embedded_by: str) -> str:
    return f"{AUGMENTED}{hashlib.sha256(embedded_by.encode()).hexdigest()}.npz"


def _lost_race(error: ClientError) -> bool:
    """Whether a conditional write found something else (412), or another writer at work (409)."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)
