from __future__ import annotations

import itertools
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from conftest import Aws, clip
from earshot.errors import TruncatedRecording
from earshot.recording import Prediction
from earshot.settings import Settings
from earshot.statistics import (
    DAYS_AT_ONCE,
    LISTED_DAYS,
    LISTED_HOURS,
    RECENT,
    SHARDS_OF_A_WRITER,
    Statistics,
)
from earshot.wiring import wire
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    aws: Aws, statistics: Statistics, clock: Clock
) -> None:
    clock.now -= DAY_S / 2
    heard = replace(HEARD, model_version="20261121-101500-3f1c22ab")
    for number in range(200):
        clock.now += DAY_S / 201
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


def test_the_latest_hours_are_all_there_over_midnights(
    statistics: Statistics, clock: Clock
) -> None:
    for hours, confidence in ((0, 0.2), (20, 0.4), (20, 0.6), (4, 0.8)):
        clock.now += hours * 3600
        statistics.count(replace(HEARD, confidence=confidence))
    # Of the day before yesterday, too, which is folded by now.
    hours = statistics.report().hours
    assert len(hours) == LISTED_HOURS
    assert list(hours)[:2] == ["2026-11-23T08:00:00.000Z", "2026-11-23T07:00:00.000Z"]
    assert {
        since: (hour.predictions, hour.mean_confidence)
        for since, hour in hours.items()
        if hour.predictions
    } == {
        "2026-11-23T08:00:00.000Z": (1, 0.8),
        "2026-11-23T04:00:00.000Z": (1, 0.6),
        "2026-11-22T08:00:00.000Z": (1, 0.4),
        "2026-11-21T12:00:00.000Z": (1, 0.2),
    }


def test_no_hour_is_left_out_while_one_turns_into_the_next(aws: Aws) -> None:
    ticks = itertools.count(NOON - 0.2, 0.01)
    hours = Statistics(aws.dynamodb, "earshot", lambda: next(ticks)).report().hours
    assert len(hours) == LISTED_HOURS


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
