"""A recording of any length, heard part by part in bounded memory.

Parts are what an analysis that is interrupted does not lose. A part is a function of the recording
and the model alone, so a recording heard at once and one heard in pieces, by whomever, are one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from earshot.audio.streams import resampled
from earshot.detector import BATCH, Hearing, window_starts

if TYPE_CHECKING:
    from collections.abc import Callable

    from earshot.audio.streams import Stream
    from earshot.detector import Detector
    from earshot.recording import Samples

# Windows in a part: 17 minutes of four-second windows, about a second of work.
PART = 16 * BATCH


class Checkpoints(Protocol):
    """Where the parts of one recording's hearing by one model version are kept."""

    def load(self, part: int) -> bytes | None:
        """What was saved of a part; None when nothing was."""

    def save(self, part: int, content: bytes) -> None:
        """Keep a part, whole or not at all."""


def always() -> bool:
    """Go on, however long it takes."""
    return True


def nobody(share: float) -> None:
    """Whom nobody asked to be told."""


def listen(
    stream: Stream,
    detector: Detector,
    checkpoints: Checkpoints,
    goes_on: Callable[[], bool] = always,
    progress: Callable[[float], None] = nobody,
) -> Hearing | None:
    """Hear the windows that ``Detector.hear`` would; saved parts are not heard again.

    ``goes_on`` is asked before each part that has to be heard: when it says no, the answer is
    None, and what was done is saved. ``progress`` is told the share that is done, up to 1.0. A
    long recording's embeddings are not kept: they are ``[windows, 0]``. Raises what
    ``Stream.read`` raises.
    """
    card = detector.card
    heard = resampled(stream, card.sample_rate)
    window = round(card.window_s * card.sample_rate)
    starts = window_starts(heard.frames, window, round(card.hop_s * card.sample_rate))
    parts = [starts[at : at + PART] for at in range(0, len(starts), PART)]
    answers = []
    for number, part in enumerate(parts):
        answer = _saved(checkpoints.load(number), len(part), len(card.labels))
        if answer is None:
            if not goes_on():
                return None
            answer = _heard(heard, detector, part, window)
            checkpoints.save(number, answer.tobytes())
        answers.append(answer)
        progress((number + 1) / len(parts))
    whole = np.concatenate(answers)
    return Hearing(
        np.array(starts) / card.sample_rate,
        whole[:, :-1],
        np.empty((len(whole), 0), dtype=np.float32),
        whole[:, -1],
    )


def _heard(stream: Stream, detector: Detector, starts: list[int], window: int) -> Samples:
    """Some windows' probabilities and novelty, ``[windows, labels + 1]``."""
    answers = []
    for at in range(0, len(starts), BATCH):
        batch = starts[at : at + BATCH]
        sound = stream.read(batch[0], batch[-1] + window)
        windows = [sound[start - batch[0] : start - batch[0] + window] for start in batch]
        probabilities, _, novelty = detector.run(np.stack(windows))
        answers.append(np.column_stack([probabilities, novelty]))
    return np.concatenate(answers).astype("<f4", copy=False)


def _saved(content: bytes | None, windows: int, labels: int) -> Samples | None:
    """A part as it was saved; None for one that was not, or is none of this recording's."""
    if content is None or len(content) != 4 * windows * (labels + 1):
        return None
    return np.frombuffer(content, dtype="<f4").reshape(windows, labels + 1)
