"""A message that kills its worker, among others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from earshot.letters import Failures

from ingest.batches import UNFINISHED, isolated

if TYPE_CHECKING:
    from conftest import Aws

MOST_DELIVERIES = 5
CONTEXT = None


class Killed(BaseException):
    """Nobody's code sees it: the process is gone."""


class Queue:
    """Delivers all that it holds in one batch, until a message was delivered too often."""

    def __init__(self, aws: Aws, *names: str) -> None:
        url = aws.sqs.create_queue(QueueName="arrivals")["QueueUrl"]
        self.sqs, self.url = aws.sqs, url
        self.dead: list[str] = []
        self.deliveries = 0
        for name in names:
            self.sqs.send_message(QueueUrl=url, MessageBody=name)

    def deliver(self, handler: Any) -> bool:
        """One batch; False when there is nothing left."""
        found = self.sqs.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=0,
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])
        alive = []
        for message in found:
            if int(message["Attributes"]["ApproximateReceiveCount"]) > MOST_DELIVERIES:
                self.dead.append(message["MessageId"])
                self._delete(message["ReceiptHandle"])
            else:
                alive.append(message)
        if not alive:
            return bool(found)
        self.deliveries += 1
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:arrivals",
            }
            for message in alive
        ]
        try:
            failed = {
                one["itemIdentifier"]
                for one in handler({"Records": records}, CONTEXT)["batchItemFailures"]
            }
        except Killed:
            return True
        for record in records:
            if record["messageId"] not in failed:
                self._delete(record["receiptHandle"])
        return True

    def _delete(self, handle: str) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=handle)


@pytest.mark.parametrize("place", [0, 4, 9])
def test_what_kills_its_worker_costs_the_others_nothing(aws: Aws, place: int) -> None:
    names = [f"good-{n}" for n in range(9)]
    names.insert(place, "deadly")
    queue = Queue(aws, *names)
    failures = Failures(aws.dynamodb, "earshot")
    done: list[str] = []

    def process(event: dict[str, Any], _: Any) -> dict[str, Any]:
        for record in event["Records"]:
            if record["body"] == "deadly":
                raise Killed
            done.append(record["body"])
        return {"batchItemFailures": []}

    handler = isolated(process, failures, lambda: aws.sqs)
    while queue.deliver(handler):
        pass
    assert sorted(set(done)) == sorted(set(names) - {"deadly"})
    (dead,) = queue.dead
    assert failures.of([dead])[dead].code == UNFINISHED
    assert failures.of([dead])[dead].tries == MOST_DELIVERIES


def test_a_message_that_fails_keeps_its_own_reason(aws: Aws) -> None:
    queue = Queue(aws, "bad", "good")
    failures = Failures(aws.dynamodb, "earshot")
    taken: list[str] = []

    def process(event: dict[str, Any], _: Any) -> dict[str, Any]:
        taken.extend(record["body"] for record in event["Records"])
        return {
            "batchItemFailures": [
                {"itemIdentifier": record["messageId"]}
                for record in event["Records"]
                if record["body"] == "bad"
            ]
        }

    handler = isolated(process, failures, lambda: aws.sqs)
    while queue.deliver(handler):
        pass
    assert taken.count("good") == 1
    assert taken.count("bad") == MOST_DELIVERIES
    assert len(queue.dead) == 1
