"""What the tests share: audio made on the spot, AWS by moto, the default bundle, real clips."""

from __future__ import annotations

import base64
import io
import logging
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pytest
import soundfile
from botocore.config import Config
from botocore.loaders import JSONFileLoader
from earshot.bundle import Bundle
from earshot.catalog import Catalog
from earshot.holdings import Holdings
from earshot.ledger import Ledger
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire
from hypothesis import settings
from moto import mock_aws

from infra.local.sounds.surveillance import RATE, SOUNDS

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from shell import Shell

# How long an example may take depends on what else the machine does, such as other tests. The
# same examples each time, so that what fails is due to what was changed; `make explore` has others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("others", deadline=None, print_blob=True)
settings.load_profile("same")

REPOSITORY = Path(__file__).parents[1]
DEFAULT_BUNDLE = REPOSITORY / "infra" / "bundles" / "surveillance"


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Half a character, as some tests log it, does not travel between pytest's processes."""
    return sendable((yield))


def sendable(told: Any) -> Any:
    """The same with whole characters only."""
    if isinstance(told, str):
        return told.encode(errors="replace").decode()
    if isinstance(told, dict):
        return {sendable(name): sendable(value) for name, value in told.items()}
    if isinstance(told, list | tuple):
        return type(told)(map(sendable, told))
    return told


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Whoever began the tests may ignore Ctrl-C; processes that they begin do not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def parsed_once() -> Iterator[None]:
    """botocore's descriptions of services are parsed once, and not for each test's session anew."""
    load = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _, path: load(path))
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real labelled recordings: EARSHOT_DATA, or shared/data beside the repository."""
    found = Path(os.environ.get("EARSHOT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (found / "sesa" / "manifest.csv").is_file():
        pytest.skip(f"real recordings are not here: there is no {found}/sesa; set EARSHOT_DATA")
    return found


@pytest.fixture(scope="session")
def default_bundle() -> Bundle:
    return Bundle.load(DEFAULT_BUNDLE)


def encode(
    samples: Any, rate: int = RATE, container: str = "WAV", subtype: str | None = None
) -> bytes:
    """An audio file of samples ``[n]`` or ``[n, channels]``."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def sound(label: str, seed: int = 0) -> np.ndarray[Any, Any]:
    """Four seconds of one of our own sounds."""
    return SOUNDS[label](np.random.default_rng(seed))


def pcm(label: str, seed: int = 0) -> np.ndarray[Any, Any]:
    """The same as 16-bit integers: one sound in whatever container."""
    return (sound(label, seed) * 32767).round().astype(np.int16)


def clip(label: str, seed: int = 0) -> bytes:
    """The same as a WAV file."""
    return encode(pcm(label, seed))


def tape() -> bytes:
    """A field recording of 36 s: a siren from 8 to 16 s, a shot from 20 to 24 s, else little.

    From 28 s on are two sounds that the default bundle is not sure of.
    """
    hush = np.zeros_like(pcm("siren"))
    siren, shot = (pcm("siren"), pcm("siren", 2)), pcm("gunshot")
    return encode(
        np.concatenate((hush, hush, *siren, hush, shot, hush, pcm("casual", 1), pcm("casual", 2)))
    )


