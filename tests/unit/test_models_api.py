"""Versions as the API lists them: whatever is wrong with one, the others are there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from conftest import DEFAULT_BUNDLE, Aws
from earshot.evaluation import read, reliability
from earshot.serving import Serving
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from versions import VERSIONS, promote, roll_back, served, versions

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from earshot.bundle import Bundle
    from earshot.services import Services
    from shell import Shell


@pytest.fixture
def client(services: Services, default_bundle: Bundle) -> Iterator[TestClient]:
    with versions(services, default_bundle) as client:
        yield client


@pytest.fixture
def damaged(services: Services, default_bundle: Bundle, tmp_path: Path) -> Iterator[TestClient]:
    """The API of a deployment whose default bundle is cut, with three versions beside it."""
    folder = tmp_path / "bundle"
    shutil.copytree(DEFAULT_BUNDLE, folder)
    (folder / "model.onnx").write_bytes(b"cut")
    serving = Serving(services.registry, folder, reload_s=0)
    services = replace(services, serving=serving, models=replace(services.models, serving=serving))
    for version in VERSIONS:
        card = replace(default_bundle.card, version=version)
        services.registry.publish(card, {"model.onnx": default_bundle.model})
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


# --- a default bundle that cannot be read --------------------------------------------------------


def test_a_broken_default_bundle_is_told_and_hides_nobody(damaged: TestClient) -> None:
    found = damaged.get("/models")
    assert found.status_code == 200, found.text
    listed = found.json()
    assert [one["version"] for one in listed["models"]] == ["v3", "v2", "v1"]
    assert not any(one["champion"] for one in listed["models"])
    assert list(listed["unreadable"]) == ["default"]
    assert "altered or cut" in listed["unreadable"]["default"]
    assert damaged.get("/models/v2").json()["version"] == "v2"


def test_a_broken_default_bundle_does_not_keep_a_version_from_service(damaged: TestClient) -> None:
    assert promote(damaged, "v1").status_code == 200
    assert promote(damaged, "v2").status_code == 200
    assert served(damaged) == "v2"
    assert roll_back(damaged).json()["version"] == "v1"
    refused = roll_back(damaged)
    assert (refused.status_code, refused.json()["code"]) == (422, "promotion_refused")
    assert "altered or cut" in refused.json()["detail"]
    assert served(damaged) == "v1"


def test_a_version_that_cannot_be_read_is_told(client: TestClient, aws: Aws) -> None:
    aws.s3.put_object(Bucket="artifacts", Key="models/v0/card.json", Body=b"{}")
    listed = client.get("/models").json()
    assert [one["version"] for one in listed["models"]][:3] == ["v3", "v2", "v1"]
    assert "KeyError" in listed["unreadable"]["v0"]


def test_the_command_tells_of_it_as_well(earshot: Shell, api: TestClient, aws: Aws) -> None:
    aws.s3.put_object(Bucket="artifacts", Key="models/v0/card.json", Body=b"{}")
    assert "v0 cannot be read: card.json is not a model card" in earshot("models", "list").out


# --- what a version answered to held-out clips ---------------------------------------------------


def test_the_bins_are_those_of_the_calibration_error(
    client: TestClient, default_bundle: Bundle
) -> None:
    card = default_bundle.card
    found = client.get(f"/models/{card.version}/evaluation").json()
    assert found["version"] == card.version
    assert found["clips"] == card.metrics["clips"]
    bins = found["reliability"]
    assert sum(one["clips"] for one in bins) == found["clips"]
    gaps = sum(one["clips"] * abs(one["accuracy"] - one["confidence"]) for one in bins)
    assert gaps / found["clips"] == pytest.approx(card.metrics["ece"], abs=2e-4)
    right = sum(one["clips"] * one["accuracy"] for one in bins)
    assert right / found["clips"] == pytest.approx(card.metrics["accuracy"], abs=2e-4)


def test_mistakes_come_the_most_confident_first(client: TestClient, default_bundle: Bundle) -> None:
    card = default_bundle.card
    mistakes = client.get(f"/models/{card.version}/evaluation").json()["mistakes"]
    confusion = card.metrics["confusion"]
    wrong = sum(map(sum, confusion)) - sum(row[n] for n, row in enumerate(confusion))
    assert len(mistakes) == wrong > 0
    assert all(one["answer"] != one["label"] for one in mistakes)
    confidence = [one["confidence"] for one in mistakes]
    assert confidence == sorted(confidence, reverse=True)


def test_a_version_answers_for_itself(client: TestClient, aws: Aws, default_bundle: Bundle) -> None:
    content = json.loads((DEFAULT_BUNDLE / "evaluation.json").read_bytes())
    few = {**content, "version": "v2", "clips": content["clips"][:7]}
    aws.s3.put_object(
        Bucket="artifacts", Key="models/v2/evaluation.json", Body=json.dumps(few).encode()
    )
    assert client.get("/models/v2/evaluation").json()["clips"] == 7


def test_an_evaluation_that_is_not_there_is_told_from_a_version_that_is_not(
    client: TestClient, aws: Aws
) -> None:
    missing = client.get("/models/v1/evaluation")
    assert (missing.status_code, missing.json()["code"]) == (404, "evaluation_not_found")
    unknown = client.get("/models/v9/evaluation")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "model_not_found")
    aws.s3.put_object(Bucket="artifacts", Key="models/v1/evaluation.json", Body=b'{"clips": [0]}')
    odd = client.get("/models/v1/evaluation")
    assert (odd.status_code, odd.json()["code"]) == (503, "bad_bundle")


def test_a_version_without_held_out_clips_has_no_bins() -> None:
    found = read(b'{"version": "v1", "labels": ["a", "b"], "clips": []}')
    assert (found.clips, found.reliability, found.mistakes) == (0, (), ())


@given(
    st.lists(st.tuples(st.floats(0, 1, allow_nan=False), st.booleans()), min_size=1, max_size=60)
)
def test_every_answer_is_in_the_bin_of_its_confidence(answers: list[tuple[float, bool]]) -> None:
    confidence, right = zip(*answers, strict=True)
    bins = reliability(confidence, right)
    assert sum(one.clips for one in bins) == len(answers)
    for one in bins:
        assert one.low - 1e-4 <= one.confidence <= one.high + 1e-4
        inside = [hit for sure, hit in answers if min(int(sure * 10), 9) == round(10 * one.low)]
        assert one.accuracy == pytest.approx(sum(inside) / len(inside), abs=1e-4)
