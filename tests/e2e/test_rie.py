"""All functions in Lambda's own runtime: its interface emulator (RIE) with awslambdaric.

From what ``make build`` made, with Lambda's folders, a read-only file system and the template's
memory; ``infra.local.rie`` says how. Real messages, from real queues of the stack on the emulated
AWS.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY, clip, emulated, encode, http_event, pcm
from earshot.settings import Settings
from earshot.wiring import wire
from receiver import SECRET, Receiver, receiving

from infra.local import artefacts, endpoint, rie, stack
from infra.local.artefacts import Artefact
from infra.local.poller import Poller
from infra.local.sounds.surveillance import RATE
from predict.middleware import MAX_BODY_BYTES

MB = 2**20


@dataclass(frozen=True)
class Answer:
    """What API Gateway would make of a function's answer."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Deployment:
    """The stack on an emulated AWS, with a receiver of its alerts."""

    url: str
    stack: stack.Stack
    receiver: Receiver

    def client(self, service: str) -> Any:
        return emulated(self.url, service)

    @property
    def services(self) -> Any:
        environment = self.stack.functions["PredictFunction"].environment
        return wire(Settings.from_environment(environment), partial(emulated, self.url))

    def drain(self, function: str, invoke: Callable[..., Any], messages: int) -> set[str]:
        """Bring a queue's messages until there were so many; returns those that were not taken."""
        source = self.stack.functions[function].source
        assert source
        taken, failed = set[str](), set[str]()

        def handler(event: dict[str, Any], _: Any) -> Any:
            answer = invoke(event)
            taken.update(record["messageId"] for record in event["Records"])
            failed.update(failure["itemIdentifier"] for failure in answer["batchItemFailures"])
            return answer

        poller = Poller(self.client("sqs"), source.queue_url, handler, source.batch_size)
        until = time.monotonic() + 60
        while len(taken) < messages and time.monotonic() < until:
            poller.poll()
        assert len(taken) == messages
        return failed


@pytest.fixture(scope="module")
def possible() -> None:
    """Lambda's runtime can be emulated here, and what runs in it is of this working tree."""
    try:
        rie.binary()
        rie.namespace()
        artefacts.check(artefacts.INGEST)
        artefacts.check(artefacts.PREDICT)
    except (rie.Unavailable, artefacts.NotBuilt) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def deployment(possible: None) -> Iterator[Deployment]:
    with endpoint.emulator() as url, receiving() as receiver:
        created = stack.deploy(
            REPOSITORY / "template.yaml",
            {
                "NamePrefix": "earshot",
                "ApiAccess": "signed",
                "AlertWebhookUrl": receiver.url,
                "AlertWebhookSecret": SECRET,
            },
            emulated(url, "cloudformation"),
            emulated(url, "s3"),
        )
        yield Deployment(url, created, receiver)


@pytest.fixture(scope="module")
def cold(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], rie.Runtime]]:
    """Starts a function's execution environment."""
    logs = tmp_path_factory.mktemp("logs")
    surroundings = endpoint.environment(deployment.url)
    with ExitStack() as environments:

        def start(name: str) -> rie.Runtime:
            log = environments.enter_context((logs / name).open("ab"))
            function = deployment.stack.functions[name]
            return environments.enter_context(rie.runtime(function, surroundings, log))

        yield start


@pytest.fixture(scope="module")
def predict(cold: Callable[[str], rie.Runtime]) -> rie.Runtime:
    return cold("PredictFunction")


@pytest.fixture(scope="module")
def ingest(cold: Callable[[str], rie.Runtime]) -> rie.Runtime:
    return cold("IngestFunction")


@pytest.fixture(scope="module")
def sweep(cold: Callable[[str], rie.Runtime]) -> rie.Runtime:
    return cold("SweepFunction")


@pytest.fixture(scope="module")
def webhook(cold: Callable[[str], rie.Runtime]) -> rie.Runtime:
    return cold("WebhookFunction")


def call(
    function: rie.Runtime,
    method: str,
    path: str,
    body: bytes | None = None,
    content_type: str = "audio/wav",
) -> Answer:
    """Send a request as API Gateway's HTTP API does, payload format 2.0."""
    told = function.invoke(http_event(method, path, body, content_type))
    text = told["body"]
    return Answer(
        told["statusCode"],
        told["headers"]["content-type"],
        base64.b64decode(text) if told["isBase64Encoded"] else text.encode(),
    )


