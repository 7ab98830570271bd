"""One queue message: what it speaks of is received, what came of it is logged and counted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from botocore.exceptions import BotoCoreError, ClientError
from earshot.errors import EarshotError
from earshot.letters import Failure
from earshot.recording import now

from ingest.events import ObjectCreated, UnknownEvent, objects
from ingest.telemetry import formatter

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from earshot.recording import State
    from earshot.services import Services

    from ingest.events import ObjectDeleted

logger = logging.getLogger(__name__)

# What an outcome counts as; what is gone or ignored counts as nothing.
COUNTED: dict[State, str] = {
    "added": "SamplesAdded",
    "duplicate": "Duplicates",
    "removed": "SamplesRemoved",
    "recorded": "RecordingsReceived",
    "analysed": "RecordingsAnalysed",
    "unpacked": "Unpacked",
    "refused": "Refused",
}


def recorder(services: Services, counts: Counter[str]) -> Callable[[SQSRecord], None]:
    """A record handler over the use cases; raises what the queue has to try again.

    Lines that are logged for a message bear its identity as ``correlation_id``.
    """

    def receive(record: SQSRecord) -> None:
        formatter.thread_safe_append_keys(correlation_id=record.message_id)
        try:
            for thing in objects(record.body):
                receive_object(thing)
        except (UnknownEvent, EarshotError, ClientError, BotoCoreError) as error:
            code = getattr(error, "code", type(error).__name__)
            logger.error("message failed", extra={"code": code, "reason": str(error)})
            note_failure(record, error)
            raise
        except Exception as error:
            logger.exception("message failed unexpectedly")
            note_failure(record, error)
            raise

    def note_failure(record: SQSRecord, error: Exception) -> None:
        """Keep why a message failed: if it ends as a dead letter, nothing else will say so."""
        counts["Failed"] += 1
        failure = Failure(
            message_id=record.message_id,
            code=getattr(error, "code", type(error).__name__),
            reason=str(error) or repr(error),
            tries=int(record.attributes.approximate_receive_count),
            at=now(),
        )
        try:
            services.failures.note(failure)
        except (ClientError, BotoCoreError):
            # The message comes again all the same.
            logger.exception("a failure could not be noted")

    def receive_object(thing: ObjectCreated | ObjectDeleted) -> None:
        if thing.bucket != services.store.bucket:
            raise UnknownEvent(f"An event of the bucket {thing.bucket}, which is not ours.")
        act = services.receive if isinstance(thing, ObjectCreated) else services.forget
        outcome = act(thing.key)
        if outcome.state == "gone" and (decoded := unquote(thing.key)) != thing.key:
            # LocalStack encodes EventBridge's keys but for the slash; on AWS they are plain.
            outcome = act(decoded)
        if outcome.state in COUNTED:
            counts[COUNTED[outcome.state]] += 1
        logger.info(
            "object received" if isinstance(thing, ObjectCreated) else "object deleted",
            extra={"key": outcome.key, "state": outcome.state, "detail": outcome.detail},
        )

    return receive
