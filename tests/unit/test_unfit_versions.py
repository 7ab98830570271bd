"""Versions that cannot serve, and a pointer that cannot be read: told, and the old one serves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from conftest import DEFAULT_BUNDLE, Aws, clip
from earshot.errors import PromotionConflict
from earshot.serving import Serving
from fastapi.testclient import TestClient
from onnx import helper, numpy_helper
from versions import VERSIONS, promote, roll_back, served, served_by, versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services


@pytest.fixture
def client(services: Services, default_bundle: Bundle) -> Iterator[TestClient]:
    with versions(services, default_bundle) as client:
        yield client


@pytest.mark.parametrize("fault", ["altered", "cut", "missing", "no network", "other labels"])
def test_a_version_that_cannot_serve_is_refused(
    client: TestClient, services: Services, aws: Aws, default_bundle: Bundle, fault: str
) -> None:
    promote(client, "v1")
    promote(client, "v2")
    aws.published()
    key, model = "models/bad/model.onnx", default_bundle.model
    card = replace(default_bundle.card, version="bad")
    if fault == "no network":
        model = b"not an ONNX file"
        card = replace(card, model_sha256=hashlib.sha256(model).hexdigest())
    if fault == "other labels":
        two = card.labels[:2]
        card = replace(card, labels=two, thresholds=dict.fromkeys(two, 0.5))
    services.registry.publish(card, {"model.onnx": model})
    if fault == "altered":
        altered = model[:5000] + bytes([model[5000] ^ 1]) + model[5001:]
        aws.s3.put_object(Bucket="artifacts", Key=key, Body=altered)
    if fault == "cut":
        aws.s3.put_object(Bucket="artifacts", Key=key, Body=model[:-1])
    if fault == "missing":
        aws.s3.delete_object(Bucket="artifacts", Key=key)
    answer = promote(client, "bad")
    assert (answer.status_code, answer.json()["code"]) == (422, "promotion_refused")
    assert "bad" in answer.json()["detail"]
    assert served(client) == "v2"
    assert len(client.get("/models").json()["history"]) == 2
    assert aws.published() == []


def answering_nothing(model: bytes) -> bytes:
    """The model, with NaN in the place of every probability."""
    graph = onnx.load_model_from_string(model)
    (last,) = (node for node in graph.graph.node if "probabilities" in node.output)
    last.output[0] = "before"
    graph.graph.initializer.append(numpy_helper.from_array(np.array(np.nan, np.float32), "nan"))
    graph.graph.node.append(helper.make_node("Mul", ["before", "nan"], ["probabilities"]))
    content: bytes = graph.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("altered", "was altered or cut"),
        ("cut", "was altered or cut"),
        ("no model", "has a card but no model.onnx"),
        ("no card", "no model version 'bad'"),
        ("card is no JSON", "card.json is not a model card"),
        ("card altered", "another thresholds"),
        ("NaN", "answers no probabilities"),
    ],
)
def test_what_cannot_serve_is_reported_while_the_old_version_answers(
    client: TestClient,
    services: Services,
    aws: Aws,
    default_bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    reason: str,
) -> None:
    promote(client, "v1")
    assert served(client) == "v1"
    model, card = default_bundle.model, replace(default_bundle.card, version="bad")
    if fault == "NaN":
        model = answering_nothing(model)
        card = replace(card, model_sha256=hashlib.sha256(model).hexdigest())
    if fault == "card altered":
        card = replace(card, thresholds=dict.fromkeys(card.labels, 0.0))
    services.registry.publish(card, {"model.onnx": model})
    # The pointer is moved by a process that found the version whole; it broke after that.
    services.registry.promote("bad", services.registry.champion(), "another", "a test")
    folder = {"Bucket": "artifacts", "Key": "models/bad/model.onnx"}
    match fault:
        case "altered":
            aws.s3.put_object(**folder, Body=model[:5000] + b"?" + model[5001:])
        case "cut":
            aws.s3.put_object(**folder, Body=model[:-1])
        case "no model":
            aws.s3.delete_object(**folder)
        case "no card":
            aws.s3.delete_object(Bucket="artifacts", Key="models/bad/card.json")
        case "card is no JSON":
            aws.s3.put_object(Bucket="artifacts", Key="models/bad/card.json", Body=b"{")
    services.serving.look_again("v1", services.serving.detector())

    capsys.readouterr()
    answer = client.post("/predict", files={"file": clip("siren")})
    assert (answer.status_code, answer.json()["model_version"]) == (200, "v1")
    lines = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert [line["RefusedBundles"] for line in lines if "Predictions" in line] == [[1.0]]
    refused = client.get("/status").json()["refused_bundles"]
    assert list(refused) == ["bad"]
    assert reason in refused["bad"]
    # Nor is it promoted by who tries it first.
    services.registry.promote("v2", services.registry.champion(), "another", "a test")
    again = promote(client, "bad")
    assert again.json()["code"] in ("promotion_refused", "model_not_found")


def test_what_broke_meanwhile_is_not_rolled_back_to(client: TestClient, aws: Aws) -> None:
    promote(client, "v1")
    promote(client, "v2")
    aws.s3.put_object(Bucket="artifacts", Key="models/v1/model.onnx", Body=b"broken")
    answer = roll_back(client)
    assert (answer.status_code, answer.json()["code"]) == (422, "promotion_refused")
    assert served(client) == "v2"


def test_a_version_that_was_mended_is_tried_again_when_it_is_promoted(
    client: TestClient, services: Services, aws: Aws, default_bundle: Bundle
) -> None:
    promote(client, "v1")
    assert served(client) == "v1"
    aws.s3.put_object(Bucket="artifacts", Key="models/v2/model.onnx", Body=b"broken")
    # By another process, which found it whole.
    services.registry.promote("v2", services.registry.champion(), "another", "a test")
    services.serving.look_again("v1", services.serving.detector())
    assert served_by(services) == "v1"
    assert list(services.serving.refused) == ["v2"]
    aws.s3.put_object(Bucket="artifacts", Key="models/v2/model.onnx", Body=default_bundle.model)
    promote(client, "v3")
    promote(client, "v2")
    assert served(client) == "v2"
    assert client.get("/status").json()["refused_bundles"] == {}


def test_what_was_rolled_back_does_not_stand_in_for_what_breaks(
    client: TestClient, services: Services, aws: Aws
) -> None:
    for version in VERSIONS:
        promote(client, version)
    roll_back(client)
    assert served(client) == "v2"
    aws.s3.put_object(Bucket="artifacts", Key="models/v2/model.onnx", Body=b"broken")
    fresh = Serving(services.registry, DEFAULT_BUNDLE, reload_s=30)
    assert fresh.detector().card.version == "v1"


# --- a pointer that cannot be read -----------------------------------------------------------


@pytest.fixture
def broken(client: TestClient, aws: Aws) -> TestClient:
    """The API of a process that serves v2, and a pointer that was overwritten by something."""
    promote(client, "v1")
    promote(client, "v2")
    assert served(client) == "v2"
    aws.s3.put_object(Bucket="artifacts", Key="champion.json", Body=b"not a pointer")
    aws.published()
    return client


def test_a_broken_pointer_is_told_by_the_api(broken: TestClient, services: Services) -> None:
    services.serving.look_again("v2", services.serving.detector())
    answer = broken.post("/predict", files={"file": clip("siren")}).json()
    assert answer["model_version"] == "v2"
    assert (
        "champion.json is no pointer"
        in broken.get("/status").json()["refused_bundles"]["champion.json"]
    )
    champion = broken.get("/models").json()["champion"]
    assert (champion["version"], champion["promoted_by"]) == (None, "unknown")
    assert "Promote a version by hand" in champion["reason"]


@pytest.mark.parametrize("version", ["v1", "the default bundle"])
def test_a_person_mends_a_broken_pointer_by_promoting(
    broken: TestClient, aws: Aws, default_bundle: Bundle, version: str
) -> None:
    name = default_bundle.card.version if version == "the default bundle" else version
    answer = promote(broken, name, reason="the pointer was broken")
    assert answer.status_code == 200, answer.text
    assert served(broken) == name
    assert broken.get("/status").json()["refused_bundles"] == {}
    history = broken.get("/models").json()["history"]
    # That the trail before was lost is part of the trail.
    assert [(one["reason"][:24], one["rollback"]) for one in history] == [
        ("the pointer was broken", False),
        ("champion.json is no poin", True),
    ]
    assert [event["detail"]["reason"] for event in aws.published()] == ["the pointer was broken"]
    # Back to the default bundle, and no further.
    assert roll_back(broken).json()["version"] is None
    assert roll_back(broken).json()["code"] == "nothing_to_roll_back_to"


def test_two_persons_mend_it_once(broken: TestClient, services: Services) -> None:
    seen = services.registry.champion()
    assert promote(broken, "v1").status_code == 200
    with pytest.raises(PromotionConflict):
        services.registry.promote("v3", seen, "another", "the pointer was broken")
    assert served(broken) == "v1"


def test_where_a_broken_pointer_led_is_not_guessed(broken: TestClient, services: Services) -> None:
    answer = roll_back(broken)
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_roll_back_to")
    # Nor does a training run decide what a person has to look at.
    with pytest.raises(PromotionConflict, match="is no pointer"):
        services.models.promote("v3", services.registry.champion(), "run x", "enough samples")
    pointer = services.registry.champion()
    assert pointer is not None
    assert pointer.fault
