"""What a version answered to its held-out clips, as its ``evaluation.json`` has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from earshot.bundle import EVALUATION_FILE
from earshot.errors import BadBundle
from earshot.recording import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

# Equal bins of confidence, as the calibration error is computed over.
BINS = 10
# So many mistakes are told, those that were the most confident.
WORST = 20


@dataclass(frozen=True)
class Bin:
    """Answers of a confidence from ``low`` to ``high``: how many, and both their means."""

    low: float
    high: float
    clips: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Mistake:
    """A held-out clip that was called by another label; ``recording`` is what it was cut from."""

    sha256: str
    recording: str
    label: str
    answer: str
    confidence: float
    decision: str


@dataclass(frozen=True)
class Reference:
    """What is compared with answers to live sound: one for each label and held-out recording.

    ``clips`` are answers to clips as a whole, ``windows`` to one window that ``answers.draw`` took.
    """

    clips: tuple[Answer, ...]
    windows: tuple[Answer, ...]


@dataclass(frozen=True)
class Evaluation:
    """A version's held-out answers in short: ``reliability`` has no bin without clips.

    ``reference`` is None for a version of an earlier release, which kept no novelties.
    """

    version: str
    clips: int
    reliability: tuple[Bin, ...]
    mistakes: tuple[Mistake, ...]
    reference: Reference | None = None


def bin_of(confidence: ArrayLike) -> NDArray[np.int64]:
    """The number of each confidence's bin; 1 is in the last one."""
    return np.minimum((np.asarray(confidence) * BINS).astype(np.int64), BINS - 1)


def reliability(confidence: ArrayLike, right: ArrayLike) -> list[Bin]:
    """The bins that have answers, each with its mean confidence and its share of right ones."""
    sure, hits = np.asarray(confidence, dtype=float), np.asarray(right, dtype=bool)
    bins = bin_of(sure)
    return [
        Bin(
            low=number / BINS,
            high=(number + 1) / BINS,
            clips=int((bins == number).sum()),
            confidence=round(float(sure[bins == number].mean()), 4),
            accuracy=round(float(hits[bins == number].mean()), 4),
        )
        for number in np.unique(bins).tolist()
    ]


def read(content: bytes) -> Evaluation:
    """Read ``evaluation.json``; raises BadBundle when it is none."""
    try:
        found = json.loads(content)
        clips: list[Any] = found["clips"]
        confidence = [max(clip["probabilities"]) for clip in clips]
        mistakes = [
            Mistake(
                str(clip["sha256"]),
                str(clip["group"]),
                str(clip["label"]),
                str(clip["answer"]),
                float(sure),
                str(clip["decision"]),
            )
            for clip, sure in zip(clips, confidence, strict=True)
            if clip["answer"] != clip["label"]
        ]
        return Evaluation(
            version=str(found["version"]),
            clips=len(clips),
            reliability=tuple(
                reliability(confidence, [clip["answer"] == clip["label"] for clip in clips])
            ),
            mistakes=tuple(sorted(mistakes, key=lambda one: -one.confidence)[:WORST]),
            reference=_reference(clips),
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadBundle(f"{EVALUATION_FILE} cannot be read: {error!r}.") from error


def _reference(clips: Sequence[Any]) -> Reference | None:
    if any("novelty" not in clip for clip in clips):
        return None
    whole: dict[tuple[str, str], Answer] = {}
    drawn: dict[tuple[str, str], Answer] = {}
    # A clip's digest knows nothing of its sound: which one stands for a recording is chance.
    for clip in sorted(clips, key=lambda clip: str(clip["sha256"])):
        group, accepted = str(clip["group"]), clip["decision"] == "accepted"
        answer = Answer(
            str(clip["answer"]), float(max(clip["probabilities"])), float(clip["novelty"]), accepted
        )
        whole.setdefault((group, answer.label), answer)
        for label, confidence, novelty, passes in clip["windows"]:
            window = Answer(str(label), float(confidence), float(novelty), bool(passes))
            drawn.setdefault((group, window.label), window)
    return Reference(tuple(whole.values()), tuple(drawn.values()))
