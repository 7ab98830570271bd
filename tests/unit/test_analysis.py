"""Recordings through the use cases: analysed once, listed whole, whatever fails in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pytest
import soundfile
from conftest import REPOSITORY, Aws, clip, encode, pcm, tape
from earshot.errors import NotAnalysed, RecordingNotFound, RecordingReplaced
from earshot.field.chronicle import Chronicle
from earshot.field.formats import FORMATS
from earshot.field.logbook import Logbook
from earshot.field.results import Results
from earshot.services.occurrences import Wanted
from earshot.settings import Settings
from earshot.wiring import wire

if TYPE_CHECKING:
    from earshot.recording import FieldRecording
    from earshot.services import Services

KEY = "recordings/ridge/2026/tape.wav"


def drop(services: Services, aws: Aws, body: bytes, key: str = KEY) -> str:
    return services.receive(aws.drop(key, body)).state


def only(services: Services) -> FieldRecording:
    ((record,), rest) = services.analysis.recordings(None, 10)
    assert rest is None
    return record


def heard(services: Services) -> list[str]:
    """The labels of the detections of all recordings, the latest first."""
    found, _ = services.occurrences.latest(Wanted("1970", "2100"), 100)
    return [one.detection.label for one in found]


def results(aws: Aws, folder: str = "results/") -> dict[str, bytes]:
    """What lies in a folder of the artifacts bucket, by key."""
    listed = aws.s3.list_objects_v2(Bucket="artifacts", Prefix=folder).get("Contents", [])
    return {
        one["Key"]: aws.s3.get_object(Bucket="artifacts", Key=one["Key"])["Body"].read()
        for one in listed
    }


def test_what_is_heard_is_listed_with_its_times(services: Services, aws: Aws) -> None:
    assert drop(services, aws, tape()) == "analysed"
    record = only(services)
    assert (record.key, record.site, record.state) == (KEY, "ridge", "analysed")
    assert (record.size, record.duration_s) == (len(tape()), 36.0)
    assert record.detections == {"siren": 1, "gunshot": 1}
    assert record.model_version == services.serving.detector().card.version
    found = services.analysis.detections(record.recording)
    assert [(one.label, one.start_s, one.end_s) for one in found.detections] == [
        ("siren", 8.0, 16.0),
        ("gunshot", 20.0, 24.0),
    ]
    assert (found.background, found.high_hz) == ("casual", 8000.0)


def test_the_same_event_again_changes_nothing(services: Services, aws: Aws) -> None:
    drop(services, aws, tape())
    before = (only(services), results(aws), services.reviews.waiting(10))
    assert services.receive(KEY).state == "analysed"
    assert (only(services), results(aws), services.reviews.waiting(10)) == before
    assert services.analysis.total() == 1


@pytest.mark.parametrize("at", [1, 2, 5, 6, 9, 10, 11])
def test_a_crash_leaves_nothing_half_visible_and_a_repetition_ends_it(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The write that fails: the part, one of four clips or formats, the list, or the record."""
    writes = 0

    def counted(write: Any) -> Any:
        def failing(*given: Any, **named: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == at:
                raise ConnectionError
            return write(*given, **named)

        return failing

    with monkeypatch.context() as patched:
        patched.setattr(Results, "keep", counted(Results.keep))
        patched.setattr(Chronicle, "write", counted(Chronicle.write))
        patched.setattr(Logbook, "finish", counted(Logbook.finish))
        with pytest.raises(ConnectionError):
            drop(services, aws, tape())
    assert only(services).state == "analysing"
    assert heard(services) == []
    assert services.reviews.waiting(10) == []
    with pytest.raises(NotAnalysed, match="of it is heard"):
        services.analysis.detections(only(services).recording)

    assert services.receive(KEY).state == "analysed"
    assert len(services.reviews.waiting(10)) == 2
    assert len(heard(services)) == 2
    assert len(results(aws)) == len(FORMATS)
    assert len(results(aws, "clips/")) == 4
    assert services.analysis.total() == 1


def test_other_content_at_the_key_is_another_analysis(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.field.logbook.now", lambda: "2026-11-21T10:00:00.000Z")
    drop(services, aws, tape())
    first = only(services)
    monkeypatch.setattr("earshot.field.logbook.now", lambda: "2026-11-21T11:00:00.000Z")
    assert drop(services, aws, clip("siren")) == "analysed"
    second = only(services)
    assert second.recording == first.recording
    assert second.received_at == "2026-11-21T11:00:00.000Z"
    assert services.analysis.recordings("ridge", 10)[0] == [second]
    assert second.detections == {"siren": 1}
    assert services.analysis.detections(second.recording).duration_s == 4.0
    assert services.analysis.total() == 1


def test_who_is_overtaken_by_other_content_hides_nothing_of_it(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow worker ends after the object was replaced, and analysed by another worker."""
    slow = services.analysis
    quick = wire(Settings.from_environment(), boto3.client).analysis
    keep = Results.keep

    def overtaken(self: Results, key: str, content: bytes, media_type: str) -> None:
        monkeypatch.setattr(Results, "keep", keep)
        aws.drop(KEY, clip("siren"))
        quick.receive(KEY)
        keep(self, key, content, media_type)

    aws.drop(KEY, tape())
    monkeypatch.setattr(Results, "keep", overtaken)
    with pytest.raises(RecordingReplaced):
        slow.receive(KEY)
    assert only(services).detections == {"siren": 1}
    assert services.analysis.detections(only(services).recording).duration_s == 4.0
    assert services.reviews.waiting(10) == []
    # The queue brings the slow worker's message again.
    assert services.receive(KEY).state == "analysed"


def test_a_twin_that_was_first_is_no_fault(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Results.keep

    def overtaken(self: Results, key: str, content: bytes, media_type: str) -> None:
        monkeypatch.setattr(Results, "keep", keep)
        services.receive(KEY)
        keep(self, key, content, media_type)

    aws.drop(KEY, tape())
    monkeypatch.setattr(Results, "keep", overtaken)
    assert services.receive(KEY).state == "analysed"
    assert len(services.reviews.waiting(10)) == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_recording"),
        (b"I am text", "unsupported_format"),
        (encode(np.zeros(100, dtype=np.int16)), "recording_too_short"),
        (encode(np.full(16_000, np.nan), subtype="FLOAT"), "non_finite_samples"),
    ],
)
def test_what_cannot_be_analysed_is_refused_with_its_reason(
    services: Services, aws: Aws, body: bytes, code: str
) -> None:
    for _ in range(2):
        assert drop(services, aws, body) == "refused"
    record = only(services)
    (refusal,) = services.arrivals.refusals()
    assert (record.state, record.code) == ("refused", code)
    assert (refusal.key, refusal.code, refusal.reason) == (KEY, code, record.reason)
    with pytest.raises(NotAnalysed) as raised:
        services.analysis.detections(record.recording)
    assert str(record.reason) in str(raised.value)
    # A good recording in its place ends it.
    assert drop(services, aws, tape()) == "analysed"
    assert services.arrivals.refusals() == []
    assert only(services).code is None


def test_more_than_ten_minutes_are_heard_and_what_was_cut_as_far_as_it_goes(
    services: Services, aws: Aws
) -> None:
    long = encode(np.resize(pcm("siren"), 700 * 16_000))
    assert drop(services, aws, long[:-400_000]) == "analysed"
    record = only(services)
    assert record.duration_s == 687.5
    assert (
        sum(
            one.end_s - one.start_s
            for one in services.analysis.detections(record.recording).detections
        )
        > 600
    )


def test_without_a_model_a_recording_waits(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("EARSHOT_DEFAULT_BUNDLE", str(tmp_path / "none"))
        modelless = wire(Settings.from_environment(), boto3.client)
        assert drop(modelless, aws, tape()) == "recorded"
    assert (only(services).state, only(services).code) == ("received", "no_model")
    with pytest.raises(NotAnalysed, match="no model yet"):
        services.analysis.detections(only(services).recording)
    # Now there is one.
    assert services.receive(KEY).state == "analysed"
    assert only(services).code is None


def test_a_fault_of_the_world_is_raised_for_the_queue(services: Services, aws: Aws) -> None:
    aws.s3.delete_bucket(Bucket="artifacts")
    with pytest.raises(aws.s3.exceptions.ClientError):
        drop(services, aws, tape())


@pytest.mark.parametrize("key", ["recordings/a.wav", "recordings//a.wav", "recordings/"])
def test_a_recording_without_a_site_is_no_recording(services: Services, aws: Aws, key: str) -> None:
    assert drop(services, aws, tape(), key) in ("refused", "ignored")
    assert services.analysis.total() == 0


def test_lists_are_read_page_by_page_the_latest_first(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        at = f"2026-11-21T10:00:{number:02}.000Z"
        monkeypatch.setattr("earshot.field.logbook.now", lambda at=at: at)
        drop(services, aws, clip("siren"), f"recordings/{('ridge', 'creek')[number % 2]}/{number}")

    def names(site: str | None, limit: int) -> list[list[str]]:
        pages, rest = [], ""
        while True:
            found, following = services.analysis.recordings(site, limit, rest)
            pages.append([record.key.rpartition("/")[2] for record in found])
            if following is None:
                return pages
            rest = following

    assert names(None, 3) == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    assert names(None, 7) == [["6", "5", "4", "3", "2", "1", "0"]]
    assert names("creek", 2) == [["5", "3"], ["1"]]
    assert names("nowhere", 2) == [[]]
    assert services.analysis.total() == 7


def test_the_background_is_the_applications_word_for_silence(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert services.application.silence_label == "casual"
    application = (REPOSITORY / "infra" / "applications" / "surveillance.toml").read_text()
    (tmp_path / "without.toml").write_text(application.replace("silence_label", "# "))
    monkeypatch.setenv("EARSHOT_APPLICATION", str(tmp_path / "without.toml"))
    without = wire(Settings.from_environment(), boto3.client)
    drop(without, aws, tape())
    assert only(without).detections["casual"] == 3


def test_nothing_is_known_by_another_id(services: Services) -> None:
    for unknown in ("0" * 16, "x", "../champion.json", "a" * 3000):
        with pytest.raises(RecordingNotFound):
            services.analysis.recording(unknown)


def test_the_stored_document_is_where_the_record_says(services: Services, aws: Aws) -> None:
    drop(services, aws, tape())
    record = only(services)
    assert str(record.results).startswith(f"results/{record.recording}/")
    content = json.loads(results(aws)[str(record.results)])
    assert (content["schema"], content["recording"]) == (1, record.recording)


def test_real_sounds_are_found_where_they_are(services: Services, aws: Aws, data_dir: Path) -> None:
    """Two minutes of real everyday sound with a real siren and real shots in it."""

    def real(label: str, number: int, seconds: int) -> Any:
        path = sorted((data_dir / "sesa" / "train" / label).glob("*.flac"))[number]
        samples, rate = soundfile.read(path, dtype="int16")
        assert rate == 16000
        return np.resize(samples, seconds * rate)

    quiet = [real("casual", number, 20) for number in (2, 3, 7, 9, 11)]
    loud = [real("siren", 2, 12), real("gunshot", 3, 8)]
    minutes = np.concatenate([quiet[0], quiet[1], loud[0], quiet[2], loud[1], quiet[3], quiet[4]])
    assert drop(services, aws, encode(minutes)) == "analysed"
    found = services.analysis.detections(only(services).recording).detections

    def heard(label: str) -> list[tuple[float, float]]:
        return [(one.start_s, one.end_s) for one in found if one.label == label]

    assert heard("siren") == [(40.0, 52.0)]
    assert (72.0, 80.0) in heard("gunshot")
