"""What a prediction needs, and no more: it is wired first, and a cold start waits for it alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from earshot.audio import decode
from earshot.registry import Registry
from earshot.serving import Serving, heard_at_once
from earshot.statistics import Statistics
from earshot.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from earshot.recording import Prediction
    from earshot.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Essentials:
    """The clients and the collaborators of a prediction, which all use cases share.

    ``tokens`` is None where the API asks for none.
    """

    s3: S3Client
    dynamodb: DynamoDBClient
    registry: Registry
    serving: Serving
    statistics: Statistics
    tokens: Tokens | None

    @classmethod
    def wire(cls, settings: Settings, client: Callable[..., Any]) -> Essentials:
        """Build them; ``client`` makes a client of AWS by its service's name."""
        s3, dynamodb = _s3(client), client("dynamodb")
        registry = Registry(s3, settings.artifacts_bucket)
        return cls(
            s3=s3,
            dynamodb=dynamodb,
            registry=registry,
            serving=Serving(registry, settings.default_bundle, settings.reload_s),
            statistics=Statistics(dynamodb, settings.table),
            tokens=Tokens(dynamodb, settings.table) if settings.auth == "token" else None,
        )

    def classify(self, data: bytes, request_id: str = "") -> Prediction:
        """As ``earshot.services`` has it."""
        return classify(self.serving, self.statistics, data, request_id=request_id)


def classify(
    serving: Serving,
    statistics: Statistics,
    data: bytes,
    explained: bool = False,
    request_id: str = "",
) -> Prediction:
    """Decode a recording and say what is heard, and by what; raises BadRecording or NoModel.

    What comes of it is counted, under the request's identity.
    """
    started = time.perf_counter()
    try:
        prediction = _hear(serving, data, explained)
    except Exception as error:
        _count(partial(statistics.count_error, error))
        raise
    took_ms = (time.perf_counter() - started) * 1000
    prediction = replace(prediction, processing_ms=round(took_ms, 2))
    _count(partial(statistics.count, prediction, request_id))
    return prediction


def _hear(serving: Serving, data: bytes, explained: bool) -> Prediction:
    with heard_at_once:
        detector, waveform = serving.detector(), decode(data)
        hearing = detector.hear(waveform)
        prediction = detector.judge(hearing, waveform.duration_s)
        if explained:
            from earshot.explanation import explain

            explanation = explain(detector, waveform, hearing, prediction.label)
            prediction = replace(prediction, explanation=explanation)
    return prediction


def _count(count: Callable[[], None]) -> None:
    try:
        count()
    except (ClientError, BotoCoreError):
        # The answer is right whether or not it could be counted.
        logger.exception("An answer could not be counted.")


def _s3(client: Callable[..., Any]) -> Any:
    """S3's client, which signs addresses for others to use.

    Version 4 alone signs a part's length, and most regions take no older signature. On AWS an
    address has to name the region's own host: for hours after a bucket was made the global one
    redirects, and signatures do not follow. An emulator has one host for all buckets.
    """
    s3 = client("s3", config=Config(signature_version="s3v4"))
    if ".amazonaws.com" not in s3.meta.endpoint_url:
        return s3
    regional = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return client("s3", config=regional)
