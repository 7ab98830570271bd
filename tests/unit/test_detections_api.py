"""Detections of all recordings over HTTP: by time, label, site and confidence; and their clips."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from conftest import Aws, tape
from earshot.field import chronicle
from earshot.moments import later
from earshot.recording import Detection, FieldRecording, Occurrence, object_id
from earshot.services import occurrences
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from predict.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earshot.services import Services

RIDGE = "recordings/ridge/SMM1_20260301_235950.wav"
CREEK = "recordings/creek/tape.wav"
SPRING = {"since": "2026-02-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    with TestClient(create_app(services), raise_server_exceptions=False) as client:
        yield client


def listed(client: TestClient, **asked: Any) -> list[dict[str, Any]]:
    answer = client.get("/detections", params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["detections"]
    return found


def test_each_tells_where_and_when_it_truly_was(
    client: TestClient, services: Services, aws: Aws
) -> None:
    services.receive(aws.drop(RIDGE, tape()))
    shot, siren = listed(client, **SPRING)
    assert siren["recording"] == shot["recording"] == object_id(RIDGE)
    assert (siren["key"], siren["site"], siren["label"]) == (RIDGE, "ridge", "siren")
    assert (siren["start_s"], siren["end_s"]) == (8.0, 16.0)
    # One before midnight, one after it.
    assert siren["at"] == siren["started_at"] == "2026-03-01T23:59:58.000Z"
    assert shot["at"] == "2026-03-02T00:00:10.000Z"
    assert siren["model_version"] == services.serving.detector().card.version
    assert 0.5 < siren["mean_confidence"] <= siren["peak_confidence"] <= 1
    # Long ago: not among those of the last 30 days.
    assert listed(client) == []


def test_without_notes_it_counts_from_when_it_was_received(
    client: TestClient, services: Services, aws: Aws
) -> None:
    services.receive(aws.drop(CREEK, tape()))
    shot, siren = listed(client)
    received_at = services.analysis.recording(object_id(CREEK)).received_at
    assert [one["started_at"] for one in (shot, siren)] == [None, None]
    assert [one["at"] for one in (siren, shot)] == [later(received_at, s) for s in (8, 20)]


def test_they_are_chosen(client: TestClient, services: Services, aws: Aws) -> None:
    for key in (RIDGE, CREEK.replace("tape", "20260302_120000")):
        services.receive(aws.drop(key, tape()))

    def chosen(**asked: Any) -> list[tuple[str, str]]:
        return [(one["site"], one["label"]) for one in listed(client, **SPRING | asked)]

    assert chosen() == [
        ("creek", "gunshot"),
        ("creek", "siren"),
        ("ridge", "gunshot"),
        ("ridge", "siren"),
    ]
    assert chosen(site="creek") == [("creek", "gunshot"), ("creek", "siren")]
    assert chosen(label="siren") == [("creek", "siren"), ("ridge", "siren")]
    assert chosen(label="siren", site="ridge") == [("ridge", "siren")]
    assert chosen(label="owl") == chosen(site="nowhere") == chosen(min_confidence=1) == []
    assert chosen(since="2026-03-02T00:00:00") == chosen()[:3]
    until = "2026-03-02T01:00:15+01:00"
    assert chosen(since="2026-03-02T00:00:10Z", until=until) == [("ridge", "gunshot")]
    assert chosen(since="2026-03-02T01:00:10+01:00") == chosen()[:3]
    assert chosen(since="2026-03-02T00:00:10.001Z") == chosen()[:2]
    assert chosen(until="2026-03-02T00:00:10Z") == [("ridge", "siren")]
    least = min(one["peak_confidence"] for one in listed(client, **SPRING))
    assert len(chosen(min_confidence=least)) == 4


def test_pages_follow_on_each_other(client: TestClient, services: Services, aws: Aws) -> None:
    for key in (RIDGE, CREEK):
        services.receive(aws.drop(key, tape()))
    asked: dict[str, Any] = {"since": "2026-02-25", "limit": 1, "until": "2027-02-01"}
    found = []
    while True:
        page = client.get("/detections", params=asked).json()
        found += page["detections"]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert found == listed(client, since="2026-02-25", until="2027-02-01")
    assert len(found) == 4


def test_replaced_content_is_not_listed(client: TestClient, services: Services, aws: Aws) -> None:
    services.receive(aws.drop(RIDGE, tape()))
    aws.drop(RIDGE, tape()[: 44 + 2 * 16_000 * 18])
    services.receive(RIDGE)
    assert [one["label"] for one in listed(client, **SPRING)] == ["siren"]


def occurrence(recording: str, number: int, at: str) -> Occurrence:
    return Occurrence(
        recording=recording,
        key="recordings/a/b.wav",
        site=f"site {number % 2}",
        model_version="v",
        at=at,
        started_at=at,
        detection=Detection(0.0, 4.0, ("siren", "gunshot")[number % 3 == 0], 0.9, 0.8),
    )


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    moments=st.lists(st.integers(0, 5 * 86_400), max_size=40),
    limit=st.integers(1, 7),
    label=st.sampled_from([None, "siren"]),
)
def test_pages_have_each_once_the_latest_first_whatever_is_looked_at(
    services: Services,
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    moments: list[int],
    limit: int,
    label: str | None,
) -> None:
    monkeypatch.setattr(chronicle, "PAGE", 4)
    monkeypatch.setattr(occurrences, "MOST_READ", 8)
    for item in aws.dynamodb.scan(TableName="earshot")["Items"]:
        aws.dynamodb.delete_item(TableName="earshot", Key={k: item[k] for k in ("pk", "sk")})
    record = services.analysis.logbook.note("recordings/a/b.wav", "a", 1, "v")
    results = f"results/{record.recording}/3f1c22ab4240/detections.json"
    written = [
        occurrence(record.recording, number, later("2026-01-01T00:00:00Z", at))
        for number, at in enumerate(moments)
    ]
    services.analysis.chronicle.write(results, written)
    wanted = occurrences.Wanted("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z", label)
    # Half written: nothing is listed before the record says so.
    assert services.occurrences.latest(wanted, limit)[0] == []
    finish(services, record, results)
    found: list[Occurrence] = []
    before: str | None = ""
    while before is not None:
        page, before = services.occurrences.latest(wanted, limit, before)
        assert len(page) <= limit
        found += page
    expected = [one for one in written if label in (None, one.detection.label)]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)


def finish(services: Services, record: FieldRecording, results: str) -> None:
    services.analysis.logbook.finish(replace(record, state="analysed", results=results), [])


def test_thousands_are_written_and_found_in_few_calls(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = services.analysis.logbook.note("recordings/a/b.wav", "a", 1, "v")
    results = f"results/{record.recording}/3f1c22ab4240/detections.json"
    calls: list[str] = []
    services.analysis.chronicle._table._client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name)
    )
    start = "2026-01-01T00:00:00Z"
    services.analysis.chronicle.write(
        results, [occurrence(record.recording, n, later(start, 8 * n)) for n in range(1_500)]
    )
    assert calls == ["BatchWriteItem"] * 61
    finish(services, record, results)
    calls.clear()
    wanted = occurrences.Wanted("2026-01-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z")
    found, rest = services.occurrences.latest(wanted, 100)
    assert (len(found), found[0].at) == (100, "2026-01-01T03:19:52.000Z")
    assert rest is not None
    assert len(calls) <= 4
    # What is rare may not be among those that one answer looks at: that takes more answers.
    monkeypatch.setattr(occurrences, "MOST_READ", 500)
    rare, places = replace(wanted, site="nowhere"), [""]
    while True:
        calls.clear()
        found, rest = services.occurrences.latest(rare, 100, places[-1])
        assert found == []
        assert len(calls) <= 8
        if rest is None:
            break
        places.append(rest)
    assert len(places) in (3, 4)


@pytest.mark.parametrize(
    "asked",
    [
        {"limit": 0},
        {"limit": 101},
        {"cursor": "x"},
        {"since": "yesterday"},
        {"until": "0"},
        {"min_confidence": 2},
        {"label": ""},
    ],
)
def test_what_makes_no_sense_is_a_problem(client: TestClient, asked: dict[str, Any]) -> None:
    answer = client.get("/detections", params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("since", ["2026-02-01", "2020-01-01"])
def test_a_span_of_time_has_an_order_and_a_length(client: TestClient, since: str) -> None:
    answer = client.get("/detections", params={"since": since, "until": "2026-01-01"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_time_span")


@pytest.mark.parametrize("until", ["9999-12-31T23:59:59-14:00", "0001-01-02T00:00:00+14:00"])
def test_times_far_away_are_empty(client: TestClient, until: str) -> None:
    assert listed(client, until=until) == []


def test_a_detection_can_be_listened_to(client: TestClient, services: Services, aws: Aws) -> None:
    services.receive(aws.drop(CREEK, tape()))
    shot, siren = listed(client)
    for one, (start_s, end_s) in ((shot, (19.0, 25.0)), (siren, (7.0, 13.0))):
        answer = client.get(one["clip"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/flac")
        samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
        whole, _ = soundfile.read(io.BytesIO(tape()), dtype="int16")
        heard = whole[round(start_s * rate) : round(end_s * rate)]
        if one is shot:
            assert (samples == heard).all()
        assert len(samples) == len(heard)
    told = client.get(f"/recordings/{shot['recording']}/detections").json()["detections"]
    assert [one["clip"] for one in told] == [
        one["clip"].rpartition("/")[2] for one in (siren, shot)
    ]


def test_an_expired_clip_is_said_to_be(client: TestClient, services: Services, aws: Aws) -> None:
    services.receive(aws.drop(CREEK, tape()))
    (waiting, *_) = client.get("/review").json()["reviews"]
    paths = [listed(client)[0]["clip"], f"/review/{waiting['review']}/clip"]
    for one in aws.s3.list_objects_v2(Bucket="artifacts", Prefix="clips/")["Contents"]:
        aws.s3.delete_object(Bucket="artifacts", Key=one["Key"])
    for path in paths:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "clip_not_found")
        assert "ClipDays" in answer.json()["detail"]
    # Nobody can learn from what nobody can hear; but it can go out of the queue.
    path = f"/review/{waiting['review']}"
    answer = client.post(path, json={"verdict": "confirm"})
    assert (answer.status_code, answer.json()["code"]) == (404, "clip_not_found")
    assert client.post(path, json={"verdict": "reject"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/recordings/{0}/clips/3f1c22ab4240-000031.000-000037.000.flac", 404, "clip_not_found"),
        ("/recordings/{0}/clips/detections.json", 422, "invalid_request"),
        (
            "/recordings/0123456789abcdef/clips/3f1c22ab4240-000031.000-000037.000.flac",
            404,
            "recording_not_found",
        ),
    ],
)
def test_no_other_clip_is_there(
    client: TestClient, services: Services, aws: Aws, path: str, status: int, code: str
) -> None:
    services.receive(aws.drop(CREEK, tape()))
    answer = client.get(path.format(object_id(CREEK)))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
