"""What more recordings of a label would bring: told with its uncertainty, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import DEFAULT_BUNDLE
from earshot.bundle import EMBEDDINGS_FILE, ModelCard
from hypothesis import given, settings
from hypothesis import strategies as st

from predict.schemas.lessons import PROJECTION, REVIEWS, Projection, Reviews
from retrain import heads, projection
from retrain.classifiers import Logistic
from retrain.dataset import Clip, Dataset, Seed
from retrain.projection import project

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrain.heads import Head

LABELS = ("a", "b", "c")
DIM = 24


@pytest.fixture(autouse=True, scope="module")
def one_candidate() -> Iterator[None]:
    """What is projected hangs little on which classifier was chosen, and choosing takes time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "CANDIDATES", (Logistic(0.1),))
        yield


def sounds(label: int, many: int, seed: int, spread: float = 1.0) -> list[Clip]:
    """Recordings of a label, around its centre in a space of DIM."""
    centre = 0.45 * np.random.default_rng(label).normal(size=DIM)
    random = np.random.default_rng((label, seed))
    return [
        Clip(
            f"{label}-{seed}-{n}",
            LABELS[label],
            f"{label}-{seed}-{n}",
            (centre + spread * random.normal(size=(1, DIM))).astype(np.float32),
        )
        for n in range(many)
    ]


def learnt(clips: Sequence[Clip]) -> tuple[Dataset, Head]:
    labels = tuple(label for label in LABELS if any(clip.label == label for clip in clips))
    dataset = Dataset(labels, tuple(clips), ())
    return dataset, heads.fit(dataset, (), lambda *_: None)


def of(sizes: Sequence[int], seed: int = 1, spread: float = 1.0) -> tuple[Dataset, Head]:
    clips = [one for label, n in enumerate(sizes) for one in sounds(label, n, seed, spread)]
    return learnt(clips)


def test_the_label_of_fewest_recordings_is_to_be_collected_first() -> None:
    told: list[float] = []
    dataset, head = of((80, 16, 80))
    found = project(dataset, head, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert found["collect"][0] == "b"
    outlook = found["labels"]["b"]
    assert outlook["recordings"] == 16
    sizes = [row["recordings"] for row in outlook["curve"]]
    assert sizes == sorted(sizes)
    assert outlook["curve"][0]["f1"] < outlook["curve"][-1]["f1"]
    (soon,) = [row for row in outlook["more"] if row["recordings"] == 20]
    low, high = soon["interval"]
    assert found["sentence"] == (
        f"Collect b first. With 20 more b recordings expect F1 +{soon['gain']:.2f} "
        f"({low:.2f} to {high:.2f})."
    )


@settings(deadline=None, max_examples=8)
@given(
    st.tuples(*[st.integers(5, 30)] * 3), st.integers(0, 99), st.sampled_from((0.2, 0.8, 1.5, 4.0))
)
def test_nothing_is_promised_that_cannot_be(
    sizes: tuple[int, int, int], seed: int, spread: float
) -> None:
    found = project(*of(sizes, seed, spread))
    Projection.model_validate(found)
    for label, outlook in found["labels"].items():
        gains = [row["gain"] for row in outlook["more"]]
        assert gains == sorted(gains)
        for row in outlook["more"]:
            low, high = row["interval"]
            assert 0 <= low <= row["gain"] <= high <= round(1 - outlook["f1"], 4)
            assert row["recordings"] <= max(20, outlook["recordings"])
        assert (label in found["collect"]) == bool(gains)
        assert ("cannot be told" in outlook["sentence"]) == (not gains)


def test_of_many_labels_those_that_gain_most_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, head = of((25, 25, 25), spread=1.5)
    whole = project(dataset, head)
    monkeypatch.setattr(projection, "MOST_TOLD", 1)
    found = project(dataset, head)
    assert [*found["labels"]] == found["collect"] == whole["collect"][:1]
    assert found["labels"].items() <= whole["labels"].items()


def test_few_recordings_tell_nothing() -> None:
    found = project(*of((40, 7, 40)))
    assert found["labels"]["b"]["more"] == []
    assert found["labels"]["b"]["sentence"] == (
        "What more b recordings would bring cannot be told: there are only 7."
    )


def test_what_half_of_the_recordings_hear_as_well_promises_nothing() -> None:
    found = project(*of((60, 60, 60), spread=0.05))
    assert found["collect"] == []
    assert found["sentence"] == "Of no label can it be told what more recordings would bring."
    assert all(outlook["f1"] == 1.0 for outlook in found["labels"].values())


@pytest.mark.parametrize("few", [1, 2])
def test_a_label_that_a_fold_leaves_without_recordings_is_no_hindrance(few: int) -> None:
    found = project(*of((20, few, 20)))
    assert found["labels"]["b"]["recordings"] == few


def test_it_says_the_same_again() -> None:
    dataset, head = of((30, 30, 30))
    assert project(dataset, head) == project(dataset, head)


def test_what_really_comes_is_mostly_inside_the_interval() -> None:
    asked = [clip for label in range(3) for clip in sounds(label, 300, seed=999)]
    truth = np.array([LABELS.index(clip.label) for clip in asked])

    def f1(head: Head, label: int) -> float:
        said = head.answers(asked).argmax(axis=1) == label
        return float(2 * (said & (truth == label)).sum() / (said.sum() + (truth == label).sum()))

    inside: list[bool] = []
    expected, came = [], []
    for seed in range(8):
        dataset, head = of((25, 25, 25), seed)
        found = project(dataset, head)["labels"]
        for label, outlook in enumerate(found[name] for name in LABELS):
            more = heads.refit(head, (*dataset.training, *sounds(label, 20, seed + 500)), LABELS)
            for row in outlook["more"]:
                if row["recordings"] == 20:
                    gain = f1(more, label) - f1(head, label)
                    inside.append(row["interval"][0] <= max(gain, 0) <= row["interval"][1])
                    expected.append(row["gain"])
                    came.append(gain)
    assert len(inside) >= 4
    assert np.mean(inside) >= 0.5
    assert np.mean(expected) == pytest.approx(np.mean(came), abs=0.06)


def test_many_clips_take_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, it is from so many that parts are learnt."""
    fitted: list[int] = []
    refit = heads.refit

    def counted(head: Head, clips: Sequence[Clip], *rest: Any) -> Head:
        fitted.append(len(clips))
        return refit(head, clips, *rest)

    monkeypatch.setattr(heads, "CV_CLIPS", 300)
    monkeypatch.setattr(projection, "MANY", 200)
    monkeypatch.setattr(heads, "refit", counted)
    totals = []
    for many in (150, 400):
        fitted.clear()
        project(*of((many, many, many)))
        totals.append((len(fitted), sum(fitted)))
    assert totals[0] == totals[1]


def test_real_embeddings_are_told_of() -> None:
    card = ModelCard.from_json((DEFAULT_BUNDLE / "card.json").read_bytes())
    seed = Seed.load(DEFAULT_BUNDLE / EMBEDDINGS_FILE, card.embedding_id)
    # A part, so that there is something to gain.
    training = tuple(clip for clip in seed.clips if not clip.held_out)[::4]
    dataset = Dataset(card.labels, training, ())
    found = project(dataset, heads.fit(dataset, (), lambda *_: None))
    Projection.model_validate(found)
    assert found["collect"]
    assert found["labels"].keys() == {*card.labels}


def test_the_manuals_examples_are_what_is_answered() -> None:
    assert Projection.model_validate(PROJECTION).model_dump(mode="json") == PROJECTION
    assert Reviews.model_validate(REVIEWS).model_dump(mode="json") == REVIEWS
