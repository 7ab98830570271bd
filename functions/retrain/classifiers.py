"""Classifiers on embeddings, fitted: affine layers with a rectifier between them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import eigh
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earshot.recording import Samples

    # Weights [inputs, outputs] and bias [outputs] of each layer.
    Layers = tuple[tuple[Samples, Samples], ...]
    Numbers = np.ndarray[Any, np.dtype[Any]]

# What a label that is not there to be learnt gets for a logit.
NEVER = -30.0
MAX_ITERATIONS = 300
# Directions of an embedding are found in so many windows; more change nothing.
ENOUGH_WINDOWS = 4_000
# The network's input: so many principal components, each divided by the root of its deviation.
COMPONENTS = 128
HIDDEN = 64
BATCH = 128
# Few steps are an early stop: 600 did no better on SESA, esc10 and us8k_eco, and took longer.
STEPS = 200
LEARNING_RATE = 4e-3
SEED = 20


@dataclass(frozen=True, eq=False)
class Windows:
    """What is learnt from: ``x`` ``[windows, dim]``, ``label`` and ``weight`` ``[windows]``."""

    x: Samples
    label: Numbers
    weight: Numbers


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression; ``penalty`` is the inverse strength of its L2 penalty.

    Each part of the embedding is fitted alone and the logits are averaged: a part that fits the
    training data best does not silence the others. With mn04's two layers and log-mel statistics,
    birds6 rose from 0.860 to 0.883 and distress_nv from 0.856 to 0.875 (grouped folds), and the
    average is still one affine layer.
    """

    penalty: float

    def __str__(self) -> str:
        return f"logistic regression, C = {self.penalty:g}"

    def fit(self, windows: Windows, labels: int, parts: Sequence[int]) -> Layers:
        """``parts`` are the widths of the embedding's parts, in order."""
        at = np.cumsum([0, *parts])
        fitted = [self._fit(windows, labels, slice(*span)) for span in pairwise(at)]
        weights = np.concatenate([part for part, _ in fitted]) / len(parts)
        bias = np.mean([part for _, part in fitted], axis=0)
        return ((weights.astype(np.float32), bias.astype(np.float32)),)

    def _fit(self, windows: Windows, labels: int, part: slice) -> tuple[Numbers, Numbers]:
        x = windows.x[:, part]
        mean, gain = standard(x)
        model = LogisticRegression(C=self.penalty, max_iter=MAX_ITERATIONS)
        fit_quietly(model, (x - mean) * gain, windows.label, windows.weight)
        weights, bias = _every_label(model.coef_.T, model.intercept_, model.classes_, labels)
        weights = gain[:, np.newaxis] * weights
        return weights, bias - mean @ weights


@dataclass(frozen=True)
class Network:
    """A small multilayer perceptron on principal components, by Adam (Kingma and Ba, 2015).

    ``decay`` is the strength of its L2 penalty. It takes about STEPS steps whatever the number of
    windows, at least once through all of them. The standardising and the components are folded into
    the first of its two affine layers.
    """

    decay: float

    def __str__(self) -> str:
        return f"multilayer perceptron, L2 = {self.decay:g}"

    def fit(self, windows: Windows, labels: int, parts: Sequence[int]) -> Layers:  # noqa: ARG002
        """It sees the embedding as a whole, whatever its parts."""
        mean, gain = standard(windows.x)
        some = (_some(windows.x) - mean) * gain
        variance, directions = principal(some.T @ some / len(some), COMPONENTS)
        # The first component has unit variance, the others have less, but not by as much.
        front = gain[:, np.newaxis] * directions / (variance * variance[0]) ** 0.25
        x = ((windows.x - mean) @ front.astype(np.float32)).astype(np.float32)
        # Even batches: scikit-learn lays the whole penalty on every one, however small it is.
        batch = math.ceil(len(x) / math.ceil(len(x) / BATCH))
        network = MLPClassifier(
            (HIDDEN,),
            alpha=self.decay,
            batch_size=batch,
            max_iter=max(1, STEPS * batch // len(x)),
            learning_rate_init=LEARNING_RATE,
            n_iter_no_change=STEPS,
            random_state=SEED,
        )
        fit_quietly(network, x, windows.label, windows.weight)
        hidden = front @ network.coefs_[0]
        first = hidden, network.intercepts_[0] - mean @ hidden
        second = _every_label(network.coefs_[1], network.intercepts_[1], network.classes_, labels)
        return tuple((w.astype(np.float32), b.astype(np.float32)) for w, b in (first, second))


def logits(layers: Layers, x: Samples) -> Samples:
    """``[windows, dim]`` → ``[windows, labels]``."""
    (weights, bias), *others = layers
    return reduce(
        lambda y, layer: np.maximum(y, 0) @ layer[0] + layer[1], others, x @ weights + bias
    )


def softened(layers: Layers, temperature: float) -> Layers:
    """The same classifier with its logits divided by a temperature."""
    weights, bias = layers[-1]
    return (*layers[:-1], (weights / np.float32(temperature), bias / np.float32(temperature)))


def standard(x: Samples) -> tuple[Numbers, Numbers]:
    """Mean and inverse deviation of each feature, ``[dim]``.

    A constant feature carries nothing; dividing by its rounding noise would make it loud.
    """
    mean = x.mean(axis=0, dtype=np.float64)
    scale = x.std(axis=0, dtype=np.float64)
    gain = 1 / np.where(scale > 1e-6 * (1 + np.abs(mean)), scale, np.inf)
    return mean.astype(np.float32), gain.astype(np.float32)


def principal(covariance: Numbers, rank: int) -> tuple[Numbers, Numbers]:
    """The largest eigenvalues ``[rank]``, falling, and their directions ``[dim, rank]``.

    Directions without variance are left out, so there may be fewer.
    """
    dim = len(covariance)
    variance, directions = eigh(
        covariance.astype(np.float64), subset_by_index=(max(0, dim - rank), dim - 1)
    )
    there = variance > 1e-9 * max(float(variance[-1]), 1e-9)
    return variance[there][::-1], directions[:, there][:, ::-1]


def _some(x: Samples) -> Samples:
    """At most ENOUGH_WINDOWS rows, always the same."""
    if len(x) <= ENOUGH_WINDOWS:
        return x
    chosen = np.random.default_rng(SEED).choice(len(x), ENOUGH_WINDOWS, replace=False)
    return np.asarray(x[chosen])


def fit_quietly(model: Any, x: Numbers, label: Numbers, weight: Numbers | None) -> None:
    """Fit one of scikit-learn's classifiers without word of an early end."""
    with warnings.catch_warnings():
        # A fit that stops early is only a candidate a little off its optimum.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, label, sample_weight=weight)


def _every_label(
    weights: Numbers, bias: Numbers, learnt: Numbers, labels: int
) -> tuple[Numbers, Numbers]:
    """An output for each of ``labels``, those included that the fit has not met or that it implies.

    ``weights`` ``[inputs, outputs]``; scikit-learn has one output for two labels.
    """
    if len(learnt) == 2:
        weights = np.concatenate([-weights, weights], axis=1) / 2
        bias = np.append(-bias, bias) / 2
    all_weights, all_bias = np.zeros((len(weights), labels)), np.full(labels, NEVER)
    all_weights[:, learnt], all_bias[learnt] = weights, bias
    return all_weights, all_bias
