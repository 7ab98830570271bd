"""The figures: what they are, what their intervals promise, and how a learning curve is drawn."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from earshot.errors import BadDataset
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference
from sklearn.preprocessing import label_binarize

from retrain import crossvalidation, figures, heads
from retrain.crossvalidation import Plan
from retrain.dataset import Clip, Dataset, split
from retrain.learning import learning_curve

LABELS = ("a", "b", "c")
OVERALL = (
    "accuracy",
    "macro_f1",
    "macro_roc_auc",
    "log_loss",
    "brier",
    "ece",
    "accepted_share",
    "accepted_accuracy",
)


@st.composite
def answered(draw: st.DrawFn) -> dict[str, Any]:
    """Answers to clips of a few recordings, some of them equally confident."""
    clips = draw(st.integers(1, 40))
    # Few different values, so that ties occur.
    raw = draw(arrays(np.int64, (clips, len(LABELS)), elements=st.integers(1, 9)))
    return {
        "probabilities": (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32),
        "truth": draw(st.lists(st.sampled_from(LABELS), min_size=clips, max_size=clips)),
        "groups": draw(st.lists(st.sampled_from("uvwxyz"), min_size=clips, max_size=clips)),
        "labels": LABELS,
        "accepted": draw(st.lists(st.booleans(), min_size=clips, max_size=clips)),
    }


@settings(deadline=None, max_examples=60)
@given(answered())
def test_figures_are_those_of_scikit_learn(clips: dict[str, Any]) -> None:
    found = figures.measure(**clips)
    truth = np.array(clips["truth"])
    p = clips["probabilities"].astype(float)
    said = np.array(LABELS)[p.argmax(axis=1)]
    close = pytest.approx
    assert found["accuracy"] == close(reference.accuracy_score(truth, said), abs=1e-4)
    assert found["confusion"] == reference.confusion_matrix(truth, said, labels=LABELS).tolist()
    losses = -np.log(p[np.arange(len(p)), [LABELS.index(label) for label in truth]])
    assert found["log_loss"] == close(losses.mean(), abs=1e-4)
    squares = (p - label_binarize(truth, classes=LABELS)) ** 2
    assert found["brier"] == close(squares.sum(axis=1).mean(), abs=1e-4)
    precision, recall, f1, there = reference.precision_recall_fscore_support(
        truth, said, labels=LABELS, zero_division=np.nan
    )
    expected = {"precision": precision, "recall": recall, "f1": f1}
    for n, label in enumerate(LABELS):
        row = found["per_label"][label]
        assert row["clips"] == there[n]
        for name, values in expected.items():
            if there[n] and not np.isnan(values[n]):
                assert row[name] == close(values[n], abs=1e-4)
        if there[n] in (0, len(truth)):
            assert row["roc_auc"] is None
        else:
            area = reference.roc_auc_score(truth == label, p[:, n])
            assert row["roc_auc"] == close(area, abs=1e-4)
    passed = np.array(clips["accepted"])
    assert found["accepted_share"] == close(passed.mean(), abs=1e-4)
    if passed.any():
        assert found["accepted_accuracy"] == close((truth == said)[passed].mean(), abs=1e-4)
    else:
        assert found["accepted_accuracy"] is None


def every_figure(found: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Each figure with its interval."""
    pairs = [(found[name], found["intervals"][name]) for name in OVERALL]
    for label in LABELS:
        row, bounds = found["per_label"][label], found["intervals"]["per_label"][label]
        pairs += [(row[name], bounds[name]) for name in ("precision", "recall", "f1", "roc_auc")]
    return pairs


@settings(deadline=None, max_examples=60)
@given(answered())
def test_an_interval_holds_its_figure(clips: dict[str, Any]) -> None:
    found = figures.measure(**clips)
    for figure, interval in every_figure(found):
        if figure is None or found["recordings"] == 1:
            assert interval is None
        else:
            low, high = interval
            assert 0 <= low <= figure <= high
    json.dumps(found, allow_nan=False)


