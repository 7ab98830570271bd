"""A deployment in this process: template.yaml's resources in moto, and a clock that can be set."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import time_machine
from earshot.wiring import wire
from moto import mock_aws

from infra.local.emulator import mend_moto
from retrain import job

if TYPE_CHECKING:
    from contextlib import ExitStack

    from earshot.services import Services
    from earshot.settings import Settings

REGION = "us-east-1"
BUS = "earshot"


@dataclass
class Cloud:
    """Earshot on moto; ``drop`` puts objects, ``tick`` is what the clock would bring about."""

    services: Services
    settings: Settings
    clock: time_machine.Traveller
    events_queue: str

    def drop(self, key: str, content: bytes) -> None:
        """Put an object into the recordings bucket, and take it in as ingest would."""
        boto3.client("s3").put_object(Bucket=self.settings.recordings_bucket, Key=key, Body=content)
        self.services.receive(key)

    def wait(self, hours: float) -> None:
        """Let simulated time pass."""
        self.clock.shift(timedelta(hours=hours))

    def tick(self) -> list[str]:
        """One sweep, and the training that waits, if one does; says what was done."""
        report = self.services.sweep.run()
        if report.failed:
            raise RuntimeError("; ".join(report.failed))
        seat = self.services.ledger.seat()
        if seat:
            job.work(self.services, self.settings.default_bundle, seat, "season")
            # The next request would look at the pointer after a while.
            self.wait(1 / 60)
        return list(report.done)

    def events(self) -> list[dict[str, Any]]:
        """What was published on the bus since the last look."""
        sqs = boto3.client("sqs")
        heard: list[dict[str, Any]] = []
        while found := sqs.receive_message(QueueUrl=self.events_queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                heard.append(json.loads(message["Body"]))
                sqs.delete_message(
                    QueueUrl=self.events_queue, ReceiptHandle=message["ReceiptHandle"]
                )
        return heard


def start(stack: ExitStack, settings: Settings, since: datetime) -> Cloud:
    """A deployment that lives as long as ``stack``; no call leaves this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        os.environ[name] = "season"
    os.environ["AWS_DEFAULT_REGION"] = REGION
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        del os.environ[name]
    mend_moto()
    stack.enter_context(mock_aws())
    clock = stack.enter_context(time_machine.travel(since, tick=True))
    s3, events, sqs = boto3.client("s3"), boto3.client("events"), boto3.client("sqs")
    s3.create_bucket(Bucket=settings.recordings_bucket)
    s3.create_bucket(Bucket=settings.artifacts_bucket)
    boto3.client("dynamodb").create_table(
        TableName=settings.table,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    events.create_event_bus(Name=settings.event_bus)
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    events.put_rule(
        Name="all", EventBusName=settings.event_bus, EventPattern='{"source": ["earshot"]}'
    )
    events.put_targets(
        Rule="all",
        EventBusName=settings.event_bus,
        Targets=[{"Id": "heard", "Arn": arn["Attributes"]["QueueArn"]}],
    )
    return Cloud(wire(settings, boto3.client), settings, clock, queue)
