"""Both Lambda handlers, called with the events that AWS sends."""

from __future__ import annotations

import importlib
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Aws, clip, encode, http_event, sound

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTEXT = SimpleNamespace(
    function_name="earshot",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:earshot",
    aws_request_id="8a1c5c3e-0000-4000-8000-000000000001",
    get_remaining_time_in_millis=lambda: 30_000,
)


def load(name: str) -> Any:
    """Import a handler afresh, as a cold start does."""
    for module in [m for m in sys.modules if m == name]:
        del sys.modules[module]
    return importlib.import_module(name)


@pytest.fixture
def predict(aws: Aws, own_logging: None) -> Iterator[Any]:
    yield load("predict.handler").handler
    del sys.modules["predict.handler"]


@pytest.fixture
def ingest(aws: Aws, own_logging: None) -> Iterator[Any]:
    yield load("ingest.handler").handler
    del sys.modules["ingest.handler"]


def test_predict_answers_a_binary_body(predict: Any) -> None:
    answer = predict(http_event("POST", "/predict", clip("siren"), query="top_k=1"), CONTEXT)
    assert answer["statusCode"] == 200, answer
    body = json.loads(answer["body"])
    assert len(body["top"]) == 1
    assert body["request_id"] == CONTEXT.aws_request_id


def test_predict_answers_a_multipart_body(predict: Any) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n'
        b"Content-Type: audio/flac\r\n\r\n"
        + encode(sound("siren"), container="FLAC")
        + b"\r\n--x--\r\n"
    )
    event = http_event("POST", "/predict", body, "multipart/form-data; boundary=x")
    assert predict(event, CONTEXT)["statusCode"] == 200


def test_predict_answers_errors_as_problems(predict: Any) -> None:
    answer = predict(http_event("POST", "/predict", b"text"), CONTEXT)
    assert answer["statusCode"] == 415
    assert answer["headers"]["content-type"] == "application/problem+json"


def test_predict_answers_again_and_again(predict: Any) -> None:
    for _ in range(3):
        assert predict(http_event("GET", "/health"), CONTEXT)["statusCode"] == 200
        assert predict(http_event("GET", "/samples"), CONTEXT)["statusCode"] == 200


def eventbridge(key: str, bucket: str | None = "recordings") -> dict[str, Any]:
    """EventBridge's account of a new object."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "000000000000",
        "time": "2026-11-21T10:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": 5,
                "etag": "b1946ac9",
                "sequencer": "00617F08299329D189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }


def s3_notification(key: str, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """S3's own account of an object, its key encoded."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "eventName": name,
                "s3": {"bucket": {"name": "recordings"}, "object": {"key": key, "size": 5}},
            }
        ]
    }


def eventbridge_deleted(key: str) -> dict[str, Any]:
    """EventBridge's account of a delete marker."""
    return {
        **eventbridge(key),
        "detail-type": "Object Deleted",
        "detail": {
            "version": "0",
            "bucket": {"name": "recordings"},
            "object": {
                "key": key,
                "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "version-id": "1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF",
                "sequencer": "617f0837b476e463",
            },
            "request-id": "0BH729840619AG5K",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "DeleteObject",
            "deletion-type": "Delete Marker Created",
        },
    }


def sqs_event(*bodies: Any) -> dict[str, Any]:
    return {
        "Records": [
            {
                "messageId": f"message-{n}",
                "receiptHandle": "MessageReceiptHandle",
                "body": body if isinstance(body, str) else json.dumps(body),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1523232000000",
                    "SenderId": "123456789012",
                    "ApproximateFirstReceiveTimestamp": "1523232000001",
                },
                "messageAttributes": {},
                "md5OfBody": "{{{md5_of_body}}}",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:MyQueue",
                "awsRegion": "us-east-1",
            }
            for n, body in enumerate(bodies)
        ]
    }