@settings(deadline=None, max_examples=30)
@given(answered(), st.randoms(use_true_random=False))
def test_the_order_of_clips_changes_nothing(clips: dict[str, Any], random: Any) -> None:
    order = list(range(len(clips["truth"])))
    random.shuffle(order)
    shuffled = {
        name: value[order]
        if isinstance(value, np.ndarray)
        else value
        if name == "labels"
        else [value[n] for n in order]
        for name, value in clips.items()
    }
    flat, other = (figures.measure(**one) for one in (clips, shuffled))
    for (a, bounds), (b, other_bounds) in zip(every_figure(flat), every_figure(other), strict=True):
        assert a == pytest.approx(b, abs=2e-4)
        assert bounds == pytest.approx(other_bounds, abs=2e-4)


def test_clips_of_one_recording_count_as_one_for_the_interval() -> None:
    random = np.random.default_rng(0)
    right = random.random(40) < 0.7
    rows = np.where(right[:, np.newaxis], (0.8, 0.2), (0.2, 0.8)).astype(np.float32)
    once = figures.measure(rows, ["a"] * 40, [str(n) for n in range(40)], ("a", "b"))
    often = figures.measure(
        np.repeat(rows, 25, axis=0),
        ["a"] * 1000,
        np.repeat([str(n) for n in range(40)], 25).tolist(),
        ("a", "b"),
    )
    assert often["accuracy"] == once["accuracy"]
    assert often["intervals"]["accuracy"] == once["intervals"]["accuracy"]


def test_the_interval_of_an_accuracy_is_about_as_wide_as_theory_says() -> None:
    random = np.random.default_rng(1)
    right = random.random(400) < 0.8
    rows = np.where(right[:, np.newaxis], (0.9, 0.1), (0.1, 0.9)).astype(np.float32)
    found = figures.measure(rows, ["a"] * 400, [str(n) for n in range(400)], ("a", "b"))
    low, high = found["accuracy_interval"]
    expected = 2 * 1.96 * np.sqrt(found["accuracy"] * (1 - found["accuracy"]) / 400)
    assert high - low == pytest.approx(expected, rel=0.15)


def test_figures_of_a_known_case() -> None:
    rows = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.72, 0.28]], dtype=np.float32)
    found = figures.measure(rows, ["a", "a", "b", "b"], list("wxyz"), ("a", "b"))
    assert found["accuracy"] == 0.75
    assert found["confusion"] == [[2, 0], [1, 1]]
    assert found["per_label"]["a"] == {
        "precision": 0.6667,
        "recall": 1.0,
        "f1": 0.8,
        "roc_auc": 0.75,
        "clips": 2,
    }
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2, abs=1e-3)
    low, high = found["accuracy_interval"]
    assert 0 <= low < 0.75 < high <= 1
    assert found["ece"] == pytest.approx((0.1 + 0.4 + 0.2 + 0.72) / 4, abs=1e-4)
    assert found["accepted_share"] is None


def test_no_clip_says_nothing() -> None:
    found = figures.measure(np.empty((0, 3), np.float32), [], [], LABELS, [])
    assert found["clips"] == 0
    assert all(figure is None and interval is None for figure, interval in every_figure(found))
    assert figures.share([], [])["share"] is None


def test_a_share_has_its_interval() -> None:
    found = figures.share([True] * 30 + [False] * 10, [str(n) for n in range(40)])
    assert found["share"] == 0.75
    assert found["interval"][0] < 0.75 < found["interval"][1]
    assert figures.share([True, False], ["one", "one"])["interval"] is None


def test_reliability_counts_every_clip_once() -> None:
    p = np.array([[1.0, 0.0], [0.55, 0.45], [0.52, 0.48]], dtype=np.float32)
    rows = figures.reliability(p, ["a", "a", "b"], ("a", "b"))
    assert [row["clips"] for row in rows] == [2, 1]
    assert rows[0]["accuracy"] == 0.5
    assert (rows[1]["low"], rows[1]["high"]) == (0.9, 1.0)


