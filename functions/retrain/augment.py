"""Altered copies of a clip, to learn from and never to be judged by."""

from __future__ import annotations

import numpy as np
from earshot.recording import Waveform

# A recorder's gain and its distance are anybody's guess; so is its converter.
GAIN_DB = 12.0
COARSE_STEP = 1 / 128


def silences(sample_rate: int, duration_s: float) -> list[Waveform]:
    """What a dead or covered microphone records: nothing, an offset, or a converter's noise."""
    random = np.random.default_rng(0)
    length = round(sample_rate * duration_s)
    offsets = np.array([0.0, 0.001, -0.001, 0.01, -0.01, 0.1, -0.1, 0.5, -0.5, 1.0, -1.0])
    noises = np.logspace(-5, -2.5, 12)
    sounds = [
        *(np.full(length, offset) for offset in offsets),
        *(level * random.standard_normal(length) for level in noises),
    ]
    return [Waveform(sound.astype(np.float32), sample_rate) for sound in sounds]


def at_another_level(waveform: Waveform) -> Waveform:
    """The same sound up to GAIN_DB louder or softer, half of the time with 8 bits and dither.

    What is drawn depends on the clip alone, so a copy is the same whenever it is made. The dither
    is triangular (Lipshitz, Wannamaker and Vanderkooy, J. Audio Eng. Soc. 40, 1992).
    """
    random = np.random.default_rng(int(waveform.sha256[:16], 16))
    samples = waveform.samples * 10 ** (random.uniform(-GAIN_DB, GAIN_DB) / 20)
    if random.random() < 0.5:
        dither = random.random(len(samples)) - random.random(len(samples))
        samples = np.round(samples / COARSE_STEP + dither) * COARSE_STEP
    return Waveform(np.clip(samples, -1, 1).astype(np.float32), waveform.sample_rate)
