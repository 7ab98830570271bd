"""Figures of a classifier's answers, each with its 95% interval by recording."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot import evaluation
from earshot.evaluation import BINS, bin_of
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earshot.recording import Samples
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    # A figure's name → its value in each resample: [resamples], or [resamples, labels].
    Resampled = dict[str, Floats]

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
BY_LABEL = ("precision", "recall", "f1", "roc_auc")
RESAMPLES = 1_000
# With many clips and labels, fewer resamples do: the interval is narrow, and its ends need not be
# sharp. Clips times labels from which on it is so.
MANY = 40_000
RESAMPLES_OF_MANY = 200
INTERVAL = (0.025, 0.975)
SEED = 20
# No probability counts as less in the logarithmic loss, so that one clip cannot make it infinite.
LEAST = 1e-9
# Weights of clips that are in memory at a time: 32 MB.
AT_A_TIME = 4_000_000


def measure(
    probabilities: Samples,
    truth: Sequence[str],
    groups: Sequence[str],
    labels: Sequence[str],
    accepted: Sequence[bool] | None = None,
) -> dict[str, Any]:
    """Figures over clips: ``probabilities`` ``[clips, labels]``, ``groups`` their recordings.

    ``accepted`` says which answers passed their threshold; without it ``accepted_share`` and
    ``accepted_accuracy`` are None, as is every figure that the clips say nothing of. ROC-AUC is of
    a label against the others; ``brier`` is the sum of squares over labels (Brier, Mon. Weather
    Rev. 78, 1950), ``ece`` the expected calibration error over ten equal bins of confidence
    (Naeini et al., AAAI 2015), ``confusion`` ``[true][answered]``.

    ``intervals`` has the shape of the figures, with ``[low, high]`` in place of each: a percentile
    bootstrap over recordings (Efron 1979), for clips of one recording are not independent. Where
    resampling shifts a figure, as it raises the ECE, the interval reaches as far as the figure
    itself. It is None for a figure of a single recording. ``accuracy_interval`` is the accuracy's.
    """
    clips = _Clips(probabilities, truth, groups, labels, accepted)
    found = {name: column[0] for name, column in clips.figures(clips.once()).items()}
    drawn = clips.resampled()
    figures = {name: _value(found[name]) for name in OVERALL}
    intervals: dict[str, Any] = {name: _interval(drawn[name], found[name]) for name in OVERALL}
    per_label: dict[str, Any] = {}
    intervals["per_label"] = {}
    for n, label in enumerate(labels):
        per_label[label] = {name: _value(found[name][n]) for name in BY_LABEL}
        per_label[label]["clips"] = int((clips.true == n).sum())
        intervals["per_label"][label] = {
            name: _interval(drawn[name][:, n], found[name][n]) for name in BY_LABEL
        }
    return {
        "clips": len(truth),
        "recordings": clips.recordings,
        **figures,
        "accuracy_interval": intervals["accuracy"],
        "per_label": per_label,
        "confusion": clips.confusion().tolist(),
        "intervals": intervals,
    }


def compare(
    with_reviews: Samples,
    without_reviews: Samples,
    truth: Sequence[str],
    groups: Sequence[str],
    labels: Sequence[str],
) -> dict[str, Any]:
    """Accuracy, macro-F1 and ``per_label`` F1 of two classifiers' answers to the same clips.

    Each with its ``difference`` and that one's ``interval``: the same recordings are drawn for
    both (a paired bootstrap), so what is hard for both does not widen it.
    """
    both = [_Clips(asked, truth, groups, labels, None) for asked in (with_reviews, without_reviews)]
    found = [clips.figures(clips.once()) for clips in both]
    drawn = [clips.resampled() for clips in both]

    def compared(name: str, label: int | None = None) -> dict[str, Any]:
        column = slice(None) if label is None else (slice(None), label)
        after, before = (float(one[name][column][0]) for one in found)
        change = np.subtract(*(one[name][column] for one in drawn))
        return {
            "with_reviews": _value(after),
            "without_reviews": _value(before),
            "difference": _value(after - before),
            "interval": _interval(change, after - before),
        }

    return {
        "accuracy": compared("accuracy"),
        "macro_f1": compared("macro_f1"),
        "per_label": {label: compared("f1", n) for n, label in enumerate(labels)},
    }


def share(those: Sequence[bool], groups: Sequence[str]) -> dict[str, Any]:
    """What share of clips ``those`` are, with its interval by recording."""
    _, recording = np.unique(np.array(groups, dtype=str), return_inverse=True)
    of_recording = np.bincount(recording, weights=np.array(those, dtype=float))
    sizes = np.bincount(recording)
    weights = _draws(np.random.default_rng(SEED), RESAMPLES, len(sizes))
    value = _ratio(of_recording.sum(), sizes.sum())
    return {
        "clips": len(those),
        "recordings": len(sizes),
        "share": _value(value),
        "interval": None
        if len(sizes) < 2
        else _interval(_ratio(weights @ of_recording, weights @ sizes), float(value)),
    }


def reliability(probabilities: Samples, truth: Sequence[str], labels: Sequence[str]) -> list[Any]:
    """For each bin of confidence with clips in it: its edges, its clips, and both means."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == _numbers(truth, labels)
    return [asdict(one) for one in evaluation.reliability(confidence, right)]


