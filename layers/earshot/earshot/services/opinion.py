"""A challenger's opinion of a field recording: on the few windows that somebody will look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from earshot.detector import Hearing
from earshot.field.detections import doubt
from earshot.recording import Waveform

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.recording import Doubt, Prediction
    from earshot.services.heard import Heard
    from earshot.serving import Serving

# Of the doubts, and of the surest detections: so many windows each.
WINDOWS = 12
# One recording does not fill the queue.
MOST_DISAGREEMENTS = 3


def asked(serving: Serving, heard: Heard, goes_on: Callable[[], bool]) -> Heard:
    """What was heard, with what the challenger says to it, if it hears this recording.

    It hears the windows of the doubts and of the detections' peaks. Where it names another label,
    and either of the two answers is accepted, a person is to be asked. All comparisons are counted.
    """
    # Hearing took its time: what serves now may be another, and its challenger one of that.
    champion, rate = serving.detector(), heard.stream.sample_rate
    challenger = serving.challenger(heard.record.recording)
    if challenger is None or champion.card.version != heard.card.version:
        return heard
    counted: dict[str, int] = {}
    disagreements: list[tuple[float, Doubt]] = []
    for at in _windows(heard):
        if not goes_on():
            break
        window = doubt(heard.hearing, heard.card, heard.stream.duration_s, at, "disagreement")
        sound = heard.stream.read(round(window.start_s * rate), round(window.end_s * rate))
        mine = champion.judge(_only(heard.hearing, at), window.end_s - window.start_s)
        its, counts = challenger.hear(Waveform(sound, rate), mine)
        for name, n in counts.items():
            counted[name] = counted.get(name, 0) + n
        if its and _is_worth_asking(mine, its):
            disagreements.append((mine.confidence + its.confidence, window))
    # The surer both are, the more one of them has to learn.
    disagreements.sort(key=lambda one: (-one[0], one[1].start_s))
    first = tuple(window for _, window in disagreements[:MOST_DISAGREEMENTS])
    return replace(heard, disagreements=first, counted=counted)


def _windows(heard: Heard) -> list[int]:
    """The numbers of the windows to compare, in the order of time."""
    number = {round(float(start), 3): at for at, start in enumerate(heard.hearing.starts)}
    surest = sorted(heard.detections.detections, key=lambda one: -one.peak_confidence)
    starts = {
        *(review.doubt.start_s for review in heard.reviews[:WINDOWS]),
        *(one.peak_s for one in surest[:WINDOWS]),
    }
    return sorted(number[start_s] for start_s in starts)


def _only(hearing: Hearing, at: int) -> Hearing:
    one = np.s_[at : at + 1]
    return Hearing(
        hearing.starts[one],
        hearing.probabilities[one],
        hearing.embeddings[one],
        hearing.novelty[one],
    )


def _is_worth_asking(mine: Prediction, its: Prediction) -> bool:
    return mine.label != its.label and "accepted" in (mine.decision, its.decision)
