from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import Aws, clip, encode, pcm, with_open_labels
from earshot.errors import NotEnoughSamples, RetrainInProgress
from earshot.store import SampleKey

if TYPE_CHECKING:
    from earshot.services import Services


def drop(services: Services, aws: Aws, key: str, body: bytes) -> str:
    aws.drop(key, body)
    return services.receive(key).state


def test_a_labelled_clip_is_catalogued_with_its_embedding(services: Services, aws: Aws) -> None:
    assert drop(services, aws, "samples/siren/a.wav", clip("siren")) == "added"
    (sample,) = services.catalog.samples()
    detector = services.serving.detector()
    assert sample.label == "siren"
    assert sample.embedded_by == detector.card.embedding_id
    assert sample.embedding.shape == (1, detector.card.embedding_dim)


def test_the_same_clip_changes_nothing_whatever_its_name_or_container(
    services: Services, aws: Aws
) -> None:
    assert drop(services, aws, "samples/siren/a.wav", clip("siren")) == "added"
    assert services.receive("samples/siren/a.wav").state == "duplicate"
    assert drop(services, aws, "samples/siren/b.wav", clip("siren")) == "duplicate"
    assert (
        drop(services, aws, "samples/siren/c.flac", encode(pcm("siren"), container="FLAC"))
        == "duplicate"
    )
    assert services.catalog.standing().labels == {"siren": 1}


@pytest.mark.parametrize(
    ("key", "body", "code"),
    [
        ("samples/siren/empty.wav", b"", "empty_recording"),
        ("samples/siren/text.wav", b"I am text", "unsupported_format"),
        ("samples/siren/cut.wav", clip("siren")[:5000], "truncated_recording"),
        ("samples/siren/one.wav", encode(np.zeros(1)), "recording_too_short"),
        ("samples/owl/a.wav", clip("siren"), "unknown_label"),
        ("samples/a.wav", clip("siren"), "bad_key"),
        ("samples/ /a.wav", clip("siren"), "bad_key"),
        ("elsewhere/a.wav", clip("siren"), "bad_key"),
        ("recordings/a.wav", clip("siren"), "bad_key"),
    ],
)
def test_a_bad_object_is_recorded_with_its_reason_and_moved_on_from(
    services: Services, aws: Aws, key: str, body: bytes, code: str
) -> None:
    assert drop(services, aws, key, body) == "refused"
    assert services.receive(key).state == "refused"
    (refusal,) = services.arrivals.refusals()
    assert (refusal.key, refusal.code) == (key, code)
    assert services.catalog.standing().total == 0


def test_the_same_sound_under_two_labels_is_refused(services: Services, aws: Aws) -> None:
    drop(services, aws, "samples/siren/a.wav", clip("siren"))
    assert drop(services, aws, "samples/casual/a.wav", clip("siren")) == "refused"
    (refusal,) = services.arrivals.refusals()
    assert refusal.code == "label_conflict"
    assert "samples/siren/a.wav" in refusal.reason


def test_an_open_application_takes_new_labels(services: Services, aws: Aws) -> None:
    open_services = with_open_labels(services)
    assert drop(open_services, aws, "samples/owl/a.wav", clip("siren")) == "added"
    assert services.catalog.standing().labels == {"owl": 1}


def test_folder_markers_and_objects_that_are_gone_are_no_fault(
    services: Services, aws: Aws
) -> None:
    assert drop(services, aws, "samples/siren/", b"") == "ignored"
    assert services.receive("samples/siren/gone.wav").state == "gone"
    assert services.arrivals.refusals() == []


def test_a_fault_of_the_world_is_raised_for_the_queue(services: Services, aws: Aws) -> None:
    aws.s3.delete_bucket(Bucket="recordings")
    with pytest.raises(aws.s3.exceptions.ClientError):
        services.receive("samples/siren/a.wav")


def test_crossing_the_threshold_asks_once(services: Services, aws: Aws) -> None:
    for n in range(7):
        drop(services, aws, f"samples/siren/{n}.wav", clip("siren", n))
        services.receive(f"samples/siren/{n}.wav")
    (event,) = aws.published()
    assert event["detail-type"] == "RetrainRequested"
    (run,) = services.ledger.runs()
    assert event["detail"]["run"] == run.run
    assert run.samples == 5
    assert services.catalog.standing().new == 2


def test_a_training_by_hand(services: Services, aws: Aws) -> None:
    with pytest.raises(NotEnoughSamples, match="0 new samples"):
        services.training.request("try", min_new_samples=1)
    run = services.training.request("try")
    with pytest.raises(RetrainInProgress, match=run.run):
        services.training.request("again")
    (event,) = aws.published()
    assert event["detail"] == {"run": run.run, "reason": "try", "requested_at": run.requested_at}


def test_a_request_that_cannot_be_published_stands_until_a_sweep_publishes_it(
    services: Services, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(services.training.publisher, "publish", fail)
        for n in range(4):
            drop(services, aws, f"samples/siren/{n}.wav", clip("siren", n))
        assert drop(services, aws, "samples/siren/4.wav", clip("siren", 4)) == "added"
    (run,) = services.ledger.runs()
    assert (run.state, run.publications) == ("requested", 0)
    # What the queue brings again makes no second one.
    assert services.receive("samples/siren/4.wav").state == "duplicate"
    assert aws.published() == []
    replace(services.sweep, clock=lambda: time.time() + 61).run()
    (event,) = aws.published()
    assert event["detail"]["run"] == run.run
    assert services.ledger.run(run.run).publications == 1
    assert services.catalog.standing().new == 0


def test_a_refusal_ends_when_the_object_is_good(services: Services, aws: Aws) -> None:
    drop(services, aws, "samples/siren/a.wav", clip("siren"))
    assert drop(services, aws, "samples/siren/b.wav", b"bad") == "refused"
    assert drop(services, aws, "samples/siren/b.wav", clip("siren")) == "duplicate"
    assert services.arrivals.refusals() == []


def test_an_answer_is_counted_and_given_even_if_it_cannot_be_counted(
    services: Services, aws: Aws
) -> None:
    first = services.classify(clip("siren"))
    assert services.statistics.totals().predictions == 1
    aws.dynamodb.delete_table(TableName="earshot")
    assert services.classify(clip("siren")) == first


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("samples/siren/a.wav", SampleKey("siren", None)),
        ("samples/fan-tailed raven/a.wav", SampleKey("fan-tailed raven", None)),
        ("samples/été/a.wav", SampleKey("été", None)),
        # As macOS writes it, letters and accents apart; and scripts whose vowels are marks.
        ("samples/e\u0301te\u0301/a.wav", SampleKey("été", None)),
        (
            "samples/\u0938\u093e\u092f\u0930\u0928/a.wav",
            SampleKey("\u0938\u093e\u092f\u0930\u0928", None),
        ),
        ("samples/siren/tape 7/a.wav", SampleKey("siren", "tape 7")),
        ("samples/siren/2026/tape/a.wav", SampleKey("siren", "2026/tape")),
    ],
)
def test_a_key_names_label_and_recording(key: str, expected: Any) -> None:
    assert SampleKey.parse(key) == expected
