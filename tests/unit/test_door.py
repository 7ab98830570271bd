"""The door: a plain prediction is answered as the whole API would, and without it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from conftest import REPOSITORY, Aws, clip, encode, pcm
from earshot.essentials import Essentials
from earshot.settings import Settings
from earshot.wiring import wire
from fastapi.testclient import TestClient

from predict.app import create_app
from predict.door import Door
from predict.middleware import MAX_BODY_BYTES
from predict.schemas import predict as schemas

if TYPE_CHECKING:
    from earshot.services import Services

FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.flac"\r\n\r\n%b\r\n--x--\r\n'
)
FORM_TYPE = "multipart/form-data; boundary=x"
# What differs from one request to the next.
OWN = ("processing_ms", "timestamp", "request_id")


@pytest.fixture
def door(aws: Aws) -> TestClient:
    return TestClient(open_door(), raise_server_exceptions=False)


def open_door() -> Door:
    settings = Settings.from_environment()
    return Door(settings, boto3.client, Essentials.wire(settings, boto3.client))


@pytest.fixture
def api(services: Services) -> TestClient:
    return TestClient(create_app(services), raise_server_exceptions=False)


def told(answer: Any) -> tuple[int, str, dict[str, Any]]:
    body = answer.json()
    assert body["request_id"] == answer.headers["x-request-id"]
    return (
        answer.status_code,
        answer.headers["content-type"],
        {name: value for name, value in body.items() if name not in OWN},
    )


def recordings() -> dict[str, tuple[bytes, str]]:
    flac = encode(pcm("siren"), container="FLAC")
    return {
        "wav": (clip("siren"), "audio/wav"),
        "long": (encode(pcm("gunshot").repeat(3)), "audio/wav"),
        "form": (FORM % flac, FORM_TYPE),
        "form that is cut": ((FORM % flac)[:-20], FORM_TYPE),
        "form without a boundary": (FORM % flac, "multipart/form-data"),
        "form of garbage": (b"--x\r\nnothing\r\n--x--\r\n", FORM_TYPE),
        "form without a file": (b"--x--\r\n", FORM_TYPE),
        "nothing": (b"", "audio/wav"),
        "text": (b"not audio", "text/plain"),
        "too large": (b"\0" * (MAX_BODY_BYTES + 1), "audio/wav"),
    }


@pytest.mark.parametrize("name", recordings())
def test_it_answers_as_the_api_does(name: str, door: TestClient, api: TestClient) -> None:
    body, kind = recordings()[name]
    headers = {"content-type": kind}
    plain = door.post("/predict", content=body, headers=headers)
    whole = api.post("/predict", content=body, headers=headers)
    assert told(plain) == told(whole)
    assert plain.json().keys() == whole.json().keys()


@pytest.mark.parametrize("given", [None, "Bearer", "Basic abc", "Bearer wrong", "bearer  right"])
def test_it_asks_for_tokens_as_the_api_does(
    given: str | None, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EARSHOT_AUTH")
    settings = Settings.from_environment()
    services = wire(settings, boto3.client)
    assert services.tokens
    _, right = services.tokens.create("somebody", "predict")
    headers = {"authorization": given.replace("right", right)} if given else {}
    plain = TestClient(open_door())
    whole = TestClient(create_app(services))
    answers = [
        one.post("/predict", content=clip("siren"), headers=headers) for one in (plain, whole)
    ]
    assert told(answers[0]) == told(answers[1])
    assert answers[0].status_code == (200 if given and "right" in given else 401)


def test_an_answer_is_what_the_manual_says(api: TestClient) -> None:
    for query in ("", "?explain=true"):
        answer = api.post(f"/predict{query}", content=clip("siren")).json()
        described = schemas.Prediction.model_validate(answer, extra="forbid")
        assert json.loads(described.model_dump_json(exclude_none=True)) == answer


def test_both_count_and_only_one_start_is_cold(
    door: TestClient, services: Services, capsys: pytest.CaptureFixture[str], own_logging: None
) -> None:
    from predict import telemetry

    telemetry.log_as_json()
    door.post("/predict", content=clip("siren"))
    door.post("/predict?top_k=1", content=clip("siren"))
    assert door.get("/status").status_code == 200
    assert services.statistics.totals().predictions == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    requests = [line for line in lines if line.get("message") == "request"]
    assert [line["cold_start"] for line in requests] == [True, False, False]
    assert [line["route"] for line in requests] == ["/predict", "/predict", "/status"]
    assert sum("ColdStart" in line for line in lines) == 1
    assert sum("Predictions" in line for line in lines) == 2


def test_a_prediction_waits_for_no_api(aws: Aws) -> None:
    code = "import sys, predict.door\nprint(*sorted({'fastapi', 'pydantic'} & set(sys.modules)))"
    path = f"{REPOSITORY}/functions:{REPOSITORY}/layers/earshot"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []
