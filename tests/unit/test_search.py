"""Search by example: what comes in is found by its sound, for as long as it is there."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import Aws, clip, encode, sound, tape
from earshot.errors import NothingToSearchBy, RecordingNotFound
from earshot.recording import object_id
from earshot.search.index import Wanted
from earshot.search.vectors import space_of
from earshot.services import Services
from earshot.services.search import Found

ANY = Wanted()
TAPE = "recordings/ridge/tape.wav"


def take_in(aws: Aws, services: Services, **objects: bytes) -> None:
    """Samples by ``label_number``."""
    for name, body in objects.items():
        label, _, number = name.partition("_")
        services.receive(aws.drop(f"samples/{label}/{number}.wav", body))


def keys(found: Found) -> list[str]:
    return [match.key for match in found.matches]


@pytest.fixture
def stocked(aws: Aws, services: Services) -> Services:
    """Three labels' samples, and a tape with a siren and a shot."""
    sounds = {
        f"{label}_{n}": clip(label, n) for label in ("siren", "gunshot", "casual") for n in (3, 4)
    }
    take_in(aws, services, **sounds)
    services.receive(aws.drop(TAPE, tape()))
    return services


def test_what_came_in_is_found_by_its_sound_at_once_and_after_each_sweep(
    aws: Aws, stocked: Services
) -> None:
    for _ in range(3):
        found = stocked.search.by_sound(clip("siren", 3), ANY, 3)
        first = found.matches[0]
        assert (first.key, first.similarity) == ("samples/siren/3.wav", pytest.approx(1, abs=1e-3))
        assert {match.label for match in found.matches} == {"siren"}
        stocked.sweep.run()
        take_in(aws, stocked, siren_5=clip("siren", 5))


def test_a_sweep_packs_what_came_in_and_changes_no_answer(aws: Aws, stocked: Services) -> None:
    before = stocked.search.by_sound(clip("gunshot", 9), ANY, 20)
    stocked.packing.run()
    space = space_of(stocked.serving.detector().card.embedding_id)
    listing = stocked.vectors.listing(space)
    assert (len(listing.fresh), len(listing.segments)) == (0, 1)
    after = stocked.search.by_sound(clip("gunshot", 9), ANY, 20)
    assert after.searched == before.searched == len(after.matches)
    before_by = {(one.source, one.start_s): one.similarity for one in before.matches}
    after_by = {(one.source, one.start_s): one.similarity for one in after.matches}
    assert after_by == pytest.approx(before_by, abs=0.002)


def test_a_stretch_of_a_recording_is_answered_with_all_that_it_takes_to_label_it(
    stocked: Services,
) -> None:
    (nearest, *_) = stocked.search.by_sound(clip("siren"), Wanted("recordings"), 5).matches
    assert (nearest.kind, nearest.key, nearest.site) == ("recording", TAPE, "ridge")
    assert (nearest.label, nearest.start_s, nearest.end_s) == ("siren", 8.0, 12.0)
    assert nearest.confidence is not None
    assert nearest.clip
    assert stocked.analysis.clip(nearest.source, nearest.clip)


def test_what_is_asked_about_in_review_is_found_with_its_question(stocked: Services) -> None:
    asked = {review.review: review for review in stocked.reviews.waiting(20)}
    found = stocked.search.by_sound(clip("casual", 1), Wanted("recordings"), 50)
    questions = {match.review: match for match in found.matches if match.review}
    assert set(questions) == set(asked)
    for review, match in questions.items():
        assert match.start_s == asked[review].doubt.start_s


def test_only_what_is_wanted_is_found(stocked: Services) -> None:
    everything = {"siren", "gunshot", "casual"}
    for _ in range(2):
        for wish, kinds, labels in (
            (Wanted("samples"), {"sample"}, everything),
            (Wanted("recordings"), {"recording"}, None),
            (Wanted("all", None, "gunshot"), {"sample", "recording"}, {"gunshot"}),
            (Wanted("all", "ridge"), {"recording"}, None),
            (Wanted("all", "valley"), set(), set()),
            (Wanted("samples", None, "owl"), set(), set()),
        ):
            found = stocked.search.by_sound(clip("gunshot"), wish, 100)
            assert {match.kind for match in found.matches} == kinds
            if labels is not None:
                assert {match.label for match in found.matches} == labels
        stocked.packing.run()


def test_more_like_a_stretch_or_a_sample_that_is_stored_without_itself(stocked: Services) -> None:
    recording = object_id(TAPE)
    of_stretch = stocked.search.by_stretch(recording, 9.0, ANY, 50)
    assert of_stretch.matches[0].label == "siren"
    assert (TAPE, 8.0) not in [(match.key, match.start_s) for match in of_stretch.matches]
    sample = next(one for one in stocked.catalog.samples() if one.label == "gunshot")
    of_sample = stocked.search.by_sample(sample.sha256, ANY, 50)
    assert of_sample.matches[0].label == "gunshot"
    assert sample.key not in keys(of_sample)
    assert len(of_sample.matches) == of_sample.searched - 1


