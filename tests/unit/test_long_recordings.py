"""Long recordings: heard in parts, gone on with by others, and the same in the end."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pytest
from conftest import Aws, encode, pcm
from earshot.detector import Detector
from earshot.errors import NotAnalysed
from earshot.events import Publisher
from earshot.field import listening
from earshot.services import analysis
from earshot.settings import Settings
from earshot.wiring import wire

from ingest.deadline import MARGIN_MS, goes_on
from ingest.events import RecordingLeft, objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earshot.bundle import Bundle
    from earshot.recording import FieldRecording
    from earshot.services import Services

KEY = "recordings/ridge/2MM1_20260101_060000.wav"
WINDOWS = 20
NEWER = "20270101-000000-000000"


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part has four windows: the recording five parts."""
    monkeypatch.setattr(listening, "PART", 4)


@pytest.fixture(scope="module")
def night() -> bytes:
    """80 s: a siren at 16 to 32 s, a shot at 60 s, otherwise nothing."""
    hush = np.zeros_like(pcm("siren"))
    windows = [hush] * WINDOWS
    windows[4:8] = [pcm("siren", seed) for seed in (0, 2, 0, 2)]
    windows[15] = pcm("gunshot")
    return encode(np.concatenate(windows))


def budget(parts: int) -> Callable[[], bool]:
    """Says yes so many times."""
    left = iter([True] * parts)
    return lambda: next(left, False)


def only(services: Services) -> FieldRecording:
    ((record,), _) = services.analysis.recordings(None, 10)
    return record


def found(services: Services) -> list[tuple[str, float, float]]:
    detections = services.analysis.detections(only(services).recording).detections
    return [(one.label, one.start_s, one.end_s) for one in detections]


