"""The poller brings batches as Lambda does; the worker runs jobs as Batch does."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from infra.local import endpoint, poller
from infra.local.jobs import Worker
from infra.local.poller import Poller
from infra.local.stack import Job
from ingest.sweeper import failed_job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.poller import Handler


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with endpoint.emulator() as running:
        yield running


@pytest.fixture
def sqs(url: str) -> Iterator[Any]:
    session = boto3.Session("local", "local", region_name=endpoint.REGION)
    client = session.client("sqs", endpoint_url=url)
    yield client
    client.close()


@pytest.fixture
def queues(sqs: Any) -> Iterator[tuple[str, str]]:
    """A queue whose messages are given up after two tries, and where they go then."""
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 2}
    queue = sqs.create_queue(
        QueueName="work",
        Attributes={"VisibilityTimeout": "600", "RedrivePolicy": json.dumps(policy)},
    )["QueueUrl"]
    yield queue, dead
    for name in (queue, dead):
        sqs.delete_queue(QueueUrl=name)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "RETRY_AFTER_S", 0)


def send(sqs: Any, queue: str, *bodies: str) -> None:
    for body in bodies:
        sqs.send_message(QueueUrl=queue, MessageBody=body)


def bodies_in(sqs: Any, queue: str) -> list[str]:
    answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def test_an_event_looks_like_lambdas(sqs: Any, queues: tuple[str, str]) -> None:
    events: list[dict[str, Any]] = []

    def handler(event: dict[str, Any], context: Any) -> None:
        assert context.aws_request_id
        events.append(event)

    send(sqs, queues[0], "hello")
    assert Poller(sqs, queues[0], handler).poll() == 1
    (record,) = events[0]["Records"]
    assert record["body"] == "hello"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":work")
    assert record["awsRegion"] == endpoint.REGION
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record.keys() >= {"messageId", "receiptHandle", "messageAttributes", "md5OfBody"}


def test_only_what_failed_comes_again_and_then_is_given_up(
    sqs: Any, queues: tuple[str, str]
) -> None:
    seen: list[str] = []

    def handler(event: dict[str, Any], _: Any) -> dict[str, Any]:
        seen.extend(record["body"] for record in event["Records"])
        failed = [record for record in event["Records"] if record["body"] == "poison"]
        return {"batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in failed]}

    queue, dead = queues
    send(sqs, queue, "a", "poison", "b")
    Poller(sqs, queue, handler).run(until_idle=True)
    assert sorted(seen) == ["a", "b", "poison", "poison"]
    assert bodies_in(sqs, dead) == ["poison"]


def _raises(*_: Any) -> None:
    raise RuntimeError("no")


@pytest.mark.parametrize(
    "handler", [_raises, lambda *_: {"batchItemFailures": [{"itemIdentifier": "unheard of"}]}]
)
def test_a_batch_fails_whole(sqs: Any, queues: tuple[str, str], handler: Handler) -> None:
    queue, dead = queues
    send(sqs, queue, "a", "b")
    Poller(sqs, queue, handler).run(until_idle=True)
    assert sorted(bodies_in(sqs, dead)) == ["a", "b"]


def test_a_batch_is_no_larger_than_asked(sqs: Any, queues: tuple[str, str]) -> None:
    sizes: list[int] = []
    send(sqs, queues[0], *"abcde")
    handler: Handler = lambda event, _: sizes.append(len(event["Records"]))  # noqa: E731
    Poller(sqs, queues[0], handler, batch_size=2).run(until_idle=True)
    assert max(sizes) == 2
    assert sum(sizes) == 5


def test_a_message_is_taken_as_soon_as_it_comes(sqs: Any, queues: tuple[str, str]) -> None:
    came: list[float] = []
    running = Poller(sqs, queues[0], lambda *_: came.append(time.monotonic()))
    thread = threading.Thread(target=running.run)
    thread.start()
    time.sleep(0.3)
    sent = time.monotonic()
    send(sqs, queues[0], "now")
    while not came and time.monotonic() < sent + 5:
        time.sleep(0.01)
    running.stop()
    thread.join()
    assert came[0] - sent < 0.5


def test_sigterm_finishes_the_batch_in_hand(
    sqs: Any, url: str, queues: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(
        textwrap.dedent("""
            import pathlib, time
            here = pathlib.Path(__file__).parent
            def handler(event, context):
                (here / "begun").touch()
                time.sleep(1)
                (here / "done").touch()
        """)
    )
    send(sqs, queues[0], "slow")
    surroundings = endpoint.environment(url) | {"PYTHONPATH": str(tmp_path)}
    options = ["--queue", queues[0], "--handler", "slow.handler"]
    process = endpoint.start("infra.local.poller", options, surroundings)
    until = time.monotonic() + 20
    while not (tmp_path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.05)
    endpoint.end(process)
    assert process.returncode == 0
    assert (tmp_path / "done").exists()
    left = sqs.get_queue_attributes(QueueUrl=queues[0], AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessagesNotVisible"] == "0"


def job(queue: str, **changes: Any) -> Job:
    content: dict[str, Any] = {
        "queue_url": queue,
        "command": ["--run", "Ref::run"],
        "environment": {"EARSHOT_TABLE": "books"},
        "attempts": 2,
        "timeout_s": 60,
        "defaults": {},
        "input_paths": {"run": "$.detail.run"},
        "input_template": '{"Parameters": {"run": <run>}}',
    }
    return Job(**{**content, **changes})


# Prints what it was given, and fails at its first attempt.
SCRIPT = """
import os, sys
print(*sys.argv[1:], os.environ["EARSHOT_TABLE"], os.environ["AWS_BATCH_JOB_ATTEMPT"], flush=True)
sys.exit(os.environ["AWS_BATCH_JOB_ATTEMPT"] == "1")
"""


def worker(
    sqs: Any,
    what: Job,
    log: Path,
    stop: threading.Event,
    script: str = SCRIPT,
    told: list[dict[str, Any]] | None = None,
) -> Worker:
    entrypoint = (sys.executable, "-c", script)
    tell = (told if told is not None else []).append
    return Worker(
        sqs, what, surroundings={}, log_file=log, stop=stop, tell=tell, entrypoint=entrypoint
    )


def test_a_job_is_tried_again_with_its_environment(
    sqs: Any, queues: tuple[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "retrain.log"
    send(sqs, queues[0], json.dumps({"id": "event-1", "detail": {"run": "r1"}}))
    told: list[dict[str, Any]] = []
    assert worker(sqs, job(queues[0]), log, threading.Event(), told=told).poll()
    assert log.read_text().splitlines() == ["--run r1 books 1", "--run r1 books 2"]
    assert told == []
    assert Poller(sqs, queues[0], lambda *_: None).poll() == 0


def test_a_job_that_fails_each_time_is_told_of_as_batch_does(
    sqs: Any, queues: tuple[str, str], tmp_path: Path
) -> None:
    send(sqs, queues[0], json.dumps({"id": "event-1", "detail": {"run": "r1"}}))
    told: list[dict[str, Any]] = []
    dies = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    worker(sqs, job(queues[0]), tmp_path / "log", threading.Event(), dies, told).poll()
    (event,) = told
    assert failed_job(event) == (
        "r1",
        "event-1",
        "Essential container in task exited; exit code 137",
    )


def test_an_event_that_fits_no_job_is_dropped(
    sqs: Any, queues: tuple[str, str], tmp_path: Path
) -> None:
    send(sqs, queues[0], "{}", "no JSON")
    running = worker(sqs, job(queues[0]), tmp_path / "log", threading.Event())
    assert running.poll()
    assert running.poll()
    assert not running.poll()


def test_a_job_that_takes_too_long_is_ended(
    sqs: Any, queues: tuple[str, str], tmp_path: Path
) -> None:
    send(sqs, queues[0], json.dumps({"id": "event-1", "detail": {"run": "r1"}}))
    what = job(queues[0], timeout_s=1, attempts=1)
    started = time.monotonic()
    worker(sqs, what, tmp_path / "log", threading.Event(), "import time; time.sleep(60)").poll()
    assert time.monotonic() - started < 10


def test_a_job_that_is_stopped_waits_for_the_next_time(
    sqs: Any, queues: tuple[str, str], tmp_path: Path
) -> None:
    send(sqs, queues[0], json.dumps({"id": "event-1", "detail": {"run": "r1"}}))
    stop = threading.Event()
    sleepy = worker(sqs, job(queues[0]), tmp_path / "log", stop, "import time; time.sleep(60)")
    thread = threading.Thread(target=sleepy.run)
    thread.start()
    time.sleep(1)
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert worker(sqs, job(queues[0]), tmp_path / "log", threading.Event()).poll()