def http_event(
    method: str,
    path: str,
    body: bytes | None = None,
    content_type: str = "audio/wav",
    query: str = "",
) -> dict[str, Any]:
    """An API Gateway HTTP API event, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "content-type": content_type,
            "host": "abc123.execute-api.us-east-1.amazonaws.com",
            "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.0",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "ANY /{proxy+}",
            "stage": "$default",
            "time": "21/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1795255200000,
        },
        "isBase64Encoded": body is not None,
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
    return event


def emulated(url: str, service: str, config: Config | None = None) -> Any:
    """A client of the emulated AWS at an address."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=config,
    )


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that could do no harm, whatever the shell has."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def environment(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment's settings."""
    for name, value in {
        "RECORDINGS_BUCKET": "recordings",
        "ARTIFACTS_BUCKET": "artifacts",
        "TABLE": "earshot",
        "EVENT_BUS": "earshot",
        "APPLICATION": str(REPOSITORY / "infra" / "applications" / "surveillance.toml"),
        "DEFAULT_BUNDLE": str(DEFAULT_BUNDLE),
        "RETRAIN_THRESHOLD": "5",
        "RELOAD_S": "30",
        "AUTH": "off",
    }.items():
        monkeypatch.setenv(f"EARSHOT_{name}", value)


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Logging to be set up as an entry point does; afterwards it is as before."""
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "earshot", "predict", "ingest")}
    handlers, root.handlers = root.handlers, []
    yield
    root.handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class Aws:
    """A deployment's resources, in moto."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        self.dynamodb = boto3.client("dynamodb")
        self.events = boto3.client("events")
        self.sqs = boto3.client("sqs")
        self.s3.create_bucket(Bucket="recordings")
        self.s3.create_bucket(Bucket="artifacts")
        self.dynamodb.create_table(
            TableName="earshot",
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
        self.events.create_event_bus(Name="earshot")
        self.events.put_rule(
            Name="all", EventBusName="earshot", EventPattern='{"source": ["earshot"]}'
        )
        self.heard = self.sqs.create_queue(QueueName="heard")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.heard, AttributeNames=["QueueArn"])
        self.events.put_targets(
            Rule="all",
            EventBusName="earshot",
            Targets=[{"Id": "heard", "Arn": arn["Attributes"]["QueueArn"]}],
        )

    def drop(self, key: str, body: bytes) -> str:
        """Put an object into the recordings bucket."""
        self.s3.put_object(Bucket="recordings", Key=key, Body=body)
        return key

    def published(self) -> list[dict[str, Any]]:
        """The events on Earshot's bus since the last look."""
        import json

        messages: list[dict[str, Any]] = []
        while found := self.sqs.receive_message(QueueUrl=self.heard, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            messages += [json.loads(message["Body"]) for message in found]
            for message in found:
                self.sqs.delete_message(QueueUrl=self.heard, ReceiptHandle=message["ReceiptHandle"])
        return messages


@pytest.fixture
def aws(environment: None) -> Iterator[Aws]:
    with mock_aws():
        yield Aws()


@pytest.fixture
def catalog(aws: Aws) -> Catalog:
    return Catalog(aws.dynamodb, "earshot")


@pytest.fixture
def holdings(aws: Aws) -> Holdings:
    return Holdings(aws.dynamodb, "earshot")


@pytest.fixture
def ledger(aws: Aws) -> Ledger:
    return Ledger(aws.dynamodb, "earshot")


@pytest.fixture
def services(aws: Aws) -> Any:
    return wire(Settings.from_environment(), boto3.client)


@pytest.fixture
def earshot(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Shell:
    """The command; what it asks is answered as the test says."""
    from shell import shell

    return shell(monkeypatch, capsys, tmp_path / "config")


@pytest.fixture
def api(earshot: Shell, services: Services, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The real API in this process, which the command asks."""
    from fastapi.testclient import TestClient
    from shell import answers_of

    from predict.app import create_app

    # Standard output is the command's.
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    server = TestClient(create_app(services), raise_server_exceptions=False)
    earshot.answers(answers_of(server))
    return server


def with_threshold(services: Services, threshold: int) -> Services:
    """The same use cases, asking for a training after so many new samples."""
    training = replace(services.training, threshold=threshold)
    samples = replace(services.samples, training=training)
    return replace(services, training=training, samples=samples)


def with_open_labels(services: Services) -> Services:
    """The same use cases of an application that takes any label."""
    application = replace(services.application, open_labels=True)
    return replace(
        services,
        application=application,
        samples=replace(services.samples, application=application),
        imports=replace(services.imports, application=application),
    )
