"""The head: a small classifier fitted on embeddings, chosen by cross-validation, calibrated."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from retrain.dataset import MIN_RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from earshot.recording import Samples

    from retrain.dataset import Clip, Dataset

    Row = dict[str, Any]

# Inverse strengths of the L2 penalty that are tried.
CANDIDATES = (0.01, 0.03, 0.1, 0.3, 1.0)
FOLDS = 5
# What a window of an altered copy weighs beside one of its clip. On SESA, by grouped 5-fold
# cross-validation over four seeds: without copies 0.907 on the clips and 0.762 on copies of unheard
# ones; at 0.1 0.907 and 0.843; at 0.25 0.901 and 0.869; at 1 0.899 and 0.878.
COPY_WEIGHT = 0.2
MAX_ITERATIONS = 300
# The penalty is chosen on about so many clips; more would cost time and change nothing.
CV_CLIPS = 4_000
# What share of the accepted answers of a label has to be right.
PRECISION = 0.95
# An alert label rather lets a false alarm through: this share of what is heard is kept.
ALERT_RECALL = 0.97
HIGHEST = 0.99
SEED = 20
NEVER = -30.0


@dataclass(frozen=True, eq=False)
class Head:
    """Probabilities are ``softmax(embedding @ weights + bias)``; the temperature is inside.

    ``weights`` ``[dim, labels]``, ``bias`` ``[labels]``; ``thresholds`` the confidence from which
    a label is accepted; ``unseen_accuracy`` that of the chosen ``penalty`` over the folds of
    ``unseen_clips``;
    ``curve`` one row per candidate and fold.
    """

    weights: Samples
    bias: Samples
    temperature: float
    thresholds: dict[str, float]
    penalty: float
    unseen_clips: int
    unseen_accuracy: float
    curve: list[Row]

    def probabilities(self, embedding: Samples) -> Samples:
        """``[windows, dim]`` → ``[windows, labels]``."""
        return softmax(embedding @ self.weights + self.bias)


def softmax(logits: Samples) -> Samples:
    """Along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Windows:
    """The windows of clips in one array: ``x`` ``[windows, dim]``, the others ``[windows]``.

    ``judged`` is false for windows of altered copies.
    """

    x: Samples
    label: np.ndarray[Any, Any]
    clip: np.ndarray[Any, Any]
    weight: np.ndarray[Any, Any]
    judged: np.ndarray[Any, Any]

    @classmethod
    def of(cls, clips: Sequence[Clip], labels: Sequence[str]) -> _Windows:
        """A clip weighs the same however many windows it has, and so does each label."""
        originals = [clip.embedding for clip in clips]
        copies = [clip.embedding[:0] if clip.copies is None else clip.copies for clip in clips]
        pairs = list(zip(originals, copies, strict=True))
        parts = [part for pair in pairs for part in pair]
        sizes = [len(a) + len(b) for a, b in pairs]
        weights = [len(a) + COPY_WEIGHT * len(b) for a, b in pairs]
        number = {label: n for n, label in enumerate(labels)}
        y = np.array([number[clip.label] for clip in clips])
        per_label = len(clips) / (len(labels) * np.bincount(y, minlength=len(labels)))
        judged = np.repeat([n % 2 == 0 for n in range(len(parts))], [len(p) for p in parts])
        weight = np.repeat(per_label[y] / weights, sizes)
        return cls(
            x=np.concatenate(parts),
            label=np.repeat(y, sizes),
            clip=np.repeat(np.arange(len(clips)), sizes),
            weight=np.where(judged, weight, COPY_WEIGHT * weight),
            judged=judged,
        )