def test_what_was_not_kept_cannot_be_searched_by(stocked: Services) -> None:
    # At 5 s nothing was heard; the siren begins at 8.
    for start_s in (5.0, 12.1, 2000.0):
        with pytest.raises(NothingToSearchBy, match="neither among its surest"):
            stocked.search.by_stretch(object_id(TAPE), start_s, ANY, 5)
    with pytest.raises(RecordingNotFound):
        stocked.search.by_stretch("0" * 16, 0.0, ANY, 5)
    with pytest.raises(NothingToSearchBy, match="no sample"):
        stocked.search.by_sample("0" * 64, ANY, 5)


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_gone_or_was_replaced_is_not_found(
    aws: Aws, stocked: Services, packed: bool
) -> None:
    if packed:
        stocked.packing.run()
    aws.s3.delete_object(Bucket="recordings", Key="samples/siren/3.wav")
    stocked.forget("samples/siren/3.wav")
    hush = encode(np.zeros(64_000, dtype=np.float32))
    stocked.receive(aws.drop(TAPE, hush))
    found = stocked.search.by_sound(clip("siren", 3), ANY, 100)
    assert "samples/siren/3.wav" not in keys(found)
    assert "samples/siren/4.wav" in keys(found)
    assert "siren" not in {match.label for match in found.matches if match.kind == "recording"}


def test_a_sample_that_gets_another_label_is_found_by_that(aws: Aws, stocked: Services) -> None:
    services = stocked
    aws.s3.delete_object(Bucket="recordings", Key="samples/siren/3.wav")
    services.forget("samples/siren/3.wav")
    take_in(aws, services, casual_9=clip("siren", 3))
    services.packing.run()
    found = services.search.by_sound(clip("siren", 3), Wanted("samples", None, "casual"), 1)
    assert keys(found) == ["samples/casual/9.wav"]


@pytest.mark.parametrize("packed", [False, True])
def test_a_sample_is_found_by_the_label_that_stands_among_those_it_was_told_under(
    aws: Aws, services: Services, packed: bool
) -> None:
    def found() -> list[list[str]]:
        if packed:
            services.packing.run()
        wishes = (Wanted("samples", None, label) for label in ("siren", "gunshot", None))
        return [keys(services.search.by_sound(clip("siren", 3), wish, 5)) for wish in wishes]

    take_in(aws, services, siren_3=clip("siren", 3))
    found()
    take_in(aws, services, gunshot_3=clip("siren", 3))
    stands = ["samples/siren/3.wav"]
    assert found() == [stands, [], stands]
    aws.s3.delete_object(Bucket="recordings", Key=stands[0])
    services.forget(stands[0])
    heir = ["samples/gunshot/3.wav"]
    assert found() == [[], heir, heir]


def test_what_is_gone_hides_nothing_that_is_there_and_a_day_later_is_held_no_more(
    aws: Aws, stocked: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earshot.services.search.LOOKED_UP", 1)
    stocked.receive(aws.drop("recordings/cliff/tape.wav", tape()))
    stocked.packing.run()
    for number in (3, 4):
        aws.s3.delete_object(Bucket="recordings", Key=f"samples/siren/{number}.wav")
        stocked.forget(f"samples/siren/{number}.wav")
    stocked.receive(aws.drop(TAPE, encode(np.zeros(64_000, dtype=np.float32))))
    before = stocked.search.by_sound(clip("siren", 3), ANY, 100)
    assert set(keys(before)) == {
        "recordings/cliff/tape.wav",
        *(f"samples/{label}/{number}.wav" for label in ("casual", "gunshot") for number in (3, 4)),
    }
    sweep = replace(stocked.sweep, clock=lambda: time.time() + 2 * 86_400)
    assert sweep.run().failed == ()
    after = stocked.search.by_sound(clip("siren", 3), ANY, 100)
    assert after.matches == before.matches
    assert after.searched == len(after.matches) < before.searched


def test_a_longer_sound_is_searched_for_window_by_window(stocked: Services) -> None:
    hush = np.zeros(64_000, dtype=np.float32)
    both = encode(np.concatenate([sound("siren", 3), hush, hush, sound("gunshot", 3)]))
    found = stocked.search.by_sound(both, Wanted("samples"), 4)
    assert {match.label for match in found.matches[:2]} <= {"siren", "gunshot", "casual"}
    assert {"samples/siren/3.wav", "samples/gunshot/3.wav"} <= set(keys(found))


def test_nothing_yet_is_an_answer_that_says_so(services: Services) -> None:
    found = services.search.by_sound(clip("siren"), ANY, 10)
    assert (found.matches, found.searched) == ((), 0)
    assert "Nothing can be found yet" in found.notes[0]


def test_a_single_sample_is_found(aws: Aws, services: Services) -> None:
    take_in(aws, services, siren_1=clip("siren", 1))
    (match,) = services.search.by_sound(clip("siren", 1), ANY, 10).matches
    assert (match.key, match.similarity) == ("samples/siren/1.wav", pytest.approx(1, abs=1e-3))


def test_what_another_backbone_heard_is_told_of_and_left_out(aws: Aws, stocked: Services) -> None:
    detector = stocked.serving.detector()
    (sample, *_) = stocked.catalog.samples()
    before = stocked.search.by_sound(clip("siren"), ANY, 100)
    assert before.notes == ()
    assert sample.embedding is not None
    other = type(sample)(**{**sample.__dict__, "embedded_by": "another/4/4"})
    stocked.vectors.keep_sample(other)
    found = stocked.search.by_sound(clip("siren"), ANY, 100)
    assert found.matches == before.matches
    assert detector.card.version in found.notes[0]
    assert "another backbone" in found.notes[0]


def test_repeated_events_make_nothing_be_found_twice(aws: Aws, stocked: Services) -> None:
    before = stocked.search.by_sound(clip("siren"), ANY, 100)
    for _ in range(2):
        stocked.packing.run()
        take_in(aws, stocked, siren_3=clip("siren", 3), siren_30=clip("siren", 3))
        stocked.receive(TAPE)
    found = stocked.search.by_sound(clip("siren"), ANY, 100)
    assert sorted(keys(found)) == sorted(keys(before))
