"""Telling that a sound is like none that was learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from retrain.classifiers import fit_quietly, principal, standard

if TYPE_CHECKING:
    from earshot.recording import Samples

    from retrain.classifiers import Windows

# Fewer tell less: on us8k_eco, whose 136 windows of two folds bound it, half of them refused 54% of
# clips of other sets instead of 65%.
RANK = 256
# This share of each direction's variance is replaced by the mean over all that windows can show.
SHRINKAGE = 0.1
# The direction that tells background from labels: the inverse strength of its L2 penalty, and its
# deviation among what was learnt from, where a whitened direction's is 1 / sqrt(rank).
BACKGROUND_PENALTY = 0.003
BACKGROUND_DEVIATION = 0.3
# Refused is what is nearer to steady noise than to any label, by this factor of the squared
# distance, and so steeply that noise is which is as near to a label as what it learnt from. With
# the default bundle no clip of SESA, nor any gunshot or siren of two other sets, was lost to it.
NEARER = 1.5
STEEPNESS = 16.0
# Standardised features are clipped here: one that is far off must not drown the others.
LIMIT = 5.0


@dataclass(frozen=True, eq=False)
class Novelty:
    """How far an embedding lies from every label, in the measure of the labels' own variation.

    The Mahalanobis distance d to the nearest label's mean, with one covariance for all (Lee et
    al., NeurIPS 2018), in the ``rank`` directions that labels vary in most; novelty is
    ``log(1 + d² / rank)``. ``mean`` and ``gain`` ``[dim]`` standardise, ``directions``
    ``[dim, rank]`` whiten and divide by the root of the rank, ``centres`` ``[labels, rank]``.
    ``noise`` ``[any, rank]`` are points that are novel for any label: what is nearer to one of them
    than to a label by a factor of NEARER has the difference added STEEPNESS times.

    The confidence does not tell: with thresholds that accept 92% of unheard clips of SESA, with
    mn04 and log-mel statistics, it refused 34% of clips of five other sets, energy (Liu et al.,
    NeurIPS 2020) 43%, the distance to the nearest windows 87%, this one 88%.

    Windows of background, if there are any, add one more direction: the one that tells them from
    the labels best. With esc10 and esc50_by for it, SESA's model refused 99% of clips of three
    other sets instead of 90%.
    """

    mean: Samples
    gain: Samples
    directions: Samples
    centres: Samples
    noise: Samples

    @classmethod
    def fit(cls, windows: Windows, background: Samples, noise: Samples) -> Novelty:
        """From windows of labels, and ``background`` and ``noise`` ``[any, dim]`` of none."""
        mean, gain = standard(windows.x)
        x = _standardised(windows.x, mean, gain)
        labels, number = np.unique(windows.label, return_inverse=True)
        centres = np.stack([x[number == n].mean(axis=0) for n in range(len(labels))])
        inside = x - centres[number]
        covariance = inside.T @ inside / len(inside)
        variance, directions = principal(covariance, min(RANK, len(x)))
        shrunk = (1 - SHRINKAGE) * variance + SHRINKAGE * np.trace(covariance) / min(x.shape)
        whitening = directions / np.sqrt(shrunk * len(shrunk))
        at = centres @ whitening
        if len(background):
            away = _away(x, _standardised(background, mean, gain))
            whitening = np.column_stack([whitening, away])
            # All labels lie at one point of it: to look like background is novel for any.
            at = np.column_stack([at, np.full(len(at), (x @ away).mean())])
        directions = np.ascontiguousarray(whitening, dtype=np.float32)
        points = _standardised(noise, mean, gain) @ directions
        return cls(
            mean,
            gain,
            directions,
            np.ascontiguousarray(at, dtype=np.float32),
            np.ascontiguousarray(points, dtype=np.float32),
        )

    def like_noise(self, embedding: Samples) -> np.ndarray[Any, Any]:
        """Which points of noise are nearer than any label, ``[n, dim]`` → ``[n, noise]``."""
        z = _standardised(embedding, self.mean, self.gain) @ self.directions
        to_labels = _squared(z, self.centres).min(axis=1, keepdims=True)
        return np.asarray(NEARER * _squared(z, self.noise) < to_labels)

    def __call__(self, embedding: Samples) -> Samples:
        """``[windows, dim]`` → ``[windows]``."""
        z = _standardised(embedding, self.mean, self.gain) @ self.directions
        squared = _squared(z, self.centres).min(axis=1)
        if len(self.noise):
            to_noise = NEARER * _squared(z, self.noise).min(axis=1)
            squared += STEEPNESS * np.maximum(squared - to_noise, 0)
        return np.asarray(np.log1p(squared), dtype=np.float32)


def _squared(z: Samples, points: Samples) -> Samples:
    """Squared distances, ``[windows, rank]`` and ``[points, rank]`` → ``[windows, points]``."""
    of_points = (points**2).sum(axis=1) - 2 * z @ points.T
    return np.asarray(np.maximum((z**2).sum(axis=1, keepdims=True) + of_points, 0))


def _away(x: np.ndarray[Any, Any], background: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The direction ``[dim]`` from what was learnt to background, by logistic regression."""
    both = np.concatenate([x, background])
    novel = np.repeat([0, 1], [len(x), len(background)])
    model = LogisticRegression(C=BACKGROUND_PENALTY, max_iter=200, class_weight="balanced")
    fit_quietly(model, both, novel, None)
    direction = model.coef_[0]
    return np.asarray(direction * BACKGROUND_DEVIATION / max(float((x @ direction).std()), 1e-6))


def _standardised(x: Samples, mean: Samples, gain: Samples) -> np.ndarray[Any, Any]:
    return np.asarray(np.clip((x - mean) * gain, -LIMIT, LIMIT))
