from __future__ import annotations

import itertools
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from conftest import Aws, clip
from earshot.errors import TruncatedRecording
from earshot.recording import Prediction
from earshot.serving import Serving
from earshot.settings import Settings
from earshot.statistics import (
    DAYS_AT_ONCE,
    LISTED_DAYS,
    RECENT,
    SHARDS_OF_A_WRITER,
    Statistics,
)
from earshot.wiring import wire
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.bundle import Bundle
    from earshot.services import Services

DAY_S = 86_400
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
HEARD = Prediction("siren", 3, 0.9, "accepted", {}, (), "v1", 4.0, processing_ms=4.0)
# A write costs a unit for each KB of its item.
ITEM_BYTES = 2048


class Clock:
    """Seconds since the epoch, as a test says."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def statistics(aws: Aws, clock: Clock) -> Statistics:
    return Statistics(aws.dynamodb, "earshot", clock)


@pytest.fixture
def sent(aws: Aws) -> list[str]:
    """The DynamoDB operations that go out by ``aws.dynamodb``, as they go."""
    operations: list[str] = []

    def note(request: Any, **_: Any) -> None:
        operations.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])

    aws.dynamodb.meta.events.register("before-send.dynamodb", note)
    return operations


@pytest.fixture
def services(aws: Aws) -> Services:
    def client(name: str, **options: Any) -> Any:
        return aws.dynamodb if name == "dynamodb" else boto3.client(name, **options)  # type: ignore[call-overload]

    return wire(Settings.from_environment(), client)


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services)) as client:
        yield client


# --- counting ------------------------------------------------------------------------------


def test_everything_about_a_prediction_is_counted(statistics: Statistics) -> None:
    statistics.count(HEARD, "r1")
    statistics.count(replace(HEARD, decision="uncertain", confidence=0.45), "r2")
    statistics.count(replace(HEARD, label="gunshot", model_version="v2", duration_s=1.5), "r3")
    statistics.count_error(TruncatedRecording("cut"))
    totals = statistics.totals()
    assert (totals.predictions, totals.uncertain, totals.refused, totals.failed) == (3, 1, 1, 0)
    assert totals.by_label == {"gunshot": 1, "siren": 2}
    assert totals.by_version == {"v1": 2, "v2": 1}
    assert totals.refused_by_code == {"truncated_recording": 1}
    assert totals.confidence.mean == pytest.approx(0.75)
    assert totals.latency_ms.mean == pytest.approx(4.0)
    assert totals.audio_s == 9.5
    report = statistics.report()
    assert report.totals == totals
    assert report.days == {"2026-11-21": totals}


def test_an_answer_costs_one_round_trip(services: Services, sent: list[str]) -> None:
    services.classify(clip("siren"))
    assert sent == ["UpdateItem"]
    with pytest.raises(TruncatedRecording):
        services.classify(clip("siren")[:5000])
    assert sent == ["UpdateItem"] * 2


def test_answers_are_spread_over_partitions_in_small_items(
    aws: Aws, statistics: Statistics
) -> None:
    heard = replace(HEARD, model_version="20261121-101500-3f1c22ab")
    for number in range(200):
        label = ("casual", "explosion", "gunshot", "siren")[number % 4]
        statistics.count(replace(heard, label=label, confidence=number / 200), str(uuid.uuid4()))
    items = aws.dynamodb.scan(TableName="earshot")["Items"]
    assert len({item["pk"]["S"] for item in items}) == SHARDS_OF_A_WRITER
    for item in items:
        sizes = [len(name) + len(next(iter(value.values()))) for name, value in item.items()]
        assert sum(sizes) < ITEM_BYTES
        assert NOON + 365 * DAY_S < int(item["expires_at"]["N"]) < NOON + 500 * DAY_S


def test_an_answer_that_cannot_be_counted_is_answered(client: TestClient, aws: Aws) -> None:
    aws.dynamodb.delete_table(TableName="earshot")
    assert client.post("/predict", files={"file": clip("siren")}).status_code == 200
    assert client.post("/predict", files={"file": b"text"}).status_code == 415


def test_a_repeated_write_counts_once_whoever_wrote_in_between(
    aws: Aws, statistics: Statistics, clock: Clock
) -> None:
    """The answer is lost after the effect, and botocore sends the same again, after others."""
    others = [Statistics(boto3.client("dynamodb"), "earshot", clock) for _ in range(8)]

    def lose(attempts: int, **_: Any) -> float | None:
        if attempts > 2:
            return None
        for other in others * 8:
            other.count(HEARD)
        return 0.0

    aws.dynamodb.meta.events.register("needs-retry.dynamodb.UpdateItem", lose)
    for _ in range(2):
        statistics.count(HEARD)
    assert others[0].totals().predictions == 2 + 4 * len(others) * 8


def test_a_copy_of_a_write_that_comes_late_changes_nothing(
    aws: Aws, statistics: Statistics
) -> None:
    writes: list[dict[str, Any]] = []
    aws.dynamodb.meta.events.register(
        "provide-client-params.dynamodb.UpdateItem",
        lambda params, **_: writes.append(params),
    )
    for _ in range(20):
        statistics.count(HEARD)
    for write in tuple(writes):
        with pytest.raises(aws.dynamodb.exceptions.ConditionalCheckFailedException):
            aws.dynamodb.update_item(**write)
    assert statistics.totals().predictions == 20


def test_a_write_that_did_not_arrive_is_repeated(aws: Aws, statistics: Statistics) -> None:
    failures = iter([ConnectionClosedError(endpoint_url="dynamodb"), None, None])

    def fail(**_: Any) -> None:
        if error := next(failures):
            raise error

    aws.dynamodb.meta.events.register_first("before-send.dynamodb.UpdateItem", fail)
    statistics.count(HEARD)
    assert next(failures) is None
    assert statistics.totals().predictions == 1


# --- days ----------------------------------------------------------------------------------

acts = st.lists(
    st.sampled_from(["count", "refuse", "read"]) | st.integers(1, 60).map(lambda n: n * 3600),
    max_size=40,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=acts)
def test_totals_and_days_stay_exact_as_time_goes_by(aws: Aws, acts: list[str | int]) -> None:
    for item in aws.dynamodb.scan(TableName="earshot")["Items"]:
        aws.dynamodb.delete_item(TableName="earshot", Key={"pk": item["pk"], "sk": item["sk"]})
    clock = Clock()
    processes = itertools.cycle([Statistics(aws.dynamodb, "earshot", clock) for _ in range(3)])
    predictions: Counter[str] = Counter()
    refused = 0
    for act in [*acts, "read"]:
        statistics = next(processes)
        if isinstance(act, int):
            clock.now += act
        elif act == "count":
            statistics.count(HEARD)
            predictions[datetime.fromtimestamp(clock.now, UTC).date().isoformat()] += 1
        elif act == "refuse":
            statistics.count_error(TruncatedRecording("cut"))
            refused += 1
        else:
            report = statistics.report()
            assert report.totals.predictions == predictions.total()
            assert report.totals.refused == refused
            found = {day: n.predictions for day, n in report.days.items() if n.predictions}
            newest = sorted(predictions, reverse=True)
            assert found == {day: predictions[day] for day in newest}
            assert list(report.days) == sorted(report.days, reverse=True)


def test_reading_stays_one_round_trip_however_many_days_there_were(
    statistics: Statistics, clock: Clock, sent: list[str]
) -> None:
    days = DAYS_AT_ONCE + 10
    for _ in range(days):
        statistics.count(HEARD)
        clock.now += DAY_S
    assert statistics.totals().predictions == days
    sent.clear()
    assert statistics.totals().predictions == days
    assert sent == ["BatchGetItem"]
    report = statistics.report()
    assert len(report.days) == LISTED_DAYS
    assert next(iter(report.days)) == datetime.fromtimestamp(clock.now - DAY_S, UTC).strftime(
        "%Y-%m-%d"
    )


def test_a_reader_whose_clock_is_behind_counts_nothing_twice(
    aws: Aws, statistics: Statistics, clock: Clock
) -> None:
    statistics.count(HEARD)
    behind = Statistics(aws.dynamodb, "earshot", lambda: clock.now - DAY_S)
    clock.now += 2 * DAY_S
    for reader in (statistics, behind, statistics):
        report = reader.report()
        assert report.totals.predictions == 1
        assert [tally.predictions for tally in report.days.values()] == [1]


# --- the latest ----------------------------------------------------------------------------


def test_the_latest_predictions_are_there_in_order(statistics: Statistics, clock: Clock) -> None:
    for number in range(50):
        clock.now += 1
        statistics.count(replace(HEARD, processing_ms=number), f"r{number}")
    recent = statistics.report().recent
    assert [one.request_id for one in recent] == [f"r{49 - back}" for back in range(RECENT)]
    latest = recent[0]
    assert latest.timestamp == "2026-11-21T12:00:50.000Z"
    assert (latest.label, latest.confidence, latest.decision) == ("siren", 0.9, "accepted")
    assert (latest.model_version, latest.duration_s, latest.processing_ms) == ("v1", 4.0, 49)


def test_the_latest_predictions_outlive_midnight_but_not_a_day(
    statistics: Statistics, clock: Clock
) -> None:
    statistics.count(HEARD, "at noon")
    clock.now += DAY_S / 2 + 60
    statistics.count(HEARD, "after midnight")
    assert [one.request_id for one in statistics.report().recent] == ["after midnight", "at noon"]
    clock.now += DAY_S / 2
    assert [one.request_id for one in statistics.report().recent] == ["after midnight"]
    clock.now += DAY_S
    assert statistics.report().recent == []


# --- GET /metrics and GET /status ----------------------------------------------------------


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
