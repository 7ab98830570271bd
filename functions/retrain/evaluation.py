"""How well an exported file hears, judged on clips that it has not learnt from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from earshot.detector import Detector, open_session

from retrain.export import head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from earshot.bundle import Bundle
    from earshot.recording import Samples

    from retrain.dataset import Clip
    from retrain.heads import Head

# So many held-out clips are heard from their audio, through the detector that serves. The others
# are judged by their stored embeddings, through the exported file's own head.
HEARD_FROM_AUDIO = 200
RESAMPLES = 1_000
BINS = 10
SEED = 20


@dataclass(frozen=True, eq=False)
class Scores:
    """What an exported file answered.

    ``probabilities`` ``[clips, labels]``; ``heard`` which clips came from audio; ``parity`` the
    largest difference between hearing a clip and its stored embedding.
    """

    probabilities: Samples
    heard: list[bool]
    parity: float


def score(
    bundle: Bundle, clips: Sequence[Clip], progress: Callable[[float], None] = lambda _: None
) -> Scores:
    """Put clips through an exported file: from audio where it is at hand, else from embeddings."""
    detector = Detector(bundle)
    head = open_session(head_of(bundle.model))
    rows: list[Samples] = []
    heard: list[bool] = []
    from_audio, parity = 0, 0.0
    for number, clip in enumerate(clips):
        (stored,) = head.run(["probabilities"], {"embedding": clip.embedding})
        waveform = clip.audio() if from_audio < HEARD_FROM_AUDIO else None
        if waveform is not None:
            from_audio += 1
            hearing = detector.hear(waveform)
            mean = hearing.probabilities.mean(axis=0)
            # A clip with more windows than are stored has no stored counterpart.
            if len(hearing.embeddings) == len(clip.embedding):
                # numpy's maximum, unlike Python's, does not let a NaN slip through.
                parity = float(
                    np.max(
                        [
                            parity,
                            _difference(hearing.embeddings, clip.embedding),
                            _difference(hearing.probabilities, stored),
                        ]
                    )
                )
        else:
            mean = stored.mean(axis=0)
        rows.append(mean)
        heard.append(waveform is not None)
        progress((number + 1) / len(clips))
    return Scores(np.asarray(rows, dtype=np.float32), heard, parity)


def head_difference(bundle: Bundle, head: Head, clips: Sequence[Clip]) -> float:
    """The largest difference between the exported file's head and the one that was fitted."""
    exported = open_session(head_of(bundle.model))
    return float(
        np.max(
            [
                _difference(
                    exported.run(["probabilities"], {"embedding": clip.embedding})[0],
                    head.probabilities(clip.embedding),
                )
                for clip in clips
            ]
        )
    )


def _difference(a: Samples, b: Samples) -> float:
    """The largest difference, relative to values above 1."""
    return float((np.abs(a - b) / np.maximum(1, np.abs(b))).max())


def measure(
    probabilities: Samples, truth: Sequence[str], groups: Sequence[str], labels: Sequence[str]
) -> dict[str, Any]:
    """Figures over clips: accuracy with its 95% interval by recording, macro-F1, per label, ECE.

    ``probabilities`` ``[clips, labels]``; a figure that the clips say nothing of is None. The
    interval is a percentile bootstrap over recordings
    (Efron 1979), for clips of one recording are not independent.
    """
    true = np.array([labels.index(label) for label in truth])
    best = probabilities.argmax(axis=1)
    confusion = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(confusion, (true, best), 1)
    hits, said, there = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
    f1 = 2 * hits / np.maximum(said + there, 1)
    return {
        "clips": len(true),
        "recordings": len(set(groups)),
        "accuracy": round(float((best == true).mean()), 4),
        "accuracy_interval": _interval(best == true, groups),
        "macro_f1": round(float(f1[there > 0].mean()), 4),
        "per_label": {
            label: {
                "precision": round(hits[n] / said[n], 4) if said[n] else None,
                "recall": round(hits[n] / there[n], 4) if there[n] else None,
                "f1": round(f1[n], 4) if there[n] else None,
                "clips": int(there[n]),
            }
            for n, label in enumerate(labels)
        },
        "confusion": confusion.tolist(),
        "ece": round(calibration_error(probabilities, true), 4),
    }


def _interval(right: np.ndarray[Any, Any], groups: Sequence[str]) -> list[float]:
    _, group = np.unique(np.array(groups), return_inverse=True)
    hits, sizes = np.bincount(group, weights=right), np.bincount(group)
    drawn = np.random.default_rng(SEED).integers(len(sizes), size=(RESAMPLES, len(sizes)))
    accuracies = hits[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [round(float(q), 4) for q in np.quantile(accuracies, (0.025, 0.975))]


def calibration_error(probabilities: Samples, truth: np.ndarray[Any, Any]) -> float:
    """Expected calibration error over ten equal bins of confidence (Naeini et al., AAAI 2015)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


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
