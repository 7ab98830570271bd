"""What the windows of a recording amount to: detections, and what a person should be asked about.

Pure functions over a Hearing. The windows of a recording that was heard in parts amount to the
same when they are put together first.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.detector import accepted
from earshot.errors import UnknownLabel
from earshot.recording import Detection, Detections, Doubt
from earshot.review.ranking import PENALTY, rank, why

if TYPE_CHECKING:
    from collections.abc import Collection

    from earshot.bundle import ModelCard
    from earshot.detector import Hearing
    from earshot.recording import Reason, Samples

    Numbers = np.ndarray[Any, np.dtype[Any]]

# So many windows of each hour go into the review queue at most, and so many of one recording: a
# long one has more to teach, but one noisy night must not bury all others.
DOUBTS_AN_HOUR = 3
MOST_DOUBTS = 24
# From this margin on, an answer that is accepted is not worth a person's time.
CLEAR_MARGIN = 0.5
# A model that accepts next to nothing: novelty is told in shares of this, not of zero.
LEAST_NOVELTY = 0.01


def detect(
    hearing: Hearing, card: ModelCard, duration_s: float, background: str | None
) -> tuple[Detection, ...]:
    """Neighbouring windows whose answers are accepted and agree, merged, in the order of time.

    A window is accepted as a prediction is: as confident as its label wants, of nothing too
    novel. ``background``, what an application calls silence or everyday sound, is no detection:
    nobody would go there. With windows that overlap, detections of two labels may.
    """
    best = hearing.probabilities.argmax(axis=1)
    counts = _accepted(hearing, card)
    if background in card.labels:
        counts &= best != card.labels.index(background)
    heard = np.where(counts, best, -1)
    found = []
    for part in np.split(np.arange(len(heard)), np.flatnonzero(np.diff(heard)) + 1):
        label = heard[part[0]]
        if label < 0:
            continue
        confidences = hearing.probabilities[part, label]
        surest = part[confidences.argmax()]
        found.append(
            Detection(
                start_s=_start(hearing, part[0]),
                end_s=_end(hearing, part[-1], card, duration_s),
                label=card.labels[label],
                peak_confidence=round(float(confidences.max()), 4),
                mean_confidence=round(float(confidences.mean()), 4),
                peak_s=_start(hearing, surest),
            )
        )
    return tuple(found)


def summarise(
    hearing: Hearing,
    card: ModelCard,
    *,
    recording: str,
    key: str,
    site: str,
    sample_rate: int,
    duration_s: float,
    started_at: str | None,
    background: str | None,
) -> Detections:
    """What is detected in a recording, as it is written down: in the cloud and offline alike.

    ``sample_rate`` in Hz and ``duration_s`` are the recording's, ``started_at`` is from its notes;
    for ``background`` see ``detect``.
    """
    return Detections(
        recording=recording,
        key=key,
        site=site,
        duration_s=round(duration_s, 3),
        high_hz=min(sample_rate, card.sample_rate) / 2,
        model_version=card.version,
        labels=card.labels,
        background=background,
        detections=detect(hearing, card, duration_s, background),
        started_at=started_at,
    )


def doubts(
    hearing: Hearing, card: ModelCard, duration_s: float, first: tuple[Doubt, ...] = ()
) -> tuple[Doubt, ...]:
    """The windows that are worth most to ask about, the best first; none overlap.

    DOUBTS_AN_HOUR for each hour that was begun, and MOST_DOUBTS in all. Those of ``first`` are
    among them whatever they are worth.

    Asked about are windows that are not accepted, too novel ones among them however sure the
    answer, and those with a margin of less than CLEAR_MARGIN. They are chosen as ``ranking`` says,
    spread over labels: one that was chosen makes others of its label less welcome.
    """
    best, margins, novelty = _answers(hearing, card)
    unsure = ~_accepted(hearing, card) | (margins < CLEAR_MARGIN)
    ranks = map(rank, margins.tolist(), novelty.tolist())
    cost = np.where(unsure, np.fromiter(ranks, float, len(margins)), np.inf)
    labels, ends = np.array(card.labels)[best], hearing.starts + card.window_s
    most = min(DOUBTS_AN_HOUR * max(math.ceil(duration_s / 3600), 1), MOST_DOUBTS)
    chosen = [*first[:most]]

    def take(one: Doubt) -> None:
        cost[(hearing.starts < one.end_s) & (ends > one.start_s)] = np.inf
        cost[labels == one.label] += PENALTY

    for one in chosen:
        take(one)
    while len(chosen) < most and np.isfinite(cost[at := int(cost.argmin())]):
        chosen.append(doubt(hearing, card, duration_s, at))
        take(chosen[-1])
    return tuple(chosen)


def doubt(
    hearing: Hearing, card: ModelCard, duration_s: float, at: int, reason: Reason | None = None
) -> Doubt:
    """What a person is asked about the window of number ``at``, for what is known or a reason."""
    best, margins, novelty = _answers(hearing, card)
    margin, far = round(float(margins[at]), 4), round(float(novelty[at]), 4)
    return Doubt(
        start_s=_start(hearing, at),
        end_s=_end(hearing, at, card, duration_s),
        label=card.labels[best[at]],
        confidence=round(float(hearing.probabilities[at, best[at]]), 4),
        margin=margin,
        probabilities=_by_label(card, hearing.probabilities[at]),
        novelty=far,
        reason=reason or why(margin, far),
    )


def select(found: Detections, labels: Collection[str], min_confidence: float) -> Detections:
    """The detections of some labels, or by none of all, that peak at a confidence or above it.

    Raises UnknownLabel for a label that the model does not have.
    """
    if strangers := set(labels) - set(found.labels):
        raise UnknownLabel(
            f"{min(strangers)!r} is not a label of the model that heard this recording: use "
            f"{', '.join(found.labels)}."
        )
    kept = (
        one
        for one in found.detections
        if (not labels or one.label in labels) and one.peak_confidence >= min_confidence
    )
    return replace(found, detections=tuple(kept))


def _answers(hearing: Hearing, card: ModelCard) -> tuple[Numbers, Numbers, Numbers]:
    """Of each window the best label's number, its margin, and its novelty as a Doubt tells it."""
    ranked = np.sort(hearing.probabilities, axis=1)
    return (
        hearing.probabilities.argmax(axis=1),
        ranked[:, -1] - ranked[:, -2],
        hearing.novelty / max(card.novelty_threshold, LEAST_NOVELTY),
    )


def _accepted(hearing: Hearing, card: ModelCard) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    thresholds = np.array([card.thresholds[label] for label in card.labels])
    return accepted(hearing.probabilities, hearing.novelty, thresholds, card.novelty_threshold)


def _start(hearing: Hearing, at: int) -> float:
    return round(float(hearing.starts[at]), 3)


def _end(hearing: Hearing, at: int, card: ModelCard, duration_s: float) -> float:
    """A window's end; that of a short recording's only window is the recording's."""
    return round(min(float(hearing.starts[at]) + card.window_s, duration_s), 3)


def _by_label(card: ModelCard, probabilities: Samples) -> dict[str, float]:
    pairs = zip(card.labels, probabilities, strict=True)
    return {label: round(float(probability), 4) for label, probability in pairs}
