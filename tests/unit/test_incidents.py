"""Which detections are told of: once an incident, in whatever order and however often they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from conftest import Aws
from earshot import incidents
from earshot.application import AlertRule, Application
from earshot.errors import IncidentContended
from earshot.events import DetectionAlert
from earshot.incidents import Incidents
from earshot.moments import later
from earshot.recording import Alert, Detection, Detections, FieldRecording, object_id
from earshot.services.alerts import Alerts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAWN = "2026-11-21T06:00:00.000Z"
COOLDOWN_S = 100
RULE = AlertRule("shot", cooldown_s=COOLDOWN_S)
APPLICATION = Application(
    "reserve", ("quiet", "shot", "truck"), 16_000, 4.0, 4.0, "cnn", alerts=(RULE,)
)


class Bus:
    """Earshot's bus, which notes what is published."""

    def __init__(self) -> None:
        self.events: list[DetectionAlert] = []

    def publish(self, event: Any) -> None:
        self.events.append(event)

    @property
    def told(self) -> list[str]:
        return [event.alert for event in self.events]


class Reserve:
    """Alerts over a table. ``hear`` gives them what a recording holds."""

    def __init__(self, aws: Aws, *rules: AlertRule, table: str = "earshot") -> None:
        self.bus = Bus()
        self.alerts = Alerts(
            replace(APPLICATION, alerts=rules or (RULE,)),
            Incidents(aws.dynamodb, table),
            self.bus,  # type: ignore[arg-type]
        )

    def hear(
        self,
        *times: float,
        name: str = "a",
        site: str = "ridge",
        label: str = "shot",
        confidence: float = 0.9,
        started_at: str | None = DAWN,
    ) -> list[Alert]:
        """Detections that start so many seconds after dawn, and last a second."""
        first = min(times, default=0)
        key = f"recordings/{site}/{name}.wav"
        found = [Detection(at - first, at - first + 1, label, confidence, 0.8) for at in times]
        record = FieldRecording(object_id(key), key, site, 1, "v1", "received", DAWN)
        start = later(started_at, first) if started_at else None
        heard = Detections(
            record.recording, key, site, 9999.0, 8000.0, "m1", APPLICATION.labels, "quiet",
            tuple(found), start,
        )  # fmt: skip
        return self.alerts.consider(record, heard)


@pytest.fixture
def reserve(aws: Aws) -> Reserve:
    return Reserve(aws)


def seconds(alerts: list[Any]) -> list[float]:
    """When alerts say that they were heard, in seconds after dawn."""
    dawn = incidents.milliseconds(DAWN)
    return sorted((incidents.milliseconds(one.at) - dawn) / 1000 for one in alerts)


def clusters(times: list[int]) -> list[list[int]]:
    """Detections of a second each, parted where the pause is longer than the cooldown."""
    found: list[list[int]] = []
    for at in sorted(times):
        if found and at - (found[-1][-1] + 1) <= COOLDOWN_S:
            found[-1].append(at)
        else:
            found.append([at])
    return found