def test_predict_is_alive_and_knows_its_model(predict: rie.Runtime) -> None:
    assert call(predict, "GET", "/health").json() == {"status": "ok"}
    status = call(predict, "GET", "/status")
    assert status.status == 200
    assert "siren" in status.json()["model"]["classes"]
    assert call(predict, "GET", "/").content_type.startswith("text/html")


def test_predict_hears_a_raw_and_a_multipart_recording(predict: rie.Runtime) -> None:
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


def test_predict_refuses_text_with_a_problem(predict: rie.Runtime) -> None:
    answer = call(predict, "POST", "/predict", b"not audio", "text/plain")
    assert answer.status == 415
    assert answer.content_type == "application/problem+json"
    assert answer.json()["code"] == "unsupported_format"


def test_the_largest_body_fits_into_an_invocation(predict: rie.Runtime) -> None:
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
    predict: rie.Runtime, ingest: rie.Runtime, deployment: Deployment
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
    assert deployment.drain("IngestFunction", ingest.invoke, 4) == {poison}
    # What one function wrote the other one tells.
    samples = call(predict, "GET", "/samples").json()
    assert samples["labels"] == {"siren": 1}
    assert [(refused["key"], refused["code"]) for refused in samples["refused"]] == [
        ("samples/siren/bad.wav", "unsupported_format")
    ]


def test_the_sweep_hears_of_a_failed_job_and_answers_the_clock(
    predict: rie.Runtime, sweep: rie.Runtime, deployment: Deployment
) -> None:
    services = deployment.services
    requested = services.training.request("by hand", 0).run
    assert call(predict, "GET", f"/retrain/{requested}").json()["state"] == "requested"
    failed = {
        "detail-type": "Batch Job State Change",
        "source": "aws.batch",
        "detail": {
            "jobId": "j1",
            "status": "FAILED",
            "statusReason": "Essential container in task exited",
            "parameters": {"run": requested},
            "container": {"exitCode": 137, "reason": "OutOfMemoryError: Container killed"},
        },
    }
    assert sweep.invoke(failed) is None
    run = call(predict, "GET", f"/retrain/{requested}").json()
    assert run["state"] == "failed"
    assert "OutOfMemoryError" in run["error"]
    # The clock's event, and nothing is left to do.
    assert sweep.invoke({"detail-type": "Scheduled Event", "source": "aws.events"}) is None
    with pytest.raises(rie.InvocationFailed, match="UnknownEvent"):
        sweep.invoke({"detail-type": "Batch Job State Change", "detail": {"status": "FAILED"}})


def test_the_webhook_is_told_of_an_alert_and_gives_back_what_is_none(
    webhook: rie.Runtime, deployment: Deployment
) -> None:
    source = deployment.stack.functions["WebhookFunction"].source
    assert source
    alert = deployment.services.alerts.test()
    poison = deployment.client("sqs").send_message(QueueUrl=source.queue_url, MessageBody="{}")
    failed = deployment.drain("WebhookFunction", webhook.invoke, 2)
    assert failed == {poison["MessageId"]}
    (post,) = deployment.receiver.verified()
    assert post["data"]["alert"] == alert.alert


PROBE = f"""
def handler(event, context):
    if "write" in event:
        try:
            open(event["write"], "w").close()
        except OSError as error:
            return error.strerror
        return "written"
    try:
        bytearray(event["mb"] * {MB})
    except MemoryError:
        return "no memory"
    return context.memory_limit_in_mb
"""


@pytest.mark.parametrize("name", ["IngestFunction", "PredictFunction", "WebhookFunction"])
def test_a_function_has_its_memory_and_may_write_to_tmp_only(
    name: str, deployment: Deployment, tmp_path: Path
) -> None:
    (tmp_path / "task").mkdir(mode=0o755)
    (tmp_path / "task" / "probe.py").write_text(PROBE)
    function = replace(deployment.stack.functions[name], handler="probe.handler")
    built = artefacts.PREDICT if name == "PredictFunction" else artefacts.INGEST
    artefact = Artefact(built.opt, tmp_path / "task")
    surroundings = endpoint.environment(deployment.url)
    with (
        (tmp_path / "log").open("ab") as log,
        rie.runtime(function, surroundings, log, artefact) as probe,
    ):
        assert probe.invoke({"write": "/tmp/x"}) == "written"
        for folder in ("/", "/opt", "/var/task", "/var/runtime", "/usr", "/etc"):
            refused = probe.invoke({"write": f"{folder}/x"})
            assert refused in {"Read-only file system", "Permission denied"}
        limit = function.memory_mb
        assert probe.invoke({"mb": limit // 4}) == str(limit)
        assert probe.invoke({"mb": limit}) == "no memory"
