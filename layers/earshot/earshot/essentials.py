"""What a prediction needs, and no more: it is wired first, and a cold start waits for it alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from earshot.audio import decode
from earshot.registry import Registry
from earshot.serving import Serving, heard_at_once
from earshot.statistics import Statistics
from earshot.tally import of_missed
from earshot.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from earshot.recording import Prediction, Waveform
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
        s3, dynamodb = client("s3"), client("dynamodb")
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

    What comes of it is counted, under the request's identity. A challenger in the shadow hears the
    same sound once there is an answer, which it takes nothing of but time.
    """
    started = time.perf_counter()
    try:
        waveform, prediction = _hear(serving, data, explained)
    except Exception as error:
        _count(partial(statistics.count_error, error, serving.current))
        raise
    took_ms = (time.perf_counter() - started) * 1000
    prediction = replace(prediction, processing_ms=round(took_ms, 2))
    besides = _besides(serving, waveform, prediction, request_id)
    _count(partial(statistics.count, prediction, request_id, besides))
    return prediction


def _hear(serving: Serving, data: bytes, explained: bool) -> tuple[Waveform, Prediction]:
    with heard_at_once:
        detector, waveform = serving.detector(), decode(data)
        hearing = detector.hear(waveform)
        prediction = detector.judge(hearing, waveform.duration_s)
        if explained:
            from earshot.explanation import explain

            explanation = explain(detector, waveform, hearing, prediction.label)
            prediction = replace(prediction, explanation=explanation)
    return waveform, prediction


def _besides(
    serving: Serving, waveform: Waveform, prediction: Prediction, request_id: str
) -> dict[str, int]:
    """What is to be counted beside an answer: what another model makes of it, or should have."""
    if serving.is_first():
        return {}
    if serving.missing:
        return of_missed(serving.missing)
    challenger = serving.challenger(request_id)
    if challenger is None:
        return {}
    with heard_at_once:
        return challenger.hear(waveform, prediction)[1]


def _count(count: Callable[[], None]) -> None:
    try:
        count()
    except (ClientError, BotoCoreError):
        # The answer is right whether or not it could be counted.
        logger.exception("An answer could not be counted.")
