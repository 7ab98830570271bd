"""Both handlers in Lambda's own runtime: its interface emulator (RIE) with awslambdaric.

The RIE comes with the SAM CLI, which ``make build`` and ``make validate`` install into .venv-sam;
AWS_LAMBDA_RIE names another one. Real messages, from a real queue of the stack on the emulated AWS.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY, clip, emulated, encode, http_event, pcm

from infra.local import endpoint, stack
from infra.local.poller import Poller
from infra.local.sounds.surveillance import RATE
from predict.requests import MAX_BODY_BYTES

PROCESSOR = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
INVOCATIONS = "/2015-03-31/functions/function/invocations"

# Lambda's answer to an event. One at a time: a second one in flight crashes the emulator.
Invoke = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Answer:
    """What API Gateway would make of a function's answer."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def rie() -> Path:
    """The Runtime Interface Emulator's binary."""
    if sys.platform != "linux":
        pytest.skip("Lambda's runtime interface emulator is a Linux program")
    if not importlib.util.find_spec("awslambdaric"):
        pytest.skip(f"awslambdaric, Lambda's runtime client, is not installed in {sys.prefix}")
    given = os.environ.get("AWS_LAMBDA_RIE")
    carried = f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{PROCESSOR}"
    found = [Path(given)] if given else list((REPOSITORY / ".venv-sam").glob(carried))
    if not found or not found[0].is_file():
        pytest.skip(
            "Lambda's runtime interface emulator is not here: `make .venv-sam/installed` brings "
            "it with the SAM CLI, or AWS_LAMBDA_RIE names its binary"
        )
    return found[0]


@dataclass(frozen=True)
class Deployment:
    """The stack on an emulated AWS."""

    url: str
    stack: stack.Stack

    def client(self, service: str) -> Any:
        return emulated(self.url, service)

    def environment(self, function: str) -> dict[str, str]:
        return {
            **endpoint.environment(self.url),
            **self.stack.functions[function].environment,
        }


@pytest.fixture(scope="module")
def deployment(rie: Path) -> Iterator[Deployment]:
    with endpoint.emulator() as url:
        created = stack.deploy(
            REPOSITORY / "template.yaml",
            {"NamePrefix": "earshot", "ApiAccess": "signed"},
            emulated(url, "cloudformation"),
            emulated(url, "s3"),
        )
        yield Deployment(url, created)


@contextmanager
def lambda_runtime(
    rie: Path, handler: str, environment: Mapping[str, str], log: Path
) -> Iterator[Invoke]:
    """A cold execution environment for a handler; gives what invokes it."""
    port = endpoint.free_port()
    command = [
        *(str(rie), "--log-level", "warn"),
        *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
        *("--runtime-api-address", f"127.0.0.1:{endpoint.free_port()}"),
        *(sys.executable, "-m", "awslambdaric", handler),
    ]

    def invoke(event: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{INVOCATIONS}", data=json.dumps(event).encode()
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            told = json.load(answer)
        # A handler's exception comes back as 200, too.
        assert "errorMessage" not in told, f"{told}\n{log.read_text()}"
        return told

    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=dict(environment), stdout=output, stderr=output) as process,
    ):
        try:
            endpoint.wait(port, process)
            yield invoke
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def predict(
    rie: Path, deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Invoke]:
    # An image function's handler stands in its Dockerfile.
    dockerfile = (REPOSITORY / "functions" / "predict" / "Dockerfile").read_text()
    (handler,) = re.findall(r'^CMD \["(.+)"\]$', dockerfile, re.MULTILINE)
    log = tmp_path_factory.mktemp("predict") / "log"
    with lambda_runtime(rie, handler, deployment.environment("PredictFunction"), log) as invoke:
        yield invoke


@pytest.fixture(scope="module")
def ingest(
    rie: Path, deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Invoke]:
    handler = deployment.stack.functions["IngestFunction"].handler
    assert handler
    log = tmp_path_factory.mktemp("ingest") / "log"
    with lambda_runtime(rie, handler, deployment.environment("IngestFunction"), log) as invoke:
        yield invoke


