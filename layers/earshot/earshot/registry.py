"""Model versions in S3, and the pointer to the one that serves."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from earshot import evaluation, objects
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
from earshot.moments import moment
from earshot.pointer import (
    POINTER,
    Champion,
    Promotion,
    Shadow,
    promoted,
    read_pointer,
    shadowed,
    unshadowed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from earshot.evaluation import Evaluation

logger = logging.getLogger(__name__)

MODELS = "models/"
BACKBONES = "backbones/"
AUGMENTED = "augmented/"
# What is larger is not read into memory: a model of 512 MB, a card of 32 MB, or the answers to some
# 100,000 held-out clips.
LARGEST = {MODEL_FILE: 512 * 2**20, CARD_FILE: 32 * 2**20, EVALUATION_FILE: 32 * 2**20}


class Registry:
    """The artifacts bucket: immutable versions under ``models/``, one pointer beside them.

    Networks to train upon, which somebody imported, are under ``backbones/``; what training keeps
    of altered copies of samples is under ``augmented/``, one object per way of embedding.
    ``clock`` tells seconds since the epoch.
    """

    def __init__(
        self, client: S3Client, bucket: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock
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
            return read_pointer(answer["Body"].read(), answer["ETag"])
        except (ValueError, TypeError, RecursionError) as error:
            fault = (
                f"{POINTER} is no pointer to a version ({error!r}). Promote a version by hand, or "
                "put an older version of that object back, which brings its history back, too."
            )
            written_at = moment(answer["LastModified"].timestamp())
            # A rollback, so that none goes back to before it.
            lost = Promotion(None, None, written_at, "unknown", fault, rollback=True)
            return Champion(**asdict(lost), etag=answer["ETag"], fault=fault)

    def promote(
        self,
        version: str | None,
        expected: Champion | None,
        by: str,
        reason: str,
        rollback: bool = False,
        proven_as: Shadow | None = None,
    ) -> Champion:
        """Point to another version, or by None to the default bundle, and record that.

        Raises PromotionConflict when the pointer is no longer ``expected``, or a challenger that
        is ``proven_as`` something is no longer in the shadow; ModelNotFound when there is no such
        version.
        """
        if version is not None:
            self.card(version)
        previous = expected.version if expected else None
        promotion = Promotion(version, previous, self._now(), by, reason, rollback)
        champion = self._swap(
            expected,
            lambda seen: (
                promoted(seen, promotion)
                if proven_as is None or (seen and seen.shadow == proven_as)
                else None
            ),
            # The answer to our own write may have been lost, and the write repeated.
            lambda current: promotion in current.history,
        )
        if champion is None:
            raise PromotionConflict(
                f"{version or 'The default bundle'} was not promoted: the champion changed "
                "meanwhile. Look at it, and promote again if it still should serve."
            )
        return champion

    def cast_shadow(
        self,
        version: str,
        expected: Champion | None,
        by: str,
        reason: str,
        needed: int,
        share: float,
    ) -> Champion:
        """Let a challenger hear along with the champion, in the place of one that does.

        Raises PromotionConflict when the champion is no longer that of ``expected``, ModelNotFound
        when there is no such version.
        """
        self.card(version)
        shadow = Shadow(version, self._now(), by, reason, needed, share)
        pointer = self._swap(
            expected,
            lambda seen: shadowed(seen, shadow),
            lambda current: current.shadow == shadow,
        )
        if pointer is None:
            raise PromotionConflict(
                f"{version} does not hear along: the champion changed meanwhile. Look at it, and "
                "ask again if it still should be compared."
            )
        return pointer

    def end_shadow(self, shadow: Shadow, by: str, why: str) -> Champion | None:
        """Let a challenger hear no more, and record why; None when it does not any more."""
        pointer = self.champion()
        if pointer is None or pointer.shadow != shadow:
            return None
        ended_at = self._now()
        mine = unshadowed(pointer, ended_at, by, why).shadows[0]
        return self._swap(
            pointer,
            lambda seen: (
                unshadowed(seen, ended_at, by, why) if seen and seen.shadow == shadow else None
            ),
            lambda current: mine in current.shadows,
        )

    def _swap(
        self,
        expected: Champion | None,
        change: Callable[[Champion | None], Champion | None],
        is_done: Callable[[Champion], bool],
    ) -> Champion | None:
        """Write what ``change`` makes of the pointer; None when another promotion came first.

        Or when that is None. A challenger that comes or goes meanwhile keeps nobody from it.
        """
        seen = expected
        while True:
            wanted = change(seen)
            if wanted is None:
                return None
            guard: Any = {"IfMatch": seen.etag} if seen else {"IfNoneMatch": "*"}
            try:
                answer = self._client.put_object(
                    Bucket=self._bucket, Key=POINTER, Body=wanted.to_json(), **guard
                )
            except ClientError as error:
                if not _lost_race(error):
                    raise
                current = self.champion()
                if current and is_done(current):
                    return current
                if _trail(current) != _trail(expected) or current == seen:
                    return None
                seen = current
            else:
                return replace(wanted, etag=answer["ETag"])

    def backbone(self, name: str) -> bytes:
        """An imported backbone's ONNX file; raises UnknownBackbone."""
        content = objects.find(self._client, self._bucket, _backbone_key(name))
        if content is None:
            raise UnknownBackbone(
                f"There is no backbone {name!r}: it is not built in, and not in "
                f"s3://{self._bucket}/{BACKBONES}. Put it there by `earshot backbone fetch "
                f"{name} --bucket {self._bucket}`, or `earshot backbone import FILE --name "
                f"{name} --bucket {self._bucket}`; --endpoint-url names another AWS, as the "
                "local stack's."
            )
        return content

    def keep_backbone(self, name: str, content: bytes) -> str:
        """Put an imported backbone's ONNX file into the bucket; returns its address."""
        key = _backbone_key(name)
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        return f"s3://{self._bucket}/{key}"

    def copies(self, embedded_by: str) -> bytes | None:
        """What was kept of altered copies that were so embedded; None when nothing was."""
        return objects.find(self._client, self._bucket, _copies_key(embedded_by))

    def keep_copies(self, embedded_by: str, content: bytes) -> None:
        """Keep altered copies for the next training, in place of those kept before."""
        self._client.put_object(Bucket=self._bucket, Key=_copies_key(embedded_by), Body=content)

    def abandon_leftovers(self, before: datetime) -> Iterator[str]:
        """Forget uploads in parts that were begun before a moment; their keys, as it is done."""
        places = (MODELS, BACKBONES, AUGMENTED)
        return abort_leftovers(self._client, self._bucket, places, before)

    def _now(self) -> str:
        return moment(self._clock())

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


def _trail(pointer: Champion | None) -> tuple[Promotion, ...]:
    return pointer.history if pointer else ()


def _backbone_key(name: str) -> str:
    return f"{BACKBONES}{name}.onnx"


def _copies_key(embedded_by: str) -> str:
    return f"{AUGMENTED}{hashlib.sha256(embedded_by.encode()).hexdigest()}.npz"


def _lost_race(error: ClientError) -> bool:
    """Whether a conditional write found something else (412), or another writer at work (409)."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)