def kept(aws: Aws, folder: str) -> dict[str, bytes]:
    listed = aws.s3.list_objects_v2(Bucket="artifacts", Prefix=folder).get("Contents", [])
    return {
        one["Key"]: aws.s3.get_object(Bucket="artifacts", Key=one["Key"])["Body"].read()
        for one in listed
    }


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many windows the model was asked about, each time."""
    asked: list[int] = []
    run = Detector.run

    def counted(self: Detector, batch: Any, *rest: Any) -> Any:
        asked.append(len(batch))
        return run(self, batch, *rest)

    monkeypatch.setattr(Detector, "run", counted)
    return asked


def goings_on(aws: Aws) -> Iterator[str]:
    """The keys that events ask to go on with."""
    for event in aws.published():
        if event["detail-type"] == "AnalysisContinues":
            yield event["detail"]["key"]


def test_who_runs_out_of_time_leaves_the_rest_to_others(
    services: Services, aws: Aws, night: bytes, batches: list[int]
) -> None:
    services.serving.detector()
    batches.clear()
    aws.drop(KEY, night)
    outcome = services.receive(KEY, budget(2))
    assert (outcome.state, outcome.detail) == ("analysing", "40% of it is heard")
    record = only(services)
    assert (record.state, record.progress) == ("analysing", 0.4)
    assert record.notes is not None
    assert record.notes.started_at == "2026-01-01T06:00:00.000Z"
    with pytest.raises(NotAnalysed, match="40% of it is heard"):
        services.analysis.detections(record.recording)
    assert list(goings_on(aws)) == [KEY]

    # Another process goes on: no window is heard twice.
    others = wire(Settings.from_environment(), boto3.client)
    others.serving.detector()
    batches.clear()
    assert others.receive(KEY, budget(1)).state == "analysing"
    assert sum(batches) == 4
    assert list(goings_on(aws)) == [KEY]
    assert others.receive(KEY).state == "analysed"
    # But those of the two detections, one by one, for what they are found by.
    assert sum(batches) == 12 + 2
    assert list(goings_on(aws)) == []
    assert found(services) == [("siren", 16.0, 32.0), ("gunshot", 60.0, 64.0)]
    assert only(services).progress is None


def test_in_parts_it_comes_to_the_same_as_in_one_piece(
    services: Services, aws: Aws, night: bytes
) -> None:
    aws.drop(KEY, night)
    assert services.receive(KEY).state == "analysed"
    at_once = kept(aws, "results/") | kept(aws, "clips/") | kept(aws, "parts/")
    whole = only(services)
    for item in aws.dynamodb.scan(TableName="earshot")["Items"]:
        aws.dynamodb.delete_item(TableName="earshot", Key={k: item[k] for k in ("pk", "sk")})
    for key in at_once:
        aws.s3.delete_object(Bucket="artifacts", Key=key)
    # A yes for each part and each clip, one at a time.
    invocations = 0
    while services.receive(KEY, budget(1)).state == "analysing":
        invocations += 1
    assert invocations > 5
    assert kept(aws, "results/") | kept(aws, "clips/") | kept(aws, "parts/") == at_once
    in_parts = only(services)
    assert in_parts.detections == whole.detections
    assert in_parts.results == whole.results


def test_no_time_at_all_still_asks_for_somebody(services: Services, aws: Aws, night: bytes) -> None:
    aws.drop(KEY, night)
    assert services.receive(KEY, budget(0)).state == "analysing"
    assert only(services).progress is None
    assert list(goings_on(aws)) == [KEY]


def serve(services: Services, bundle: Bundle, version: str) -> None:
    """Put the same model into service under another name."""
    card = replace(bundle.card, version=version)
    services.registry.publish(card, {"model.onnx": bundle.model})
    services.models.promote_by_hand(version, "a person", "newer")


def test_the_model_that_began_goes_on_whatever_serves_by_then(
    services: Services, aws: Aws, night: bytes, default_bundle: Bundle
) -> None:
    aws.drop(KEY, night)
    services.receive(KEY, budget(2))
    began = only(services).model_version
    serve(services, default_bundle, NEWER)
    assert services.serving.detector().card.version == NEWER
    assert services.receive(KEY).state == "analysed"
    assert only(services).model_version == began


def test_if_it_is_gone_the_one_in_service_begins_anew(
    services: Services, aws: Aws, night: bytes, default_bundle: Bundle, batches: list[int]
) -> None:
    serve(services, default_bundle, NEWER)
    aws.drop(KEY, night)
    services.receive(KEY, budget(2))
    assert only(services).model_version == NEWER
    services.models.roll_back("a person", "worse")
    for key in kept(aws, f"models/{NEWER}/"):
        aws.s3.delete_object(Bucket="artifacts", Key=key)
    batches.clear()
    assert services.receive(KEY).state == "analysed"
    assert only(services).model_version == services.serving.detector().card.version
    assert sum(batches) >= WINDOWS
    assert found(services) == [("siren", 16.0, 32.0), ("gunshot", 60.0, 64.0)]


def test_two_workers_at_once_do_no_harm(
    services: Services, aws: Aws, night: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = wire(Settings.from_environment(), boto3.client)
    run = Detector.run
    asked = 0

    def overtaken(self: Detector, batch: Any, *rest: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 3:
            monkeypatch.setattr(Detector, "run", run)
            assert other.receive(KEY).state == "analysed"
        return run(self, batch, *rest)

    services.serving.detector()
    other.serving.detector()
    aws.drop(KEY, night)
    monkeypatch.setattr(Detector, "run", overtaken)
    assert services.receive(KEY).state == "analysed"
    assert found(services) == [("siren", 16.0, 32.0), ("gunshot", 60.0, 64.0)]
    assert services.analysis.total() == 1


def test_other_content_in_between_is_heard_from_its_start(
    services: Services, aws: Aws, night: bytes
) -> None:
    aws.drop(KEY, night)
    services.receive(KEY, budget(2))
    aws.drop(KEY, encode(np.concatenate([pcm("siren")] * 8)))
    assert services.receive(KEY, budget(1)).state == "analysing"
    assert only(services).progress == 0.5
    assert services.receive(KEY).state == "analysed"
    assert found(services) == [("siren", 0.0, 32.0)]


def test_who_dies_before_asking_for_others_is_found_by_the_sweep(
    services: Services, aws: Aws, night: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise ConnectionError

    aws.drop(KEY, night)
    with monkeypatch.context() as patched:
        patched.setattr(Publisher, "publish", dies)
        with pytest.raises(ConnectionError):
            services.receive(KEY, budget(2))
    assert replace(services.sweep, clock=later_by(3_600)).run().repairs == {}
    # Somebody may be at it; after hours nobody is. The sweep has little time, too.
    report = replace(services.sweep, clock=later_by(3 * 3_600)).run(budget(1))
    assert report.repairs == {"object_received": 1}
    assert only(services).progress == 0.6
    assert list(goings_on(aws)) == [KEY]
    assert services.receive(KEY).state == "analysed"
    assert replace(services.sweep, clock=later_by(9 * 3_600)).run().repairs == {}


def later_by(seconds: float) -> Callable[[], float]:
    return lambda: time.time() + seconds


def test_how_far_it_is_is_written_down_now_and_then(
    services: Services, aws: Aws, night: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "TELL_S", 0.0)
    seen: list[float | None] = []
    save = analysis._Parts.save

    def looking(self: Any, part: int, content: bytes) -> None:
        seen.append(only(services).progress)
        save(self, part, content)

    monkeypatch.setattr(analysis._Parts, "save", looking)
    aws.drop(KEY, night)
    services.receive(KEY)
    assert seen == [None, 0.2, 0.4, 0.6, 0.8]


def test_only_the_surest_detections_have_clips(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.services.heard.MOST_CLIPS", 2)
    hush = np.zeros_like(pcm("siren"))
    shots = [sound for seed in range(4) for sound in (pcm("siren", seed), hush)]
    services.receive(aws.drop(KEY, encode(np.concatenate(shots))))
    record = only(services)
    detections = services.analysis.detections(record.recording).detections
    with_clips = [one for one in detections if one.clip]
    assert len(detections) > len(with_clips) == 2
    least = min(one.peak_confidence for one in with_clips)
    assert all(one.peak_confidence <= least for one in detections if not one.clip)
    assert len([key for key in kept(aws, "clips/") if key.endswith(".flac")]) == 2


def test_an_invocation_goes_on_until_little_time_is_left() -> None:
    class Invocation:
        left = MARGIN_MS + 1

        def get_remaining_time_in_millis(self) -> int:
            return self.left

    invocation = Invocation()
    asked = goes_on(invocation)
    assert asked()
    invocation.left = MARGIN_MS
    assert not asked()
    assert goes_on(None)()


def test_the_event_comes_back_as_that_recording(services: Services, aws: Aws, night: bytes) -> None:
    aws.drop(KEY, night)
    services.receive(KEY, budget(0))
    (event,) = aws.published()
    assert list(objects(json.dumps(event))) == [RecordingLeft(KEY)]
