"""One queue message: what it speaks of is received, what came of it is logged and counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ingest.deadline import goes_on
from ingest.events import ObjectDeleted, RecordingLeft, UnknownEvent, objects
from ingest.failures import noted
from ingest.telemetry import formatter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from earshot.recording import State
    from earshot.services import Services

    from ingest.deadline import Context
    from ingest.events import Thing

logger = logging.getLogger(__name__)

# What an outcome counts as; what is gone or ignored counts as nothing.
COUNTED: dict[State, str] = {
    "added": "SamplesAdded",
    "duplicate": "Duplicates",
    "removed": "SamplesRemoved",
    "recorded": "RecordingsReceived",
    "analysing": "RecordingsContinued",
    "analysed": "RecordingsAnalysed",
    "unpacked": "Unpacked",
    "refused": "Refused",
}


def recorder(services: Services, counts: Counter[str]) -> Callable[..., None]:
    """A record handler over the use cases; raises what the queue has to try again.

    It may be told the invocation's ``lambda_context``: what that has no time for is left to others.

    Lines that are logged for a message bear its identity as ``correlation_id``.
    """

    def receive(record: SQSRecord, lambda_context: Context | None = None) -> None:
        formatter.thread_safe_append_keys(correlation_id=record.message_id)
        with noted(record, services.failures, counts):
            for thing in objects(record.body):
                receive_object(thing, goes_on(lambda_context))

    def receive_object(thing: Thing, goes_on: Callable[[], bool]) -> None:
        if not isinstance(thing, RecordingLeft) and thing.bucket != services.store.bucket:
            raise UnknownEvent(f"An event of the bucket {thing.bucket}, which is not ours.")
        act = services.forget if isinstance(thing, ObjectDeleted) else services.receive
        outcome = act(thing.key, goes_on)
        if outcome.state == "gone" and (decoded := unquote(thing.key)) != thing.key:
            # LocalStack encodes EventBridge's keys but for the slash; on AWS they are plain.
            outcome = act(decoded, goes_on)
        if outcome.state in COUNTED:
            counts[COUNTED[outcome.state]] += 1
        logger.info(
            "object deleted" if isinstance(thing, ObjectDeleted) else "object received",
            extra={"key": outcome.key, "state": outcome.state, "detail": outcome.detail},
        )

    return receive
