from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import Aws, clip, encode, sound
from fastapi.testclient import TestClient

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def test_a_prediction_has_everything_the_design_promises(
    client: TestClient, default_bundle: Bundle
) -> None:
    answer = client.post("/predict?top_k=2", files={"file": ("x.wav", clip("siren"))})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {
        "label", "class_id", "confidence", "decision", "probabilities", "top", "segments",
        "model_version", "duration_s", "processing_ms", "timestamp", "request_id",
    }  # fmt: skip
    assert body["model_version"] == default_bundle.card.version
    assert len(body["top"]) == 2
    assert body["top"][0] == {"label": body["label"], "confidence": body["confidence"]}
    assert body["duration_s"] == 4.0
    assert body["timestamp"].endswith("Z")
    assert answer.headers["x-request-id"] == body["request_id"]


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_every_container_is_heard_alike(client: TestClient, container: str) -> None:
    wav = client.post("/predict", content=clip("siren"), headers={"content-type": "audio/wav"})
    other = client.post("/predict", files={"file": encode(sound("siren"), container=container)})
    assert other.status_code == 200
    assert other.json()["label"] == wav.json()["label"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "empty_recording"),
        (b"I am text", 415, "unsupported_format"),
        (clip("siren")[:5000], 422, "truncated_recording"),
        (b"fLaC" + bytes(64), 422, "undecodable_recording"),
        (encode(np.zeros(1)), 422, "recording_too_short"),
        (encode(np.full(8000, np.nan), subtype="FLOAT"), 422, "non_finite_samples"),
        (encode(np.zeros(4000), rate=2000), 422, "unsupported_sample_rate"),
        (encode(np.zeros((1600, 40))), 422, "too_many_channels"),
        (b"x" * 4_400_001, 413, "recording_too_large"),
    ],
)
def test_a_bad_recording_is_a_problem_not_a_label(
    client: TestClient, body: bytes, status: int, code: str
) -> None:
    for answer in (
        client.post("/predict", content=body, headers={"content-type": "audio/wav"}),
        client.post("/predict", files={"file": ("x.wav", body)}),
    ):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] == code
        assert problem["status"] == status
        assert problem["detail"]
        assert problem["request_id"] == answer.headers["x-request-id"]


