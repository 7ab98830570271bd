"""What a webhook's receiver may rely on: each alert signed, repeated until it is taken."""

from __future__ import annotations

import base64
import importlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from conftest import Aws
from earshot.errors import BadSettings, DeliveryFailed
from earshot.letters import Failures
from receiver import SECRET, Post, Receiver, receiving
from standardwebhooks import Webhook

from infra.local.poller import Context
from ingest import delivery
from ingest.delivery import Courier, Destination, alert_of, deliverer
from ingest.events import UnknownEvent

if TYPE_CHECKING:
    from earshot.services import Services


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def alert(services: Services) -> dict[str, Any]:
    return asdict(services.alerts.test())


@pytest.fixture
def courier(receiver: Receiver) -> Courier:
    return Courier(Destination.of(receiver.url, SECRET))


def message(body: Any) -> str:
    return json.dumps({"source": "earshot", "detail-type": "DetectionAlert", "detail": body})


def record(body: str, message_id: str = "m1") -> SQSRecord:
    attributes = {"ApproximateReceiveCount": "3"}
    return SQSRecord(
        {"messageId": message_id, "body": body, "attributes": attributes, "eventSource": "aws:sqs"}
    )


def test_a_receiver_can_check_who_sent_it_by_the_standard_library(
    courier: Courier, receiver: Receiver, alert: dict[str, Any]
) -> None:
    courier.deliver(alert)
    ((path, headers, _),) = receiver.posts
    assert path == "/hook"
    assert headers["webhook-id"] == alert["alert"]
    assert headers["content-type"] == "application/json"
    (content,) = receiver.verified()
    assert content == {
        "type": "detection.alert", "timestamp": alert["raised_at"], "data": alert,
    }  # fmt: skip


def test_what_was_altered_or_signed_by_another_is_refused(
    courier: Courier, receiver: Receiver, alert: dict[str, Any]
) -> None:
    courier.deliver(alert)
    ((_, headers, body),) = receiver.posts
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    for secret, changed, sent in (
        (other, headers, body),
        (SECRET, headers, body.replace(b"test", b"tset", 1)),
        (SECRET, {**headers, "webhook-id": "another"}, body),
        (
            SECRET,
            {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)},
            body,
        ),
    ):
        with pytest.raises(Exception, match="signature"):
            Webhook(secret).verify(sent, changed)


def test_a_repetition_has_the_same_identity_and_the_time_of_its_attempt(
    receiver: Receiver, alert: dict[str, Any]
) -> None:
    times = iter([1_795_255_200.9, 1_795_255_800.2])
    courier = Courier(Destination.of(receiver.url, SECRET), clock=lambda: next(times))
    courier.deliver(alert)
    courier.deliver(alert)
    (_, first, one), (_, second, two) = receiver.posts
    assert (first["webhook-id"], one) == (second["webhook-id"], two)
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1795255200", "1795255800")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(
    courier: Courier, receiver: Receiver, alert: dict[str, Any], status: int
) -> None:
    receiver.answers = [(status, {}, b"")]
    courier.deliver(alert)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
def test_anything_else_is_not_and_says_what_the_receiver_said(
    courier: Courier, receiver: Receiver, alert: dict[str, Any], status: int
) -> None:
    receiver.answers = [(status, {}, b"go away " * 1000)]
    with pytest.raises(DeliveryFailed, match=f"answered {status}: go away") as caught:
        courier.deliver(alert)
    assert len(str(caught.value)) < 400


def test_a_redirection_is_not_followed(
    courier: Courier, receiver: Receiver, alert: dict[str, Any]
) -> None:
    receiver.answers = [(307, {"location": "/elsewhere"}, b""), (200, {}, b"")]
    with pytest.raises(DeliveryFailed, match="answered 307"):
        courier.deliver(alert)
    assert len(receiver.posts) == 1


def test_a_receiver_that_is_not_there_or_says_nothing_is_a_failure(
    receiver: Receiver, alert: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeliveryFailed, match="cannot be reached"):
        Courier(Destination.of("http://127.0.0.1:1/hook", SECRET)).deliver(alert)
    monkeypatch.setattr(delivery, "TIMEOUT", 0.2)
    silent = threading.Event()
    monkeypatch.setattr(Post, "do_POST", lambda _: silent.wait(10))
    try:
        with pytest.raises(DeliveryFailed, match="timed out"):
            Courier(Destination.of(receiver.url, SECRET)).deliver(alert)
    finally:
        silent.set()


@pytest.mark.parametrize(
    ("url", "secret", "says"),
    [
        ("http://example.org/hook", SECRET, "https://"),
        ("http://127.0.0.1.example.org/hook", SECRET, "https://"),
        ("ftp://127.0.0.1/hook", SECRET, "https://"),
        ("https:///hook", SECRET, "https://"),
        ("", SECRET, "https://"),
        ("https://example.org/hook", "", "whsec_"),
        ("https://example.org/hook", SECRET.removeprefix("whsec_"), "whsec_"),
        ("https://example.org/hook", "whsec_c2hvcnQ=", "24 to 64 bytes"),
        ("https://example.org/hook", "whsec_not base64!", "24 to 64 bytes"),
    ],
)
def test_an_address_or_a_secret_that_is_not_safe_is_refused(
    url: str, secret: str, says: str
) -> None:
    with pytest.raises(BadSettings, match=says) as caught:
        Destination.of(url, secret)
    assert not secret or secret not in str(caught.value)


def test_the_secret_is_not_shown() -> None:
    destination = Destination.of("https://example.org/hook", SECRET)
    assert "s" * 32 not in repr(destination)


@pytest.mark.parametrize(
    "body",
    ["", "no JSON", "[]", "{}", '{"detail-type": "ModelPromoted", "detail": {}}', message({})],
)
def test_what_is_no_alert_is_told_as_such(body: str) -> None:
    with pytest.raises(UnknownEvent):
        alert_of(body)


def test_a_failure_is_counted_and_its_reason_kept_and_a_success_counted(
    courier: Courier, receiver: Receiver, alert: dict[str, Any], aws: Aws
) -> None:
    counts = Counter[str]()
    failures = Failures(aws.dynamodb, "earshot")
    deliver = deliverer(courier, failures, counts)
    receiver.answers = [(503, {}, b"not now"), (200, {}, b"")]
    with pytest.raises(DeliveryFailed):
        deliver(record(message(alert)))
    kept = failures.of(["m1"])["m1"]
    assert (kept.code, kept.reason, kept.tries) == (
        "delivery_failed", "The receiver answered 503: not now", 3,
    )  # fmt: skip
    deliver(record(message(alert)))
    assert counts == {"Failed": 1, "AlertsDelivered": 1}


def test_the_function_answers_which_alerts_were_not_taken(
    receiver: Receiver,
    alert: dict[str, Any],
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    own_logging: None,
) -> None:
    monkeypatch.setenv("EARSHOT_WEBHOOK_URL", receiver.url)
    monkeypatch.setenv("EARSHOT_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    monkeypatch.delitem(sys.modules, "ingest.webhook", raising=False)
    handler = importlib.import_module("ingest.webhook").handler
    sys.modules.pop("ingest.webhook")
    receiver.answers = [(500, {}, b""), (200, {}, b"")]
    records = [record(message(alert), name).raw_event for name in ("m1", "m2")]
    answer = handler({"Records": records}, Context("ingest", 30))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert len(receiver.verified()) == 2