def fit(
    dataset: Dataset, alert_labels: Sequence[str], progress: Callable[[float, list[Row]], None]
) -> Head:
    """Choose the penalty by cross-validation grouped by recording, calibrate, fit on everything.

    ``progress`` is told the share done and the curve so far after every fold.
    """
    curve: list[Row] = []
    clips = _at_most(dataset.training, CV_CLIPS // len(dataset.labels))
    folds = list(_folds(clips, dataset.labels))
    steps = len(CANDIDATES) * len(folds) + 1
    windows = _Windows.of(clips, dataset.labels)
    truth = np.array([dataset.labels.index(clip.label) for clip in clips])
    unseen: dict[float, Samples] = {}
    for penalty in CANDIDATES:
        logits = np.zeros((len(windows.x), len(dataset.labels)), dtype=np.float32)
        for number, fold in enumerate(folds):
            outside = np.isin(windows.clip, fold)
            weights, bias = _fit_logistic(windows, ~outside, penalty, len(dataset.labels))
            logits[outside] = windows.x[outside] @ weights + bias
            asked = outside & windows.judged
            heard = _by_clip(softmax(logits[asked]), windows.clip[asked])
            curve.append(
                {
                    "penalty": penalty,
                    "fold": number + 1,
                    "accuracy": round(float((heard.argmax(axis=1) == truth[fold]).mean()), 4),
                    "log_loss": round(_log_loss(heard, truth[fold]), 4),
                }
            )
            progress(len(curve) / steps, curve)
        unseen[penalty] = logits[windows.judged]
    clip = windows.clip[windows.judged]
    best, temperature = min(
        ((penalty, _temperature(unseen[penalty], clip, truth)) for penalty in CANDIDATES),
        key=lambda pair: _log_loss(_by_clip(softmax(unseen[pair[0]] / pair[1]), clip), truth),
    )
    everything = _Windows.of(dataset.training, dataset.labels)
    weights, bias = _fit_logistic(
        everything, np.ones(len(everything.x), dtype=bool), best, len(dataset.labels)
    )
    heard = _by_clip(softmax(unseen[best] / temperature), clip)
    progress(1.0, curve)
    return Head(
        weights=(weights / temperature).astype(np.float32),
        bias=(bias / temperature).astype(np.float32),
        temperature=temperature,
        thresholds=_thresholds(heard, truth, dataset.labels, alert_labels),
        penalty=best,
        unseen_clips=len(truth),
        unseen_accuracy=float((heard.argmax(axis=1) == truth).mean()),
        curve=curve,
    )


def _at_most(clips: Sequence[Clip], per_label: int) -> list[Clip]:
    """A fixed subset of at most ``per_label`` clips of each label, from all recordings in turn."""
    groups = sorted({clip.group for clip in clips})
    np.random.default_rng(SEED).shuffle(groups)
    rank = {group: n for n, group in enumerate(groups)}
    seen: Counter[str] = Counter()
    turns = {}
    for clip in clips:
        turns[clip.sha256] = (seen[clip.group], rank[clip.group])
        seen[clip.group] += 1
    taken: Counter[str] = Counter()
    chosen = []
    for clip in sorted(clips, key=lambda clip: turns[clip.sha256]):
        taken[clip.label] += 1
        if taken[clip.label] <= per_label:
            chosen.append(clip)
    return chosen


def _folds(clips: Sequence[Clip], labels: Sequence[str]) -> Iterator[np.ndarray[Any, Any]]:
    """The clips of each fold; no recording is in two."""
    recordings = Counter(label for label, _ in {(clip.label, clip.group) for clip in clips})
    folds = min(FOLDS, *(recordings[label] for label in labels), MIN_RECORDINGS)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=SEED)
    labels_of = [clip.label for clip in clips]
    for _, fold in splitter.split(labels_of, labels_of, [clip.group for clip in clips]):
        yield fold


def _fit_logistic(
    windows: _Windows, inside: np.ndarray[Any, Any], penalty: float, labels: int
) -> tuple[Samples, Samples]:
    """Multinomial logistic regression on standardised windows; the scaling is folded in.

    Returns weights ``[dim, labels]`` and bias ``[labels]`` for raw embeddings.
    """
    x = windows.x[inside]
    mean, scale = x.mean(axis=0), x.std(axis=0)
    # A constant feature carries nothing; dividing by its rounding noise would make it loud.
    scale = np.where(scale > 1e-6 * (1 + np.abs(mean)), scale, np.inf)
    model = LogisticRegression(C=penalty, max_iter=MAX_ITERATIONS)
    # The matrices are small: threads of the linear algebra would wait for each other, and on a
    # busy machine a fit would take twenty times as long.
    with threadpool_limits(1), warnings.catch_warnings():
        # A fit that stops early is only a candidate a little off its optimum.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((x - mean) / scale, windows.label[inside], sample_weight=windows.weight[inside])
    fitted, offsets = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        fitted, offsets = np.concatenate([-fitted, fitted]) / 2, np.append(-offsets, offsets) / 2
    # A label that a fold leaves nothing of is one that its fit never answers.
    coefficients = np.zeros((labels, x.shape[1]))
    intercept = np.full(labels, NEVER)
    coefficients[model.classes_], intercept[model.classes_] = fitted, offsets
    weights = (coefficients / scale).T
    return weights.astype(np.float32), (intercept - mean @ weights).astype(np.float32)


def _by_clip(probabilities: Samples, clip: np.ndarray[Any, Any]) -> Samples:
    """The mean over each clip's windows, as the detector answers: ``[clips, labels]``."""
    _, starts = np.unique(clip, return_index=True)
    sums = np.add.reduceat(probabilities, starts, axis=0)
    return np.asarray(sums / np.bincount(clip)[np.unique(clip)][:, np.newaxis], dtype=np.float32)


def _log_loss(probabilities: Samples, truth: np.ndarray[Any, Any]) -> float:
    right = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(right, 1e-9, None)).mean())


def _temperature(logits: Samples, clip: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> float:
    """The temperature that makes unseen clips' probabilities fit best (Guo et al., ICML 2017)."""
    found = minimize_scalar(
        lambda log_t: _log_loss(_by_clip(softmax(logits / np.exp(log_t)), clip), truth),
        bounds=(np.log(0.2), np.log(20.0)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _thresholds(
    probabilities: Samples,
    truth: np.ndarray[Any, Any],
    labels: Sequence[str],
    alert_labels: Sequence[str],
) -> dict[str, float]:
    """For each label the lowest confidence from which PRECISION of unseen answers was right."""
    best = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    thresholds = {}
    for number, label in enumerate(labels):
        mine = np.sort(confidence[best == number])
        right = (truth == number)[best == number][np.argsort(confidence[best == number])]
        # Share of right answers among those at least as confident as each one.
        precise = np.cumsum(right[::-1])[::-1] / np.arange(len(right), 0, -1) >= PRECISION
        threshold = float(mine[precise.argmax()]) if precise.any() else 0.9
        if label in alert_labels and right.any():
            threshold = min(threshold, float(np.quantile(mine[right], 1 - ALERT_RECALL)))
        # Rounded down, and never so high that nothing could pass.
        thresholds[label] = math.floor(min(max(threshold, 1 / len(labels)), HIGHEST) * 1e4) / 1e4
    return thresholds
