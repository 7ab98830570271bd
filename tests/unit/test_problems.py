"""Every error that the API answers: through uvicorn's door and through Lambda's, as documented."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import boto3
import numpy as np
import pytest
from conftest import Aws, clip, encode, http_event
from earshot.bundle import Bundle
from earshot.services import Services
from earshot.settings import Settings
from earshot.wiring import wire
from fastapi import FastAPI
from fastapi.testclient import TestClient
from mangum import Mangum

from infra.manual import schema
from predict import problems
from predict.app import create_app
from predict.manual import detail

MEMBERS = {"type", "title", "status", "code", "detail", "instance", "request_id"}
FORM = "multipart/form-data; boundary=x"
JSON = "application/json"
PATHS = schema()["paths"]
# Nobody knows this one.
UNKNOWN = "20261121-101500-000000"


@dataclass(frozen=True)
class Answer:
    """What a client sees."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Ask = Callable[..., Answer]


def by_server(app: FastAPI) -> Ask:
    """Asks an application as uvicorn does."""
    client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)

    def ask(
        method: str, path: str, body: bytes | None = None, content_type: str = "", query: str = ""
    ) -> Answer:
        answer = client.request(
            method,
            f"{path}?{query}" if query else path,
            content=body,
            headers={"content-type": content_type} if content_type else {},
        )
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    return ask


def by_lambda(app: FastAPI) -> Ask:
    """Asks an application as API Gateway and Lambda do."""
    handler = Mangum(app, lifespan="off")
    context = SimpleNamespace(aws_request_id="8a1c5c3e-0000-4000-8000-000000000001")

    def ask(
        method: str, path: str, body: bytes | None = None, content_type: str = "", query: str = ""
    ) -> Answer:
        event = http_event(method, path, body, content_type, query)
        if not content_type:
            del event["headers"]["content-type"]
        told = handler(event, context)  # type: ignore[arg-type]
        content = told["body"].encode()
        if told["isBase64Encoded"]:
            content = base64.b64decode(content)
        return Answer(told["statusCode"], told["headers"], content)

    return ask


