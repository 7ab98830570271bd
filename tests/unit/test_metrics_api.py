"""GET /metrics and GET /status: what was predicted, for people and for Prometheus."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import clip
from earshot.drift.comparison import Shift
from earshot.drift.log import DriftReport, SiteDrift
from earshot.serving import Serving
from fastapi.testclient import TestClient
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services)) as client:
        yield client


def test_the_metrics_say_what_was_predicted(client: TestClient) -> None:
    answers = [
        client.post("/predict", files={"file": clip(label)}).json()
        for label in ("siren", "siren", "gunshot")
    ]
    client.post("/predict", files={"file": clip("siren")[:5000]})
    found = client.get("/metrics").json()
    assert found["totals"] == {
        "requests": 4,
        "predictions": 3,
        "uncertain": sum(answer["decision"] == "uncertain" for answer in answers),
        "refused": 1,
        "failed": 0,
        "success_rate": 0.75,
        "error_rate": 0.25,
        "audio_s": 12.0,
    }
    assert found["by_label"] == dict(Counter(answer["label"] for answer in answers))
    assert found["by_version"] == {answers[0]["model_version"]: 3}
    assert found["errors"] == {"truncated_recording": 1}
    (day,) = found["by_day"]
    assert (day["predictions"], day["by_label"]) == (3, found["by_label"])
    assert (day["refused"], day["failed"], day["p95_ms"]) == (1, 0, found["latency_ms"]["p95"])
    # The clock may strike between them.
    assert sum(hour["predictions"] for hour in found["by_hour"][:2]) == 3
    mean = sum(answer["confidence"] for answer in answers) / 3
    confidence = found["confidence"]
    assert confidence["mean"] == day["mean_confidence"] == pytest.approx(mean, abs=1e-5)
    assert confidence["high"] + confidence["medium"] + confidence["low"] == pytest.approx(1)
    latency = found["latency_ms"]
    mean = sum(answer["processing_ms"] for answer in answers) / 3
    assert latency["mean"] == pytest.approx(mean, abs=1e-3)
    assert latency["p50"] <= latency["p95"] <= latency["p99"]
    for spread in (confidence["histogram"], latency["histogram"]):
        assert sum(spread["counts"]) == 3
        assert len(spread["edges"]) == len(spread["counts"]) + 1
    assert [one["request_id"] for one in found["recent"]] == [
        answer["request_id"] for answer in reversed(answers)
    ]
    process = found["process"]
    assert process["cpu_s"] > 0
    assert 0 < process["rss_mb"] <= process["peak_rss_mb"] * 1.01


def test_before_the_first_prediction_there_are_no_figures(client: TestClient) -> None:
    found = client.get("/metrics").json()
    assert (found["totals"]["requests"], found["totals"]["error_rate"]) == (0, None)
    assert (found["confidence"]["mean"], found["latency_ms"]["p99"]) == (None, None)
    assert (found["by_day"], found["recent"]) == ([], [])
    assert {hour["mean_confidence"] for hour in found["by_hour"]} == {None}


def test_the_status_has_the_totals(client: TestClient, services: Services) -> None:
    client.post("/predict", files={"file": clip("siren")})
    client.post("/predict", files={"file": b"text"})
    status = client.get("/status").json()
    assert (status["predictions"], status["refused"], status["failed"]) == (1, 1, 0)
    assert sum(status["by_label"].values()) == 1


def test_without_a_model_requests_fail(client: TestClient, services: Services) -> None:
    nobody = Serving(services.registry, Path("nowhere"), reload_s=30)
    without = TestClient(create_app(replace(services, serving=nobody)))
    assert without.post("/predict", files={"file": clip("siren")}).status_code == 503
    found = without.get("/metrics").json()
    assert (found["totals"]["failed"], found["errors"]) == (1, {"no_model": 1})
    text = without.get("/metrics", headers={"accept": "text/plain"}).text
    assert 'earshot_failed_total{code="no_model"} 1.0' in text
    assert "earshot_model_info" not in text


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("text/plain", "text/plain; version=0.0.4; charset=utf-8", parse_text),
        (
            "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            parse_openmetrics,
        ),
    ],
)
def test_prometheus_reads_the_same_figures(
    client: TestClient, default_bundle: Bundle, accept: str, content_type: str, parse: Any
) -> None:
    for label in ("siren", "gunshot", "siren"):
        client.post("/predict", files={"file": clip(label)})
    client.post("/predict", files={"file": b"text"})
    found = client.get("/metrics").json()
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer.headers["content-type"] == content_type
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse(answer.text)
        for sample in family.samples
    }
    for label, count in found["by_label"].items():
        assert samples["earshot_predictions_total", label] == count
    assert samples["earshot_uncertain_total",] == found["totals"]["uncertain"]
    assert samples["earshot_refused_total", "unsupported_format"] == 1
    assert samples["earshot_audio_seconds_total",] == found["totals"]["audio_s"]
    assert samples["earshot_confidence_count",] == 3
    assert samples["earshot_confidence_bucket", "1.0"] == 3
    mean = samples["earshot_confidence_sum",] / 3
    assert mean == pytest.approx(found["confidence"]["mean"])
    assert samples["earshot_latency_seconds_bucket", "+Inf"] == 3
    mean_ms = samples["earshot_latency_seconds_sum",] / 3 * 1000
    assert mean_ms == pytest.approx(found["latency_ms"]["mean"])
    assert samples["earshot_model_info", default_bundle.card.version] == 1
    assert samples["earshot_training_new_samples",] == 0
    assert samples["earshot_training_threshold_samples",] == 5
    assert samples["process_cpu_seconds_total",] > 0
    assert samples["process_resident_memory_bytes",] > 0


def test_drift_is_told_to_people_and_to_prometheus(client: TestClient, services: Services) -> None:
    assert client.get("/metrics").json()["drift"] is None
    shift = Shift(live=96, reference=80, p=0.0002, more_novel=0.87, surer=0.38)
    labels = {"siren": shift, "gunshot": Shift(live=2, reference=14)}
    first, last = "2026-11-14T05:00:00.000Z", "2026-11-20T21:00:00.000Z"
    since = "2026-11-19T00:03:58.000Z"
    drifts = SiteDrift(
        "ridge", "drifting", 96, first, last, 0.04, 0.4, 0.05, since, shift, labels, ("siren",)
    )
    few = SiteDrift("/predict", "too_few", 3, first, last, 0.04, 0.4, 0.05)
    report = DriftReport(
        "2026-11-21", "2026-11-21T00:04:11.000Z", "compared", "v", 7, 0.01, 20, (drifts, few)
    )
    services.drift.log.keep(report)
    found = client.get("/metrics").json()["drift"]
    assert found == json.loads(json.dumps(asdict(report)))
    text = client.get("/metrics", headers={"accept": "text/plain"}).text
    assert 'earshot_drifting{site="ridge"} 1.0' in text
    assert 'earshot_drifting{site="/predict"} 0.0' in text
    assert 'earshot_drift_answers{site="/predict"} 3.0' in text
    assert 'earshot_drift_p{site="ridge"} 0.0002' in text
    assert 'earshot_drift_p{site="/predict"}' not in text


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


def test_json_unless_prometheus_asks(client: TestClient) -> None:
    for accept, expected in (
        ("*/*", "application/json"),
        ("", "application/json"),
        (BROWSER, "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/plain;q=0.5, application/json;q=0.4", "text/plain"),
        ("text/plain;q=0.5, */*", "application/json"),
        ("text/plain, */*", "text/plain"),
        ("TEXT/PLAIN", "text/plain"),
        ("text/plain;q=0", "application/json"),
        ("text/plain;q=nan", "application/json"),
        ("text/plain;q=x;q=;=,;;,/", "application/json"),
        ("application/openmetrics-text; version=x", "application/openmetrics-text"),
        ("image/png", "application/json"),
    ):
        answer = client.get("/metrics", headers={"accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == expected, accept