# Quick, since each example is some dozens of requests; the table is one, the sites are many.
@contextmanager
def another(aws: Aws) -> Iterator[Reserve]:
    """With a table of its own, which goes: moto copies all of them for each transaction."""
    keys = {"pk": "HASH", "sk": "RANGE"}
    aws.dynamodb.create_table(
        TableName="another",
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    try:
        yield Reserve(aws, table="another")
    finally:
        aws.dynamodb.delete_table(TableName="another")


quickly = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
tapes = st.lists(st.lists(st.integers(0, 1500), min_size=1, max_size=6), min_size=1, max_size=6)


@quickly
@given(tapes=tapes, data=st.data())
def test_any_order_and_repetition_tells_of_every_incident_and_never_twice_within_the_cooldown(
    aws: Aws, tapes: list[list[int]], data: st.DataObject
) -> None:
    with another(aws) as reserve:
        before = data.draw(st.lists(st.integers(0, len(tapes) - 1), max_size=4))
        for n in [*before, *data.draw(st.permutations(range(len(tapes))))]:
            reserve.hear(*tapes[n], name=f"tape {n}")

        assert len(set(reserve.bus.told)) == len(reserve.bus.told)
        at = seconds(reserve.bus.events)
        assert all(after - one > COOLDOWN_S for one, after in pairwise(at))
        everything = [time for tape in tapes for time in tape]
        for cluster in clusters(everything):
            assert any(cluster[0] <= one <= cluster[-1] for one in at)
        listed, _ = reserve.alerts.latest(None, None, "", 100)
        assert {one.alert for one in listed} == set(reserve.bus.told)


@quickly
@given(tapes=tapes)
def test_in_the_order_of_time_each_incident_is_told_of_once_by_its_beginning(
    aws: Aws, tapes: list[list[int]]
) -> None:
    with another(aws) as reserve:
        everything: list[int] = []
        for n, tape in enumerate(tapes):
            # Each recording begins where the one before ended.
            shifted = [at + n * 1501 for at in tape]
            reserve.hear(*shifted, name=f"tape {n}")
            everything += shifted
        assert seconds(reserve.bus.events) == [cluster[0] for cluster in clusters(everything)]


def test_what_goes_on_is_one_incident_however_long(reserve: Reserve) -> None:
    for n in range(10):
        reserve.hear(n * COOLDOWN_S, name=f"{n}")
    assert seconds(reserve.bus.events) == [0]
    reserve.hear(9 * COOLDOWN_S + 1 + COOLDOWN_S + 0.001, name="after a pause")
    assert len(reserve.bus.told) == 2


def test_a_middle_that_comes_last_joins_two_incidents_and_tells_of_neither(
    reserve: Reserve,
) -> None:
    reserve.hear(0, name="first")
    reserve.hear(600, name="last")
    reserve.hear(*range(50, 600, 50), name="middle")
    assert seconds(reserve.bus.events) == [0, 600]
    for at in (-90, 25, 300, 690):
        assert reserve.hear(at, name=f"{at}") == []


def test_more_incidents_than_a_transaction_takes_are_joined_all_the_same(
    reserve: Reserve, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "MERGED_AT_ONCE", 2)
    for n in range(7):
        reserve.hear(n * 200, name=f"{n}")
    assert len(reserve.bus.told) == 7
    reserve.hear(*range(0, 1200, 50), name="all along")
    left = aws.dynamodb.query(
        TableName="earshot",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "INCIDENTS#shot#ridge"}},
    )["Items"]
    first = incidents.milliseconds(DAWN)
    assert [(one["first"]["N"], one["last"]["N"]) for one in left] == [
        (str(first), str(first + 1_201_000))
    ]
    assert len(reserve.bus.told) == 7


def test_sites_labels_and_what_is_below_the_threshold_are_apart(aws: Aws) -> None:
    reserve = Reserve(aws, AlertRule("shot", threshold=0.8), AlertRule("truck"))
    assert reserve.hear(0, name="weak", confidence=0.79) == []
    assert reserve.hear(0, name="no rule", label="quiet") == []
    (first,) = reserve.hear(0)
    (second,) = reserve.hear(0, site="creek")
    (third,) = reserve.hear(0, name="t", label="truck")
    assert (first.site, first.label, first.threshold) == ("ridge", "shot", 0.8)
    assert (second.site, third.label, third.threshold) == ("creek", "truck", None)


def test_a_sites_own_rule_stands_in_for_that_of_all_sites(aws: Aws) -> None:
    reserve = Reserve(
        aws,
        AlertRule("shot", cooldown_s=10),
        AlertRule("shot", threshold=0.95, site="range", cooldown_s=1000),
    )
    assert reserve.hear(0, site="range") == []
    assert len(reserve.hear(0, 500, site="range", name="b", confidence=0.99)) == 1
    assert len(reserve.hear(0, 500, site="ridge")) == 2


def test_a_recording_without_a_start_is_taken_by_when_it_came_in(reserve: Reserve) -> None:
    (alert,) = reserve.hear(0, 50, name="x", started_at=None)
    assert (alert.at, alert.received_at) == (None, DAWN)
    # It has its place in time all the same.
    assert reserve.hear(140, name="y") == []


def test_an_alert_is_the_first_detection_of_its_incident(reserve: Reserve) -> None:
    (alert,) = reserve.hear(40, 20, 30)
    assert (alert.at, alert.start_s, alert.end_s) == (later(DAWN, 20), 0, 1)
    assert (alert.peak_confidence, alert.model_version) == (0.9, "m1")
    assert len(alert.alert) == 16
    (event,) = reserve.bus.events
    assert event.alert == alert.alert
    assert not event.test
    for words in ("shot", "ridge", later(DAWN, 20), "0.90", "recordings/ridge/a.wav"):
        assert words in event.summary


def test_who_is_overtaken_between_reading_and_writing_looks_again(
    reserve: Reserve, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Reserve(aws)
    transact = incidents.Table.transact
    raced = []

    def overtaken(table: Any, *actions: Any) -> bool:
        if not raced:
            raced.append(True)
            other.hear(30, name="the other's")
        return transact(table, *actions)

    monkeypatch.setattr(incidents.Table, "transact", overtaken)
    assert reserve.hear(0, name="ours") == []
    assert len(other.bus.told) == 1


def test_who_is_overtaken_again_and_again_lets_the_queue_bring_it_again(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents.Table, "transact", lambda *_: False)
    monkeypatch.setattr(incidents.time, "sleep", lambda _: None)
    with pytest.raises(IncidentContended):
        reserve.hear(0)
