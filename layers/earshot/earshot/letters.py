"""Dead letters: messages that ingest or the webhook gave up, and why.

SQS moves a message that was received too often to the dead-letter queue, but does not know what
was wrong with it. It keeps its identity there; so each failure is written down under it, in the
DynamoDB table, and the last one of a dead letter is its reason.

============  ==========  ==================================================================
``pk``        ``sk``      item
============  ==========  ==================================================================
``FAILURES``  message id  its last failure: ``code``, ``reason``, ``tries``, ``at``
============  ==========  ==================================================================

What EventBridge could not deliver is a dead letter, too, and bears its reason in its attributes. A
letter without a reason is one that its function did not survive: it ran out of time or memory.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from earshot.errors import BadSettings
from earshot.moments import moment
from earshot.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# Longer than the queues keep a message.
FAILURE_DAYS = 15
REASON_LENGTH = 1_000
# Messages that are looked at are hidden from others for so long, at most.
HIDDEN_S = 120
# A receive that waits asks all of SQS's servers; one that does not may miss messages.
WAIT_S = 1
BATCH = 10
ITEMS = 100


@dataclass(frozen=True)
class Failure:
    """Why a message could not be acted on; ``tries`` how often it was received by then."""

    message_id: str
    code: str
    reason: str
    tries: int
    at: str


@dataclass(frozen=True)
class Letter:
    """A dead letter: of which ``event`` and object it tells, as far as that can be read.

    ``received`` counts everybody who ever looked at it, ``tries`` only its function.
    """

    id: str
    event: str
    key: str | None
    code: str | None
    reason: str | None
    tries: int | None
    received: int
    sent_at: str
    failed_at: str | None


@dataclass(frozen=True)
class Handled:
    """The identities of letters that were sent back or discarded, and of those not found."""

    done: list[str]
    missing: list[str]


class Failures:
    """The last failure of each message, in the table. All writes are safe to repeat."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = Table(client, table)

    def note(self, failure: Failure) -> None:
        """Remember a message's failure in place of the one before."""
        self._table.put(
            {
                "pk": "FAILURES",
                "sk": failure.message_id,
                "code": failure.code,
                "reason": failure.reason[:REASON_LENGTH],
                "tries": failure.tries,
                "at": failure.at,
                "expires_at": int(time.time()) + FAILURE_DAYS * 86_400,
            }
        )

    def of(self, message_ids: Sequence[str]) -> dict[str, Failure]:
        """What is remembered of messages, by their identities."""
        found = {}
        for start in range(0, len(message_ids), ITEMS):
            some = [("FAILURES", one) for one in message_ids[start : start + ITEMS]]
            for item in self._table.get_many(some):
                found[item["sk"]] = Failure(
                    item["sk"], item["code"], item["reason"], int(item["tries"]), item["at"]
                )
        return found


class DeadLetters:
    """A dead-letter queue, by its URL, joined with what is known of its messages.

    SQS has no way to look at a message but to receive it: while one looks, others see fewer.
    """

    def __init__(self, sqs: SQSClient, queue_url: str, failures: Failures) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._failures = failures

    def letters(self) -> list[Letter]:
        """All letters, the latest first."""
        messages: list[MessageTypeDef] = []

        def leave(message: MessageTypeDef) -> bool:
            messages.append(message)
            return False

        self._go_through(leave)
        failures = self._failures.of([message["MessageId"] for message in messages])
        letters = [_letter(one, failures.get(one["MessageId"])) for one in messages]
        return sorted(letters, key=lambda letter: (letter.sent_at, letter.id), reverse=True)

    def retry(self, chosen: Collection[str] | None = None) -> Handled:
        """Send letters, or by None all of them, back to the queue that they come from.

        A crash leaves a letter in both queues rather than in none: repetition does no harm.
        Raises BadSettings when no queue, or more than one, sends its dead letters here.
        """
        sources = self._sqs.list_dead_letter_source_queues(QueueUrl=self._queue_url)["queueUrls"]
        if len(sources) != 1:
            raise BadSettings(
                f"{len(sources)} queues send their dead letters to {self._queue_url}, so it cannot "
                "be told where these came from. Name the stack's output IngestDeadLettersUrl."
            )

        def send_back(message: MessageTypeDef) -> None:
            self._sqs.send_message(QueueUrl=sources[0], MessageBody=message["Body"])

        return self._take(chosen, send_back)

    def discard(self, chosen: Collection[str]) -> Handled:
        """Delete letters for good."""
        return self._take(chosen, lambda _: None)

    def _take(
        self, chosen: Collection[str] | None, act: Callable[[MessageTypeDef], None]
    ) -> Handled:
        done: list[str] = []

        def take(message: MessageTypeDef) -> bool:
            if chosen is not None and message["MessageId"] not in chosen:
                return False
            act(message)
            done.append(message["MessageId"])
            return True

        self._go_through(take)
        return Handled(done, [one for one in dict.fromkeys(chosen or ()) if one not in done])

    def _go_through(self, take: Callable[[MessageTypeDef], bool]) -> None:
        """Show each message once; what is taken is deleted, the others can be received again."""
        seen: set[str] = set()
        held: dict[str, str] = {}
        try:
            while True:
                fresh = [one for one in self._receive() if one["MessageId"] not in seen]
                if not fresh:
                    return
                held |= {message["MessageId"]: message["ReceiptHandle"] for message in fresh}
                for message in fresh:
                    seen.add(message["MessageId"])
                    if take(message):
                        self._sqs.delete_message(
                            QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                        )
                        del held[message["MessageId"]]
        finally:
            left = [*held.items()]
            for start in range(0, len(left), BATCH):
                self._sqs.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": message_id, "ReceiptHandle": handle, "VisibilityTimeout": 0}
                        for message_id, handle in left[start : start + BATCH]
                    ],
                )

    def _receive(self) -> Sequence[MessageTypeDef]:
        return self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=WAIT_S,
            VisibilityTimeout=HIDDEN_S,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])


def _letter(message: MessageTypeDef, failure: Failure | None) -> Letter:
    event, key = _subject(message["Body"])
    attributes = message["Attributes"]
    code, reason = _undelivered(message)
    return Letter(
        id=message["MessageId"],
        event=event,
        key=key,
        code=failure.code if failure else code,
        reason=failure.reason if failure else reason,
        tries=failure.tries if failure else None,
        received=int(attributes["ApproximateReceiveCount"]),
        sent_at=moment(int(attributes["SentTimestamp"]) / 1000),
        failed_at=failure.at if failure else None,
    )


def _undelivered(message: MessageTypeDef) -> tuple[str | None, str | None]:
    """Code and reason that EventBridge gives a message which it could not deliver."""
    given = message.get("MessageAttributes") or {}
    code, reason = (
        given[name].get("StringValue") if name in given else None
        for name in ("ERROR_CODE", "ERROR_MESSAGE")
    )
    return code, reason


def _subject(body: str) -> tuple[str, str | None]:
    """What event a message tells of, and of which object, if it can be told."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return "not JSON", None
    match content:
        case {"detail-type": str(event), "detail": {"object": {"key": str(key)}}}:
            # Plain, but emulators encode it.
            return event, unquote_plus(key) if "%2F" in key and "/" not in key else key
        case {"Records": [{"eventName": str(event), "s3": {"object": {"key": str(key)}}}, *_]}:
            return event, unquote_plus(key)
        case {"detail-type": str(event), "detail": {"key": str(key)}}:
            return event, key
        case {"detail-type": str(event)}:
            return event, None
    return "unknown", None
