"""template.yaml, deployed to LocalStack by the SAM CLI: its functions run there, its rules tell.

`make localstack` deploys it and says by EARSHOT_LOCALSTACK where it is. One stack for all tests, so
each looks at what is its own.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import REPOSITORY, clip, encode, http_event, pcm, tape
from earshot.letters import DeadLetters
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire
from localstack_client.session import Session

THRESHOLD = 5  # RetrainThreshold in samconfig.toml
PATIENCE_S = 120
URL = os.environ.get("EARSHOT_LOCALSTACK", "")

if not URL:
    pytest.skip("`make localstack` runs these, on LocalStack", allow_module_level=True)


class Deployed:
    """The stack, as its users have it."""

    def __init__(self) -> None:
        where = urlsplit(URL)
        os.environ.update(LOCALSTACK_HOST=where.hostname or "", EDGE_PORT=str(where.port))
        self.client = cache(Session().client)
        self.s3, self.sqs = self.client("s3"), self.client("sqs")
        (stack,) = self.client("cloudformation").describe_stacks(StackName="earshot")["Stacks"]
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
        self.functions = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in self.client("cloudformation").describe_stack_resources(
                StackName="earshot"
            )["StackResources"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        }
        about = self.client("lambda").get_function_configuration(
            FunctionName=self.functions["IngestFunction"]
        )
        here = {
            name: value.replace("/opt/earshot", str(REPOSITORY / "infra"))
            for name, value in about["Environment"]["Variables"].items()
        }
        self.services: Services = wire(Settings.from_environment(here), self.client)

    def drop(self, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.outputs["RecordingsBucketName"], Key=key, Body=body)

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        answer = self.client("lambda").invoke(
            FunctionName=self.functions[function], Payload=json.dumps(event).encode()
        )
        told = answer["Payload"].read()
        assert "FunctionError" not in answer, told
        return json.loads(told)

    def call(self, method: str, path: str, body: bytes | None = None, query: str = "") -> Any:
        """What the API answers; the free edition has no API Gateway, so Lambda is asked."""
        told = self.invoke("PredictFunction", http_event(method, path, body, query=query))
        text = told["body"]
        content = base64.b64decode(text) if told["isBase64Encoded"] else text
        assert told["statusCode"] < 300, content
        return json.loads(content)

    def listener(self, name: str) -> tuple[str, str]:
        """A queue of the test's own: its URL and its ARN."""
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, asked["Attributes"]["QueueArn"]

    def heard(self, url: str) -> list[Any]:
        """The messages that came to such a queue since the last look."""
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages")
        for message in messages or []:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages or []]


@pytest.fixture(scope="module")
def deployed() -> Deployed:
    return Deployed()


def until(look: Callable[[], Any]) -> Any:
    """What a look finds, once it finds something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.3)
    pytest.fail(f"It did not happen within {PATIENCE_S} s.")


def test_an_image_function_hears_a_recording(deployed: Deployed) -> None:
    answer = deployed.call("POST", "/predict", clip("siren"))
    assert answer["label"] == "siren"
    assert answer["model_version"] == deployed.call("GET", "/status")["model"]["version"]


def test_samples_are_counted_once_and_a_training_is_asked_for(deployed: Deployed) -> None:
    url, arn = deployed.listener("requested")
    events = deployed.client("events")
    bus = deployed.outputs["EventBusName"]
    pattern = json.dumps({"source": ["earshot"], "detail-type": ["RetrainRequested"]})
    events.put_rule(Name="requested", EventBusName=bus, EventPattern=pattern)
    events.put_targets(
        Rule="requested", EventBusName=bus, Targets=[{"Id": "requested", "Arn": arn}]
    )
    for number in range(THRESHOLD):
        label = ("siren", "gunshot")[number % 2]
        deployed.drop(f"samples/{label}/{number} é+.wav", clip(label, number))
    # The same sound in another container, the same object once more, and what is none.
    deployed.drop("samples/siren/again.flac", encode(pcm("siren", 0), container="FLAC"))
    deployed.drop("samples/siren/0 é+.wav", clip("siren", 0))
    deployed.drop("samples/siren/bad.wav", b"not audio")

    (event,) = until(lambda: deployed.heard(url))
    run = event["detail"]["run"]
    assert deployed.call("GET", f"/retrain/{run}")["state"] == "requested"
    until(lambda: deployed.call("GET", "/samples")["refused"])
    samples = deployed.call("GET", "/samples")
    assert samples["labels"] == {"siren": 3, "gunshot": 2}
    assert [one["key"] for one in samples["refused"]] == ["samples/siren/bad.wav"]
    assert deployed.heard(url) == []


def test_a_recording_is_analysed_and_an_alert_is_told(deployed: Deployed) -> None:
    url, arn = deployed.listener("alerts")
    topic = deployed.outputs["AlertTopicArn"]
    deployed.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    deployed.drop("recordings/ridge/tape.wav", tape())

    told = until(lambda: deployed.heard(url))
    assert any("gunshot" in one["Message"] or "siren" in one["Message"] for one in told)
    found = until(lambda: deployed.call("GET", "/detections")["detections"])
    assert {one["key"] for one in found} == {"recordings/ridge/tape.wav"}
    assert {"siren", "gunshot"} <= {one["label"] for one in found}


def test_what_is_never_taken_ends_among_the_dead_letters(deployed: Deployed) -> None:
    queue = deployed.outputs["IngestQueueUrl"]
    # Or the five tries would take an hour and a half.
    deployed.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    deployed.sqs.send_message(QueueUrl=queue, MessageBody="not json")
    letters = DeadLetters(
        deployed.sqs, deployed.outputs["IngestDeadLettersUrl"], deployed.services.failures
    )
    (letter,) = until(letters.letters)
    assert letter.code == "UnknownEvent"


def test_the_clock_s_event_and_a_failed_job_s_reach_the_sweep(deployed: Deployed) -> None:
    assert deployed.invoke("SweepFunction", {"detail-type": "Scheduled Event"}) is None
    run = deployed.call("GET", "/retrain")["runs"][0]["run"]
    detail = {"jobId": "j", "status": "FAILED", "parameters": {"run": run}, "statusReason": "Spot"}
    event = {"detail-type": "Batch Job State Change", "source": "aws.batch", "detail": detail}
    assert deployed.invoke("SweepFunction", event) is None
    ended = deployed.call("GET", f"/retrain/{run}")
    assert (ended["state"], "Spot" in ended["error"]) == ("failed", True)