def test_a_body_that_hides_its_length_is_limited_as_well(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(100_000)

    answer = client.post("/predict", content=endless(), headers={"content-type": "audio/wav"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("POST", "/predict?top_k=0", {"content": b"x"}, 422, "invalid_request"),
        ("POST", "/predict", {"files": {"other": b"x"}}, 422, "empty_recording"),
        ("POST", "/predict", {"data": {"file": "text"}, "files": {"x": b""}}, 422, None),
        ("GET", "/predict", {}, 405, "method_not_allowed"),
        ("GET", "/nothing", {}, 404, "not_found"),
        ("GET", "/models/none", {}, 404, "model_not_found"),
        ("GET", "/models/..%2F..%2Fchampion", {}, 404, None),
        ("GET", "/retrain/none", {}, 404, "run_not_found"),
        ("POST", "/retrain", {"json": {"min_new_samples": -1}}, 422, "invalid_request"),
        ("POST", "/retrain", {"json": {"min_new_samples": 9}}, 409, "not_enough_samples"),
        ("POST", "/retrain", {"content": b"{"}, 415, "unsupported_media_type"),
    ],
)
def test_every_error_is_a_problem(
    client: TestClient, method: str, path: str, sent: dict[str, Any], status: int, code: str | None
) -> None:
    answer = client.request(method, path, **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    if code:
        assert answer.json()["code"] == code


def test_a_multipart_body_that_is_none_is_a_problem(client: TestClient) -> None:
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=x"):
        answer = client.post("/predict", content=b"junk", headers={"content-type": content_type})
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"


def test_health_touches_nothing(client: TestClient, aws: Aws) -> None:
    aws.dynamodb.delete_table(TableName="earshot")
    assert client.get("/health").json() == {"status": "ok"}
    answer = client.get("/status")
    assert answer.status_code == 503
    assert answer.json()["code"] == "aws_unavailable"


def test_the_state_of_the_service(
    client: TestClient, services: Services, aws: Aws, default_bundle: Bundle
) -> None:
    client.post("/predict", files={"file": clip("siren")})
    for n in range(2):
        aws.drop(f"samples/siren/{n}.wav", clip("siren", n))
        services.receive(f"samples/siren/{n}.wav")
    aws.drop("samples/siren/bad.wav", b"x")
    services.receive("samples/siren/bad.wav")

    status = client.get("/status").json()
    assert status["model"]["version"] == default_bundle.card.version
    assert status["model"]["accuracy"] == default_bundle.card.metrics["accuracy"]
    assert status["predictions"] == 1
    assert status["training"]["new_samples"] == 2
    assert status["last_sweep"] is None

    samples = client.get("/samples").json()
    assert samples["labels"] == {"siren": 2}
    assert (samples["total"], samples["new_samples"], samples["threshold"]) == (2, 2, 5)
    assert samples["growth"] == {"siren": 2}
    assert samples["known_labels"] == ["casual", "explosion", "gunshot", "siren"]
    assert samples["open_labels"] is False
    (refused,) = samples["refused"]
    assert (refused["key"], refused["code"]) == ("samples/siren/bad.wav", "unsupported_format")

    classes = client.get("/classes").json()
    assert [c["label"] for c in classes["classes"]] == list(default_bundle.card.labels)
    assert {c["label"] for c in classes["classes"] if c["alert"]} == {"gunshot", "explosion"}
    assert all(c["description"] for c in classes["classes"])


def test_the_last_sweep_is_told(client: TestClient, services: Services) -> None:
    lost = services.training.request("lost").run
    services.ledger.vacate(lost)
    services.sweep.run()
    swept = client.get("/status").json()["last_sweep"]
    assert (swept["repaired"], swept["failed"]) == (1, [])
    assert lost in swept["done"][0]


def test_models_and_their_cards(
    client: TestClient, services: Services, default_bundle: Bundle
) -> None:
    from dataclasses import replace

    version = default_bundle.card.version
    (listed,) = client.get("/models").json()["models"]
    assert (listed["version"], listed["champion"]) == (version, True)
    assert client.get(f"/models/{version}").json()["labels"] == list(default_bundle.card.labels)

    card = replace(default_bundle.card, version="v2", parent=version)
    services.registry.publish(card, {"model.onnx": default_bundle.model})
    services.models.promote("v2", None, by="test", reason="a test")
    models = client.get("/models").json()
    assert models["champion"]["version"] == "v2"
    assert [(m["version"], m["champion"]) for m in models["models"]] == [
        ("v2", True),
        (version, False),
    ]
    assert client.get("/models/v2").json()["parent"] == version


def test_a_training_is_asked_for_and_followed(client: TestClient, aws: Aws) -> None:
    answer = client.post("/retrain", json={"reason": "new microphones"})
    assert answer.status_code == 202
    run = answer.json()["run"]
    assert client.post("/retrain").json()["code"] == "retrain_in_progress"
    (listed,) = client.get("/retrain").json()["runs"]
    assert (listed["run"], listed["state"], listed["reason"]) == (
        run,
        "requested",
        "new microphones",
    )
    assert client.get(f"/retrain/{run}").json()["samples"] == 0
    assert aws.published()[0]["detail"]["run"] == run


def test_what_people_meet_first(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "Earshot" in page.text
    assert client.get("/docs").status_code == 200
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/predict", "/samples", "/models", "/retrain", "/status", "/classes"} <= set(paths)


def test_a_sound_of_every_label_is_built_in(client: TestClient) -> None:
    answers = {}
    for one in client.get("/classes").json()["classes"]:
        example = client.get(one["example"])
        assert example.headers["content-type"] == "audio/ogg"
        heard = client.post("/predict", content=example.content).json()
        answers[one["label"]] = heard["label"] if heard["decision"] == "accepted" else "uncertain"
    # Our sketch of everyday sounds is like nothing that was learnt, and is said to be.
    assert answers == {
        "casual": "uncertain",
        "explosion": "explosion",
        "gunshot": "gunshot",
        "siren": "siren",
    }


@pytest.mark.parametrize("label", ["meow", "..", "%2e%2e%2fsurveillance.toml", "siren.ogg"])
def test_there_is_no_example_of_anything_else(client: TestClient, label: str) -> None:
    assert client.get(f"/classes/{label}/example").status_code == 404