def call(
    invoke: Invoke,
    method: str,
    path: str,
    body: bytes | None = None,
    content_type: str = "audio/wav",
) -> Answer:
    """Send a request as API Gateway's HTTP API does, payload format 2.0."""
    told = invoke(http_event(method, path, body, content_type))
    text = told["body"]
    return Answer(
        told["statusCode"],
        told["headers"]["content-type"],
        base64.b64decode(text) if told["isBase64Encoded"] else text.encode(),
    )


def test_predict_is_alive_and_knows_its_model(predict: Invoke) -> None:
    assert call(predict, "GET", "/health").json() == {"status": "ok"}
    status = call(predict, "GET", "/status")
    assert status.status == 200
    assert "siren" in status.json()["model"]["classes"]
    assert call(predict, "GET", "/").content_type.startswith("text/html")


def test_predict_hears_a_raw_and_a_multipart_recording(predict: Invoke) -> None:
    raw = call(predict, "POST", "/predict", clip("siren"))
    assert raw.status == 200, raw.body
    assert raw.json()["label"] == "siren"
    form = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n'
        b"Content-Type: audio/flac\r\n\r\n"
        + encode(pcm("siren"), container="FLAC")
        + b"\r\n--x--\r\n"
    )
    sent = call(predict, "POST", "/predict", form, "multipart/form-data; boundary=x")
    assert sent.status == 200, sent.body
    # The same samples, so the same answer, each with the identity of its own invocation.
    assert sent.json()["probabilities"] == raw.json()["probabilities"]
    assert sent.json()["request_id"] != raw.json()["request_id"]


def test_predict_refuses_text_with_a_problem(predict: Invoke) -> None:
    answer = call(predict, "POST", "/predict", b"not audio", "text/plain")
    assert answer.status == 415
    assert answer.content_type == "application/problem+json"
    assert answer.json()["code"] == "unsupported_format"


def test_the_largest_body_fits_into_an_invocation(predict: Invoke) -> None:
    second = pcm("casual")[:RATE]
    header = len(encode(second[:0]))
    recording = encode(np.resize(second, (MAX_BODY_BYTES - header) // second.itemsize))
    assert MAX_BODY_BYTES - 2 < len(recording) <= MAX_BODY_BYTES
    answer = call(predict, "POST", "/predict", recording)
    assert answer.status == 200, answer.body
    over = call(predict, "POST", "/predict", recording + b"\0" * 2)
    assert over.status == 413
    assert over.content_type == "application/problem+json"


def test_ingest_takes_a_batch_and_gives_back_the_poison(
    predict: Invoke, ingest: Invoke, deployment: Deployment
) -> None:
    source = deployment.stack.functions["IngestFunction"].source
    assert source
    s3, sqs = deployment.client("s3"), deployment.client("sqs")
    for key, body in {
        "samples/siren/one é+.wav": clip("siren"),
        "samples/siren/the same.flac": encode(pcm("siren"), container="FLAC"),
        "samples/siren/bad.wav": b"not audio",
    }.items():
        s3.put_object(Bucket="earshot-recordings", Key=key, Body=body)
    poison = sqs.send_message(QueueUrl=source.queue_url, MessageBody="not json")["MessageId"]
    taken, failed = [], []

    def handler(event: dict[str, Any], _: Any) -> Any:
        answer = ingest(event)
        taken.extend(record["messageId"] for record in event["Records"])
        failed.extend(failure["itemIdentifier"] for failure in answer["batchItemFailures"])
        return answer

    poller = Poller(sqs, source.queue_url, handler, source.batch_size)
    until = time.monotonic() + 30
    while len(set(taken)) < 4 and time.monotonic() < until:
        poller.poll()
    assert len(set(taken)) == 4
    assert set(failed) == {poison}
    # What one function wrote the other one tells.
    samples = call(predict, "GET", "/samples").json()
    assert samples["labels"] == {"siren": 1}
    assert [(refused["key"], refused["code"]) for refused in samples["refused"]] == [
        ("samples/siren/bad.wav", "unsupported_format")
    ]
