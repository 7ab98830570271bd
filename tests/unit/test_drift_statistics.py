"""Telling drift from chance: the stated rate of false alarms is kept, and a shift is found."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from conftest import DEFAULT_BUNDLE
from earshot.drift import comparison as drift
from earshot.recording import Answer
from hypothesis import given
from hypothesis import strategies as st

from retrain import heads
from retrain.dataset import Dataset, Seed

LABELS = ("casual", "gunshot", "siren")


def answers(
    random: np.random.Generator,
    n: int,
    labels: tuple[str, ...] = LABELS,
    *,
    novelty: float = 0.0,
    log_odds: float = 0.0,
    shares: tuple[float, ...] | None = None,
) -> list[Answer]:
    """Made up: each label is sure and novel in its own way; shifted by so many deviations."""
    drawn = []
    for label in random.choice(labels, n, p=shares):
        place = LABELS.index(label)
        sure = 2 + place + (1 + place / 2) * (random.standard_normal() + log_odds)
        new = np.exp(random.standard_normal() / 2 + novelty / 2) + place
        drawn.append(Answer(str(label), 1 / (1 + math.exp(-sure)), float(new), accepted=True))
    return drawn


def most_by_chance(level: float, repeats: int) -> float:
    """What the share of false alarms exceeds once in a thousand times, if the level is kept."""
    return level + 3.1 * math.sqrt(level * (1 - level) / repeats)


@pytest.mark.parametrize("live", [20, 60])
def test_false_alarms_come_no_more_often_than_the_level_says(live: int) -> None:
    random = np.random.default_rng(live)
    p = [
        drift.compare(answers(random, 75), answers(random, live), f"{n}").all.p or 0
        for n in range(400)
    ]
    for level in (0.2, 0.05, 0.01):
        assert np.mean(np.array(p) <= level) <= most_by_chance(level, len(p))
    # Nor hardly ever: a test that finds nothing would pass the above.
    assert np.mean(np.array(p) <= 0.2) >= 0.1


def test_labels_are_named_by_mistake_no_more_often_than_the_level_says() -> None:
    random = np.random.default_rng(5)
    named = 0
    for n in range(300):
        found = drift.compare(answers(random, 75), answers(random, 50), f"{n}").labels.values()
        named += any((one.p or 0) <= 0.05 for one in found)
    assert named / 300 <= most_by_chance(0.05, 300)


def test_a_shift_of_novelty_is_found_and_told() -> None:
    random = np.random.default_rng(1)
    found = drift.compare(answers(random, 75), answers(random, 50, novelty=1.5), "seed")
    assert (found.all.p or 1) <= 0.001
    assert (found.all.more_novel or 0) > 0.75
    assert all((one.p or 1) < 0.05 for one in found.labels.values())


def test_a_shift_of_confidence_alone_is_found_too() -> None:
    random = np.random.default_rng(2)
    found = drift.compare(answers(random, 75), answers(random, 60, log_odds=-1.5), "seed").all
    assert (found.p or 1) <= 0.01
    assert found.surer is not None
    assert found.surer < 0.3


def test_what_is_spread_otherwise_is_found_though_its_mean_is_the_same() -> None:
    random = np.random.default_rng(3)
    reference = [Answer("siren", 0.9, float(x), accepted=True) for x in random.normal(1, 0.1, 75)]
    live = [Answer("siren", 0.9, float(x), accepted=True) for x in random.normal(1, 0.5, 75)]
    assert (drift.compare(reference, live, "seed").all.p or 1) <= 0.01


def test_one_label_that_shifts_is_named_and_the_others_are_not() -> None:
    random = np.random.default_rng(4)
    live = [
        *answers(random, 60, ("casual", "gunshot")),
        *answers(random, 30, ("siren",), novelty=2),
    ]
    found = drift.compare(answers(random, 100), live, "seed")
    assert (found.all.p or 1) <= 0.01
    assert {label for label, one in found.labels.items() if (one.p or 1) <= 0.01} == {"siren"}


def test_more_of_one_label_is_no_drift_of_what_it_sounds_like() -> None:
    random = np.random.default_rng(6)
    many = (0.05, 0.05, 0.9)
    p = [
        drift.compare(answers(random, 75), answers(random, 60, shares=many), f"{n}").all.p or 0
        for n in range(100)
    ]
    assert np.mean(np.array(p) <= 0.05) <= most_by_chance(0.05, 100)
    there = ["casual", "gunshot", "siren"] * 20
    assert drift.stability(there, ["casual"] * 3 + ["gunshot"] * 3 + ["siren"] * 54) > 0.25


def test_the_same_answers_are_judged_the_same() -> None:
    random = np.random.default_rng(7)
    reference, live = answers(random, 60), answers(random, 40)
    assert drift.compare(reference, live, "a") == drift.compare(reference, live, "a")


def test_a_finer_level_is_told_finer() -> None:
    random = np.random.default_rng(8)
    reference, live = answers(random, 75), answers(random, 60, novelty=4)
    p = [drift.compare(reference, live, "a", level).all.p or 1 for level in (1e-2, 1e-4)]
    assert p[1] < 1e-4 < p[0] <= 1e-2


def test_a_label_without_answers_enough_is_counted_and_not_judged() -> None:
    random = np.random.default_rng(9)
    live = [*answers(random, 30, ("casual",)), *answers(random, 2, ("siren",))]
    reference = answers(random, 40, ("casual", "siren"))
    found = drift.compare(reference, live, "seed").labels
    assert found["siren"] == drift.Shift(
        live=2, reference=Counter(a.label for a in reference)["siren"]
    )
    assert found["casual"].p is not None
    assert drift.comparable(reference, live) == 30
    with pytest.raises(ValueError, match="enough"):
        drift.compare(reference, live[30:], "seed")


def test_answers_that_are_all_alike_are_no_drift() -> None:
    alike = [Answer("siren", 1.0, 0.5, accepted=True)] * 30
    assert drift.compare(alike, alike, "seed").all.p == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.001, 0.5))
def test_holm_is_between_bonferroni_and_none_at_all(p: list[float], level: float) -> None:
    named = {f"{n}": value for n, value in enumerate(p)}
    rejected = drift.holm(named, level)
    assert {name for name, value in named.items() if value <= level / len(p)} <= rejected
    assert rejected <= {name for name, value in named.items() if value <= level}
    assert len(rejected) in (0, *(n + 1 for n in range(len(p))))


def test_holm_goes_on_with_what_is_left() -> None:
    assert drift.holm({"a": 0.01, "b": 0.02, "c": 0.2}, 0.05) == {"a", "b"}
    assert drift.holm({"a": 0.02, "b": 0.02, "c": 0.2}, 0.05) == set()


@given(
    st.lists(st.sampled_from(LABELS), max_size=50), st.lists(st.sampled_from(LABELS), max_size=50)
)
def test_the_stability_of_labels_is_finite_and_none_of_the_same(a: list[str], b: list[str]) -> None:
    assert 0 <= drift.stability(a, b) < math.inf
    assert drift.stability(a, a) == 0
    assert drift.stability(a, b) == pytest.approx(drift.stability(b, a))


def test_fresh_recordings_of_the_same_kind_are_no_drift() -> None:
    """Of the recordings that the default bundle learnt from: its reference is none of them."""
    bundle = Seed.load(DEFAULT_BUNDLE / "embeddings.npz", _embedded_by())
    random = np.random.default_rng(1)
    by_group = {clip.group: clip for clip in bundle.clips}
    groups = random.permutation(sorted(by_group))
    learnt, left = set(groups[:140]), groups[140:]
    labels = ("casual", "explosion", "gunshot", "siren")
    training = tuple(clip for clip in bundle.clips if clip.group in learnt)
    background = tuple(bundle.background)
    head = heads.fit(Dataset(labels, training, (), (), background), (), lambda *_: None)
    heard = {}
    for group in left:
        embedding = by_group[group].embedding
        mean = head.probabilities(embedding).mean(axis=0)
        new = float(head.novelty(embedding).mean())
        heard[group] = Answer(labels[mean.argmax()], float(mean.max()), new, accepted=True)
    p = []
    for n in range(300):
        drawn = [heard[group] for group in random.permutation(left)]
        p.append(drift.compare(drawn[:75], drawn[75:175], f"{n}").all.p or 0)
    for level in (0.2, 0.05, 0.01):
        assert np.mean(np.array(p) <= level) <= most_by_chance(level, len(p))


def _embedded_by() -> str:
    with np.load(DEFAULT_BUNDLE / "embeddings.npz") as stored:
        return str(stored["embedded_by"])