@pytest.fixture(params=[by_server, by_lambda])
def door(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_app(services)


@pytest.fixture
def ask(door: Any, app: FastAPI) -> Ask:
    asks: Ask = door(app)
    return asks


def check(answer: Answer, status: int, code: str, path: str) -> Any:
    """The problem of an answer, which has all that a problem has."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert set(problem) >= MEMBERS
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert problem["instance"] == path
    assert problem["detail"]
    assert problem["title"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def declared(method: str, path: str, status: int) -> Any:
    """The examples that the manual has for an answer of a path's route."""
    patterns = {re.sub(r"{\w+}", "[^/]+", route): route for route in PATHS}
    found = (route for pattern, route in patterns.items() if re.fullmatch(pattern, path))
    answers = PATHS[path if path in PATHS else next(found)][method.lower()]["responses"]
    return answers[str(status)]["content"]["application/problem+json"]["examples"]


WAV = clip("siren")


def form(name: bytes, content: bytes) -> bytes:
    """A form of one file, in the field that routes look for it in."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'
    return head % name + content + b"\r\n--x--\r\n"


# Route, body, its type, query, and what is answered.
REFUSED: list[tuple[str, str, bytes | None, str, str, int, str]] = [
    ("POST", "/predict", b"", "audio/wav", "", 422, "empty_recording"),
    ("POST", "/predict", b"I am text", "audio/wav", "", 415, "unsupported_format"),
    ("POST", "/predict", WAV[:5000], "audio/wav", "", 422, "truncated_recording"),
    ("POST", "/predict", b"fLaC" + bytes(64), "", "", 422, "undecodable_recording"),
    ("POST", "/predict", encode(np.zeros(1000)), "", "", 422, "recording_too_short"),
    (
        *("POST", "/predict", encode(np.zeros(4000 * 601), 4000, "FLAC"), "", ""),
        *(422, "recording_too_long"),
    ),
    (
        *("POST", "/predict", encode(np.full(8000, np.nan), subtype="FLOAT"), "", ""),
        *(422, "non_finite_samples"),
    ),
    (
        *("POST", "/predict", encode(np.full(8000, 32767.0), subtype="FLOAT"), "", ""),
        *(422, "samples_out_of_scale"),
    ),
    ("POST", "/predict", encode(np.zeros(4000), 2000), "", "", 422, "unsupported_sample_rate"),
    ("POST", "/predict", encode(np.zeros((1600, 40))), "", "", 422, "too_many_channels"),
    ("POST", "/predict", bytes(4_400_001), "", "", 413, "recording_too_large"),
    ("POST", "/predict", b"x", "multipart/form-data", "", 400, "malformed_form"),
    ("POST", "/predict", WAV, "", "top_k=0", 422, "invalid_request"),
    ("POST", "/retrain", b"{", JSON, "", 400, "malformed_json"),
    ("POST", "/retrain", b"reason", "text/plain", "", 415, "unsupported_media_type"),
    ("POST", "/retrain", b'{"min_new_samples": 9}', JSON, "", 409, "not_enough_samples"),
    ("GET", f"/retrain/{UNKNOWN}", None, "", "", 404, "run_not_found"),
    ("GET", f"/models/{UNKNOWN}", None, "", "", 404, "model_not_found"),
    (
        *("POST", f"/models/{UNKNOWN}/promote", b'{"reason": "I say so"}', JSON, ""),
        *(404, "model_not_found"),
    ),
    (
        *("POST", "/models/rollback", b'{"reason": "I say so"}', JSON, ""),
        *(409, "nothing_to_roll_back_to"),
    ),
    (
        *("POST", "/models/rollback"),
        f'{{"reason": "I say so", "expected": "{UNKNOWN}"}}'.encode(),
        *(JSON, "", 409, "promotion_conflict"),
    ),
    ("GET", "/recordings/0123456789abcdef", None, "", "", 404, "recording_not_found"),
    ("GET", "/review/0123456789abcdef/clip", None, "", "", 404, "review_not_found"),
    (
        *("POST", "/uploads/none/complete"),
        b'{"key": "recordings/ridge/9f86d081884c/dawn.wav", "size": 9}',
        *(JSON, "", 404, "upload_not_found"),
    ),
    (
        *("POST", "/uploads"),
        b'{"kind": "recording", "name": "dawn.wav", "size": 9, "site": "a/b"}',
        *(JSON, "", 422, "bad_key"),
    ),
    (
        *("POST", "/uploads"),
        b'{"kind": "sample", "name": "hoot.wav", "size": 9, "label": "owl"}',
        *(JSON, "", 422, "unknown_label"),
    ),
    (
        *("POST", "/uploads", b'{"kind": "archive", "name": "all.zip", "size": 2000000000}'),
        *(JSON, "", 413, "archive_too_large"),
    ),
    (
        *("POST", "/samples"),
        form(b"siren_1.wav", b""),
        *(FORM, "", 422, "samples_refused"),
    ),
]


def test_an_error_is_answered_as_the_manual_says(ask: Ask, subtests: pytest.Subtests) -> None:
    for method, path, body, content_type, query, status, code in REFUSED:
        with subtests.test(f"{method} {path}: {code}"):
            problem = check(ask(method, path, body, content_type, query), status, code, path)
            example = declared(method, path, status)[code]["value"]
            assert example["title"] == problem["title"]
            assert example["detail"] == problem["detail"]


def test_what_the_state_does_not_allow(
    ask: Ask, services: Services, default_bundle: Bundle
) -> None:
    run = ask("POST", "/retrain").json()["run"]
    busy = check(ask("POST", "/retrain"), 409, "retrain_in_progress", "/retrain")
    assert run in busy["detail"]
    assert "retrain_in_progress" in declared("POST", "/retrain", 409)

    card = replace(default_bundle.card, version="cut", model_sha256="0" * 64)
    services.registry.publish(card, {"model.onnx": default_bundle.model})
    path = "/models/cut/promote"
    answer = ask("POST", path, b'{"reason": "I say so"}', JSON)
    refused = check(answer, 422, "promotion_refused", path)
    example = declared("POST", path, 422)["promotion_refused"]
    words = example["value"]["detail"].replace(UNKNOWN, "cut").split("has SHA-256")[0]
    assert refused["detail"].startswith(words)


def test_without_a_model_nothing_is_guessed(
    door: Any, environment: None, aws: Aws, tmp_path: Path
) -> None:
    settings = replace(Settings.from_environment(), default_bundle=tmp_path / "none")
    app = create_app(wire(settings, boto3.client))
    for method, path in (("POST", "/predict"), ("GET", "/classes")):
        problem = check(door(app)(method, path, WAV if method == "POST" else None), 503,
                        "no_model", path)  # fmt: skip
        assert declared(method, path, 503)["no_model"]["value"]["detail"] == problem["detail"]


def test_when_aws_is_away_the_answer_says_so(ask: Ask, aws: Aws) -> None:
    aws.dynamodb.delete_table(TableName="earshot")
    for path in ("/status", "/samples", "/retrain"):
        problem = check(ask("GET", path), 503, "aws_unavailable", path)
        example = declared("GET", path, 503)["aws_unavailable"]
        assert example["value"]["detail"] == problem["detail"]
    assert ask("GET", "/health").json() == {"status": "ok"}


def test_what_nobody_expected_is_a_problem_too(door: Any, services: Services) -> None:
    app = create_app(replace(services, catalog=None))  # type: ignore[arg-type]
    problem = check(door(app)("GET", "/samples"), 500, "internal_error", "/samples")
    example = declared("GET", "/samples", 500)["internal_error"]
    assert example["value"]["detail"] == problem["detail"]
    assert "catalog" not in problem["detail"]


def test_an_unknown_path_is_not_found(ask: Ask, subtests: pytest.Subtests) -> None:
    for path in ("/nothing", "/models/a/b", "/health;x", "/nothing/a b", "/nothing/é"):
        with subtests.test(path):
            problem = check(ask("GET", path), 404, "not_found", quote(path, safe="/"))
            expected = detail(problems.PathNotFound).replace("/nothing", path)
            assert problem["detail"] == expected


def test_a_wrong_method_is_told_the_right_ones(ask: Ask, subtests: pytest.Subtests) -> None:
    for method, path, allowed in (
        ("DELETE", "/retrain", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/predict", {"POST"}),
        ("PUT", "/models/v1", {"GET", "HEAD"}),
        ("TRACE", "/health", {"GET", "HEAD"}),
        ("BREW", "/health", {"GET", "HEAD"}),
    ):
        with subtests.test(f"{method} {path}"):
            answer = ask(method, path)
            check(answer, 405, "method_not_allowed", path)
            assert set(answer.headers["allow"].split(", ")) == allowed


def test_head_answers_what_get_does_without_its_body(ask: Ask, subtests: pytest.Subtests) -> None:
    for path in ("/", "/health", "/docs", "/openapi.json", "/samples", "/nothing"):
        with subtests.test(path):
            head, got = ask("HEAD", path), ask("GET", path)
            assert (head.status, head.body) == (got.status, b"")
            assert head.headers["content-type"] == got.headers["content-type"]
            assert head.headers["x-request-id"]


def test_a_slash_too_many_leads_to_the_path_without(ask: Ask) -> None:
    answer = ask("GET", "/samples/", query="a=b")
    assert answer.status == 307
    assert answer.headers["location"].endswith("/samples?a=b")
    assert answer.headers["x-request-id"]


HOSTILE = [
    (b"\xff\xfe{}", 400, "malformed_json"),
    (b"[" * 100_000, 400, "malformed_json"),
    (b'{"min_new_samples": ' + b"9" * 5000 + b"}", 400, "malformed_json"),
    (b'{"min_new_samples": NaN}', 422, "invalid_request"),
    (b'{"min_new_samples": 1e999}', 422, "invalid_request"),
    (b'{"reason": "\\ud800"}', 422, "invalid_request"),
    (b'{"reason": "' + b"x" * 501 + b'"}', 422, "invalid_request"),
    (b"[]", 422, "invalid_request"),
    (b'"{}"', 422, "invalid_request"),
    (b" " * 4_400_001, 413, "recording_too_large"),
]


def test_a_hostile_json_body_is_a_problem(ask: Ask, subtests: pytest.Subtests) -> None:
    for body, status, code in HOSTILE:
        with subtests.test(str(body[:40])):
            check(ask("POST", "/retrain", body, JSON), status, code, "/retrain")
    assert ask("GET", "/retrain").json() == {"runs": []}


def test_json_that_hides_its_length_is_limited_as_well(app: FastAPI) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(60):
            yield b" " * 100_000

    answer = TestClient(app).post("/retrain", content=pieces(), headers={"content-type": JSON})
    assert (answer.status_code, answer.json()["code"]) == (413, "recording_too_large")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize(
    "kind", ["multipart/form-data; boundary=x", "Multipart/Form-Data; boundary=x"]
)
def test_a_form_is_one_however_it_is_written(ask: Ask, kind: str) -> None:
    body = form(b"a.wav", WAV)
    assert ask("POST", "/predict", body, kind).json()["label"] == "siren"
    for cut in (3, 9, 9000):
        check(ask("POST", "/predict", body[:-cut], kind), 400, "malformed_form", "/predict")


def test_a_host_that_is_none_is_no_failure(app: FastAPI) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    for host in ("[", "a b", "http://", "x" * 5000, "ü"):
        answer = client.get("/nothing", headers={"host": host.encode()})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
