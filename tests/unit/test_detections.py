"""What windows amount to: detections that a user can go by, and doubts worth a person's time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from earshot.detector import Hearing
from earshot.errors import UnknownLabel
from earshot.field.detections import (
    CLEAR_MARGIN,
    DOUBTS_AN_HOUR,
    MOST_DOUBTS,
    detect,
    doubt,
    doubts,
    select,
)
from earshot.recording import Detections
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from earshot.bundle import Bundle, ModelCard

CASUAL, EXPLOSION, GUNSHOT, SIREN = range(4)


@pytest.fixture(scope="module")
def card(default_bundle: Bundle) -> ModelCard:
    """Four labels in windows of 4 s every 4 s; accepted from 0.6 on, and up to novelty 1."""
    thresholds = dict.fromkeys(default_bundle.card.labels, 0.6)
    return replace(default_bundle.card, thresholds=thresholds, novelty_threshold=1.0)


def heard(*windows: tuple[int, float], hop_s: float = 4.0, novelty: float = 0.0) -> Hearing:
    """A hearing whose windows have a best label of some probability, the rest evenly shared."""
    probabilities = np.empty((len(windows), 4), dtype=np.float32)
    for row, (label, confidence) in zip(probabilities, windows, strict=True):
        row[:] = (1 - confidence) / 3
        row[label] = confidence
    starts = (np.arange(len(windows)) * hop_s).astype(np.float32)
    return Hearing(
        starts,
        probabilities,
        np.zeros((len(windows), 1), dtype=np.float32),
        np.full(len(windows), novelty, dtype=np.float32),
    )


def test_neighbours_that_agree_are_one_detection(card: ModelCard) -> None:
    hearing = heard((CASUAL, 0.9), (SIREN, 0.7), (SIREN, 0.9), (GUNSHOT, 0.8), (SIREN, 0.95))
    found = detect(hearing, card, 20.0, "casual")
    assert [(one.label, one.start_s, one.end_s) for one in found] == [
        ("siren", 4.0, 12.0),
        ("gunshot", 12.0, 16.0),
        ("siren", 16.0, 20.0),
    ]
    assert (found[0].peak_confidence, found[0].mean_confidence) == (0.9, 0.8)


def test_what_is_not_accepted_parts_two_detections(card: ModelCard) -> None:
    hearing = heard((SIREN, 0.9), (SIREN, 0.5), (SIREN, 0.9))
    found = detect(hearing, card, 12.0, "casual")
    assert [(one.start_s, one.end_s) for one in found] == [(0.0, 4.0), (8.0, 12.0)]


def test_what_is_too_novel_is_no_detection(card: ModelCard) -> None:
    assert detect(heard((SIREN, 0.99), novelty=1.5), card, 4.0, "casual") == ()


def test_without_a_background_every_label_is_detected(card: ModelCard) -> None:
    hearing = heard((CASUAL, 0.9))
    assert detect(hearing, card, 4.0, "casual") == ()
    # An application's word for silence that the model does not know yet.
    assert len(detect(hearing, card, 4.0, "hush")) == 1
    (one,) = detect(hearing, card, 4.0, None)
    assert one.label == "casual"


def test_a_recording_shorter_than_a_window_ends_where_it_ends(card: ModelCard) -> None:
    (one,) = detect(heard((SIREN, 0.9)), card, 1.5, "casual")
    assert (one.start_s, one.end_s) == (0.0, 1.5)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.5, 1, width=32)), min_size=1, max_size=40),
    st.sampled_from([1.0, 2.0, 4.0]),
)
def test_every_accepted_window_is_in_one_detection_and_no_other_is(
    card: ModelCard, windows: list[tuple[int, float]], hop_s: float
) -> None:
    hearing = heard(*windows, hop_s=hop_s)
    duration_s = hop_s * (len(windows) - 1) + 4.0
    found = detect(hearing, card, duration_s, "casual")
    counted = [label for label, p in windows if label != CASUAL and np.float32(p) >= 0.6]
    assert sum((one.end_s - one.start_s - 4.0) / hop_s + 1 for one in found) == len(counted)
    assert [one.start_s for one in found] == sorted(one.start_s for one in found)
    assert all(0.6 <= one.mean_confidence <= one.peak_confidence <= 1 for one in found)
    assert not any(one.label == "casual" or one.end_s > duration_s for one in found)


def test_the_least_sure_windows_come_first_and_few(card: ModelCard) -> None:
    hearing = heard(*((SIREN, 0.26 + n / 100) for n in range(10)))
    asked = doubts(hearing, card, 40.0)
    assert [one.start_s for one in asked] == [4.0 * n for n in range(DOUBTS_AN_HOUR)]
    assert asked[0].margin < asked[1].margin < asked[2].margin
    assert asked[0].label == "siren"
    assert sum(asked[0].probabilities.values()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("hours", "asked"), [(0.5, 3), (1.0, 3), (1.01, 6), (7.5, 24), (24.0, MOST_DOUBTS)]
)
def test_long_recordings_ask_more_up_to_a_limit(card: ModelCard, hours: float, asked: int) -> None:
    hearing = heard(*((SIREN, 0.5) for _ in range(200)))
    assert len(doubts(hearing, card, hours * 3600)) == asked


def test_a_detection_tells_its_surest_window(card: ModelCard) -> None:
    (one,) = detect(heard((SIREN, 0.7), (SIREN, 0.95), (SIREN, 0.8)), card, 12.0, "casual")
    assert (one.start_s, one.peak_s, one.end_s) == (0.0, 4.0, 12.0)


def test_doubts_do_not_share_audio(card: ModelCard) -> None:
    hearing = heard(*((SIREN, 0.26 + n / 100) for n in range(10)), hop_s=1.0)
    asked = doubts(hearing, card, 13.0)
    assert [(one.start_s, one.end_s) for one in asked] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]


def test_what_is_clear_is_not_asked_about(card: ModelCard) -> None:
    clear = (SIREN, 0.9)
    assert doubts(heard(clear), card, 4.0) == ()
    # Clear, but of something that was never learnt.
    assert len(doubts(heard(clear, novelty=1.5), card, 4.0)) == 1
    # Accepted, but the next label is close.
    close = heard((SIREN, 0.61))
    assert detect(close, card, 4.0, "casual")
    (one,) = doubts(close, card, 4.0)
    assert one.margin < CLEAR_MARGIN


def test_one_label_does_not_take_all_that_an_hour_may_ask(card: ModelCard) -> None:
    hearing = heard(*((SIREN, 0.3 + n / 1000) for n in range(20)), (GUNSHOT, 0.36))
    assert [one.label for one in doubts(hearing, card, 84.0)] == ["siren", "gunshot", "siren"]


def test_a_sure_answer_to_something_never_heard_is_asked_about_among_the_torn(
    card: ModelCard,
) -> None:
    novel = heard((GUNSHOT, 0.97), novelty=1.5)
    torn = heard(*((SIREN, 0.42 + n / 100) for n in range(10)))
    both = Hearing(
        *(
            np.concatenate([a, b])
            for a, b in [
                (torn.starts, novel.starts + 40.0),
                (torn.probabilities, novel.probabilities),
                (torn.embeddings, novel.embeddings),
                (torn.novelty, novel.novelty),
            ]
        )
    )
    asked = doubts(both, card, 44.0)
    assert {one.start_s: one.reason for one in asked}[40.0] == "novel"
    assert {one.reason for one in asked} == {"novel", "uncertain"}
    assert [one.novelty for one in asked if one.start_s == 40.0] == [1.5]


def test_novelty_is_told_as_a_share_of_what_is_accepted(card: ModelCard) -> None:
    hearing = heard((SIREN, 0.3), novelty=1.0)
    (one,) = doubts(hearing, replace(card, novelty_threshold=2.0), 4.0)
    assert (one.novelty, one.reason) == (0.5, "uncertain")
    # A model that accepts nothing at all does not divide by it.
    (one,) = doubts(hearing, replace(card, novelty_threshold=0.0), 4.0)
    assert np.isfinite(one.novelty)


def test_disagreements_are_asked_about_whatever_they_are_worth(card: ModelCard) -> None:
    hearing = heard((SIREN, 0.99), *((SIREN, 0.3 + n / 1000) for n in range(20)), hop_s=2.0)
    disagreement = doubt(hearing, card, 44.0, 0, "disagreement")
    asked = doubts(hearing, card, 44.0, (disagreement,))
    assert asked[0] == disagreement
    assert (disagreement.reason, disagreement.start_s, disagreement.label) == (
        "disagreement",
        0.0,
        "siren",
    )
    # They are among those of the hour, and share no audio with others.
    assert [one.start_s for one in asked] == [0.0, 4.0, 8.0]
    assert len(doubts(hearing, card, 44.0, (disagreement,) * 9)) == DOUBTS_AN_HOUR


def test_detections_are_chosen_by_label_and_confidence(card: ModelCard) -> None:
    hearing = heard((SIREN, 0.7), (GUNSHOT, 0.9), (SIREN, 0.95))
    found = Detections(
        "0" * 16, "recordings/a/b.wav", "a", 12.0, 8000.0, "v", card.labels, "casual",
        detect(hearing, card, 12.0, "casual"),
    )  # fmt: skip

    def starts(labels: tuple[str, ...], min_confidence: float) -> list[float]:
        return [one.start_s for one in select(found, labels, min_confidence).detections]

    assert starts((), 0.0) == [0.0, 4.0, 8.0]
    assert starts(("siren",), 0.0) == [0.0, 8.0]
    assert starts(("siren", "gunshot"), 0.8) == [4.0, 8.0]
    with pytest.raises(UnknownLabel, match="'sirne'"):
        select(found, ("siren", "sirne"), 0.0)
