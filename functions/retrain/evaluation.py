"""How well an exported file hears, judged on clips that it has not learnt from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from earshot.detector import Detector, Hearing, open_session
from earshot.drift.answers import draw

from retrain.export import head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earshot.bundle import Bundle
    from earshot.recording import Answer, Samples

    from retrain.dataset import Clip
    from retrain.heads import Head

# So many held-out clips are heard from their audio, through the detector that serves. The others
# are judged by their stored embeddings, through the exported file's own head.
HEARD_FROM_AUDIO = 200


@dataclass(frozen=True, eq=False)
class Scores:
    """What an exported file answered.

    ``probabilities`` ``[clips, labels]``; ``accepted`` which answers passed their threshold;
    ``novelty`` each clip's; ``windows`` the answers to one window for each label that a clip has;
    ``heard`` which clips came from audio; ``parity`` the largest difference between hearing a clip
    and its stored embedding.
    """

    probabilities: Samples
    accepted: list[bool]
    novelty: list[float]
    windows: list[list[Answer]]
    heard: list[bool]
    parity: float


def score(
    bundle: Bundle, clips: Sequence[Clip], progress: Callable[[float], None] = lambda _: None
) -> Scores:
    """Put clips through an exported file: from audio where it is at hand, else from embeddings."""
    detector = Detector(bundle)
    head = _Head(bundle)
    rows: list[list[float]] = []
    accepted: list[bool] = []
    novelty: list[float] = []
    windows: list[list[Answer]] = []
    heard: list[bool] = []
    from_audio, parity = 0, 0.0
    for number, clip in enumerate(clips):
        hearing = head(clip.embedding)
        waveform = clip.audio() if from_audio < HEARD_FROM_AUDIO else None
        if waveform is not None:
            from_audio += 1
            stored, hearing = hearing, detector.hear(waveform)
            # A clip with more windows than are stored has no stored counterpart.
            if len(hearing.embeddings) == len(clip.embedding):
                parity = _largest(
                    parity,
                    _difference(hearing.embeddings, stored.embeddings),
                    _difference(hearing.probabilities, stored.probabilities),
                    _difference(hearing.novelty, stored.novelty),
                )
        said = detector.judge(hearing, waveform.duration_s if waveform else 0.0)
        rows.append([said.probabilities[label] for label in bundle.card.labels])
        accepted.append(said.decision == "accepted")
        novelty.append(said.novelty)
        windows.append([answer for _, answer in draw(hearing, bundle.card, clip.sha256)])
        heard.append(waveform is not None)
        progress((number + 1) / len(clips))
    return Scores(np.asarray(rows, dtype=np.float32), accepted, novelty, windows, heard, parity)


def head_difference(bundle: Bundle, head: Head, clips: Sequence[Clip]) -> float:
    """The largest difference between the exported file's head and the one that was fitted."""
    exported, largest = _Head(bundle), 0.0
    for clip in clips:
        answered = exported(clip.embedding)
        largest = _largest(
            largest,
            _difference(answered.probabilities, head.probabilities(clip.embedding)),
            _difference(answered.novelty, head.novelty(clip.embedding)),
        )
    return largest


class _Head:
    """An exported file's own head, for clips of which only the embedding ``[windows, dim]`` is."""

    def __init__(self, bundle: Bundle) -> None:
        self._session = open_session(head_of(bundle.model))

    def __call__(self, embedding: Samples) -> Hearing:
        """Where the windows were is not known; nothing that is judged by clip hangs on it."""
        probabilities, novelty = self._session.run(
            ["probabilities", "novelty"], {"embedding": embedding}
        )
        starts = np.zeros(len(embedding))
        return Hearing(starts, probabilities, embedding, novelty)


def _largest(*differences: float) -> float:
    """The maximum, which in numpy, unlike in Python, does not let a NaN slip through."""
    return float(np.max(differences))


def _difference(a: Samples, b: Samples) -> float:
    """The largest difference, relative to values above 1."""
    return float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())


def latency_ms(bundle: Bundle) -> float:
    """Milliseconds for one window on one core: the best of ten, for a machine is rarely idle."""
    detector = Detector(bundle, threads=1)
    detector.warm()
    times = []
    for _ in range(10):
        started = time.perf_counter()
        detector.warm()
        times.append(time.perf_counter() - started)
    return min(times) * 1000
