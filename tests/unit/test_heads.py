from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from earshot.detector import accepted, open_session
from earshot.errors import BadDataset
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from retrain import figures, heads
from retrain.backbones import Backbone
from retrain.calibration import ACCEPTED, HIGHEST, by_clip, fit_thresholds, softmax
from retrain.classifiers import Logistic, Network, Windows, logits
from retrain.dataset import Clip, Dataset, split
from retrain.export import fuse, head_of
from retrain.novelty import Novelty


def blobs(
    labels: int, clips: int = 60, spread: float = 1.0, windows: int = 3, dim: int = 8
) -> Dataset:
    """Clips of one window or more around one centre per label."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(labels, dim)) * 3
    return split(
        [
            Clip(
                f"{label}-{n}",
                f"label {label}",
                f"{label}-{n}",
                (
                    centres[label]
                    + spread * random.normal(size=(random.integers(1, windows + 1), dim))
                ).astype(np.float32),
            )
            for label in range(labels)
            for n in range(clips)
        ],
        (),
    )


def rings(clips: int = 150) -> Dataset:
    """Two labels, one around the other: no plane lies between them."""
    random = np.random.default_rng(0)
    made = []
    for label, radius in (("inside", 1.0), ("outside", 4.0)):
        for n in range(clips):
            way = random.normal(size=(1, 3))
            at = radius * way / np.linalg.norm(way) + 0.3 * random.normal(size=(1, 3))
            made.append(Clip(f"{label}-{n}", label, f"{label}-{n}", at.astype(np.float32)))
    return split(made, ())


def fitted(dataset: Dataset, **options: Any) -> heads.Head:
    return heads.fit(dataset, (), lambda *_: None, **options)


def answers(head: heads.Head, dataset: Dataset) -> tuple[Any, Any]:
    rows = [head.probabilities(clip.embedding).mean(axis=0) for clip in dataset.held_out]
    return np.array(rows), np.array([dataset.labels.index(c.label) for c in dataset.held_out])


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_a_head_tells_apart_what_lies_apart(labels: int) -> None:
    dataset = blobs(labels)
    told: list[float] = []
    head = heads.fit(dataset, (), lambda share, _: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0
    rows, truth = answers(head, dataset)
    assert (rows.argmax(axis=1) == truth).mean() > 0.95
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    assert {row["candidate"] for row in head.curve} == {str(one) for one in heads.CANDIDATES}
    assert all(1 / labels <= t <= 1 for t in head.thresholds.values())


def test_where_no_plane_lies_between_a_network_is_chosen() -> None:
    dataset = rings()
    head = fitted(dataset)
    assert "perceptron" in str(head.classifier)
    rows, truth = answers(head, dataset)
    assert (rows.argmax(axis=1) == truth).mean() > 0.9


def test_the_same_data_make_the_same_head() -> None:
    first, second = fitted(rings()), fitted(rings())
    for one, other in zip(first.layers, second.layers, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    assert first.thresholds == second.thresholds
    assert first.novelty_threshold == second.novelty_threshold


def test_a_part_that_says_nothing_does_not_silence_the_others() -> None:
    random = np.random.default_rng(1)
    dataset = blobs(3, spread=3.0)

    def widened(clip: Clip) -> Clip:
        noise = random.normal(size=(len(clip.embedding), 400)).astype(np.float32)
        return replace(clip, embedding=np.concatenate([clip.embedding, noise], axis=1))

    wide = replace(
        dataset,
        training=tuple(map(widened, dataset.training)),
        held_out=tuple(map(widened, dataset.held_out)),
    )
    windows = heads._Clips.of(wide.training, wide.labels).windows
    losses = {}
    for parts in ((408,), (8, 400)):
        layers = Logistic(0.1).fit(windows, 3, parts)
        assert len(layers) == 1
        rows = np.concatenate([logits(layers, c.embedding)[:1] for c in wide.held_out])
        truth = [wide.labels.index(c.label) for c in wide.held_out]
        losses[parts] = float((rows.argmax(axis=1) != truth).mean())
    assert losses[8, 400] < losses[408,]


def test_a_label_that_is_not_there_to_be_learnt_is_never_answered() -> None:
    random = np.random.default_rng(0)
    label = np.repeat([0, 2], 50)
    x = (random.normal(size=(100, 6)) + 3 * label[:, np.newaxis]).astype(np.float32)
    windows = Windows(x, label, np.ones(100))
    for candidate in (Logistic(0.1), Network(0.3)):
        answered = logits(candidate.fit(windows, 4, (6,)), x).argmax(axis=1)
        assert set(answered) == {0, 2}
        assert (answered == label).mean() > 0.95


def test_confidence_is_calibrated_where_labels_overlap() -> None:
    dataset = blobs(3, clips=400, spread=4.0, windows=1)
    rows, truth = answers(fitted(dataset), dataset)
    assert 0.5 < (rows.argmax(axis=1) == truth).mean() < 0.98
    names, groups = ([getattr(c, of) for c in dataset.held_out] for of in ("label", "group"))
    assert figures.measure(rows, names, groups, dataset.labels)["ece"] < 0.1


def test_a_clip_weighs_the_same_with_and_without_copies() -> None:
    plain, copied = blobs(2, clips=40), blobs(2, clips=40)
    copied = replace(
        copied,
        training=tuple(replace(c, copies=c.embedding) for c in copied.training),
    )
    for dataset in (plain, copied):
        clips = heads._Clips.of(dataset.training, dataset.labels)
        per_clip = np.bincount(clips.clip, weights=clips.windows.weight)
        per_label = [
            per_clip[[c.label == label for c in dataset.training]] for label in dataset.labels
        ]
        for weights in per_label:
            np.testing.assert_allclose(weights, weights[0])
        assert per_label[0].sum() == pytest.approx(per_label[1].sum())


def test_one_tape_with_thousands_of_clips_leaves_the_others_their_say() -> None:
    random = np.random.default_rng(0)
    clips = [
        Clip(
            f"{label}-{tape}-{n}",
            f"label {label}",
            f"{label}-{tape}",
            (3.0 * label + random.normal(size=(1, 4))).astype(np.float32),
        )
        for label in range(2)
        for tape in range(30)
        for n in range(3000 if tape == 0 else 3)
    ]
    assert fitted(split(clips, ())).unseen_accuracy > 0.9


def test_two_recordings_of_a_label_are_enough_to_be_judged_by() -> None:
    random = np.random.default_rng(0)
    clips = [
        Clip(f"{label}-{n}", label, f"{label}-{n}", (at + random.normal(size=(2, 4))).astype("f4"))
        for label, at, count in (("a", 0.0, 8), ("b", 6.0, 2))
        for n in range(count)
    ]
    head = fitted(Dataset(("a", "b"), tuple(clips), (), ()))
    assert head.unseen_clips == 10
    assert set(head.thresholds) == {"a", "b"}


def test_where_a_fold_leaves_one_label_there_is_nothing_to_choose_by() -> None:
    clips = [
        Clip(name, name[0], name, np.full((1, 4), float(n), np.float32))
        for n, name in enumerate(("a1", "b1", "b2", "b3"))
    ]
    with pytest.raises(BadDataset, match="nothing but b is left"):
        fitted(Dataset(("a", "b"), tuple(clips), (), ()))


def test_more_labels_than_clips_to_choose_by_are_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "CV_CLIPS", 2)
    dataset = blobs(3, spread=0.5)
    said, truth = answers(fitted(dataset), dataset)
    assert (said.argmax(axis=1) == truth).mean() > 0.9


def test_a_constant_feature_does_no_harm() -> None:
    dataset = blobs(2)
    widened = replace(
        dataset,
        training=tuple(
            replace(c, embedding=np.pad(c.embedding, ((0, 0), (0, 1)), constant_values=1e4))
            for c in dataset.training
        ),
    )
    weights, _ = fitted(widened).layers[0]
    assert np.isfinite(weights).all()
    assert (weights[-1] == 0).all()


def test_most_clips_of_the_labels_are_accepted_and_most_others_are_not() -> None:
    dataset = blobs(4, clips=150, spread=2.0)
    head = fitted(dataset)
    assert head.unseen_accepted >= ACCEPTED
    lowest = np.array([head.thresholds[label] for label in dataset.labels])

    def passes(embedding: Any) -> bool:
        rows = head.probabilities(embedding).mean(axis=0, keepdims=True)
        novelty = head.novelty(embedding).mean(keepdims=True)
        return bool(accepted(rows, novelty, lowest, head.novelty_threshold)[0])

    assert np.mean([passes(clip.embedding) for clip in dataset.held_out]) > 0.85
    # Farther out than a centre, in its own direction: the classifier is only surer of them.
    random = np.random.default_rng(1)
    far = [3 * clip.embedding + random.normal(size=8) for clip in dataset.held_out]
    assert np.mean([head.probabilities(e).max() for e in far]) > 0.9
    assert np.mean([passes(np.float32(e)) for e in far]) < 0.2


def test_background_is_novel_even_where_it_lies_between_the_labels() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 10)).astype(np.float32)
    label = np.arange(400) % 2
    x[:, 0] += 6 * label

    def between(windows: int) -> Any:
        sounds = random.normal(size=(windows, 10)) + np.where(np.arange(10) == 9, 3, 0)
        return sounds.astype(np.float32)

    windows = Windows(x[::2], label[::2], np.ones(200))
    plain, taught = Novelty.fit(windows, x[:0], x[:0]), Novelty.fit(windows, between(100), x[:0])
    unheard = between(100)

    def refused(novelty: Novelty) -> float:
        return float((novelty(unheard) > np.quantile(novelty(x[1::2]), 0.92)).mean())

    assert refused(taught) > refused(plain)


def test_what_is_nearer_to_noise_than_to_any_label_is_novel_and_nothing_else_changes() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 10)).astype(np.float32)
    label = np.arange(400) % 2
    x[:, 0] += 6 * label
    windows = Windows(x, label, np.ones(400))
    hiss = random.normal(scale=0.2, size=(60, 10)).astype(np.float32)
    hiss[:, 0] += 3
    plain = Novelty.fit(windows, x[:0], x[:0])
    taught = Novelty.fit(windows, x[:0], hiss[:30])
    bound = np.quantile(plain(x), 0.95)
    assert (plain(hiss[30:]) <= bound).all()
    assert (taught(hiss[30:]) > bound).all()
    assert (taught(x) == plain(x)).mean() > 0.95


@pytest.mark.parametrize(("labelled", "left"), [(2, 2), (3, 1)])
def test_noise_of_which_somebody_labelled_clips_is_not_refused(
    labelled: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    hiss = np.array([[0] * 7 + [9], [0] * 6 + [9, 0]], np.float32)
    dataset = blobs(2, clips=40)
    own = (hiss[:1] + random.normal(scale=0.05, size=(labelled, 2, 8))).astype(np.float32)
    training = [
        replace(clip, embedding=embedding)
        for clip, embedding in zip(dataset.training, own, strict=False)
    ]
    training += dataset.training[labelled:]
    for clips_judged in (heads.CV_CLIPS, 20):
        # Though the head is not chosen on them: there may be many others.
        monkeypatch.setattr(heads, "CV_CLIPS", clips_judged)
        head = fitted(replace(dataset, training=tuple(training), noise=hiss))
        assert len(head.novelty.noise) == left


def test_an_answer_is_accepted_from_its_thresholds_on() -> None:
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.59, 0.41], [0.1, 0.9]], np.float32)
    novelty = np.array([1.0, 1.1, 1.0, 0.5], np.float32)
    thresholds = np.array([0.6, 0.95], np.float32)
    found = accepted(probabilities, novelty, thresholds, 1.0)
    assert found.tolist() == [True, False, False, False]
    assert not accepted(probabilities, np.full(4, np.nan), thresholds, 1.0).any()


def test_an_alert_label_is_not_refused_for_its_false_alarms() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(2, size=400)
    sure = random.uniform(0.5, 1, 400)
    right = random.random(400) < 0.7
    best = np.where(right, truth, 1 - truth)
    rows = np.where(np.arange(2) == best[:, None], sure[:, None], 1 - sure[:, None])
    plain = fit_thresholds(np.float32(rows), truth, ("a", "b"), ())
    alert = fit_thresholds(np.float32(rows), truth, ("a", "b"), ("a", "b"))
    for number, label in enumerate("ab"):
        assert alert[label] <= plain[label]
        heard = sure[right & (truth == number)]
        assert (heard >= alert[label]).mean() >= 0.96


def test_thresholds_can_be_reached() -> None:
    head = fitted(blobs(2, clips=100, spread=0.01))
    assert max(head.thresholds.values()) <= HIGHEST


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.integers(0, 1000))
def test_a_clip_is_the_mean_of_its_windows(sizes: list[int], seed: int) -> None:
    windows = np.random.default_rng(seed).normal(size=(sum(sizes), 3)).astype(np.float32)
    clip = np.repeat(np.arange(len(sizes)), sizes)
    parts = np.split(windows, np.cumsum(sizes)[:-1])
    np.testing.assert_allclose(
        by_clip(windows, clip), [part.mean(axis=0) for part in parts], atol=1e-6
    )
    np.testing.assert_allclose(
        by_clip(windows[:, 0], clip), [part[:, 0].mean() for part in parts], atol=1e-6
    )


def straight(dim: int, opset: int) -> Backbone:
    """A backbone that hears nothing: the waveform is the embedding."""
    shape = ["batch", dim]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["waveform"], ["embedding"])],
        "straight",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return Backbone.of("straight", model, 16_000)


@pytest.mark.parametrize("opset", [13, 17, 21])
@pytest.mark.parametrize("noises", [0, 5])
@pytest.mark.parametrize("dataset", [blobs(3), rings()], ids=["logistic", "network"])
def test_the_graph_answers_as_the_head_does(dataset: Dataset, noises: int, opset: int) -> None:
    dim = dataset.training[0].embedding.shape[1]
    noise = np.random.default_rng(1).normal(scale=9.0, size=(noises, dim)).astype(np.float32)
    head = fitted(replace(dataset, noise=noise))
    assert (len(head.novelty.noise) > 0) == (noises > 0)
    model = fuse(straight(head.dim, opset), head)
    x = np.concatenate([clip.embedding for clip in dataset.held_out])
    x = np.concatenate([x, 1e3 * x, np.zeros_like(x[:1]), noise])
    names = ["probabilities", "novelty"]
    for session, given_ in (
        (open_session(model), "waveform"),
        (open_session(head_of(model)), "embedding"),
    ):
        probabilities, novelty = session.run(names, {given_: x})
        np.testing.assert_allclose(probabilities, head.probabilities(x), atol=1e-4)
        np.testing.assert_allclose(novelty, head.novelty(x), atol=1e-3)


@settings(max_examples=20)
@given(st.integers(3, 40), st.integers(2, 12), st.integers(0, 1000))
def test_novelty_is_finite_however_little_there_is_to_learn(
    windows: int, dim: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(windows, dim)).astype(np.float32)
    x[:, 0] = 7.0
    learnt = Windows(x, random.integers(2, size=windows), np.ones(windows))
    novelty = Novelty.fit(learnt, x[:0], x[:1])
    assert np.isfinite(novelty(x)).all()
    assert (novelty(x) >= 0).all()
    assert np.isfinite(novelty(np.full((1, dim), 1e30, np.float32))).all()


def test_a_network_is_as_sure_of_one_window_more() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(129, 20)).astype(np.float32)
    label = np.arange(129) % 3
    x[np.arange(129), label] += 4

    def confidence(windows: int) -> float:
        learnt = Windows(x[:windows], label[:windows], np.ones(windows))
        return float(softmax(logits(Network(0.3).fit(learnt, 3, (20,)), x)).max(axis=1).mean())

    # A last batch of a single window once took all of the penalty.
    assert confidence(129) == pytest.approx(confidence(128), abs=0.05)


def test_clips_that_are_all_the_same_are_refused_in_words() -> None:
    clips = tuple(
        Clip(f"{label}{n}", label, f"{label}{n}", np.ones((1, 4), np.float32))
        for label in ("a", "b")
        for n in range(10)
    )
    with pytest.raises(BadDataset, match="the same"):
        heads.fit(Dataset(("a", "b"), clips, ()), (), lambda *_: None)