def failed(answer: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def total(aws: Aws) -> int:
    from earshot.catalog import Catalog

    return Catalog(aws.dynamodb, "earshot").standing().total


def test_ingest_takes_every_shape_of_event(ingest: Any, aws: Aws) -> None:
    keys = [f"samples/siren/{name}.wav" for name in ("a", "b b+c", "d é", "e f")]
    for n, key in enumerate(keys):
        aws.drop(key, clip("siren", n))
    answer = ingest(
        sqs_event(
            eventbridge(keys[0]),
            eventbridge(keys[1]),
            s3_notification("samples/siren/d+%C3%A9.wav"),
            eventbridge("samples%2Fsiren%2Fa.wav"),
            eventbridge("samples/siren/e%20f.wav"),
            {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "recordings"},
        ),
        CONTEXT,
    )
    assert failed(answer) == []
    assert total(aws) == 4


def test_ingest_takes_every_shape_of_a_deletion(ingest: Any, aws: Aws) -> None:
    keys = [f"samples/siren/{name}.wav" for name in ("a", "b b+c", "d é", "e", "f")]
    for n, key in enumerate(keys):
        aws.drop(key, clip("siren", n))
    ingest(sqs_event(*map(eventbridge, keys)), CONTEXT)
    assert total(aws) == 5
    deletions = [
        eventbridge_deleted(keys[0]),
        eventbridge_deleted(keys[1]),
        s3_notification("samples/siren/d+%C3%A9.wav", "ObjectRemoved:DeleteMarkerCreated"),
        s3_notification(keys[3], "s3:ObjectRemoved:Delete"),
        s3_notification(keys[4], "LifecycleExpiration:Delete"),
    ]
    # What is there is not deleted, whatever a late event says.
    assert failed(ingest(sqs_event(*deletions), CONTEXT)) == []
    assert total(aws) == 5
    for key in keys:
        aws.s3.delete_object(Bucket="recordings", Key=key)
    assert failed(ingest(sqs_event(*deletions, *deletions), CONTEXT)) == []
    assert total(aws) == 0


def test_poison_among_good_messages_costs_the_good_ones_nothing(ingest: Any, aws: Aws) -> None:
    aws.drop("samples/siren/a.wav", clip("siren"))
    aws.drop("samples/siren/bad.wav", b"not audio")
    answer = ingest(
        sqs_event(
            "not json",
            eventbridge("samples/siren/a.wav"),
            {"unknown": "shape"},
            eventbridge("samples/siren/bad.wav"),
            eventbridge("samples/siren/a.wav", bucket="somebody-elses"),
            eventbridge("samples/siren/a.wav", bucket=None),
            "[]",
        ),
        CONTEXT,
    )
    assert failed(answer) == ["message-0", "message-2", "message-4", "message-5", "message-6"]
    assert total(aws) == 1


def test_a_batch_of_nothing_but_poison_is_told_apart_from_a_crash(ingest: Any) -> None:
    assert failed(ingest(sqs_event("x", "y"), CONTEXT)) == ["message-0", "message-1"]


def test_while_s3_is_away_the_message_comes_again(ingest: Any, aws: Aws) -> None:
    aws.s3.delete_bucket(Bucket="recordings")
    assert failed(ingest(sqs_event(eventbridge("samples/siren/a.wav")), CONTEXT)) == ["message-0"]


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged since the last look."""
    return [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]


def test_predict_logs_under_lambdas_identities(
    aws: Aws, own_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = load("predict.handler").handler(http_event("GET", "/health"), CONTEXT)
    assert answer["headers"]["x-request-id"] == CONTEXT.aws_request_id
    # The model is made ready beside the request, and its line comes when it comes.
    line, cold_start = (one for one in told(capsys) if one.get("name") != "earshot.serving")
    assert line["correlation_id"] == CONTEXT.aws_request_id
    assert line["api_request_id"] == "JKJaXmPLvHcESHA="
    assert cold_start["ColdStart"] == [1]


def test_ingest_logs_each_message_under_its_identity(
    aws: Aws, own_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest = load("ingest.handler").handler
    aws.drop("samples/siren/a.wav", clip("siren"))
    aws.drop("samples/siren/bad.wav", b"not audio")
    event = sqs_event(
        eventbridge("samples/siren/a.wav"), "not json", eventbridge("samples/siren/bad.wav")
    )
    ingest(event, CONTEXT)
    ours = ("ingest.records", "ingest.failures")
    lines = [line for line in told(capsys) if line.get("name") in ours]
    assert [(line["correlation_id"], line["message"]) for line in lines] == [
        ("message-0", "object received"),
        ("message-1", "message failed"),
        ("message-2", "object received"),
    ]
    assert [line.get("state") for line in lines] == ["added", None, "refused"]
    assert lines[1]["code"] == "UnknownEvent"
    assert "exception" not in lines[1]
    assert {line["function_request_id"] for line in lines} == {CONTEXT.aws_request_id}
    assert {line["cold_start"] for line in lines} == {True}


def test_ingest_counts_what_came_of_a_batch_in_one_line(
    aws: Aws, own_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest = load("ingest.handler").handler
    aws.drop("samples/siren/a.wav", clip("siren"))
    aws.drop("samples/siren/b.wav", clip("siren", 1))
    aws.drop("samples/siren/bad.wav", b"not audio")

    def counts(*bodies: Any) -> list[dict[str, Any]]:
        ingest(sqs_event(*bodies), CONTEXT)
        measured = [line for line in told(capsys) if "_aws" in line]
        for line in measured:
            (directive,) = line["_aws"]["CloudWatchMetrics"]
            assert (directive["Namespace"], directive["Dimensions"]) == ("Earshot", [["service"]])
        return [
            {name: sum(value) for name, value in line.items() if isinstance(value, list)}
            for line in measured
        ]

    first = counts(
        eventbridge("samples/siren/a.wav"),
        eventbridge("samples/siren/b.wav"),
        eventbridge("samples/siren/a.wav"),
        eventbridge("samples/siren/bad.wav"),
        eventbridge("samples/siren/gone.wav"),
        "not json",
    )
    assert first == [
        {"ColdStart": 1, "SamplesAdded": 2, "Duplicates": 1, "Refused": 1, "Failed": 1}
    ]
    assert counts(eventbridge("samples/siren/b.wav")) == [{"Duplicates": 1}]
    assert counts(eventbridge("samples/siren/gone.wav")) == []
    aws.s3.delete_object(Bucket="recordings", Key="samples/siren/b.wav")
    deletion = eventbridge_deleted("samples/siren/b.wav")
    assert counts(deletion, deletion) == [{"SamplesRemoved": 1}]


def test_ingest_tells_where_the_unexpected_comes_from(
    aws: Aws,
    own_logging: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest = load("ingest.handler").handler
    monkeypatch.setattr("earshot.services.samples.decode", lambda _: 1 / 0)
    aws.drop("samples/siren/a.wav", clip("siren"))
    assert failed(ingest(sqs_event(eventbridge("samples/siren/a.wav")), CONTEXT)) == ["message-0"]
    (line,) = [line for line in told(capsys) if "exception" in line]
    assert line["exception_name"] == "ZeroDivisionError"
    assert line["correlation_id"] == "message-0"