def blobs(clips: int = 60, spread: float = 1.5, per_group: int = 1) -> list[Clip]:
    """Clips of three labels around a centre each; ``per_group`` of them of one recording."""
    random = np.random.default_rng(3)
    centres = random.normal(size=(3, 8)) * 2
    return [
        Clip(
            f"{label}-{n}",
            label,
            f"{label}-{n // per_group}",
            (centres[k] + spread * random.normal(size=(2, 8))).astype(np.float32),
        )
        for k, label in enumerate(LABELS)
        for n in range(clips)
    ]


def test_a_learning_curve_grows_to_the_whole() -> None:
    dataset = split(blobs(), LABELS)
    head = heads.fit(dataset, (), lambda *_: None)
    told: list[float] = []
    curve = learning_curve(dataset, head, progress=told.append)
    sizes = [row["recordings"] for row in curve]
    assert sizes == sorted(set(sizes))
    assert len(curve) == len(told) == 5
    assert sizes[-1] == len({clip.group for clip in dataset.training})
    assert told[-1] == 1.0
    answers = np.array([head.probabilities(c.embedding).mean(axis=0) for c in dataset.held_out])
    right = [dataset.labels[row.argmax()] for row in answers]
    accuracy = np.mean([said == c.label for said, c in zip(right, dataset.held_out, strict=True)])
    assert curve[-1]["accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert curve[0]["log_loss"] > curve[-1]["log_loss"]


def test_folds_keep_recordings_together() -> None:
    clips = blobs(clips=30, per_group=3)
    for plan in (Plan("5"), Plan("5", seed=9), Plan("loo")):
        (folds,) = plan.draw(clips, [None] * len(clips))
        assert sorted(np.concatenate(folds)) == list(range(len(clips)))
        groups = [{clips[n].group for n in fold} for fold in folds]
        assert sum(map(len, groups)) == len(set().union(*groups))
    assert len(Plan("loo").draw(clips, [None] * len(clips))[0]) == 30


def test_a_manifest_that_tears_a_recording_apart_is_refused() -> None:
    clips = blobs(clips=4, per_group=2)
    good = [str(n // 2 % 2) for n in range(len(clips))]
    assert len(Plan("manifest").draw(clips, good)[0]) == 2
    torn = [str(n % 2) for n in range(len(clips))]
    with pytest.raises(BadDataset, match="a-0"):
        Plan("manifest").draw(clips, torn)
    with pytest.raises(BadDataset, match="in no fold"):
        Plan("manifest").draw(clips, [None, *good[1:]])
    with pytest.raises(BadDataset, match="one fold"):
        Plan("manifest").draw(clips, ["1"] * len(clips))


@pytest.mark.parametrize("folds", ["1", "0", "-2", "many", ""])
def test_folds_that_make_no_sense_are_refused(folds: str) -> None:
    with pytest.raises(BadDataset, match="folds"):
        Plan(folds)


def test_more_folds_than_recordings_are_refused() -> None:
    with pytest.raises(BadDataset, match="only 4 recordings"):
        Plan("5").draw(blobs(clips=4), [None] * 12)


def test_cross_validation_asks_about_every_clip_and_not_what_was_learnt() -> None:
    clips = blobs(clips=25)
    # Labels by chance: whoever had learnt from a clip would know its label.
    names = np.random.default_rng(5).permutation([clip.label for clip in clips])
    random = [
        Clip(c.sha256, str(name), c.sha256, c.embedding)
        for c, name in zip(clips, names, strict=True)
    ]
    plan = Plan("3", repeats=2)
    none = [None] * len(clips)
    for data, low, high in ((clips, 0.8, 1.0), (random, 0.0, 0.55)):
        asked = [
            crossvalidation.crossvalidate(Dataset(LABELS, tuple(data), ()), folds, ())
            for folds in plan.draw(data, none)
        ]
        found = crossvalidation.measure(data, LABELS, asked)
        assert low <= found["accuracy"] <= high
        assert (found["clips"], found["answers"], found["recordings"]) == (75, 150, 75)
        assert sum(map(sum, found["confusion"])) == 150