class _Clips:
    """The clips' answers, laid out so that figures of any resample are a few matrix products."""

    def __init__(
        self,
        probabilities: Samples,
        truth: Sequence[str],
        groups: Sequence[str],
        labels: Sequence[str],
        accepted: Sequence[bool] | None,
    ) -> None:
        self._probabilities = probabilities.reshape(-1, len(labels)).astype(float)
        self._labels = len(labels)
        self.true = _numbers(truth, labels)
        self._best = self._probabilities.argmax(axis=1) if len(truth) else self.true
        names, self._recording = np.unique(np.array(groups, dtype=str), return_inverse=True)
        self.recordings = len(names)
        # Sums over the clips of each recording: columns [recordings, …] by what they count.
        counted = {
            "clips": np.ones((len(truth), 1)),
            "right": (self._best == self.true)[:, np.newaxis],
            **self._losses(),
            "hits": self._one_hot(self.true) * self._one_hot(self._best),
            "there": self._one_hot(self.true),
            "said": self._one_hot(self._best),
        }
        if accepted is not None:
            passed = np.array(accepted, dtype=bool)
            counted["accepted"] = passed[:, np.newaxis]
            counted["accepted_right"] = (passed & (self._best == self.true))[:, np.newaxis]
        of_recording = self._count(np.arange(len(truth)), len(truth), np.ones(len(truth), bool))
        self._sums = {
            name: of_recording @ columns.astype(float) for name, columns in counted.items()
        }
        self._ranked = [
            _Ranked(self._probabilities[:, n], self.true == n, self._count)
            for n in range(self._labels)
        ]

    def _count(self, slot: NDArray[np.int64], slots: int, those: NDArray[np.bool_]) -> csr_array:
        """How many of ``those`` clips fall into each slot, ``[recordings, slots]``."""
        return csr_array(
            (np.ones(those.sum()), (self._recording[those], slot[those])),
            shape=(self.recordings, slots),
        )

    def _one_hot(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray(numbers[:, np.newaxis] == np.arange(self._labels))

    def _losses(self) -> dict[str, Floats]:
        p = self._probabilities
        of_true = p[np.arange(len(p)), self.true]
        confidence = p[np.arange(len(p)), self._best]
        gap = (self._best == self.true) - confidence
        return {
            "log_loss": -np.log(np.maximum(of_true, LEAST))[:, np.newaxis],
            "brier": ((p - self._one_hot(self.true)) ** 2).sum(axis=1, keepdims=True),
            "gaps": gap[:, np.newaxis] * (bin_of(confidence)[:, np.newaxis] == np.arange(BINS)),
        }

    def confusion(self) -> NDArray[np.int64]:
        """``[true, answered]``."""
        counts = np.zeros((self._labels, self._labels), dtype=np.int64)
        np.add.at(counts, (self.true, self._best), 1)
        return counts

    def once(self) -> Floats:
        """The one sample in which every recording is once: ``[1, recordings]``."""
        return np.ones((1, self.recordings))

    def figures(self, weights: Floats) -> Resampled:
        """The figures of recordings that weigh ``[resamples, recordings]``."""
        sums = {name: weights @ columns for name, columns in self._sums.items()}
        single = {name: column[:, 0] for name, column in sums.items() if column.shape[1] == 1}
        clips = single["clips"]
        f1 = _ratio(2 * sums["hits"], sums["said"] + sums["there"])
        f1 = np.where(sums["there"] > 0, f1, np.nan)
        roc_auc = np.stack([ranked.roc_auc(weights) for ranked in self._ranked], axis=1)
        nothing = np.full(len(weights), np.nan)
        accepted = single.get("accepted", nothing)
        return {
            "accuracy": _ratio(single["right"], clips),
            "macro_f1": _mean_of_known(f1),
            "macro_roc_auc": _mean_of_known(roc_auc),
            "log_loss": _ratio(single["log_loss"], clips),
            "brier": _ratio(single["brier"], clips),
            "ece": _ratio(np.abs(sums["gaps"]).sum(axis=1), clips),
            "accepted_share": _ratio(accepted, clips),
            "accepted_accuracy": _ratio(single.get("accepted_right", nothing), accepted),
            "precision": _ratio(sums["hits"], sums["said"]),
            "recall": _ratio(sums["hits"], sums["there"]),
            "f1": f1,
            "roc_auc": roc_auc,
        }

    def resampled(self) -> Resampled:
        """The figures of resamples, recordings drawn with replacement; none for one recording."""
        if self.recordings < 2:
            return {name: column[:0] for name, column in self.figures(self.once()).items()}
        many = len(self.true) * self._labels > MANY
        resamples = RESAMPLES_OF_MANY if many else RESAMPLES
        random = np.random.default_rng(SEED)
        at_a_time = max(1, AT_A_TIME // len(self.true))
        parts = [
            self.figures(_draws(random, min(at_a_time, resamples - done), self.recordings))
            for done in range(0, resamples, at_a_time)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class _Ranked:
    """Clips by how probable one label is: the area under its ROC curve, for any weights.

    It is the chance that a clip of the label ranks above another one, ties counted half (Hanley
    and McNeil, Radiology 143, 1982).
    """

    def __init__(
        self, probability: Floats, is_label: NDArray[np.bool_], count: Callable[..., csr_array]
    ) -> None:
        # Others only matter by which clips of the label they are below, level with, or above.
        levels = np.unique(probability[is_label])
        at_least = np.searchsorted(levels, probability, side="left")
        level = np.searchsorted(levels, probability, side="right") > at_least
        self._of_label = count(at_least, len(levels), is_label)
        self._others = count(2 * at_least + level, 2 * len(levels) + 1, ~is_label)

    def roc_auc(self, weights: Floats) -> Floats:
        """``weights`` ``[resamples, recordings]`` → ``[resamples]``; NaN where a side is empty."""
        of_label = weights @ self._of_label
        others = weights @ self._others
        below, level = np.cumsum(others, axis=1)[:, :-1:2], others[:, 1::2]
        pairs = (of_label * (below + level / 2)).sum(axis=1)
        area: Floats = _ratio(pairs, of_label.sum(axis=1) * others.sum(axis=1))
        return area


def _numbers(truth: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    number = {label: n for n, label in enumerate(labels)}
    return np.array([number[label] for label in truth], dtype=np.int64)


def _draws(random: np.random.Generator, resamples: int, recordings: int) -> Floats:
    """How often each recording is drawn in each resample: ``[resamples, recordings]``."""
    drawn = random.integers(recordings, size=(resamples, recordings))
    place = drawn + recordings * np.arange(resamples)[:, np.newaxis]
    counts = np.bincount(place.ravel(), minlength=resamples * recordings)
    return counts.reshape(resamples, recordings).astype(float)


def _ratio(part: Any, whole: Any) -> Any:
    """NaN where there is nothing to take a part of."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(whole) > 0, part / np.asarray(whole, dtype=float), np.nan)


def _mean_of_known(values: Floats) -> Floats:
    """The mean ``[resamples]`` over the labels of which something is known."""
    known = ~np.isnan(values)
    mean: Floats = _ratio(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))
    return mean


def _value(figure: Any) -> float | None:
    return None if np.isnan(figure) else round(float(figure), 4)


def _interval(drawn: Floats, figure: float) -> list[float] | None:
    known = drawn[~np.isnan(drawn)]
    if not len(known) or np.isnan(figure):
        return None
    low, high = np.quantile(known, INTERVAL)
    return [round(min(float(low), float(figure)), 4), round(max(float(high), float(figure)), 4)]
