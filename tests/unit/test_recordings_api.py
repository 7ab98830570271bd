"""Recordings over HTTP: lists, one by one, and detections in every format."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from conftest import Aws, tape
from earshot.field.formats import FORMATS
from fastapi.testclient import TestClient

from predict.app import create_app
from predict.schemas.recordings import Detections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

KEY = "recordings/ridge/2026/Tape 7, été.wav"


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def recording(client: TestClient, services: Services, aws: Aws) -> str:
    """The id of one that was analysed."""
    services.receive(aws.drop(KEY, tape()))
    (listed,) = client.get("/recordings").json()["recordings"]
    found: str = listed["recording"]
    return found


def test_a_recording_says_what_became_of_it(client: TestClient, recording: str) -> None:
    one = client.get(f"/recordings/{recording}").json()
    assert set(one) == {
        "recording", "key", "site", "size", "state", "code", "reason", "received_at",
        "analysed_at", "duration_s", "model_version", "progress", "notes", "detections",
    }  # fmt: skip
    assert (one["key"], one["site"], one["state"]) == (KEY, "ridge", "analysed")
    assert one["detections"] == {"gunshot": 1, "siren": 1}
    assert client.get("/recordings").json() == {"recordings": [one], "next": None}
    assert client.get("/recordings?site=ridge").json()["recordings"] == [one]
    assert client.get("/recordings?site=creek").json() == {"recordings": [], "next": None}
    assert client.get("/samples").json()["recordings"] == 1


def test_pages_follow_on_each_other(client: TestClient, services: Services, aws: Aws) -> None:
    for number in range(3):
        services.receive(aws.drop(f"recordings/ridge/{number}.wav", b"no audio"))
    first = client.get("/recordings?limit=2").json()
    second = client.get("/recordings", params={"limit": 2, "cursor": first["next"]}).json()
    listed = [*first["recordings"], *second["recordings"]]
    assert sorted(one["key"] for one in listed) == [f"recordings/ridge/{n}.wav" for n in range(3)]
    assert {(one["state"], one["code"]) for one in listed} == {("refused", "unsupported_format")}
    assert second["next"] is None


def test_json_is_what_the_schema_says(client: TestClient, recording: str) -> None:
    answer = client.get(f"/recordings/{recording}/detections")
    assert answer.headers["content-type"] == "application/json"
    found = Detections.model_validate(answer.json(), strict=True)
    assert set(answer.json()) == {
        field.alias or name for name, field in Detections.model_fields.items()
    }
    assert [(one.label, one.start_s, one.end_s) for one in found.detections] == [
        ("siren", 8.0, 16.0),
        ("gunshot", 20.0, 24.0),
    ]


def test_every_format_tells_the_same(client: TestClient, recording: str) -> None:
    def text(form: str) -> str:
        answer = client.get(f"/recordings/{recording}/detections", params={"format": form})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == FORMATS[form].media_type
        name = answer.headers["content-disposition"].partition("filename*=UTF-8''")[2]
        assert unquote(name) == f"Tape 7, été{FORMATS[form].suffix}"
        return answer.text

    rows = list(csv.DictReader(io.StringIO(text("csv"), newline="")))
    assert [(row["label"], row["start_s"], row["end_s"]) for row in rows] == [
        ("siren", "8.000", "16.000"),
        ("gunshot", "20.000", "24.000"),
    ]
    raven = list(csv.DictReader(io.StringIO(text("raven")), delimiter="\t"))
    assert [(row["Label"], row["Begin Time (s)"], row["End Time (s)"]) for row in raven] == [
        ("siren", "8.000000", "16.000000"),
        ("gunshot", "20.000000", "24.000000"),
    ]
    assert text("audacity") == "8.000000\t16.000000\tsiren\n20.000000\t24.000000\tgunshot\n"
    assert "siren" in text("json")


def test_more_than_lambda_answers_is_a_problem_and_fewer_are_not(
    client: TestClient, recording: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/recordings/{recording}/detections?format=audacity"
    some = len(client.get(path).content)
    monkeypatch.setattr("predict.routes.recordings.MAX_ANSWER_BYTES", some - 1)
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "results_too_large")
    assert f"results/{recording}/" in answer.json()["detail"]
    assert client.get(f"{path}&label=siren").status_code == 200


def test_detections_are_filtered(client: TestClient, recording: str) -> None:
    def labels(**asked: str | float | list[str]) -> list[str]:
        answer = client.get(f"/recordings/{recording}/detections", params=asked)
        assert answer.status_code == 200, answer.text
        return [one["label"] for one in answer.json()["detections"]]

    assert labels(label="siren") == ["siren"]
    assert labels(label=["siren", "gunshot"]) == ["siren", "gunshot"]
    assert labels(label="explosion") == []
    assert labels(min_confidence=0.995) == ["siren"]
    csv_text = client.get(f"/recordings/{recording}/detections?format=csv&label=gunshot").text
    assert csv_text.count("\r\n") == 2


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/recordings/0123456789abcdef", 404, "recording_not_found"),
        ("/recordings/0123456789abcdef/detections", 404, "recording_not_found"),
        ("/recordings/x/detections", 422, "invalid_request"),
        ("/recordings/{recording}/detections?format=xml", 422, "invalid_request"),
        ("/recordings/{recording}/detections?label=owl", 422, "unknown_label"),
        ("/recordings/{recording}/detections?min_confidence=2", 422, "invalid_request"),
        ("/recordings?limit=0", 422, "invalid_request"),
        ("/recordings?limit=101", 422, "invalid_request"),
        ("/recordings?cursor=x", 422, "invalid_request"),
        ("/recordings?site=", 422, "invalid_request"),
    ],
)
def test_every_error_is_a_problem(
    client: TestClient, recording: str, path: str, status: int, code: str
) -> None:
    answer = client.get(path.format(recording=recording))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_what_was_refused_has_no_detections(
    client: TestClient, services: Services, aws: Aws
) -> None:
    services.receive(aws.drop(KEY, b"no audio"))
    (one,) = client.get("/recordings").json()["recordings"]
    answer = client.get(f"/recordings/{one['recording']}/detections")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_analysed")
    assert one["reason"] in answer.json()["detail"]


def test_results_that_somebody_removed_are_missed(
    client: TestClient, recording: str, aws: Aws
) -> None:
    for one in aws.s3.list_objects_v2(Bucket="artifacts", Prefix="results/")["Contents"]:
        aws.s3.delete_object(Bucket="artifacts", Key=one["Key"])
    answer = client.get(f"/recordings/{recording}/detections")
    assert (answer.status_code, answer.json()["code"]) == (404, "results_not_found")
