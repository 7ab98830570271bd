"""A deployment in this process: template.yaml's resources in moto, under a clock that is set."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import boto3
import time_machine
from earshot.events import DriftDetected, ModelPromoted
from earshot.settings import Settings
from earshot.wiring import wire
from moto import mock_aws

from infra.local.emulator import mend_moto
from infra.local.endpoint import REGION
from infra.local.stack import deploy
from retrain import job

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

    from earshot.services import Services
    from mypy_boto3_sqs import SQSClient

FOLDER = Path(__file__).parent
# The events that the season tells of.
TOLD = (DriftDetected.name, ModelPromoted.name)


@dataclass
class Cloud:
    """Earshot on moto; ``told`` is the queue of the events that the season tells of."""

    services: Services
    settings: Settings
    clock: time_machine.Traveller
    sqs: SQSClient
    told: str

    def drop(self, key: str, content: bytes) -> None:
        """Put an object into the recordings bucket, and take it in as ingest would."""
        self.services.store.write([(key, len(content), io.BytesIO(content))])
        self.services.receive(key)

    def wait(self, hours: float) -> None:
        """Let simulated time pass."""
        self.clock.shift(timedelta(hours=hours))

    def sweep(self) -> list[str]:
        """One sweep, and the training that waits, if one does; says what was done.

        Raises RuntimeError when the sweep could not do something.
        """
        report = self.services.sweep.run()
        if report.failed:
            raise RuntimeError("; ".join(report.failed))
        if run := self.services.ledger.seat():
            job.work(self.services, self.settings.default_bundle, run, "season")
        return list(report.done)

    def events(self) -> list[dict[str, Any]]:
        """What was published since the last look."""
        heard: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(QueueUrl=self.told, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in found:
                heard.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.told, ReceiptHandle=message["ReceiptHandle"])
        return heard


def start(stack: ExitStack, parameters: Mapping[str, str], since: datetime) -> Cloud:
    """A deployment that lives as long as ``stack``, and no call of which leaves this process.

    It hears for season.toml, and begins without a model.
    """
    stack.enter_context(mock.patch.dict(os.environ))
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    mend_moto()
    stack.enter_context(mock_aws())
    clock = stack.enter_context(time_machine.travel(since, tick=False))
    client = partial(boto3.client, region_name=REGION)
    deployed = deploy(
        FOLDER.parents[1] / "template.yaml",
        {"ApiAccess": "signed", **parameters},
        client("cloudformation"),
        client("s3"),
    )
    told = Settings.from_environment(deployed.functions["SweepFunction"].environment)
    settings = replace(
        told, application=FOLDER / "season.toml", default_bundle=FOLDER / "none", reload_s=0
    )
    sqs, events = client("sqs"), client("events")
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    events.put_rule(
        Name="told",
        EventBusName=settings.event_bus,
        EventPattern=json.dumps({"source": ["earshot"], "detail-type": [*TOLD]}),
    )
    events.put_targets(
        Rule="told",
        EventBusName=settings.event_bus,
        Targets=[{"Id": "told", "Arn": arn["Attributes"]["QueueArn"]}],
    )
    return Cloud(wire(settings, client), settings, clock, sqs, queue)
