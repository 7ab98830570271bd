"""Probabilities that mean what they say, and from where on an answer is accepted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.detector import accepted
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.recording import Samples

    Numbers = np.ndarray[Any, np.dtype[Any]]

# What share of the accepted answers of a label is to be right,
PRECISION = 0.95
# as long as no more than this share of its answers is refused for it.
REFUSED = 0.04
# An alert label rather lets a false alarm through: this share of what is heard is kept.
ALERT_RECALL = 0.97
# Share of the clips that is accepted; the others are the price of refusing what is like no label.
ACCEPTED = 0.94
HIGHEST = 0.99


def softmax(logits: Samples) -> Samples:
    """Along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float32)


def by_clip(windows: Samples, clip: Numbers) -> Samples:
    """The mean over each clip's windows, as the detector answers.

    ``[windows, …]`` → ``[clips, …]``. ``clip`` ``[windows]`` is the number of each window's clip;
    windows of a clip lie side by side.
    """
    _, starts, counts = np.unique(clip, return_index=True, return_counts=True)
    sums = np.add.reduceat(windows, starts, axis=0)
    return np.asarray((sums.T / counts).T, dtype=np.float32)


def log_loss(probabilities: Samples, truth: Numbers) -> float:
    """The mean over clips of the negative logarithm of the right label's probability."""
    right = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.clip(right, 1e-9, None)).mean())


def fit_temperature(logits: Samples, clip: Numbers, truth: Numbers) -> float:
    """The temperature that makes unseen clips' probabilities fit best (Guo et al., ICML 2017).

    ``logits`` ``[windows, labels]``; it is the mean over a clip's windows that has to fit.
    """
    found = minimize_scalar(
        lambda log_t: log_loss(by_clip(softmax(logits / np.exp(log_t)), clip), truth),
        bounds=(np.log(0.05), np.log(20.0)),
        method="bounded",
    )
    return float(np.exp(found.x))


def fit_thresholds(
    probabilities: Samples, truth: Numbers, labels: Sequence[str], alert_labels: Sequence[str]
) -> dict[str, float]:
    """For each label the lowest confidence from which PRECISION of unseen answers was right.

    Lower where it would refuse more than REFUSED of the label's answers, or, for an alert label,
    let more of what is heard go by than ALERT_RECALL allows.
    """
    best = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    thresholds = {}
    for number, label in enumerate(labels):
        mine = np.sort(confidence[best == number])
        right = (truth == number)[best == number][np.argsort(confidence[best == number])]
        # Share of right answers among those at least as confident as each one.
        precise = np.cumsum(right[::-1])[::-1] / np.arange(len(right), 0, -1) >= PRECISION
        threshold = float(mine[precise.argmax()]) if precise.any() else HIGHEST
        if len(mine):
            threshold = min(threshold, _quantile(mine, REFUSED))
        if label in alert_labels and right.any():
            threshold = min(threshold, _quantile(mine[right], 1 - ALERT_RECALL))
        # Rounded down, and never so high that nothing could pass.
        thresholds[label] = math.floor(min(max(threshold, 1 / len(labels)), HIGHEST) * 1e4) / 1e4
    return thresholds


def fit_novelty_threshold(probabilities: Samples, novelty: Samples, thresholds: Numbers) -> float:
    """The lowest novelty up to which ACCEPTED of unseen clips are accepted after all.

    ``novelty`` ``[clips]``, ``thresholds`` ``[labels]``.
    """
    confident = np.sort(novelty[accepted(probabilities, novelty, thresholds, np.inf)])
    wanted = min(math.ceil(ACCEPTED * len(novelty)), len(confident))
    # Rounded up, so that the clip at the threshold is accepted.
    return math.ceil(float(confident[max(wanted - 1, 0)]) * 1e4) / 1e4


def _quantile(values: Numbers, share: float) -> float:
    return float(np.quantile(values, share, method="lower"))
