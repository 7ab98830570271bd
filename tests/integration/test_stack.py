"""template.yaml's loop on the emulator: what is created, what is told, what reaches which queue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
import pytest

from infra.local import endpoint, stack

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = endpoint.REPOSITORY / "template.yaml"
PARAMETERS = {"NamePrefix": "earshot", "RetrainImageUri": "local", "RetrainThreshold": "7"}


class Deployed(NamedTuple):
    stack: stack.Stack
    s3: Any
    sqs: Any
    events: Any
    cloudformation: Any

    def receive(self, queue_url: str, number: int = 10) -> list[dict[str, Any]]:
        answer = self.sqs.receive_message(
            QueueUrl=queue_url, WaitTimeSeconds=1, MaxNumberOfMessages=number
        )
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    with endpoint.emulator() as url:
        session = boto3.Session("local", "local", region_name=endpoint.REGION)
        s3, sqs, events, cloudformation = clients = [
            session.client(service, endpoint_url=url)
            for service in ("s3", "sqs", "events", "cloudformation")
        ]
        created = stack.deploy(TEMPLATE, PARAMETERS, cloudformation, s3)
        yield Deployed(created, s3, sqs, events, cloudformation)
        for client in clients:
            client.close()


def test_names_are_the_contract(deployed: Deployed) -> None:
    outputs = deployed.stack.outputs
    assert outputs["RecordingsBucketName"] == "earshot-recordings"
    assert outputs["ArtifactsBucketName"] == "earshot-artifacts"
    assert outputs["TableName"] == "earshot"
    assert outputs["EventBusName"] == "earshot"
    assert outputs["IngestQueueUrl"].endswith("/earshot-ingest")
    assert outputs["IngestDeadLettersUrl"].endswith("/earshot-ingest-dlq")


def test_functions_and_job_are_told_the_same(deployed: Deployed) -> None:
    infra = endpoint.REPOSITORY / "infra"
    expected = {
        "EARSHOT_RECORDINGS_BUCKET": "earshot-recordings",
        "EARSHOT_ARTIFACTS_BUCKET": "earshot-artifacts",
        "EARSHOT_TABLE": "earshot",
        "EARSHOT_EVENT_BUS": "earshot",
        "EARSHOT_APPLICATION": str(infra / "applications" / "surveillance.toml"),
        "EARSHOT_DEFAULT_BUNDLE": str(infra / "bundles" / "surveillance"),
        "EARSHOT_RETRAIN_THRESHOLD": "7",
        "EARSHOT_RELOAD_S": "30",
        "EARSHOT_BACKBONE": "",
        "EARSHOT_SHADOW_PREDICTIONS": "0",
        "EARSHOT_SHADOW_SHARE": "0.1",
        "EARSHOT_AUTOMATIC_ROLLBACK": "on",
    }
    assert Path(expected["EARSHOT_APPLICATION"]).is_file()
    functions, jobs = deployed.stack.functions, deployed.stack.jobs
    assert jobs["RetrainJob"].environment == expected
    assert functions["IngestFunction"].environment.items() >= expected.items()
    access = {"EARSHOT_AUTH": "token", "EARSHOT_CORS_ORIGINS": ""}
    assert functions["PredictFunction"].environment.items() >= (expected | access).items()


def test_ingest_is_fed_by_its_queue(deployed: Deployed) -> None:
    ingest = deployed.stack.functions["IngestFunction"]
    assert ingest.handler == "ingest.handler.handler"
    assert ingest.source == stack.QueueSource(deployed.stack.outputs["IngestQueueUrl"], 10)


def test_the_sweep_is_called_by_the_clock(deployed: Deployed) -> None:
    sweep = deployed.stack.functions["SweepFunction"]
    assert (sweep.handler, sweep.schedule) == ("ingest.sweep.handler", "rate(5 minutes)")
    assert deployed.stack.functions["IngestFunction"].schedule is None
    assert sweep.environment.items() >= deployed.stack.jobs["RetrainJob"].environment.items()
    # Whoever runs functions here has to call it: the emulator could not.
    rules = deployed.events.list_rules()["Rules"]
    assert not [rule for rule in rules if "ScheduleExpression" in rule]


def test_creating_it_again_takes_the_same_stack(deployed: Deployed) -> None:
    again = stack.deploy(TEMPLATE, PARAMETERS, deployed.cloudformation, deployed.s3)
    assert again == deployed.stack


@pytest.mark.parametrize(
    "key", ["samples/siren/a b+ü.wav", "recordings/north/1.flac", "imports/all.zip"]
)
def test_what_is_dropped_reaches_the_ingest_queue(deployed: Deployed, key: str) -> None:
    deployed.s3.put_object(Bucket="earshot-recordings", Key=key, Body=b"sound")
    (event,) = deployed.receive(deployed.stack.outputs["IngestQueueUrl"])
    assert event["detail-type"] == "Object Created"
    assert event["detail"]["bucket"]["name"] == "earshot-recordings"
    assert event["detail"]["object"]["key"] == key


def test_results_set_nothing_off(deployed: Deployed) -> None:
    deployed.s3.put_object(Bucket="earshot-artifacts", Key="samples/a/b", Body=b"1")
    assert deployed.receive(deployed.stack.outputs["IngestQueueUrl"]) == []


def test_a_request_to_retrain_reaches_the_job(deployed: Deployed) -> None:
    job = deployed.stack.jobs["RetrainJob"]
    entry = {
        "EventBusName": "earshot",
        "Source": "earshot",
        "Detail": json.dumps({"run": 'run "7"', "reason": "threshold"}),
    }
    deployed.events.put_events(
        Entries=[
            {**entry, "DetailType": "ModelPromoted"},
            {**entry, "DetailType": "RetrainRequested"},
        ]
    )
    (event,) = deployed.receive(job.queue_url)
    assert job.parameters(event) == {"run": 'run "7"'}
    assert job.command_for(event) == ["--run", 'run "7"']
    assert job.attempts == 2


def test_without_an_image_nothing_trains() -> None:
    parameters = PARAMETERS | {"RetrainImageUri": ""}
    with endpoint.emulator() as url:
        session = boto3.Session("local", "local", region_name=endpoint.REGION)
        s3 = session.client("s3", endpoint_url=url)
        cloudformation = session.client("cloudformation", endpoint_url=url)
        created = stack.deploy(TEMPLATE, parameters, cloudformation, s3)
        assert created.jobs == {}
        s3.close()
        cloudformation.close()
