"""Lessons: scenes as the student hears them, and what the teacher says of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr
from earshot.detector import open_session

from retrain.backbones import mn04
from retrain.backbones.melstats import MelStats
from retrain.distil.scenes import RATE

if TYPE_CHECKING:
    from pathlib import Path

    from earshot.recording import Samples

    from retrain.distil.scenes import Scenes

# Far below the noise of 16 bits would be silence; this is below that of a good recorder.
FLOOR = 1e-7
SCENES_PER_LESSON = 2_048
# Most scenes are as long as a window, some are as short as a clip may be.
LENGTHS_S = (1.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0)
# A few at a time stay in the processor's cache.
AT_ONCE = 4


@dataclass(frozen=True, eq=False)
class Lesson:
    """``log_mel`` float16 ``[scenes, bands, frames]``, ``said`` float16 ``[scenes, answers]``."""

    log_mel: Any
    said: Any

    @classmethod
    def load(cls, path: Path) -> Lesson:
        """Read what ``Classroom.teach`` wrote."""
        with np.load(path) as stored:
            return cls(stored["log_mel"], stored["said"])


class Classroom:
    """EfficientAT's mn04 as the teacher, and the student's ears.

    ``checkpoint`` is the publisher's file. The teacher says its embedding and its logits.
    """

    def __init__(self, checkpoint: bytes) -> None:
        teacher = mn04.convert(checkpoint, (*mn04.EMBEDDING, mn04.LOGITS))
        self._teacher = open_session(teacher.SerializeToString())
        front_end = MelStats(sample_rate=RATE, floor=FLOOR).build_log_mel()
        self._ears = open_session(front_end.SerializeToString())

    def hear(self, sounds: Samples) -> Lesson:
        """A lesson of ``sounds`` float32 ``[scenes, samples]`` at RATE."""
        heard, said = [], []
        for few in np.split(sounds, range(AT_ONCE, len(sounds), AT_ONCE)):
            heard += self._ears.run(["log_mel"], {"waveform": few})
            finer = soxr.resample(few.T, RATE, mn04.SAMPLE_RATE).T
            said += self._teacher.run(["embedding"], {"waveform": np.ascontiguousarray(finer)})
        return Lesson(np.concatenate(heard).astype("f2"), np.concatenate(said).astype("f2"))

    def teach(self, path: Path, scenes: Scenes, number: int) -> None:
        """Write lesson ``number``, the same every time; a lesson that is there is kept."""
        if path.exists():
            return
        random = np.random.default_rng(number)
        length = int(RATE * LENGTHS_S[number % len(LENGTHS_S)])
        lesson = self.hear(
            np.stack([scenes.draw(random, length) for _ in range(SCENES_PER_LESSON)])
        )
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, log_mel=lesson.log_mel, said=lesson.said)
        part.rename(path)
