"""Batches of SQS messages: each succeeds, or comes again, on its own.

Also one that kills its worker costs the others nothing. A worker that runs out of time or memory
answers nothing, so all messages of its batch come again, the guilty one among them, until they all
are dead letters. From the second delivery on it is noted of each message that it was begun, which
at its end is noted over; those that were begun and had no end go last, and what goes before them is
deleted as soon as it is done.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities import batch
from botocore.exceptions import BotoCoreError, ClientError
from earshot.letters import Failure
from earshot.moments import now

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.letters import Failures
    from mypy_boto3_sqs import SQSClient

    from ingest.telemetry import Handler

    Record = dict[str, Any]

logger = logging.getLogger(__name__)

UNFINISHED = "unfinished"
WHY = "The function began with it and came to no end: it ran out of time or memory."


def batched(receive: Callable[..., None]) -> Handler:
    """A batch handler over one for a message; it answers which messages failed."""
    processor = batch.BatchProcessor(batch.EventType.SQS, raise_on_entire_batch_failure=False)

    def process(event: dict[str, Any], context: Any) -> Any:
        return batch.process_partial_response(event, receive, processor, context)

    return process


def isolated(process: Handler, failures: Failures, sqs: Callable[[], SQSClient]) -> Handler:
    """A batch handler, with each message in a batch of its own where any has come before."""

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        records: list[Record] = event["Records"]
        again = [record["messageId"] for record in records if _tries(record) > 1]
        if not again:
            whole: dict[str, Any] = process(event, context)
            return whole
        known = failures.of(again)
        endless = {name for name, failure in known.items() if failure.code == UNFINISHED}
        failed: list[dict[str, str]] = []
        for record in sorted(records, key=lambda record: record["messageId"] in endless):
            if _tries(record) > 1:
                begin(record)
            left: list[dict[str, str]] = process({"Records": [record]}, context)[
                "batchItemFailures"
            ]
            failed += left
            if not left:
                delete(record)
        return {"batchItemFailures": failed}

    def begin(record: Record) -> None:
        try:
            failures.note(Failure(record["messageId"], UNFINISHED, WHY, _tries(record), now()))
        except (ClientError, BotoCoreError):
            # It is worked on all the same.
            logger.exception("a beginning could not be noted")

    def delete(record: Record) -> None:
        # If it is not deleted here, Lambda does it at the end.
        with contextlib.suppress(ClientError, BotoCoreError):
            queue = sqs().get_queue_url(QueueName=record["eventSourceARN"].rpartition(":")[2])
            sqs().delete_message(QueueUrl=queue["QueueUrl"], ReceiptHandle=record["receiptHandle"])

    return handle


def _tries(record: Record) -> int:
    return int(record["attributes"]["ApproximateReceiveCount"])
