"""A queue's messages to a handler, as Lambda's event source mapping brings them.

``python -m infra.local.poller --queue URL --handler ingest.handler.handler --batch-size 10``

Batches of up to ten, ReportBatchItemFailures, redrive to the dead letters: as in the cloud. Two
things differ. A failed message comes back after a few seconds, more with each try, not after the
queue's visibility time-out, which is made for Lambda's and would be minutes here. And a handler
that goes on after its time-out is not killed: it is only told that there is none left.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import signal
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3

from infra.local.endpoint import end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    Handler = Callable[[dict[str, Any], Any], Any]

MAX_BATCH = 10
# Ingest's.
TIMEOUT_S = 180.0
WAIT_S = 1
RETRY_AFTER_S = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Context:
    """What a handler may ask of its invocation."""

    function_name: str
    timeout_s: float
    memory_limit_in_mb: int = 1769
    started: float = field(default_factory=time.monotonic)
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def invoked_function_arn(self) -> str:
        """The function's name as an ARN."""
        return f"arn:aws:lambda:local:000000000000:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the time-out."""
        left_s = self.started + self.timeout_s - time.monotonic()
        return max(round(left_s * 1000), 0)


class Poller:
    """Brings one queue's messages to one handler, a batch at a time."""

    def __init__(
        self,
        sqs: SQSClient,
        queue_url: str,
        handler: Handler,
        batch_size: int = MAX_BATCH,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._handler = handler
        self._timeout_s = timeout_s
        self._batch_size = min(batch_size, MAX_BATCH)
        self._stopping = False
        attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        self._queue_arn = attributes["Attributes"]["QueueArn"]

    def run(self, until_idle: bool = False) -> None:
        """Poll until stopped, or until the queue holds nothing, waiting or in flight."""
        while not self._stopping:
            if not self.poll() and until_idle and self._is_empty():
                return

    def stop(self) -> None:
        """Let ``run`` return after the batch in hand."""
        self._stopping = True

    def poll(self) -> int:
        """Handle at most one batch; returns how many messages it had."""
        messages = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=self._batch_size,
            WaitTimeSeconds=WAIT_S,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not messages:
            return 0
        failed = self._invoke(messages)
        for message in messages:
            if message["MessageId"] in failed:
                tries = int(message["Attributes"]["ApproximateReceiveCount"])
                self._sqs.change_message_visibility(
                    QueueUrl=self._queue_url,
                    ReceiptHandle=message["ReceiptHandle"],
                    VisibilityTimeout=RETRY_AFTER_S * tries,
                )
        done = [message for message in messages if message["MessageId"] not in failed]
        if done:
            self._sqs.delete_message_batch(
                QueueUrl=self._queue_url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(done)
                ],
            )
        return len(messages)

    def _invoke(self, messages: list[MessageTypeDef]) -> set[str]:
        """Call the handler; returns the identities of the messages that it did not take."""
        event = {"Records": [self._record(message) for message in messages]}
        everything = {message["MessageId"] for message in messages}
        try:
            name = self._handler.__module__.partition(".")[0]
            answer = self._handler(event, Context(name, self._timeout_s))
        except Exception:
            log.exception("The handler failed; %d messages come again.", len(messages))
            return everything
        failures = (answer or {}).get("batchItemFailures") or []
        failed = {failure.get("itemIdentifier") for failure in failures}
        # As Lambda does: an identity that was not in the batch fails all of it.
        return everything if failed - everything else failed

    def _record(self, message: MessageTypeDef) -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: {
                    "dataType": attribute["DataType"],
                    "stringValue": attribute.get("StringValue"),
                    "binaryValue": attribute.get("BinaryValue"),
                }
                for name, attribute in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._queue_arn,
            "awsRegion": self._sqs.meta.region_name,
        }

    def _is_empty(self) -> bool:
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._queue_url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )["Attributes"]
        return not any(int(number) for number in attributes.values())


def load(path: str) -> Handler:
    """The handler that ``package.module.function`` names."""
    module, _, name = path.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), name)
    return handler


def main() -> None:
    """Read the command line and poll until SIGTERM, SIGINT or, if asked, until idle."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.poller")
    parser.add_argument("--queue", required=True, help="the queue's URL")
    parser.add_argument("--handler", required=True, help="package.module.function")
    parser.add_argument("--batch-size", type=int, default=MAX_BATCH)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, help="seconds a batch may take")
    parser.add_argument("--until-idle", action="store_true", help="end when the queue is empty")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if options.with_parent:
        end_with_parent()
    handler = load(options.handler)
    poller = Poller(
        boto3.client("sqs"), options.queue, handler, options.batch_size, options.timeout
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: poller.stop())
    poller.run(options.until_idle)


if __name__ == "__main__":
    main()
