"""Answers to what was heard that are independent enough to be counted as such."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from earshot.detector import accepted
from earshot.recording import Answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from earshot.bundle import ModelCard
    from earshot.detector import Hearing


def draw(
    hearing: Hearing, card: ModelCard, seed: str, hours: NDArray[np.int64] | None = None
) -> list[tuple[int, Answer]]:
    """One window of each label that is heard, in each of the ``hours`` that windows are in.

    Windows next to each other are hardly independent: of an hour's one is drawn, by ``seed``, and
    not the surest, for that says more of how many there were. Answered are windows' numbers, and
    what was made of them. ``hours`` ``[windows]``; by default all are in one.
    """
    count = len(hearing.probabilities)
    digest = hashlib.sha256(seed.encode()).digest()
    random = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    order = random.permutation(count)
    best = hearing.probabilities.argmax(axis=1)
    hours = np.zeros(count, dtype=np.int64) if hours is None else hours
    # Of each pair the first one in that order.
    _, first = np.unique(np.column_stack([hours, best])[order], axis=0, return_index=True)
    chosen = order[first]
    thresholds = np.array([card.thresholds[label] for label in card.labels])
    passes = accepted(hearing.probabilities, hearing.novelty, thresholds, card.novelty_threshold)
    return [
        (
            at,
            Answer(
                label=card.labels[best[at]],
                confidence=round(float(hearing.probabilities[at, best[at]]), 6),
                novelty=round(float(hearing.novelty[at]), 6),
                accepted=bool(passes[at]),
            ),
        )
        for at in sorted(chosen.tolist())
    ]
