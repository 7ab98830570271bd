"""What API Gateway does with a request and an answer, before a pool of execution environments."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from infra.local import gateway
from infra.local.gateway import Gateway
from infra.local.rie import InvocationFailed, Runtime, TooLong


class Echo(Runtime):
    """Answers with the event it was given, or as it is told."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails

    def invoke(self, event: Mapping[str, Any]) -> Any:
        if self.fails:
            raise self.fails
        body = base64.b64encode(json.dumps(event).encode()).decode()
        return {
            "statusCode": 201,
            "headers": {"content-type": "application/json", "x-own": "1"},
            "body": body,
            "isBase64Encoded": True,
        }


def asked(fails: Exception | None = None, **request: Any) -> Any:
    client = TestClient(Gateway([Echo(fails)]), raise_server_exceptions=False)
    return client.request(**{"method": "POST", "url": "/predict", **request})


@pytest.mark.parametrize("kind", ["audio/wav", "multipart/form-data; boundary=x", ""])
def test_what_is_no_text_travels_in_base64(kind: str) -> None:
    answer = asked(content=b"\xff\x00sound", headers={"content-type": kind})
    event = answer.json()
    assert answer.status_code == 201
    assert answer.headers["x-own"] == "1"
    assert event["isBase64Encoded"]
    assert base64.b64decode(event["body"]) == b"\xff\x00sound"
    assert event["headers"]["content-type"] == kind


def test_text_travels_as_it_is_and_a_query_apart() -> None:
    event = asked(
        method="PUT",
        url="/a/b?x=1&y=%20",
        content='{"é": 1}'.encode(),
        headers=[("content-type", "application/json"), ("x-two", "1"), ("x-two", "2")],
    ).json()
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == (
        "2.0", "/a/b", "x=1&y=%20",
    )  # fmt: skip
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert (event["isBase64Encoded"], event["body"]) == (False, '{"é": 1}')
    assert event["headers"]["x-two"] == "1,2"


def test_without_a_body_there_is_none() -> None:
    event = asked(method="GET", url="/health").json()
    assert "body" not in event
    assert not event["isBase64Encoded"]


@pytest.mark.parametrize(
    ("error", "status"),
    [(InvocationFailed("x"), 500), (ConnectionResetError(), 500), (TooLong("x"), 413)],
)
def test_an_invocation_that_fails_is_answered_and_its_place_free_again(
    error: Exception, status: int
) -> None:
    client = TestClient(Gateway([failing := Echo(error)]), raise_server_exceptions=False)
    answer = client.post("/predict", content=b"x")
    assert answer.status_code == status
    assert "message" in answer.json()
    failing.fails = None
    assert client.get("/health").status_code == 201


def test_too_long_a_body_never_reaches_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "MOST_BODY_BYTES", 10)
    assert asked(AssertionError("reached"), content=b"x" * 11).status_code == 413
    assert asked(content=b"x" * 10).status_code == 201
